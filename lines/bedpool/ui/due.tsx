import { App, Button, Modal } from 'antd';
import { useState, type ReactNode } from 'react';
import { useName } from '../../../web/src/words/words';
import type { Proposal, Waiter } from './api';
import { useSay } from './say';
import { BedUrgencyMark, reasons, Who } from './waiters';

interface Props { rows: Waiter[]; byTask: Map<string, Proposal>; place: (bed: string) => string; accept: (w: Waiter, p: Proposal) => Promise<unknown>; children: ReactNode }

// Due heads the cases with a place reserved for today: each has a bed proposed, and the desk takes them one by one or, after
// one look at what it will do, all at once. Nothing is bound by itself.
export function Due({ rows, byTask, place, accept, children }: Props) {
  const t = useSay();
  const say = useName();
  const { message } = App.useApp();
  const [asks, setAsks] = useState(false);
  const [doing, setDoing] = useState<{ done: number; of: number }>();
  const sure = rows.filter((w) => byTask.get(w.task)?.bed);
  if (!rows.length) return null;
  async function all() {
    setAsks(false);
    let done = 0;
    for (const w of sure) {
      setDoing({ done, of: sure.length });
      if (await accept(w, byTask.get(w.task)!)) done++;
    }
    setDoing(undefined);
    void message[done === sure.length ? 'success' : 'warning'](t('boundN', { n: done, of: sure.length }), 6);
  }
  return (
    <section className="due-today" aria-label={t('dueToday', { n: rows.length })}>
      <header className="waiters-head">
        <h2>{t('dueToday', { n: rows.length })}</h2><span className="grow" />
        {sure.length > 0 && <Button size="small" type="primary" loading={!!doing} onClick={() => setAsks(true)}>{doing ? t('accepting', doing) : t('bindAll', { n: sure.length })}</Button>}
      </header>
      {children}
      {asks && (
        <Modal open title={t('bindAllTitle', { n: sure.length })} okText={t('bindAll', { n: sure.length })} cancelText={t('cancel')} onCancel={() => setAsks(false)} onOk={() => void all()} width={640}>
          <ul className="bare accept-list">
            {sure.map((w) => <li key={w.task}><BedUrgencyMark urgency={w.needs.urgency} /> <Who w={w} /> → <b>{place(byTask.get(w.task)!.bed!)}</b> <span className="quiet small">{say(reasons(byTask.get(w.task)!))}</span></li>)}
          </ul>
        </Modal>
      )}
    </section>
  );
}
