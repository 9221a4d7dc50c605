package lines_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/api"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// reads keeps the audit entries of reads.
type reads struct{ entries []audit.Entry }

func (r *reads) Write(context.Context, *store.Tx, audit.Entry) error { return nil }
func (r *reads) Read(_ context.Context, e audit.Entry) error {
	r.entries = append(r.entries, e)
	return nil
}

// page asks the API as somebody and returns status and body.
type page struct {
	*world
	mux http.Handler
	log *reads
}

func newPage(t testing.TB, open storetest.Open) *page {
	p := &page{world: newWorld(t, open), log: &reads{}}
	mux := http.NewServeMux()
	api.Lines{Store: p.s, Runner: p.r, Audit: p.log, Clock: p.clock}.Register(mux)
	p.mux = mux
	return p
}

func (p *page) ask(who, method, url, body string) (int, string) {
	r := httptest.NewRequest(method, url, strings.NewReader(body)).WithContext(as(who))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	p.mux.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func (p *page) json(who, url string) (out map[string]any) {
	p.Helper()
	code, body := p.ask(who, "GET", url, "")
	if code != 200 {
		p.Fatalf("GET %s as %s: %d %s", url, who, code, body)
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		p.Fatalf("GET %s: %v in %s", url, err, body)
	}
	return out
}

func TestPageAPI(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		p := newPage(t, open)
		task := p.mustStart("village-sender", "up", form("county", "urgent", "filing", "to-file"))
		id := strings.TrimPrefix(task, "Task/")
		done := p.mustStart("village-sender", "up", form("township", "routine")) // the township has seen the patient before
		p.must("township-office", done, "decline", "reason", "not-indicated", "advice", "x")
		for _, c := range []struct {
			name, who, method, url, body string
			status                       int
			content, notContent          []string
			patients                     int // named in the audit entry
		}{
			{"lines say what may be started", "county-sender", "GET", "/api/lines", "", 200, []string{`"slug":"referral"`, `"flow":"up"`, `"name":"urgency"`, `"code":"mine"`}, []string{`"flow":"down","name":{"zh":"下转","en":"Down-referral"},"form"`, "basedOn"}, 0},
			{"the owner's office finds it as its own", "county-office", "GET", "/api/lines/referral/worklist?view=mine", "", 200, []string{"张三", "胸痛待查", `"mine":true`, `"state":"submitted"`, `"stateName":{"zh":"待接收"`, `"total":1`}, nil, 1},
			{"so does the first page", "county-office", "GET", "/api/work", "", 200, []string{"张三", `"total":1`}, nil, 1},
			{"the sender sees it going out", "village-sender", "GET", "/api/lines/referral/worklist?view=out", "", 200, []string{"张三", `"mine":false`}, nil, 1},
			{"a patient's name narrows", "county-office", "GET", "/api/lines/referral/worklist?view=in&q=%E5%BC%A0%E4%B8%89", "", 200, []string{"张三"}, nil, 1},
			{"another name finds nothing", "county-office", "GET", "/api/lines/referral/worklist?view=in&q=%E6%9D%8E%E5%9B%9B", "", 200, []string{`"rows":[]`, `"total":0`}, []string{"张三"}, 0},
			{"a stranger's list is empty", "stranger-office", "GET", "/api/lines/referral/worklist?view=in", "", 200, []string{`"rows":[]`, `"total":0`, `"in":0`}, []string{"张三"}, 0},
			{"a stranger finds no case", "stranger-office", "GET", "/api/lines/referral/cases/" + id, "", 404, nil, []string{"张三"}, 0},
			{"a stranger cannot write", "stranger-office", "POST", "/api/lines/referral/cases/" + id + "/messages", `{"text":"hello"}`, 404, nil, nil, 0},
			{"an open case is shown before the form", "village-sender", "GET", "/api/lines/referral/open?patient=Patient/zhang&to=Organization/county", "", 200, []string{`"duplicate":true`, task}, nil, 1},
			{"another institution's is shown as no more than that", "township-sender", "GET", "/api/lines/referral/open?patient=Patient/zhang&to=Organization/county", "", 200, []string{`"duplicate":true`, task, "其他单位"}, []string{"胸痛", "village"}, 1},
			{"of a patient whom one may not see nothing is shown", "stranger-sender", "GET", "/api/lines/referral/open?patient=Patient/zhang&to=Organization/county", "", 200, []string{"[]"}, []string{task}, 0},
			{"to another place it is no duplicate", "village-sender", "GET", "/api/lines/referral/open?patient=Patient/zhang&to=Organization/centre", "", 200, []string{task}, []string{`"duplicate":true`}, 1},
			{"a message is said", "county-office", "POST", "/api/lines/referral/cases/" + id + "/messages", `{"text":"请带既往心电图"}`, 201, []string{"Communication", "请带既往心电图"}, nil, -1},
			{"an empty message is not", "county-office", "POST", "/api/lines/referral/cases/" + id + "/messages", `{"text":" "}`, 422, nil, nil, -1},
			{"an unknown view is refused", "county-office", "GET", "/api/lines/referral/worklist?view=all", "", 400, []string{"unknown-view"}, nil, -1},
			{"an unknown line is refused", "county-office", "GET", "/api/lines/nothing/worklist", "", 404, []string{"unknown-line"}, nil, -1},
			{"numbers", "county-office", "GET", "/api/lines/referral/indicators", "", 200, []string{`"code":"response-urgent"`, `"denominator":1`}, nil, 0},
			{"numbers of another year", "county-office", "GET", "/api/lines/referral/indicators?from=2020-01-01&to=2020-12-31", "", 200, []string{`"denominator":0`}, []string{`"denominator":1`}, 0},
			{"rows behind a number", "county-office", "GET", "/api/lines/referral/indicators/response-urgent/cases", "", 200, []string{`"rows":[]`}, nil, 0},
			{"no rows behind no number", "county-office", "GET", "/api/lines/referral/indicators/luck/cases", "", 404, []string{"unknown-indicator"}, nil, -1},
		} {
			p.log.entries = nil
			code, body := p.ask(c.who, c.method, c.url, c.body)
			if code != c.status {
				t.Errorf("%s: %d %s; want %d", c.name, code, body, c.status)
			}
			for _, s := range c.content {
				if !strings.Contains(body, s) {
					t.Errorf("%s: no %q in %s", c.name, s, body)
				}
			}
			for _, s := range c.notContent {
				if strings.Contains(body, s) {
					t.Errorf("%s: %q in %s", c.name, s, body)
				}
			}
			if c.status == 200 && c.patients >= 0 && (len(p.log.entries) != 1 && c.url != "/api/lines" || len(p.log.entries) == 1 && len(p.log.entries[0].Patients) != c.patients) {
				t.Errorf("%s: audit %+v; want one entry with %d patients", c.name, p.log.entries, c.patients)
			}
		}
	})
}

func TestCaseTellsEverything(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		p := newPage(t, open)
		up := p.mustStart("village-sender", "up", form("centre", "routine", "filing", "to-file"))
		url := "/api/lines/referral/cases/" + strings.TrimPrefix(up, "Task/")
		p.turn(65 * time.Minute)
		p.must("centre-office", up, "receive", "department", "心内科")
		if code, body := p.ask("centre-office", "POST", url+"/messages", `{"text":"请带片子"}`); code != 201 {
			t.Fatal(code, body)
		}
		v := p.json("centre-doctor", url)
		text := func(path string) string {
			n, err := fhir.Parse(must(json.Marshal(v)))
			if err != nil {
				t.Fatal(err)
			}
			return n.Str(path)
		}
		for path, want := range map[string]string{
			"row.state": "received", "row.mine": "true", "coordinators[0].name": "李医生", "coordinators[0].side": "from",
			"path[0].step": "send", "path[0].stayed": "PT1H5M", "path[0].by.name": "village-sender", "path[1].note": "接收：心内科",
			"open[0].do": "accept", "open[0].primary": "true", "open[0].form.fields[0].name": "outcome", "waiting.actor.reference": "Organization/centre",
			"packet.complete": "true", "packet.items[0].reference": "DocumentReference/summary/_history/1", "packet.items[0].kind": "document", "packet.items[0].title": "病历摘要",
			"insurance.filing": "to-file", "insurance.warning.zh": "尚未备案，请医保办在结算前补办；不影响就诊",
			"chain[0].current": "true", "messages[0].text": "请带片子", "messages[0].by.name": "centre-office", "messages[0].by.org": "centre",
			"request.resourceType": "ServiceRequest", "task.resourceType": "Task",
		} {
			if got := text(path); got != want {
				t.Errorf("%s is %q; want %q", path, got, want)
			}
		}
		if len(text("packet.hash")) != 64 {
			t.Error("the packet has no hash")
		}
		p.must("centre-doctor", up, "accept", "outcome", "clinic", "coordinator", "王", "phone", "0990-7654321")
		p.must("centre-office", up, "arrive")
		p.must("centre-doctor", up, "send-back", "consent", "patient", "plan", "控制血压", "red-flags", "胸痛", "coordinator", "王", "phone", "0990-7654321")
		v = p.json("village-sender", url)
		if text("plan.resourceType") != "CarePlan" || text("outcome.outcome.zh") != "门诊号源" || text("outcome.outcome.en") != "Clinic slot" || text("chain[2].flow")+text("chain[1].flow") == "" {
			t.Errorf("plan %q, outcome %q", text("plan.resourceType"), text("outcome.outcome.zh"))
		}
		l := p.list("village-insurance", line.Filter{View: line.Mine})
		p.must("village-insurance", l.Cases[0].Task, "file", "certificate", "B-1")
		if v = p.json("village-sender", url); text("insurance.filing") != "filed" || text("insurance.warning.zh") != "" {
			t.Errorf("insurance %s; want filed without warning", text("insurance.filing"))
		}
	})
}

func TestWorklistPagesAndOrder(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		p := newPage(t, open)
		send := func(name, from, urgency string) {
			p.put(fhir.New("Patient", "id", name, "name", fhir.Arr{fhir.Obj{"text", name}}), "Organization/"+from)
			p.mustStart(from+"-sender", "up", form("county", urgency, "patient", fhir.Obj{"reference", "Patient/" + name}, "documents", "-"))
		}
		names := func(view string, count int) (order string) {
			f := line.Filter{View: view, Count: count}
			for {
				l := p.list("county-office", f)
				for _, c := range l.Cases {
					order += strings.TrimPrefix(c.Patient, "Patient/") + " "
				}
				if f.Cursor = l.Next; f.Cursor == "" {
					return strings.TrimSpace(order)
				}
			}
		}
		send("routine-late", "village", "routine")
		p.turn(24*time.Hour - 3*time.Hour)
		send("urgent-late", "village", "urgent")
		p.turn(3*time.Hour - 30*time.Minute)
		send("emergency-late", "village", "emergency")
		p.turn(31 * time.Minute)
		send("routine", "village", "routine")
		send("urgent", "village", "urgent")
		send("emergency", "village", "emergency")
		want := "emergency-late urgent-late routine-late emergency urgent routine"
		for _, count := range []int{50, 2, 1} { // the same order through pages
			if got := names(line.Mine, count); got != want {
				t.Errorf("%d a page: got %s; want %s", count, got, want)
			}
		}
		if got := names(line.Late, 50); got != "emergency-late urgent-late routine-late" {
			t.Errorf("late: got %s", got)
		}
		l := p.list("county-office", line.Filter{View: line.Mine, Urgency: "emergency", Count: 1})
		if l.Total != 2 || len(l.Cases) != 1 || l.Next == "" || l.Counts != (line.Counts{Mine: 6, In: 6, Late: 3, Open: 6, MineLate: 3}) {
			t.Errorf("got %+v; want two emergencies and all counted", l)
		}
	})
}

// Who is on one hop of a chain sees the others in the same words; who sees the patient nowhere sees none.
func TestEveryHopOfTheChainIsShown(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		p := newPage(t, open)
		first := p.mustStart("village-sender", "up", form("county", "urgent"))
		p.must("county-office", first, "receive")
		second := p.mustStart("county-sender", "up", form("centre", "urgent", "basedOn", ref(first)))
		p.must("centre-office", second, "redirect", "to", ref("Organization/centre2"), "reason", "capacity-full", "consent", "patient")
		draft := p.mustStart("county-sender", "up", form("output", "routine", "basedOn", ref(first), "draft", true))
		hops := func(who, task string) (text string) {
			v := p.json(who, "/api/lines/referral/cases/"+strings.TrimPrefix(task, "Task/"))
			for _, h := range v["chain"].([]any) {
				h := h.(map[string]any)
				text += h["from"].(map[string]any)["display"].(string) + ">" + h["to"].(map[string]any)["display"].(string) + " " + h["stateName"].(map[string]any)["zh"].(string) + "; "
			}
			return text
		}
		want := "village>county 已接收; county>centre 已转他院; county>centre2 待接收; "
		for who, task := range map[string]string{"village-sender": first, "centre-office": second} {
			if got := hops(who, task); got != want {
				t.Errorf("%s: got %s; want %s", who, got, want)
			}
		}
		if got := hops("county-office", first); got != want+"county>output 草稿; " {
			t.Errorf("county: got %s; want its draft too", got)
		}
		for _, task := range []string{first, second, draft} {
			for _, who := range []string{"stranger-office", "output-office"} {
				if code, body := p.ask(who, "GET", "/api/lines/referral/cases/"+strings.TrimPrefix(task, "Task/"), ""); code != 404 || strings.Contains(body, "village") {
					t.Errorf("%s: %d %s; want 404", who, code, body)
				}
			}
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestAnAnswerThatOpensAStepIsAnsweredInItsForm(t *testing.T) {
	p := newPage(t, storetest.Memory)
	task := p.mustStart("village-sender", "up", form("county", "routine"))
	for _, step := range p.json("county-doctor", "/api/lines/referral/cases/"+strings.TrimPrefix(task, "Task/"))["open"].([]any) {
		s := step.(map[string]any)
		if s["do"] != "accept" {
			continue
		}
		outcome := s["form"].(map[string]any)["fields"].([]any)[0].(map[string]any)
		if options := outcome["options"].([]any); outcome["name"] != "outcome" || outcome["default"] != "advice" || len(options) != 1 {
			t.Errorf("got %v; want advice as the only answer, since the office has not received the case", outcome)
		}
		return
	}
	t.Error("a doctor cannot advise on a submitted referral")
}
