// A hospital's beds as its administrator writes them: campuses, wards, rooms and beds as Locations.
const canonical = 'https://xinglin.health/fhir';
const kinds = { si: 'Site', wa: 'Ward', ro: 'Room', bd: 'Bed' };
const says = (name, value) => ({ url: `${canonical}/StructureDefinition/${name}`, ...value });

function place(id, name, kind, above, more = {}) {
  return {
    resourceType: 'Location', id, status: 'active', name, mode: 'instance',
    physicalType: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/location-physical-type', code: kind, display: kinds[kind] }] },
    ...(above ? { partOf: { reference: `Location/${above}` } } : {}), ...more,
  };
}

// house makes Locations: wards of about `size` beds in rooms of three and single rooms until there are `beds` of them.
export function house({ prefix, org, wards }) {
  const all = [place(`${prefix}-campus`, '南院区', 'si', '', { managingOrganization: { reference: org } })];
  const beds = [];
  wards.forEach((w, i) => {
    const ward = `${prefix}-w${i}`;
    all.push(place(ward, w.name, 'wa', `${prefix}-campus`, { managingOrganization: { reference: w.org ?? org }, extension: [
      ...(w.specialties ?? []).map((s) => says('ward-specialty', { valueCode: s })), says('ward-lends', { valueBoolean: true }), says('ward-group', { valueCode: 'med' })] }));
    for (let no = 1; no <= w.beds;) {
      const size = Math.min(no % 7 === 0 ? 1 : 3, w.beds - no + 1);
      const room = `${ward}-r${no}`;
      all.push(place(room, String(300 + no), 'ro', ward, { managingOrganization: { reference: w.org ?? org }, extension: [says('room-sex', { valueCode: size === 1 ? 'single' : 'mixed' })] }));
      for (let k = 0; k < size; k++, no++) {
        const id = `${ward}-b${no}`;
        beds.push(`Location/${id}`);
        all.push(place(id, `${no} 床`, 'bd', room, { managingOrganization: { reference: w.org ?? org }, extension: [
          says('bed-level', { valueCode: 'general' }), says('bed-equipment', { valueCode: 'oxygen' }), ...(no % 3 ? [] : [says('bed-equipment', { valueCode: 'monitor' })])] }));
      }
    }
  });
  return { all, beds };
}

// write sends resources in bundles as the person of the page.
export async function write(page, all, size = 400) {
  const csrf = await page.evaluate(() => fetch('/api/me').then((r) => r.json()).then((m) => m.csrf));
  for (let i = 0; i < all.length; i += size) {
    const bundle = { resourceType: 'Bundle', type: 'transaction', entry: all.slice(i, i + size).map((r) => ({ resource: r, request: { method: 'PUT', url: `${r.resourceType}/${r.id}` } })) };
    const said = await page.evaluate(async ([b, token]) => {
      const r = await fetch('/fhir', { method: 'POST', headers: { 'Content-Type': 'application/fhir+json', 'X-CSRF-Token': token }, body: JSON.stringify(b) });
      return { status: r.status, text: r.ok ? '' : await r.text() };
    }, [bundle, csrf]);
    if (said.status !== 200) throw new Error(`writing beds: ${said.status} ${said.text.slice(0, 600)}`);
  }
}
