package lines_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/indicator"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// pooled is a world whose centre has a heart ward with two beds and a nerve ward with one.
type pooled struct {
	*world
	room   *booking.Room
	people map[string]*access.Caller
}

func newPool(t testing.TB, open storetest.Open) *pooled {
	w := worldWith(t, open, func(o *store.Options) {
		o.Migrations = append(o.Migrations, booking.Migrations...)
		o.Derive = append(o.Derive, booking.Derive)
		o.Guard = append(o.Guard, booking.Guard)
	})
	p := &pooled{world: w, people: map[string]*access.Caller{}}
	p.room = booking.New(booking.Options{Store: w.s, Clock: w.clock, Zone: line.Zone(), Raise: w.r.Raise, Inform: w.r.System,
		Units: func(context.Context, *store.Tx, string, time.Time) (int, error) { return 1, nil }})
	w.r.Bookings = p.room
	w.r.Institution, w.r.Legal = w.tree.Institution, w.tree.Legal
	unit := func(id, kind, name, above, department string) {
		n := fhir.New("Organization", "id", id, "active", true, "name", name, "partOf", fhir.Ref("Organization/"+above, ""),
			"type", fhir.Arr{fhir.Concept("http://terminology.hl7.org/CodeSystem/organization-type", kind, "")})
		if department != "" {
			n.Add("type", fhir.Concept(spec.Canonical+"/CodeSystem/department", department, name))
		}
		p.put(n, "Organization/centre")
	}
	unit("heart", "dept", "心内科", "centre", "cardiology")
	unit("nerve", "dept", "神经内科", "centre", "neurology")
	unit("nerve-ward", "ward", "神内一病区", "nerve", "")
	place := func(id, kind, name, above, org string) {
		n := fhir.New("Location", "id", id, "status", "active", "name", name, "mode", "instance", "physicalType", fhir.Concept("http://terminology.hl7.org/CodeSystem/location-physical-type", kind, ""))
		if above != "" {
			n.Set("partOf", fhir.Ref("Location/"+above, ""))
		}
		if org != "" {
			n.Set("managingOrganization", fhir.Ref("Organization/"+org, ""))
		}
		p.put(n, "Organization/centre")
	}
	place("hw", "wa", "心内一病区", "", "heart")
	place("h1", "ro", "101", "hw", "")
	place("h-1", "bd", "1 床", "h1", "")
	place("h-2", "bd", "2 床", "h1", "")
	place("nw", "wa", "神内一病区", "", "nerve-ward")
	place("n1", "ro", "201", "nw", "")
	place("n-1", "bd", "1 床", "n1", "")
	for _, id := range []string{"wang", "li", "zhao"} {
		p.put(fhir.New("Patient", "id", id, "name", fhir.Arr{fhir.Obj{"text", id}}, "gender", "female", "birthDate", "1980-02-02"), "Organization/heart")
	}
	p.put(fhir.New("Patient", "id", "sun", "name", fhir.Arr{fhir.Obj{"text", "sun"}}, "gender", "male", "birthDate", "1950-02-02"), "Organization/county")
	p.put(fhir.New("Patient", "id", "moon", "name", fhir.Arr{fhir.Obj{"text", "moon"}}, "gender", "male", "birthDate", "1950-02-02"), "Organization/county")
	w.r.Beds = func(_ context.Context, _ *store.Tx, institution string) (bool, error) {
		return institution == "Organization/centre", nil
	}
	for _, x := range []struct{ who, org, role string }{{"asker", "heart", "doctor"}, {"orderer", "heart", "doctor"}, {"desk", "centre", "bed-desk"}, {"desk2", "centre", "bed-desk"}, {"chief", "centre", "duty-chief"},
		{"nurse", "heart", "nurse"}, {"night", "nerve", "duty-chief"}, {"host-nurse", "nerve-ward", "nurse"}, {"host-doctor", "nerve", "doctor"}, {"nursing", "centre", "nursing-duty"},
		{"director", "heart", "director"}, {"host-director", "nerve", "director"}, {"affairs", "centre", "medical-affairs"}, {"stranger", "stranger", "doctor"}, {"outsider", "village", "bed-desk"}} {
		p.people[x.who] = &access.Caller{User: x.who, Name: x.who, Practitioner: "Practitioner/" + x.who, Role: access.Role(x.role), Org: "Organization/" + x.org}
	}
	return p
}

func (p *pooled) as(who string) context.Context {
	p.Helper()
	if p.people[who] == nil {
		p.Fatalf("nobody is called %s", who)
	}
	c := *p.people[who]
	p.tree.Settle(&c)
	return access.With(context.Background(), &c)
}

func (p *pooled) try(who, task, step string, answers ...any) error {
	_, err := p.r.Do(p.as(who), line.DoCall{Task: task, Step: step, Params: line.Ask(answers...)})
	return err
}

func (p *pooled) step(who, task, step string, answers ...any) {
	p.Helper()
	if err := p.try(who, task, step, answers...); err != nil {
		p.Fatalf("%s by %s: %v", step, who, err)
	}
}

func (p *pooled) begin(who, flow string, answers ...any) (string, error) {
	res, err := p.r.Start(p.as(who), line.StartCall{Line: "bedpool", Flow: flow, Params: line.Ask(answers...)})
	return res.Task, err
}

func (p *pooled) mustBegin(who, flow string, answers ...any) string {
	p.Helper()
	task, err := p.begin(who, flow, answers...)
	if err != nil {
		p.Fatalf("%s by %s: %v", flow, who, err)
	}
	return task
}

// asks is an admission request of the heart department.
func (p *pooled) asks(patient, urgency string, more ...any) string {
	p.Helper()
	return p.mustBegin("asker", "admission", append([]any{"patient", ref("Patient/" + patient), "urgency", urgency, "reason", "心力衰竭", "level", "ccu", "equipment", "monitor"}, more...)...)
}

// lying is a stay of a patient of the heart department in a bed, by way of an admission.
func (p *pooled) lying(patient, bed string) (admission, stay string) {
	p.Helper()
	admission = p.asks(patient, "routine")
	p.step("orderer", admission, "admit", "reason", "收住院")
	p.step("desk", admission, "hold-bed", "bed", ref("Location/"+bed))
	p.step("desk", admission, "confirm")
	p.step("desk", admission, "take-in")
	return admission, line.FactText(p.get(admission), "stay")
}

func (p *pooled) tickAll() {
	p.Helper()
	if _, err := p.room.Tick(context.Background()); err != nil {
		p.Fatal(err)
	}
	p.tick()
}

func (p *pooled) view(fn func(*store.Tx) error) {
	p.Helper()
	if err := p.s.View(context.Background(), fn); err != nil {
		p.Fatal(err)
	}
}

func (p *pooled) waits(task string) (w *booking.Wait) {
	p.Helper()
	p.view(func(tx *store.Tx) (err error) { w, err = p.room.WaitOf(context.Background(), tx, task); return err })
	return w
}

// want wants a state, what is booked ("h-1 held", "" = nothing) and whether the case waits.
func (p *pooled) want(task, state, booked string, waits bool) {
	p.Helper()
	p.wantState(task, state)
	got := ""
	p.view(func(tx *store.Tx) error {
		b, err := p.room.Of(context.Background(), tx, task)
		if b != nil {
			got = strings.TrimPrefix(b.Thing, "Location/") + " " + string(b.State)
		}
		return err
	})
	if on := p.waits(task) != nil; got != booked || on != waits {
		p.Fatalf("%s has %q and waits: %v; want %q, %v", task, got, on, booked, waits)
	}
}

func (p *pooled) sees(who, ref string) bool {
	c := access.From(p.as(who))
	n, _ := p.read(p.as(who), c.Scope, ref)
	return n != nil
}

func (p *pooled) wantSees(ref string, want bool, who ...string) {
	p.Helper()
	for _, w := range who {
		if got := p.sees(w, ref); got != want {
			p.Errorf("%s sees %s: %v; want %v", w, ref, got, want)
		}
	}
}

func (p *pooled) in(d time.Duration) string { return line.Stamp(p.clock.Now().Add(d)) }

func both(t *testing.T, name string, test func(*testing.T, *pooled)) {
	t.Run(name, func(t *testing.T) {
		storetest.Both(t, func(t *testing.T, open storetest.Open) { test(t, newPool(t, open)) })
	})
}

func TestAPatientWaitsForABedOfTheHospital(t *testing.T) {
	both(t, "three acts by three people, and in", func(t *testing.T, p *pooled) {
		p.refuses("needs-department", func() error {
			_, err := p.begin("desk", "admission", "patient", ref("Patient/wang"), "reason", "x")
			return err
		})
		a := p.asks("wang", "routine", "team", "CareTeam/one", "companion", true)
		p.want(a, "waiting", "", true)
		w := p.waits(a)
		needs, err := allocate.ParseNeeds(w.Needs)
		if err != nil || needs.Specialty != "cardiology" || needs.Level != allocate.CCU || needs.Equipment != allocate.Monitor || needs.Sex != allocate.Female || needs.Team != "CareTeam/one" || !needs.Companion || needs.Age != 46 {
			t.Fatalf("it waits for %+v, %v", needs, err)
		}
		if w.Pool != "Organization/centre" || w.Rank != allocate.Elective.Rank() || w.Reason != "no-bed" {
			t.Fatalf("it waits as %+v", w)
		}
		p.refuses("open-case-exists", func() error {
			_, err := p.begin("asker", "admission", "patient", ref("Patient/wang"), "reason", "again")
			return err
		})
		p.refuses("not-your-step", func() error { return p.try("asker", a, "hold-bed", "bed", ref("Location/h-1")) })
		p.refuses("not-your-step", func() error { return p.try("desk", a, "admit", "reason", "x") })
		p.refuses("needs-nursing-duty", func() error {
			return p.try("desk", a, "hold-bed", "bed", ref("Location/h-1"), "override", "nursing", "reason", "x")
		})
		p.step("chief", a, "admit", "reason", "收住院")
		p.refuses("same-person", func() error { return p.try("chief", a, "hold-bed", "bed", ref("Location/h-1")) })
		p.step("desk", a, "hold-bed", "bed", ref("Location/h-1"), "expected", p.in(3*time.Hour))
		p.want(a, "held", "h-1 held", false)
		p.step("desk", a, "confirm")
		p.want(a, "confirmed", "h-1 confirmed", false)
		p.turn(48 * time.Hour) // what is confirmed does not lapse
		p.tickAll()
		p.want(a, "confirmed", "h-1 confirmed", false)
		p.step("nurse", a, "take-in", "note", "步行入科")
		p.want(a, "taken-in", "", false)
		stay := line.FactText(p.get(a), "stay")
		p.want(stay, "in-bed", "h-1 occupied", false)
		e := p.get(line.FactText(p.get(stay), "encounter"))
		if e.Str("class.code") != "IMP" || e.Str("serviceProvider.reference") != "Organization/heart" || e.Str("location[0].location.reference") != "Location/h-1" || e.Str("status") != "in-progress" ||
			e.Str("extension[0].valueReference.reference") != "CareTeam/one" {
			t.Fatalf("the encounter is %s", e.JSON())
		}
		p.refuses("in-hospital", func() error {
			_, err := p.begin("asker", "admission", "patient", ref("Patient/wang"), "reason", "again")
			return err
		})
	})
	both(t, "without an order nobody is taken in, but an emergency is at once", func(t *testing.T, p *pooled) {
		a := p.asks("wang", "routine")
		p.step("desk", a, "hold-bed", "bed", ref("Location/h-1"))
		p.refuses("needs-order", func() error { return p.try("nurse", a, "take-in") })
		b := p.asks("li", "emergency")
		p.refuses("needs-bed", func() error { return p.try("nurse", b, "take-in") })
		p.refuses("taken", func() error { return p.try("nurse", b, "take-in", "bed", ref("Location/h-1")) })
		p.want(b, "waiting", "", true) // nothing half done
		if p.raised("bedpool.take-in") != 0 {
			t.Error("a refused step was told")
		}
		p.step("nurse", b, "take-in", "bed", ref("Location/h-2"))
		p.want(b, "taken-in", "", false)
		p.want(line.FactText(p.get(b), "stay"), "in-bed", "h-2 occupied", false)
	})
	both(t, "who is cancelled, does not come or dies gives the bed back", func(t *testing.T, p *pooled) {
		for i, x := range []struct {
			who, step, state string
			answers          []any
		}{{"asker", "cancel", "cancelled", []any{"reason", "improved"}}, {"desk", "no-show", "no-show", nil}, {"nurse", "died", "died", nil}} {
			a := p.asks([]string{"wang", "li", "zhao"}[i], "urgent")
			p.step("desk", a, "hold-bed", "bed", ref("Location/h-1"))
			p.step(x.who, a, x.step, x.answers...)
			p.want(a, x.state, "", false)
		}
		p.asks("wang", "urgent") // the place is free again
	})
}

func (p *pooled) refuses(detail string, call func() error) {
	p.Helper()
	p.wantRefused(call(), detail)
}

func TestAHoldLapsesAndTheOldPlaceIsKept(t *testing.T) {
	both(t, "lapse", func(t *testing.T, p *pooled) {
		a := p.asks("wang", "urgent")
		since := p.waits(a).Since
		p.turn(20 * time.Minute)
		b := p.asks("li", "urgent")
		p.step("desk", a, "hold-bed", "bed", ref("Location/h-1"), "expected", p.in(time.Hour))
		p.turn(time.Hour + 59*time.Minute)
		p.tickAll()
		p.want(a, "held", "h-1 held", false) // the promised arrival and an hour
		p.turn(2 * time.Minute)
		// who comes first may have it, though nobody has looked at the clock yet
		p.step("desk", b, "hold-bed", "bed", ref("Location/h-1"))
		p.want(b, "held", "h-1 held", false)
		p.refuses("hold-lapsed", func() error { return p.try("desk", a, "confirm") })
		p.tickAll()
		p.want(a, "waiting", "", true)
		if w := p.waits(a); !w.Since.Equal(since.Truncate(time.Second)) || w.Reason != "lapsed" {
			t.Fatalf("it waits since %s for %s; want its old place, %s", w.Since, w.Reason, since)
		}
		if p.get(a).Str("location.reference") != "" {
			t.Error("the ward still sees who comes no more")
		}
		p.tickAll()
		p.want(a, "waiting", "", true) // informed once
	})
	both(t, "routine holds end at six", func(t *testing.T, p *pooled) {
		a := p.asks("wang", "routine")
		p.step("desk", a, "hold-bed", "bed", ref("Location/h-1"), "expected", p.in(24*time.Hour))
		until := p.get(a).Str("restriction.period.end")
		if !strings.Contains(until, "T18:00:00") {
			t.Errorf("the hold ends at %s", until)
		}
	})
}

func TestAHospitalsOwnRulesHoldInItsCases(t *testing.T) {
	both(t, "holds and absences", func(t *testing.T, p *pooled) {
		p.r.Rule = func(_ context.Context, _ *store.Tx, institution, code string) ([]byte, error) {
			return map[string][]byte{"Organization/centre holds": []byte(`{"soon":["emergency","urgent"],"grace":"15m","assumed":"30m","by":"18:00"}`),
				"Organization/centre flags": []byte(`{"absence":4,"readmission":15}`)}[institution+" "+code], nil
		}
		a := p.asks("wang", "urgent")
		p.step("desk", a, "hold-bed", "bed", ref("Location/h-1"))
		p.turn(44 * time.Minute)
		p.tickAll()
		p.want(a, "held", "h-1 held", false)
		p.turn(2 * time.Minute)
		p.tickAll()
		p.want(a, "waiting", "", true)
		_, stay := p.lying("li", "h-2")
		p.step("nurse", stay, "away", "reason", "examination")
		p.turn(4*time.Hour + time.Minute)
		p.tickAll()
		p.wantState(stay, "absent")
	})
}

func TestTheDeskSaysWhatItSetsAside(t *testing.T) {
	both(t, "every code that the rules give somebody", func(t *testing.T, p *pooled) {
		a := p.asks("wang", "urgent")
		for code, roles := range allocate.Default().Override {
			who := "desk"
			if roles[0] == "nursing-duty" {
				who = "nursing"
			} else if roles[0] == "duty-chief" {
				who = "chief"
			}
			p.step(who, a, "hold-bed", "bed", ref("Location/h-1"), "override", code, "reason", "多发伤")
			p.step("desk", a, "release-bed", "reason", "另选")
		}
	})
}

func TestCapacityBecomesABedThatMorning(t *testing.T) {
	both(t, "reserve, bind, take in", func(t *testing.T, p *pooled) {
		a, b := p.asks("wang", "routine"), p.asks("li", "routine")
		day := p.clock.Now().In(line.Zone()).AddDate(0, 0, 2).Format(time.DateOnly)
		p.step("orderer", a, "admit", "reason", "收住院")
		p.step("desk", a, "hold-bed", "reserve", true, "date", day)
		p.wantState(a, "held")
		p.refuses("taken", func() error { return p.try("desk", b, "hold-bed", "reserve", true, "date", day) })
		p.want(b, "waiting", "", true)
		p.step("desk", a, "confirm")
		p.refuses("not-yet", func() error { return p.try("desk", a, "bind-bed", "bed", ref("Location/h-1")) })
		p.refuses("needs-bind", func() error { return p.try("nurse", a, "take-in") })
		p.turn(42 * time.Hour) // that morning
		p.step("desk", a, "bind-bed", "bed", ref("Location/h-1"))
		p.want(a, "confirmed", "h-1 confirmed", false)
		p.step("nurse", a, "take-in")
		p.want(line.FactText(p.get(a), "stay"), "in-bed", "h-1 occupied", false)
	})
}

func TestNobodyIsSentAwayOrForgotten(t *testing.T) {
	both(t, "other needs at the old place, another hospital by a referral", func(t *testing.T, p *pooled) {
		a := p.asks("wang", "routine")
		since := p.waits(a).Since
		p.turn(time.Hour)
		p.step("asker", a, "change-needs", "level", "icu", "isolation", "droplet")
		w := p.waits(a)
		if needs, _ := allocate.ParseNeeds(w.Needs); needs.Level != allocate.ICU || needs.Isolation != "droplet" || needs.Equipment != allocate.Monitor || !w.Since.Equal(since.Truncate(time.Second)) {
			t.Errorf("it waits for %+v since %s", needs, w.Since)
		}
		p.refuses("needs-referral", func() error { return p.try("desk", a, "redirect", "referral", ref(a), "reason", "无床") })
		res, err := p.r.Start(p.as("asker"), line.StartCall{Line: "referral", Flow: "up", Params: form("centre2", "routine", "patient", ref("Patient/wang"), "documents", "-")})
		if err != nil {
			t.Fatal(err)
		}
		p.step("asker", a, "redirect", "referral", ref(res.Task), "reason", "本院无床")
		p.want(a, "redirected", "", false)
	})
	both(t, "who leaves waits for no other bed", func(t *testing.T, p *pooled) {
		_, stay := p.lying("wang", "n-1")
		p.step("asker", stay, "ask-bed", "reason", "本科有监护")
		a := line.FactText(p.get(stay), "transfer")
		p.step("desk", a, "hold-bed", "bed", ref("Location/h-1"))
		p.step("host-nurse", stay, "discharge", "to", "home")
		p.want(a, "cancelled", "", false)
		p.want(stay, "left", "", false)
		b := p.asks("li", "urgent")
		p.step("desk", b, "hold-bed", "bed", ref("Location/h-1"))
		o := p.mustBegin("asker", "observation", "patient", ref("Patient/zhao"), "reason", "腹痛")
		p.step("asker", o, "ask-admission", "department", ref("Organization/heart"), "reason", "收入院")
		p.step("asker", o, "leave", "to", "home")
		p.want(line.FactText(p.get(o), "admission"), "cancelled", "", false)
	})
}

func TestAnEmergencyTakesABedThatIsHeld(t *testing.T) {
	both(t, "displaced and promised anew", func(t *testing.T, p *pooled) {
		a := p.asks("wang", "routine")
		p.step("desk", a, "hold-bed", "bed", ref("Location/h-1"))
		calm := p.asks("zhao", "urgent")
		p.refuses("not-your-step", func() error {
			return p.try("desk", calm, "take-bed", "bed", ref("Location/h-1"), "reason", "急")
		})
		b := p.asks("li", "emergency")
		p.step("desk", b, "take-bed", "bed", ref("Location/h-1"), "reason", "急性心梗")
		p.want(b, "held", "h-1 held", false)
		p.tickAll()
		p.want(a, "waiting", "", true)
		if w := p.waits(a); w.Reason != "displaced" {
			t.Errorf("it waits for %s", w.Reason)
		}
		p.step("desk", a, "promise", "promised", p.in(4*time.Hour), "reason", "急诊征用，优先安排", "waits-for", "ward")
		if w := p.waits(a); w.Reason != "ward" || w.Promised.IsZero() {
			t.Errorf("it waits as %+v", w)
		}
		p.turn(4*time.Hour + time.Minute)
		p.tickAll()
		if !line.IsLate(p.get(a), p.clock.Now()) || p.raised("bedpool.late") == 0 {
			t.Error("a promise that passes is not late")
		}
	})
}

func TestTwoDesksWantOneBedForAdmissions(t *testing.T) {
	both(t, "one wins", func(t *testing.T, p *pooled) {
		a, b := p.asks("wang", "urgent"), p.asks("li", "urgent")
		var wg sync.WaitGroup
		got := make([]error, 2)
		for i, task := range []string{a, b} {
			wg.Add(1)
			go func() {
				defer wg.Done()
				got[i] = p.try([]string{"desk", "desk2"}[i], task, "hold-bed", "bed", ref("Location/h-1"))
			}()
		}
		wg.Wait()
		won, lost, no := a, b, got[1]
		if got[0] != nil {
			won, lost, no = b, a, got[0]
		}
		p.wantRefused(no, "taken")
		p.want(won, "held", "h-1 held", false)
		p.want(lost, "waiting", "", true)
	})
}

func TestABedIsLentAndTheDepartmentStays(t *testing.T) {
	both(t, "lent", func(t *testing.T, p *pooled) {
		a := p.asks("wang", "routine")
		p.wantSees("Patient/wang", false, "host-nurse", "host-doctor", "stranger", "outsider")
		p.wantSees(a, false, "host-nurse", "host-doctor", "stranger", "outsider")
		p.wantSees(a, true, "night", "chief", "nursing") // on duty for the whole hospital
		p.step("orderer", a, "admit", "reason", "收住院")
		p.step("desk", a, "hold-bed", "bed", ref("Location/n-1"))
		p.wantSees(a, true, "host-nurse", "host-doctor", "asker", "nurse", "desk")
		p.step("desk", a, "release-bed", "reason", "改期")
		p.wantSees(a, false, "host-nurse")
		p.wantSees("Patient/wang", false, "host-nurse")
		p.step("desk", a, "hold-bed", "bed", ref("Location/n-1"))
		p.step("host-nurse", a, "take-in")
		stay := line.FactText(p.get(a), "stay")
		encounter := line.FactText(p.get(stay), "encounter")
		p.wantSees("Patient/wang", true, "host-nurse", "host-doctor", "nurse", "asker", "desk", "nursing")
		p.wantSees(stay, true, "host-nurse", "host-doctor", "nurse", "asker", "desk")
		p.wantSees(encounter, true, "host-nurse", "host-doctor", "nurse", "asker", "desk")
		p.wantSees("Patient/wang", false, "stranger", "outsider")
		p.wantSees(encounter, false, "stranger", "outsider")
		p.refuses("needs-home-team", func() error { return p.try("host-doctor", stay, "round", "findings", "平稳") })
		p.step("asker", stay, "round", "findings", "平稳")
		p.step("host-nurse", stay, "report", "event", "fall", "findings", "夜间如厕跌倒，无外伤")
		p.step("host-nurse", stay, "report", "event", "complication", "findings", "术后出血")
		for fact, org := range map[string]string{"event-host": "Organization/nerve-ward", "event-home": "Organization/heart"} {
			ev := p.get(line.Fact(p.get(stay), fact).Str("reference"))
			if got := ev.Str("extension[0].valueReference.reference"); got != org || ev.Str("subject.reference") != "Patient/wang" {
				t.Errorf("%s is answered for by %s; want %s", fact, got, org)
			}
		}
		// back to the own ward
		p.refuses("same-bed", func() error { return p.try("desk", stay, "move", "bed", ref("Location/n-1"), "reason", "x") })
		p.step("desk", stay, "move", "bed", ref("Location/h-2"), "reason", "本科有床")
		p.want(stay, "in-bed", "h-2 occupied", false)
		e := p.get(encounter)
		if e.Str("serviceProvider.reference") != "Organization/heart" || e.Str("location[0].status") != "completed" || e.Str("location[1].location.reference") != "Location/h-2" || e.Str("location[1].status") != "active" {
			t.Errorf("after the move: %s", e.JSON())
		}
		p.wantSees("Patient/wang", true, "host-nurse") // as after any appointment, it writes its notes
		p.turn(8 * 24 * time.Hour)
		p.wantSees(stay, false, "host-nurse", "host-doctor")
		p.wantSees("Patient/wang", false, "host-nurse")
		// he leaves
		p.step("nurse", stay, "discharge", "to", "home")
		p.want(stay, "left", "", false)
		if e = p.get(encounter); e.Str("status") != "finished" || e.Str("period.end") == "" || e.Str("hospitalization.dischargeDisposition.coding[0].code") != "home" {
			t.Errorf("after the discharge: %s", e.JSON())
		}
		p.wantSees("Patient/wang", true, "nurse")
		p.wantSees("Patient/wang", false, "stranger")
	})
	both(t, "the ward from which he left writes its notes, for a while", func(t *testing.T, p *pooled) {
		_, stay := p.lying("wang", "n-1")
		p.step("host-nurse", stay, "discharge", "to", "home")
		p.wantSees("Patient/wang", true, "host-nurse")
		p.turn(31 * 24 * time.Hour)
		p.wantSees("Patient/wang", false, "host-nurse")
	})
	both(t, "another bed by the one list", func(t *testing.T, p *pooled) {
		_, stay := p.lying("wang", "n-1")
		p.step("asker", stay, "ask-bed", "reason", "本科有监护", "level", "ccu")
		a := line.FactText(p.get(stay), "transfer")
		p.want(a, "waiting", "", true)
		if needs, _ := allocate.ParseNeeds(p.waits(a).Needs); needs.At != "Location/n-1" || needs.Level != allocate.CCU {
			t.Errorf("it waits for %+v", needs)
		}
		p.refuses("open-case-exists", func() error { return p.try("asker", stay, "ask-bed", "reason", "again") })
		p.step("desk", a, "hold-bed", "bed", ref("Location/h-1"))
		p.want(stay, "in-bed", "n-1 occupied", false)
		p.step("nurse", a, "take-in")
		p.want(a, "taken-in", "", false)
		p.want(stay, "in-bed", "h-1 occupied", false)
		if line.FactText(p.get(stay), "moves") != "1" {
			t.Error("the move was not counted")
		}
	})
}

func TestAStayKeepsItsClocks(t *testing.T) {
	both(t, "the round by ten", func(t *testing.T, p *pooled) {
		_, stay := p.lying("wang", "h-1")
		due := p.get(stay).Str("restriction.period.end")
		if !strings.Contains(due, "T10:00:00") {
			t.Fatalf("the round is due at %s", due)
		}
		p.turn(48 * time.Hour)
		p.tickAll()
		if p.raised("bedpool.late") == 0 || !line.IsLate(p.get(stay), p.clock.Now()) {
			t.Error("nobody hears of a round that was not made")
		}
		p.step("asker", stay, "round", "findings", "平稳")
		if line.IsLate(p.get(stay), p.clock.Now()) {
			t.Error("late after the round")
		}
	})
	both(t, "ten minutes to a resuscitation", func(t *testing.T, p *pooled) {
		_, stay := p.lying("wang", "n-1")
		p.step("asker", stay, "plan-discharge", "at", p.in(20*time.Hour), "likelihood", "likely")
		round := p.get(stay).Str("restriction.period.end")
		p.step("host-doctor", stay, "call-team", "findings", "室颤")
		p.wantState(stay, "called")
		p.turn(11 * time.Minute)
		p.tickAll()
		if p.raised("bedpool.late") != 1 {
			t.Errorf("told %d times that the team is not there", p.raised("bedpool.late"))
		}
		p.step("asker", stay, "team-arrived")
		p.wantState(stay, "in-bed")
		if got := p.get(stay).Str("restriction.period.end"); got != round || line.FactText(p.get(stay), "discharge-at") != "" {
			t.Errorf("the round is due at %s; want %s, and no discharge planned", got, round)
		}
	})
	both(t, "an empty bed is looked at after a day", func(t *testing.T, p *pooled) {
		_, stay := p.lying("wang", "h-1")
		p.step("asker", stay, "plan-discharge", "at", p.in(50*time.Hour), "likelihood", "sure")
		p.step("nurse", stay, "away", "reason", "leave")
		p.turn(23 * time.Hour)
		p.tickAll()
		p.wantState(stay, "away")
		p.turn(2 * time.Hour)
		p.tickAll()
		p.wantState(stay, "absent")
		if line.FactText(p.get(stay), "flag") != "absent" {
			t.Error("no flag before settlement")
		}
		p.step("nurse", stay, "back")
		p.wantState(stay, "leaving") // what was planned stays so
		if line.FactText(p.get(stay), "flag") != "absent" {
			t.Error("the flag went with the patient")
		}
		p.want(stay, "leaving", "h-1 occupied", false)
	})
	both(t, "entered by mistake", func(t *testing.T, p *pooled) {
		_, stay := p.lying("wang", "h-1")
		p.step("desk", stay, "cancel", "reason", "登记错人")
		p.want(stay, "cancelled", "", false)
		if p.get(line.FactText(p.get(stay), "encounter")).Str("status") != "entered-in-error" {
			t.Error("the encounter stands")
		}
	})
}

func TestAReferralIsTakenIntoItsBed(t *testing.T) {
	both(t, "from a referral, and by itself", func(t *testing.T, p *pooled) {
		up := p.mustStart("county-sender", "up", form("centre", "emergency", "patient", ref("Patient/sun"), "documents", "-"))
		p.must("county-sender", up, "depart")
		p.must("centre-office", up, "receive", "department", ref("Organization/heart"))
		p.refuses("needs-bed", func() error { _, err := p.begin("nurse", "stay", "from", ref(up)); return err })
		stay := p.mustBegin("nurse", "stay", "from", ref(up), "bed", ref("Location/h-1"))
		p.want(stay, "in-bed", "h-1 occupied", false)
		task := p.get(stay)
		if task.Str("for.reference") != "Patient/sun" || line.DepartmentOf(task) != "Organization/heart" || task.Str("groupIdentifier.value") != p.get(up).Str("groupIdentifier.value") {
			t.Errorf("the stay is %s", task.JSON())
		}
		p.refuses("in-hospital", func() error {
			_, err := p.begin("nurse", "stay", "from", ref(up), "bed", ref("Location/h-2"))
			return err
		})
		p.refuses("taken", func() error {
			_, err := p.begin("nurse", "stay", "patient", ref("Patient/wang"), "bed", ref("Location/h-1"), "reason", "x")
			return err
		})
		p.mustBegin("nurse", "stay", "patient", ref("Patient/wang"), "bed", ref("Location/h-2"), "reason", "x")
		// a referral with a bed: the ward where he is to lie takes him in, and is the only one that sees him then
		held := p.mustStart("county-sender", "up", form("centre", "emergency", "patient", ref("Patient/moon"), "documents", "-"))
		p.must("county-sender", held, "depart")
		p.must("centre-office", held, "receive", "department", ref("Organization/heart"))
		p.wantSees("Patient/moon", false, "host-nurse")
		p.step("desk", held, "hold-bed", "bed", ref("Location/n-1"))
		p.wantSees("Patient/moon", true, "host-nurse")
		p.refuses("another-bed", func() error {
			_, err := p.begin("host-nurse", "stay", "from", ref(held), "bed", ref("Location/h-1"))
			return err
		})
		theirs := p.mustBegin("host-nurse", "stay", "from", ref(held))
		p.want(theirs, "in-bed", "n-1 occupied", false)
		if p.get(held).Get("location") != nil {
			t.Error("the referral still says where he is to lie")
		}
		p.refuses("needs-patient", func() error {
			_, err := p.begin("nurse", "stay", "bed", ref("Location/n-1"), "reason", "x")
			return err
		})
	})
}

func TestObservationTakesNoBedAndRunsOut(t *testing.T) {
	both(t, "48 hours, 72 hours", func(t *testing.T, p *pooled) {
		o := p.mustBegin("asker", "observation", "patient", ref("Patient/wang"), "reason", "腹痛待查", "urgency", "urgent")
		p.want(o, "observed", "", false)
		if e := p.get(line.FactText(p.get(o), "encounter")); e.Str("class.code") != "OBSENC" || e.Get("location") != nil {
			t.Errorf("the encounter is %s", e.JSON())
		}
		p.turn(48*time.Hour - time.Minute)
		p.tickAll()
		p.wantState(o, "observed")
		p.turn(2 * time.Minute)
		p.tickAll()
		p.wantState(o, "overlong")
		if p.raised("bedpool.warn") != 1 || p.raised("bedpool.late") != 0 {
			t.Errorf("warned %d times, late %d times", p.raised("bedpool.warn"), p.raised("bedpool.late"))
		}
		p.turn(24 * time.Hour)
		p.tickAll()
		var told string
		p.mu.Lock()
		for _, e := range p.events {
			if e.Kind == "bedpool.late" {
				told = e.Data["level"]
			}
		}
		p.mu.Unlock()
		if told != "duty-chief" {
			t.Errorf("after 72 hours %q is told; want the chief on duty", told)
		}
		p.step("asker", o, "ask-admission", "department", ref("Organization/nerve"), "reason", "收入院", "level", "hdu")
		a := line.FactText(p.get(o), "admission")
		p.want(a, "waiting", "", true)
		if line.DepartmentOf(p.get(a)) != "Organization/nerve" {
			t.Errorf("responsible is %s", line.DepartmentOf(p.get(a)))
		}
		p.refuses("open-case-exists", func() error {
			return p.try("asker", o, "ask-admission", "department", ref("Organization/nerve"), "reason", "x")
		})
		p.step("orderer", a, "admit", "reason", "收住院")
		p.step("desk", a, "hold-bed", "bed", ref("Location/n-1"))
		p.wantState(o, "overlong") // the clock runs until he lies in a bed
		p.step("host-nurse", a, "take-in")
		p.wantState(o, "admitted")
		if p.get(line.FactText(p.get(o), "encounter")).Str("status") != "finished" {
			t.Error("the observation goes on")
		}
	})
}

func TestPreadmissionMergesOrFallsBack(t *testing.T) {
	both(t, "merge and fall back", func(t *testing.T, p *pooled) {
		p.refuses("needs-consent", func() error {
			_, err := p.begin("asker", "preadmission", "patient", ref("Patient/wang"), "reason", "择期手术", "consent", false, "consent-by", "patient")
			return err
		})
		one := p.mustBegin("asker", "preadmission", "patient", ref("Patient/wang"), "reason", "择期手术", "consent", true, "consent-by", "patient")
		two := p.mustBegin("asker", "preadmission", "patient", ref("Patient/li"), "reason", "择期手术", "consent", true, "consent-by", "guardian")
		p.want(one, "preparing", "", false)
		p.refuses("bad-amount", func() error {
			return p.try("nurse", one, "charge", "item", "laboratory", "words", "血常规", "amount", "1.234")
		})
		p.step("nurse", one, "charge", "item", "laboratory", "words", "血常规", "amount", "128.05")
		p.step("nurse", one, "charge", "item", "imaging", "words", "胸部 CT", "amount", "260.9")
		if s := line.FactText(p.get(one), "sum"); s != "388.95" {
			t.Errorf("the sum is %s", s)
		}
		p.step("asker", one, "ask-admission", "reason", "手术")
		a := line.FactText(p.get(one), "admission")
		p.step("orderer", a, "admit", "reason", "收住院")
		p.step("desk", a, "hold-bed", "bed", ref("Location/h-1"))
		p.step("nurse", a, "take-in")
		stay := line.FactText(p.get(a), "stay")
		p.refuses("other-patient", func() error { return p.try("nurse", two, "merge", "stay", ref(stay)) })
		p.step("nurse", one, "merge", "stay", ref(stay))
		p.wantState(one, "merged")
		p.turn(7*24*time.Hour + time.Minute)
		p.tickAll()
		p.wantState(two, "outpatient")
		if line.FactText(p.get(two), "settles-as") != "outpatient" || p.get(line.FactText(p.get(two), "encounter")).Str("status") != "finished" {
			t.Error("it does not settle as an outpatient's")
		}
	})
}

func TestBothDirectorsConfirmTheMonth(t *testing.T) {
	both(t, "settlement", func(t *testing.T, p *pooled) {
		hub := access.With(context.Background(), &access.Caller{User: "hub", Name: "系统", Role: "system", Org: "Organization/centre", Institution: "Organization/centre", Scope: search.Everything})
		draw := func(month string) (string, error) {
			res, err := p.r.Start(hub, line.StartCall{Line: "bedpool", Flow: "settlement", Params: line.Ask("home", ref("Organization/heart"), "host", ref("Location/nw"), "month", month, "days", "12.5", "patients", "3", "points", "40")})
			return res.Task, err
		}
		s, err := draw("2026-10")
		if err != nil {
			t.Fatal(err)
		}
		_, err = draw("2026-10")
		p.wantRefused(err, "open-case-exists")
		if _, err := p.begin("director", "settlement", "home", ref("Organization/heart"), "host", ref("Location/nw"), "month", "2026-09", "days", "1"); err == nil {
			t.Error("a director drew it up")
		}
		task := p.get(s)
		if task.Get("for") != nil || strings.Contains(string(task.JSON()), "Patient/") {
			t.Errorf("it names a patient: %s", task.JSON())
		}
		if issues := validate.Resource(p.get(task.Str("focus.reference"))); len(issues) > 0 {
			t.Errorf("the report is not valid: %v", issues)
		}
		p.wantSees(s, true, "director", "host-director", "affairs")
		p.wantSees(s, false, "stranger", "outsider")
		p.step("host-director", s, "sign")
		p.wantState(s, "signed")
		p.refuses("signed-already", func() error { return p.try("host-director", s, "sign") })
		p.step("director", s, "dispute", "reason", "三号患者当日未入住")
		p.refuses("not-your-step", func() error { return p.try("director", s, "answer", "note", "x") })
		p.step("affairs", s, "answer", "note", "核对属实", "days", "11.5")
		if line.FactText(p.get(s), "days") != "11.5" || p.get(task.Str("focus.reference")).Str("group[0].measureScore.value") != "11.5" {
			t.Error("the number was not put right")
		}
		p.step("director", s, "sign")
		p.step("host-director", s, "sign")
		p.wantState(s, "settled")
	})
}

func TestThePoolIsMeasured(t *testing.T) {
	p := newPool(t, storetest.Memory)
	_, own := p.lying("wang", "h-1")
	a := p.asks("li", "routine")
	p.step("orderer", a, "admit", "reason", "收住院")
	p.step("desk", a, "hold-bed", "bed", ref("Location/n-1"), "expected", p.in(time.Minute))
	p.turn(10 * time.Hour)
	p.tickAll()
	p.step("desk", a, "hold-bed", "bed", ref("Location/n-1"))
	p.step("host-nurse", a, "take-in")
	p.turn(48 * time.Hour)
	p.step("nurse", own, "call-team")
	p.turn(9 * time.Minute)
	p.step("asker", own, "team-arrived")
	p.step("nurse", own, "discharge", "to", "home")
	var facts []indicator.Fact
	ctx := p.as("desk")
	p.view(func(tx *store.Tx) (err error) {
		facts, err = p.r.Facts(ctx, tx, access.From(ctx), "bedpool", nil)
		return err
	})
	for code, want := range map[string]float64{"wait-routine": 5, "wait-routine-p90": 10, "cross-ward": 50, "holds-lapsed": 50, "no-show": 0, "team-in-time": 100, "still-waiting": 0, "displaced": 0} {
		l := p.r.Line("bedpool")
		i := slices.IndexFunc(l.Indicators, func(d indicator.Definition) bool { return d.Code == code })
		if i < 0 {
			t.Errorf("no indicator %s", code)
			continue
		}
		v := indicator.Evaluate(&l.Indicators[i], facts, time.Time{}, time.Time{})
		if v.Value == nil || *v.Value != want {
			t.Errorf("%s: got %v; want %v", code, v.Value, want)
		}
	}
}

func TestPooledCasesAreCountedForWhoSeesThem(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		p := newPool(t, open)
		p.lying("wang", "h-1")
		for who, want := range map[string]bool{"desk": true, "asker": true, "stranger": false, "outsider": false} {
			ctx := p.as(who)
			err := p.s.View(ctx, func(tx *store.Tx) error {
				facts, err := p.r.Facts(ctx, tx, access.From(ctx), "bedpool", nil)
				if (len(facts) > 0) != want {
					t.Errorf("%s counts %d cases", who, len(facts))
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
