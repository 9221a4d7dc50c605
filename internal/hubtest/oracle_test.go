package hubtest_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/server"
)

// operations of the capability statement, as type/$name.
func (w *world) operations() (names []string) {
	var statement struct {
		Rest []struct {
			Operation []struct{ Name string }
			Resource  []struct {
				Type      string
				Operation []struct{ Name string }
			}
		}
	}
	a := w.ask(at(access.Doctor, "mxc-1", "mx-c1"), "GET", "/fhir/metadata", "")
	if err := json.Unmarshal(a.Body, &statement); err != nil || len(statement.Rest) != 1 {
		w.Fatal(err, string(a.Body[:min(len(a.Body), 300)]))
	}
	for _, o := range statement.Rest[0].Operation {
		names = append(names, "$"+o.Name)
	}
	for _, r := range statement.Rest[0].Resource {
		for _, o := range r.Operation {
			names = append(names, r.Type+"/$"+o.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// checked says of every operation how it is known that it shows nobody more than he may see. Whoever registers one
// names it here.
var checked = map[string]string{
	"graphql": matrix, "everything": matrix, "lastn": matrix, "meta": matrix,
	"meta-add": twins, "meta-delete": twins, "validate": twins,
	"export": bulk, "import": bulk, "bulk-status": bulk, "bulk-file": bulk,
	"status": subscribed, "events": subscribed, "get-ws-binding-token": subscribed,
	"expand": terms, "lookup": terms, "subsumes": terms, "translate": terms, "validate-code": terms,
	"reindex": "programs of the hub only; internal/rest TestReindex",
	"unknown": "registers somebody new; lines/unknown",
	"start":   twins, "further-reason": twins,
	"match": persons, "ihe-pix": persons, "merge": persons, "unmerge": persons,
	"bed-state": "TestBedStatesOverFHIR",
	"find":      booked, "hold": booked, "book": booked, "release": booked,
	"break-glass": twins + " until it is broken; lines/secondlook",
}

const (
	matrix     = "TestMatrixOfWhoSeesWhat"
	twins      = "TestWhatIsHiddenAnswersAsWhatIsNot"
	bulk       = "TestExportShowsWhatTheProgramSees"
	subscribed = "TestSubscriptionsTellNobodyMore"
	terms      = "no patient data"
	persons    = "TestPersonsByFHIRTellNobodyMore"
	booked     = "TestStrangersBookNothing"
)

func TestEveryOperationIsChecked(t *testing.T) {
	w := newWorld(t, server.Options{Memory: true})
	all := w.operations()
	if len(all) < 100 {
		t.Fatalf("only %d operations: %v", len(all), all)
	}
	for _, name := range all {
		typ, op, _ := strings.Cut(name, "$")
		if typ == "Task/" || checked[op] != "" { // steps of lines are twins, each of them
			continue
		}
		t.Errorf("%s is in no test of who sees what: name it in checked and write one", name)
	}
}

// blind are callers who see nothing of the record.
func blind() map[string]access.Caller {
	patient := access.Caller{User: "mx-patient-q", Role: access.Patient, Practitioner: "Patient/mx-q", Lang: "en"}
	return map[string]access.Caller{
		"stranger": at(access.Doctor, "mxc-1", "mx-c1"), "other unit": at(access.Doctor, "mxa-2", "mx-a2"), "administrator": at(access.Administrator, "mxa", "mx-a11"),
		"program": program("mxc", "system/*.cruds"), "office": at(access.ReferralOffice, "mxc", "mx-c4"), "refused": at(access.Doctor, "mxf-1", "mx-f1"), "another patient": patient,
	}
}

var changing = []*regexp.Regexp{
	regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
	regexp.MustCompile(`\d{4}-\d{2}-\d{2}T[0-9:.]+(Z|[+-]\d{2}:\d{2})`),
	regexp.MustCompile(`request [0-9a-f]{16,20}`),
}

// plain is an answer without what differs each time, and without the ids that were asked for.
func plain(a hubtest.Answer, id string) string {
	text := fmt.Sprint(a.Status, " ", a.Header.Get("Location"), " ", a.Header.Get("ETag"), " ", a.Header.Get("Last-Modified") != "", " ", string(a.Body))
	for _, r := range changing {
		text = r.ReplaceAllString(text, "…")
	}
	return strings.ReplaceAll(text, id, "ID")
}

// What is there and may not be seen answers as what is not there, however it is asked for.
func TestWhatIsHiddenAnswersAsWhatIsNot(t *testing.T) {
	both(t, func(t *testing.T, o server.Options) {
		w := newWorld(t, o)
		type request struct {
			name, method, url, body string
			header                  []string
		}
		var asked []request
		add := func(method, url, body string, header ...string) {
			asked = append(asked, request{method + " " + url, method, url, body, header})
		}
		parameters := `{"resourceType":"Parameters","parameter":[{"name":"reason","valueString":"x"}]}`
		for _, typ := range []string{"Patient", "Observation", "Condition", "Task", "Encounter", "DocumentReference", "Consent", "CareTeam"} {
			for _, tail := range []string{"", "/_history", "/_history/1", "?_summary=true", "/$meta", "/$graphql?query=" + "%7Bid%7D"} {
				add("GET", "/fhir/"+typ+"/{id}"+tail, "")
			}
			add("HEAD", "/fhir/"+typ+"/{id}", "")
			add("DELETE", "/fhir/"+typ+"/{id}", "")
			add("PATCH", "/fhir/"+typ+"/{id}", `[{"op":"add","path":"/language","value":"zh"}]`, "Content-Type", "application/json-patch+json")
			add("PATCH", "/fhir/"+typ+"?_id={id}", `[{"op":"add","path":"/language","value":"zh"}]`, "Content-Type", "application/json-patch+json")
			add("DELETE", "/fhir/"+typ+"?_id={id}", "")
			add("GET", "/fhir/"+typ+"?_id={id}&_total=accurate&_revinclude=*", "")
			add("POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET","url":"`+typ+`/{id}"}}]}`)
			add("POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"DELETE","url":"`+typ+`/{id}"}}]}`)
			add("POST", "/fhir/"+typ+"/{id}/$validate", "")
			add("PUT", "/fhir/"+typ+"/{id}", `{"resourceType":"`+typ+`","id":"{id}","language":"zh"}`, "If-Match", `W/"1"`)
		}
		for _, name := range w.operations() {
			typ, op, _ := strings.Cut(name, "/$")
			if slices.ContainsFunc(pieces, func(p piece) bool { return p.typ() == typ }) {
				add("POST", "/fhir/"+typ+"/{id}/$"+op, parameters)
				add("GET", "/fhir/"+typ+"/{id}/$"+op, "")
			}
		}
		for _, url := range []string{"Patient/{id}/Observation", "Patient/{id}/*", "Patient/{id}/$everything", "Observation?patient={id}&_total=accurate", "Observation?subject=Patient/{id}&_summary=count", "Observation?patient._id={id}&_total=accurate",
			"Patient?_has:Observation:patient:_id={id}", "Observation/$lastn?patient={id}", "Observation?has-member={id}", "Task?patient={id}&_total=accurate", "Observation?_list={id}", "List?item={id}", "Task?focus={id}"} {
			add("GET", "/fhir/"+url, "")
		}
		observation := `{"resourceType":"Observation","status":"final","code":{"text":"new"},"subject":{"reference":"Patient/{id}"}}`
		add("POST", "/fhir/Observation", observation)
		add("POST", "/fhir/Observation/$validate", `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":`+observation+`}]}`)
		add("POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":`+observation+`,"request":{"method":"POST","url":"Observation"}}]}`)
		add("POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[{"resource":`+observation+`,"request":{"method":"POST","url":"Observation"}}]}`)
		add("POST", "/fhir/Observation", strings.ReplaceAll(observation, `"subject":{"reference":"Patient/{id}"}`, `"subject":{"reference":"Patient/mx-q"},"hasMember":[{"reference":"Observation/{id}"}]`))
		add("POST", "/fhir/Task/$start", `{"resourceType":"Parameters","parameter":[{"name":"line","valueCode":"referral"},{"name":"patient","valueReference":{"reference":"Patient/{id}"}},{"name":"to","valueReference":{"reference":"Organization/mxb"}}]}`)
		add("POST", "/fhir/Patient/$break-glass", `{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"reference":"Patient/{id}"}}]}`)
		add("POST", "/fhir/$graphql", `{"query":"{Patient(id:\"{id}\"){ id }}"}`, "Content-Type", "application/json")
		for _, route := range routes(t) {
			if method, url := fill(route, "{id}"); strings.Contains(url, "{id}") && !strings.Contains(route, "/me/") && !strings.Contains(route, "{seq}") { // numbers of one's own trail

				add(method, url, map[bool]string{true: "{}"}[method != "GET"])
			}
		}
		// What is told by a value instead of an id: hidden and unknown values.
		for _, url := range []string{"Observation?identifier=urn:mx|{value}&_total=accurate", "Patient?identifier=urn:mx|{value}&_summary=count", "Patient?family={value}&_sort=birthdate&_total=accurate", "Observation?code={value}&_sort=-date&_total=accurate",
			"Observation?patient.family={value}", "Patient?_has:Observation:patient:code={value}", "Condition?code:not={value}&_total=accurate"} {
			add("GET", "/fhir/"+url, "")
		}
		fresh := strings.ReplaceAll(observation, "{id}", "mx-q")
		add("POST", "/fhir/Observation", fresh, "If-None-Exist", "identifier=urn:mx|{value}")
		add("PUT", "/fhir/Observation?identifier=urn:mx|{value}", fresh)
		add("DELETE", "/fhir/Observation?identifier=urn:mx|{value}", "")
		add("POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Observation","status":"final","code":{"text":"new"},"subject":{"reference":"Patient?identifier=urn:mx|{value}"}},"request":{"method":"POST","url":"Observation"}}]}`)

		for name, who := range blind() {
			for _, r := range asked {
				pairs := [][2]string{{"mx-p", "mx-0"}, {"mx-o1", "mx-00"}, {"mx-t", "mx-1"}}
				place := "{id}"
				if strings.Contains(r.url+r.body+strings.Join(r.header, ""), "{value}") {
					pairs, place = [][2]string{{"mx-ident", "mx-other"}, {"mx-number", "mx-nobody"}, {"Matrixfamily", "Nobodyfamily"}, {"mx-code", "mx-none"}}, "{value}"
				}
				for _, pair := range pairs {
					var answers [2]string
					for i, id := range pair {
						in := strings.NewReplacer(place, id)
						var header []string
						for _, h := range r.header {
							header = append(header, in.Replace(h))
						}
						answers[i] = plain(w.ask(who, r.method, in.Replace(r.url), in.Replace(r.body), header...), id)
					}
					if answers[0] != answers[1] {
						t.Errorf("%s: %s\n  hidden  %s: %.500s\n  unknown %s: %.500s", name, r.name, pair[0], answers[0], pair[1], answers[1])
					}
				}
			}
		}
		t.Logf("%d callers, %d questions", len(blind()), len(asked))
		for i := range pieces { // who chooses an id himself learns that it is taken, and nothing more
			p := &pieces[i]
			for name, who := range blind() {
				before := w.ask(program("", "system/*.rs"), "GET", "/fhir/"+p.ref, "").Body
				a := w.ask(who, "PUT", "/fhir/"+p.ref, `{"resourceType":"`+p.typ()+`","id":"`+p.id()+`","status":"final","code":{"text":"x"}}`)
				if a.Status < 400 || len(shown(a.Body)) > 0 || strings.Contains(string(a.Body), "canary") {
					t.Errorf("%s: PUT on %s answers %d %s", name, p.ref, a.Status, a.Body)
				}
				if after := w.ask(program("", "system/*.rs"), "GET", "/fhir/"+p.ref, "").Body; string(after) != string(before) {
					t.Errorf("%s has changed %s", name, p.ref)
				}
			}
		}
	})
}
