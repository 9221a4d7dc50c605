import { Button, Input } from 'antd';
import { useMemo, useState } from 'react';
import { Link, useSearchParams } from 'react-router';
import OrgPicker from '../line/org-picker';
import type { Pointed } from '../line/parameters';
import { useWho } from '../shell/who';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { useMarks, useName, useWords } from '../words/words';
import { lastDay, useEndings, usePeople, type Member } from './data';
import en from './en.json';
import { PersonPanel, useKeeps } from './person';
import './registry.css';
import zh from './zh.json';

// People lists who works here, with licences, posts and what ends soon; one opens beside the list.
export default function People() {
  const t = useWords({ zh, en });
  const me = useWho();
  const keeps = useKeeps();
  const [url, setUrl] = useSearchParams();
  const at = url.get('at') ?? '';
  const ending = url.get('show') === 'ending';
  const [org, setOrg] = useState<Pointed | undefined>(() => (me?.role.institution as Pointed | undefined));
  const [find, setFind] = useState('');
  const [q, setQ] = useState('');
  const people = usePeople(org?.reference ?? '', q);
  const ends = useEndings();
  const list = useMemo(() => (people.data?.pages ?? []).flatMap((p) => p.people ?? []), [people.data]);
  const show = (value: string, key = 'at') => setUrl((b) => {
    const n = new URLSearchParams(b);
    if (value) n.set(key, value);
    else n.delete(key);
    return n;
  }, { replace: true });
  const soon = (ends.data ?? []).filter((e) => !e.over).length;
  return (
    <section className="sheet subs" aria-label={t('people')}>
      <div className="sheet-head">
        <h1>{t('people')}</h1>
        <div style={{ width: 260 }}><OrgPicker id="people-org" aria-label={t('org')} value={org} onChange={setOrg} /></div>
        <Input.Search size="small" allowClear placeholder={t('findPerson')} aria-label={t('findPerson')} value={find} style={{ maxWidth: 200 }}
          onChange={(e) => {
            setFind(e.target.value);
            if (!e.target.value) setQ('');
          }} onSearch={(v) => setQ(v.trim())} />
        <Button size="small" type={ending ? 'primary' : 'default'} aria-pressed={ending} onClick={() => show(ending ? '' : 'ending', 'show')}>{t('endingSoon')}{soon > 0 && <b className="num"> {soon}</b>}</Button>
        <span className="grow" />
        {keeps && <Link to="/admin/import"><Button>{t('importFile')}</Button></Link>}
        {keeps && <Button type="primary" onClick={() => show('new')}>{t('newPerson')}</Button>}
      </div>
      <div className={at ? 'subs-body subs-open people-open' : 'subs-body'}>
        <div className="subs-list" tabIndex={0} role="region" aria-label={t('people')}>
          {ending ? <Endings onOpen={show} />
            : people.error && list.length === 0 ? <ErrorState error={people.error} onRetry={() => void people.refetch()} />
            : people.isLoading ? <Loading rows={14} />
            : list.length === 0 ? <EmptyState title={t('peopleEmpty')} hint={t('peopleEmptyHint')}>{keeps && <Link to="/admin/import">{t('importFile')}</Link>}</EmptyState>
            : (
              <>
                <table className="plain" aria-label={t('people')}>
                  <thead><tr><th scope="col">{t('name')}</th><th scope="col" className="only-wide">{t('staffNumber')}</th><th scope="col">{t('licence')}</th><th scope="col">{t('rolesNow')}</th><th scope="col">{t('endsOn')}</th></tr></thead>
                  <tbody>{list.map((m) => <Row key={m.reference} m={m} here={m.reference === at} onOpen={() => show(m.reference === at ? '' : m.reference)} />)}</tbody>
                </table>
                {people.hasNextPage && <p className="pad"><Button size="small" loading={people.isFetchingNextPage} onClick={() => void people.fetchNextPage()}>{t('more')}</Button></p>}
              </>
            )}
        </div>
        {at && <PersonPanel key={at} reference={at === 'new' ? '' : at} org={org} onClose={() => show('')} onOpen={(r) => show(r)} />}
      </div>
    </section>
  );
}

function Row({ m, here, onOpen }: { m: Member; here: boolean; onOpen: () => void }) {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const say = useName();
  const now = m.posts.filter((p) => p.inForce && p.here !== false);
  const elsewhere = [...new Set(m.posts.filter((p) => p.inForce && p.here === false).map((p) => p.org.display))];
  const held = m.licences.find((l) => l.inForce) ?? m.licences[0];
  return (
    <tr aria-current={here || undefined} className={m.active ? '' : 'row-over'} onClick={onOpen}>
      <td className="nowrap"><button type="button" className="row-open" aria-expanded={here} onClick={(e) => {
        e.stopPropagation();
        onOpen();
      }}>{m.name || m.reference}</button></td>
      <td className="only-wide num">{m.number}</td>
      <td className="nowrap">{held ? <span className={held.inForce ? '' : 'late-word'}>{say(held.name)}{!held.inForce && ` · ${t(held.suspended ? 'suspended' : 'over')}`}</span> : <span className="quiet">{t('noLicence')}</span>}</td>
      <td>{now.length ? now.map((p) => <div key={p.role + p.code}>{say(p.name)} <span className="quiet small">{p.org.display}{p.basis && ` · ${say(p.basis.name)}`}</span></div>) : <span className="quiet">{t('noRoleNow')}</span>}
        {elsewhere.length > 0 && <div className="quiet small">{t('elsewhere', { where: elsewhere.join(marks.list) })}</div>}</td>
      <td className="nowrap num">{m.ends ? <b className="due-soon">{lastDay(m.ends)}</b> : <span className="quiet">—</span>}</td>
    </tr>
  );
}

function Endings({ onOpen }: { onOpen: (reference: string) => void }) {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const say = useName();
  const all = useEndings();
  if (all.error) return <ErrorState error={all.error} onRetry={() => void all.refetch()} />;
  if (!all.data) return <Loading rows={8} />;
  if (all.data.length === 0) return <EmptyState title={t('endingEmpty')} hint={t('endingEmptyHint')} />;
  return (
    <table className="plain" aria-label={t('endingSoon')}>
      <thead><tr><th scope="col">{t('endsOn')}</th><th scope="col">{t('name')}</th><th scope="col">{t('what')}</th><th scope="col">{t('orgs')}</th></tr></thead>
      <tbody>{all.data.map((e) => (
        <tr key={`${e.what}${e.person.reference}${e.role ?? e.number}${e.until}`} onClick={() => onOpen(e.person.reference!)}>
          <td className="nowrap num"><b className={e.over ? 'late-word' : 'due-soon'}>{lastDay(e.until)}</b> {e.over && <span className="mark mark-late">{t('over')}</span>}</td>
          <td className="nowrap"><button type="button" className="row-open" onClick={() => onOpen(e.person.reference!)}>{e.person.display}</button></td>
          <td>{t(`what.${e.what}`)} · {say(e.name)} {e.number && <span className="quiet num small">{e.number}</span>}</td>
          <td>{e.orgs.map((o) => o.display).join(marks.list)}</td>
        </tr>
      ))}</tbody>
    </table>
  );
}
