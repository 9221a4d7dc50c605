package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// compareReads holds everything that is no search against what the scope says: reads, versions, histories, walks,
// a patient's records, and reads of many.
func compareReads(t *testing.T, s *store.Store, w *naive, scope search.Scope, seed uint64, n int) {
	t.Helper()
	ctx := context.Background()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("seed %d, reads %d: %s\n%+v", seed, n, fmt.Sprintf(format, args...), scope)
	}
	view := func(fn func(tx *store.Tx) error) {
		t.Helper()
		if err := s.View(ctx, fn); err != nil {
			fail("%v", err)
		}
	}
	is := func(name string, err error, want error) {
		t.Helper()
		if want == nil && err != nil || want != nil && !errors.Is(err, want) {
			fail("%s: got %v; want %v", name, err, want)
		}
	}
	all := append(slices.Clone(w.items), w.gone...)
	byType := map[string][]string{}
	living, standing := map[string][]string{}, map[string][]string{} // living ones seen; all versions seen
	for _, it := range all {
		ref := it.typ + "/" + it.id
		byType[it.typ] = append(byType[it.typ], it.id)
		seen, gone := w.visible(it, scope), slices.Contains(w.gone, it)
		want := error(nil)
		switch {
		case !seen:
			want = store.ErrNotFound
		case gone:
			want = store.ErrGone
		default:
			living[it.typ] = append(living[it.typ], it.id)
		}
		_, err := read(s, scope, ref)
		is("read "+ref, err, want)
		_, err = s.Read(ctx, scope, it.typ, it.id)
		is("read from memory "+ref, err, want)
		var versions []string
		for i, e := range it.versions {
			want := error(nil)
			switch {
			case !seen || !w.opened(it, e.kinds, scope) || e.moved && (!scope.All || scope.Only != nil):
				want = store.ErrNotFound
			case e.deleted:
				want = store.ErrGone
			}
			if !errors.Is(want, store.ErrNotFound) {
				versions = append(versions, fmt.Sprint(ref, " ", i+1))
			}
			view(func(tx *store.Tx) error {
				_, err := tx.ReadVersion(ctx, scope, it.typ, it.id, int64(i+1))
				is(fmt.Sprint("version ", i+1, " of ", ref), err, want)
				return nil
			})
		}
		standing[it.typ] = append(standing[it.typ], versions...)
		view(func(tx *store.Tx) error {
			page, err := tx.History(ctx, store.HistoryQuery{Type: it.typ, ID: it.id, Scope: scope, Count: 100})
			if !seen {
				is("history of "+ref, err, store.ErrNotFound)
				return nil
			}
			is("history of "+ref, err, nil)
			if got := listed(page.Matches); !slices.Equal(got, sorted(versions)) || page.Total != int64(len(versions)) {
				fail("history of %s: got %v of %d; want %v", ref, got, page.Total, versions)
			}
			return nil
		})
	}
	var everything []string
	var moment string
	view(func(tx *store.Tx) (err error) { moment, err = tx.Moment(ctx); return err })
	for typ, ids := range byType {
		want := sorted(living[typ])
		everything = append(everything, standing[typ]...)
		view(func(tx *store.Tx) error {
			sees, err := tx.Sees(ctx, scope, typ, append(ids, "nowhere"))
			if got := keys(sees); !slices.Equal(got, want) {
				fail("sees of %s: got %v; want %v", typ, got, want)
			}
			if err != nil {
				return err
			}
			many, err := tx.ReadMany(ctx, scope, typ, ids)
			if got := keys(many); !slices.Equal(got, want) {
				fail("reads of many of %s: got %v; want %v", typ, got, want)
			}
			if err != nil {
				return err
			}
			homes, err := tx.Homes(ctx, scope, typ, ids)
			if got := keys(homes); !slices.Equal(got, want) {
				fail("homes of %s: got %v; want %v", typ, got, want)
			}
			if err != nil {
				return err
			}
			page, err := tx.History(ctx, store.HistoryQuery{Type: typ, Scope: scope, Count: 1000})
			if got := listed(page.Matches); !slices.Equal(got, sorted(standing[typ])) {
				fail("history of %s: got %v; want %v", typ, got, sorted(standing[typ]))
			}
			if err != nil {
				return err
			}
			for _, patients := range [][]string{nil, {"Patient/pat0", "Patient/pat2"}} {
				var walked []string
				for after := ""; ; {
					after, err = tx.Walk(ctx, store.Walk{Type: typ, Scope: scope, Moment: moment, After: after, Limit: 7, Patients: patients}, func(v store.Version) error {
						walked = append(walked, v.ID)
						return nil
					})
					if err != nil || after == "" {
						break
					}
				}
				reach := want
				if patients != nil {
					reach = slices.DeleteFunc(slices.Clone(want), func(id string) bool {
						return !slices.ContainsFunc(w.find(typ, id).patients, func(p string) bool { return slices.Contains(patients, p) })
					})
				}
				if !slices.Equal(sorted(walked), reach) {
					fail("walk of %s %v: got %v; want %v", typ, patients, walked, reach)
				}
			}
			return err
		})
	}
	view(func(tx *store.Tx) error {
		page, err := tx.History(ctx, store.HistoryQuery{Scope: scope, Count: 10_000})
		if got := listed(page.Matches); !slices.Equal(got, sorted(everything)) {
			fail("history of all: got %v; want %v", got, sorted(everything))
		}
		return err
	})
	for i := range 6 {
		patient := fmt.Sprintf("Patient/pat%d", i)
		var want []string
		for _, it := range w.items {
			if (it.typ == "Observation" || it.typ == "Condition" || it.typ == "List") && slices.Contains(it.patients, patient) && w.visible(it, scope) {
				want = append(want, it.typ+"/"+it.id)
			}
		}
		view(func(tx *store.Tx) error {
			list, _, err := tx.Compartment(ctx, scope, patient, []string{"Observation", "Condition", "List"}, time.Time{}, 100)
			var got []string
			for _, v := range list {
				got = append(got, v.Type+"/"+v.ID)
			}
			if sort.Strings(got); !slices.Equal(got, sorted(want)) {
				fail("records of %s: got %v; want %v", patient, got, sorted(want))
			}
			return err
		})
	}
	// across types: by id, by time, alone
	view(func(tx *store.Tx) error {
		var want []string
		for typ, ids := range living {
			for _, id := range ids {
				want = append(want, typ+"/"+id)
			}
		}
		page, err := tx.Search(ctx, search.Query{Count: 1000, Total: search.TotalAccurate, Scope: scope})
		var got []string
		for _, v := range page.Matches {
			got = append(got, v.Type+"/"+v.ID)
		}
		if sort.Strings(got); !slices.Equal(got, sorted(want)) || page.Total != int64(len(want)) {
			fail("of every type: got %v of %d; want %v", got, page.Total, sorted(want))
		}
		return err
	})
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	sort.Strings(list)
	return list
}

func keys[V any](m map[string]V) (list []string) {
	for key := range m {
		list = append(list, key)
	}
	return sorted(list)
}

func listed(versions []store.Version) (list []string) {
	for _, v := range versions {
		list = append(list, fmt.Sprint(v.Type, "/", v.ID, " ", v.VID))
	}
	return sorted(list)
}
