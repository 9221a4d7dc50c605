package hubtest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/hubtest"
)

func TestBreakGlassOpensCountsAndIsLookedAtAgain(t *testing.T) {
	h := hubtest.New(t)
	number := ""
	for _, p := range h.Region.Patients {
		if p.ID == "p0001" {
			number = p.IDNumber
		}
	}
	ask := func(pairs ...any) string {
		return hubtest.Ask(append([]any{"reason", "emergency", "text", "昏迷，需了解既往史"}, pairs...)...)
	}
	const at = "/fhir/Patient/$break-glass"
	h.Run([]hubtest.Scenario{
		{Name: "closed", As: hubtest.Stranger, URL: "/fhir/Patient/p0001", Status: 404, Audit: -1},
		{Name: "a desk does not break glass", As: hubtest.CountyOffice, Method: "POST", URL: at, Body: ask("patient", "Patient/p0001"), Status: 403, Content: []string{"clinicians-only"}, Audit: -1},
		{Name: "nor an administrator", As: hubtest.Administrator, Method: "POST", URL: at, Body: ask("patient", "Patient/p0001"), Status: 403, Audit: -1},
		{Name: "a reason is needed", As: hubtest.Stranger, Method: "POST", URL: at, Body: hubtest.Ask("patient", "Patient/p0001", "text", "昏迷，需了解既往史"), Status: 422, Content: []string{"reason-needed"}, Audit: -1},
		{Name: "in words", As: hubtest.Stranger, Method: "POST", URL: at, Body: hubtest.Ask("patient", "Patient/p0001", "reason", "emergency"), Status: 422, Audit: -1},
		{Name: "a name finds nobody", As: hubtest.Stranger, Method: "POST", URL: at, Body: ask("identifier", "张"), Status: 422, Audit: -1},
		{Name: "an unknown number is audited", As: hubtest.Stranger, Method: "POST", URL: at, Body: ask("identifier", "999999190001010000"), Status: 404, Content: []string{"unknown-patient"}, Audit: 2},
		{Name: "the number opens", As: hubtest.Stranger, Method: "POST", URL: at, Body: ask("identifier", number), Status: 200, Content: []string{"Patient/p0001", "until"}, Events: map[string]int{"secondlook.opened": 1}, Audit: 1},
		{Name: "the patient", As: hubtest.Stranger, URL: "/fhir/Patient/p0001", Status: 200, Audit: -1},
		{Name: "and the record, whoever keeps it", As: hubtest.Stranger, URL: "/fhir/Condition/p0001-condition-1", Status: 200, Audit: -1},
		{Name: "of that patient", As: hubtest.Stranger, URL: "/fhir/Patient/p0002", Status: 404, Audit: -1},
		{Name: "not for the next department", As: "xiezuojiezhen", URL: "/fhir/Patient/p0001", Status: 404, Audit: -1},
	})
	list := struct {
		Rows []struct{ Task string }
	}{}
	h.Call(hubtest.Stranger, "GET", "/api/lines/secondlook/worklist?view=out", "").JSON(t, &list)
	if len(list.Rows) != 1 {
		t.Fatalf("who opened it sees his case: got %v", list.Rows)
	}
	task := strings.TrimPrefix(list.Rows[0].Task, "Task/")
	h.Run([]hubtest.Scenario{
		{Name: "a case needs a judge", As: hubtest.Stranger, Method: "POST", URL: "/fhir/Task/" + task + "/$justify", Body: hubtest.Ask("note", "对"), Status: 403, Audit: -1},
		{Name: "strangers see no case", As: hubtest.CentreReceiver, URL: "/fhir/Task/" + task, Status: 404, Audit: -1},
	})
	leader := h.Region.Institution("group").Who("leader", "")
	ctx := h.AsPerson(leader)
	himself := *access.From(ctx) // who opened it has since been given a post there
	himself.Practitioner = h.Region.Account(hubtest.Stranger).Person.Caller().Practitioner
	for _, do := range []string{"justify", "ask", "reject"} {
		if _, err := h.Runner.Do(access.With(context.Background(), &himself), hubtest.Do(task, do, "note", "可以")); err == nil || !strings.Contains(err.Error(), "somebody else judges") {
			t.Errorf("%s of one's own look: got %v; want own-case", do, err)
		}
	}
	if _, err := h.Runner.Do(ctx, hubtest.Do(task, "ask", "note", "请说明为何未联系本院")); err != nil {
		t.Fatalf("the patient's hospital asks: %v", err)
	}
	h.Run([]hubtest.Scenario{
		{Name: "who opened explains", As: hubtest.Stranger, Method: "POST", URL: "/fhir/Task/" + task + "/$explain", Body: hubtest.Ask("note", "夜间急诊，电话无人接听"), Status: 200, Audit: -1},
	})
	h.Clock.Turn(73 * time.Hour)
	if _, err := h.Runner.Tick(context.Background()); err != nil {
		t.Fatal(err)
	}
	h.Run([]hubtest.Scenario{
		{Name: "closed again by the clock", As: hubtest.Stranger, URL: "/fhir/Patient/p0001", Status: 404, Audit: -1},
		{Name: "opened once more", As: hubtest.Stranger, Method: "POST", URL: at, Body: ask("patient", "Patient/p0001"), Status: 200, Audit: 1},
	})
	h.Call(hubtest.Stranger, "GET", "/api/lines/secondlook/worklist?view=out", "").JSON(t, &list)
	for _, row := range list.Rows {
		if id := strings.TrimPrefix(row.Task, "Task/"); id != task {
			if _, err := h.Runner.Do(ctx, hubtest.Do(id, "reject", "note", "无紧急情形")); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.Run([]hubtest.Scenario{{Name: "an improper look closes at once", As: hubtest.Stranger, URL: "/fhir/Patient/p0001", Status: 404, Audit: -1}})
	for i := range 4 {
		if a := h.Call(hubtest.Stranger, "POST", at, ask("patient", "Patient/p0002")); a.Status != 200 {
			t.Fatalf("%d: %d %s", i, a.Status, a.Body)
		}
	}
	h.Run([]hubtest.Scenario{{Name: "so many a day and no more", As: hubtest.Stranger, Method: "POST", URL: at, Body: ask("patient", "Patient/p0003"), Status: 429, Content: []string{"break-glass-limit"}, Audit: -1}})
}

func TestAFurtherReasonOpensAGuardedKind(t *testing.T) {
	h := hubtest.New(t)
	put := `{"resourceType":"Condition","id":"low","code":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"F32.1"}],"text":"抑郁发作"},"subject":{"reference":"Patient/p0001"}}`
	reason := hubtest.Ask("reason", "treatment", "text", "本次调整用药需要", "kinds", "psychiatry")
	h.Run([]hubtest.Scenario{
		{Name: "written", As: hubtest.Village, Method: "PUT", URL: "/fhir/Condition/low", Body: put, Status: 201, Audit: -1},
		{Name: "and closed, also to who wrote it", As: hubtest.Village, URL: "/fhir/Condition/low", Status: 404, Audit: -1},
		{Name: "not counted", As: hubtest.Village, URL: "/fhir/Condition?_id=low&_total=accurate", Status: 200, Content: []string{`"total":0`}, Audit: -1},
		{Name: "a stranger learns nothing", As: hubtest.Stranger, Method: "POST", URL: "/fhir/Patient/p0001/$further-reason", Body: reason, Status: 404, Audit: -1},
		{Name: "the same as of nobody", As: hubtest.Stranger, Method: "POST", URL: "/fhir/Patient/nobody/$further-reason", Body: reason, Status: 404, Audit: -1},
		{Name: "a kind is named", As: hubtest.Village, Method: "POST", URL: "/fhir/Patient/p0001/$further-reason", Body: hubtest.Ask("reason", "treatment", "text", "本次调整用药需要"), Status: 422, Content: []string{"kinds-needed"}, Audit: -1},
		{Name: "with a reason", As: hubtest.Village, Method: "POST", URL: "/fhir/Patient/p0001/$further-reason", Body: reason, Status: 200, Content: []string{"until"}, Audit: 1},
		{Name: "it opens", As: hubtest.Village, URL: "/fhir/Condition/low", Status: 200, Audit: -1},
		{Name: "for him alone", As: hubtest.Township, URL: "/fhir/Condition/low", Status: 404, Audit: -1},
	})
	h.Clock.Turn(13 * time.Hour)
	h.Run([]hubtest.Scenario{{Name: "for hours", As: hubtest.Village, URL: "/fhir/Condition/low", Status: 404, Audit: -1}})
}
