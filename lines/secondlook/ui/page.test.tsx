import { screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { line } from '../../../web/dev/fixtures.ts';
import { hub } from '../../../web/src/test-hub';
import SecondLookPage from './page';

it('shows the list', async () => {
  hub(<SecondLookPage line={line} />);
  expect(await screen.findByRole('table')).toBeInTheDocument();
});
