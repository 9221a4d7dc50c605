package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// compartments: a patient's records in order of time hold for every scope exactly what reads one by one give.
func compartments(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{})
	put(t, s, store.Update, "p", "Organization/a", `{"resourceType":"Patient"}`)
	put(t, s, store.Update, "q", "Organization/a", `{"resourceType":"Patient"}`)
	custodians := []string{"Organization/a", "Organization/b"}
	var ids []string
	for i := range 9 {
		id, day := fmt.Sprintf("o%d", i), fmt.Sprintf("2026-01-%02d", 1+i/2)
		ids = append(ids, "Observation/"+id)
		put(t, s, store.Update, id, custodians[i%2], `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"},"effectiveDateTime":"`+day+`"}`)
	}
	put(t, s, store.Update, "undated", "Organization/b", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"}}`)
	put(t, s, store.Update, "e", "Organization/b", `{"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p"},"period":{"start":"2026-01-02T10:00:00+08:00"}}`)
	put(t, s, store.Update, "ap", "Organization/z", `{"resourceType":"Appointment","status":"booked","start":"2026-01-03T10:00:00+08:00","participant":[{"actor":{"reference":"Patient/q"},"status":"accepted"},{"actor":{"reference":"Patient/p"},"status":"accepted"}]}`)
	put(t, s, store.Update, "other", "Organization/b", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/q"},"effectiveDateTime":"2026-01-01"}`)
	put(t, s, store.Update, "gone", "Organization/b", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"},"effectiveDateTime":"2026-01-01"}`)
	put(t, s, store.Delete, "gone", "", `{"resourceType":"Observation"}`)
	ids = append(ids, "Observation/undated", "Encounter/e", "Appointment/ap", "Observation/other", "Observation/gone")
	grant := func(party, patient string, until time.Time) {
		must(t, s.Update(ctx, func(tx *store.Tx) error {
			return tx.Grant(ctx, store.Grant{Patient: patient, Party: party, Basis: "task", Class: "record", From: Start.Add(-time.Hour), Until: until, Source: "Task/" + party})
		}))
	}
	grant("Organization/granted", "Patient/p", time.Time{})
	grant("Organization/past", "Patient/p", Start.Add(-time.Minute))
	grant("Organization/onlyq", "Patient/q", time.Time{})

	types := []string{"Observation", "Encounter", "Appointment"}
	list := func(scope search.Scope, until time.Time, limit int, types ...string) (out []string, last time.Time, more bool) {
		t.Helper()
		must(t, s.View(ctx, func(tx *store.Tx) error {
			found, m, err := tx.Compartment(ctx, scope, "Patient/p", types, until, limit)
			for i, v := range found {
				out = append(out, v.Type+"/"+v.ID)
				if i > 0 && !v.At.IsZero() && v.At.After(found[i-1].At) {
					t.Errorf("%s at %s stands after %s", v.ID, v.At, found[i-1].At)
				}
				if !v.At.IsZero() {
					last = v.At
				}
			}
			more = m
			return err
		}))
		return out, last, more
	}
	for name, scope := range map[string]search.Scope{"everything": search.Everything, "nobody": {}, "stranger": {Parties: []string{"Organization/x"}},
		"custodian a": {Parties: []string{"Organization/a"}}, "custodian b": {Parties: []string{"Organization/b"}}, "granted": {Parties: []string{"Organization/x", "Organization/granted"}},
		"past": {Parties: []string{"Organization/past"}}, "of the other patient": {Parties: []string{"Organization/onlyq"}},
		"granted encounters": {Parties: []string{"Organization/granted"}, Types: []string{"Encounter"}}} {
		var want []string
		for _, ref := range ids {
			if _, err := read(s, scope, ref); err == nil && ref != "Observation/other" {
				want = append(want, ref)
			}
		}
		slices.Sort(want)
		got, _, more := list(scope, time.Time{}, 100, types...)
		slices.Sort(got)
		if !slices.Equal(got, want) || more {
			t.Errorf("%s: got %v (more %v); want %v", name, got, more, want)
		}
	}
	first, last, more := list(search.Everything, time.Time{}, 4, types...)
	if got := strings.Join(first, " "); got != "Observation/o8 Observation/o7 Observation/o6 Appointment/ap Observation/undated" || !more {
		t.Errorf("first page: got %s, more %v; want four by date, those without one, and more", got, more)
	}
	if second, _, _ := list(search.Everything, last, 100, types...); second[0] != "Appointment/ap" || slices.Contains(second, "Observation/o6") {
		t.Errorf("from %s: got %v; want to begin at the appointment", last, second)
	}
	if none, _, _ := list(search.Everything, time.Time{}, 10); none != nil {
		t.Errorf("no types: got %v; want none", none)
	}
}

// many: reads of several give what single reads give.
func many(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{})
	put(t, s, store.Update, "p", "Organization/a", `{"resourceType":"Patient"}`)
	put(t, s, store.Update, "q", "Organization/b", `{"resourceType":"Patient"}`)
	put(t, s, store.Update, "gone", "Organization/a", `{"resourceType":"Patient"}`)
	put(t, s, store.Delete, "gone", "", `{"resourceType":"Patient"}`)
	for name, c := range map[string]struct {
		scope search.Scope
		want  string
	}{"everything": {search.Everything, "p q"}, "a": {search.Scope{Parties: []string{"Organization/a"}}, "p"}, "nobody": {search.Scope{}, ""},
		"other types": {search.Scope{All: true, Types: []string{"Task"}}, ""}} {
		var got []string
		must(t, s.View(ctx, func(tx *store.Tx) error {
			found, err := tx.ReadMany(ctx, c.scope, "Patient", []string{"p", "q", "gone", "nowhere"})
			for id, v := range found {
				one, err := tx.Read(ctx, c.scope, "Patient", id)
				if err != nil || string(one.JSON) != string(v.JSON) || one.VID != v.VID {
					t.Errorf("%s: %s differs from a single read: %v", name, id, err)
				}
				got = append(got, id)
			}
			return err
		}))
		if slices.Sort(got); strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %v; want %s", name, got, c.want)
		}
	}
}
