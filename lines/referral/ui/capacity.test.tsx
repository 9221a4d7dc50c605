import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import { hub, refuse } from '../../../web/src/test-hub';
import { Capacity, firsts } from './capacity';

const row = (institution: string, more = {}) => ({ institution, name: institution.slice(13), specialty: 'cardiology', specialtyName: '心血管内科', level: 'general', free: 3, agreed: true, reasons: [{ zh: '现有空床 3 张', en: '3 beds free now' }], ...more });

describe('who can take the patient now', () => {
  it('keeps the first row of each other hospital', () => {
    expect(firsts([row('Organization/own', { own: true }), row('Organization/a'), row('Organization/b'), row('Organization/a', { specialty: 'x' })]).map((r) => r.institution)).toEqual(['Organization/a', 'Organization/b']);
  });
  it('says why in words, and a click chooses', async () => {
    const choose = vi.fn();
    hub(<Capacity choose={choose} />, { say: { 'GET /api/beds/directory': { rows: [row('Organization/centre')], specialties: [{ code: 'cardiology', name: '心血管内科' }] } } });
    const list = await screen.findByRole('region', { name: '现在谁能收' });
    expect(within(list).getByText('心血管内科，现有空床 3 张')).toBeInTheDocument();
    await userEvent.click(within(list).getByRole('button', { name: 'centre' }));
    expect(choose).toHaveBeenCalledWith({ reference: 'Organization/centre', display: 'centre' });
  });
  it('a directory that fails holds up nobody', async () => {
    hub(<Capacity choose={() => undefined} />, { say: { 'GET /api/beds/directory': refuse(500, 'broken', '出错了') } });
    expect(await screen.findByText(/不影响转诊/)).toBeInTheDocument();
  });
});
