import { Button } from 'antd';
import { PatientSearch } from '../shell/search';
import { useWords } from '../words/words';
import en from './en.json';
import type { Pointed } from './parameters';
import zh from './zh.json';

// A patient as the answer of a form: found as everywhere, then named.
export default function PatientPicker({ value, onChange, ...aria }: { id?: string; value?: Pointed; onChange: (v?: Pointed) => void }) {
  const t = useWords({ zh, en });
  if (!value?.reference) return <PatientSearch global={false} onPick={(p) => onChange({ reference: p.reference, display: p.name })} />;
  return (
    <span className="picked">
      <b>{value.display ?? value.reference}</b> <Button {...aria} size="small" type="link" onClick={() => onChange(undefined)}>{t('pickAnother')}</Button>
    </span>
  );
}
