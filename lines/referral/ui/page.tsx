import type { Case, Line } from '../../../web/src/fhir/types';
import { LinePage } from '../../../web/src/line/page';
import { Compose } from './form';
import { PlanAndOutcome } from './plan';

// The referral's own: composing, and the plan that goes home with the patient. All else is the generic page's.
export default function ReferralPage({ line }: { line: Line }) {
  return <LinePage line={line} compose={line.start?.length ? <Compose line={line} /> : undefined} aside={(c: Case) => <PlanAndOutcome data={c} />} />;
}
