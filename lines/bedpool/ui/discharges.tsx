import { EmptyState } from '../../../web/src/states/states';
import type { TabProps } from './page';

export default function Tab({ pool }: TabProps) {
  return <EmptyState title={pool.name} />;
}
