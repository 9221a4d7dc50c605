package lines_test

import (
	"context"
	"testing"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func TestMissingFilingWarnsTheSendersInsuranceOffice(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	task := w.mustStart("village-sender", "up", form("county", "routine", "filing", "to-file", "insurance-place", "某省某市"))
	w.wantState(task, "submitted")
	l := w.list("village-insurance", line.Filter{View: line.Mine})
	if len(l.Cases) != 1 || l.Cases[0].Flow != "insurance-filing" {
		t.Fatalf("%+v; want the errand to file", l.Cases)
	}
	w.must("village-insurance", l.Cases[0].Task, "file", "certificate", "B-1")
	if n := w.list("county-office", line.Filter{View: line.In}).Total; n != 1 {
		t.Errorf("%d for the receiver; want the referral alone", n)
	}
}

func TestFilingGoesToTheNearestInsuranceOffice(t *testing.T) {
	for _, c := range []struct{ name, sender, above, want string }{
		{"a village has none, nor the township above it", "village", "township", "county"},
		{"a township has none", "township", "county", "county"},
		{"a hospital has its own", "county", "", "county"},
		{"with nobody above it stays with the sender", "village", "", "village"},
	} {
		w := newWorld(t, storetest.Memory)
		for id, level := range map[string]string{"village": "village", "township": "township", "county": "county"} {
			org := fhir.New("Organization", "id", id, "active", true, "name", id, "extension", fhir.Arr{fhir.Obj{"url", spec.Canonical + "/StructureDefinition/institution-level", "valueCode", level}})
			if id == "township" {
				org.Set("partOf", ref("Organization/county"))
			} else if id == c.sender && c.above != "" {
				org.Set("partOf", ref("Organization/"+c.above))
			}
			w.put(org, "")
		}
		w.put(fhir.New("Patient", "id", "li", "name", fhir.Arr{fhir.Obj{"text", "李四"}}), "Organization/"+c.sender)
		w.mustStart(c.sender+"-sender", "up", form("centre", "routine", "patient", ref("Patient/li"), "documents", "-", "filing", "to-file", "insurance-place", "某省某市"))
		l := w.list(c.want+"-insurance", line.Filter{View: line.Mine})
		if len(l.Cases) != 1 || l.Cases[0].Flow != "insurance-filing" {
			t.Errorf("%s: %s has %+v; want the errand", c.name, c.want, l.Cases)
			continue
		}
		task := l.Cases[0].Task
		if got := w.get(task).Str("requester.reference"); got != "Organization/"+c.sender {
			t.Errorf("%s: asked by %s; want the sender", c.name, got)
		}
		for _, who := range []string{c.sender, c.want} { // both sides see it
			if _, err := w.read(context.Background(), access.From(as(who+"-sender")).Scope, task); err != nil {
				t.Errorf("%s: %s does not see the errand: %v", c.name, who, err)
			}
		}
		w.must(c.want+"-insurance", task, "file", "certificate", "B-1")
		w.wantState(task, "filed")
	}
}
