package bench

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// Searches measures the shapes that worklists and patient pages ask for, with values sampled from the server.
func (t *Target) Searches(ctx context.Context, clients int, each time.Duration, report func(Figure)) error {
	patients, err := t.Sample(ctx, "/Patient?_count=200", id)
	if err != nil {
		return err
	}
	names, err := t.Sample(ctx, "/Patient?_count=200", func(r map[string]any) string { return text(r, "name", "family") })
	if err != nil {
		return err
	}
	codes, err := t.Sample(ctx, "/Observation?_count=200", func(r map[string]any) string {
		c, _ := r["code"].(map[string]any)
		s, k := text(c, "coding", "system"), text(c, "coding", "code")
		if k == "" {
			return ""
		}
		return url.QueryEscape(s + "|" + k)
	})
	if err != nil {
		return err
	}
	cross := func(format string, a, b []string) []string {
		var out []string
		for i := range 200 {
			out = append(out, fmt.Sprintf(format, a[i%len(a)], b[(i*7)%len(b)]))
		}
		return out
	}
	one := func(format string, a []string) []string {
		var out []string
		for _, v := range a {
			out = append(out, fmt.Sprintf(format, v))
		}
		return out
	}
	for _, s := range []struct {
		name  string
		paths []string
	}{
		{"code", one("/Observation?code=%s&_count=20", codes)},
		{"code + date", one("/Observation?code=%s&date=ge2015-01-01&date=lt2019-01-01&_count=20", codes)},
		{"code + sort by date", one("/Observation?code=%s&_sort=-date&_count=20", codes)},
		{"patient + code + date, newest first", cross("/Observation?patient=%s&code=%s&date=ge2010&_sort=-date&_count=20", patients, codes)},
		{"patient, all observations", one("/Observation?patient=%s&_count=50", patients)},
		{"name", one("/Patient?name=%s&_count=20", names)},
		{"birth date range, sorted", one("/Patient?birthdate=ge1960-01-01&birthdate=lt1990-01-01&_sort=birthdate&_count=20&_elements=id%.0s", patients[:1])},
		{"chain: encounters by patient name", one("/Encounter?subject:Patient.name=%s&_count=20", names)},
		{"include: conditions with patient", one("/Condition?patient=%s&_include=Condition:subject&_count=20", patients)},
		{"revinclude: patient with conditions", one("/Patient?_id=%s&_revinclude=Condition:subject&_count=20", patients)},
		{"accurate total by code", one("/Observation?code=%s&_count=1&_total=accurate", codes[:min(20, len(codes))])},
	} {
		report(t.Get(ctx, "search: "+s.name, clients, each, s.paths))
	}
	return nil
}

// Reads measures read by id of small and large resources.
func (t *Target) Reads(ctx context.Context, clients int, each time.Duration, report func(Figure)) error {
	for _, typ := range []string{"Patient", "Observation"} {
		ids, err := t.Sample(ctx, "/"+typ+"?_count=500", id)
		if err != nil {
			return err
		}
		var paths []string
		for _, v := range ids {
			paths = append(paths, "/"+typ+"/"+v)
		}
		report(t.Get(ctx, fmt.Sprintf("read: %s, %d clients", typ, clients), clients, each, paths))
		report(t.Get(ctx, fmt.Sprintf("read: %s, 1 client", typ), 1, each, paths))
	}
	return nil
}

func id(r map[string]any) string { s, _ := r["id"].(string); return s }

// text follows list.key on the first item of a list.
func text(r map[string]any, list, key string) string {
	items, _ := r[list].([]any)
	if len(items) == 0 {
		return ""
	}
	m, _ := items[0].(map[string]any)
	s, _ := m[key].(string)
	return s
}
