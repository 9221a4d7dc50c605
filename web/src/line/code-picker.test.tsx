import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { describe, expect, it } from 'vitest';
import { hub, refuse } from '../test-hub';
import CodePicker from './code-picker';
import { parameters, type Coded } from './parameters';

function Form() {
  const [value, set] = useState<Coded>();
  return (
    <>
      <label htmlFor="dx">诊断</label>
      <CodePicker id="dx" system="icd-10" value={value} onChange={set} />
      <output>{JSON.stringify(value ?? null)}</output>
    </>
  );
}

const loaded = {
  'GET /fhir/ValueSet': { resourceType: 'Bundle', total: 1 },
  'GET /fhir/ValueSet/$expand': { resourceType: 'ValueSet', expansion: { total: 3, contains: [
    { system: 'urn:icd', code: 'I10', display: '高血压类目', abstract: true },
    { system: 'urn:icd', code: 'I10.x00x002', display: '高血压' },
    { system: 'urn:icd', code: 'I11.900', display: '高血压性心脏病' },
  ] } },
};
const kept = () => JSON.parse(screen.getByRole('status').textContent || 'null') as Coded | null;

describe('the diagnosis', () => {
  it('is found among the loaded codes by pinyin initials; the system comes with it', async () => {
    const { asked } = hub(<Form />, { say: loaded });
    await userEvent.type(screen.getByRole('combobox', { name: '诊断' }), 'gxy');
    await userEvent.click(await screen.findByText('I10.x00x002'));
    expect(kept()).toEqual({ system: 'urn:icd', code: 'I10.x00x002', display: '高血压' });
    const last = asked.filter((a) => a.path.endsWith('$expand')).map((a) => new URLSearchParams(a.search));
    expect(last.some((q) => q.get('filter') === 'gxy' && q.get('url') === 'https://xinglin.health/fhir/ValueSet/diagnosis' && q.get('count') === '12')).toBe(true);
  });
  it('classes that only group others are not offered', async () => {
    hub(<Form />, { say: loaded });
    await userEvent.type(screen.getByRole('combobox', { name: '诊断' }), '高');
    await screen.findByText('I11.900');
    expect(screen.queryByText('高血压类目')).not.toBeInTheDocument();
  });
  it('typed as a whole gets its code without being picked', async () => {
    hub(<Form />, { say: loaded });
    await userEvent.type(screen.getByRole('combobox', { name: '诊断' }), '高血压');
    await waitFor(() => expect(kept()).toEqual({ system: 'urn:icd', code: 'I10.x00x002', display: '高血压' }));
  });
  it('comes from the short list where nothing is loaded', async () => {
    const { asked } = hub(<Form />, { say: { 'GET /fhir/ValueSet': { resourceType: 'Bundle', total: 0 } } });
    await userEvent.type(screen.getByRole('combobox', { name: '诊断' }), 'jxxjgs');
    await userEvent.click(await screen.findByText('I21.9'));
    expect(kept()).toEqual({ code: 'I21.9', display: '急性心肌梗死' });
    expect(asked.some((a) => a.path.endsWith('$expand'))).toBe(false);
  });
  it('comes from the short list where the terminology does not answer', async () => {
    hub(<Form />, { say: { ...loaded, 'GET /fhir/ValueSet/$expand': refuse(422, 'too-costly', '值集过大') } });
    await userEvent.type(screen.getByRole('combobox', { name: '诊断' }), '心绞痛');
    expect((await screen.findAllByText('I20.9')).length).toBeGreaterThan(0);
  });
  it('stays as words where it has no code', async () => {
    hub(<Form />, { say: loaded });
    await userEvent.type(screen.getByRole('combobox', { name: '诊断' }), '待查');
    expect(kept()).toEqual({ display: '待查' });
  });
  it('is sent with the system that it came from', () => {
    const form = { fields: [{ name: 'diagnosis', type: 'code', label: { zh: '诊断', en: 'Diagnosis' }, system: 'icd-10' }] } as unknown as Parameters<typeof parameters>[0];
    const sent = (v: Coded) => parameters(form, { diagnosis: v }).parameter[0];
    expect(sent({ system: 'urn:icd', code: 'I10.x00', display: '高血压' })).toMatchObject({ valueCoding: { system: 'urn:icd', code: 'I10.x00' } });
    expect(sent({ code: 'I10', display: '原发性高血压' })).toMatchObject({ valueCoding: { system: 'http://hl7.org/fhir/sid/icd-10', code: 'I10' } });
  });
});
