import { useState } from 'react';
import { row, rows } from '../../dev/fixtures.ts';
import { CaseTable } from './table';

// Held lets a test add a row above while the pointer is over the list.
export function Held() {
  const [list, setList] = useState(rows.slice(0, 3));
  return (
    <>
      <button type="button" onClick={() => setList((l) => [row(9, { task: 'Task/new' }), ...l])}>more</button>
      <CaseTable label="t" rows={list} onOpen={() => undefined} />
    </>
  );
}
