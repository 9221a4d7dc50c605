package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// samples are values that the server itself holds, to ask for.
type samples struct {
	patients []string // ids
	names    []string
	codes    []string // system|code of Observations, escaped
	values   []string // code and an exceeded value: code=…&value-quantity=gt…
	codings  []string // of Conditions
}

// sample asks for them; what a server does not hold or cannot be asked for stays empty.
func (t *Target) sample(ctx context.Context) (s samples, err error) {
	for _, want := range []struct {
		to   *[]string
		path string
		pick func(map[string]any) string
	}{
		{&s.patients, "/Patient?_count=100", id},
		{&s.names, "/Patient?_count=100", func(r map[string]any) string { return url.QueryEscape(text(r, "name", "family")) }},
		{&s.codes, "/Observation?_count=100", coding},
		{&s.values, "/Observation?_count=100", func(r map[string]any) string {
			q, _ := r["valueQuantity"].(map[string]any)
			v, ok := q["value"].(float64)
			c := coding(r)
			if !ok || c == "" {
				return ""
			}
			return "code=" + c + "&value-quantity=gt" + strconv.FormatFloat(v, 'f', -1, 64)
		}},
		{&s.codings, "/Condition?_count=100", coding},
	} {
		if *want.to, err = t.Sample(ctx, want.path, 200, want.pick); err != nil && (ctx.Err() != nil || !gone(err)) {
			return s, err
		}
	}
	if len(s.patients) == 0 {
		return s, err
	}
	return s, nil
}

// gone says that a server answered, but not with what was asked for.
func gone(err error) bool {
	var no *refusal
	return errors.Is(err, errNothing) || errors.As(err, &no)
}

// search is one shape with the paths that have it.
type search struct {
	name  string
	paths []string
}

func (s samples) searches() []search {
	one := func(format string, a []string) (out []string) {
		for _, v := range a {
			out = append(out, fmt.Sprintf(format, v))
		}
		return out
	}
	two := func(format string, a, b []string) (out []string) {
		for i := range 200 {
			if len(a) > 0 && len(b) > 0 {
				out = append(out, fmt.Sprintf(format, a[i%len(a)], b[(i*7)%len(b)]))
			}
		}
		return out
	}
	few := s.codes[:min(20, len(s.codes))]
	return []search{
		{"code", one("/Observation?code=%s&_count=20", s.codes)},
		{"code + date", one("/Observation?code=%s&date=ge2015-01-01&date=lt2019-01-01&_count=20", s.codes)},
		{"code, newest first", one("/Observation?code=%s&_sort=-date&_count=20", s.codes)},
		{"code + value", one("/Observation?%s&_count=20", s.values)},
		{"patient + code + date, newest first", two("/Observation?patient=%s&code=%s&date=ge2010&_sort=-date&_count=20", s.patients, s.codes)},
		{"patient, all observations", one("/Observation?patient=%s&_count=50", s.patients)},
		{"name", one("/Patient?name=%s&_count=20", s.names)},
		{"birth date range, sorted", one("/Patient?birthdate=ge1960-01-01&birthdate=lt1990-01-01&_sort=birthdate&_count=20&_elements=id%.0s", s.patients[:min(1, len(s.patients))])},
		{"chain: encounters by patient name", one("/Encounter?subject:Patient.name=%s&_count=20", s.names)},
		{"_has: patients with a condition", one("/Patient?_has:Condition:subject:code=%s&_count=20", s.codings)},
		{"_include: conditions with patient", one("/Condition?patient=%s&_include=Condition:subject&_count=20", s.patients)},
		{"_revinclude: patient with conditions", one("/Patient?_id=%s&_revinclude=Condition:subject&_count=20", s.patients)},
		{"count by code", one("/Observation?code=%s&_summary=count", few)},
		{"count by code + date", one("/Observation?code=%s&date=ge2015-01-01&date=lt2019-01-01&_summary=count", few)},
		{"count by code + value", one("/Observation?%s&_summary=count", s.values[:min(20, len(s.values))])},
		{"page with accurate total by code", one("/Observation?code=%s&_count=20&_total=accurate", few)},
	}
}

// Searches measures the shapes that worklists and patient pages ask for, with values sampled from the server.
func (t *Target) Searches(ctx context.Context, label string, clients int, each time.Duration, report func(Figure)) error {
	s, err := t.sample(ctx)
	if err != nil {
		return err
	}
	for _, q := range s.searches() {
		report(t.Get(ctx, "search: "+label+q.name, clients, each, q.paths))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// Reads measures read by id of small and large resources.
func (t *Target) Reads(ctx context.Context, clients int, each time.Duration, report func(Figure)) error {
	for _, typ := range []string{"Patient", "Observation"} {
		ids, err := t.Sample(ctx, "/"+typ+"?_count=100", 500, id)
		if err != nil && !gone(err) {
			return err
		}
		var paths []string
		for _, v := range ids {
			paths = append(paths, "/"+typ+"/"+v)
		}
		report(t.Get(ctx, fmt.Sprintf("read: %s, %d clients", typ, clients), clients, each, paths))
		if clients > 1 && t.Rate == 0 {
			report(t.Get(ctx, fmt.Sprintf("read: %s, 1 client", typ), 1, each, paths))
		}
	}
	return nil
}

func id(r map[string]any) string { s, _ := r["id"].(string); return s }

// coding is system|code of a resource, escaped.
func coding(r map[string]any) string {
	c, _ := r["code"].(map[string]any)
	s, k := text(c, "coding", "system"), text(c, "coding", "code")
	if k == "" {
		return ""
	}
	return url.QueryEscape(s + "|" + k)
}

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
