package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// singly: what was given to a party by itself is found by every search, and counted, while it is given.
func singly(t *testing.T, open Open) {
	ctx := context.Background()
	s, turned := fixture(t, open)
	b := search.Scope{Parties: []string{"Organization/b"}}
	must(t, s.Update(ctx, func(tx *store.Tx) error {
		return tx.Item(ctx, store.Item{Resource: "Observation/hr1", Party: "Organization/b", Until: tx.Now().Add(time.Hour), Source: "Task/1"})
	}))
	for query, want := range map[string]string{
		"Observation?_total=accurate":               "hr3 hr1 nodate of 3",
		"Observation?code=8867-4&_total=accurate":   "hr3 hr1 of 2",
		"Observation?status=final&_total=accurate":  "hr3 hr1 nodate of 3",
		"Observation?date=2026-01&_total=accurate":  "hr3 hr1 of 2",
		"Observation?patient=zhang&_total=accurate": "hr1 of 1",
		"Observation?_summary=count":                " of 3",
		"Observation?code=8867-4&_summary=count":    " of 2",
		"Patient?_total=accurate":                   "li of 1",
	} {
		if got := ids(t, s, Query(t, query, b)); got != want {
			t.Errorf("%s: got %q; want %q", query, got, want)
		}
	}
	turned.Turn(2 * time.Hour)
	if got := ids(t, s, Query(t, "Observation?code=8867-4&_total=accurate", b)); got != "hr3 of 1" {
		t.Errorf("after its time: got %q; want %q", got, "hr3 of 1")
	}
}

// edition is one version of a resource.
type edition struct {
	kinds   []string
	deleted bool
	moved   bool // about another patient than the newest
}

var testKinds = []string{"psychiatry", "hiv", "staff"}

// guardedBy finds kinds in what the population happens to hold.
func guardedBy(n *fhir.Node) (kinds []string) {
	text := string(n.JSON())
	if n.Type() == "Patient" {
		if strings.Contains(text, `"1980"`) {
			kinds = append(kinds, "hiv")
		}
		if strings.Contains(text, "Xiao") && strings.Contains(text, "female") {
			kinds = append(kinds, "staff")
		}
		return kinds
	}
	if strings.Contains(text, `"urn:b","code":"c4"`) {
		kinds = append(kinds, "psychiatry")
	}
	if strings.Contains(text, "其他") {
		kinds = append(kinds, "hiv")
	}
	return kinds
}

var testParties = []string{"Organization/a", "Organization/b", "Organization/c", "Organization/a#cases", "Organization/none", "Practitioner/p", "CareTeam/t", "Patient/pat0"}

func (r random) some(most int, of []string) (list []string) {
	for range r.IntN(most + 1) {
		list = append(list, of[r.IntN(len(of))])
	}
	return list
}

// scope makes callers of every kind.
func (r random) scope(typ string) search.Scope {
	types := []string{typ, typ, "Patient", "Observation", "Condition", "List"}
	switch r.IntN(10) {
	case 0, 1:
		return search.Everything
	case 2:
		return search.Scope{}
	case 3:
		return search.Scope{All: true, Types: []string{typ}}
	case 4:
		return search.Scope{All: true, Only: []string{"Patient/pat0", fmt.Sprintf("Patient/pat%d", r.IntN(7))}}
	case 5:
		return search.Scope{Parties: append(r.some(1, testParties), testParties[r.IntN(3)]), Opens: testKinds}
	}
	var s search.Scope
	if r.IntN(2) == 0 {
		s.Parties = r.some(2, testParties)
	}
	for range r.IntN(4) {
		sight := search.Sight{Parties: append(r.some(2, testParties), testParties[r.IntN(len(testParties))])}
		if r.IntN(2) == 0 {
			sight.Custodians = append(r.some(2, testParties[:3]), testParties[r.IntN(5)])
		}
		if r.IntN(3) == 0 {
			sight.Types = append([]string{}, r.some(2, types)...)
		}
		s.Sights = append(s.Sights, sight)
	}
	if r.IntN(3) == 0 {
		s.Own = r.some(2, testParties[:3])
	}
	if r.IntN(5) == 0 {
		s.Types = append(r.some(2, types), typ, "Patient")
	}
	if r.IntN(5) == 0 {
		s.Only = append([]string{}, r.some(2, []string{"Patient/pat0", "Patient/pat1", "Patient/pat3"})...)
	}
	if r.IntN(3) == 0 {
		s.Opens = r.some(2, testKinds)
	}
	return s
}

// span is a time that is now, was, or comes within the hour.
func (r random) span() (from, until time.Time) {
	switch r.IntN(6) {
	case 0:
		return Start.Add(-time.Hour), Start.Add(-time.Minute)
	case 1:
		return Start.Add(30 * time.Minute), time.Time{}
	case 2:
		return Start.Add(-time.Hour), Start.Add(30 * time.Minute)
	}
	return time.Time{}, time.Time{}
}

// give grants patients, reasons and single resources.
func (r random) give(t *testing.T, s *store.Store) {
	ctx := context.Background()
	var grants []store.Grant
	var singles []store.Item
	for i := range 14 {
		g := store.Grant{Patient: fmt.Sprintf("Patient/pat%d", r.IntN(6)), Party: testParties[r.IntN(len(testParties))], Source: fmt.Sprintf("Task/%d", i)}
		g.From, g.Until = r.span()
		grants = append(grants, g)
		if r.IntN(3) == 0 {
			g.Party += "!" + testKinds[r.IntN(len(testKinds))]
			g.From, g.Until = r.span()
			grants = append(grants, g)
		}
	}
	for i := range 16 {
		it := r.w.items[r.IntN(len(r.w.items))]
		single := store.Item{Resource: it.typ + "/" + it.id, Party: testParties[r.IntN(len(testParties))], Source: fmt.Sprintf("Task/%d", i)}
		if i == 0 {
			single.Resource = "Observation/obs99"
		}
		single.From, single.Until = r.span()
		singles = append(singles, single)
	}
	must(t, s.Update(ctx, func(tx *store.Tx) error {
		for _, g := range grants {
			if err := tx.Grant(ctx, g); err != nil {
				return err
			}
		}
		for _, i := range singles {
			if err := tx.Item(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}))
	r.w.grants, r.w.singles = append(r.w.grants, grants...), append(r.w.singles, singles...)
}

// change ends some of it and lets the time go on.
func (r random) change(t *testing.T, s *store.Store, turned *clock.Turned) {
	ctx := context.Background()
	turned.Turn(45 * time.Minute)
	r.w.now = r.w.now.Add(45 * time.Minute)
	ends := func(until *time.Time, at time.Time) {
		if until.IsZero() || until.After(at) {
			*until = at
		}
	}
	now, later := r.w.now, r.w.now.Add(time.Hour)
	must(t, s.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Revoke(ctx, "Task/0"); err != nil {
			return err
		}
		return tx.RevokeAt(ctx, "Task/1", later)
	}))
	for source, at := range map[string]time.Time{"Task/0": now, "Task/1": later} {
		for i := range r.w.grants {
			if g := &r.w.grants[i]; g.Source == source {
				ends(&g.Until, at)
			}
		}
		for i := range r.w.singles {
			if g := &r.w.singles[i]; g.Source == source {
				ends(&g.Until, at)
			}
		}
	}
}

func within(from, until, now time.Time) bool {
	return !from.After(now) && (until.IsZero() || until.After(now))
}

// granted tells whether one of the parties holds a grant now on one of the patients.
func (w *naive) granted(parties, patients []string) bool {
	return slices.ContainsFunc(w.grants, func(g store.Grant) bool {
		return slices.Contains(parties, g.Party) && slices.Contains(patients, g.Patient) && within(g.From, g.Until, w.now)
	})
}

// visible is what Scope says, word by word.
func (w *naive) visible(it *item, scope search.Scope) bool {
	return w.seen(it, scope) && w.opened(it, it.kinds, scope)
}

func (w *naive) seen(it *item, scope search.Scope) bool {
	if scope.Types != nil && !slices.Contains(scope.Types, it.typ) {
		return false
	}
	shared := it.home == "" && slices.Contains(search.Shared, it.typ)
	if scope.Only != nil && !shared && !slices.ContainsFunc(it.patients, func(p string) bool { return slices.Contains(scope.Only, p) }) {
		return false
	}
	if scope.All || shared || it.custodian != "" && slices.Contains(scope.Parties, it.custodian) || it.custodian != "" && it.home == "" && slices.Contains(scope.Own, it.custodian) {
		return true
	}
	everyone := slices.Clone(scope.Parties)
	if w.granted(scope.Parties, it.patients) {
		return true
	}
	for _, s := range scope.Sights {
		everyone = append(everyone, s.Parties...)
		if (s.Types == nil || slices.Contains(s.Types, it.typ)) && (s.Custodians == nil || it.custodian != "" && slices.Contains(s.Custodians, it.custodian)) && w.granted(s.Parties, it.patients) {
			return true
		}
	}
	return slices.ContainsFunc(w.singles, func(i store.Item) bool {
		return i.Resource == it.typ+"/"+it.id && slices.Contains(everyone, i.Party) && within(i.From, i.Until, w.now)
	})
}

// opened tells whether nothing guarded stands in the way of a version of these kinds.
func (w *naive) opened(it *item, kinds []string, scope search.Scope) bool {
	if scope.All {
		return true
	}
	for _, kind := range append(slices.Clone(kinds), w.kinds[it.home]...) {
		if slices.Contains(scope.Opens, kind) {
			continue
		}
		var reasons []string
		for _, p := range scope.Parties {
			reasons = append(reasons, p+"!"+kind)
		}
		for _, s := range scope.Sights {
			for _, p := range s.Parties {
				reasons = append(reasons, p+"!"+kind)
			}
		}
		if !w.granted(reasons, []string{it.home}) {
			return false
		}
	}
	return true
}

// givenAtOnce: a party that nobody has named before sees, in the unit that names it, what it is given there.
func givenAtOnce(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{})
	put(t, s, store.Update, "p", "Organization/a", `{"resourceType":"Patient"}`)
	must(t, s.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Grant(ctx, store.Grant{Patient: "Patient/p", Party: "Organization/granted", Source: "Task/1"}); err != nil {
			return err
		}
		if err := tx.Item(ctx, store.Item{Resource: "Patient/p", Party: "Organization/shown", Source: "Task/1"}); err != nil {
			return err
		}
		for party, want := range map[string]error{"Organization/granted": nil, "Organization/shown": nil, "Organization/neither": store.ErrNotFound} {
			if _, err := tx.Read(ctx, search.Scope{Parties: []string{party}}, "Patient", "p"); !errors.Is(err, want) {
				t.Errorf("%s: %v; want %v", party, err, want)
			}
		}
		if _, err := tryPutIn(ctx, tx, s, "q", `{"resourceType":"Patient"}`); err != nil {
			return err
		}
		return tx.Follow(ctx, "Patient/p", "Patient/q", "Task/2")
	}))
	for _, party := range []string{"Organization/granted", "Organization/shown"} {
		if _, err := read(s, search.Scope{Parties: []string{party}}, "Patient/q"); err != nil {
			t.Errorf("%s does not see whom the patient became: %v", party, err)
		}
	}
}

// guardedFromBirth: no lock is taken on what only its own unit knows, which would have another number in each run.
func guardedFromBirth(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{Kinds: testKinds, Guarded: guardedBy})
	const guarded = `{"resourceType":"Patient","gender":"female","name":[{"family":"Xiao"}],"link":[{"type":"seealso","other":{"reference":"Patient/self"}}]}`
	put(t, s, store.Update, "self", "Organization/a", guarded)
	must(t, s.Update(ctx, func(tx *store.Tx) error {
		for _, body := range []string{`{"resourceType":"Patient"}`, guarded} {
			if _, err := tryPutIn(ctx, tx, s, "twice", body); err != nil {
				return err
			}
		}
		return nil
	}))
	if _, err := read(s, search.Scope{Parties: []string{"Organization/a"}}, "Patient/self"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("without a further reason: %v; want %v", err, store.ErrNotFound)
	}
	for _, ref := range []string{"Patient/self", "Patient/twice"} {
		if _, err := read(s, search.Everything, ref); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

// guardedMeanwhile: many write under a patient whose kinds change; in the end all of it is guarded as he is.
func guardedMeanwhile(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{Kinds: testKinds, Guarded: guardedBy})
	patient := func(year string) string { return `{"resourceType":"Patient","birthDate":"` + year + `"}` }
	put(t, s, store.Update, "p", "Organization/a", patient("1990"))
	put(t, s, store.Update, "q", "Organization/a", patient("1990"))
	scope := search.Scope{Parties: []string{"Organization/a"}}
	var wg sync.WaitGroup
	for writer := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 25 {
				id := fmt.Sprintf("o%d-%d", writer, i/2) // created, then changed
				subject := []string{"p", "q"}[(writer+i)%2]
				if _, err := tryPut(s, store.Put{Op: store.Update, ID: id, Custodian: "Organization/a"}, `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/`+subject+`"}}`); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	for i := range 15 {
		year := []string{"1980", "1990"}[i%2] // ends guarded
		if _, err := tryPut(s, store.Put{Op: store.Update, ID: "p"}, patient(year)); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	var under, bare int64
	must(t, s.View(ctx, func(tx *store.Tx) error {
		return tx.Query(ctx, `SELECT count(*), coalesce(sum(CASE WHEN o.guarded = 0 THEN 1 ELSE 0 END), 0) FROM resource o JOIN resource p ON p.rid = o.home WHERE p.id = 'p' AND o.rid <> p.rid`, nil,
			func(scan func(...any) error) error { return scan(&under, &bare) })
	}))
	if under == 0 || bare != 0 {
		t.Errorf("%d of %d resources of a guarded patient are not guarded", bare, under)
	}
	if n := count(t, s, `SELECT count(*) FROM resource o JOIN resource p ON p.rid = o.home WHERE p.id = 'q' AND o.guarded <> 0`); n != 0 {
		t.Errorf("%d resources of another patient are guarded", n)
	}
	must(t, s.View(ctx, func(tx *store.Tx) error {
		page, err := tx.Search(ctx, search.Query{Type: "Observation", Count: 1000, Total: search.TotalAccurate, Scope: scope})
		for _, v := range page.Matches {
			if v.Home == "Patient/p" {
				t.Errorf("%s is shown", v.ID)
			}
		}
		return err
	}))
}

// guardedAtOnce: one unit changes a patient's kinds, another writes under him, and each is held open while the other
// is tried.
func guardedAtOnce(t *testing.T, open Open) {
	ctx := context.Background()
	const held = 300 * time.Millisecond // at most: the other usually waits for this one's end
	for name, first := range map[string]string{"the write under him first": `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"}}`,
		"his kinds first": `{"resourceType":"Patient","id":"p","birthDate":"1980"}`} {
		s := open(t, store.Options{Kinds: testKinds, Guarded: guardedBy})
		put(t, s, store.Update, "p", "Organization/a", `{"resourceType":"Patient","birthDate":"1990"}`)
		second := `{"resourceType":"Patient","id":"p","birthDate":"1980"}`
		if strings.Contains(first, "Patient\",") {
			second = `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"}}`
		}
		id := func(json string) string {
			n, err := fhir.Parse([]byte(json))
			must(t, err)
			return n.ID()
		}
		begun, ended := make(chan struct{}), make(chan error, 1)
		var once sync.Once
		go func() {
			<-begun
			_, err := tryPut(s, store.Put{Op: store.Update, ID: id(second), Custodian: "Organization/a"}, second)
			ended <- err
		}()
		result := error(nil)
		must(t, s.Update(ctx, func(tx *store.Tx) error {
			if _, err := tryPutIn(ctx, tx, s, id(first), first); err != nil {
				return err
			}
			// what is queued goes out before the other is tried
			if err := tx.Query(ctx, "SELECT 1 FROM resource WHERE rid = 0", nil, func(func(...any) error) error { return nil }); err != nil {
				return err
			}
			once.Do(func() {
				close(begun)
				select {
				case result = <-ended:
					ended <- result
				case <-time.After(held):
				}
			})
			return nil
		}))
		must(t, <-ended)
		if n := count(t, s, "SELECT count(*) FROM resource WHERE id = 'o' AND guarded <> 0"); n != 1 {
			t.Errorf("%s: what stands under a guarded patient is not guarded", name)
		}
	}
}
