import type { Line } from '../../../web/src/fhir/types';
import { Start } from '../../../web/src/line/start';
import { useWords } from '../../../web/src/words/words';
import en from './en.json';
import zh from './zh.json';

// A new admission request, about a patient whom the desk or the doctor picks.
export default function New({ line }: { line: Line }) {
  const t = useWords({ zh, en });
  return <Start line={line} title={t('new')} says={t('newSays')} send={t('send')} after={(id) => `/lines/${line.slug}/cases/${id}`} />;
}
