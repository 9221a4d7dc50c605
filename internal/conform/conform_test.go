package conform_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/conform"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/profile"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func parse(t testing.TB, s string) *fhir.Node {
	t.Helper()
	n, err := fhir.Parse([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func put(t testing.TB, s *store.Store, resource string) {
	t.Helper()
	n := parse(t, resource)
	p, err := store.Prepare(n)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Put(t.Context(), store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: p})
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func definition(element string) string {
	return `{"resourceType":"StructureDefinition","id":"p","url":"http://x.test/p","version":"1","name":"P","status":"active","kind":"resource","abstract":false,"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint","differential":{"element":[` + element + `]}}`
}

const claims = `{"resourceType":"Patient","meta":{"profile":["http://x.test/p"]},"gender":"male"}`

func faults(issues []fhir.Issue) string {
	var out []string
	for _, i := range issues {
		out = append(out, i.Severity+" "+i.Detail+" "+i.Expression)
	}
	return strings.Join(out, ", ")
}

// Another process on the same database writes definitions: its own Derive cannot tell us.
func TestDefinitionsOfAnotherProcessAreSeen(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		s := open(t, store.Options{})
		r := &conform.Room{Store: s, Fresh: time.Nanosecond}
		for _, step := range []struct{ write, want string }{
			{"", "warning unknown-profile Patient.meta.profile[0]"},
			{definition(`{"path":"Patient.name","min":1}`), "error profile-min Patient.name"},
			{definition(`{"path":"Patient.photo","min":1}`), "error profile-min Patient.photo"},
		} {
			if step.write != "" {
				put(t, s, step.write)
			}
			issues, _, err := r.Check(t.Context(), search.Everything, parse(t, claims), profile.Options{})
			if got := faults(issues); err != nil || got != step.want {
				t.Errorf("got %s, %v; want %s", got, err, step.want)
			}
		}
	})
}

func TestDefinitionsAreCompiledOnce(t *testing.T) {
	s := storetest.Memory(t, store.Options{})
	put(t, s, definition(`{"path":"Patient.name","min":1}`))
	r := &conform.Room{Store: s, Fresh: time.Hour}
	for range 3 { // written behind the room's back, and so not seen
		issues, _, err := r.Check(t.Context(), search.Everything, parse(t, claims), profile.Options{})
		if got := faults(issues); err != nil || got != "error profile-min Patient.name" {
			t.Errorf("got %s, %v", got, err)
		}
		put(t, s, definition(`{"path":"Patient.photo","min":1}`))
	}
}

// terms is a terminology whose answers a test counts and breaks.
type terms struct {
	asked int
	known bool
	fail  error
}

func (m *terms) Has(context.Context, string, string, string) (has, known bool, err error) {
	m.asked++
	return false, m.known, m.fail
}

func TestTerminologyIsAskedOnce(t *testing.T) {
	s := storetest.Memory(t, store.Options{})
	put(t, s, definition(`{"path":"Patient.communication.language","binding":{"strength":"required","valueSet":"http://x.test/vs"}}`))
	m := &terms{}
	r := &conform.Room{Store: s, Terms: m, Fresh: time.Hour}
	speaks := parse(t, `{"resourceType":"Patient","meta":{"profile":["http://x.test/p"]},"communication":[{"language":{"coding":[{"system":"s","code":"a"}]}},{"language":{"coding":[{"system":"s","code":"a"}]}}]}`)
	check := func() (string, error) {
		issues, _, err := r.Check(t.Context(), search.Everything, speaks, profile.Options{})
		return faults(issues), err
	}
	for range 3 {
		if got, err := check(); err != nil || got != "warning valueset-unknown Patient.communication[0].language" {
			t.Errorf("an absent set: got %s, %v", got, err)
		}
	}
	if m.asked != 1 {
		t.Errorf("an absent set was asked for %d times; want once", m.asked)
	}
	r = &conform.Room{Store: s, Terms: &terms{known: true}, Fresh: time.Hour}
	if got, err := check(); err != nil || got != "error profile-code Patient.communication[0].language, error profile-code Patient.communication[1].language" {
		t.Errorf("a set without the code: got %s, %v", got, err)
	}
	broken := errors.New("no terminology")
	r = &conform.Room{Store: s, Terms: &terms{fail: broken}, Fresh: time.Hour}
	if got, err := check(); !errors.Is(err, broken) {
		t.Errorf("a terminology that fails: got %s, %v; want the failure", got, err)
	}
}

func TestWhatWasReadIsTold(t *testing.T) {
	s := storetest.Memory(t, store.Options{})
	put(t, s, `{"resourceType":"Patient","id":"a","gender":"male"}`)
	r := &conform.Room{Store: s}
	o := parse(t, `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/a"},"performer":[{"reference":"Patient/b"}]}`)
	for _, c := range []struct {
		scope search.Scope
		want  string
		seen  int
	}{
		{search.Everything, "warning unknown-reference Observation.performer[0].reference", 1},
		{search.Scope{Parties: []string{"Organization/x"}}, "warning unknown-reference Observation.subject.reference, warning unknown-reference Observation.performer[0].reference", 0},
	} {
		issues, seen, err := r.Check(t.Context(), c.scope, o, profile.Options{References: "warning"})
		if got := faults(issues); err != nil || got != c.want || len(seen) != c.seen {
			t.Errorf("got %s, %d seen, %v; want %s, %d seen", got, len(seen), err, c.want, c.seen)
		}
	}
}
