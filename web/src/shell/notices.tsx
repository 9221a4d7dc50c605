import BellOutlined from '@ant-design/icons/es/icons/BellOutlined';
import { useQueryClient } from '@tanstack/react-query';
import { Button, Popover } from 'antd';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { idOf, post } from '../fhir/client';
import { useNotices, useUnread } from '../fhir/queries';
import type { Notice } from '../fhir/types';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { timeOf } from '../words/time';
import { useName, useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

export function Notices() {
  const t = useWords({ zh, en });
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  const notices = useNotices(open);
  const list = notices.data?.notices ?? [];
  const unread = useUnread().data ?? 0;

  async function readAll() {
    const seq = Math.max(0, ...list.map((n) => n.seq));
    await post('/api/notices/read', { seq }).catch(() => undefined);
    void client.invalidateQueries({ queryKey: ['notices'] });
  }
  const body = (
    <div className="notices">
      <div className="notices-head">
        <h2>{t('notices')}</h2>
        {unread > 0 && <Button size="small" type="link" onClick={() => void readAll()}>{t('markRead')}</Button>}
      </div>
      {notices.error ? <ErrorState error={notices.error} onRetry={() => void notices.refetch()} compact />
        : notices.isLoading ? <Loading rows={4} />
        : list.length === 0 ? <EmptyState title={t('noticesEmpty')} hint={t('noticesHint')} />
        : <ul className="bare">{list.map((n) => <Line key={n.seq} notice={n} onGo={() => setOpen(false)} />)}</ul>}
    </div>
  );
  return (
    <Popover open={open} onOpenChange={setOpen} trigger="click" placement="bottomRight" content={body}>
      <Button type="text" className="bell">
        <BellOutlined aria-hidden />
        {unread > 0 && <span className="count count-bell" aria-hidden>{unread > 99 ? '99+' : unread}</span>}
        <span className="sr">{unread ? t('noticesUnread', { n: unread }) : t('notices')}</span>
      </Button>
    </Popover>
  );
}

function Line({ notice: n, onGo }: { notice: Notice; onGo: () => void }) {
  const name = useName();
  const go = useNavigate();
  const open = n.line === 'registry' ? `/admin/people?at=${encodeURIComponent(n.focus ?? '')}` : n.line === 'person' ? `/patients/${idOf(n.focus)}` : n.line && n.focus ? `/lines/${n.line}/cases/${idOf(n.focus)}` : '';
  return (
    <li>
      <button type="button" className={n.mine ? 'notice notice-mine' : 'notice'} disabled={!open} onClick={() => {
        onGo();
        go(open);
      }}>
        <span>{name(n.text)}</span>
        <span className="quiet small num">
          {timeOf(n.at)}
        </span>
      </button>
    </li>
  );
}
