package registry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/registry"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

var zone = time.FixedZone("CST", 8*3600)

func on(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 9, 0, 0, 0, zone)
}

// house is a centre with cardiology, an output hospital, a county group with a township and a village.
type house struct {
	t     *testing.T
	store *store.Store
	tree  *access.Tree
	clock *clock.Turned
	room  *registry.Room
}

func open(t *testing.T, with storetest.Open) *house {
	t.Helper()
	h := &house{t: t, tree: access.NewTree(), clock: clock.At(on(2026, 1, 5))}
	h.room = &registry.Room{Tree: h.tree, Zone: zone, Legal: h.legal,
		Level: func(org string) string { p, _ := h.tree.Place(org); return p.Level },
		Above: func(org string) string { p, _ := h.tree.Place(org); return p.Parent }}
	h.store = with(t, store.Options{Clock: h.clock, Migrations: registry.Migrations,
		Derive: []store.Deriver{h.tree.Derive, h.room.Derive, h.room.Acting}, Guard: []store.Guard{h.room.Guard}})
	for _, o := range [][4]string{{"output", "prov", "", "output"}, {"centre", "prov", "", "centre"}, {"centre-cardiology", "dept", "centre", ""}, {"centre-ward", "ward", "centre-cardiology", ""},
		{"group", "prov", "", "group"}, {"township", "prov", "group", "township"}, {"village", "prov", "township", "village"}} {
		org := fhir.New("Organization", "name", o[0], "type", fhir.Arr{fhir.Concept("http://terminology.hl7.org/CodeSystem/organization-type", o[1], "")})
		if o[2] != "" {
			org.Set("partOf", fhir.Ref("Organization/"+o[2], ""))
		}
		if o[3] != "" {
			org.Set("extension", fhir.Arr{fhir.Extension(registry.LevelOf, "valueCode", o[3])})
		}
		h.put(nil, o[0], org)
	}
	return h
}

// legal: the group is one legal person with its township and village.
func (h *house) legal(org string) string {
	for p, ok := h.tree.Place(org); ok && p.Parent != ""; p, ok = h.tree.Place(p.Parent) {
		org = p.Parent
	}
	return org
}

func (h *house) try(by *access.Caller, id string, n *fhir.Node) error {
	h.t.Helper()
	ctx := context.Background()
	if by != nil {
		ctx = access.With(ctx, by)
	}
	n = n.Copy()
	n.Set("id", id)
	ready, err := store.Prepare(n)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Put(ctx, store.Put{Op: store.Update, Type: n.Type(), ID: id, Resource: ready})
		return err
	})
}

func (h *house) put(by *access.Caller, id string, n *fhir.Node) {
	h.t.Helper()
	if err := h.try(by, id, n); err != nil {
		h.t.Fatal(err)
	}
}

func period(from, until string) fhir.Obj { return fhir.Obj{"start", from, "end", until} }

func person(kind, place, from, until string) *fhir.Node {
	n := fhir.New("Practitioner", "active", true)
	if kind != "" {
		n.Set("qualification", fhir.Arr{fhir.Obj{"extension", fhir.Arr{fhir.Extension(registry.PlaceOf, "valueReference", fhir.Ref("Organization/"+place, ""))},
			"code", fhir.Concept(registry.LicenceKind, kind, ""), "period", period(from, until)}})
	}
	return n
}

func role(who, org, system, code, from, until string) *fhir.Node {
	return fhir.New("PractitionerRole", "active", true, "period", period(from, until), "practitioner", fhir.Ref("Practitioner/"+who, ""),
		"organization", fhir.Ref("Organization/"+org, ""), "code", fhir.Arr{fhir.Concept(system, code, "")})
}

func post(who, org, code, from, until string) *fhir.Node {
	return role(who, org, registry.PostSystem, code, from, until)
}

func login(who, org, from, until string) *fhir.Node {
	return role(who, org, registry.RoleSystem, "receiving-doctor", from, until)
}

func right(code, from, until string) fhir.Obj {
	return fhir.Obj{"extension", fhir.Arr{fhir.Extension("right", "valueCode", code), fhir.Extension("period", "valuePeriod", period(from, until))}, "url", registry.RightOf}
}

func (h *house) as(who, org string) *access.Caller {
	c := &access.Caller{User: who, Practitioner: "Practitioner/" + who, Role: access.ReceivingDoctor, Org: "Organization/" + org}
	c.Institution = h.tree.Institution(c.Org)
	return c
}

func (h *house) view(fn func(ctx context.Context, tx *store.Tx) error) {
	h.t.Helper()
	ctx := context.Background()
	if err := h.store.View(ctx, func(tx *store.Tx) error { return fn(ctx, tx) }); err != nil {
		h.t.Fatal(err)
	}
}

func code(err error) string {
	var fe *fhir.Error
	if errors.As(err, &fe) {
		return fe.Issues[0].Detail
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func (h *house) act(who, org, act string) string {
	h.t.Helper()
	ctx := context.Background()
	var said string
	if err := h.store.View(ctx, func(tx *store.Tx) error { said = code(h.room.Allowed(ctx, tx, h.as(who, org), act)); return nil }); err != nil {
		h.t.Fatal(err)
	}
	return said
}

func TestWhoWasDirectorOnThatDay(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.put(nil, "li", person("doctor", "output", "2010-01-01", ""))
		h.put(nil, "wang", person("doctor", "output", "2010-01-01", ""))
		h.put(nil, "zhao", person("doctor", "centre", "2010-01-01", ""))
		h.put(nil, "r1", post("li", "centre-cardiology", "clinical-director", "2026-01-05", "2026-03-31"))
		h.put(nil, "r2", post("zhao", "centre-cardiology", "administrative-director", "2026-01-05", ""))
		h.put(nil, "other", post("wang", "centre", "clinical-director", "2026-01-05", ""))
		h.clock.Set(on(2026, 4, 10))
		h.put(nil, "r3", post("wang", "centre-cardiology", "clinical-director", "2026-04-01", ""))
		h.clock.Set(on(2026, 5, 2)) // Li had left a month earlier, Wang had come then
		h.put(nil, "r1", post("li", "centre-cardiology", "clinical-director", "2026-01-05", "2026-02-28"))
		h.put(nil, "r3", post("wang", "centre-cardiology", "clinical-director", "2026-03-01", ""))
		h.clock.Set(on(2026, 6, 1))
		for _, c := range []struct {
			rule      string
			at, known time.Time
			post      string
			want      string
		}{
			{"on 3 March, as known now", on(2026, 3, 3), time.Time{}, "clinical-director", "Practitioner/wang"},
			{"on 3 March, as known on 3 March", on(2026, 3, 3), on(2026, 3, 3), "clinical-director", "Practitioner/li"},
			{"on 3 March, as known on 20 April", on(2026, 3, 3), on(2026, 4, 20), "clinical-director", "Practitioner/li"},
			{"on 28 February", on(2026, 2, 28), time.Time{}, "clinical-director", "Practitioner/li"},
			{"before anybody", on(2025, 12, 31), time.Time{}, "clinical-director", ""},
			{"before the hub knew", on(2026, 2, 1), on(2026, 1, 4), "clinical-director", ""},
			{"the other of the two", on(2026, 3, 3), time.Time{}, "administrative-director", "Practitioner/zhao"},
			{"a post that nobody holds", on(2026, 3, 3), time.Time{}, "director", ""},
		} {
			h.view(func(ctx context.Context, tx *store.Tx) error {
				list, err := h.room.WhoIs(ctx, tx, "Organization/centre-cardiology", c.post, c.at, c.known)
				var who []string
				for _, l := range list {
					who = append(who, l.Person)
				}
				if got := strings.Join(who, " "); got != c.want {
					t.Errorf("%s: %s got %q; want %q", c.rule, c.post, got, c.want)
				}
				return err
			})
		}
	})
}

func TestApprovalFollowsThePosts(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		for _, p := range []string{"li", "zhao", "sun", "qian"} {
			h.put(nil, p, person("doctor", "centre", "2010-01-01", ""))
		}
		away := post("li", "centre-cardiology", "clinical-director", "2026-01-05", "")
		away.Set("notAvailable", fhir.Arr{fhir.Obj{"description", "进修", "during", period("2026-06-01", "2026-06-30")}})
		h.put(nil, "r1", away)
		h.put(nil, "r2", post("zhao", "centre-cardiology", "administrative-director", "2026-01-05", ""))
		sub := post("sun", "centre-cardiology", "clinical-director", "2026-06-01", "2026-06-30")
		sub.Set("extension", fhir.Arr{fhir.Extension(registry.StandsForOf, "valueReference", fhir.Ref("PractitionerRole/r1", ""))})
		h.put(nil, "r3", sub)
		rota := post("qian", "centre-cardiology", "rota-head", "2026-05-01", "2026-05-31")
		rota.Set("availableTime", fhir.Arr{fhir.Obj{"daysOfWeek", []string{"sat", "sun"}, "availableStartTime", "08:00:00", "availableEndTime", "20:00:00"}})
		h.put(nil, "r4", rota)
		sub.Get("period").Set("end", nil)
		if got := code(h.try(nil, "r5", sub)); got != "substitute-needs-end" {
			t.Errorf("a substitute without an end: got %q", got)
		}
		for _, c := range []struct {
			rule, decision, who, org string
			at                       time.Time
			want                     bool
		}{
			{"the clinical director chairs", "difficult-case", "li", "centre-cardiology", on(2026, 5, 12), true},
			{"also for a ward of the department", "difficult-case", "li", "centre-ward", on(2026, 5, 12), true},
			{"not for the whole hospital", "difficult-case", "li", "centre", on(2026, 5, 12), false},
			{"the administrative one does not chair", "difficult-case", "zhao", "centre-cardiology", on(2026, 5, 12), false},
			{"but makes the roster", "roster", "zhao", "centre-cardiology", on(2026, 5, 12), true},
			{"who is away does not sign", "difficult-case", "li", "centre-cardiology", on(2026, 6, 12), false},
			{"his substitute does", "difficult-case", "sun", "centre-cardiology", on(2026, 6, 12), true},
			{"a substitute only in his time", "difficult-case", "sun", "centre-cardiology", on(2026, 7, 1), false},
			{"head by rota on Saturday", "relay-out", "qian", "centre-cardiology", on(2026, 5, 9), true},
			{"not on Tuesday", "relay-out", "qian", "centre-cardiology", on(2026, 5, 12), false},
			{"not on Saturday night", "relay-out", "qian", "centre-cardiology", on(2026, 5, 9).Add(12 * time.Hour), false},
		} {
			h.view(func(ctx context.Context, tx *store.Tx) error {
				got, err := h.room.MayApprove(ctx, tx, c.decision, "Practitioner/"+c.who, "Organization/"+c.org, c.at)
				if got != c.want {
					t.Errorf("%s: got %v; want %v", c.rule, got, c.want)
				}
				return err
			})
		}
		if !registry.NeedsBoth("new-technique") || registry.NeedsBoth("roster") {
			t.Error("a technique needs both directors, a roster does not")
		}
		for _, c := range []struct {
			rule   string
			signed string
			at     time.Time
			want   string
		}{
			{"one signature is not enough", "li", on(2026, 5, 12), "false [administrative-director]"},
			{"both are", "li zhao", on(2026, 5, 12), "true []"},
			{"the one on leave does not count", "li zhao", on(2026, 6, 12), "false [clinical-director]"},
			{"the substitute does", "sun zhao", on(2026, 6, 12), "true []"},
			{"nobody signed", "", on(2026, 5, 12), "false [clinical-director administrative-director]"},
		} {
			h.view(func(ctx context.Context, tx *store.Tx) error {
				var signed []string
				for _, s := range strings.Fields(c.signed) {
					signed = append(signed, "Practitioner/"+s)
				}
				ok, wanted, err := h.room.Enough(ctx, tx, "new-technique", "Organization/centre-cardiology", c.at, signed)
				if got := fmt.Sprint(ok, wanted); got != strings.Replace(c.want, " ", " ", 1) {
					t.Errorf("%s: got %s; want %s", c.rule, got, c.want)
				}
				return err
			})
		}
	})
}

func TestActsNeedLicencePlaceAndRight(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.put(nil, "doc", person("doctor", "centre", "2010-01-01", "2026-01-10"))
		h.put(nil, "doc-r", login("doc", "centre-cardiology", "2020-01-01", "2026-02-28"))
		h.put(nil, "expert", person("doctor", "output", "2010-01-01", ""))
		h.put(nil, "expert-home", login("expert", "output", "2010-01-01", ""))
		sent := login("expert", "centre-cardiology", "2026-01-05", "2026-04-04")
		sent.Set("extension", fhir.Arr{fhir.Extension(registry.BasisOf, "valueCode", "filing"), right("prescribe", "2026-01-05", ""), right("antimicrobial-2", "2026-01-05", "2026-01-31")})
		h.put(nil, "expert-sent", sent)
		adviser := login("adviser", "centre-cardiology", "2026-01-05", "")
		adviser.Set("extension", fhir.Arr{fhir.Extension(registry.BasisOf, "valueCode", "remote-opinion")})
		h.put(nil, "adviser", person("doctor", "output", "2010-01-01", ""))
		h.put(nil, "adviser-r", adviser)
		h.put(nil, "guest", person("doctor", "output", "2010-01-01", ""))
		h.put(nil, "guest-r", login("guest", "centre-cardiology", "2026-01-05", ""))
		h.put(nil, "nurse", person("nurse", "output", "2010-01-01", ""))
		nurse := login("nurse", "centre-cardiology", "2026-01-05", "")
		nurse.Set("extension", fhir.Arr{fhir.Extension(registry.BasisOf, "valueCode", "nurse-registration")})
		h.put(nil, "nurse-r", nurse)
		h.put(nil, "helper", person("", "", "", ""))
		h.put(nil, "helper-r", login("helper", "village", "2020-01-01", ""))
		h.put(nil, "villager", person("village-doctor", "village", "2010-01-01", ""))
		h.put(nil, "villager-r", login("villager", "village", "2020-01-01", ""))
		h.put(nil, "villager-t", login("villager", "township", "2020-01-01", ""))
		h.put(nil, "assistant", person("assistant-doctor", "township", "2010-01-01", ""))
		h.put(nil, "assistant-r", login("assistant", "township", "2020-01-01", ""))
		h.put(nil, "assistant-c", login("assistant", "centre-cardiology", "2020-01-01", ""))
		stopped := person("doctor", "centre", "2010-01-01", "")
		stopped.Add("qualification[0].extension", fhir.Extension(registry.SuspendedOf, "valueBoolean", true))
		h.put(nil, "stopped", stopped)
		h.put(nil, "stopped-r", login("stopped", "centre-cardiology", "2020-01-01", ""))
		for _, c := range []struct {
			rule          string
			at            time.Time
			who, org, act string
			want          string
		}{
			{"a doctor at home", on(2026, 1, 6), "doc", "centre-cardiology", "prescribe", ""},
			{"on the last day of the licence", on(2026, 1, 10), "doc", "centre-cardiology", "prescribe", ""},
			{"the day after", on(2026, 1, 11), "doc", "centre-cardiology", "prescribe", "licence-expired"},
			{"but he may record and refer", on(2026, 1, 11), "doc", "centre-cardiology", "refer", ""},
			{"until his role is over", on(2026, 3, 1), "doc", "centre-cardiology", "refer", "role-over"},
			{"nobody holds a role everywhere", on(2026, 1, 6), "doc", "output", "refer", "role-over"},
			{"narcotics are granted at home, too", on(2026, 1, 6), "doc", "centre-cardiology", "prescribe-narcotic", "not-granted-here"},
			{"a dispatched doctor signs", on(2026, 1, 6), "expert", "centre-cardiology", "sign-record", ""},
			{"and prescribes what was granted anew", on(2026, 1, 6), "expert", "centre-cardiology", "prescribe", ""},
			{"antimicrobials up to the tier granted", on(2026, 1, 6), "expert", "centre-cardiology", "prescribe-antimicrobial-1", ""},
			{"and no further", on(2026, 1, 6), "expert", "centre-cardiology", "prescribe-antimicrobial-3", "not-granted-here"},
			{"the right ends before the role", on(2026, 2, 1), "expert", "centre-cardiology", "prescribe-antimicrobial-2", "not-granted-here"},
			{"operations were not granted", on(2026, 1, 6), "expert", "centre-cardiology", "operate-2", "not-granted-here"},
			{"before he came", on(2026, 1, 4), "expert", "centre-cardiology", "sign-record", "role-over"},
			{"after three months", on(2026, 4, 5), "expert", "centre-cardiology", "sign-record", "role-over"},
			{"at home he goes on", on(2026, 4, 5), "expert", "output", "prescribe", ""},
			{"who may only advise from afar does", on(2026, 1, 6), "adviser", "centre-cardiology", "remote-opinion", ""},
			{"and does not prescribe", on(2026, 1, 6), "adviser", "centre-cardiology", "prescribe", "no-basis-here"},
			{"a role without a basis is not enough", on(2026, 1, 6), "guest", "centre-cardiology", "treat", "no-basis-here"},
			{"a nurse follows her own registration", on(2026, 1, 6), "nurse", "centre-cardiology", "nurse-care", ""},
			{"and does not prescribe", on(2026, 1, 6), "nurse", "centre-cardiology", "prescribe", "no-licence"},
			{"unlicensed village staff record", on(2026, 1, 6), "helper", "village", "record", ""},
			{"and refer", on(2026, 1, 6), "helper", "village", "refer", ""},
			{"but never prescribe", on(2026, 1, 6), "helper", "village", "prescribe", "no-licence"},
			{"a village doctor prescribes in the village", on(2026, 1, 6), "villager", "village", "prescribe", ""},
			{"not in the township, though it is one legal person", on(2026, 1, 6), "villager", "township", "prescribe", "no-licence"},
			{"an assistant doctor in the township", on(2026, 1, 6), "assistant", "township", "prescribe", ""},
			{"not in a hospital", on(2026, 1, 6), "assistant", "centre-cardiology", "prescribe", "no-licence"},
			{"a suspended licence", on(2026, 1, 6), "stopped", "centre-cardiology", "treat", "licence-suspended"},
			{"an act that nobody defined", on(2026, 1, 6), "doc", "centre-cardiology", "fly", `registry: unknown act "fly"`},
		} {
			h.clock.Set(c.at)
			if got := h.act(c.who, c.org, c.act); got != c.want {
				t.Errorf("%s: %s %s at %s got %q; want %q", c.rule, c.who, c.act, c.org, got, c.want)
			}
		}
	})
}

func TestARefusalSaysWhomToAsk(t *testing.T) {
	h := open(t, storetest.Memory)
	h.put(nil, "chief", role("chief", "centre", registry.RoleSystem, "medical-affairs", "2020-01-01", ""))
	h.put(nil, "guest", person("doctor", "output", "2010-01-01", ""))
	h.put(nil, "guest-r", login("guest", "centre-cardiology", "2026-01-05", ""))
	ctx := context.Background()
	err := h.store.View(ctx, func(tx *store.Tx) error { return h.room.Allowed(ctx, tx, h.as("guest", "centre-cardiology"), "treat") })
	var fe *fhir.Error
	if !errors.As(err, &fe) || fe.Status != 403 || !strings.Contains(fe.Issues[0].Zh, "请联系centre医务处") || !strings.Contains(fe.Issues[0].Text, "medical affairs of centre") {
		t.Errorf("got %v; want 403 naming medical affairs of the centre", err)
	}
}

func TestAPrescriptionNeedsTheRightToIt(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.put(nil, "doc", person("doctor", "centre", "2010-01-01", ""))
		h.put(nil, "doc-r", login("doc", "centre-cardiology", "2020-01-01", ""))
		h.put(nil, "helper", person("", "", "", ""))
		h.put(nil, "helper-r", login("helper", "village", "2020-01-01", ""))
		h.put(nil, "p", fhir.New("Patient"))
		drug := func(status, intent, priority, category string) *fhir.Node {
			n := fhir.New("MedicationRequest", "status", status, "intent", intent, "priority", priority, "medicationCodeableConcept", fhir.TextConcept("阿司匹林"), "subject", fhir.Ref("Patient/p", ""))
			if category != "" {
				n.Set("category", fhir.Arr{fhir.Concept(registry.RightSystem, category, "")})
			}
			return n
		}
		doc, helper := h.as("doc", "centre-cardiology"), h.as("helper", "village")
		for i, c := range []struct {
			rule string
			by   *access.Caller
			n    *fhir.Node
			want string
		}{
			{"a doctor prescribes", doc, drug("active", "order", "", ""), ""},
			{"not what was not granted", doc, drug("active", "order", "", "narcotic"), "no-licence not-granted-here"},
			{"village staff do not", helper, drug("active", "order", "", ""), "no-licence"},
			{"they may propose", helper, drug("active", "proposal", "", ""), ""},
			{"or prepare a draft", helper, drug("draft", "order", "", ""), ""},
			{"emergency care waits for nobody", helper, drug("active", "order", "stat", ""), ""},
			{"a program delivers what others signed", &access.Caller{Role: access.Program}, drug("active", "order", "", ""), ""},
			{"a note may be written", helper, fhir.New("Composition", "status", "final", "subject", fhir.Ref("Patient/p", "")), ""},
			{"but not attested", helper, fhir.New("Composition", "status", "final", "subject", fhir.Ref("Patient/p", ""), "attester", fhir.Arr{fhir.Obj{"mode", "legal"}}), "no-licence"},
		} {
			if got := code(h.try(c.by, fmt.Sprint("m", i), c.n)); got != c.want && !(got != "" && strings.Contains(c.want, got)) {
				t.Errorf("%s: got %q; want %q", c.rule, got, c.want)
			}
		}
		if got := code(h.try(helper, "m4", drug("active", "order", "", ""))); got != "no-licence" {
			t.Errorf("a draft does not become an order by the hand of an unlicensed: got %q", got)
		}
		changed := drug("active", "order", "", "")
		changed.Set("medicationCodeableConcept", fhir.TextConcept("吗啡"))
		if got := code(h.try(helper, "m0", changed)); got != "no-licence" {
			t.Errorf("nor is another drug put into an order: got %q", got)
		}
		if got := code(h.try(helper, "m0", drug("completed", "order", "", ""))); got != "" {
			t.Errorf("that it is done may be noted: got %q", got)
		}
	})
}

func TestRegistersAreChecked(t *testing.T) {
	h := open(t, storetest.Memory)
	org := func(system, value string) *fhir.Node {
		return fhir.New("Organization", "name", "某院", "identifier", fhir.Arr{fhir.Identifier("urn:other", "1"), fhir.Identifier(system, value)})
	}
	with := func(n *fhir.Node, path string, v any) *fhir.Node { return n.Set(path, v) }
	for _, c := range []struct {
		rule string
		n    *fhir.Node
		want string
	}{
		{"a good credit code", org(registry.CreditCode, "91350100M000100Y43"), ""},
		{"a wrong check character", org(registry.CreditCode, "91350100M000100Y44"), "bad-credit-code Organization.identifier[1].value"},
		{"a short registration number", org(registry.InstitutionCode, "PDY1"), "bad-institution-code Organization.identifier[1].value"},
		{"an insurance code", org(registry.InsuranceCode, "X99010100001"), "bad-insurance-code Organization.identifier[1].value"},
		{"codes of others are not ours to judge", org("urn:else", "x"), ""},
		{"an unknown grade", with(org("", ""), "extension", fhir.Arr{fhir.Extension(registry.GradeOf, "valueCode", "9-z")}), "unknown-grade Organization.extension[0]"},
		{"an area without a province", with(org("", ""), "extension", fhir.Arr{fhir.Extension(registry.AreaOf, "valueCode", "010101")}), "bad-area Organization.extension[0]"},
		{"a licence of no kind", person("wizard", "centre", "", ""), "unknown-licence-kind Practitioner.qualification[0].code"},
		{"a licence that ends before it begins", person("doctor", "centre", "2020-01-02", "2020-01-01"), "bad-period Practitioner.qualification[0].period"},
		{"one of a single day", person("doctor", "centre", "2020-01-02", "2020-01-02"), ""},
		{"a post that does not exist", post("doc", "centre", "king", "", ""), "unknown-post PractitionerRole.code[0]"},
		{"a right that does not exist", with(login("doc", "centre", "", ""), "extension", fhir.Arr{right("fly", "", "")}), "unknown-right PractitionerRole.extension[0]"},
		{"a basis that does not exist", with(login("doc", "centre", "", ""), "extension", fhir.Arr{fhir.Extension(registry.BasisOf, "valueCode", "friend")}), "unknown-basis PractitionerRole.extension[0]"},
	} {
		err := h.try(nil, "x", c.n)
		got := code(err)
		var fe *fhir.Error
		if errors.As(err, &fe) {
			got += " " + fe.Issues[0].Expression
		}
		if got != c.want {
			t.Errorf("%s: got %q; want %q", c.rule, got, c.want)
		}
	}
}

func TestFillReadsWhatWasThereBefore(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.put(nil, "doc", person("doctor", "centre", "2010-01-01", ""))
		h.put(nil, "doc-r", post("doc", "centre-cardiology", "director", "2020-01-01", ""))
		ctx := context.Background()
		err := h.store.Update(ctx, func(tx *store.Tx) error {
			for _, q := range []string{"DELETE FROM registry_post WHERE vid > 0", "DELETE FROM registry_licence WHERE ord >= 0"} {
				if _, err := tx.Exec(ctx, q); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := h.room.Fill(ctx, h.store); err != nil {
				t.Fatal(err)
			}
		}
		h.view(func(ctx context.Context, tx *store.Tx) error {
			who, err := h.room.WhoIs(ctx, tx, "Organization/centre-cardiology", "director", on(2026, 1, 6), time.Time{})
			l, err2 := h.room.Licences(ctx, tx, "Practitioner/doc")
			if len(who) != 1 || len(l) != 1 || l[0].Kind != "doctor" || !slices.Equal(l[0].Places, []string{"Organization/centre"}) {
				t.Errorf("got %v and %v; want the director and his licence", who, l)
			}
			return errors.Join(err, err2)
		})
	})
}

func TestWhatEndsWithinTheWeekIsToldOnce(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.put(nil, "soon", person("doctor", "centre", "2010-01-01", "2026-01-20"))
		h.put(nil, "soon-r", login("soon", "centre-cardiology", "2020-01-01", "2026-03-31"))
		h.put(nil, "late", person("nurse", "centre", "2010-01-01", "2026-12-31"))
		h.put(nil, "late-r", login("late", "centre-cardiology", "2020-01-01", ""))
		warn := func() string {
			var said []string
			_, err := h.room.Warn(context.Background(), h.store, func(_ context.Context, _ *store.Tx, w registry.Warning) error {
				said = append(said, w.What+" "+w.Person+" "+strings.Join(w.Institutions, ","))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(said, "; ")
		}
		for _, c := range []struct {
			rule string
			at   time.Time
			want string
		}{
			{"two weeks before", on(2026, 1, 6), ""},
			{"a week before", on(2026, 1, 14), "licence Practitioner/soon Organization/centre"},
			{"not twice", on(2026, 1, 15), ""},
			{"a role, too", on(2026, 3, 27), "role Practitioner/soon Organization/centre"},
			{"and nothing else all year", on(2026, 6, 1), ""},
			{"until the next", on(2026, 12, 28), "licence Practitioner/late Organization/centre"},
		} {
			h.clock.Set(c.at)
			if got := warn(); got != c.want {
				t.Errorf("%s: got %q; want %q", c.rule, got, c.want)
			}
		}
		h.clock.Set(on(2026, 1, 25))
		h.put(nil, "soon", person("doctor", "centre", "2010-01-01", "2026-01-28"))
		if got := warn(); got != "licence Practitioner/soon Organization/centre" {
			t.Errorf("prolonged by a few days, it is told again: got %q", got)
		}
	})
}

func TestStaffOfAnOrganisation(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		for _, id := range []string{"a", "b", "c"} {
			h.put(nil, id, person("doctor", "centre", "2010-01-01", ""))
			h.put(nil, id+"-r", login(id, "centre-cardiology", "2020-01-01", ""))
		}
		h.put(nil, "a-2", post("a", "centre-cardiology", "director", "2024-01-01", "2024-12-31"))
		h.put(nil, "x-r", login("x", "output", "2020-01-01", ""))
		h.view(func(ctx context.Context, tx *store.Tx) error {
			list, err := h.room.Staff(ctx, tx, []string{"Organization/centre", "Organization/centre-cardiology"}, "", 2)
			if len(list) != 2 || list[0].Person != "Practitioner/a" || len(list[0].Posts) != 2 || len(list[0].Licences) != 1 {
				t.Errorf("got %+v; want a with two posts, and b", list)
			}
			next, err2 := h.room.Staff(ctx, tx, []string{"Organization/centre-cardiology"}, "Practitioner/b", 2)
			if len(next) != 1 || next[0].Person != "Practitioner/c" {
				t.Errorf("got %+v; want c on the next page", next)
			}
			return errors.Join(err, err2)
		})
	})
}

func TestADispatchNeedsAnAgreement(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		var asked []string
		h.room.Agreed = func(_ context.Context, _ *store.Tx, from, to, service string) error {
			asked = append(asked, from+" "+to+" "+service)
			if service == "dispatch" && to == "Organization/output" {
				return fhir.Refuse(422, "business-rule", "no-agreement", "none", "没有")
			}
			return nil
		}
		h.put(nil, "expert", person("doctor", "output", "2010-01-01", ""))
		h.put(nil, "own", person("doctor", "centre", "2010-01-01", ""))
		h.put(nil, "clerk", person("", "", "", ""))
		admin := &access.Caller{User: "admin", Role: access.Administrator, Org: "Organization/centre", Institution: "Organization/centre"}
		sent := login("expert", "centre-cardiology", "2026-01-05", "2026-04-04")
		invited := login("expert", "centre-cardiology", "2026-01-05", "2026-01-06")
		invited.Set("extension", fhir.Arr{fhir.Extension(registry.BasisOf, "valueCode", "invitation")})
		longer := login("expert", "centre-cardiology", "2026-01-05", "2026-12-31")
		for _, c := range []struct {
			rule string
			by   *access.Caller
			id   string
			n    *fhir.Node
			want string
		}{
			{"from another legal person, without one", admin, "r", sent, "no-agreement"},
			{"an invitation to consult has its own", admin, "i", invited, ""},
			{"one's own people need none", admin, "o", login("own", "centre-cardiology", "2026-01-05", ""), ""},
			{"nor who is licensed nowhere", admin, "c", login("clerk", "centre-cardiology", "2026-01-05", ""), ""},
			{"what the program itself writes is not asked", nil, "r", sent, ""},
			{"a prolongation is", admin, "r", longer, "no-agreement"},
			{"ending it is not", admin, "r", fhir.New("PractitionerRole", "active", false, "practitioner", fhir.Ref("Practitioner/expert", ""), "organization", fhir.Ref("Organization/centre-cardiology", "")), ""},
		} {
			if got := code(h.try(c.by, c.id, c.n)); got != c.want {
				t.Errorf("%s: got %q; want %q", c.rule, got, c.want)
			}
		}
		if want := "Organization/centre Organization/output dispatch"; len(asked) == 0 || asked[0] != want {
			t.Errorf("asked %v; want the host asking the home", asked)
		}
	})
}
