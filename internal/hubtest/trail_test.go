package hubtest_test

import (
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/rest"
	"github.com/xinglin-health/xinglin/internal/store"
)

// events are the AuditEvents that an account finds.
func events(t *testing.T, h *hubtest.Hub, as, query string) (list []*fhir.Node) {
	t.Helper()
	a := h.Call(as, "GET", "/fhir/AuditEvent"+query, "")
	if a.Status != 200 {
		t.Fatalf("GET AuditEvent%s as %s: got %d %s", query, as, a.Status, a.Body)
	}
	n, err := fhir.Parse(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range n.All("entry") {
		list = append(list, e.Child("resource"))
	}
	return list
}

// somePatient of the county's, whom its doctor sees.
func somePatient(t *testing.T, h *hubtest.Hub, as string) string {
	t.Helper()
	a := h.Call(as, "GET", "/fhir/Patient?_count=1", "")
	n, err := fhir.Parse(a.Body)
	if err == nil && len(n.All("entry")) == 0 {
		made := h.Call(as, "POST", "/fhir/Patient", `{"resourceType":"Patient","name":[{"text":"外院患者"}],"gender":"male"}`)
		if n, err = fhir.Parse(made.Body); err == nil && made.Status == 201 {
			return n.ID()
		}
	}
	if err != nil || len(n.All("entry")) == 0 {
		t.Fatalf("%s sees no patient: %d %s", as, a.Status, a.Body)
	}
	return n.Str("entry[0].resource.id")
}

func TestAuditEventsAreAProjectionOfTheTrail(t *testing.T) {
	h := hubtest.New(t)
	id := somePatient(t, h, hubtest.CentreReceiver)
	if a := h.Call(hubtest.CentreReceiver, "GET", "/fhir/Patient/"+id, ""); a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	h.Call(hubtest.CentreReceiver, "GET", "/fhir/Patient?name=%E5%BC%A0&birthdate=1970", "")
	h.Call(hubtest.CentreReceiver, "GET", "/fhir/Patient/nobody", "")

	reads := events(t, h, hubtest.Auditor, "?subtype=http://hl7.org/fhir/restful-interaction|read&entity=Patient/"+id)
	if len(reads) == 0 {
		t.Fatal("the read is not found")
	}
	e := reads[0]
	for path, want := range map[string]string{
		"type.code": "rest", "action": "R", "outcome": "0", "subtype[0].code": "read",
		"meta.profile[0]":                "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead",
		"entity[0].what.reference":       "Patient/" + id,
		"entity[0].role.code":            "1",
		"agent[0].type.coding[0].code":   "110152",
		"agent[1].type.coding[0].code":   "110153",
		"agent[2].type.coding[0].code":   "IRCP",
		"agent[3].type.coding[0].code":   "PROV",
		"agent[2].who.identifier.system": audit.Accounts,
		"source.type[0].code":            "4",
		"entity[2].type.code":            "XrequestId",
		"agent[0].network.address":       "127.0.0.1",
		"agent[0].who.identifier.value":  "xinglin-page",
		"entity[1].role.code":            "4",
	} {
		if got := e.Str(path); got != want {
			t.Errorf("%s: got %q; want %q", path, got, want)
		}
	}
	queries := events(t, h, hubtest.Auditor, "?action=E&subtype=search-type")
	text := ""
	for _, q := range queries {
		for _, x := range q.All("entity") {
			raw, _ := base64.StdEncoding.DecodeString(x.Str("query"))
			text += string(raw) + "\n"
		}
	}
	if !strings.Contains(text, "Patient?name=…&birthdate=…") || strings.Contains(text, "张") || strings.Contains(text, "1970") {
		t.Errorf("the queries say %q; want them without names and birth dates", text)
	}
	for _, e := range events(t, h, hubtest.Auditor, "?_count=200") {
		if issues := validate.Resource(e); len(issues) > 0 {
			t.Errorf("%s is not valid: %v", e.JSON(), issues)
		}
		one := h.Call(hubtest.Auditor, "GET", "/fhir/AuditEvent/"+e.ID(), "")
		if one.Status != 200 || string(one.Body) != string(e.JSON()) {
			t.Errorf("read %s: got %d %s; want what the search showed", e.ID(), one.Status, one.Body)
		}
	}
}

func TestTheTrailIsSearchedByItsParameters(t *testing.T) {
	h := hubtest.New(t)
	id := somePatient(t, h, hubtest.CentreReceiver)
	h.Call(hubtest.CentreReceiver, "GET", "/fhir/Patient/"+id, "")
	h.Call(hubtest.CentreReceiver, "GET", "/fhir/Patient/nobody", "")
	all := events(t, h, hubtest.Auditor, "?_count=500")
	person := ""
	for _, e := range all {
		for _, a := range e.All("agent") {
			if strings.HasPrefix(a.Str("who.reference"), "Practitioner/") && e.Str("subtype[0].code") == "read" {
				person = a.Str("who.reference")
			}
		}
	}
	for _, c := range []struct {
		query string
		some  bool
	}{
		{"?patient=" + id, true}, {"?patient=Patient/" + id, true}, {"?patient=none", false}, {"?entity=Patient/" + id, true},
		{"?date=2026-11-20", true}, {"?date=lt2026-11-20", false}, {"?date=ge2026-11-20&date=le2026-11-21", true}, {"?_lastUpdated=gt2026-11-20", false},
		{"?agent=" + person, true}, {"?agent=Practitioner/none", false}, {"?agent=Organization/centre", true}, {"?agent=Organization/county-1", false}, {"?agent-name=" + url.QueryEscape("nobody"), false},
		{"?agent:identifier=" + audit.Accounts + "|nobody", false},
		{"?action=R", true}, {"?action=D", false}, {"?outcome=4", true}, {"?outcome=8", false},
		{"?type=rest", true}, {"?type=http://dicom.nema.org/resources/ontology/DCM|110114", true}, {"?type=110106", false}, {"?subtype=110122", true}, {"?subtype=read,search-type", true}, {"?subtype=delete", false},
		{"?_id=" + all[0].ID(), true}, {"?_id=999999", false}, {"?_id=x", false},
	} {
		found := events(t, h, hubtest.Auditor, c.query)
		if (len(found) > 0) != c.some {
			t.Errorf("%s: got %d; want some: %v", c.query, len(found), c.some)
		}
		for _, e := range found { // what is found says what was asked for
			if name, value, _ := strings.Cut(c.query[1:], "="); name == "action" || name == "outcome" {
				if e.Str(name) != value {
					t.Errorf("%s: got one with %q", c.query, e.Str(name))
				}
			}
		}
	}
	a := h.Call(hubtest.Auditor, "GET", "/fhir/AuditEvent?_count=0&_total=accurate&action=R", "")
	n, _ := fhir.Parse(a.Body)
	// each look leaves one more
	if got := len(events(t, h, hubtest.Auditor, "?action=R&_count=500")); n.Str("total") == "" || got == 0 {
		t.Errorf("total %s, found %d", n.Str("total"), got)
	}
	// page by page it is the same
	var ids []string
	next := "/fhir/AuditEvent?_count=3&date=lt2026-11-20T09:31:00%2B08:00"
	for range 40 {
		page := h.Call(hubtest.Auditor, "GET", next, "")
		n, _ := fhir.Parse(page.Body)
		for _, e := range n.All("entry") {
			if slices.Contains(ids, e.Str("resource.id")) {
				t.Fatalf("entry %s twice", e.Str("resource.id"))
			}
			ids = append(ids, e.Str("resource.id"))
		}
		next = ""
		for _, l := range n.All("link") {
			if l.Str("relation") == "next" {
				next = strings.TrimPrefix(l.Str("url"), h.URL)
			}
		}
		if next == "" {
			break
		}
	}
	if len(ids) < len(all) {
		t.Errorf("paging found %d of at least %d", len(ids), len(all))
	}
	h.Run([]hubtest.Scenario{
		{Name: "an unknown parameter is refused by name", As: hubtest.Auditor, URL: "/fhir/AuditEvent?altid=1", Status: 400, Content: []string{"altid", "unknown-parameter"}, Audit: 1},
		{Name: "a modifier that is not known", As: hubtest.Auditor, URL: "/fhir/AuditEvent?type:not=rest", Status: 400, Audit: 1},
		{Name: "no include leads out", As: hubtest.Auditor, URL: "/fhir/AuditEvent?_include=AuditEvent:patient", Status: 400, Audit: 1},
	})
}

func TestNobodyElseReadsOrWritesTheTrail(t *testing.T) {
	h := hubtest.New(t)
	id := somePatient(t, h, hubtest.CentreReceiver)
	h.Call(hubtest.CentreReceiver, "GET", "/fhir/Patient/"+id, "")
	seen := events(t, h, hubtest.Auditor, "?entity=Patient/"+id)[0].ID()
	mine := `{"resourceType":"AuditEvent","id":"x","type":{"code":"rest"},"recorded":"2026-11-20T09:00:00Z","agent":[{"requestor":true}],"source":{"observer":{"display":"me"}}}`
	inside := func(method, url string) string {
		return `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + mine + `,"request":{"method":"` + method + `","url":"` + url + `"}}]}`
	}
	reading := `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"AuditEvent?patient=` + id + `"}},{"request":{"method":"GET","url":"AuditEvent/` + seen + `"}}]}`
	var list []hubtest.Scenario
	for _, who := range []string{hubtest.CentreReceiver, hubtest.CentreOffice, hubtest.Affairs, hubtest.Stranger, hubtest.Administrator} {
		for _, url := range []string{"/fhir/AuditEvent", "/fhir/AuditEvent?_total=accurate&_count=0", "/fhir/AuditEvent/" + seen, "/fhir/AuditEvent/999999", "/fhir/AuditEvent/x", "/fhir/Patient/" + id + "/AuditEvent",
			"/api/audit", "/api/audit/groups", "/api/audit/export?format=csv&from=2026-11-01&until=2026-11-30", "/api/audit/patient/" + id, "/api/me/trail", "/api/audit/key"} {
			list = append(list, hubtest.Scenario{Name: who + " " + url, As: who, URL: url, Status: 403, NotContent: []string{`"total"`, `"entry"`, `"recorded"`}, Audit: -1})
		}
		list = append(list,
			hubtest.Scenario{Name: who + " in a batch", As: who, Method: "POST", URL: "/fhir", Body: reading, Status: 200, Content: []string{"403"}, NotContent: []string{`"recorded"`}, Audit: -1},
			hubtest.Scenario{Name: who + " by a reverse chain", As: who, URL: "/fhir/Patient?_has:AuditEvent:patient:action=R", Status: 200, NotContent: []string{`"mode":"match"`}, Audit: -1},
			hubtest.Scenario{Name: who + " by an include", As: who, URL: "/fhir/Patient?_id=" + id + "&_revinclude=AuditEvent:patient", Status: 200, NotContent: []string{`"recorded"`}, Audit: -1},
			hubtest.Scenario{Name: who + " across types", As: who, URL: "/fhir?_type=AuditEvent", Status: 200, NotContent: []string{`"recorded"`}, Audit: -1})
	}
	for _, who := range []string{hubtest.CentreReceiver, hubtest.Auditor, hubtest.Administrator} {
		for _, c := range []struct{ method, url, body string }{
			{"POST", "/fhir/AuditEvent", mine}, {"PUT", "/fhir/AuditEvent/x", mine}, {"DELETE", "/fhir/AuditEvent/" + seen, ""}, {"PUT", "/fhir/AuditEvent?patient=" + id, mine},
			{"POST", "/fhir", inside("POST", "AuditEvent")}, {"POST", "/fhir", inside("PUT", "AuditEvent/x")},
		} {
			s := hubtest.Scenario{Name: who + " " + c.method + " " + c.url, As: who, Method: c.method, URL: c.url, Body: c.body, Status: 405, Content: []string{"trail-not-written"}, Audit: -1}
			if c.url == "/fhir" && who != hubtest.CentreReceiver { // who writes no patient data hears that first
				s.Status, s.Content = 403, []string{"not-allowed"}
			}
			list = append(list, s)
		}
		list = append(list, hubtest.Scenario{Name: who + " history", As: who, URL: "/fhir/AuditEvent/" + seen + "/_history", Status: 405, Audit: -1})
	}
	h.Run(list)
}

func TestTheTrailOfOtherHospitalsStaysTheirs(t *testing.T) {
	h := hubtest.New(t)
	// the stranger's hospital reads a patient of its own; the centre's auditor learns nothing of it
	theirs := somePatient(t, h, hubtest.Stranger)
	h.Call(hubtest.Stranger, "GET", "/fhir/Patient/"+theirs, "")
	if list := events(t, h, hubtest.Auditor, "?patient="+theirs); len(list) != 0 {
		t.Errorf("got %s; want nothing of another hospital's patient", list[0].JSON())
	}
	entries := h.Entries()
	i := slices.IndexFunc(entries, func(e audit.Entry) bool { return e.Target == "Patient/"+theirs })
	if i < 0 {
		t.Fatal("the read left no entry")
	}
	a := h.Call(hubtest.Auditor, "GET", "/fhir/AuditEvent/"+itoa(entries[i].Seq), "")
	if a.Status != 404 {
		t.Errorf("read of another hospital's entry: got %d %s; want 404", a.Status, a.Body)
	}

	// what another hospital did with several patients shows only ours
	ours := somePatient(t, h, hubtest.CentreReceiver)
	err := h.Store.Update(context.Background(), func(tx *store.Tx) error {
		return h.Audit.Write(context.Background(), tx, audit.Entry{User: "u9", Name: "外院医生", Org: "Organization/partner-1", Action: "R", What: "search-type", Target: "Observation?patient=" + theirs, Patients: []string{"Patient/" + ours, "Patient/" + theirs}, Count: 7})
	})
	if err != nil {
		t.Fatal(err)
	}
	var custodian string
	h.Store.View(context.Background(), func(tx *store.Tx) error {
		v, err := tx.Read(context.Background(), search.Everything, "Patient", ours)
		custodian = v.Custodian
		return err
	})
	c := &access.Caller{User: "a", Role: access.Auditor, Org: custodian, Institution: custodian}
	desk := &audit.Desk{Store: h.Store, Tree: h.Tree, Book: h.Audit}
	found, _, err := desk.Find(context.Background(), c, audit.Filter{Patient: "Patient/" + ours, User: "u9"})
	if err != nil || len(found) != 1 || !slices.Equal(found[0].Patients, []string{"Patient/" + ours}) || strings.Contains(found[0].Target, theirs) || found[0].Count != 0 {
		t.Errorf("got %+v, %v; want the one entry with our patient alone", found, err)
	}
}

func itoa(n int64) string { b, _ := json.Marshal(n); return string(b) }

func TestAPatientSeesHisOwnTrail(t *testing.T) {
	h := hubtest.New(t)
	mine := somePatient(t, h, hubtest.CentreReceiver)
	theirs := somePatient(t, h, hubtest.Stranger)
	h.Call(hubtest.CentreReceiver, "GET", "/fhir/Patient/"+mine, "")
	h.Call(hubtest.Stranger, "GET", "/fhir/Patient/"+theirs, "")
	me := &access.Caller{User: "me", Role: access.Patient, Scope: search.Scope{Parties: []string{"Patient/" + mine}, Only: []string{"Patient/" + mine}}, Lang: "zh"}
	door := rest.New(rest.Options{Store: h.Store, Audit: h.Audit, Clock: h.Clock, BaseURL: "http://hub.test/fhir", Trail: &audit.Desk{Store: h.Store, Tree: h.Tree, Book: h.Audit}})
	get := func(url string) (int, *fhir.Node) {
		r := httptest.NewRequest(http.MethodGet, h.URL+"/fhir"+url, nil)
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r.WithContext(access.With(context.Background(), me)))
		n, _ := fhir.Parse(w.Body.Bytes())
		return w.Code, n
	}
	status, n := get("/AuditEvent")
	if status != 200 || len(n.All("entry")) == 0 {
		t.Fatalf("got %d %s; want his own", status, n.JSON())
	}
	if text := string(n.JSON()); strings.Contains(text, theirs) || strings.Contains(text, "127.0.0.1") {
		t.Errorf("got %s; want neither others nor addresses of workstations", text)
	}
	for _, e := range n.All("entry") {
		if !strings.Contains(string(e.JSON()), "Patient/"+mine) {
			t.Errorf("an entry that is not about him: %s", e.JSON())
		}
	}
	if status, n := get("/AuditEvent?patient=" + theirs); status != 200 || len(n.All("entry")) != 0 {
		t.Errorf("somebody else's: got %d %s", status, n.JSON())
	}
	me.Role = access.Guardian
	if status, _ := get("/AuditEvent"); status != 403 {
		t.Errorf("a guardian: got %d; want 403", status)
	}
}

func TestExportsAreSignedAndAudited(t *testing.T) {
	h := hubtest.New(t)
	id := somePatient(t, h, hubtest.CentreReceiver)
	h.Call(hubtest.CentreReceiver, "GET", "/fhir/Patient/"+id, "")
	err := h.Audit.Read(context.Background(), audit.Entry{User: "=cmd|'/C calc'!A0", Name: "\x1b[31m@x\r\ny", Org: "Organization/centre", Action: "R", What: "read", Target: "Patient/" + id})
	if err != nil {
		t.Fatal(err)
	}
	const period = "&from=2026-11-01&until=2026-11-30"
	a := h.Call(hubtest.Auditor, "GET", "/api/audit/export?format=csv"+period, "")
	table := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(a.Body), "\uFEFF")))
	table.FieldsPerRecord = -1
	if rows, err := table.ReadAll(); err != nil || len(rows) < 4 {
		t.Errorf("got %d rows, %v", len(rows), err)
	}
	text := string(a.Body)
	if a.Status != 200 || !strings.Contains(text, "导出人") || !strings.Contains(text, "'=cmd") || strings.ContainsAny(text, "\x1b\r") || !strings.HasSuffix(text, "完 end\n") {
		t.Errorf("got %d %q", a.Status, text)
	}
	a = h.Call(hubtest.Auditor, "GET", "/api/audit/export?format=jsonl"+period, "")
	if err := audit.VerifyExport(strings.NewReader(string(a.Body)), h.Audit.Key().Public); err != nil {
		t.Errorf("the export does not verify: %v", err)
	}
	changed := strings.Replace(string(a.Body), "Patient/"+id, "Patient/x", 1)
	if err := audit.VerifyExport(strings.NewReader(changed), h.Audit.Key().Public); err == nil {
		t.Error("a changed export verifies")
	}
	if lines := strings.Split(string(a.Body), "\n"); !strings.Contains(lines[0], `"by":"`) || !strings.Contains(lines[0], `"account":"`) {
		t.Errorf("the first line says %s; want who took it", lines[0])
	}
	found := 0
	for _, e := range h.Entries() {
		if e.What == "audit-export" {
			found++
		}
	}
	if found != 2 {
		t.Errorf("got %d entries of the exports; want 2", found)
	}
	h.Run([]hubtest.Scenario{
		{Name: "without a period", As: hubtest.Auditor, URL: "/api/audit/export?format=csv", Status: 400, Content: []string{"period-required"}, Audit: -1},
		{Name: "another format", As: hubtest.Auditor, URL: "/api/audit/export?format=xml" + period, Status: 400, Content: []string{"bad-format"}, Audit: -1},
	})
}

func TestRepeatedTouchesAreOneLine(t *testing.T) {
	h := hubtest.New(t)
	id := somePatient(t, h, hubtest.CentreReceiver)
	for range 4 {
		h.Call(hubtest.CentreReceiver, "GET", "/fhir/Patient/"+id, "")
	}
	var said struct {
		Groups []struct {
			Count int
			User  string
			Acts  []struct {
				What  string
				Count int
			}
			Patients []struct{ Reference string }
		}
	}
	h.Call(hubtest.Auditor, "GET", "/api/audit/groups?action=read&patient="+id, "").JSON(t, &said)
	if len(said.Groups) != 1 || said.Groups[0].Count != 4 || said.Groups[0].Acts[0].Count != 4 {
		t.Errorf("got %+v; want one line of four reads", said.Groups)
	}
	var page struct{ Entries []struct{ Seq int64 } }
	h.Call(hubtest.Auditor, "GET", "/api/audit?action=read&patient="+id+"&user="+said.Groups[0].User, "").JSON(t, &page)
	if len(page.Entries) != 4 {
		t.Errorf("got %d single entries; want 4", len(page.Entries))
	}
}

func TestAnEntrySaysByWhichRelationItWasAllowed(t *testing.T) {
	h := hubtest.New(t)
	id := somePatient(t, h, hubtest.CentreReceiver)
	h.Call(hubtest.CentreReceiver, "GET", "/fhir/Patient/"+id, "")
	var seq int64
	for _, e := range h.Entries() {
		if e.Target == "Patient/"+id && e.What == "read" {
			seq = e.Seq
		}
	}
	var said struct {
		Ways []struct{ Patient, Party, Basis, Source string }
	}
	a := h.Call(hubtest.Auditor, "GET", "/api/audit/why/"+itoa(seq), "")
	a.JSON(t, &said)
	if a.Status != 200 || len(said.Ways) == 0 || said.Ways[0].Patient != "Patient/"+id || said.Ways[0].Source == "" {
		t.Errorf("got %d %s; want the relations of then", a.Status, a.Body)
	}
	h.Run([]hubtest.Scenario{
		{Name: "a stranger", As: hubtest.Stranger, URL: "/api/audit/why/" + itoa(seq), Status: 403, NotContent: []string{`"ways"`}, Audit: -1},
		{Name: "no such entry", As: hubtest.Auditor, URL: "/api/audit/why/999999", Status: 404, NotContent: []string{`"ways"`}, Audit: -1},
	})
}

func TestAnOpenPageThatShowsNothingNewIsOneEntry(t *testing.T) {
	h := hubtest.New(t)
	id := somePatient(t, h, hubtest.CentreReceiver)
	page := hubtest.Scenario{As: hubtest.CentreReceiver, URL: "/api/patients/" + id, Status: 200, Content: []string{id}}
	step := func(name string, entries int, header ...string) hubtest.Scenario {
		s := page
		s.Name, s.Audit, s.Header = name, entries, header
		return s
	}
	h.Run([]hubtest.Scenario{
		step("it is opened", 1),
		step("it asks by itself: the first time is said", 1, "X-Background", "1"),
		step("again, with nothing new", 0, "X-Background", "1"),
		step("and again", 0, "X-Background", "1"),
		step("a person asks", 1),
		{Name: "another patient's page is another page", As: hubtest.CentreReceiver, URL: "/api/patients/" + id + "?kind=result", Status: 200, Header: []string{"X-Background", "1"}, Audit: 1},
		{Name: "somebody who may not is said each time", As: hubtest.Stranger, URL: "/api/patients/" + id, Status: 404, Header: []string{"X-Background", "1"}, Audit: -1, NotContent: []string{`"banner"`}},
	})
	a := h.Call(hubtest.CentreReceiver, "POST", "/fhir/Observation", `{"resourceType":"Observation","status":"final","code":{"text":"血钾"},"valueString":"5.9","subject":{"reference":"Patient/`+id+`"},"effectiveDateTime":"2026-11-20T09:00:00+08:00"}`)
	if a.Status != 201 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	h.Run([]hubtest.Scenario{step("something new is shown", 1, "X-Background", "1"), step("and then nothing new", 0, "X-Background", "1")})
}

func TestAFullDiskShowsNothing(t *testing.T) {
	h := hubtest.New(t)
	id := somePatient(t, h, hubtest.CentreReceiver)
	h.Call(hubtest.Auditor, "GET", "/api/audit", "")
	h.Audit.Fail(errors.New("no space left on device"))
	h.Run([]hubtest.Scenario{
		{Name: "a read by FHIR", As: hubtest.CentreReceiver, URL: "/fhir/Patient/" + id, Status: 500, NotContent: []string{`"name"`}, Audit: -1},
		{Name: "a search", As: hubtest.CentreReceiver, URL: "/fhir/Patient?_count=1", Status: 500, NotContent: []string{`"entry"`}, Audit: -1},
		{Name: "the page", As: hubtest.CentreReceiver, URL: "/api/patients/" + id, Status: 500, NotContent: []string{`"banner"`}, Audit: -1},
		{Name: "the page by itself", As: hubtest.CentreReceiver, URL: "/api/patients/" + id, Status: 500, Header: []string{"X-Background", "1"}, NotContent: []string{`"banner"`}, Audit: -1},
		{Name: "the trail", As: hubtest.Auditor, URL: "/api/audit", Status: 500, NotContent: []string{`"entries"`}, Audit: -1},
		{Name: "as AuditEvents", As: hubtest.Auditor, URL: "/fhir/AuditEvent", Status: 500, NotContent: []string{`"entry"`}, Audit: -1},
		{Name: "as a file", As: hubtest.Auditor, URL: "/api/audit/export?format=csv&from=2026-11-01&until=2026-11-30", Status: 500, NotContent: []string{"导出人"}, Audit: -1},
	})
}
