package lines_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/indicator"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func TestThereAndBack(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		up1 := w.mustStart("village-sender", "up", form("county", "routine"))
		w.wantState(up1, "submitted")
		w.must("county-office", up1, "receive", "department", "心内科")
		up2 := w.mustStart("county-sender", "up", form("centre", "urgent", "basedOn", ref(up1)))
		if a, b := w.get(up1).Str("groupIdentifier.value"), w.get(up2).Str("groupIdentifier.value"); a != b || a == "" {
			t.Fatalf("requisitions %q and %q; want one chain", a, b)
		}
		w.must("centre-office", up2, "receive")
		w.must("centre-doctor", up2, "accept", "outcome", "admission", "coordinator", "王护士", "phone", "0990-7654321")
		w.must("county-sender", up2, "depart")
		w.must("centre-office", up2, "arrive")
		w.must("centre-doctor", up2, "admit", "reason", "急性心肌梗死")
		w.must("centre-doctor", up2, "treat", "summary", "PCI 术后恢复良好")
		w.must("centre-doctor", up2, "send-back", "consent", "patient", "plan", "抗血小板、控制血压", "red-flags", "胸痛再发", "medicines", "阿司匹林 100mg 每日一次", "coordinator", "王护士", "phone", "0990-7654321")
		w.must("centre-office", up2, "close")
		w.wantState(up2, "closed")
		down := line.FactText(w.get(up2), "sent-back")
		if got := w.get(down).Str("owner.reference"); got != "Organization/village" {
			t.Fatalf("sent back to %s; want the village where the chain began", got)
		}
		w.must("village-sender", down, "accept", "coordinator", "李医生", "phone", "0990-1234567")
		w.must("village-sender", down, "arrive")
		visits := w.visits(down)
		if len(visits) != 3 || w.raised("referral.plan-visit") != 0 {
			t.Fatalf("follow-ups %v; want three, quietly", visits)
		}
		w.turn(72 * time.Hour)
		w.must("village-sender", down, "follow-up", "findings", "无不适", "red-flag", true) // told on the way back, it ends the Task of these days
		w.wantState(visits[0], "red-flag")
		w.must("village-sender", down, "follow-up", "findings", "血压平稳") // nobody's day: only told
		w.wantState(visits[1], "to-visit")
		w.wantRefused(w.do("village-sender", down, "close"), "needs-follow-ups")
		w.wantRefused(w.do("village-sender", visits[1], "done", "findings", "好"), "too-early")
		w.turn(4 * 24 * time.Hour)
		w.must("village-sender", visits[1], "done", "findings", "血压平稳", "result", "improved")
		w.turn(23 * 24 * time.Hour)
		w.must("village-sender", visits[2], "done", "findings", "血压平稳")
		w.must("village-sender", down, "close")
		w.wantState(down, "closed")
		plan := w.get(line.FactText(w.get(down), "plan"))
		for _, i := range []string{"0", "1", "2"} {
			if plan.Str("activity["+i+"].detail.status") != "completed" {
				t.Errorf("plan %s; want all follow-ups done", plan.JSON())
			}
		}
		if w.raised("referral.red-flag") != 2 { // of the way back, and of its follow-up
			t.Errorf("red flags raised %d times; want 2", w.raised("referral.red-flag"))
		}
		if got, want := w.sprint(down), "offer→offered accept→accepted arrive→arrived follow-up→followed-up follow-up→followed-up follow-up→followed-up follow-up→followed-up close→closed"; got != want {
			t.Errorf("history %s; want %s", got, want)
		}
	})
}

func TestStepsAndWhoMayTakeThem(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		task := w.mustStart("village-sender", "up", form("county", "routine"))
		for _, c := range []struct{ name, who, step, refused string }{
			{"the sender cannot receive his own referral", "village-sender", "receive", "not-your-step"},
			{"a doctor does not receive a routine referral", "county-doctor", "receive", "not-your-step"},
			{"the office cannot accept", "county-office", "accept", "missing-field"},
			{"nobody departs before acceptance", "village-sender", "depart", "not-your-step"},
			{"an unknown step names the open ones", "county-office", "fly", "step-not-open"},
			{"a step of a later state names the open ones", "county-doctor", "no-show", "step-not-open"},
		} {
			err := w.do(c.who, task, c.step)
			if err == nil {
				t.Errorf("%s: done; want %s", c.name, c.refused)
				continue
			}
			if c.name == "the office cannot accept" || c.name == "nobody departs before acceptance" {
				var no *fhir.Error
				if !errors.As(err, &no) {
					t.Errorf("%s: got %v", c.name, err)
				}
				continue
			}
			w.wantRefused(err, c.refused)
		}
		err := w.do("county-office", task, "fly")
		if !strings.Contains(err.Error(), "receive by owner") || !strings.Contains(err.Error(), "cancel by requester") {
			t.Errorf("refusal %q; want the open steps named", err)
		}
		if err := w.do("stranger-office", task, "receive"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a stranger's step: %v; want not found", err)
		}
		w.wantState(task, "submitted")
	})
}

func TestRules(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	w.put(fhir.New("Patient", "id", "other"), "Organization/village")
	w.put(fhir.New("Patient", "id", "unseen"), "Organization/stranger")
	w.put(fhir.New("DocumentReference", "id", "others", "status", "current", "subject", fhir.Ref("Patient/other", ""), "content", fhir.Arr{fhir.Obj{"attachment", fhir.Obj{"title", "x"}}}), "Organization/village")
	for _, c := range []struct {
		name, urgency, refused string
		more                   []any
	}{
		{"needs another institution", "routine", "same-institution", []any{"to", ref("Organization/village")}},
		{"needs a known institution", "routine", "unknown-organization", []any{"to", ref("Organization/nowhere")}},
		{"needs a coordinator", "routine", "missing-field", []any{"coordinator", "-"}},
		{"needs a telephone that is one", "routine", "bad-field", []any{"phone", "call me"}},
		{"needs a reason", "routine", "missing-field", []any{"reason", "-"}},
		{"needs a complete packet", "routine", "packet-incomplete", []any{"documents", ref("DocumentReference/half")}},
		{"needs documents of this patient", "routine", "other-patient", []any{"documents", ref("DocumentReference/others")}},
		{"needs documents that exist", "emergency", "unknown-document", []any{"documents", ref("DocumentReference/none")}},
		{"needs a patient whom the sender may see", "routine", "unknown-patient", []any{"patient", ref("Patient/unseen"), "documents", "-"}},
		{"needs a known urgency", "whenever", "bad-field", nil},
		{"takes no unknown field", "routine", "unknown-field", []any{"colour", "red"}},
		{"continues only one's own case", "routine", "not-your-case", []any{"basedOn", ref("Task/none")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.start("village-sender", "up", form("county", c.urgency, c.more...))
			w.TB = t
			w.wantRefused(err, c.refused)
		})
	}
	w.TB = t
	t.Run("a draft waits for what is missing", func(t *testing.T) {
		w.TB = t
		task := w.mustStart("village-sender", "up", line.Ask("patient", ref("Patient/zhang"), "to", ref("Organization/county"), "draft", true, "documents", ref("DocumentReference/half")))
		w.wantState(task, "draft")
		if _, err := w.read(as("county-office"), access.From(as("county-office")).Scope, task); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the owner reads a draft: %v; want not found", err)
		}
		w.wantRefused(w.do("village-sender", task, "submit"), "needs-coordinator")
		w.wantRefused(w.do("village-sender", task, "submit", "coordinator", "李", "phone", "0990-1234567"), "needs-reason")
		w.wantRefused(w.do("village-sender", task, "submit", "coordinator", "李", "phone", "0990-1234567", "reason", "胸痛"), "packet-incomplete")
		w.put(w.get("DocumentReference/half").Set("docStatus", "final"), "")
		w.wantRefused(w.do("village-sender", task, "submit", "coordinator", "李", "phone", "0990-1234567", "reason", "胸痛"), "needs-consent")
		w.must("village-sender", task, "submit", "coordinator", "李", "phone", "0990-1234567", "reason", "胸痛", "consent", "patient")
		got := w.get(task)
		if line.FactText(got, "packet") != "DocumentReference/half/_history/2" || len(line.FactText(got, "packet-hash")) != 64 {
			t.Errorf("packet %s with hash %q; want the version frozen", line.FactText(got, "packet"), line.FactText(got, "packet-hash"))
		}
		w.must("village-sender", task, "cancel", "reason", "mistake")
	})
}

func TestEmergencyWaitsForNothing(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	task := w.mustStart("village-sender", "up", form("county", "emergency", "coordinator", "-", "phone", "-", "documents", ref("DocumentReference/half")))
	w.must("village-sender", task, "depart")
	w.turn(16 * time.Minute)
	if w.tick(); w.raised("referral.late") != 1 {
		t.Error("a departed patient whom nobody has received is not seen as late")
	}
	w.must("county-office", task, "receive")
	w.wantState(task, "in-transit")
	w.must("county-doctor", task, "accept", "outcome", "emergency")
	w.must("county-doctor", task, "arrive")
	w.must("county-doctor", task, "treat", "summary", "溶栓")
	w.wantState(task, "treated")
	if got := line.FactText(w.get(task), "filing"); got != "emergency" {
		t.Errorf("filing %q; want emergency, which counts as filed", got)
	}
	second := newWorld(t, storetest.Memory)
	task = second.mustStart("village-sender", "up", form("county", "emergency"))
	second.must("county-doctor", task, "treat", "summary", "现场处置")
	second.wantState(task, "treated")
}

func TestDeclinedNeedsReasonAndAdvice(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	task := w.mustStart("village-sender", "up", form("county", "routine"))
	w.wantRefused(w.do("county-office", task, "decline", "reason", "capacity-full"), "missing-field")
	w.must("county-office", task, "decline", "reason", "not-indicated", "advice", "继续口服药物，两周复查")
	w.wantState(task, "declined")
	if got := w.get(w.get(task).Str("focus.reference")).Str("status"); got != "revoked" {
		t.Errorf("request is %s; want revoked", got)
	}
	w.mustStart("village-sender", "up", form("county", "urgent"))
}

func TestAdviceIsAnAnswer(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	task := w.mustStart("village-sender", "up", form("county", "routine"))
	w.must("county-doctor", task, "accept", "outcome", "advice", "advice", "无需来院，调整用药")
	w.wantState(task, "advised")
	w.must("village-sender", task, "acknowledge")
	w.wantState(task, "closed")
}

func TestRedirectKeepsTheChain(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		first := w.mustStart("village-sender", "up", form("centre", "urgent"))
		w.wantRefused(w.do("village-sender", first, "redirect", "to", ref("Organization/centre2"), "reason", "closer", "consent", "patient"), "not-late")
		w.wantRefused(w.do("centre-office", first, "redirect", "to", ref("Organization/village"), "reason", "closer", "consent", "patient"), "same-institution")
		w.must("centre-office", first, "redirect", "to", ref("Organization/centre2"), "reason", "capacity-full", "consent", "patient")
		w.wantState(first, "redirected")
		next := line.FactText(w.get(first), "redirected-to")
		a, b := w.get(first), w.get(next)
		for _, path := range []string{"groupIdentifier.value", "for.reference", "requester.reference"} {
			if a.Str(path) != b.Str(path) || a.Str(path) == "" {
				t.Errorf("%s: %q, then %q; want the same", path, a.Str(path), b.Str(path))
			}
		}
		if line.FactText(a, "packet-hash") != line.FactText(b, "packet-hash") || line.FactText(b, "packet-hash") == "" {
			t.Error("the packet did not go along")
		}
		request := w.get(b.Str("focus.reference"))
		if request.Str("replaces[0].reference") != a.Str("focus.reference") || request.Str("basedOn[0].reference") != a.Str("focus.reference") {
			t.Errorf("request %s; want basedOn and replaces the first", request.JSON())
		}
		if _, err := w.read(as("centre2-office"), access.From(as("centre2-office")).Scope, "Patient/zhang"); err != nil {
			t.Errorf("the next hospital reads the patient: %v", err)
		}
		w.wantRefused(w.do("centre2-office", next, "redirect", "to", ref("Organization/centre"), "reason", "capacity-full", "consent", "patient"), "been-there")
		w.must("centre2-office", next, "receive")
	})
}

func TestDuplicateIsRefusedAndNamed(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		var won, refused atomic.Int32
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				_, err := w.start("village-sender", "up", form("county", "routine"))
				var no *fhir.Error
				switch {
				case err == nil:
					won.Add(1)
				case errors.As(err, &no) && no.Issues[0].Detail == "open-case-exists" && strings.HasPrefix(no.Issues[0].Expression, "Task/"):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || refused.Load() != 31 {
			t.Errorf("%d won, %d refused; want 1 and 31", won.Load(), refused.Load())
		}
		if _, err := w.start("village-sender", "up", form("centre", "routine")); err != nil {
			t.Errorf("to another place: %v", err)
		}
	})
}

func TestOneStepHasOneWinner(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		task := w.mustStart("village-sender", "up", form("county", "routine"))
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				if err := w.do("county-office", task, "receive"); err == nil {
					won.Add(1)
				} else if no := (*fhir.Error)(nil); !errors.As(err, &no) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d winners; want 1", won.Load())
		}
		if got := w.sprint(task); got != "send→submitted receive→received" {
			t.Errorf("history %s", got)
		}
		if w.raised("referral.receive") != 1 {
			t.Errorf("%d events; want 1", w.raised("referral.receive"))
		}
	})
}

func TestRepeatedCommandChangesNothingTwice(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		call := line.StartCall{Line: "referral", Flow: "up", Params: form("county", "routine"), Key: "k1"}
		first, err := w.r.Start(as("village-sender"), call)
		if err != nil {
			t.Fatal(err)
		}
		again, err := w.r.Start(as("village-sender"), call)
		if err != nil || again.Task != first.Task || string(again.JSON) != string(first.JSON) || !again.Repeated {
			t.Fatalf("again: %+v, %v; want the same answer", again, err)
		}
		call.Params = form("centre", "routine")
		_, err = w.r.Start(as("village-sender"), call)
		w.wantRefused(err, "key-reused")
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				res, err := w.r.Do(as("county-office"), line.DoCall{Task: first.Task, Step: "receive", Key: "k2"})
				if err != nil || res.Version != 2 {
					t.Errorf("repeated step: version %d, %v; want 2", res.Version, err)
				}
			})
		}
		wg.Wait()
		w.must("county-office", first.Task, "decline", "reason", "not-indicated", "advice", "继续口服药物，两周复查")
		var starts [16]line.Result // whose answer was lost and who asked again while the first was still on its way
		for i := range starts {
			wg.Go(func() {
				var err error
				if starts[i], err = w.r.Start(as("village-sender"), line.StartCall{Line: "referral", Flow: "up", Params: form("county", "routine"), Key: "k3"}); err != nil {
					t.Errorf("repeated start: %v", err)
				}
			})
		}
		wg.Wait()
		for _, s := range starts {
			if s.Task != starts[0].Task {
				t.Fatalf("16 starts with one key: %s and %s; want one case", starts[0].Task, s.Task)
			}
		}
	})
}

func TestLostUpdateIsRefused(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	task := w.mustStart("village-sender", "up", form("county", "routine"))
	w.must("county-office", task, "receive")
	_, err := w.r.Do(as("county-office"), line.DoCall{Task: task, Step: "route", Params: line.Ask("department", "心内科"), IfMatch: `W/"1"`})
	w.wantRefused(err, "changed-meanwhile")
	if _, err := w.r.Do(as("county-office"), line.DoCall{Task: task, Step: "route", Params: line.Ask("department", "心内科"), IfMatch: `W/"2"`}); err != nil {
		t.Error(err)
	}
}

func TestOnlyStepsChangeATask(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	task := w.mustStart("village-sender", "up", form("county", "routine"))
	n := w.get(task).Set("status", "completed")
	ready, err := store.Prepare(n)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, p := range []store.Put{
		{Op: store.Update, Type: "Task", ID: n.ID(), Resource: ready},
		{Op: store.Delete, Type: "Task", ID: n.ID()},
		{Op: store.Update, Type: "Task", ID: "forged", Resource: ready},
		{Op: store.Delete, Type: "ServiceRequest", ID: strings.TrimPrefix(n.Str("focus.reference"), "ServiceRequest/")},
	} {
		err := w.s.Update(ctx, func(tx *store.Tx) error { _, err := tx.Put(ctx, p); return err })
		w.wantRefused(err, "only-by-steps")
		if p.ID == n.ID() && !strings.Contains(err.Error(), "$receive") {
			t.Errorf("refusal %q; want the open steps named", err)
		}
	}
}

func TestLateClimbsTheLadderOnce(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		task := w.mustStart("village-sender", "up", form("county", "urgent"))
		w.turn(2*time.Hour - time.Second)
		if n := w.tick(); n != 0 {
			t.Fatalf("%d moved before the time; want 0", n)
		}
		w.turn(2 * time.Second)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { w.r.Tick(context.Background()) })
		}
		wg.Wait()
		if w.raised("referral.late") != 1 {
			t.Fatalf("late raised %d times; want 1", w.raised("referral.late"))
		}
		if got := w.get(task).Str("meta.tag[0].code"); got != "late" {
			t.Errorf("tag %q; want late", got)
		}
		if n := len(w.list("county-office", line.Filter{View: line.Late}).Cases); n != 1 {
			t.Errorf("%d late in the worklist; want 1", n)
		}
		w.turn(2 * time.Hour)
		w.tick()
		w.turn(2 * time.Hour)
		w.tick()
		w.turn(2 * time.Hour)
		w.tick()
		if w.raised("referral.late") != 3 {
			t.Errorf("late raised %d times; want one for each of 3 rungs", w.raised("referral.late"))
		}
		w.must("village-sender", task, "redirect", "to", ref("Organization/centre"), "reason", "no-answer", "consent", "patient")
		w.wantState(task, "redirected")
		if w.get(task).Get("meta.tag") != nil {
			t.Error("the mark stays after the state has changed")
		}
	})
}

func TestSilentTownshipLosesTheWayBackToItsCounty(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	up := w.mustStart("village-sender", "up", form("centre", "routine"))
	w.must("centre-office", up, "receive")
	w.must("centre-doctor", up, "accept", "outcome", "clinic", "coordinator", "王", "phone", "0990-7654321")
	w.must("centre-office", up, "arrive")
	down := w.mustStart("centre-doctor", "down", line.Ask("basedOn", ref(up), "to", ref("Organization/township"), "plan", "康复", "consent", "patient", "red-flags", "胸痛", "coordinator", "王", "phone", "0990-7654321"))
	w.turn(25 * time.Hour)
	w.tick()
	w.wantState(down, "offered")
	w.turn(24 * time.Hour)
	w.tick()
	w.wantState(down, "redirected")
	next := line.FactText(w.get(down), "redirected-to")
	w.wantState(next, "accepted")
	if got := w.get(next).Str("owner.reference"); got != "Organization/county" {
		t.Errorf("taken over by %s; want the county", got)
	}
}

func TestLapsedReferralExpires(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	task := w.mustStart("village-sender", "up", form("county", "routine"))
	w.turn(15 * 24 * time.Hour)
	for range 5 {
		w.tick()
	}
	w.wantState(task, "expired")
	w.mustStart("village-sender", "up", form("county", "routine"))
}

func TestOutToTheOutputHospitalAndBack(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	w.mustStart("village-sender", "up", form("centre", "routine"))
	propose := func(urgency string) *fhir.Node {
		return form("output", urgency, "cause", "technique-absent", "technique", "ECMO 桥接移植")
	}
	task := w.mustStart("centre-doctor", "out", propose("routine"))
	w.wantState(task, "proposed")
	if n := w.list("output-office", line.Filter{View: line.In}).Total; n != 0 {
		t.Errorf("the output hospital sees %d before approval; want 0", n)
	}
	w.wantRefused(w.do("centre-doctor", task, "approve"), "not-your-step")
	w.must("centre-affairs", task, "approve")
	if w.raised("technique.wanted") != 1 {
		t.Error("an absent technique wants an event")
	}
	w.must("output-doctor", task, "accept", "coordinator", "陈", "phone", "0991-1234567")
	w.wantRefused(w.do("centre-office", task, "depart", "escort", "张医生、刘护士"), "missing-field")
	w.must("centre-office", task, "depart", "escort", "张医生、刘护士", "signed", true)
	w.must("output-office", task, "arrive", "signed", true)
	w.turn(23 * time.Hour)
	w.must("output-doctor", task, "report", "word", "生命体征平稳")
	w.turn(23 * time.Hour)
	if w.tick(); w.raised("referral.late") > 1 { // the village's own referral is late by now
		t.Error("a daily word renews the time")
	}
	w.must("output-doctor", task, "return", "plan", "抗排异", "red-flags", "发热")
	w.must("centre-office", task, "close")
	w.wantState(task, "closed")

	rush := w.mustStart("centre-doctor", "out", propose("emergency"))
	w.wantState(rush, "submitted")
	w.must("centre-office", rush, "depart")
	w.must("output-office", rush, "arrive")
	w.must("output-doctor", rush, "return", "plan", "观察", "red-flags", "发热")
	w.wantRefused(w.do("centre-office", rush, "close"), "needs-approval")
	w.must("centre-affairs", rush, "approve")
	w.must("centre-office", rush, "close")
}

func TestAStrangerSeesNothing(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	w.mustStart("village-sender", "up", form("county", "routine"))
	for _, v := range []string{line.Mine, line.In, line.Out, line.Late, line.Closed} {
		if l := w.list("stranger-office", line.Filter{View: v}); l.Total != 0 || len(l.Cases) != 0 {
			t.Errorf("view %s: a stranger counts %d", v, l.Total)
		}
	}
	ctx := as("stranger-office")
	w.s.View(ctx, func(tx *store.Tx) error {
		if n, err := w.r.Count(ctx, tx, access.From(ctx), ""); n != (line.Counts{}) || err != nil {
			t.Errorf("a stranger counts %+v, %v", n, err)
		}
		return nil
	})
}

func TestAllLinesCountAsEachOne(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		late := w.mustStart("village-sender", "up", form("county", "urgent"))
		w.must("county-office", late, "receive")
		w.mustStart("county-sender", "up", form("centre", "routine"))
		w.clock.Turn(3 * time.Hour)
		counted := 0
		for _, who := range []string{"village-sender", "county-office", "county-doctor", "centre-office", "stranger-office"} {
			ctx := as(who)
			w.s.View(ctx, func(tx *store.Tx) error {
				all, err := w.r.CountLines(ctx, tx, access.From(ctx))
				if err != nil || len(all) != len(w.r.Lines) {
					t.Fatalf("%s: %d lines, %v; want %d", who, len(all), err, len(w.r.Lines))
				}
				for slug, got := range all {
					want, err := w.r.Count(ctx, tx, access.From(ctx), slug)
					if got != want || err != nil {
						t.Errorf("%s, %s: got %+v in one pass; want %+v, %v", who, slug, got, want, err)
					}
					counted += got.Open
				}
				return nil
			})
		}
		if counted == 0 {
			t.Error("nobody counts anything")
		}
	})
}

func TestMineIsWhatWaitsForMyRole(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	task := w.mustStart("village-sender", "up", form("county", "routine"))
	want := func(who string, n int) {
		t.Helper()
		if got := w.list(who, line.Filter{View: line.Mine}).Total; got != n {
			t.Errorf("%s has %d; want %d", who, got, n)
		}
	}
	want("county-office", 1)
	want("county-doctor", 0)
	want("village-sender", 0)
	w.must("county-office", task, "receive")
	want("county-office", 0)
	want("county-doctor", 1)
	w.must("county-doctor", task, "accept", "outcome", "clinic", "coordinator", "王", "phone", "0990-7654321")
	want("village-sender", 1)
}

func TestNumbersAndTheirRowsAreOneQuery(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	task := w.mustStart("village-sender", "up", form("county", "routine"))
	w.turn(time.Hour)
	w.must("county-office", task, "receive")
	w.must("county-doctor", task, "accept", "outcome", "clinic", "coordinator", "王", "phone", "0990-7654321")
	late := w.mustStart("village-sender", "up", form("centre", "routine"))
	w.turn(30 * time.Hour)
	w.must("centre-office", late, "receive")
	ctx := as("village-sender")
	var facts []indicator.Fact
	err := w.s.View(ctx, func(tx *store.Tx) (err error) {
		facts, err = w.r.Facts(ctx, tx, access.From(ctx), "referral", nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"response-routine": 50, "response-median": 15.5 * 60, "acceptance": 100, "redirects": 0, "down-referrals": 0}
	for _, d := range w.r.Line("referral").Indicators {
		v := indicator.Evaluate(&d, facts, time.Time{}, time.Time{})
		if x, ok := want[d.Code]; ok && (v.Value == nil || *v.Value != x) {
			t.Errorf("%s is %v; want %v", d.Code, v.Value, x)
		}
		if len(v.Tasks) != v.Numerator {
			t.Errorf("%s: %d rows behind %d", d.Code, len(v.Tasks), v.Numerator)
		}
	}
}
