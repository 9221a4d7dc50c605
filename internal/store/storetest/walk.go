package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// walks: a walk shows what stood at its moment, whatever is written meanwhile, to whom the scope lets see it.
func walks(t *testing.T, open Open) {
	ctx := context.Background()
	turned := clock.At(Start)
	s := open(t, store.Options{Clock: turned})
	put(t, s, store.Update, "p", "Organization/a", `{"resourceType":"Patient"}`)
	put(t, s, store.Update, "q", "Organization/b", `{"resourceType":"Patient"}`)
	observation := func(patient, text string) string {
		return fmt.Sprintf(`{"resourceType":"Observation","status":"final","code":{"text":%q},"subject":{"reference":"Patient/%s"}}`, text, patient)
	}
	for i := range 7 {
		put(t, s, store.Update, fmt.Sprintf("o%d", i), "Organization/a", observation([]string{"p", "q"}[i%2], "early"))
	}
	put(t, s, store.Update, "nobody", "Organization/a", `{"resourceType":"Observation","status":"final","code":{"text":"early"}}`)
	put(t, s, store.Delete, "o6", "", `{"resourceType":"Observation"}`)
	var moment string
	must(t, s.View(ctx, func(tx *store.Tx) (err error) { moment, err = tx.Moment(ctx); return err }))
	turned.Turn(time.Hour)
	put(t, s, store.Update, "o1", "", observation("q", "late"))
	put(t, s, store.Update, "o9", "Organization/a", observation("p", "late"))
	put(t, s, store.Update, "o6", "Organization/a", observation("p", "late"))
	put(t, s, store.Delete, "o2", "", `{"resourceType":"Observation"}`)
	must(t, s.Update(ctx, func(tx *store.Tx) error {
		return tx.Grant(ctx, store.Grant{Patient: "Patient/q", Party: "Organization/c", Basis: "task", Class: "record", Source: "Task/1"})
	}))

	walk := func(w store.Walk) string {
		t.Helper()
		var got []string
		for steps := 0; ; steps++ {
			if steps > 20 {
				t.Fatal("the walk does not end")
			}
			must(t, s.View(ctx, func(tx *store.Tx) (err error) {
				w.After, err = tx.Walk(ctx, w, func(v store.Version) error {
					mark := ""
					if strings.Contains(string(v.JSON), "late") {
						mark = "!"
					}
					if v.Op == store.Delete {
						mark = "-"
					}
					got = append(got, v.ID+mark)
					return nil
				})
				return err
			}))
			if w.After == "" {
				break
			}
		}
		if !slices.IsSorted(got) {
			t.Errorf("not in order: %v", got)
		}
		return strings.Join(got, " ")
	}
	for _, c := range []struct {
		name string
		w    store.Walk
		want string
	}{
		{"as it stood", store.Walk{Scope: search.Everything, Limit: 100}, "nobody o0 o1 o2 o3 o4 o5"},
		{"in small steps", store.Walk{Scope: search.Everything, Limit: 2}, "nobody o0 o1 o2 o3 o4 o5"},
		{"with deletes", store.Walk{Scope: search.Everything, Limit: 3, Deleted: true}, "nobody o0 o1 o2 o3 o4 o5 o6-"},
		{"since then", store.Walk{Scope: search.Everything, Limit: 100, Since: Start.Add(time.Minute)}, ""},
		{"of patients only", store.Walk{Scope: search.Everything, Limit: 100, Personal: true}, "o0 o1 o2 o3 o4 o5"},
		{"of one patient", store.Walk{Scope: search.Everything, Limit: 2, Patients: []string{"Patient/q", "Patient/nobody"}}, "o1 o3 o5"},
		{"of no patient", store.Walk{Scope: search.Everything, Limit: 2, Patients: []string{}}, ""},
		{"by a custodian", store.Walk{Scope: search.Scope{Parties: []string{"Organization/a"}}, Limit: 100}, "nobody o0 o1 o2 o3 o4 o5"},
		{"by who was granted a patient", store.Walk{Scope: search.Scope{Parties: []string{"Organization/c"}}, Limit: 100}, "o1 o3 o5"},
		{"by a stranger", store.Walk{Scope: search.Scope{Parties: []string{"Organization/x"}}, Limit: 100}, ""},
		{"by a token for another type", store.Walk{Scope: search.Scope{All: true, Types: []string{"Encounter"}}, Limit: 100}, ""},
	} {
		c.w.Type, c.w.Moment = "Observation", moment
		if got := walk(c.w); got != c.want {
			t.Errorf("%s: got %q; want %q", c.name, got, c.want)
		}
	}
	must(t, s.View(ctx, func(tx *store.Tx) (err error) { moment, err = tx.Moment(ctx); return err }))
	if got := walk(store.Walk{Type: "Observation", Moment: moment, Scope: search.Everything, Limit: 3, Since: Start.Add(time.Minute), Deleted: true}); got != "o1! o2- o6! o9!" {
		t.Errorf("what came after: got %q", got)
	}
	must(t, s.View(ctx, func(tx *store.Tx) error {
		homes, err := tx.Homes(ctx, search.Scope{Parties: []string{"Organization/c"}}, "Observation", []string{"o0", "o1", "o2", "none"})
		if len(homes) != 1 || homes["o1"] != "Patient/q" {
			t.Errorf("homes: got %v; want o1 alone", homes)
		}
		return err
	}))
}
