package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
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
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// pool is the API on a hospital of some wards with 8 rooms of 4 beds each.
type pool struct {
	t        testing.TB
	store    *store.Store
	clock    *clock.Turned
	room     *beds.Room
	bookings *booking.Room
	api      *Beds
	mux      *http.ServeMux
	log      *touches
}

// touches is the audit of the test.
type touches struct{ all []audit.Entry }

func (l *touches) Write(_ context.Context, _ *store.Tx, e audit.Entry) error {
	l.all = append(l.all, e)
	return nil
}
func (l *touches) Read(_ context.Context, e audit.Entry) error { l.all = append(l.all, e); return nil }

const hospital = "Organization/h"

func openPool(t testing.TB, open storetest.Open, wards int) *pool {
	t.Helper()
	p := &pool{t: t, clock: clock.At(storetest.Start), log: &touches{}}
	tree := access.NewTree()
	p.room = beds.New(beds.Options{Tree: tree, Raise: event.Raise, Audit: p.log})
	p.store = open(t, store.Options{Clock: p.clock, Migrations: slices.Concat(event.Migrations, booking.Migrations, beds.Migrations), Derive: []store.Deriver{tree.Derive, booking.Derive, p.room.Derive}})
	p.bookings = booking.New(booking.Options{Store: p.store, Clock: p.clock, Raise: event.Raise, Tree: tree, Guard: p.room.Guard, Changed: p.room.Changed, Fits: p.room.Fits, Units: p.room.Units})
	p.room.Bookings = p.bookings
	p.api = &Beds{Store: p.store, Room: p.room, Bookings: p.bookings, Tree: tree, Audit: p.log}
	p.mux = http.NewServeMux()
	p.api.Register(p.mux)
	all := []*fhir.Node{fhir.New("Organization", "id", "h", "type", fhir.Arr{fhir.Concept("", "prov", "")}, "name", "区域医疗中心"),
		fhir.New("Location", "id", "east", "name", "东院区", "physicalType", fhir.Concept(beds.PhysicalType, "si", ""), "managingOrganization", fhir.Ref(hospital, ""))}
	for w := range wards {
		code := fmt.Sprintf("d%02d", w)
		all = append(all, fhir.New("Organization", "id", code, "type", fhir.Arr{fhir.Concept("", "dept", ""), fhir.Concept(spec.Canonical+"/CodeSystem/department", code, "")}, "name", "科室"+code, "partOf", fhir.Ref(hospital, "")),
			fhir.New("Location", "id", "ward-"+code, "name", code+"病区", "physicalType", fhir.Concept(beds.PhysicalType, "wa", ""), "managingOrganization", fhir.Ref("Organization/"+code, ""), "partOf", fhir.Ref("Location/east", ""),
				"extension", fhir.Arr{fhir.Extension(beds.SpecialtyOf, "valueCode", code), fhir.Extension(beds.LendsOf, "valueBoolean", true), fhir.Extension(beds.GroupOf, "valueCode", "all")}))
		for room := range 8 {
			at := fmt.Sprintf("%s-r%d", code, room)
			all = append(all, fhir.New("Location", "id", at, "name", fmt.Sprint(301+room), "physicalType", fhir.Concept(beds.PhysicalType, "ro", ""), "partOf", fhir.Ref("Location/ward-"+code, ""),
				"extension", fhir.Arr{fhir.Extension(beds.SexOf, "valueCode", []string{"male", "female"}[room%2])}))
			for b := range 4 {
				all = append(all, fhir.New("Location", "id", fmt.Sprintf("%s-b%d", at, b), "name", fmt.Sprintf("%d 床", room*4+b+1), "physicalType", fhir.Concept(beds.PhysicalType, "bd", ""), "partOf", fhir.Ref("Location/"+at, ""),
					"extension", fhir.Arr{fhir.Extension(beds.LevelOf, "valueCode", "general"), fhir.Extension(beds.EquipmentOf, "valueCode", "oxygen")}))
			}
		}
	}
	p.put(all...)
	return p
}

func (p *pool) put(nodes ...*fhir.Node) {
	p.t.Helper()
	for some := range slices.Chunk(nodes, 200) {
		p.update(func(ctx context.Context, tx *store.Tx) error {
			for _, n := range some {
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
	}
}

func (p *pool) update(fn func(context.Context, *store.Tx) error) {
	p.t.Helper()
	ctx := context.Background()
	if err := p.store.Update(ctx, func(tx *store.Tx) error { return fn(ctx, tx) }); err != nil {
		p.t.Fatal(err)
	}
}

// system books without being asked for rules.
var system = &access.Caller{User: "hub", Role: "system", Scope: search.Everything}

func (p *pool) patient(i int) string {
	id := fmt.Sprintf("p%d", i)
	p.put(fhir.New("Patient", "id", id, "name", fhir.Arr{fhir.Obj{"text", "张小明"}}, "gender", []string{"male", "female"}[i%2], "birthDate", "1961-04-05"),
		fhir.New("Task", "id", "t-"+id, "status", "in-progress", "intent", "order", "for", fhir.Ref("Patient/"+id, "")))
	return id
}

func (p *pool) do(commands ...booking.Command) {
	p.t.Helper()
	p.update(func(ctx context.Context, tx *store.Tx) error { return p.bookings.Do(ctx, tx, system, commands...) })
}

func (p *pool) lies(i int, bed string) {
	id := p.patient(i)
	p.do(booking.Command{Do: booking.Occupy, Thing: "Location/" + bed, Pool: hospital, Holder: "Task/t-" + id, Patient: "Patient/" + id})
}

func (p *pool) look() (l beds.Look) {
	p.t.Helper()
	if err := p.store.View(context.Background(), func(tx *store.Tx) (err error) { l, err = p.room.Look(context.Background(), tx, hospital); return err }); err != nil {
		p.t.Fatal(err)
	}
	return l
}

func (p *pool) waits(i int, q allocate.Request) {
	id := p.patient(i)
	p.do(booking.Command{Do: booking.Await, Holder: "Task/t-" + id, Patient: "Patient/" + id, Pool: hospital, Wait: &booking.Wait{Rank: q.Urgency.Rank(), Needs: allocate.MarshalNeeds(q), Reason: "no-bed"}})
}

func (p *pool) call(as *access.Caller, method, url, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if as != nil {
		r = r.WithContext(access.With(r.Context(), as))
	}
	w := httptest.NewRecorder()
	p.mux.ServeHTTP(w, r)
	return w
}

func (p *pool) get(as *access.Caller, url string, into any) {
	p.t.Helper()
	w := p.call(as, "GET", url, "")
	if w.Code != 200 {
		p.t.Fatalf("%s: got %d %s", url, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		p.t.Fatal(err)
	}
}

func at(role access.Role, org string, scope search.Scope) *access.Caller {
	return &access.Caller{User: string(role) + "@" + org, Role: role, Org: org, Institution: hospital, Scope: scope}
}

func TestBoardAsTheCallerMaySeeIt(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		p := openPool(t, open, 2)
		p.lies(0, "d00-r0-b0")
		p.lies(2, "d00-r0-b1")
		whole, blind := at("bed-desk", hospital, search.Everything), at(access.Nurse, "Organization/d01", search.Scope{})
		one := at(access.Nurse, "Organization/d00", search.Scope{All: true, Only: []string{"Patient/p0"}})
		other := &access.Caller{User: "x", Role: "bed-desk", Org: "Organization/other", Institution: "Organization/other", Scope: search.Everything}
		patient := &access.Caller{User: "p", Role: access.Patient, Org: hospital, Institution: hospital, Scope: search.Everything}
		for _, c := range []struct {
			name      string
			as        *access.Caller
			url       string
			status    int
			occupants int
			not       string
		}{
			{"the bed desk sees who lies there, by the family name", whole, "/api/beds/board", 200, 2, "小明"},
			{"a nurse sees her own patients", one, "/api/beds/board?pool=" + hospital, 200, 1, "Patient/p2"},
			{"who reads none of them sees states", blind, "/api/beds/board", 200, 0, "张"},
			{"one ward of it", whole, "/api/beds/board?ward=Location/ward-d01", 200, 0, "ward-d00"},
			{"a stranger gets nothing", other, "/api/beds/board?pool=" + hospital, 404, 0, "d00"},
			{"in the same way as of a hospital that does not exist", other, "/api/beds/board?pool=Organization/none", 404, 0, "d00"},
			{"a patient is no staff", patient, "/api/beds/board", 403, 0, "d00"},
			{"nobody", nil, "/api/beds/board", 401, 0, "d00"},
			{"a stranger's waiting list", other, "/api/beds/waiting?pool=" + hospital, 404, 0, "total"},
			{"a stranger's proposals", other, "/api/beds/proposals?pool=" + hospital, 404, 0, "proposals"},
			{"a stranger's shifts", other, "/api/beds/shifts?pool=" + hospital, 404, 0, "wards"},
			{"a stranger's leader", other, "/api/beds/leader?pool=" + hospital, 404, 0, "wards"},
			{"a stranger's flags", other, "/api/beds/flags?pool=" + hospital, 404, 0, "rows"},
		} {
			before := len(p.log.all)
			w := p.call(c.as, "GET", c.url, "")
			if w.Code != c.status {
				t.Errorf("%s: got %d; want %d: %s", c.name, w.Code, c.status, w.Body)
				continue
			}
			if strings.Contains(w.Body.String(), c.not) {
				t.Errorf("%s: the answer has %q", c.name, c.not)
			}
			var v boardView
			if c.status == 200 {
				if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
					t.Fatal(err)
				}
			}
			got := 0
			for _, b := range v.Beds {
				if b.Occupant != nil {
					got++
				}
			}
			if got != c.occupants {
				t.Errorf("%s: got %d occupants; want %d", c.name, got, c.occupants)
			}
			shown := 0
			for _, e := range p.log.all[before:] {
				shown += len(e.Patients)
			}
			if shown != c.occupants {
				t.Errorf("%s: the audit names %d patients; want %d", c.name, shown, c.occupants)
			}
		}
		var pools struct{ Pools []poolView }
		p.get(other, "/api/beds/pools", &pools)
		if len(pools.Pools) != 0 {
			t.Errorf("a stranger's pools: got %v", pools)
		}
	})
}

func TestWholeNamesAreForThoseWhoTreat(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		p := openPool(t, open, 2)
		p.lies(0, "d00-r0-b0")
		id := p.patient(2) // of the other department, to come to this ward
		q := allocate.Request{Specialty: "d01", Ward: "Organization/d01", Team: "CareTeam/two", Urgency: allocate.Urgent, Sex: allocate.Male, Level: allocate.General}
		p.do(booking.Command{Do: booking.Hold, Thing: "Location/d00-r0-b1", Pool: hospital, Holder: "Task/t-" + id, Patient: "Patient/" + id, Expires: p.clock.Now().Add(time.Hour),
			Wait: &booking.Wait{Needs: allocate.MarshalNeeds(q)}})
		all := search.Everything
		member := at(access.Doctor, "Organization/elsewhere", all)
		member.Teams = []string{"CareTeam/two"}
		here, there := "/api/beds/names?ward=Location/ward-d00", "/api/beds/names?ward=Location/ward-d01"
		for _, c := range []struct {
			name   string
			as     *access.Caller
			url    string
			status int
			names  []string
		}{
			{"a nurse of the ward: who lies there and who is to come", at(access.Nurse, "Organization/d00", all), here, 200, []string{"Patient/p0", "Patient/p2"}},
			{"the head nurse, of whom she may see", at("head-nurse", "Organization/d00", search.Scope{All: true, Only: []string{"Patient/p2"}}), here, 200, []string{"Patient/p2"}},
			{"a doctor of the responsible department: his patient alone", at(access.Doctor, "Organization/d01", all), here, 200, []string{"Patient/p2"}},
			{"who lies elsewhere, in his own ward's view", at(access.Doctor, "Organization/d01", all), there, 200, []string{"Patient/p2"}},
			{"a member of the responsible team", member, here, 200, []string{"Patient/p2"}},
			{"a nurse of another ward: only whom her department answers for", at(access.Nurse, "Organization/d01", all), here, 200, []string{"Patient/p2"}},
			{"and who answers for none of them: nothing", at(access.Nurse, "Organization/d02", all), here, 200, nil},
			{"the bed desk goes on with the family name", at("bed-desk", hospital, all), here, 200, nil},
			{"the chief on duty is of no ward", at("duty-chief", hospital, all), here, 200, nil},
			{"who may see nobody", at(access.Nurse, "Organization/d00", search.Scope{}), here, 200, nil},
			{"a ward that is not there", at(access.Nurse, "Organization/d00", all), "/api/beds/names?ward=Location/none", 404, nil},
			{"a stranger", &access.Caller{User: "x", Role: access.Nurse, Org: "Organization/other", Institution: "Organization/other", Scope: all}, here + "&pool=" + hospital, 404, nil},
			{"a patient", &access.Caller{User: "p", Role: access.Patient, Org: hospital, Institution: hospital, Scope: all}, here, 403, nil},
		} {
			before := len(p.log.all)
			w := p.call(c.as, "GET", c.url, "")
			var v struct{ Names map[string]string }
			if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != c.status {
				t.Errorf("%s: got %d %s; want %d", c.name, w.Code, w.Body, c.status)
				continue
			}
			if got := slices.Sorted(maps.Keys(v.Names)); !slices.Equal(got, c.names) || len(c.names) > 0 && v.Names[c.names[0]] != "张小明" {
				t.Errorf("%s: got %v; want %v", c.name, v.Names, c.names)
			}
			shown := []string{}
			for _, e := range p.log.all[before:] {
				shown = append(shown, e.Patients...)
			}
			if !slices.Equal(shown, append([]string{}, c.names...)) {
				t.Errorf("%s: the audit names %v; want %v", c.name, shown, c.names)
			}
		}
		w := p.call(at(access.Nurse, "Organization/d00", all), "GET", "/api/beds/board?ward=Location/ward-d00", "")
		if strings.Contains(w.Body.String(), "小明") {
			t.Error("the board itself has a whole name")
		}
	})
}

func TestBoardTellsWhatChanged(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		p := openPool(t, open, 3)
		desk := at("bed-desk", hospital, search.Everything)
		var v boardView
		p.get(desk, "/api/beds/board", &v)
		if !v.Whole || len(v.Beds) != 96 || len(v.Wards) != 3 || len(v.Rooms) != 24 || len(v.Campuses) != 1 {
			t.Fatalf("got %d beds, %d wards, %d rooms", len(v.Beds), len(v.Wards), len(v.Rooms))
		}
		p.clock.Turn(time.Minute)
		p.lies(0, "d01-r0-b0")
		var news boardView
		p.get(desk, "/api/beds/board?since="+v.Since, &news)
		if news.Whole || len(news.Beds) != 1 || news.Beds[0].State != allocate.Occupied || news.Beds[0].Occupant == nil || len(news.Wards) != 1 || news.Wards[0].Load == 0 {
			t.Fatalf("got %+v; want one bed and its ward", news)
		}
		p.clock.Turn(time.Minute)
		since := news.Since
		p.get(desk, "/api/beds/board?since="+since, &news) // what changed in the same seconds is told twice
		since = news.Since
		p.clock.Turn(time.Minute)
		news = boardView{}
		p.get(desk, "/api/beds/board?since="+since, &news)
		if news.Whole || len(news.Beds) != 0 || len(news.Wards) != 0 {
			t.Errorf("nothing changed: got %+v", news)
		}
		id := p.patient(2)
		p.do(booking.Command{Do: booking.Hold, Thing: "Location/d02-r0-b0", Pool: hospital, Holder: "Task/t-" + id, Patient: "Patient/" + id, Expires: p.clock.Now().Add(time.Hour)})
		p.clock.Turn(59 * time.Minute)
		p.get(desk, "/api/beds/board?since="+since, &news)
		since = news.Since
		p.clock.Turn(2 * time.Minute)
		news = boardView{}
		p.get(desk, "/api/beds/board?since="+since, &news)
		if len(news.Beds) != 1 || news.Beds[0].State != allocate.Free {
			t.Errorf("a hold that ran out by the clock: got %+v", news.Beds)
		}
		p.put(fhir.New("Location", "id", "d00-r0-b9", "name", "加1", "physicalType", fhir.Concept(beds.PhysicalType, "bd", ""), "partOf", fhir.Ref("Location/d00-r0", "")))
		news = boardView{}
		p.get(desk, "/api/beds/board?since="+since, &news)
		if !news.Whole || len(news.Beds) != 97 {
			t.Errorf("a new bed draws the board anew: got %d beds", len(news.Beds))
		}
	})
}

func TestWaitingProposalsAndWhy(t *testing.T) {
	p := openPool(t, storetest.Memory, 2)
	p.lies(0, "d00-r0-b0")
	p.waits(2, allocate.Request{Specialty: "d00", Urgency: allocate.Urgent, Sex: allocate.Male, Level: allocate.General, Nursing: "2", Age: 60})
	p.waits(3, allocate.Request{Specialty: "d00", Urgency: allocate.Elective, Sex: allocate.Female, Level: allocate.ICU, Age: 60})
	desk := at("bed-desk", hospital, search.Everything)
	blind := at(access.Nurse, "Organization/d01", search.Scope{})
	var waiting struct {
		Rows  []waiterView
		Total int
	}
	p.get(desk, "/api/beds/waiting", &waiting)
	if waiting.Total != 2 || waiting.Rows[0].Task != "Task/t-p2" || waiting.Rows[0].Patient.Name != "张**" || waiting.Rows[0].Needs.Urgency != "urgent" || waiting.Rows[0].Version != "1" || waiting.Rows[0].ReasonName == nil {
		t.Errorf("got %+v", waiting)
	}
	p.get(blind, "/api/beds/waiting", &waiting)
	if waiting.Total != 0 || len(waiting.Rows) != 0 {
		t.Errorf("who sees none of the cases: got %+v", waiting)
	}
	var proposed struct{ Proposals []proposalView }
	p.get(desk, "/api/beds/proposals", &proposed)
	if len(proposed.Proposals) != 2 || !strings.HasPrefix(proposed.Proposals[0].Bed, "Location/d00-r") || proposed.Proposals[1].Bed != "" || proposed.Proposals[1].Zh == "" {
		t.Errorf("got %+v", proposed)
	}
	p.get(blind, "/api/beds/proposals", &proposed)
	if len(proposed.Proposals) != 0 {
		t.Errorf("who sees none of the cases: got %+v", proposed)
	}
	var fits struct {
		Fits    []string
		Against map[string][]string
		Words   map[string]any
	}
	p.get(desk, "/api/beds/why?task=Task/t-p2", &fits)
	if len(fits.Fits) != 15 || len(fits.Against["sex"]) != 32-16+16 && len(fits.Against["sex"]) == 0 || len(fits.Against["taken"]) != 1 || fits.Words["sex"] == nil {
		t.Errorf("got %d that fit, %v", len(fits.Fits), fits.Against)
	}
	var why struct {
		Objections []objectionView
		Terms      []termView
	}
	p.get(desk, "/api/beds/why?task=Task/t-p2&bed=Location/d01-r1-b0", &why)
	codes := map[string]bool{}
	for _, o := range why.Objections {
		codes[o.Code] = o.Override
	}
	if own, is := codes["sex"]; !is || own {
		t.Errorf("got %+v; want sex, which nobody sets aside", why.Objections)
	}
	if _, is := codes["stale"]; !is {
		t.Errorf("got %+v; want stale", why.Objections)
	}
	if w := p.call(blind, "GET", "/api/beds/why?task=Task/t-p2&bed=Location/d01-r1-b0", ""); w.Code != 404 {
		t.Errorf("of a case that he does not see: got %d", w.Code)
	}
}

func TestReservedPlacesAreProposedTheirBedsThatMorning(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		p := openPool(t, open, 2)
		zone := p.api.zone()
		d := p.clock.Now().In(zone).AddDate(0, 0, 1)
		day := time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, zone)
		reserve := func(i int, q allocate.Request, on time.Time) string {
			id := p.patient(i)
			p.do(booking.Command{Do: booking.Hold, Thing: booking.Capacity(hospital, "all", "general", string(q.Sex), 0)[:len(booking.Capacity(hospital, "all", "general", string(q.Sex), 0))-1] + "*", Pool: hospital, Holder: "Task/t-" + id, Patient: "Patient/" + id,
				From: on, Until: on.AddDate(0, 0, 1), Expires: on.Add(18 * time.Hour), Wait: &booking.Wait{Needs: allocate.MarshalNeeds(q)}})
			return "Task/t-" + id
		}
		man := allocate.Request{Specialty: "d01", Urgency: allocate.Elective, Sex: allocate.Male, Level: allocate.General, Nursing: "2", Age: 60}
		one, two := reserve(0, man, day), reserve(2, man, day)
		reserve(4, man, day.AddDate(0, 0, 1))
		p.waits(6, allocate.Request{Specialty: "d01", Urgency: allocate.Urgent, Sex: allocate.Male, Level: allocate.General, Nursing: "2", Age: 60})
		desk, stranger := at("bed-desk", hospital, search.Everything), at(access.Nurse, "Organization/d00", search.Scope{})
		proposed := func(as *access.Caller) (due []proposalView, beds map[string]bool) {
			var v struct{ Proposals []proposalView }
			p.get(as, "/api/beds/proposals", &v)
			beds = map[string]bool{}
			for _, x := range v.Proposals {
				if x.Due {
					due = append(due, x)
				}
				if x.Bed != "" {
					beds[x.Bed] = true
				}
			}
			return due, beds
		}
		p.clock.Set(day.Add(5*time.Hour + 59*time.Minute))
		if due, _ := proposed(desk); len(due) != 0 {
			t.Errorf("before six: got %+v", due)
		}
		p.clock.Set(day.Add(6 * time.Hour))
		due, all := proposed(desk)
		if len(due) != 2 || len(all) != 3 {
			t.Fatalf("at six: got %+v, %d beds; want a bed of its own for two and for who waits", due, len(all))
		}
		for _, x := range due {
			if x.Request != one && x.Request != two || !strings.HasPrefix(x.Bed, "Location/d01-r") {
				t.Errorf("got %+v; want a bed of the own ward", x)
			}
		}
		if due, _ := proposed(stranger); len(due) != 0 {
			t.Errorf("who sees none of the cases: got %+v", due)
		}
		var waiting struct{ Rows []waiterView }
		p.get(desk, "/api/beds/waiting", &waiting)
		n := 0
		for _, x := range waiting.Rows {
			if x.Booking != nil && x.Booking.Due {
				n++
			}
		}
		if n != 2 {
			t.Errorf("got %d rows that are due; want 2", n)
		}
		if l := p.look(); l.Uses["Location/d01-r0-b0"].Holder != "" {
			t.Error("something was bound by itself")
		}
		p.do(booking.Command{Do: booking.Move, Thing: due[0].Bed, Pool: hospital, Holder: due[0].Request, Patient: strings.Replace(due[0].Request, "Task/t-", "Patient/", 1)})
		if left, _ := proposed(desk); len(left) != 1 || left[0].Request != due[1].Request {
			t.Errorf("one is bound: got %+v", left)
		}
	})
}

func TestWhoSaysWhatOfBedsAndShifts(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		p := openPool(t, open, 2)
		p.lies(0, "d00-r0-b0")
		own, strange := at("head-nurse", "Organization/d00", search.Scope{}), at("head-nurse", "Organization/d01", search.Scope{})
		doctor := at(access.Doctor, "Organization/d00", search.Scope{})
		other := &access.Caller{User: "x", Role: "head-nurse", Org: "Organization/other", Institution: "Organization/other"}
		leader := at(access.Leader, hospital, search.Scope{})
		for _, c := range []struct {
			name      string
			as        *access.Caller
			call, url string
			body      string
			status    int
			says      string
		}{
			{"the head nurse sets her shift", own, "PUT", "shifts", `{"ward":"Location/ward-d00","nurses":3}`, 200, `"points":60`},
			{"not that of another ward", strange, "PUT", "shifts", `{"ward":"Location/ward-d00","nurses":3}`, 403, "not-your-ward"},
			{"a doctor does not", doctor, "PUT", "shifts", `{"ward":"Location/ward-d00","nurses":3}`, 403, "not-your-ward"},
			{"a stranger does not learn that the ward is there", other, "PUT", "shifts", `{"ward":"Location/ward-d00","nurses":3}`, 404, "unknown-ward"},
			{"nurses by the hundred thousand", own, "PUT", "shifts", `{"ward":"Location/ward-d00","nurses":100000}`, 422, "bad-staffing"},
			{"a shift that is over", own, "PUT", "shifts", `{"ward":"Location/ward-d00","nurses":3,"at":"2026-03-01T09:00:00+08:00"}`, 422, "shift-is-over"},
			{"a bed is closed with a reason", own, "POST", "state", `{"bed":"Location/d00-r1-b0","state":"closed"}`, 422, "reason-required"},
			{"and is closed then", own, "POST", "state", `{"bed":"Location/d00-r1-b0","state":"closed","reason":"检修"}`, 200, "closed"},
			{"and opened", own, "POST", "state", `{"bed":"Location/d00-r1-b0","state":"free"}`, 200, "free"},
			{"not by another ward", strange, "POST", "state", `{"bed":"Location/d00-r1-b0","state":"cleaning"}`, 403, "not-your-ward"},
			{"not one in which somebody lies", own, "POST", "state", `{"bed":"Location/d00-r0-b0","state":"closed","reason":"检修"}`, 409, "bed-in-use"},
			{"nobody says that somebody lies in it", own, "POST", "state", `{"bed":"Location/d00-r1-b0","state":"occupied"}`, 422, "bad-state"},
			{"a stranger's bed", other, "POST", "state", `{"bed":"Location/d00-r1-b0","state":"free"}`, 404, "unknown-bed"},
			{"a rule by the leader", leader, "PUT", "rules", `{"code":"cleaningMinutes","value":{"general":20},"reason":"新流程"}`, 200, "cleaningMinutes"},
			{"a preference by the leader", leader, "PUT", "rules", `{"code":"limits","value":{"teamInWard":3},"reason":"查房"}`, 200, "limits"},
			{"a rule that makes no sense", leader, "PUT", "rules", `{"code":"shifts","value":[{"code":"day","from":"8","until":"9","points":1}],"reason":"x"}`, 422, "bad-rule"},
			{"sex is never set aside", leader, "PUT", "rules", `{"code":"override","value":{"sex":["bed-desk"]},"reason":"x"}`, 422, "bad-rule"},
			{"not by a nurse", own, "PUT", "rules", `{"code":"cleaningMinutes","value":{"general":1},"reason":"x"}`, 403, "not-your-rules"},
		} {
			w := p.call(c.as, c.call, "/api/beds/"+c.url, c.body)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%s: got %d %s; want %d with %s", c.name, w.Code, w.Body, c.status, c.says)
			}
		}
		var v shiftsView
		p.get(own, "/api/beds/shifts", &v)
		if len(v.Wards) != 2 || !v.Wards[0].Mine || v.Wards[1].Mine || len(v.Wards[0].Shifts) != shiftsAhead || v.Wards[0].Shifts[0].Nurses == nil || v.Wards[0].Shifts[1].Nurses != nil || v.Wards[0].Patients != 1 {
			t.Errorf("got %+v", v.Wards)
		}
		var rules struct{ Rules []beds.Rule }
		p.get(own, "/api/beds/rules", &rules)
		for _, x := range rules.Rules {
			if x.Code == "cleaningMinutes" && (string(x.Value) != `{"general":20}` || len(x.History) != 1 || x.History[0].Reason != "新流程") {
				t.Errorf("got %+v", x)
			}
		}
	})
}

func TestWhoLooksForWhereToReferSeesOtherHospitalsFirst(t *testing.T) {
	p := openPool(t, storetest.Memory, 1) // this hospital has 32 free beds
	level := fhir.Arr{fhir.Obj{"code", fhir.Arr{fhir.Concept(beds.CapacityCode, "level", "")}, "stratum", fhir.Arr{fhir.Obj{"value", fhir.Concept(beds.LevelOf, "general", ""),
		"population", fhir.Arr{fhir.Obj{"code", fhir.Concept(beds.CapacityCode, "free", ""), "count", 0}}}}}}
	county := fhir.New("MeasureReport", "id", "bed-capacity-county", "status", "complete", "type", "summary", "measure", beds.CapacityMeasure, "reporter", fhir.Ref("Organization/county", ""), "period", fhir.Obj{"start", "2026-11-23"},
		"group", fhir.Arr{fhir.Obj{"code", fhir.Concept(spec.Canonical+"/CodeSystem/department", "d00", ""), "stratifier", level}})
	p.put(fhir.New("Organization", "id", "county", "type", fhir.Arr{fhir.Concept("", "prov", "")}, "name", "县医院"))
	if _, err := p.room.Report(context.Background(), p.store); err != nil {
		t.Fatal(err)
	}
	ready, err := store.Prepare(county)
	if err != nil {
		t.Fatal(err)
	}
	p.update(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Put(ctx, store.Put{Op: store.Update, Type: "MeasureReport", ID: county.ID(), Resource: ready, Custodian: "Organization/county"})
		return err
	})
	var v struct{ Rows []directoryRow }
	p.get(at(access.Doctor, "Organization/d00", search.Everything), "/api/beds/directory", &v)
	if len(v.Rows) != 2 || v.Rows[0].Institution != "Organization/county" || v.Rows[0].Own || !v.Rows[1].Own {
		t.Errorf("got %+v; want the county, which is full, before the own hospital, which is not", v.Rows)
	}
}

func BenchmarkBoardOf2000Beds(b *testing.B) {
	p := openPool(b, storetest.Memory, 63) // 63 wards of 32 beds: 2,016
	n := 0
	for w := range 63 {
		for r := range 8 {
			for x := range 3 {
				p.lies(2*n+r%2, fmt.Sprintf("d%02d-r%d-b%d", w, r, x))
				n++
			}
		}
	}
	desk := at("bed-desk", hospital, search.Everything)
	var size, plain int
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			w := p.call(desk, "GET", "/api/beds/board", "", "Accept-Encoding", "gzip")
			size = w.Body.Len()
			if z, err := gzip.NewReader(bytes.NewReader(w.Body.Bytes())); err == nil && plain == 0 {
				all, _ := io.ReadAll(z)
				plain = len(all)
			}
		}
		b.ReportMetric(float64(size), "B/answer")
		b.ReportMetric(float64(plain), "B/plain")
	})
	var v boardView
	p.get(desk, "/api/beds/board", &v)
	b.Run("since", func(b *testing.B) {
		for b.Loop() {
			p.call(desk, "GET", "/api/beds/board?since="+v.Since, "")
		}
	})
	for i := range 500 {
		p.waits(100_000+i, allocate.Request{Specialty: fmt.Sprintf("d%02d", i%63), Urgency: allocate.Urgencies[i%4], Sex: []allocate.Sex{"male", "female"}[i%2], Level: allocate.General, Nursing: "2", Age: 60})
	}
	b.Run("proposals of 500", func(b *testing.B) {
		for b.Loop() {
			if w := p.call(desk, "GET", "/api/beds/proposals", "", "Accept-Encoding", "gzip"); w.Code != 200 {
				b.Fatal(w.Code)
			}
		}
	})
}
