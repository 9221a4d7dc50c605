package hl7v2

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2/er7"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2/mllp"
	"github.com/xinglin-health/xinglin/internal/keys"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// world is a hospital with two wards of beds, its own system, and another hospital.
type world struct {
	*testing.T
	s       *store.Store
	g       *Gateway
	clock   *clock.Turned
	tree    *access.Tree
	entries []audit.Entry
	stated  []string
	refuse  error // what the beds answer
	lost    error // what the audit answers, with which the unit fails
	revoked bool
}

func (w *world) Write(_ context.Context, _ *store.Tx, e audit.Entry) error {
	if w.lost != nil {
		return w.lost
	}
	w.entries = append(w.entries, e)
	return nil
}
func (w *world) Read(context.Context, audit.Entry) error { return nil }

func (w *world) Stated(_ context.Context, _ *store.Tx, _ *access.Caller, bed, status, source string) error {
	w.stated = append(w.stated, bed+" "+status+" "+source)
	return w.refuse
}

func (w *world) WardOf(_ context.Context, _ *store.Tx, bed string) (string, error) {
	if strings.HasPrefix(bed, "Location/w1") {
		return "Organization/w1", nil
	}
	return "", nil
}

var here = netip.MustParseAddr("127.0.0.1")

func open(t *testing.T, with storetest.Open) *world {
	t.Helper()
	w := &world{T: t, clock: clock.At(storetest.Start), tree: access.NewTree()}
	w.tree.Kept = true
	relations := &access.Relations{Tree: w.tree, Tables: true}
	w.s = with(t, store.Options{Clock: w.clock, Migrations: slices.Concat(access.Migrations, Migrations), Derive: []store.Deriver{w.tree.Derive, relations.Derive}, Guard: []store.Guard{w.tree.Guard, relations.Guard}})
	org := func(id, typ, parent string) {
		n := fhir.New("Organization", "id", id, "name", id, "type", fhir.Arr{fhir.Obj{"coding", fhir.Arr{fhir.Obj{"code", typ}}}})
		if parent != "" {
			n.Set("partOf", fhir.Ref("Organization/"+parent, ""))
		}
		w.write(n)
	}
	org("centre", "prov", "")
	org("w1", "dept", "centre")
	org("other", "prov", "")
	bed := func(id, org string, names ...string) {
		n := fhir.New("Location", "id", id, "status", "active", "mode", "instance", "name", id, "managingOrganization", fhir.Ref("Organization/"+org, ""),
			"physicalType", fhir.Concept("http://terminology.hl7.org/CodeSystem/location-physical-type", "bd", "Bed"))
		for _, name := range names {
			n.Add("identifier", fhir.Identifier("urn:beds", name))
		}
		w.write(n)
	}
	bed("w1-1", "w1", "W1^101^01")
	bed("w1-2", "w1", "W1^101^02")
	bed("w1-3", "w1", "W1^101^03", "W1^101^04")
	bed("w1-4", "w1", "W1^101^04")
	bed("far-9", "other", "W9^900^09")
	peers := []Peer{{Name: "his", Application: "HIS", Facility: "CENTRE", Addresses: []string{"127.0.0.1", "10.0.0.0/8"}, Organization: "Organization/centre", Credential: "tok"}}
	if err := Check(peers); err != nil {
		t.Fatal(err)
	}
	w.g = New(Options{Store: w.s, Clock: w.clock, Peers: peers, Audit: w, Beds: w, Legal: w.tree.Legal, Log: slog.New(slog.DiscardHandler),
		Standing: func(_ context.Context, credential, org string) (*access.Caller, error) {
			if credential != "tok" || w.revoked {
				return nil, nil
			}
			c := &access.Caller{User: "tok", Name: "HIS", Role: access.Program, Org: org, Scopes: []string{"system/*.cruds"}}
			w.tree.Settle(c)
			return c, nil
		}})
	return w
}

func (w *world) write(n *fhir.Node) {
	w.Helper()
	ready, err := store.Prepare(n)
	if err != nil {
		w.Fatal(err)
	}
	err = w.s.Update(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Put(context.Background(), store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: ready, Custodian: "Organization/centre"})
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
}

// adt is a message of an event, about a patient in a bed.
type adt struct {
	id, event, patient, visit, bed, more string
}

func (a adt) String() string {
	s := "MSH|^~\\&|HIS|CENTRE|XL|HUB|20260302155900+0800||ADT^" + a.event + "|" + a.id + "|P|2.5||||||UNICODE UTF-8\rEVN|" + a.event + "|20260302155900+0800\r"
	if a.event == "A20" {
		return s + "NPU|" + a.bed + "|" + a.visit + "\r"
	}
	return s + "PID|1||" + a.patient + "^^^HIS^MR||甲^一||19800101|M\rPV1|1|I|" + a.bed + strings.Repeat("|", 16) + a.visit + "\r" + a.more
}

// send gives MSA-1 and our code of the refusal.
func (w *world) send(m fmt.Stringer) string { return w.sendAs(here, []byte(m.String())) }

func (w *world) sendAs(from netip.Addr, raw []byte) string {
	w.Helper()
	answer := w.g.Answer(context.Background(), from, raw)
	m, err := er7.Parse(answer)
	if err != nil {
		w.Fatalf("answer %q: %v", answer, err)
	}
	if e := m.Get("ERR-5.1"); e != "" {
		return m.Get("MSA-1") + " " + e
	}
	return m.Get("MSA-1")
}

// all gives the current resources of a type.
func (w *world) all(typ string) (list []*fhir.Node) {
	w.Helper()
	err := w.s.View(context.Background(), func(tx *store.Tx) error {
		page, err := tx.Search(context.Background(), storetest.Query(w.T, typ+"?_count=100", search.Everything))
		for _, v := range page.Matches {
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return err
			}
			list = append(list, n)
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return list
}

func (w *world) versions() int64 {
	w.Helper()
	stats, err := w.s.Stats(context.Background())
	if err != nil {
		w.Fatal(err)
	}
	return stats.Versions
}

// lies is where the only Encounter says that its patient is: its status, and the active bed.
func (w *world) lies() string {
	w.Helper()
	all := w.all("Encounter")
	if len(all) != 1 {
		w.Fatalf("got %d encounters; want one", len(all))
	}
	at := all[0].Str("status")
	for _, l := range all[0].All("location") {
		if l.Str("status") == "active" {
			at += " " + l.Str("location.reference") + l.Str("location.identifier.value")
		}
	}
	return at
}

func TestWhatEachEventDoes(t *testing.T) {
	type step struct{ event, bed, answer, lies string }
	for name, steps := range map[string][]step{
		"admit, move, discharge":      {{"A01", "W1^101^01", "AA", "in-progress Location/w1-1"}, {"A02", "W1^101^02", "AA", "in-progress Location/w1-2"}, {"A03", "W1^101^02", "AA", "finished"}},
		"an admission that never was": {{"A01", "W1^101^01", "AA", "in-progress Location/w1-1"}, {"A11", "", "AA", "cancelled"}},
		"a move that never was":       {{"A01", "W1^101^01", "AA", "in-progress Location/w1-1"}, {"A02", "W1^101^02", "AA", "in-progress Location/w1-2"}, {"A12", "W1^101^01", "AA", "in-progress Location/w1-1"}},
		"a move that never was, and the message does not say where he is":      {{"A01", "W1^101^01", "AA", "in-progress Location/w1-1"}, {"A02", "W1^101^02", "AA", "in-progress Location/w1-2"}, {"A12", "", "AA", "in-progress Location/w1-1"}},
		"a discharge that never was":                                           {{"A01", "W1^101^01", "AA", "in-progress Location/w1-1"}, {"A03", "W1^101^01", "AA", "finished"}, {"A13", "W1^101^02", "AA", "in-progress Location/w1-2"}},
		"a discharge that never was, and the message does not say where he is": {{"A01", "W1^101^01", "AA", "in-progress Location/w1-1"}, {"A03", "", "AA", "finished"}, {"A13", "", "AA", "in-progress Location/w1-1"}},
		"a move of whom nobody knows":                                          {{"A02", "W1^101^02", "AA", "in-progress Location/w1-2"}},
		"a discharge of whom nobody knows":                                     {{"A03", "W1^101^02", "AA", "finished"}},
		"a cancellation of what nobody knows":                                  {{"A11", "", "AE unknown-visit", ""}, {"A12", "", "AE unknown-visit", ""}},
		"a bed that is not in the register":                                    {{"A01", "W7^7^7", "AA", "in-progress W7^7^7"}, {"A02", "W1^101^01", "AA", "in-progress Location/w1-1"}},
		"a name that two beds have":                                            {{"A01", "W1^101^04", "AA", "in-progress W1^101^04"}},
		"a bed of another hospital":                                            {{"A01", "W9^900^09", "AA", "in-progress W9^900^09"}},
		"no bed yet":                                                           {{"A01", "", "AA", "in-progress"}, {"A02", "W1^101^01", "AA", "in-progress Location/w1-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			run := storetest.Both
			if name != "admit, move, discharge" { // one of them on both databases
				run = func(t *testing.T, test func(*testing.T, storetest.Open)) { test(t, storetest.Memory) }
			}
			run(t, func(t *testing.T, with storetest.Open) {
				w := open(t, with)
				for i, s := range steps {
					w.clock.Turn(time.Minute)
					if got := w.send(adt{id: fmt.Sprint("m", i), event: s.event, patient: "P1", visit: "V1", bed: s.bed}); got != s.answer {
						t.Fatalf("%s: got %s; want %s", s.event, got, s.answer)
					}
					if s.lies != "" {
						if got := w.lies(); got != s.lies {
							t.Fatalf("after %s: got %s; want %s", s.event, got, s.lies)
						}
					}
				}
				if n := len(w.all("Patient")); n > 1 {
					t.Errorf("got %d patients; want at most one", n)
				}
			})
		})
	}
}

func TestThePatientIsTheHospitalsOwnRecord(t *testing.T) {
	w := open(t, storetest.Memory)
	id := fhir.ResidentNumber("990101", time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), 101)
	raw := strings.Replace(adt{id: "1", event: "A01", patient: "P1", visit: "V1", bed: "W1^101^01"}.String(), "^^^HIS^MR", "^^^HIS^MR~"+id+"^^^CN^NI", 1)
	if got := w.sendAs(here, []byte(raw)); got != "AA" {
		t.Fatalf("got %s; want AA", got)
	}
	p := w.all("Patient")[0]
	if got := p.Str("name[0].text") + " " + p.Str("gender") + " " + p.Str("birthDate") + " " + p.Str("identifier[0].value") + " " + p.Str("identifier[1].value") + " " + p.Str("managingOrganization.reference"); got !=
		"甲一 male 1980-01-01 P1 "+id+" Organization/centre" {
		t.Errorf("got %s", got)
	}
	e := w.all("Encounter")[0]
	if got := e.Str("subject.reference") + " " + e.Str("class.code") + " " + e.Str("serviceProvider.reference") + " " + e.Str("identifier[0].value"); got != "Patient/"+p.ID()+" IMP Organization/w1 V1" {
		t.Errorf("got %s", got)
	}
	// a second visit finds him, a stranger's record of the same number does not count
	w.write(fhir.New("Patient", "id", "same-number", "identifier", fhir.Arr{fhir.Identifier(RecordNumber, "P2")}))
	w.sendAs(here, []byte(adt{id: "2", event: "A01", patient: "P1", visit: "V2", bed: "W1^101^02"}.String()))
	if n := len(w.all("Patient")); n != 2 {
		t.Errorf("got %d patients; want 2", n)
	}
	if got := w.send(adt{id: "3", event: "A02", patient: "P9", visit: "V1", bed: "W1^101^02"}); got != "AE visit-of-another" {
		t.Errorf("a visit of another patient: got %s", got)
	}
	if n := len(w.all("Patient")); n != 2 {
		t.Errorf("a refused message has made a patient: got %d; want 2", n)
	}
}

func TestTheSameMessageAgainChangesNothing(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		w := open(t, with)
		m := adt{id: "1", event: "A01", patient: "P1", visit: "V1", bed: "W1^101^01"}
		first := string(w.g.Answer(context.Background(), here, []byte(m.String())))
		before := w.versions()
		w.clock.Turn(time.Hour)
		for range 3 {
			if again := string(w.g.Answer(context.Background(), here, []byte(m.String()))); again != first {
				t.Errorf("got %q; want %q", again, first)
			}
		}
		if after := w.versions(); after != before {
			t.Errorf("got %d versions; want %d", after, before)
		}
		m.bed = "W1^101^02"
		if got := w.send(m); got != "AE control-id-reused" {
			t.Errorf("another message under the id: got %s", got)
		}
		if got := w.lies(); got != "in-progress Location/w1-1" {
			t.Errorf("got %s", got)
		}
		if c := &w.g.Counts; c.Accepted.Load() != 1 || c.Repeated.Load() != 3 || c.Failed.Load() != 1 {
			t.Errorf("counts: got %d accepted, %d repeated, %d failed", c.Accepted.Load(), c.Repeated.Load(), c.Failed.Load())
		}
		if len(w.entries) != 2 || w.entries[0].Outcome != "0" || w.entries[1].Outcome != "4" || len(w.entries[0].Patients) != 1 {
			t.Errorf("audit: got %+v; want one of the change and one of the refusal", w.entries)
		}
	})
}

func TestNothingIsAcceptedThatWasNotKept(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		w := open(t, with)
		m := adt{id: "1", event: "A01", patient: "P1", visit: "V1", bed: "W1^101^01"}
		before := w.versions()
		w.lost = errors.New("the disk is full")
		if got := w.send(m); got != "AE internal" {
			t.Errorf("while the unit fails at its end: got %s; want AE internal", got)
		}
		if after := w.versions(); after != before || w.g.Counts.Accepted.Load() != 0 || w.g.Counts.Failed.Load() != 1 {
			t.Errorf("got %d versions, %d accepted; want %d and none", after, w.g.Counts.Accepted.Load(), before)
		}
		w.lost = nil
		if got := w.send(m); got != "AA" || w.lies() != "in-progress Location/w1-1" {
			t.Errorf("the same message again: got %s, %s", got, w.lies())
		}
	})
}

func TestWhatWasRefusedMayBeMendedAndSentAgain(t *testing.T) {
	w := open(t, storetest.Memory)
	m := adt{id: "1", event: "A20", bed: "W5^5^5", visit: "H"}
	for range 2 {
		if got := w.send(m); got != "AE unknown-bed" {
			t.Fatalf("got %s", got)
		}
	}
	w.write(fhir.New("Location", "id", "w1-5", "name", "5", "identifier", fhir.Arr{fhir.Identifier("urn:beds", "W5^5^5")}, "managingOrganization", fhir.Ref("Organization/w1", ""),
		"physicalType", fhir.Concept("http://terminology.hl7.org/CodeSystem/location-physical-type", "bd", "Bed")))
	w.refuse = fhir.Refuse(409, "conflict", "somebody-lies-there", "somebody lies there", "有人")
	if got := w.send(m); got != "AE somebody-lies-there" {
		t.Fatalf("got %s", got)
	}
	w.refuse = nil
	if got := w.send(m); got != "AA" || w.stated[len(w.stated)-1] != "Location/w1-5 H hl7:his/1" {
		t.Fatalf("got %s, %v", got, w.stated)
	}
}

func TestWhatIsRefusedAndHow(t *testing.T) {
	good := adt{id: "1", event: "A01", patient: "P1", visit: "V1", bed: "W1^101^01"}.String()
	swap := func(old, new string) []byte {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q in the message", old)
		}
		return []byte(strings.Replace(good, old, new, 1))
	}
	for name, c := range map[string]struct {
		from string
		raw  []byte
		want string
	}{
		"no message at all":                           {raw: []byte("hello"), want: "AR unreadable"},
		"another application":                         {raw: swap("|HIS|", "|LIS|"), want: "AR unknown-sender"},
		"another facility":                            {raw: swap("|CENTRE|", "|OTHER|"), want: "AR unknown-sender"},
		"an address that is not listed":               {from: "192.0.2.1", raw: []byte(good), want: "AR unknown-sender"},
		"an address of the network":                   {from: "10.1.2.3", raw: []byte(good), want: "AA"},
		"no control id":                               {raw: swap("|1|P|", "||P|"), want: "AR no-control-id"},
		"another kind":                                {raw: swap("ADT^A01", "ORU^R01"), want: "AR message-type"},
		"another event":                               {raw: swap("ADT^A01", "ADT^A40"), want: "AR event-type"},
		"a test message":                              {raw: swap("|P|2.5", "|T|2.5"), want: "AR processing-id"},
		"version 3":                                   {raw: swap("|2.5", "|3.0"), want: "AR version"},
		"no number of the patient":                    {raw: swap("P1^^^HIS^MR", "^^^HIS^MR"), want: "AE no-patient-number"},
		"a number that is none of ours":               {raw: swap("^MR", "^XX"), want: "AE no-patient-number"},
		"no visit":                                    {raw: swap("|V1\r", "|\r"), want: "AE no-visit-number"},
		"a birthday that is none":                     {raw: swap("19800101", "1980"), want: "AA"},
		"a discharge with a typing error in its time": {raw: swap("19800101", "19809901"), want: "AA"},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, storetest.Memory)
			from := here
			if c.from != "" {
				from = netip.MustParseAddr(c.from)
			}
			if got := w.sendAs(from, c.raw); got != c.want {
				t.Errorf("got %s; want %s", got, c.want)
			}
			if c.want != "AA" && len(w.all("Patient"))+len(w.all("Encounter")) != 0 {
				t.Error("a refused message has written something")
			}
		})
	}
	w := open(t, storetest.Memory)
	w.revoked = true
	if got := w.send(adt{id: "1", event: "A01", patient: "P1", visit: "V1"}); got != "AR no-credential" {
		t.Errorf("a credential that was withdrawn: got %s", got)
	}
}

func TestAnswersSayWhyInBothLanguages(t *testing.T) {
	w := open(t, storetest.Memory)
	raw := strings.Replace(adt{id: "7", event: "A40", patient: "P1"}.String(), "||||||UNICODE", "|||AL|NE||UNICODE", 1)
	a, err := er7.Parse(w.g.Answer(context.Background(), here, []byte(raw)))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"MSH-3": "XL", "MSH-5": "HIS", "MSH-6": "CENTRE", "MSH-9.1": "ACK", "MSH-12": "2.5", "MSA-1": "CR", "MSA-2": "7", "ERR-2.1": "MSH", "ERR-3.1": "201", "ERR-4": "E", "ERR-5": "event-type",
		"ERR-7": notSuch.en, "ERR-8": notSuch.zh} {
		if got := a.Get(path); got != want {
			t.Errorf("%s: got %q; want %q", path, got, want)
		}
	}
}

// No table of this room holds a name or a number of a patient in plain.
func TestMessagesAreKeptSealed(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(context.Background(), "file:"+dir, store.Options{Migrations: slices.Concat(access.Migrations, Migrations), Sealing: sealing(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, s: s, tree: access.NewTree()}
	peers := []Peer{{Name: "his", Addresses: []string{"127.0.0.1"}, Organization: "Organization/centre", Credential: "tok"}}
	if err := Check(peers); err != nil {
		t.Fatal(err)
	}
	w.g = New(Options{Store: s, Peers: peers, Standing: func(context.Context, string, string) (*access.Caller, error) {
		return &access.Caller{User: "tok", Role: access.Program, Org: "Organization/centre", Scopes: []string{"system/*.cruds"}, Scope: search.Everything}, nil
	}})
	if got := w.send(adt{id: "1", event: "A01", patient: "ZY-SECRET-1", visit: "VISIT-SECRET"}); got != "AA" {
		t.Fatalf("got %s", got)
	}
	if got := w.send(adt{id: "2", event: "A40", patient: "ZY-SECRET-1", visit: "VISIT-SECRET"}); got != "AR event-type" {
		t.Fatalf("got %s", got)
	}
	err = s.View(context.Background(), func(tx *store.Tx) error {
		body, err := w.g.Body(context.Background(), tx, "his", "1")
		if err == nil && !strings.Contains(string(body), "ZY-SECRET-1") {
			t.Errorf("got %q; want the message", body)
		}
		if err != nil {
			return err
		}
		return tx.Query(context.Background(), "SELECT sender || control || digest || kind || why || patient || encounter || bed, answer, body FROM hl7v2_message", nil, func(scan func(...any) error) error {
			var texts string
			var answer, body []byte
			if err := scan(&texts, &answer, &body); err != nil {
				return err
			}
			for _, kept := range []string{texts, string(answer), string(body)} {
				for _, secret := range []string{"SECRET", "甲", "CENTRE"} {
					if strings.Contains(kept, secret) {
						t.Errorf("%q stands in plain in %q", secret, kept)
					}
				}
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestBodiesAreForgottenAndNothingIsDoneTwice(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		w := open(t, with)
		m := adt{id: "1", event: "A01", patient: "P1", visit: "V1"}
		w.send(m)
		w.clock.Turn(Kept + time.Hour)
		if err := w.g.Sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
		err := w.s.View(context.Background(), func(tx *store.Tx) error {
			body, err := w.g.Body(context.Background(), tx, "his", "1")
			if body != nil {
				t.Errorf("the body is still there")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		w.g.Counts.Repeated.Store(0)
		if got := w.send(m); got != "AA" || w.g.Counts.Repeated.Load() != 1 {
			t.Errorf("got %s", got)
		}
	})
}

// A real sender over a real connection, in the charset of older systems.
func TestOverAConnection(t *testing.T) {
	w := open(t, storetest.Memory)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &mllp.Server{Answer: w.g.Answer, Allowed: w.g.Allowed, Log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client := mllp.Over(conn)
	m, err := er7.Parse([]byte(adt{id: "1", event: "A01", patient: "P1", visit: "V1", bed: "W1^101^01"}.String()))
	if err != nil {
		t.Fatal(err)
	}
	m.Charset = "GB 18030-2000"
	m.First("MSH").Fields[18] = m.Charset
	m.First("PID").Fields[5] = "亅鈂"
	for range 2 {
		answer, err := client.Send(m.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if a, err := er7.Parse(answer); err != nil || a.Get("MSA-1") != "AA" || a.Get("MSH-18") != m.Charset {
			t.Errorf("got %q, %v", answer, err)
		}
	}
	client.Close()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := w.all("Patient")[0].Str("name[0].text"); got != "亅鈂" {
		t.Errorf("got %q", got)
	}
}

// The messages of a simulated hospital: every admission is taken, all else is refused with its code, and a second time
// nothing changes.
func TestASimulatedHospital(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(fhirtest.Folder(t), "hl7v2", "simhospital.hl7"))
	if err != nil {
		t.Skip(err)
	}
	w := open(t, storetest.Memory)
	w.g.Peers[0].Application, w.g.Peers[0].Facility, w.g.Peers[0].Processing = "SIMHOSP", "SFAC", []string{"T"}
	got := map[string]int{}
	all := strings.Split(string(raw), "\nMSH")
	for _, one := range all {
		got[w.sendAs(here, []byte("MSH"+strings.TrimPrefix(one, "MSH")))]++
	}
	t.Logf("%d messages: %v; %d patients, %d visits", len(all), got, len(w.all("Patient")), len(w.all("Encounter")))
	if got["AA"] == 0 || got["AR message-type"] != 439 || got["AA"]+got["AR message-type"]+got["AR event-type"]+got["AE no-visit-number"] != len(all) {
		t.Errorf("got %v", got)
	}
	before := w.versions()
	for _, one := range all {
		w.sendAs(here, []byte("MSH"+strings.TrimPrefix(one, "MSH")))
	}
	if after := w.versions(); after != before {
		t.Errorf("sent again: got %d versions; want %d", after, before)
	}
}

func TestPeersAreChecked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "peers.toml")
	for name, c := range map[string]struct{ text, wrong string }{
		"good":          {"[[peer]]\nname = \"his\"\napplication = \"HIS\"\naddresses = [\"10.0.0.5\", \"fd00::/8\"]\norganization = \"Organization/centre\"\ncredential = \"abc\"\n", ""},
		"empty":         {"", "nobody may send"},
		"no address":    {"[[peer]]\nname = \"his\"\norganization = \"Organization/centre\"\ncredential = \"abc\"\n", "addresses"},
		"no network":    {"[[peer]]\nname = \"his\"\naddresses = [\"ten\"]\norganization = \"Organization/centre\"\ncredential = \"abc\"\n", "ten"},
		"no credential": {"[[peer]]\nname = \"his\"\naddresses = [\"10.0.0.5\"]\norganization = \"Organization/centre\"\n", "credential"},
		"unknown key":   {"[[peer]]\nnme = \"his\"\n", "nme"},
		"twice":         {strings.Repeat("[[peer]]\nname = \"his\"\naddresses = [\"10.0.0.5\"]\norganization = \"Organization/centre\"\ncredential = \"abc\"\n", 2), "twice"},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		peers, err := ReadPeers(file)
		if c.wrong == "" && (err != nil || len(peers) != 1 || !peers[0].at(netip.MustParseAddr("10.0.0.5"))) || c.wrong != "" && (err == nil || !strings.Contains(fmt.Sprintf("%v %+v", err, err), c.wrong) && c.wrong != "nme") {
			t.Errorf("%s: got %v, %v", name, peers, err)
		}
	}
}

func sealing(t *testing.T, dir string) *store.Sealing {
	path := filepath.Join(dir, "master.key")
	if err := keys.MakeFile(path); err != nil {
		t.Fatal(err)
	}
	m, err := keys.OpenMaster("file:"+path, keys.AES)
	if err != nil {
		t.Fatal(err)
	}
	return &store.Sealing{Algorithm: keys.AES, Master: func(context.Context, bool) (keys.Master, error) { return m, nil }}
}
