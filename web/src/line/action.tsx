import MoreOutlined from '@ant-design/icons/es/icons/MoreOutlined';
import { App, Button, Dropdown } from 'antd';
import { useEffect, useMemo, useRef, useState, type FormEvent } from 'react';
import { call, idOf, newKey, Refusal } from '../fhir/client';
import { useCaseMoved } from '../fhir/queries';
import type { Case, OpenStep } from '../fhir/types';
import { useWho } from '../shell/who';
import { ErrorState } from '../states/states';
import { useName, useWords } from '../words/words';
import { useDraft } from './draft';
import en from './en.json';
import { Fields, startValues } from './form';
import { check, parameters } from './parameters';
import zh from './zh.json';

// Actions offers what the server allows now: one primary button, the rest in a menu, the form in place. What the flow does
// not call for stands plain, also where it is all that can be done.
export function Actions({ slug, data }: { slug: string; data: Case }) {
  const t = useWords({ zh, en });
  const say = useName();
  const open = data.open ?? [];
  const [doing, setDoing] = useState<string>();
  const keyOf = (s: OpenStep) => `${s.do}:${s.name.zh}`; // one step may stand twice, with another meaning
  const step = open.find((s) => keyOf(s) === doing);
  const first = open.find((s) => s.primary) ?? (open.length === 1 ? open[0] : undefined);
  const rest = open.filter((s) => s !== first);
  useEffect(() => {
    if (doing && !step) setDoing(undefined);
  }, [doing, step]);
  if (step) return <StepForm key={keyOf(step)} slug={slug} data={data} step={step} onClose={() => setDoing(undefined)} />;
  return (
    <div className="case-actions">
      <p className="waiting">
        {say(data.waiting?.text) || (data.row.stateKind !== 'open' ? t('over') : data.waiting?.actor?.display ? t('waitsFor', { who: data.waiting.actor.display }) : '')}
      </p>
      {open.length > 0 && (
        <div className="actions">
          {first && <Button type={first.primary ? 'primary' : 'default'} onClick={() => setDoing(keyOf(first))}>{say(first.name)}</Button>}
          {rest.length > 0 && rest.length <= (first ? 1 : 2) ? rest.map((s) => <Button key={keyOf(s)} onClick={() => setDoing(keyOf(s))}>{say(s.name)}</Button>)
            : rest.length > 0 && (
              <Dropdown trigger={['click']} menu={{ items: rest.map((s) => ({ key: keyOf(s), label: say(s.name) })), onClick: ({ key }) => setDoing(key) }}>
                <Button icon={<MoreOutlined aria-hidden />}>{t('moreActions')}</Button>
              </Dropdown>
            )}
        </div>
      )}
    </div>
  );
}

function StepForm({ slug, data, step, onClose }: { slug: string; data: Case; step: OpenStep; onClose: () => void }) {
  const t = useWords({ zh, en });
  const say = useName();
  const me = useWho();
  const moved = useCaseMoved();
  const { message } = App.useApp();
  const initial = useMemo(() => startValues(step.form), [step.form]);
  const { values, set, restored, forget, reset } = useDraft(`${me?.user.id}.${slug}.${idOf(data.row.task)}.${step.do}`, initial);
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const [refused, setRefused] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const key = useRef(newKey());
  const box = useRef<HTMLFormElement>(null);
  useEffect(() => {
    box.current?.querySelector<HTMLElement>('input, textarea, button[type=submit]')?.focus({ preventScroll: true });
    box.current?.scrollIntoView({ block: 'nearest' });
  }, []);

  async function go(e: FormEvent) {
    e.preventDefault();
    const missing = check(step.form, values, data.row.urgency === 'emergency');
    setWrong(missing);
    setRefused(null);
    const bad = Object.keys(missing)[0];
    if (bad) return box.current?.querySelector<HTMLElement>(`[data-field="${bad}"] input, [data-field="${bad}"] textarea`)?.focus();
    setBusy(true);
    try {
      await call(`/fhir/${data.row.task}/$${step.do}`, {
        method: 'POST', body: parameters(step.form, values),
        headers: { 'Idempotency-Key': key.current, ...(data.row.version ? { 'If-Match': `W/"${data.row.version}"` } : {}) },
      });
      forget();
      void message.success(t('did', { step: say(step.name) }));
      onClose();
      moved();
    } catch (error) {
      key.current = newKey();
      setRefused(error);
      if (error instanceof Refusal) {
        setWrong(fieldErrors(error, (step.form?.fields ?? []).map((f) => f.name)));
        if (error.status === 409 || error.status === 412) moved();
      }
    } finally {
      setBusy(false);
    }
  }
  return (
    <form className="step-form" onSubmit={go} noValidate ref={box} aria-label={say(step.name)} onKeyDown={(e) => {
      if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) box.current?.requestSubmit();
      if (e.key === 'Escape' && !document.querySelector('.ant-select-open')) {
        e.stopPropagation();
        onClose();
      }
    }}>
      <h2>{say(step.name)}</h2>
      {say(step.effect) && <p className="effect">{say(step.effect)}</p>}
      {restored && <p className="quiet small">{t('draftBack')} <Button size="small" type="link" onClick={reset}>{t('draftDrop')}</Button></p>}
      <div className="fields"><Fields form={step.form} values={values} set={set} wrong={wrong} patient={data.row.patient?.reference} id={`do-${step.do}`} task={data.row.task} owner={data.row.to?.reference} emergency={data.row.urgency === 'emergency'} /></div>
      {refused !== null && <ErrorState error={refused} compact act />}
      <div className="actions">
        <Button type="primary" htmlType="submit" loading={busy}>{t('confirm', { step: say(step.name) })}</Button>
        <Button onClick={onClose}>{t('cancel')}</Button>
      </div>
    </form>
  );
}

// fieldErrors puts a refusal's issues beside the fields that they name.
export function fieldErrors(refusal: Refusal, names: string[]): Record<string, string> {
  const wrong: Record<string, string> = {};
  for (const i of refusal.issues) {
    const at = names.find((n) => i.at && new RegExp(`(^|[^\\w-])${n.replace(/[^\w-]/g, '')}($|[^\\w-])`).test(i.at));
    if (at) wrong[at] ??= i.text;
  }
  return wrong;
}
