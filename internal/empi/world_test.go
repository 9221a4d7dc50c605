package empi_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

const (
	county, centre = "Organization/county", "Organization/centre"
	sids           = "https://xinglin.health/fhir/sid/"
)

var (
	ctx        = context.Background()
	everything = search.Everything
	clerk      = empi.By{User: "lin", Name: "林档案", Org: centre}
)

// world is an index over a store.
type world struct {
	t     testing.TB
	s     *store.Store
	x     *empi.Index
	clock *clock.Turned
	trail *trail
}

// trail is what was read, as the audit would tell.
type trail struct{ read []audit.Entry }

func (tr *trail) CatchUp(context.Context, time.Duration) error { return nil }

func (tr *trail) Query(_ context.Context, f audit.Filter) (found []audit.Entry, _ string, _ error) {
	for _, e := range tr.read {
		if slices.Contains(e.Patients, f.Patient) && !e.At.Before(f.From) && e.At.Before(f.Until) {
			found = append(found, e)
		}
	}
	return found, "", nil
}

func newWorld(t testing.TB, open storetest.Open) *world {
	t.Helper()
	w := &world{t: t, clock: clock.At(storetest.Start), trail: &trail{}}
	w.x = empi.New(empi.Options{Clock: w.clock})
	w.s = open(t, store.Options{Clock: w.clock, Migrations: slices.Concat(event.Migrations, empi.Migrations), Derive: []store.Deriver{w.x.Derive}})
	w.begin()
	return w
}

// begin is what a start of the program does; the index that ran before is gone as after a crash.
func (w *world) begin() {
	w.t.Helper()
	w.x = empi.New(empi.Options{Clock: w.clock})
	if err := w.x.Open(ctx, w.s, nil, w.trail); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) settle() {
	w.t.Helper()
	if err := w.x.Settle(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// one is a patient as a hospital writes him.
type one struct {
	id, org, name, sex, birth, number, phone, address string
	more                                              func(n *fhir.Node)
	whole                                             *fhir.Node // instead of all others
}

func (p one) node() *fhir.Node {
	if p.whole != nil {
		return p.whole.Copy()
	}
	n := fhir.New("Patient", "id", p.id, "gender", p.sex, "birthDate", p.birth)
	if p.name != "" {
		n.Add("name", fhir.Obj{"use", "official", "text", p.name})
	}
	if p.number != "" {
		n.Add("identifier", fhir.Obj{"system", sids + "resident-id", "value", p.number})
	}
	if p.phone != "" {
		n.Add("telecom", fhir.Obj{"system", "phone", "value", p.phone})
	}
	if p.address != "" {
		n.Add("address", fhir.Obj{"text", p.address})
	}
	if p.more != nil {
		p.more(n)
	}
	return n
}

func put(s *store.Store, p one) error {
	if p.org == "" {
		p.org = county
	}
	return s.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Put(ctx, store.Put{Op: store.Update, Type: "Patient", ID: p.id, Custodian: p.org, Resource: store.Prepared{Node: p.node()}})
		return err
	})
}

func (w *world) put(list ...one) {
	w.t.Helper()
	for _, p := range list {
		if err := put(w.s, p); err != nil {
			w.t.Fatal(err)
		}
	}
	w.settle()
}

func (w *world) delete(id string) {
	w.t.Helper()
	err := w.s.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Put(ctx, store.Put{Op: store.Delete, Type: "Patient", ID: id})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}

func (w *world) view(fn func(tx *store.Tx) error) {
	w.t.Helper()
	if err := w.s.View(ctx, fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) update(fn func(tx *store.Tx) error) {
	w.t.Helper()
	if err := w.s.Update(ctx, fn); err != nil {
		w.t.Fatal(err)
	}
}

// together says which records are linked: "1+2 3+4".
func (w *world) together() string {
	w.t.Helper()
	return clusters(w.t, w.s)
}

func clusters(t testing.TB, s *store.Store) string {
	t.Helper()
	by := map[int64][]string{}
	err := s.View(ctx, func(tx *store.Tx) error {
		clear(by)
		return tx.Query(ctx, `SELECT person, patient FROM empi_record WHERE person > 0`, nil, func(scan func(...any) error) error {
			var person int64
			var patient string
			err := scan(&person, &patient)
			by[person] = append(by[person], strings.TrimPrefix(patient, "Patient/"))
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for person, list := range by {
		slices.Sort(list)
		all = append(all, strings.Join(list, "+"))
		members := []string{}
		err := s.View(ctx, func(tx *store.Tx) error {
			m, err := tx.Members(ctx, person)
			members = members[:0]
			for _, one := range m {
				members = append(members, strings.TrimPrefix(one.Patient, "Patient/"))
			}
			return err
		})
		slices.Sort(members)
		if err != nil || !slices.Equal(members, list) {
			t.Fatalf("person %d: the store says %v, the index %v (%v); want the same", person, members, list, err)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// asked says which pairs are open: "1?2 possible".
func (w *world) asked() string {
	w.t.Helper()
	var all []string
	for _, p := range w.pairs(empi.PairFilter{State: empi.Open}) {
		all = append(all, strings.TrimPrefix(p.Left.Patient, "Patient/")+"?"+strings.TrimPrefix(p.Right.Patient, "Patient/")+" "+p.Why)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func (w *world) pairs(f empi.PairFilter) (list []empi.Pair) {
	w.t.Helper()
	w.view(func(tx *store.Tx) (err error) { list, _, err = w.x.Pairs(ctx, tx, f); return err })
	return list
}

func (w *world) pair(left, right string) empi.Pair {
	w.t.Helper()
	for _, p := range w.pairs(empi.PairFilter{Patient: "Patient/" + left}) {
		if p.Left.Patient == "Patient/"+right || p.Right.Patient == "Patient/"+right {
			return p
		}
	}
	w.t.Fatalf("no pair of %s and %s", left, right)
	return empi.Pair{}
}

func (w *world) person(patient string) (p empi.Person) {
	w.t.Helper()
	w.view(func(tx *store.Tx) (err error) { p, err = w.x.Person(ctx, tx, "Patient/"+patient); return err })
	return p
}

// kinds counts the events.
func (w *world) kinds() map[string]int {
	w.t.Helper()
	n := map[string]int{}
	if err := event.Sequence(context.Background(), w.s); err != nil {
		w.t.Fatal(err)
	}
	w.view(func(tx *store.Tx) error {
		clear(n)
		list, err := event.After(ctx, tx, "", 0, 10000)
		for _, e := range list {
			n[e.Kind]++
		}
		return err
	})
	return n
}

func refused(t testing.TB, err error, detail string) {
	t.Helper()
	var fe *fhir.Error
	if !errors.As(err, &fe) || fe.Issues[0].Detail != detail {
		t.Errorf("got %v; want a refusal %s", err, detail)
	}
}

func (w *world) want(together, asked string) {
	w.t.Helper()
	if got := w.together(); got != together {
		w.t.Errorf("together: got %q; want %q%s", got, together, w.explain())
	}
	if got := w.asked(); got != asked {
		w.t.Errorf("asked: got %q; want %q%s", got, asked, w.explain())
	}
}

func (w *world) explain() string {
	var b strings.Builder
	for _, p := range w.pairs(empi.PairFilter{}) {
		fmt.Fprintf(&b, "\n\t%s %s %s %s %.1f bits P %.5f bar %q", p.Left.Patient, p.Right.Patient, p.State, p.Why, p.Score, p.Probability, p.Bar)
	}
	return b.String()
}
