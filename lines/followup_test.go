package lines_test

import (
	"context"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// visits are the follow-ups of a way back, in the order of their days.
func (w *world) visits(down string) (tasks []string) {
	w.Helper()
	request := w.get(down).Str("focus.reference")
	err := w.s.View(context.Background(), func(tx *store.Tx) error {
		return tx.Query(context.Background(), "SELECT task FROM line_case WHERE flow = 'follow-up' AND request = ? ORDER BY due, task", []any{request}, func(scan func(...any) error) error {
			var task string
			err := scan(&task)
			tasks = append(tasks, task)
			return err
		})
	})
	if err != nil {
		w.Fatal(err)
	}
	return tasks
}

// home sends a patient up from the village by the county to the centre and back; it returns the way back, arrived.
func (w *world) home(more ...any) (down string) {
	w.Helper()
	up1 := w.mustStart("village-sender", "up", form("county", "routine"))
	w.must("county-office", up1, "receive")
	up2 := w.mustStart("county-sender", "up", form("centre", "urgent", "basedOn", ref(up1)))
	w.must("centre-office", up2, "receive")
	w.must("centre-doctor", up2, "accept", "outcome", "admission", "coordinator", "王护士", "phone", "0990-7654321")
	w.must("county-sender", up2, "depart")
	w.must("centre-office", up2, "arrive")
	w.must("centre-doctor", up2, "treat", "summary", "好转")
	w.must("centre-doctor", up2, "send-back", append([]any{"consent", "patient", "plan", "服药", "red-flags", "胸痛再发", "coordinator", "王护士", "phone", "0990-7654321"}, more...)...)
	w.must("centre-office", up2, "close")
	w.must("county-doctor", up1, "accept", "outcome", "advice", "advice", "已转上级医院")
	w.must("village-sender", up1, "acknowledge")
	down = line.FactText(w.get(up2), "sent-back")
	w.must("village-sender", down, "accept", "coordinator", "李医生", "phone", "0990-1234567")
	w.must("village-sender", down, "arrive")
	return down
}

func TestAFollowUpIsATaskWithItsDay(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		down := w.home()
		visits := w.visits(down)
		first := w.get(visits[0])
		if got, want := first.Str("restriction.period.end"), w.clock.Now().Add(5*24*time.Hour).In(line.Zone()).Format(time.RFC3339); got != want {
			t.Errorf("due %s; want day 3 and two days, %s", got, want)
		}
		if first.Str("owner.reference") != "Organization/village" || first.Str("requester.reference") != "Organization/centre" || first.Str("groupIdentifier.value") != w.get(down).Str("groupIdentifier.value") {
			t.Errorf("follow-up %s; want the village's, asked by the centre, in the same chain", first.JSON())
		}
		if err := w.do("stranger-sender", visits[0], "done", "findings", "x"); err == nil {
			t.Error("a stranger follows up")
		}
		w.turn(3 * 24 * time.Hour)
		w.must("village-sender", visits[0], "lost", "reason", "no-answer")
		w.wantState(visits[0], "lost")
		w.turn(4 * 24 * time.Hour)
		w.must("village-sender", visits[1], "died", "date", "2026-03-05")
		w.wantState(visits[2], "died") // the dead are not called on again
		w.must("village-sender", down, "close")
		w.wantState(down, "closed")
	})
}

func TestAFollowUpNobodyMakesGoesToTheCounty(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		down := w.home("follow-up-days", "3")
		visit := w.visits(down)[0]
		w.turn(5*24*time.Hour + time.Minute)
		w.tick()
		w.wantState(visit, "to-visit") // the head hears of it first
		w.turn(25 * time.Hour)
		w.tick()
		w.wantState(visit, "taken-over")
		over := line.FactText(w.get(visit), "taken-over-by")
		if got := w.get(over).Str("owner.reference"); got != "Organization/county" {
			t.Fatalf("taken over by %s; want the county that lies between", got)
		}
		w.wantRefused(w.do("village-sender", down, "close"), "needs-follow-ups")
		w.turn(10 * 24 * time.Hour)
		w.tick()
		w.tick()
		w.wantState(over, "to-visit") // it stays the county's, and late
		w.must("county-doctor", over, "done", "findings", "电话随访，稳定")
		w.wantState(over, "followed-up-late")
		w.must("village-sender", down, "close")
	})
}

func TestARedFlagComesBackUpWithTheLink(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		down := w.home()
		visits := w.visits(down)
		w.must("village-sender", visits[0], "red-flag", "findings", "夜间胸痛", "flag", "胸痛再发", "up", true) // at any time
		w.wantState(visits[0], "red-flag-up")
		draft := line.FactText(w.get(visits[0]), "up-referral")
		w.wantState(draft, "draft")
		got := w.get(draft)
		request := w.get(got.Str("focus.reference"))
		if got.Str("owner.reference") != "Organization/county" || got.Str("groupIdentifier.value") != w.get(down).Str("groupIdentifier.value") || request.Str("basedOn[0].reference") != w.get(down).Str("focus.reference") {
			t.Fatalf("came up as %s %s; want the county, in the chain, based on the way back", got.JSON(), request.JSON())
		}
		w.wantRefused(w.do("village-sender", draft, "submit"), "needs-coordinator")
		w.must("village-sender", draft, "submit", "phone", "0990-1234567", "consent", "patient")
		w.must("county-office", draft, "receive")
		if w.raised("referral.red-flag") != 2 { // both sides of the follow-up; the county
			t.Errorf("red flags raised %d times; want 2", w.raised("referral.red-flag"))
		}

		w.turn(7 * 24 * time.Hour)
		w.must("village-sender", visits[1], "red-flag", "findings", "意识模糊", "flag", "意识改变", "up", true, "urgency", "emergency")
		if got := line.FactText(w.get(visits[1]), "up-referral"); got != draft {
			t.Errorf("a second red flag begins %s; want the case that is open, %s", got, draft)
		}
		w.must("village-sender", draft, "cancel", "reason", "other")
		w.turn(23 * 24 * time.Hour)
		w.must("village-sender", visits[2], "red-flag", "findings", "意识模糊", "flag", "意识改变", "up", true, "urgency", "emergency")
		sent := line.FactText(w.get(visits[2]), "up-referral")
		w.wantState(sent, "submitted") // an emergency waits for nothing
		if law := w.get(line.FactText(w.get(sent), "consent-record")); law.Str("resourceType") != "Consent" {
			t.Errorf("recorded %s; want the ground of law", law.JSON())
		}
		if err := w.do("centre-office", sent, "receive"); err == nil {
			t.Error("the centre receives what went to the county")
		}
		w.must("county-office", sent, "receive")
	})
}

func TestAMedicineThatIsNotKeptThereNeedsAnother(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	shelf := fhir.New("Organization", "id", "village", "active", true, "name", "village", "extension", fhir.Arr{
		fhir.Extension(spec.Canonical+"/StructureDefinition/available-medicine", "valueString", "阿司匹林")})
	w.put(shelf, "")
	up := w.mustStart("village-sender", "up", form("centre", "emergency"))
	w.must("centre-doctor", up, "treat", "summary", "好转")
	plan := []any{"consent", "patient", "plan", "服药", "red-flags", "胸痛再发", "coordinator", "王护士", "phone", "0990-7654321",
		"medicines", "阿司匹林肠溶片 100mg", "medicines", "替格瑞洛 90mg 每日两次"}
	w.wantRefused(w.do("centre-doctor", up, "send-back", plan...), "needs-instead")
	w.must("centre-doctor", up, "send-back", append(plan, "instead", "带足 30 天药量")...)
	got := w.get(line.FactText(w.get(up), "plan"))
	there := func(i string) string { return got.Str("activity[" + i + "].detail.extension[0].valueBoolean") }
	if there("3") != "true" || there("4") != "false" || got.Str("activity[4].detail.description") != "替格瑞洛 90mg 每日两次（当地无此药：带足 30 天药量）" {
		t.Errorf("plan %s; want one kept there, the other with what instead", got.JSON())
	}
}
