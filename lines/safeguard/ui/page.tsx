import type { Line } from '../../../web/src/fhir/types';
import { LinePage } from '../../../web/src/line/page';
import { Start } from '../../../web/src/line/start';
import { useWords } from '../../../web/src/words/words';
import en from './en.json';
import zh from './zh.json';

export default function SafeguardPage({ line }: { line: Line }) {
  const t = useWords({ zh, en });
  return <LinePage line={line} compose={line.start?.length ? <Start line={line} title={t('title')} says={t('says')} send={t('send')} /> : undefined} />;
}
