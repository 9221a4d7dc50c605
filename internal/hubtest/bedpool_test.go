package hubtest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// pool is a hub whose centre has a ward of cardiology and one of respiratory medicine that lends.
type pool struct{ *Hub }

func withBeds(t testing.TB) pool { return withBedsOn(New(t)) }

func withBedsOn(hub *Hub) pool {
	h := pool{hub}
	place := func(id, kind, name, above, org string, says ...any) *fhir.Node {
		n := fhir.New("Location", "id", id, "extension", fhir.Arr(says), "status", "active", "name", name, "mode", "instance", "physicalType", fhir.Concept(beds.PhysicalType, kind, ""))
		if above != "" {
			n.Set("partOf", fhir.Ref("Location/"+above, ""))
		}
		if org != "" {
			n.Set("managingOrganization", fhir.Ref("Organization/"+org, ""))
		}
		return n
	}
	all := []*fhir.Node{}
	for _, w := range []string{"cardiology", "respiratory"} {
		all = append(all, place("p-"+w, "wa", w, "centre-east-lake", "centre-"+w, fhir.Extension(beds.SpecialtyOf, "valueCode", w), fhir.Extension(beds.LendsOf, "valueBoolean", true)),
			place("p-"+w+"-1", "ro", "101", "p-"+w, "", fhir.Extension(beds.SexOf, "valueCode", "mixed")),
			place("p-"+w+"-1-1", "bd", "1 床", "p-"+w+"-1", "", fhir.Extension(beds.LevelOf, "valueCode", "general")),
			place("p-"+w+"-1-2", "bd", "2 床", "p-"+w+"-1", "", fhir.Extension(beds.LevelOf, "valueCode", "general")))
	}
	h.write(all...)
	return h
}

func (h pool) write(nodes ...*fhir.Node) {
	h.T.Helper()
	ctx := context.Background()
	err := h.Store.Update(ctx, func(tx *store.Tx) error {
		for _, n := range nodes {
			ready, err := store.Prepare(n)
			if err != nil {
				return err
			}
			if _, err := tx.Put(ctx, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: ready, Custodian: "Organization/centre"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.T.Fatal(err)
	}
}

// as is somebody of the centre: a role at one of its organisations.
func (h pool) as(role, org string) context.Context {
	c := &access.Caller{User: role + "@" + org, Name: role, Practitioner: "Practitioner/" + role + "-" + org, Role: access.Role(role), Org: "Organization/" + org}
	h.Tree.Settle(c)
	return access.With(context.Background(), c)
}

func (h pool) try(ctx context.Context, task, step string, pairs ...any) error {
	_, err := h.Runner.Do(ctx, Do(task, step, pairs...))
	return err
}

func (h pool) must(ctx context.Context, task, step string, pairs ...any) {
	h.T.Helper()
	if err := h.try(ctx, task, step, pairs...); err != nil {
		h.T.Fatalf("%s: %v", step, err)
	}
}

func (h pool) node(ref string) (n *fhir.Node) {
	h.T.Helper()
	h.view(func(ctx context.Context, tx *store.Tx) error {
		typ, id, _ := strings.Cut(ref, "/")
		v, err := tx.Read(ctx, search.Everything, typ, id)
		if err != nil {
			return err
		}
		n, err = fhir.Parse(v.JSON)
		return err
	})
	return n
}

func (h pool) stateOf(bed string) (state string) {
	for _, x := range h.node("Location/" + bed).All("extension") {
		if x.Str("url") == beds.StateOf {
			state = x.Str("valueCode")
		}
	}
	return state
}

// patient is one that the heart doctor has written, and his request for a bed.
func (h pool) asks(patient string) string {
	h.T.Helper()
	a := h.Call(CentreReceiver, "POST", "/fhir/Task/$start", Ask("line", "bedpool", "flow", "admission", "patient", patient, "urgency", "urgent", "reason", "慢性心力衰竭急性加重", "diagnosis", "I50.9", "nursing", "2"))
	var task struct{ ID string }
	if a.JSON(h.T, &task); a.Status != 201 {
		h.T.Fatalf("asks: %d %s", a.Status, a.Body)
	}
	if b := h.Call(CentreReceiver, "POST", "/fhir/Task/"+task.ID+"/$admit", Ask("reason", "收住院")); b.Status != 200 {
		h.T.Fatalf("order: %d %s", b.Status, b.Body)
	}
	return "Task/" + task.ID
}

func TestALentBedFromAskingToSettlement(t *testing.T) {
	h := withBeds(t)
	ctx := context.Background()
	desk, host, home := h.as("bed-desk", "centre"), h.as("nurse", "centre-respiratory"), h.as("nurse", "centre-cardiology")
	made := h.Call(CentreReceiver, "POST", "/fhir/Patient", `{"resourceType":"Patient","name":[{"text":"杜借床"}],"gender":"male","birthDate":"1961-04-05"}`, "Prefer", "return=representation")
	var p struct{ ID string }
	made.JSON(t, &p)
	patient := "Patient/" + p.ID
	task := h.asks(patient)

	bed := "Location/p-respiratory-1-1"
	err := h.try(desk, task, "hold-bed", "bed", bed)
	if err == nil || !strings.Contains(err.Error(), "not known") { // nobody has said what the ward can bear
		t.Fatalf("a ward whose shift nobody has set lends: %v", err)
	}
	err = h.Store.Update(host, func(tx *store.Tx) error {
		c := access.From(h.as("head-nurse", "centre-respiratory"))
		_, err := h.Beds.SetShift(host, tx, c, "Location/p-respiratory", tx.Now(), 3, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h.must(desk, task, "hold-bed", "bed", bed)
	if s := h.stateOf("p-respiratory-1-1"); s != "held" && s != "lent" {
		t.Errorf("the bed is %s", s)
	}
	h.must(desk, task, "confirm")
	h.must(host, task, "take-in")
	stay := line.FactText(h.node(task), "stay")
	encounter := line.FactText(h.node(stay), "encounter")
	if s := h.stateOf("p-respiratory-1-1"); s != "lent" {
		t.Errorf("the bed is %s; want lent", s)
	}
	if e := h.node(encounter); e.Str("serviceProvider.reference") != "Organization/centre-cardiology" {
		t.Errorf("the stay is provided by %s", e.Str("serviceProvider.reference"))
	}

	sees := func(by context.Context, ref string) bool {
		typ, id, _ := strings.Cut(ref, "/")
		found := false
		err := h.Store.View(by, func(tx *store.Tx) error {
			_, err := tx.Read(by, access.From(by).Scope, typ, id)
			found = err == nil
			return nil
		})
		return found && err == nil
	}
	other := h.as("nurse", "centre-neurology")
	for _, ref := range []string{patient, stay, encounter} {
		if !sees(host, ref) || !sees(home, ref) || !sees(desk, ref) {
			t.Errorf("%s: the host ward, the home department and the desk see it: %v %v %v", ref, sees(host, ref), sees(home, ref), sees(desk, ref))
		}
		if sees(other, ref) {
			t.Errorf("a third department sees %s", ref)
		}
	}
	h.Run([]Scenario{
		{Name: "a stranger opens no stay", As: Stranger, URL: "/fhir/" + stay, Status: 404, Audit: 1, NotContent: []string{"杜借床"}},
		{Name: "and counts none", As: Stranger, URL: "/fhir/Task?code=https://xinglin.health/fhir/CodeSystem/line|bedpool&_summary=count", Status: 200, Content: []string{`"total":0`}, Audit: 1},
		{Name: "nor by the line's worklist", As: Stranger, URL: "/api/lines/bedpool/worklist", Status: 200, NotContent: []string{"杜借床", stay}, Audit: -1},
		{Name: "a plain write of a stay is refused", As: CentreReceiver, Method: "DELETE", URL: "/fhir/" + stay, Status: 422, Content: []string{"only-by-steps"}, Audit: -1},
	})
	audited := false
	for _, e := range h.Entries() {
		audited = audited || e.What == "step:bedpool/admission/take-in" && len(e.Patients) == 1 && e.Patients[0] == patient
	}
	if !audited {
		t.Error("the step left no audit entry about the patient")
	}

	// he is moved home, and leaves; the bed is cleaned
	h.Clock.Turn(36 * time.Hour)
	h.must(desk, stay, "move", "bed", "Location/p-cardiology-1-1", "reason", "本科有床")
	if s := h.stateOf("p-respiratory-1-1"); s != "cleaning" {
		t.Errorf("the bed that he left is %s", s)
	}
	h.must(home, stay, "discharge", "to", "home")
	if s := h.stateOf("p-cardiology-1-1"); s != "cleaning" {
		t.Errorf("the bed that he left is %s", s)
	}

	// for the same disease within 15 days
	h.Clock.Turn(10 * 24 * time.Hour)
	again := h.asks(patient)
	h.must(desk, again, "hold-bed", "bed", "Location/p-cardiology-1-2")
	h.must(home, again, "take-in")
	second := line.FactText(h.node(again), "stay")
	for range 3 {
		if _, err := h.Jobs.Tick(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if got := line.Fact(h.node(second), "flag").Str("coding[0].code"); got != "readmission" {
		t.Errorf("the second stay is flagged %q; want readmission", got)
	}

	// the month is drawn up once, and confirmed by both directors
	h.Clock.Turn(10 * 24 * time.Hour) // December
	for range 2 {
		if err := h.SettleMonth(ctx); err != nil {
			t.Fatal(err)
		}
	}
	director, theirs := h.as("director", "centre-cardiology"), h.as("director", "centre-respiratory")
	list := h.worklist(director)
	if len(list) != 1 {
		t.Fatalf("%d settlements; want one", len(list))
	}
	sheet := h.node(list[0])
	if line.FactText(sheet, "days") != "1.5" || line.FactText(sheet, "patients") != "1" || line.FactText(sheet, "month") != "2026-11" || strings.Contains(string(sheet.JSON()), p.ID) {
		t.Errorf("the sheet is %s", sheet.JSON())
	}
	if err := h.try(h.as("director", "centre-neurology"), list[0], "sign"); err == nil {
		t.Error("a third director confirms")
	}
	h.must(theirs, list[0], "sign")
	h.must(director, list[0], "sign")
	if line.StateOf(h.node(list[0])) != "settled" {
		t.Error("not settled")
	}
}

func TestAnObservationEndsInABed(t *testing.T) {
	h := withBeds(t)
	made := h.Call(CentreReceiver, "POST", "/fhir/Patient", `{"resourceType":"Patient","name":[{"text":"留观者"}],"gender":"female","birthDate":"1971-04-05"}`, "Prefer", "return=representation")
	var p struct{ ID string }
	made.JSON(t, &p)
	start := func(by context.Context, flow string, pairs ...any) string {
		t.Helper()
		res, err := h.Runner.Start(by, line.StartCall{Line: "bedpool", Flow: flow, Params: Do("", "", pairs...).Params})
		if err != nil {
			t.Fatal(err)
		}
		return res.Task
	}
	o := start(h.As(CentreReceiver), "observation", "patient", "Patient/"+p.ID, "reason", "胸闷")
	start(h.as("nurse", "centre-cardiology"), "stay", "patient", "Patient/"+p.ID, "bed", "Location/p-cardiology-1-1", "reason", "急性心梗")
	for range 3 {
		if _, err := h.Jobs.Tick(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if s := line.StateOf(h.node(o)); s != "admitted" {
		t.Errorf("the observation is %s; want admitted", s)
	}
}

// worklist are the settlements that somebody sees.
func (h pool) worklist(by context.Context) (tasks []string) {
	h.T.Helper()
	err := h.Store.View(by, func(tx *store.Tx) error {
		facts, err := h.Runner.Facts(by, tx, access.From(by), "bedpool", nil)
		for _, f := range facts {
			if f.Flow == "settlement" {
				tasks = append(tasks, f.Task)
			}
		}
		return err
	})
	if err != nil {
		h.T.Fatal(err)
	}
	return tasks
}
