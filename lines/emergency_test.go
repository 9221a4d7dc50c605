package lines_test

import (
	"context"
	"testing"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/lines"
)

// Nothing is there: no agreement, no licence, no acceptance, no packet, no bed, no coordinator, no escort, no signature,
// no approval, no consent of anybody, and the patient is a child. Departure, arrival and treatment go on.
func TestDepartureArrivalAndTreatmentWaitForNothing(t *testing.T) {
	none := func(w *world) {
		w.put(fhir.New("Patient", "id", "child", "name", fhir.Arr{fhir.Obj{"text", "小明"}}, "gender", "male", "birthDate", "2020-05-05"), "Organization/village")
		w.r.Agreed = func(context.Context, *store.Tx, string, string, string) error {
			return fhir.Refuse(422, "business-rule", "no-agreement", "none", "没有协议")
		}
		w.r.Allowed = func(context.Context, *store.Tx, *access.Caller, string) error {
			return fhir.Refuse(403, "forbidden", "no-licence", "none", "没有执照")
		}
	}
	type walk struct {
		name, flow, sender string
		steps              [][]any // who, step, answers…
	}
	for _, c := range []walk{
		{"at once there", "up", "village-sender", [][]any{{"county-doctor", "arrive"}, {"county-doctor", "treat", "summary", "抢救"}}},
		{"treated where nobody has received", "up", "village-sender", [][]any{{"county-doctor", "treat", "summary", "抢救"}}},
		{"on the way unanswered", "up", "village-sender", [][]any{{"village-sender", "depart"}, {"county-office", "arrive"}, {"county-doctor", "treat", "summary", "抢救"}}},
		{"received, not accepted", "up", "village-sender", [][]any{{"county-office", "receive"}, {"village-sender", "depart"}, {"county-office", "arrive"}, {"county-doctor", "treat", "summary", "抢救"}}},
		{"on the way, then received", "up", "village-sender", [][]any{{"village-sender", "depart"}, {"county-doctor", "receive"}, {"county-doctor", "treat", "summary", "抢救"}}},
		{"accepted on the way", "up", "village-sender", [][]any{{"village-sender", "depart"}, {"county-doctor", "accept", "outcome", "emergency"}, {"county-doctor", "arrive"}}},
		{"sent elsewhere by the receiver, anywhere", "up", "village-sender", [][]any{{"county-office", "redirect", "to", ref("Organization/stranger"), "reason", "capacity-full"}}},
		{"sent elsewhere by the sender, not late yet", "up", "village-sender", [][]any{{"village-sender", "redirect", "to", ref("Organization/stranger"), "reason", "closer"}}},
		{"out at once, unsigned, unapproved", "out", "village-office", [][]any{{"village-office", "depart"}, {"county-office", "arrive"}, {"county-office", "report", "word", "平稳"}}},
		{"out, arrived before anybody moved", "out", "village-office", [][]any{{"county-office", "arrive"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, storetest.Memory)
			none(w)
			ask := []any{"patient", ref("Patient/child"), "to", ref("Organization/county"), "urgency", "emergency", "reason", "昏迷"}
			if c.flow == "out" {
				ask = append(ask, "cause", "complication")
			}
			task := w.mustStart(c.sender, c.flow, line.Ask(ask...))
			for _, s := range c.steps {
				w.must(s[0].(string), task, s[1].(string), s[2:]...)
			}
			consent := w.get(line.FactText(w.get(task), "consent-record"))
			if got := consent.Str("policyRule.coding[0].code"); got != "emergency" || consent.Get("performer") != nil {
				t.Errorf("recorded as %q; want the ground of law of an emergency and nobody's consent", got)
			}
		})
	}
	t.Run("and the table lets them from every state", func(t *testing.T) {
		for _, f := range lines.All[0].Flows {
			if f.Code != "up" && f.Code != "out" {
				continue
			}
			known := func(field string) string { return map[string]string{"urgency": "emergency"}[field] }
			for _, s := range f.States {
				if s.Kind != flow.Open || s.Status == "draft" || s.Waits == flow.Requester && s.Code == "returned" || s.Code == "advised" || s.Code == "arrived" || s.Code == "treated" {
					continue
				}
				if _, err := f.Find("arrive", s.Code, flow.Owner, "receiving-doctor", known); err != nil {
					t.Errorf("%s: a patient cannot arrive from %s: %v", f.Code, s.Code, err)
				}
			}
		}
	})
	t.Run("what is no emergency does wait", func(t *testing.T) {
		w := newWorld(t, storetest.Memory)
		none(w)
		w.r.Allowed = nil
		_, err := w.start("village-sender", "up", form("county", "urgent", "patient", ref("Patient/child"), "documents", "-"))
		w.wantRefused(err, "no-agreement")
		w.r.Agreed = nil
		for _, c := range []struct {
			refused string
			more    []any
		}{{"needs-guardian", nil}, {"needs-consent", []any{"consent", "-"}}, {"missing-field", []any{"consent", "guardian"}}, {"missing-field", []any{"consent", "statutory"}},
			{"needs-guardian", []any{"consent", "patient", "self-supporting", true}}} {
			_, err := w.start("village-sender", "up", form("county", "urgent", append([]any{"patient", ref("Patient/child"), "documents", "-"}, c.more...)...))
			w.wantRefused(err, c.refused)
		}
		task := w.mustStart("village-sender", "up", form("county", "urgent", "patient", ref("Patient/child"), "documents", "-", "consent", "guardian", "guardian", "小明的母亲"))
		consent := w.get(line.FactText(w.get(task), "consent-record"))
		if consent.Str("provision.actor[0].reference.reference") != "Organization/county" || consent.Str("policyRule.coding[0].code") != "separate-consent" {
			t.Errorf("the Consent says %s; want the county and separate consent", consent.JSON())
		}
	})
	t.Run("from sixteen on one's own income one consents oneself", func(t *testing.T) {
		w := newWorld(t, storetest.Memory)
		born := w.clock.Now().AddDate(-16, -1, 0).Format("2006-01-02")
		w.put(fhir.New("Patient", "id", "young", "name", fhir.Arr{fhir.Obj{"text", "小红"}}, "birthDate", born), "Organization/village")
		_, err := w.start("village-sender", "up", form("county", "urgent", "patient", ref("Patient/young"), "documents", "-"))
		w.wantRefused(err, "needs-guardian")
		w.mustStart("village-sender", "up", form("county", "urgent", "patient", ref("Patient/young"), "documents", "-", "self-supporting", true))
	})
}
