package beds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

const centre = "Organization/centre"

var ctx = context.Background()

// hospital is a room with its bookings on an empty store: two campuses, a ward of cardiology, one of respiratory
// medicine, one of obstetrics, each with a room for men, one for women, a mixed and a single one.
type hospital struct {
	*Room
	t        testing.TB
	store    *store.Store
	bookings *booking.Room
	tree     *access.Tree
	clock    *clock.Turned
}

func desk(role access.Role, org string) *access.Caller {
	return &access.Caller{User: string(role), Role: role, Org: org, Institution: centre, Scope: search.Everything}
}

func setUp(t testing.TB, open storetest.Open) *hospital {
	t.Helper()
	h := &hospital{t: t, clock: clock.At(storetest.Start), tree: access.NewTree()} // 16:00 in Asia/Shanghai
	h.Room = New(Options{Tree: h.tree, Raise: event.Raise})
	h.store = open(t, store.Options{Clock: h.clock, Migrations: slices.Concat(event.Migrations, booking.Migrations, Migrations),
		Derive: []store.Deriver{h.tree.Derive, booking.Derive, h.Derive}, Guard: []store.Guard{h.Keep, booking.Guard}})
	h.bookings = booking.New(booking.Options{Store: h.store, Clock: h.clock, Raise: event.Raise, Tree: h.tree,
		Inform: func(context.Context, string, string, *fhir.Node) (bool, error) { return true, nil },
		Guard:  h.Guard, Changed: h.Changed, Fits: h.Fits, Units: h.Units})
	h.Bookings = h.bookings
	h.put(fhir.New("Organization", "id", "centre", "type", fhir.Arr{fhir.Concept("http://terminology.hl7.org/CodeSystem/organization-type", "prov", "")}, "name", "中心医院"))
	for _, id := range []string{"east", "west"} {
		h.put(fhir.New("Location", "id", id, "name", id, "physicalType", fhir.Concept(PhysicalType, "si", ""), "managingOrganization", fhir.Ref(centre, "")))
	}
	return h
}

func (h *hospital) standard() *hospital {
	h.ward("cardiology", "east", 2, fhir.Extension(LendsOf, "valueBoolean", true))
	h.ward("respiratory", "west", 2, fhir.Extension(LendsOf, "valueBoolean", true), fhir.Extension(NeighbourOf, "valueCode", "cardiology"))
	h.ward("obstetrics", "west", 1, fhir.Extension(ProtectedOf, "valueCode", "obstetrics"))
	return h
}

func (h *hospital) put(nodes ...*fhir.Node) {
	h.t.Helper()
	err := h.store.Update(ctx, func(tx *store.Tx) error {
		for _, n := range nodes {
			ready, err := store.Prepare(n)
			if err != nil {
				return err
			}
			if _, err := tx.Put(ctx, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: ready}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// ward writes a department with one ward of four rooms with n beds each: Location/cardiology-male-1 and so on.
func (h *hospital) ward(code, campus string, n int, says ...fhir.Obj) {
	h.t.Helper()
	org := fhir.New("Organization", "id", "centre-"+code, "type", fhir.Arr{fhir.Concept("http://terminology.hl7.org/CodeSystem/organization-type", "dept", ""), fhir.Concept(departments, code, "")},
		"name", code, "partOf", fhir.Ref(centre, ""))
	exts := fhir.Arr{fhir.Extension(SpecialtyOf, "valueCode", code), fhir.Extension(GroupOf, "valueCode", code)}
	for _, x := range says {
		exts = append(exts, x)
	}
	all := []*fhir.Node{org, fhir.New("Location", "id", "w-"+code, "name", code+" ward", "extension", exts, "physicalType", fhir.Concept(PhysicalType, "wa", ""),
		"managingOrganization", fhir.Ref("Organization/centre-"+code, ""), "partOf", fhir.Ref("Location/"+campus, ""))}
	for _, rule := range []string{"male", "female", "mixed", "single"} {
		room := code + "-" + rule
		all = append(all, fhir.New("Location", "id", room, "name", rule, "extension", fhir.Arr{fhir.Extension(SexOf, "valueCode", rule)}, "physicalType", fhir.Concept(PhysicalType, "ro", ""), "partOf", fhir.Ref("Location/w-"+code, "")))
		for i := 1; i <= n && (rule != "single" || i == 1); i++ {
			all = append(all, fhir.New("Location", "id", fmt.Sprintf("%s-%d", room, i), "name", fmt.Sprintf("%d 床", i), "extension", fhir.Arr{fhir.Extension(LevelOf, "valueCode", "general"), fhir.Extension(EquipmentOf, "valueCode", "oxygen")},
				"physicalType", fhir.Concept(PhysicalType, "bd", ""), "partOf", fhir.Ref("Location/"+room, "")))
		}
	}
	h.put(all...)
}

func (h *hospital) patient(id, sex string) {
	h.put(fhir.New("Patient", "id", id, "gender", sex, "birthDate", "1960-05-01"))
}

// waits puts a case on the list.
func (h *hospital) waits(id, sex, specialty string, change ...func(*allocate.Request)) {
	h.t.Helper()
	h.patient(id, sex)
	q := allocate.Request{Specialty: specialty, Urgency: allocate.Urgent, Sex: allocate.Sex(sex), Level: allocate.General, Nursing: "2", Age: 66}
	for _, set := range change {
		set(&q)
	}
	h.do(nil, booking.Command{Do: booking.Await, Holder: "Task/" + id, Patient: "Patient/" + id, Pool: centre,
		Wait: &booking.Wait{Rank: q.Urgency.Rank(), Needs: allocate.MarshalNeeds(q)}})
}

func (h *hospital) try(by *access.Caller, commands ...booking.Command) error {
	if by == nil {
		by = desk("bed-desk", centre)
	}
	return h.store.Update(ctx, func(tx *store.Tx) error { return h.bookings.Do(ctx, tx, by, commands...) })
}

func (h *hospital) do(by *access.Caller, commands ...booking.Command) {
	h.t.Helper()
	if err := h.try(by, commands...); err != nil {
		h.t.Fatal(err)
	}
}

func hold(id, bed string, h *hospital) booking.Command {
	return booking.Command{Do: booking.Hold, Thing: "Location/" + bed, Pool: centre, Holder: "Task/" + id, Patient: "Patient/" + id, Expires: h.clock.Now().Add(time.Hour)}
}

func occupy(id, bed string) booking.Command {
	return booking.Command{Do: booking.Occupy, Thing: "Location/" + bed, Pool: centre, Holder: "Task/" + id, Patient: "Patient/" + id}
}

func details(err error) (all []string) {
	var no *fhir.Error
	if errors.As(err, &no) {
		for _, i := range no.Issues {
			all = append(all, i.Detail)
		}
	} else if err != nil {
		all = []string{err.Error()}
	}
	return all
}

func (h *hospital) view(fn func(tx *store.Tx) error) {
	h.t.Helper()
	if err := h.store.View(ctx, fn); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hospital) update(fn func(tx *store.Tx) error) {
	h.t.Helper()
	if err := h.store.Update(ctx, fn); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hospital) look() (l Look) {
	h.t.Helper()
	h.view(func(tx *store.Tx) (err error) { l, err = h.Look(ctx, tx, centre); return err })
	return l
}

// location is what the Location of a bed says: operational status and bed state.
func (h *hospital) location(bed string) (said string) {
	h.t.Helper()
	h.view(func(tx *store.Tx) error {
		v, err := tx.Read(ctx, search.Everything, "Location", bed)
		if err != nil {
			return err
		}
		n, err := fhir.Parse(v.JSON)
		state, status := stateSaid(n)
		said = status + " " + state
		return err
	})
	return said
}

// staffed sets the shift of every ward.
func (h *hospital) staffed(nurses float64) {
	h.t.Helper()
	h.update(func(tx *store.Tx) error {
		wards, err := h.Wards(ctx, tx, centre)
		for _, w := range wards {
			if _, err := h.SetShift(ctx, tx, desk(NursingDuty, centre), w.ID, tx.Now(), nurses, 0); err != nil {
				return err
			}
		}
		return err
	})
}

func (h *hospital) tick() {
	h.t.Helper()
	if _, err := h.Tick(ctx, h.store); err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.bookings.Tick(ctx); err != nil {
		h.t.Fatal(err)
	}
}
