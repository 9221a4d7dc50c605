package lines_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func newFollowed(t testing.TB, open storetest.Open) *world {
	return worldWith(t, open, func(o *store.Options) { o.Derive = append(o.Derive, access.Follow) })
}

func (w *world) begin(who, slug, flow string, answers ...any) (string, error) {
	res, err := w.r.Start(as(who), line.StartCall{Line: slug, Flow: flow, Params: line.Ask(answers...)})
	return res.Task, err
}

func (w *world) mustBegin(who, slug, flow string, answers ...any) string {
	w.Helper()
	task, err := w.begin(who, slug, flow, answers...)
	if err != nil {
		w.Fatalf("%s begins %s: %v", who, slug, err)
	}
	return task
}

func TestAnUnknownPatientIsCaredForAtOnce(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newFollowed(t, open)
		day := w.clock.Now().In(line.Zone()).Format("20060102")
		task := w.mustBegin("county-doctor", "unknown", "identify", "urgency", "emergency", "sex", "male", "age", "45", "found-at", "汽车站", "brought-by", "120 急救")
		temp := w.get(task).Str("for.reference")
		p := w.get(temp)
		if got, want := p.Str("identifier[0].value"), "无名氏-"+day+"-1"; got != want || p.Str("identifier[0].use") != "temp" {
			t.Errorf("called %q; want %q", got, want)
		}
		if got := p.Str("birthDate"); got != fmt.Sprint(w.clock.Now().Year()-45) {
			t.Errorf("born %q; want the year alone", got)
		}
		second := w.mustBegin("centre-doctor", "unknown", "identify")
		if got := w.get(w.get(second).Str("for.reference")).Str("identifier[0].value"); got != "无名氏-"+day+"-2" {
			t.Errorf("the second is called %q", got)
		}
		// the police, the fund and the head's consent are errands of their own
		consent := w.get(line.FactText(w.get(task), "consent-record"))
		if consent.Str("status") != "proposed" || consent.Str("policyRule.coding[0].code") != "authorised-head" {
			t.Errorf("consent %s; want proposed until the head is named", consent.JSON())
		}
		w.must("county-affairs", task, "authorise", "authorised-by", "副院长 王")
		if got := w.get(line.FactText(w.get(task), "consent-record")).Str("status"); got != "active" {
			t.Errorf("consent is %q; want active", got)
		}
		l := w.list("county-insurance", line.Filter{View: line.Mine})
		if len(l.Cases) != 1 || l.Cases[0].Flow != "emergency-fund" {
			t.Errorf("the insurance office has %+v; want the fund", l.Cases)
		}
		if l := w.list("stranger-affairs", line.Filter{Line: "unknown"}); l.Total != 0 {
			t.Errorf("a stranger counts %d", l.Total)
		}
		// care goes on: he is referred as an emergency, with nothing settled
		up := w.mustStart("county-sender", "up", line.Ask("patient", ref(temp), "to", ref("Organization/centre"), "urgency", "emergency", "reason", "昏迷"))
		w.must("centre-doctor", up, "arrive")
		w.turn(3 * time.Hour)
		w.tick()
		if l := w.list("county-affairs", line.Filter{Line: "unknown", View: line.Late}); l.Total != 1 {
			t.Errorf("%d late; want the police errand", l.Total)
		}
		w.must("county-affairs", task, "report-police", "police", "城关派出所", "number", "A-1")
		// it is 张三, whose record the village keeps: only who may read it joins both
		w.wantRefused(w.do("county-affairs", task, "identify", "person", ref("Patient/zhang")), "unknown-patient")
		w.wantRefused(w.do("county-affairs", task, "identify"), "needs-name")
		w.wantRefused(w.do("county-affairs", task, "identify", "name", "张三", "id-number", "990101199001011234"), "bad-id-number")
		w.mustStart("village-sender", "up", form("county", "routine", "documents", "-")) // the county sees him now
		w.must("county-affairs", task, "identify", "person", ref("Patient/zhang"))
		w.wantState(task, "identified")
		if got := w.get(temp); got.Str("link[0].type") != "replaced-by" || got.Str("link[0].other.reference") != "Patient/zhang" {
			t.Errorf("the temporary record says %s", got.JSON())
		}
		// grants follow: the centre, which treats the one, sees the other; a stranger neither
		for _, c := range []struct {
			who, what string
			sees      bool
		}{{"centre-doctor", "Patient/zhang", true}, {"village-doctor", temp, true}, {"stranger-doctor", temp, false}, {"stranger-doctor", "Patient/zhang", false}} {
			_, err := w.read(context.Background(), access.From(as(c.who)).Scope, c.what)
			if (err == nil) != c.sees || err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s reads %s: %v; want %v", c.who, c.what, err, c.sees)
			}
		}
	})
}

func TestNobodyGetsAnothersNumber(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newFollowed(t, open)
		var wg sync.WaitGroup
		var mu sync.Mutex
		given := map[string]int{}
		for range 12 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				task, err := w.begin("county-doctor", "unknown", "identify", "urgency", "emergency")
				if err != nil {
					t.Errorf("an unknown patient was turned away: %v", err)
					return
				}
				number := w.get(w.get(task).Str("for.reference")).Str("identifier[0].value")
				mu.Lock()
				given[number]++
				mu.Unlock()
			}()
		}
		wg.Wait()
		if len(given) != 12 {
			t.Errorf("12 patients have the numbers %v", given)
		}
	})
}

func TestASuspicionIsReportedInTimeAndHidden(t *testing.T) {
	w := newFollowed(t, storetest.Memory)
	w.put(fhir.New("Patient", "id", "child", "name", fhir.Arr{fhir.Obj{"text", "小明"}}, "birthDate", "2020-05-05"), "Organization/county")
	_, err := w.begin("stranger-doctor", "safeguard", "report", "patient", ref("Patient/child"), "kind", "physical", "signs", "多处陈旧瘀伤")
	w.wantRefused(err, "unknown-patient")
	task := w.mustBegin("county-doctor", "safeguard", "report", "patient", ref("Patient/child"), "kind", "physical", "signs", "多处陈旧瘀伤", "danger", true)
	for _, what := range []string{task, w.get(task).Str("focus.reference")} {
		if got := w.get(what).Str("meta.security[0].code"); got != "SDV" {
			t.Errorf("%s is labelled %q; want SDV", what, got)
		}
	}
	for who, want := range map[string]int{"county-affairs": 1, "county-doctor": 0, "county-office": 0, "stranger-affairs": 0} {
		for _, f := range []line.Filter{{Line: "safeguard"}, {}, {View: line.Mine}, {View: line.In}} {
			got := 0
			for _, c := range w.list(who, f).Cases {
				if c.Line == "safeguard" {
					got++
				}
			}
			if n := w.list(who, f).Total; got != want || who != "county-affairs" && n != 0 {
				t.Errorf("%s counts %d (%d) with %+v; want %d", who, got, n, f, want)
			}
		}
	}
	if n := len(w.events); n != 0 {
		t.Errorf("%d events tell of it; want none", n)
	}
	w.wantRefused(w.do("county-doctor", task, "report-abuse", "authority", "police", "station", "城关派出所"), "not-your-step")
	w.turn(25 * time.Hour)
	w.tick()
	if l := w.list("county-affairs", line.Filter{Line: "safeguard", View: line.Late}); l.Total != 1 {
		t.Errorf("%d late after 25 h; want 1", l.Total)
	}
	if n := len(w.events); n != 0 {
		t.Errorf("lateness tells everybody: %d events", n)
	}
	w.must("county-affairs", task, "report-abuse", "authority", "police", "station", "城关派出所")
	w.must("county-affairs", task, "answer-abuse", "answer", "已立案", "measure", "由民政部门临时监护")
	w.must("county-affairs", task, "close", "outcome", "已转民政部门")
	w.wantState(task, "closed")
	if got := w.get(task).Str("meta.security[0].code"); got != "SDV" || !strings.HasPrefix(task, "Task/") {
		t.Errorf("the label is gone: %q", got)
	}
}
