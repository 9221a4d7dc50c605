package his

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

const centre = "Organization/centre"

var ctx = context.Background()

// hospital has two wards with two rooms of two beds, whose states its own system owns, one ward that the hub owns, and a
// neighbour of the same name.
type hospital struct {
	*Room
	t        *testing.T
	s        *store.Store
	bookings *booking.Room
	beds     *beds.Room
	tree     *access.Tree
	clock    *clock.Turned
	informed []string
	entries  []audit.Entry
	propose  []allocate.Proposal
}

func (h *hospital) Write(_ context.Context, _ *store.Tx, e audit.Entry) error {
	h.entries = append(h.entries, e)
	return nil
}
func (h *hospital) Read(context.Context, audit.Entry) error { return nil }

func open(t *testing.T, with storetest.Open) *hospital {
	t.Helper()
	h := &hospital{t: t, clock: clock.At(storetest.Start), tree: access.NewTree()}
	h.beds = beds.New(beds.Options{Tree: h.tree, Raise: event.Raise})
	h.Room = New(Options{Tree: h.tree, Audit: h, Feeds: func(org string) bool { return org == centre || org == "Organization/far" },
		Propose: func(context.Context, *store.Tx, string) ([]allocate.Proposal, error) { return h.propose, nil }})
	h.s = with(t, store.Options{Clock: h.clock, Migrations: slices.Concat(event.Migrations, job.Migrations, booking.Migrations, beds.Migrations, Migrations),
		Derive: []store.Deriver{h.tree.Derive, booking.Derive, h.beds.Derive, h.Derive}, Guard: []store.Guard{h.beds.Keep, booking.Guard}})
	h.bookings = booking.New(booking.Options{Store: h.s, Clock: h.clock, Raise: event.Raise, Tree: h.tree, Fits: h.beds.Fits, Units: h.beds.Units,
		Inform: func(_ context.Context, holder, step string, _ *fhir.Node) (bool, error) {
			h.informed = append(h.informed, holder+" "+step)
			return true, nil
		},
		Guard: func(ctx context.Context, tx *store.Tx, by *access.Caller, c *booking.Command, before *booking.Booking) error {
			if err := h.Guard(ctx, tx, by, c, before); err != nil {
				return err
			}
			return h.beds.Guard(ctx, tx, by, c, before)
		},
		Changed: func(ctx context.Context, tx *store.Tx, before, after *booking.Booking) error {
			if err := h.beds.Changed(ctx, tx, before, after); err != nil {
				return err
			}
			return h.Changed(ctx, tx, before, after)
		}})
	h.beds.Bookings, h.Bookings, h.State, h.Store = h.bookings, h.bookings, h.beds.SetState, h.s
	org := func(id, typ, parent string) {
		n := fhir.New("Organization", "id", id, "name", id, "type", fhir.Arr{fhir.Obj{"coding", fhir.Arr{fhir.Obj{"code", typ}}}})
		if parent != "" {
			n.Set("partOf", fhir.Ref("Organization/"+parent, ""))
		}
		h.put(nil, n)
	}
	org("centre", "prov", "")
	org("far", "prov", "")
	for _, w := range []struct{ ward, org string }{{"a", "centre"}, {"b", "centre"}, {"own", "centre"}, {"z", "far"}} {
		org("dept-"+w.ward, "dept", w.org)
		kind := func(code string) fhir.Obj { return fhir.Concept(beds.PhysicalType, code, "") }
		h.put(nil, fhir.New("Location", "id", w.ward, "name", w.ward, "physicalType", kind("wa"), "managingOrganization", fhir.Ref("Organization/dept-"+w.ward, ""), "extension", fhir.Arr{fhir.Extension(beds.LendsOf, "valueBoolean", true)}))
		h.put(nil, fhir.New("Location", "id", w.ward+"-room", "name", "1", "physicalType", kind("ro"), "partOf", fhir.Ref("Location/"+w.ward, "")))
		for i := 1; i <= 3; i++ {
			h.put(nil, fhir.New("Location", "id", fmt.Sprint(w.ward, i), "name", fmt.Sprint(i), "physicalType", kind("bd"), "partOf", fhir.Ref("Location/"+w.ward+"-room", "")))
		}
	}
	for _, p := range []string{"p", "q", "r"} {
		h.put(nil, fhir.New("Patient", "id", p, "gender", "male"))
	}
	h.update(func(tx *store.Tx) error {
		return h.Switch(ctx, tx, h.person("bed-desk"), "Location/own", Hub, false, "没有接口")
	})
	return h
}

func (h *hospital) person(role access.Role) *access.Caller {
	return &access.Caller{User: string(role), Role: role, Org: centre, Institution: centre, Scope: search.Everything}
}

// program is the own system of a hospital.
func program(org string) *access.Caller {
	return &access.Caller{User: "his", Name: "HIS", Role: access.Program, Org: org, Institution: org, Scopes: []string{"system/*.cruds"}, Scope: search.Everything}
}

func (h *hospital) update(fn func(tx *store.Tx) error) {
	h.t.Helper()
	if err := h.s.Update(ctx, fn); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hospital) put(by *access.Caller, n *fhir.Node) {
	h.t.Helper()
	c := ctx
	if by != nil {
		c = access.With(c, by)
	}
	ready, err := store.Prepare(n)
	if err != nil {
		h.t.Fatal(err)
	}
	err = h.s.Update(c, func(tx *store.Tx) error {
		_, err := tx.Put(c, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: ready, Custodian: centre})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// reports is an Encounter as the hospital's system writes it: the patient lies in a bed; "" = he has left.
func (h *hospital) reports(visit, patient, bed string) {
	h.reportsAs(program(centre), visit, patient, bed)
}

func (h *hospital) reportsAs(by *access.Caller, visit, patient, bed string) {
	h.t.Helper()
	h.clock.Turn(time.Minute)
	n := fhir.New("Encounter", "id", visit, "status", "in-progress", "class", fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMP", ""), "subject", fhir.Ref("Patient/"+patient, ""))
	switch {
	case bed == "":
		n.Set("status", "finished")
	case strings.Contains(bed, "^"):
		n.Set("location", fhir.Arr{fhir.Obj{"location", fhir.LogicalRef("urn:beds", bed, bed), "status", "active"}})
	default:
		n.Set("location", fhir.Arr{fhir.Obj{"location", fhir.Ref("Location/"+bed, ""), "status", "active"}})
	}
	h.put(by, n)
}

func (h *hospital) try(by *access.Caller, c booking.Command) error {
	c.Pool = centre
	return h.s.Update(ctx, func(tx *store.Tx) error { return h.bookings.Do(access.With(ctx, by), tx, by, c) })
}

func (h *hospital) do(c booking.Command) {
	h.t.Helper()
	if err := h.try(h.person("system"), c); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hospital) hold(task, patient, bed string) {
	h.do(booking.Command{Do: booking.Hold, Thing: "Location/" + bed, Holder: "Task/" + task, Patient: "Patient/" + patient, Expires: h.clock.Now().Add(time.Hour)})
}

func (h *hospital) occupy(task, patient, bed string) {
	h.do(booking.Command{Do: booking.Occupy, Thing: "Location/" + bed, Holder: "Task/" + task, Patient: "Patient/" + patient})
}

func (h *hospital) waits(task, patient string) {
	h.do(booking.Command{Do: booking.Await, Holder: "Task/" + task, Patient: "Patient/" + patient, Wait: &booking.Wait{Rank: 1}})
}

// has says who has a bed: holder and state.
func (h *hospital) has(bed string) (said string) {
	h.t.Helper()
	said = "-"
	err := h.s.View(ctx, func(tx *store.Tx) error {
		b, err := h.bookings.At(ctx, tx, "Location/"+bed)
		if b != nil {
			said = b.Holder + " " + string(b.State)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return said
}

func (h *hospital) differences(resolved bool) (said []string) {
	h.t.Helper()
	err := h.s.View(ctx, func(tx *store.Tx) error {
		all, err := h.Differences(ctx, tx, centre, resolved, 100)
		for _, d := range all {
			said = append(said, strings.TrimSpace(d.Kind+" "+strings.TrimPrefix(d.Bed, "Location/")+d.Named+" "+strings.TrimPrefix(d.Patient, "Patient/")))
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	slices.Sort(said)
	return said
}

// errands are the cases that are to follow.
func (h *hospital) errands() (said []string) {
	h.t.Helper()
	err := h.s.View(ctx, func(tx *store.Tx) error {
		all, err := job.List(ctx, tx, Job, job.Waiting, 100)
		for _, j := range all {
			do, _, _ := strings.Cut(j.Key, " Encounter/")
			said = append(said, do)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	slices.Sort(said)
	return said
}

// some cases of a table run on both databases, the others on one.
func some(t *testing.T, name string, test func(*testing.T, storetest.Open)) {
	if slices.Contains([]string{"even when he is on the way", "two patients change beds", "a discharge", "closed while held"}, name) {
		storetest.Both(t, test)
		return
	}
	test(t, storetest.Memory)
}

func TestWhatTheHospitalsSystemSaysWins(t *testing.T) {
	for name, c := range map[string]struct {
		before  func(h *hospital)
		report  func(h *hospital)
		beds    map[string]string
		differs []string
		errands []string
	}{
		"an admission of whom nobody knew": {
			report: func(h *hospital) { h.reports("v", "p", "a1") }, beds: map[string]string{"a1": "Encounter/v occupied"}},
		"an admission as it was held": {
			before: func(h *hospital) { h.hold("t", "p", "a1") }, report: func(h *hospital) { h.reports("v", "p", "a1") },
			beds: map[string]string{"a1": "Task/t occupied"}, errands: []string{"taken-in Task/t"}},
		"an admission of whom another hospital referred under its own record": {
			before: func(h *hospital) {
				h.hold("t", "r", "a1")
				h.update(func(tx *store.Tx) error {
					if err := tx.Join(ctx, 1, "Patient/p", "test"); err != nil {
						return err
					}
					return tx.Join(ctx, 1, "Patient/r", "test")
				})
			}, report: func(h *hospital) { h.reports("v", "p", "a1") },
			beds: map[string]string{"a1": "Task/t occupied"}, errands: []string{"taken-in Task/t"}},
		"an admission of whom another hospital referred, before anybody has linked the records": {
			before: func(h *hospital) {
				id := fhir.Arr{fhir.Identifier(residentID, fhir.ResidentNumber("990101", time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), 101))}
				for _, p := range []string{"p", "r"} {
					h.put(nil, fhir.New("Patient", "id", p, "gender", "male", "birthDate", "1980-01-01", "identifier", id))
				}
				h.put(nil, fhir.New("Patient", "id", "q", "gender", "male", "birthDate", "2026-01-01", "identifier", id)) // a child under his father's number
				h.hold("t", "r", "a1")
				h.hold("child", "q", "a2")
			}, report: func(h *hospital) { h.reports("v", "p", "a1") },
			beds: map[string]string{"a1": "Task/t occupied", "a2": "Task/child held"}, errands: []string{"taken-in Task/t"}},
		"an admission into another bed than the one held": {
			before: func(h *hospital) { h.hold("t", "p", "a1") }, report: func(h *hospital) { h.reports("v", "p", "b2") },
			beds: map[string]string{"a1": "-", "b2": "Task/t occupied"}, differs: []string{"other-bed b2 p"}, errands: []string{"taken-in Task/t"}},
		"an admission of who still waits": {
			before: func(h *hospital) { h.waits("t", "p") }, report: func(h *hospital) { h.reports("v", "p", "a1") },
			beds: map[string]string{"a1": "Task/t occupied"}, differs: []string{"not-arranged a1 p"}, errands: []string{"taken-in Task/t"}},
		"an admission into a bed that was held for another": {
			before: func(h *hospital) { h.hold("t", "q", "a1") }, report: func(h *hospital) { h.reports("v", "p", "a1") },
			beds: map[string]string{"a1": "Encounter/v occupied"}, differs: []string{"hold-lost a1 q"}},
		"even when he is on the way": {
			before: func(h *hospital) { h.hold("t", "q", "a1"); h.do(booking.Command{Do: booking.Freeze, Holder: "Task/t"}) }, report: func(h *hospital) { h.reports("v", "p", "a1") },
			beds: map[string]string{"a1": "Encounter/v occupied"}, differs: []string{"hold-lost a1 q"}},
		"an admission where another lay": {
			before: func(h *hospital) { h.reports("w", "q", "a1") }, report: func(h *hospital) { h.reports("v", "p", "a1") },
			beds: map[string]string{"a1": "Encounter/v occupied"}, differs: []string{"occupied-by-other a1 q"}},
		"and where the other lies is told later": {
			before: func(h *hospital) { h.reports("w", "q", "a1") }, report: func(h *hospital) { h.reports("v", "p", "a1"); h.reports("w", "q", "a2") },
			beds: map[string]string{"a1": "Encounter/v occupied", "a2": "Encounter/w occupied"}},
		"two patients change beds": {
			before: func(h *hospital) { h.reports("v", "p", "a1"); h.reports("w", "q", "a2") }, report: func(h *hospital) { h.reports("v", "p", "a2"); h.reports("w", "q", "a1") },
			beds: map[string]string{"a1": "Encounter/w occupied", "a2": "Encounter/v occupied"}},
		"a move of a stay": {
			before: func(h *hospital) { h.hold("t", "p", "a1"); h.reports("v", "p", "a1") }, report: func(h *hospital) { h.reports("v", "p", "b1") },
			beds: map[string]string{"a1": "-", "b1": "Task/t occupied"}, errands: []string{"moved Task/t", "taken-in Task/t"}},
		"a move of a stay for which another bed was held": {
			before: func(h *hospital) { h.reports("v", "p", "a1"); h.hold("transfer", "p", "b1") }, report: func(h *hospital) { h.reports("v", "p", "b1") },
			beds: map[string]string{"a1": "-", "b1": "Encounter/v occupied"}, errands: []string{"taken-in Task/transfer"}},
		"a discharge": {
			before: func(h *hospital) { h.hold("t", "p", "a1"); h.reports("v", "p", "a1") }, report: func(h *hospital) { h.reports("v", "p", "") },
			beds: map[string]string{"a1": "-"}, errands: []string{"discharged Task/t", "taken-in Task/t"}},
		"a discharge that was undone": {
			before: func(h *hospital) { h.reports("v", "p", "a1"); h.reports("v", "p", "") }, report: func(h *hospital) { h.reports("v", "p", "a1") },
			beds: map[string]string{"a1": "Encounter/v occupied"}},
		"a bed that nobody knows": {
			before: func(h *hospital) { h.reports("v", "p", "a1") }, report: func(h *hospital) { h.reports("v", "p", "X^9^9") },
			beds: map[string]string{"a1": "-"}, differs: []string{"unknown-bed X^9^9 p"}},
		"a bed that nobody knows, and then one that is known": {
			report: func(h *hospital) { h.reports("v", "p", "X^9^9"); h.reports("v", "p", "a1") }, beds: map[string]string{"a1": "Encounter/v occupied"}},
		"a bed that was closed here": {
			before: func(h *hospital) { h.says("a1", allocate.Closed) }, report: func(h *hospital) { h.reports("v", "p", "a1") },
			beds: map[string]string{"a1": "Encounter/v occupied"}, differs: []string{"not-usable a1 p"}},
		"a ward that the hub owns": {
			before: func(h *hospital) { h.occupy("t", "q", "own1") }, report: func(h *hospital) { h.reports("v", "p", "own1"); h.reports("v", "p", "own2") },
			beds: map[string]string{"own1": "Task/t occupied", "own2": "-"}},
		"a move into a ward that the hub owns": {
			before: func(h *hospital) { h.reports("v", "p", "a1") }, report: func(h *hospital) { h.reports("v", "p", "own2") },
			beds: map[string]string{"a1": "Encounter/v occupied", "own2": "-"}, differs: []string{"free-there a1 p"}},
		"a bed of another hospital": {
			before: func(h *hospital) { h.reportsAs(program("Organization/far"), "w", "q", "z1") }, report: func(h *hospital) { h.reports("v", "p", "z1"); h.reports("w", "q", "") },
			beds: map[string]string{"z1": "Encounter/w occupied"}},
		"what a person writes": {
			before: func(h *hospital) { h.hold("t", "q", "a1") }, report: func(h *hospital) { h.reportsAs(h.person(access.Nurse), "v", "p", "a1") },
			beds: map[string]string{"a1": "Task/t held"}},
		"entered by hand, then reported": {
			before: func(h *hospital) { h.occupy("t", "p", "a1") }, report: func(h *hospital) { h.reports("v", "p", "a1") },
			beds: map[string]string{"a1": "Task/t occupied"}},
		"entered by hand, not yet reported": {
			report: func(h *hospital) { h.occupy("t", "p", "a1") }, beds: map[string]string{"a1": "Task/t occupied"}, differs: []string{"ahead a1 p"}},
		"discharged by hand, then reported": {
			before: func(h *hospital) {
				h.reports("v", "p", "a1")
				h.do(booking.Command{Do: booking.Release, Holder: "Encounter/v"})
			}, report: func(h *hospital) { h.reports("v", "p", "") },
			beds: map[string]string{"a1": "-"}},
	} {
		t.Run(name, func(t *testing.T) {
			some(t, name, func(t *testing.T, with storetest.Open) {
				h := open(t, with)
				if c.before != nil {
					c.before(h)
				}
				c.report(h)
				for bed, want := range c.beds {
					if got := h.has(bed); got != want {
						t.Errorf("%s: got %s; want %s", bed, got, want)
					}
				}
				if got := h.differences(false); !slices.Equal(got, c.differs) {
					t.Errorf("differences: got %q; want %q", got, c.differs)
				}
				if got := h.errands(); !slices.Equal(got, c.errands) {
					t.Errorf("errands: got %q; want %q", got, c.errands)
				}
			})
		})
	}
}

// says is what people of the ward say of a bed.
func (h *hospital) says(bed string, state allocate.State) {
	h.t.Helper()
	h.update(func(tx *store.Tx) error {
		_, err := h.beds.SetState(ctx, tx, h.person("bed-desk"), "Location/"+bed, state, "检修")
		return err
	})
}

func (h *hospital) stated(by *access.Caller, bed, status string) error {
	return h.s.Update(access.With(ctx, by), func(tx *store.Tx) error {
		return h.Stated(access.With(ctx, by), tx, by, "Location/"+bed, status, "hl7:his/1")
	})
}

func (h *hospital) location(bed string) (said string) {
	h.t.Helper()
	v, err := h.s.Read(ctx, search.Everything, "Location", bed)
	if err != nil {
		h.t.Fatal(err)
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		h.t.Fatal(err)
	}
	return n.Str("operationalStatus.code")
}

func TestStatesOfBeds(t *testing.T) {
	for name, c := range map[string]struct {
		before   func(h *hospital)
		status   string
		has      string
		location string
		differs  []string
		informed []string
	}{
		"closed":                       {status: "C", has: "-", location: "C"},
		"cleaned":                      {status: "H", has: "-", location: "H"},
		"contaminated":                 {status: "K", has: "-", location: "H"},
		"open again":                   {before: func(h *hospital) { h.says("a1", allocate.Closed) }, status: "U", has: "-", location: "U"},
		"empty where one lay":          {before: func(h *hospital) { h.reports("v", "p", "a1") }, status: "U", has: "-", location: "U", differs: []string{"free-there a1 p"}},
		"cleaned where one lay":        {before: func(h *hospital) { h.reports("v", "p", "a1") }, status: "H", has: "-", location: "H", differs: []string{"free-there a1 p"}},
		"in use, nobody knows by whom": {status: "O", has: "Location/a1 occupied", location: "O", differs: []string{"occupied-unknown a1"}},
		"in use, and we know by whom":  {before: func(h *hospital) { h.reports("v", "p", "a1") }, status: "O", has: "Encounter/v occupied", location: "O"},
		"in use while held":            {before: func(h *hospital) { h.hold("t", "q", "a1") }, status: "O", has: "Location/a1 occupied", location: "O", differs: []string{"hold-lost a1 q", "occupied-unknown a1"}, informed: []string{"Task/t displaced"}},
		"closed while held":            {before: func(h *hospital) { h.hold("t", "q", "a1") }, status: "C", has: "-", location: "C", differs: []string{"hold-lost a1 q"}, informed: []string{"Task/t displaced"}},
		"empty while held":             {before: func(h *hospital) { h.hold("t", "q", "a1") }, status: "U", has: "Task/t held", location: "U"},
		"in use, and later it is known by whom": {before: func(h *hospital) {
			if err := h.stated(program(centre), "a1", "O"); err != nil {
				h.t.Fatal(err)
			}
			h.reports("v", "p", "a1")
		}, status: "O", has: "Encounter/v occupied", location: "O"},
		"in use, and then empty": {before: func(h *hospital) {
			if err := h.stated(program(centre), "a1", "O"); err != nil {
				h.t.Fatal(err)
			}
		}, status: "U", has: "-", location: "U"},
	} {
		t.Run(name, func(t *testing.T) {
			some(t, name, func(t *testing.T, with storetest.Open) {
				h := open(t, with)
				if c.before != nil {
					c.before(h)
				}
				if err := h.stated(program(centre), "a1", c.status); err != nil {
					t.Fatal(err)
				}
				if _, err := h.bookings.Tick(ctx); err != nil {
					t.Fatal(err)
				}
				if got := h.has("a1"); got != c.has {
					t.Errorf("got %s; want %s", got, c.has)
				}
				if got := h.location("a1"); got != c.location {
					t.Errorf("Location: got %s; want %s", got, c.location)
				}
				if got := h.differences(false); !slices.Equal(got, c.differs) {
					t.Errorf("differences: got %q; want %q", got, c.differs)
				}
				if !slices.Equal(h.informed, c.informed) {
					t.Errorf("informed: got %q; want %q", h.informed, c.informed)
				}
			})
		})
	}
}

func detail(err error) string {
	var e *fhir.Error
	if errors.As(err, &e) && len(e.Issues) > 0 {
		return e.Issues[0].Detail
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestWhoMayStateABed(t *testing.T) {
	h := open(t, storetest.Memory)
	for name, c := range map[string]struct {
		by     *access.Caller
		bed    string
		status string
		want   string
	}{
		"the hospital's system":       {program(centre), "a2", "C", ""},
		"a system of another":         {program("Organization/far"), "a2", "U", "unknown-bed"},
		"a person":                    {h.person("bed-desk"), "a2", "U", "not-a-system"},
		"a ward that the hub owns":    {program(centre), "own1", "C", "owned-by-hub"},
		"no bed":                      {program(centre), "a-room", "C", "unknown-bed"},
		"no status":                   {program(centre), "a2", "X", "bad-bed-status"},
		"a bed that is nowhere":       {program(centre), "nowhere", "C", "unknown-bed"},
		"the other's own, by himself": {program("Organization/far"), "z1", "C", ""},
	} {
		if got := detail(h.stated(c.by, c.bed, c.status)); got != c.want {
			t.Errorf("%s: got %q; want %q", name, got, c.want)
		}
	}
}

// The case that loses its hold is told by the room of bookings, as after an emergency.
func TestWhoLosesAHoldWaitsAgain(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.hold("t", "q", "a1")
		h.reports("v", "p", "a1")
		if _, err := h.bookings.Tick(ctx); err != nil {
			t.Fatal(err)
		}
		if want := []string{"Task/t displaced"}; !slices.Equal(h.informed, want) {
			t.Errorf("got %q; want %q", h.informed, want)
		}
	})
}

func TestDifferencesAreResolvedByWhoMay(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.hold("t", "q", "a1")
		h.reports("v", "p", "a1")
		h.reports("v", "p", "a2")
		h.hold("t2", "q", "a1")
		h.reports("v", "p", "a1") // the same again: counted, not listed twice
		var id string
		h.update(func(tx *store.Tx) error {
			all, err := h.Differences(ctx, tx, centre, false, 10)
			if err != nil || len(all) != 1 || all[0].Times != 2 {
				t.Fatalf("got %+v, %v; want one, seen twice", all, err)
			}
			id = all[0].ID
			return nil
		})
		resolve := func(by *access.Caller, how, note string) string {
			return detail(h.s.Update(ctx, func(tx *store.Tx) error { return h.Resolve(ctx, tx, by, id, how, note) }))
		}
		stranger := h.person("bed-desk")
		stranger.Institution = "Organization/far"
		for _, c := range []struct {
			by        *access.Caller
			how, note string
			want      string
		}{
			{stranger, "his", "", "unknown-difference"}, {h.person("referring-doctor"), "his", "", "not-your-difference"}, {h.person("bed-desk"), "somehow", "", "bad-way"},
			{h.person("bed-desk"), "corrected", " ", "note-required"}, {h.person("bed-desk"), "corrected", "已电话更正甲某的床位", ""}, {h.person("bed-desk"), "his", "", "resolved-already"},
		} {
			if got := resolve(c.by, c.how, c.note); got != c.want {
				t.Errorf("%s %s: got %q; want %q", c.by.Role, c.how, got, c.want)
			}
		}
		if len(h.differences(false)) != 0 || len(h.differences(true)) != 1 {
			t.Errorf("got %q open, %q resolved", h.differences(false), h.differences(true))
		}
		if e := h.entries[len(h.entries)-1]; e.What != "bed-difference:corrected" || !slices.Equal(e.Patients, []string{"Patient/q"}) {
			t.Errorf("audit: got %+v", e)
		}
	})
}

func TestWhoSwitchesAWard(t *testing.T) {
	h := open(t, storetest.Memory)
	stranger := h.person("bed-desk")
	stranger.Org, stranger.Institution = "Organization/far", "Organization/far"
	for _, c := range []struct {
		by          *access.Caller
		ward, owner string
		reason      string
		want        string
	}{
		{stranger, "a", Hub, "x", "unknown-ward"}, {h.person("nurse"), "a", Hub, "x", "not-your-switch"}, {h.person("bed-desk"), "a", "me", "x", "bad-owner"},
		{h.person("bed-desk"), "a", Hub, "", "reason-required"}, {h.person(access.Leader), "a", Hub, "接口中断", ""},
	} {
		got := detail(h.s.Update(ctx, func(tx *store.Tx) error { return h.Switch(ctx, tx, c.by, "Location/"+c.ward, c.owner, false, c.reason) }))
		if got != c.want {
			t.Errorf("%s: got %q; want %q", c.by.Role, got, c.want)
		}
	}
	h.reports("v", "p", "a1")
	if got := h.has("a1"); got != "-" {
		t.Errorf("a ward that the hub owns again: got %s; want nothing", got)
	}
}

func TestTheShadowRecordsAndBindsNobody(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.update(func(tx *store.Tx) error {
			return h.Switch(ctx, tx, h.person("bed-desk"), "Location/a", HIS, true, "试运行")
		})
		for _, task := range []string{"t", "u", "w"} {
			h.waits(task, map[string]string{"t": "p", "u": "q", "w": "r"}[task])
		}
		desk := h.person("bed-desk")
		err := h.try(desk, booking.Command{Do: booking.Hold, Thing: "Location/a1", Holder: "Task/t", Patient: "Patient/p", Expires: h.clock.Now().Add(time.Hour)})
		if detail(err) != "ward-in-shadow" {
			t.Fatalf("a hold in the shadow: got %v", err)
		}
		tick := func(want int, proposals ...allocate.Proposal) {
			t.Helper()
			h.propose = proposals
			if n, err := h.Tick(ctx); err != nil || n != want {
				t.Fatalf("got %d new, %v; want %d", n, err, want)
			}
		}
		first := h.clock.Now()
		p := func(task, bed string) allocate.Proposal {
			return allocate.Proposal{Request: "Task/" + task, Bed: bed, Zh: "本病区空床", En: "a free bed of the own ward", Terms: []allocate.Term{{Code: "own-ward", Points: -5}}}
		}
		tick(2, p("t", "Location/a1"), p("u", "Location/a2"), p("w", "Location/b1")) // b is not in the shadow
		tick(0, p("t", "Location/a1"), p("u", "Location/a2"), p("w", "Location/b1"))
		h.clock.Turn(time.Hour)
		tick(1, p("t", "Location/a3"), p("u", "Location/a2"), p("w", ""))
		h.reports("v", "p", "a3") // as proposed
		h.reports("x", "q", "b2") // in another ward
		var c Comparison
		err = h.s.View(ctx, func(tx *store.Tx) (err error) {
			c, err = h.Compare(ctx, tx, centre, first, h.clock.Now().Add(time.Second), 10)
			return err
		})
		if err != nil || c.Cases != 2 || c.SameBed != 1 || c.SameWard != 1 || c.Open != 0 || len(c.Rows) != 2 {
			t.Fatalf("got %+v, %v", c, err)
		}
		if want := []time.Duration{61 * time.Minute, 62 * time.Minute}; !slices.Equal(c.Sooner, want) {
			t.Errorf("got %v; want %v", c.Sooner, want)
		}
		if got := h.has("a1") + h.has("a2"); got != "--" {
			t.Errorf("the shadow has bound a bed: got %s", got)
		}
		tick(0)
	})
}
