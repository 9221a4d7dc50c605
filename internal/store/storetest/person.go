package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// together writes what Together, or Linked under a scope, says of some patients: "a:b,c b:a,c".
func together(t *testing.T, s *store.Store, scope *search.Scope, patients ...string) string {
	t.Helper()
	ctx := context.Background()
	for i := range patients {
		patients[i] = "Patient/" + patients[i]
	}
	var out []string
	must(t, s.View(ctx, func(tx *store.Tx) error {
		found, err := tx.Together(ctx, patients...)
		if scope != nil {
			found, err = tx.Linked(ctx, *scope, patients...)
		}
		for one, others := range found {
			out = append(out, strings.ReplaceAll(one+":"+strings.Join(others, ","), "Patient/", ""))
		}
		return err
	}))
	slices.Sort(out)
	return strings.Join(out, " ")
}

// members: a record is of one person at a time, leaves him whole, and the past stays readable.
func members(t *testing.T, open Open) {
	ctx := context.Background()
	turned := clock.At(Start)
	s := open(t, store.Options{Clock: turned})
	for _, id := range []string{"a", "b", "c", "d"} {
		put(t, s, store.Update, id, "Organization/"+id, `{"resourceType":"Patient"}`)
	}
	do := func(fn func(tx *store.Tx) error) {
		t.Helper()
		must(t, s.Update(ctx, fn))
	}
	person := func(id string) (n int64) {
		t.Helper()
		must(t, s.View(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.PersonOf(ctx, "Patient/"+id)
			return err
		}))
		return n
	}
	expect := func(when, want string) {
		t.Helper()
		if got := together(t, s, nil, "a", "b", "c", "d", "nobody"); got != want {
			t.Errorf("%s: got %q; want %q", when, got, want)
		}
	}
	expect("nothing is linked", "")
	do(func(tx *store.Tx) error {
		for _, id := range []string{"a", "b", "b"} {
			if err := tx.Join(ctx, 7, "Patient/"+id, "rule"); err != nil {
				return err
			}
		}
		return tx.Join(ctx, 8, "Patient/c", "rule")
	})
	expect("two of one person, one alone", "a:b b:a")
	if got := fmt.Sprint(person("a"), person("c"), person("d"), person("nobody")); got != "7 8 0 0" {
		t.Errorf("persons: got %s; want 7 8 0 0", got)
	}
	turned.Turn(time.Hour)
	do(func(tx *store.Tx) error { return tx.Join(ctx, 7, "Patient/c", "Task/1") })
	expect("he came from another person", "a:b,c b:a,c c:a,b")
	must(t, s.View(ctx, func(tx *store.Tx) error {
		list, err := tx.Members(ctx, 7)
		if len(list) != 3 || list[2].Patient != "Patient/c" || !list[2].Since.Equal(Start.Add(time.Hour)) || list[2].Source != "Task/1" {
			t.Errorf("members: got %+v", list)
		}
		return err
	}))
	do(func(tx *store.Tx) error { return tx.Leave(ctx, 8, "Patient/b") })
	expect("he leaves only whom he is of", "a:b,c b:a,c c:a,b")
	do(func(tx *store.Tx) error { return tx.Leave(ctx, 7, "Patient/b") })
	expect("one left", "a:c c:a")
	do(func(tx *store.Tx) error {
		if err := tx.Leave(ctx, 7, "Patient/c"); err != nil {
			return err
		}
		return tx.Join(ctx, 7, "Patient/b", "again")
	})
	expect("one left and one came back", "a:b b:a")
	do(func(tx *store.Tx) error { return tx.Join(ctx, 7, "Patient/c", "in the moment in which he left") })
	expect("the other came back, too", "a:b,c b:a,c c:a,b")
	if got := count(t, s, "SELECT count(*) FROM person_member"); got != 5 {
		t.Errorf("got %d rows; want 5: a, b twice, c alone and with them", got)
	}
	if err := s.Update(ctx, func(tx *store.Tx) error { return tx.Join(ctx, 7, "Organization/a", "") }); err == nil {
		t.Error("an organisation became a record of a person")
	}
}

// linkedInSight: what a caller is told of links, against a plain reading: he sees both ends.
func linkedInSight(t *testing.T, open Open) {
	ctx := context.Background()
	for seed := range uint64(3) {
		r := random{rand.New(rand.NewPCG(seed, 5)), nil}
		s := open(t, store.Options{Guarded: guardedBy, Kinds: testKinds})
		var all []string
		for i := range 24 {
			id := fmt.Sprintf("pat%d", i)
			all = append(all, id)
			if i%8 != 7 { // some are referred to only, and have not come
				put(t, s, store.Update, id, testParties[r.IntN(3)], fmt.Sprintf(`{"resourceType":"Patient","birthDate":%q}`, r.one("1980", "1990")))
			}
		}
		persons := map[string]int64{}
		must(t, s.Update(ctx, func(tx *store.Tx) error {
			for range 20 {
				g := store.Grant{Patient: "Patient/" + all[r.IntN(len(all))], Party: testParties[r.IntN(len(testParties))], Class: "record", Source: fmt.Sprint(r.IntN(100))}
				if err := tx.Grant(ctx, g); err != nil {
					return err
				}
			}
			for _, id := range all {
				if p := int64(r.IntN(8)); p > 0 {
					persons[id] = p
					if err := tx.Join(ctx, p, "Patient/"+id, "rule"); err != nil {
						return err
					}
				}
			}
			return nil
		}))
		for n := range 60 {
			scope := r.scope("Patient")
			var want []string
			seen := map[string]bool{}
			for _, id := range all {
				_, err := read(s, scope, "Patient/"+id)
				seen[id] = err == nil
			}
			for _, id := range all {
				var others []string
				for _, o := range all {
					if o != id && persons[id] > 0 && persons[o] == persons[id] && seen[id] && seen[o] {
						others = append(others, o)
					}
				}
				if slices.Sort(others); len(others) > 0 {
					want = append(want, id+":"+strings.Join(others, ","))
				}
			}
			slices.Sort(want)
			if got := together(t, s, &scope, slices.Clone(all)...); got != strings.Join(want, " ") {
				t.Fatalf("seed %d, scope %d %+v:\ngot  %s\nwant %s", seed, n, scope, got, want)
			}
		}
	}
}

// rememberedLinks: what a read remembers of a Patient changes with his links, at once.
func rememberedLinks(t *testing.T, open Open) {
	ctx := context.Background()
	for _, alone := range []bool{false, true} {
		s := open(t, store.Options{Alone: alone, Cache: 1 << 20})
		put(t, s, store.Update, "p", "Organization/a", `{"resourceType":"Patient"}`)
		expect := func(when string, want bool) {
			t.Helper()
			for _, scope := range []search.Scope{search.Everything, {Parties: []string{"Organization/a"}}} {
				for range 2 {
					if v, err := s.Read(ctx, scope, "Patient", "p"); err != nil || v.Linked != want {
						t.Errorf("%s, alone %v: got %v, %v; want %v", when, alone, v.Linked, err, want)
					}
				}
			}
		}
		expect("never linked", false)
		must(t, s.Update(ctx, func(tx *store.Tx) error { return tx.Join(ctx, 3, "Patient/p", "rule") }))
		expect("linked", true)
		if err := s.Update(ctx, func(tx *store.Tx) error {
			if err := tx.Leave(ctx, 3, "Patient/p"); err != nil {
				return err
			}
			return errors.New("undone")
		}); err == nil {
			t.Fatal("committed")
		}
		expect("a unit that failed", true)
		must(t, s.Update(ctx, func(tx *store.Tx) error { return tx.Leave(ctx, 3, "Patient/p") }))
		expect("left", false)
	}
}
