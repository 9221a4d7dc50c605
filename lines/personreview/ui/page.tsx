import type { Line } from '../../../web/src/fhir/types';
import { LinePage } from '../../../web/src/line/page';

export default function PersonReviewPage({ line }: { line: Line }) {
  return <LinePage line={line} />;
}
