import { screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { line } from '../../../web/dev/fixtures.ts';
import { hub } from '../../../web/src/test-hub';
import PersonReviewPage from './page';

it('shows the list', async () => {
  hub(<PersonReviewPage line={line} />);
  expect(await screen.findByRole('table')).toBeInTheDocument();
});
