import type { Me } from '../fhir/types';

export default function Shell({ me }: { me: Me }) {
  return <main id="content">{me.user.name}</main>;
}
