package hubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/registry"
)

func TestRegistryAnswersWhoAndWhat(t *testing.T) {
	h := New(t)
	h.Run([]Scenario{
		{Name: "nobody asks without a login", URL: "/api/registry/catalogue", Status: 401, Audit: -1},
		{Name: "the catalogue has acts and posts", As: Village, URL: "/api/registry/catalogue", Status: 200, Content: []string{"业务主任", "prescribe-narcotic", "三级甲等", `"verified":true`}, Audit: -1},
		{Name: "who was clinical director of cardiology on 3 January", As: CountyDoctor, URL: "/api/registry/who?org=Organization/centre-cardiology&post=clinical-director&at=2026-01-03", Status: 200, Content: []string{"post-centre-cardiology-clinical-before"}, Audit: -1},
		{Name: "and on 3 March", As: CountyDoctor, URL: "/api/registry/who?org=Organization/centre-cardiology&post=clinical-director&at=2026-03-03", Status: 200, Content: []string{`PractitionerRole/post-centre-cardiology-clinical"`}, NotContent: []string{"clinical-before"}, Audit: -1},
		{Name: "as known before the hub was made", As: CountyDoctor, URL: "/api/registry/who?org=Organization/centre-cardiology&post=clinical-director&at=2026-03-03&known=2020-01-01", Status: 200, Content: []string{`"held":[]`}, Audit: -1},
		{Name: "a post that does not exist", As: CountyDoctor, URL: "/api/registry/who?org=Organization/centre-cardiology&post=king", Status: 422, Content: []string{"unknown-post"}, Audit: -1},
		{Name: "a day that does not exist", As: CountyDoctor, URL: "/api/registry/who?org=Organization/centre-cardiology&at=2026-02-30", Status: 400, Content: []string{"bad-date"}, Audit: -1},
		{Name: "the people of a hospital, with licences", As: Administrator, URL: "/api/registry/people?org=Organization/centre", Status: 200, Content: []string{"执业医师", "dispatch-neurology", "filing"}, Audit: 1},
		{Name: "unlicensed village staff may record and refer only", As: "cunwei", URL: "/api/registry/acts", Status: 200, Content: []string{`"code":"refer","name":{"zh":"提出转诊","en":"Refer"},"may":true`, `"refusal":"no-licence"`}, Audit: -1},
		{Name: "partners are found by what they can do", As: Village, URL: "/api/registry/partners?q=" + url.QueryEscape("神经外科"), Status: 200, Content: []string{"杏州区域医疗中心", "南屿一附院"}, Audit: -1},
		{Name: "the template is a workbook", As: Village, URL: "/api/registry/template", Status: 200, Content: []string{"PK"}, Audit: -1},
		{Name: "only administrators import", As: CountyDoctor, Method: http.MethodPost, URL: "/api/registry/import?name=x.csv", Body: "x", Status: 403, Audit: -1},
		{Name: "a number that fits nothing is refused by FHIR, too", As: Administrator, Method: http.MethodPut, URL: "/fhir/Organization/centre-new", Body: `{"resourceType":"Organization","id":"centre-new","name":"x","partOf":{"reference":"Organization/centre"},"identifier":[{"system":"` + registry.CreditCode + `","value":"91350100M000100Y44"}]}`, Status: 422, Content: []string{"bad-credit-code", "Organization.identifier[0].value"}, Audit: -1},
	})
}

func TestASpreadsheetIsTakenWholeOrNotAtAll(t *testing.T) {
	h := New(t)
	take := func(as, csv string, apply bool) map[string]any {
		t.Helper()
		u := "/api/registry/import?name=x.csv"
		if apply {
			u += "&apply=true"
		}
		a := h.Call(as, http.MethodPost, u, csv, "Content-Type", "text/csv")
		if a.Status != 200 {
			t.Fatalf("got %d %s", a.Status, a.Body)
		}
		var out map[string]any
		a.JSON(t, &out)
		return out
	}
	people := "机构编码,工号,姓名\ncentre,N001,新来甲\ncentre,N002,新来乙\n"
	if out := take(Administrator, people, false); out["applied"] != false || fmt.Sprint(out["counts"]) != "map[changed:0 created:2 unchanged:0]" {
		t.Errorf("a dry run: got %v", out)
	}
	bad := people + "output,N003,别院的\n"
	if out := take(Administrator, bad, true); out["applied"] != false || !strings.Contains(fmt.Sprint(out["problems"]), "outside-your-organisations") {
		t.Errorf("one bad row: got %v; want nothing applied", out)
	}
	if out := take(Administrator, people, true); out["applied"] != true {
		t.Errorf("applied: got %v", out)
	}
	entries := 0
	for _, e := range h.Entries() {
		if e.What == "registry-import" {
			entries++
		}
	}
	if entries != 1 {
		t.Errorf("got %d audit entries of the import; want one", entries)
	}
	if out := take(Administrator, people, true); fmt.Sprint(out["counts"]) != "map[changed:0 created:0 unchanged:2]" {
		t.Errorf("the same again: got %v", out["counts"])
	}
}

func TestAnInstitutionAndItsPeopleComeTogether(t *testing.T) {
	h := New(t)
	csv := func(as, body string) Answer {
		return h.Call(as, http.MethodPost, "/api/registry/import?name=x.csv&apply=true", body, "Content-Type", "text/csv")
	}
	sheet := "机构编码,名称,上级机构编码\ncentre-clinic,东湖门诊部,centre\ncentre-clinic-2,东湖二部,centre-clinic\n"
	if a := csv(Administrator, sheet); a.Status != 200 || !strings.Contains(string(a.Body), `"applied":true`) {
		t.Errorf("a new branch and its branch: got %d %s", a.Status, a.Body)
	}
	if p, _ := h.Tree.Place("Organization/centre-clinic-2"); p.Parent != "Organization/centre-clinic" {
		t.Errorf("got %+v; want it in the tree", p)
	}
}

func TestAdministratorsWriteTheirOwnPartOfTheRegistersOnly(t *testing.T) {
	h := New(t)
	own, foreign := h.Region.Account(CentreReceiver).Person, h.Region.Account(CountyDoctor).Person
	role := func(org string) string {
		return `{"resourceType":"PractitionerRole","active":true,"practitioner":{"reference":"` + own.Ref() + `"},"organization":{"reference":"` + org + `"},"code":[{"coding":[{"system":"` + registry.PostSystem + `","code":"director"}]}]}`
	}
	h.Run([]Scenario{
		{Name: "a post in the own house", As: Administrator, Method: http.MethodPost, URL: "/fhir/PractitionerRole", Body: role("Organization/centre-cardiology"), Status: 201, Audit: -1},
		{Name: "not in another's", As: Administrator, Method: http.MethodPost, URL: "/fhir/PractitionerRole", Body: role("Organization/county-1-cardiology"), Status: 403, Content: []string{"outside-your-organisations"}, Audit: -1},
		{Name: "nor moved there", As: Administrator, Method: http.MethodPut, URL: "/fhir/PractitionerRole/post-centre-cardiology-clinical", Body: strings.Replace(role("Organization/county-1-cardiology"), `"active"`, `"id":"post-centre-cardiology-clinical","active"`, 1), Status: 403, Audit: -1},
		{Name: "nobody ends another's", As: Administrator, Method: http.MethodDelete, URL: "/fhir/PractitionerRole/" + foreign.ID, Status: 403, Audit: -1},
		{Name: "nor changes another hospital's person", As: Administrator, Method: http.MethodPut, URL: "/fhir/Practitioner/" + foreign.ID, Body: `{"resourceType":"Practitioner","id":"` + foreign.ID + `","active":false}`, Status: 403, Audit: -1},
		{Name: "nor its capabilities", As: Administrator, Method: http.MethodPut, URL: "/fhir/HealthcareService/county-1-cardiology", Body: `{"resourceType":"HealthcareService","id":"county-1-cardiology","active":false,"providedBy":{"reference":"Organization/county-1-cardiology"}}`, Status: 403, Audit: -1},
		{Name: "doctors write no registers", As: CentreReceiver, Method: http.MethodPost, URL: "/fhir/PractitionerRole", Body: role("Organization/centre-cardiology"), Status: 403, Audit: -1},
	})
}

func TestADispatchedDoctorActsWhileHeIsThere(t *testing.T) {
	h := New(t)
	doctor := h.Region.Account("paizhu").Person
	may := func(act, org string) string {
		t.Helper()
		var out struct {
			Acts []struct {
				Code, Refusal string
				May           bool
			}
		}
		h.Call(Administrator, "GET", "/api/registry/acts?person="+doctor.Ref()+"&org="+org, "").JSON(t, &out)
		for _, a := range out.Acts {
			if a.Code == act {
				if a.May {
					return "may"
				}
				return a.Refusal
			}
		}
		return "?"
	}
	const here = "Organization/centre-neurology"
	for _, c := range []struct {
		rule  string
		turn  time.Duration
		act   string
		want  string
		where string
	}{
		{"he signs", 0, "sign-record", "may", here},
		{"he prescribes what the host has granted", 0, "prescribe-antimicrobial-2", "may", here},
		{"not what it has not", 0, "prescribe-antimicrobial-3", "not-granted-here", here},
		{"at home he may more", 0, "prescribe-antimicrobial-3", "may", "Organization/output-neurology"},
		{"two months and a day later it is over", 62 * 24 * time.Hour, "sign-record", "role-over", here},
		{"at home it goes on", 0, "sign-record", "may", "Organization/output-neurology"},
	} {
		h.Clock.Turn(c.turn)
		if got := may(c.act, c.where); got != c.want {
			t.Errorf("%s: %s got %q; want %q", c.rule, c.act, got, c.want)
		}
	}
}

func TestTeamsFormChangeAndEnd(t *testing.T) {
	h := New(t)
	chief := h.Region.Account(CentreReceiver).Person // administrative director of cardiology
	other := h.Region.Account("zhongxinyisheng").Person
	ask := func(as, method, url string, body any, want int) map[string]any {
		t.Helper()
		b, _ := json.Marshal(body)
		a := h.Call(as, method, url, string(b))
		if a.Status != want {
			t.Fatalf("%s %s as %s: got %d %s; want %d", method, url, as, a.Status, a.Body, want)
		}
		out := map[string]any{}
		if len(a.Body) > 0 {
			a.JSON(t, &out)
		}
		return out
	}
	form := map[string]any{"name": "第二医疗组", "org": "Organization/centre-cardiology", "head": chief.Ref(), "members": []string{other.Ref()}}
	ask(CountyDoctor, "POST", "/api/registry/teams", form, 403)
	ask("zhongxinyisheng", "POST", "/api/registry/teams", form, 403)
	team := ask(CentreReceiver, "POST", "/api/registry/teams", form, 201)
	id := fmt.Sprint(team["id"])
	stranger := map[string]any{"head": h.Region.Account(CountyDoctor).Person.Ref(), "version": 1}
	ask(CentreReceiver, "PATCH", "/api/registry/teams/"+id, stranger, 422)
	h.Clock.Turn(48 * time.Hour)
	changed := ask(CentreReceiver, "PATCH", "/api/registry/teams/"+id, map[string]any{"head": other.Ref(), "members": []string{chief.Ref()}, "version": 1}, 200)
	if got := len(changed["members"].([]any)); got != 4 {
		t.Errorf("leader and member changed places: got %d rows; want both times kept", got)
	}
	ask(CentreReceiver, "PATCH", "/api/registry/teams/"+id, map[string]any{"name": "改名", "version": 1}, 409)
	ask(CountyDoctor, "PATCH", "/api/registry/teams/"+id, map[string]any{"name": "改名", "version": 2}, 404)
	ask(CountyDoctor, "GET", "/api/registry/teams?org=Organization/centre", nil, 403)
	list := ask(CentreReceiver, "GET", "/api/registry/teams?org=Organization/centre", nil, 200)
	if got := len(list["teams"].([]any)); got != 2 {
		t.Errorf("got %d teams; want the one that was there and the new one", got)
	}
	ask(CentreReceiver, "PATCH", "/api/registry/teams/"+id, map[string]any{"end": true, "version": 2}, 200)
	ask(CentreReceiver, "PATCH", "/api/registry/teams/"+id, map[string]any{"name": "又来", "version": 3}, 422)
	ask(CentreReceiver, "POST", "/api/registry/teams/"+id+"/patients", map[string]any{"patient": "Patient/x"}, 422)
}

func TestAPatientHasOneTeamAtATime(t *testing.T) {
	h := New(t)
	patient := fhirPatient(t, h, CentreReceiver)
	post := func(as, url string, body map[string]any) Answer {
		b, _ := json.Marshal(body)
		return h.Call(as, "POST", url, string(b))
	}
	const team = "/api/registry/teams/team-centre-cardiology-1"
	given := post(CentreReceiver, team+"/patients", map[string]any{"patient": patient})
	if given.Status != 201 {
		t.Fatalf("got %d %s", given.Status, given.Body)
	}
	var made struct{ ID string }
	given.JSON(t, &made)
	if again := post(CentreReceiver, team+"/patients", map[string]any{"patient": patient}); again.Status != 409 || !strings.Contains(string(again.Body), "has-a-team") {
		t.Errorf("a second team: got %d %s", again.Status, again.Body)
	}
	if a := post(CountyDoctor, team+"/patients", map[string]any{"patient": patient}); a.Status != 404 {
		t.Errorf("from another hospital: got %d %s", a.Status, a.Body)
	}
	if a := h.Call(CountyDoctor, "GET", team+"/patients", ""); a.Status != 200 || strings.Contains(string(a.Body), patient) {
		t.Errorf("a stranger's list: got %d %s; want nobody", a.Status, a.Body)
	}
	if a := h.Call(CentreReceiver, "GET", team+"/patients", ""); !strings.Contains(string(a.Body), patient) {
		t.Errorf("the team's list: got %s; want the patient", a.Body)
	}
	unknown := post(CentreReceiver, team+"/patients", map[string]any{"patient": "Patient/nobody"})
	hidden := post(CentreReceiver, team+"/patients", map[string]any{"patient": fhirPatient(t, h, CountyDoctor)})
	if unknown.Status != 422 || hidden.Status != 422 {
		t.Errorf("unknown and invisible: got %d and %d; want 422 for both", unknown.Status, hidden.Status)
	}
	if a := post(CentreReceiver, team+"/release", map[string]any{"id": made.ID}); a.Status != 204 {
		t.Errorf("released: got %d %s", a.Status, a.Body)
	}
	if a := post(CentreReceiver, team+"/patients", map[string]any{"patient": patient}); a.Status != 201 {
		t.Errorf("and given again: got %d %s", a.Status, a.Body)
	}
}

// fhirPatient makes a patient as somebody who may.
func fhirPatient(t *testing.T, h *Hub, as string) string {
	t.Helper()
	a := h.Call(as, "POST", "/fhir/Patient", `{"resourceType":"Patient","name":[{"text":"组内患者"}]}`, "Prefer", "return=representation")
	var p struct{ ID string }
	if a.Status != 201 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	a.JSON(t, &p)
	return "Patient/" + p.ID
}
