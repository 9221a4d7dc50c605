package hubtest

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"
)

const unlicensed = "cunwei"

// A village without a licensed doctor refers at once; the township's doctor countersigns within a day; late is seen.
func TestWhatUnlicensedStaffSubmitIsCountersigned(t *testing.T) {
	h := New(t)
	ctx := context.Background()
	var patient string
	made := h.Call(unlicensed, "POST", "/fhir/Patient", `{"resourceType":"Patient","name":[{"text":"赵大山"}],"gender":"male"}`, "Prefer", "return=representation")
	var p struct{ ID string }
	made.JSON(t, &p)
	patient = "Patient/" + p.ID

	drug := `{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"reference":"` + patient + `"},"medicationCodeableConcept":{"text":"头孢"}}`
	if a := h.Call(unlicensed, "POST", "/fhir/MedicationRequest", drug); a.Status != 403 || !strings.Contains(string(a.Body), "no-licence") {
		t.Errorf("an unlicensed prescribes: got %d %s; want 403 no-licence", a.Status, a.Body)
	}
	started := h.Call(unlicensed, "POST", "/fhir/Task/$start", Ask("line", "referral", "flow", "up", "patient", patient, "to", "Organization/township-01", "urgency", "routine", "reason", "反复头晕", "diagnosis", "R42", "coordinator", "赵医", "phone", "19901990001"))
	if started.Status != 201 {
		t.Fatalf("refers: got %d %s", started.Status, started.Body)
	}
	if n, err := h.Jobs.Tick(ctx); err != nil || n == 0 {
		t.Fatalf("jobs: got %d, %v; want the case begun", n, err)
	}
	if n, err := h.Jobs.Tick(ctx); err != nil || n != 0 {
		t.Errorf("again: got %d, %v; want nothing twice", n, err)
	}
	find := func(as string) (id string) {
		var b struct {
			Entry []struct{ Resource struct{ ID string } }
		}
		h.Call(as, "GET", "/fhir/Task?code="+url.QueryEscape("https://xinglin.health/fhir/CodeSystem/line|countersign"), "").JSON(t, &b)
		if len(b.Entry) == 0 {
			return ""
		}
		return b.Entry[0].Resource.ID
	}
	id := find(Township)
	if id == "" {
		t.Fatal("the township's doctor sees nothing to countersign")
	}
	if got := find(Stranger); got != "" {
		t.Errorf("a stranger sees the case %s", got)
	}
	if a := h.Call(Township, "GET", "/fhir/"+patient, ""); a.Status != 200 {
		t.Errorf("the township's doctor reads the patient: got %d", a.Status)
	}
	before := h.lastEvent()
	h.Clock.Turn(25 * time.Hour)
	if _, err := h.Runner.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	if got := h.eventsSince(before)["countersign.late"]; got != 1 {
		t.Errorf("a day later: got %d notices that it is late; want one", got)
	}
	if a := h.Call(Township, "POST", "/fhir/Task/"+id+"/$return", Ask("reason", "请补血压")); a.Status != 200 {
		t.Fatalf("returned: got %d %s", a.Status, a.Body)
	}
	if a := h.Call(unlicensed, "POST", "/fhir/Task/"+id+"/$resubmit", Ask("note", "血压 160/95")); a.Status != 200 {
		t.Fatalf("mended: got %d %s", a.Status, a.Body)
	}
	if a := h.Call(Township, "POST", "/fhir/Task/"+id+"/$countersign", Ask("opinion", "同意转诊")); a.Status != 200 || !strings.Contains(string(a.Body), "countersigned") {
		t.Fatalf("countersigned: got %d %s", a.Status, a.Body)
	}
}

func TestALicensedVillageDoctorNeedsNobody(t *testing.T) {
	h := New(t)
	made := h.Call(Village, "POST", "/fhir/Patient", `{"resourceType":"Patient","name":[{"text":"赵二山"}]}`, "Prefer", "return=representation")
	var p struct{ ID string }
	made.JSON(t, &p)
	if a := h.Call(Village, "POST", "/fhir/Task/$start", Ask("line", "referral", "flow", "up", "patient", "Patient/"+p.ID, "to", "Organization/township-01", "urgency", "routine", "reason", "头晕", "diagnosis", "R42", "coordinator", "赵医", "phone", "19901990001")); a.Status != 201 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	if n, err := h.Jobs.Tick(context.Background()); err != nil || n != 0 {
		t.Errorf("got %d jobs, %v; want none", n, err)
	}
}
