package rest_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/rest"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

const sid = "https://xinglin.health/fhir/sid/"

var (
	mengBorn   = time.Date(1961, 5, 23, 0, 0, 0, 0, time.UTC)
	mengNumber = fhir.ResidentNumber("990313", mengBorn, 684)
)

// indexed is a hub with its index of persons.
type indexed struct {
	*hub
	index *empi.Index
}

func newIndexed(t testing.TB, open storetest.Open) *indexed {
	t.Helper()
	h := &hub{t: t, clock: clock.At(time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)), audit: &notes{}}
	x := empi.New(empi.Options{Clock: h.clock, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	h.store = open(t, store.Options{Clock: h.clock, Migrations: slices.Concat(event.Migrations, empi.Migrations), Derive: []store.Deriver{access.Derive, x.Derive}})
	if err := x.Open(context.Background(), h.store, h.audit, nil); err != nil {
		t.Fatal(err)
	}
	h.options = rest.Options{Store: h.store, Audit: h.audit, Clock: h.clock, Version: "test", BaseURL: "http://hub.test/fhir", Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Persons: x}
	h.handler = rest.New(h.options)
	h.put(system, `{"resourceType":"Organization","id":"county","name":"县医院"}`)
	h.put(system, `{"resourceType":"Organization","id":"elsewhere","name":"别处医院"}`)
	h.audit.take()
	return &indexed{h, x}
}

func (h *indexed) settle() {
	h.t.Helper()
	if err := h.index.Settle(context.Background()); err != nil {
		h.t.Fatal(err)
	}
}

// meng writes 孟小茹 as a hospital has her: with its own record number.
func meng(id, name, phone string) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"active":true,"name":[{"use":"official","text":%q}],"gender":"female","birthDate":"1961-05-23","telecom":[{"system":"phone","value":%q}],
		"address":[{"text":"和平里193号2314室"}],"identifier":[{"system":"%sresident-id","value":%q},{"system":"urn:mrn:%s","value":"MR-%s"}]}`, id, name, phone, sid, mengNumber, id[:1], id)
}

// mengTwice: both hospitals know her, the county another woman, too.
func (h *indexed) mengTwice() {
	h.t.Helper()
	h.put(county, meng("c1", "孟小茹", "15124298289"))
	h.put(stranger, meng("e1", "孟晓茹", "15124298280"))
	h.put(county, `{"resourceType":"Patient","id":"other","name":[{"text":"赵铁柱"}],"gender":"male","birthDate":"1990-01-07","telecom":[{"system":"phone","value":"13900000011"}]}`)
	h.settle()
	h.audit.take()
}

func (h *indexed) personID() string {
	h.t.Helper()
	r := h.want(200, system, "GET", "/Person?link=Patient/c1", "")
	return r.node.Str("entry[0].resource.id")
}

// both lets the county see the other record.
func (h *indexed) both() {
	h.t.Helper()
	h.unit(func(ctx context.Context, tx *store.Tx) error {
		return tx.Grant(ctx, store.Grant{Patient: "Patient/e1", Party: "Organization/county", Class: "record", Source: "Task/t"})
	})
}

func TestPersonIsWhatTheCallerSeesOfHim(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newIndexed(t, open)
		h.mengTwice()
		id := h.personID()
		if id == "" {
			t.Fatal("the two records are not linked")
		}
		r := h.want(200, system, "GET", "/Person/"+id, "")
		if linked := r.node.All("link"); len(linked) != 2 || linked[0].Str("target.reference") != "Patient/c1" || linked[1].Str("target.reference") != "Patient/e1" || linked[0].Str("assurance") != "level3" {
			t.Errorf("links: got %s", r.body)
		}
		if r.node.Str("birthDate") != "1961-05-23" || r.node.Str("gender") != "female" || !strings.Contains(r.body, mengNumber) || !strings.Contains(r.body, "golden-source") || r.node.Str("active") != "true" {
			t.Errorf("golden record: got %s", r.body)
		}
		if v := h.want(200, system, "POST", "/Person/$validate", r.body); strings.Contains(v.body, `"severity":"error"`) {
			t.Errorf("it is no good Person: %s", v.body)
		}
		if e := h.audit.take(); !slices.ContainsFunc(e, func(e audit.Entry) bool {
			return e.Target == "Person/"+id && slices.Equal(e.Patients, []string{"Patient/c1", "Patient/e1"})
		}) {
			t.Errorf("audit: got %+v", e)
		}
		searches := []string{"link=Patient/c1", "patient=Patient/e1", "identifier=" + sid + "resident-id|" + mengNumber, "identifier=urn:mrn:e|MR-e1", "name=孟&birthdate=1961-05-23", "_id=" + id, "link=Patient/c1&link=Patient/e1"}
		for _, q := range searches {
			if got := h.want(200, system, "GET", query("/Person?"+q), ""); got.ids() != "Person/"+id || got.node.Str("total") != "1" {
				t.Errorf("%s: got %s", q, got.body)
			}
		}
		for _, q := range []string{"link=Patient/other", "link=Patient/none", "identifier=" + sid + "resident-id|1", "link=Patient/c1&link=Patient/other", "_id=999"} {
			if got := h.want(200, system, "GET", query("/Person?"+q), ""); got.ids() != "" {
				t.Errorf("%s: got %s", q, got.body)
			}
		}
		if got := h.want(200, system, "GET", "/Patient/c1/Person", ""); got.ids() != "Person/"+id {
			t.Errorf("in the compartment: got %s", got.body)
		}
		if got := h.want(200, system, "GET", "/Person?link=Patient/c1&_summary=count", ""); got.ids() != "" || got.node.Str("total") != "1" {
			t.Errorf("count: got %s", got.body)
		}
		if got := h.want(200, system, "GET", "/Person?link=Patient/c1&_elements=link", ""); got.node.Get("entry[0].resource.name") != nil || len(got.node.All("entry[0].resource.link")) != 2 {
			t.Errorf("elements: got %s", got.body)
		}
		// each hospital sees one record: for it there is no person, by no way
		for _, as := range []*access.Caller{county, stranger, doctor("third")} {
			h.want(404, as, "GET", "/Person/"+id, "")
			h.want(404, as, "GET", "/Person/999", "")
			for _, q := range searches {
				if got := h.want(200, as, "GET", query("/Person?"+q), ""); got.ids() != "" || got.node.Str("total") != "0" {
					t.Errorf("%s as %s: got %s", q, as.User, got.body)
				}
			}
		}
		h.both()
		if got := h.want(200, county, "GET", "/Person?link=Patient/c1", ""); got.ids() != "Person/"+id {
			t.Errorf("who sees both: got %s", got.body)
		}
		h.want(404, stranger, "GET", "/Person/"+id, "")
		for _, c := range []struct{ method, url, body string }{{"PUT", "/Person/" + id, r.body}, {"POST", "/Person", `{"resourceType":"Person"}`}, {"DELETE", "/Person/" + id, ""}, {"GET", "/Person/" + id + "/_history", ""}, {"GET", "/Person/_history", ""}} {
			if got := h.want(405, system, c.method, c.url, c.body); !strings.HasPrefix(got.detail(), "person-") {
				t.Errorf("%s %s: got %s", c.method, c.url, got.body)
			}
		}
		h.want(405, system, "POST", "/", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Person"},"request":{"method":"POST","url":"Person"}}]}`)
		if got := h.want(200, system, "POST", "/", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Person/`+id+`"}},{"request":{"method":"GET","url":"Person?link=Patient/c1"}}]}`); strings.Count(got.body, `"link":`) < 2 {
			t.Errorf("in a batch: got %s", got.body)
		}
		h.want(400, system, "GET", "/Person", "")
		h.want(403, program("system/Patient.rs"), "GET", "/Person/"+id, "")
		h.want(404, program("system/Person.rs"), "GET", "/Person/"+id, "") // a token without Patients sees no records
	})
}

func (h *indexed) match(as *access.Caller, patient string, more ...string) reply {
	h.t.Helper()
	extra := ""
	for _, m := range more {
		extra += "," + m
	}
	return h.do(as, "POST", "/Patient/$match", `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":`+patient+`}`+extra+`]}`)
}

func graded(r reply) string {
	var out []string
	for _, e := range r.node.All("entry") {
		if e.Str("search.mode") == "outcome" {
			out = append(out, e.Str("resource.issue[0].details.coding[0].code"))
			continue
		}
		out = append(out, e.Str("resource.id")+" "+e.Str("search.extension[0].valueCode"))
	}
	return strings.Join(out, ", ")
}

func TestMatchGradesWhatTheCallerSees(t *testing.T) {
	h := newIndexed(t, storetest.Memory)
	h.mengTwice()
	asked := meng("x", "孟小茹", "15124298289")
	r := h.match(system, asked)
	if r.StatusCode != 200 || graded(r) != "c1 certain, e1 certain" || r.node.Str("type") != "searchset" || r.node.Str("entry[0].search.extension[0].url") != "http://hl7.org/fhir/StructureDefinition/match-grade" {
		t.Fatalf("got %s", r.body)
	}
	if score := r.node.Str("entry[0].search.score"); score < "0.9" || score > "1.0000" {
		t.Errorf("score: got %s", score)
	}
	if e := h.audit.take(); len(e) != 1 || e[0].What != "match" || !slices.Equal(e[0].Patients, []string{"Patient/c1", "Patient/e1"}) || strings.Contains(e[0].Target, "孟") {
		t.Errorf("audit: got %+v", e)
	}
	for _, c := range []struct {
		name string
		as   *access.Caller
		more []string
		want string
		say  string
	}{
		{"one hospital's own record", county, nil, "c1 certain", "1"},
		{"the other's", stranger, nil, "e1 certain", "1"},
		{"nobody's", doctor("third"), nil, "", "0"},
		{"the first of them", system, []string{`{"name":"count","valueInteger":1}`}, "c1 certain", "2"},
		{"certain, of one person", system, []string{`{"name":"onlyCertainMatches","valueBoolean":true}`}, "c1 certain, e1 certain", "2"},
	} {
		if r := h.match(c.as, asked, c.more...); graded(r) != c.want || r.node.Str("total") != c.say {
			t.Errorf("%s: got %q, total %s; want %q, %s", c.name, graded(r), r.node.Str("total"), c.want, c.say)
		}
	}
	// certain, but of two persons: none is shown
	person, _ := h.members()
	h.leave(person, "e1")
	h.unit(func(ctx context.Context, tx *store.Tx) error { // as a person decided
		_, err := h.index.Unlink(ctx, tx, person, "Patient/e1", "不是同一人", empi.By{User: "lin", Org: "Organization/county"})
		return err
	})
	if r := h.match(system, asked, `{"name":"onlyCertainMatches","valueBoolean":true}`); graded(r) != "multiple-matches" || r.node.Str("total") != "0" {
		t.Errorf("certain of two persons: got %s", r.body)
	}
	if r := h.match(county, asked, `{"name":"onlyCertainMatches","valueBoolean":true}`); graded(r) != "c1 certain" {
		t.Errorf("who sees one of them learns nothing of the other: got %s", r.body)
	}
	// somebody who shares little is a question, not an answer
	if r := h.match(system, `{"resourceType":"Patient","name":[{"text":"孟小茹"}],"gender":"female","birthDate":"1961-05-23"}`); strings.Contains(graded(r), "certain") || r.StatusCode != 200 {
		t.Errorf("a name and a birthday: got %s", graded(r))
	}
	for name, body := range map[string]string{
		"patient-required": `{"resourceType":"Parameters","parameter":[{"name":"count","valueInteger":1}]}`, "nothing-to-match": `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":{"resourceType":"Patient","gender":"male"}}]}`,
		"bad-value": `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":{"resourceType":"Patient","name":[{"text":"孟"}]}},{"name":"count","valueInteger":0}]}`,
	} {
		if r := h.want(400, county, "POST", "/Patient/$match", body); r.detail() != name {
			t.Errorf("got %s; want %s", r.detail(), name)
		}
	}
	h.want(403, program("system/Patient.r"), "POST", "/Patient/$match", asked)
	h.want(200, program("system/Patient.rs"), "POST", "/Patient/$match", asked)
}

// members finds the person of c1 and his records.
func (h *indexed) members() (person int64, patients []string) {
	h.t.Helper()
	h.unit(func(ctx context.Context, tx *store.Tx) (err error) {
		patients = nil
		if person, err = tx.PersonOf(ctx, "Patient/c1"); err != nil {
			return err
		}
		list, err := tx.Members(ctx, person)
		for _, m := range list {
			patients = append(patients, m.Patient)
		}
		return err
	})
	return person, patients
}

func TestPIXm(t *testing.T) {
	h := newIndexed(t, storetest.Memory)
	h.mengTwice()
	h.put(system, `{"resourceType":"NamingSystem","id":"ns","name":"MRN","status":"active","kind":"identifier","date":"2026-01-01","uniqueId":[{"type":"uri","value":"urn:mrn:c"},{"type":"uri","value":"urn:mrn:e"},{"type":"oid","value":"1.2.3.4"}]}`)
	ask := func(as *access.Caller, status int, q string) string {
		t.Helper()
		r := h.want(status, as, "GET", "/Patient/$ihe-pix?"+q, "")
		if status != 200 {
			return r.detail()
		}
		var out []string
		for _, p := range r.node.All("parameter") {
			out = append(out, strings.TrimSpace(p.Str("valueIdentifier.value")+p.Str("valueReference.reference")))
		}
		return strings.Join(out, " ")
	}
	src := func(system, value string) string { return "sourceIdentifier=" + url.QueryEscape(system+"|"+value) }
	for _, c := range []struct {
		name   string
		as     *access.Caller
		status int
		query  string
		want   string
	}{
		{"all systems", system, 200, src("urn:mrn:c", "MR-c1"), mengNumber + " MR-e1 Patient/c1 Patient/e1"},
		{"one system", system, 200, src("urn:mrn:c", "MR-c1") + "&targetSystem=urn:mrn:e", "MR-e1 Patient/e1"},
		{"two systems", system, 200, src("urn:mrn:c", "MR-c1") + "&targetSystem=urn:mrn:e&targetSystem=urn:mrn:c", "MR-c1 MR-e1 Patient/c1 Patient/e1"},
		{"by a number of both", system, 200, src(sid+"resident-id", mengNumber) + "&targetSystem=urn:mrn:e", "MR-e1 Patient/e1"},
		{"a system in which he has none", system, 200, src("urn:mrn:c", "MR-c1") + "&targetSystem=urn:oid:1.2.3.4", ""},
		{"an unknown number", system, 404, src("urn:mrn:c", "MR-9"), "unknown-source"},
		{"an unknown source system", system, 400, src("urn:nobody", "9"), "unknown-source-system"},
		{"an unknown target system", system, 403, src("urn:mrn:c", "MR-c1") + "&targetSystem=urn:nobody", "unknown-target-system"},
		{"no system", system, 400, "sourceIdentifier=MR-c1", "bad-value"},
		{"nothing", system, 400, "", "source-required"},
		{"two sources", system, 400, src("urn:mrn:c", "MR-c1") + "&" + src("urn:mrn:c", "MR-c2"), "source-required"},
		{"who sees one record", county, 200, src("urn:mrn:c", "MR-c1"), mengNumber + " Patient/c1"},
		{"who sees one record, of the other's system", county, 200, src("urn:mrn:c", "MR-c1") + "&targetSystem=urn:mrn:e", ""},
		{"the other's record", county, 404, src("urn:mrn:e", "MR-e1"), "unknown-source"},
		{"a stranger", doctor("third"), 404, src(sid+"resident-id", mengNumber), "unknown-source"},
	} {
		if got := ask(c.as, c.status, c.query); got != c.want {
			t.Errorf("%s: got %q; want %q", c.name, got, c.want)
		}
	}
	h.audit.take()
	ask(system, 200, src("urn:mrn:c", "MR-c1"))
	if e := h.audit.take(); len(e) != 1 || e[0].What != "ihe-pix" || !slices.Equal(e[0].Patients, []string{"Patient/c1", "Patient/e1"}) || strings.Contains(fmt.Sprint(e[0]), "MR-c1") {
		t.Errorf("audit: got %+v", e)
	}
	// two persons with one number: nobody is guessed
	h.put(county, strings.Replace(meng("c9", "赵铁柱", "13900000011"), "1961-05-23", "1990-01-07", 1))
	h.settle()
	if got := ask(system, 409, src(sid+"resident-id", mengNumber)); got != "several-persons" {
		t.Errorf("got %s", got)
	}
}

// PDQm: ITI-78 is a search for Patients; each parameter that it names is answered.
func TestPDQm(t *testing.T) {
	h := newIndexed(t, storetest.Memory)
	h.put(county, `{"resourceType":"Patient","id":"p","active":true,"name":[{"family":"孟","given":["小茹"]}],"gender":"female","birthDate":"1961-05-23","telecom":[{"system":"phone","value":"15124298289"}],
		"address":[{"line":["和平里193号"],"city":"青山","state":"蜀东","postalCode":"990300","country":"CN"}],"identifier":[{"system":"urn:mrn:c","value":"MR-1"}]}`)
	h.put(county, `{"resourceType":"Patient","id":"q","active":false,"name":[{"text":"John Smith","family":"Smith","given":["John"]}],"gender":"male","birthDate":"1970-01-01"}`)
	for _, q := range []string{"_id=p", "active=true", "family=孟", "family:exact=孟", "given=小", "given:exact=小茹", "identifier=urn:mrn:c|MR-1", "telecom=15124298289", "birthdate=1961-05-23", "birthdate=ge1961&birthdate=le1961",
		"address=和平里193号", "address-city=青山", "address-country=CN", "address-postalcode=990300", "address-state=蜀东", "gender=female", "family=孟&given=小茹&birthdate=1961-05-23&gender=female"} {
		if r := h.want(200, county, "GET", query("/Patient?"+q), "", "Prefer: handling=strict"); r.ids() != "Patient/p" {
			t.Errorf("%s: got %s", q, r.body)
		}
		if r := h.want(200, stranger, "GET", query("/Patient?"+q), ""); r.ids() != "" {
			t.Errorf("%s as a stranger: got %s", q, r.ids())
		}
	}
	if r := h.want(400, county, "GET", query("/Patient?identifier=urn:mrn:c|"), ""); r.detail() != "sealed-needs-value" {
		t.Errorf("a domain without a number: got %s", r.body)
	}
}

// The PIXm feed, ITI-104: a Patient is written by his identifier, and replaced by another so.
func TestPIXmFeed(t *testing.T) {
	h := newIndexed(t, storetest.Memory)
	feed := program("system/Patient.cruds")
	put := func(status int, number, body string) reply {
		t.Helper()
		return h.want(status, feed, "PUT", "/Patient?identifier="+url.QueryEscape("urn:mrn:c|"+number), body)
	}
	body := func(number, name, more string) string {
		return fmt.Sprintf(`{"resourceType":"Patient","active":true,"identifier":[{"system":"urn:mrn:c","value":%q},{"system":"%sresident-id","value":%q}],"name":[{"text":%q}],"gender":"female","birthDate":"1961-05-23"%s}`, number, sid, mengNumber, name, more)
	}
	first := put(201, "1", body("1", "孟小茹", "")).node.ID()
	if again := put(200, "1", body("1", "孟晓茹", "")); again.node.ID() != first || again.Header.Get("ETag") != `W/"2"` {
		t.Errorf("an update by identifier: got %s %s", again.Header.Get("ETag"), again.body)
	}
	second := put(201, "2", body("2", "孟小茹", "")).node.ID()
	h.settle()
	if r := h.want(200, county, "GET", "/Person?link=Patient/"+first, ""); r.node.Str("total") != "1" {
		t.Errorf("the two are not linked: %s", r.body)
	}
	// the feed's merge: the subsumed record is inactive and replaced by the other
	put(200, "1", body("1", "孟小茹", `,"link":[{"other":{"reference":"Patient/`+second+`"},"type":"replaced-by"}]`))
	h.settle()
	r := h.want(200, county, "GET", "/Patient/"+first, "")
	if linksOf(r.node) != second+" replaced-by" {
		t.Errorf("got %s", r.body)
	}
	if got := h.want(200, county, "GET", "/Patient?_id:person="+first, ""); len(got.node.All("entry")) != 2 {
		t.Errorf("search by person: got %s", got.ids())
	}
	if r := h.want(200, county, "GET", "/Patient/$ihe-pix?sourceIdentifier="+url.QueryEscape("urn:mrn:c|1")+"&targetSystem=urn:mrn:c", ""); !strings.Contains(r.body, `"value":"2"`) {
		t.Errorf("$ihe-pix after the merge: %s", r.body)
	}
}

var clerk = &access.Caller{User: "lin", Name: "林档案", Role: "records", Org: "Organization/county", Institution: "Organization/county", Scope: whole("Organization/county"), Lang: "en"}

func (h *indexed) merging(as *access.Caller, operation, source, target string, more ...string) reply {
	h.t.Helper()
	extra := ""
	for _, m := range more {
		extra += "," + m
	}
	return h.do(as, "POST", "/Patient/$"+operation, fmt.Sprintf(`{"resourceType":"Parameters","parameter":[{"name":"source-patient","valueReference":{"reference":"Patient/%s"}},{"name":"target-patient","valueReference":{"reference":"Patient/%s"}}%s]}`, source, target, extra))
}

const reason = `{"name":"reason","valueString":"重复建档"}`

func part(r reply, name string) *fhir.Node {
	for _, p := range r.node.All("parameter") {
		if p.Str("name") == name {
			return p.Child("resource")
		}
	}
	return nil
}

func TestMergeAndItsUndo(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newIndexed(t, open)
		h.put(county, meng("c1", "孟小茹", "15124298289"))
		h.put(county, `{"resourceType":"Patient","id":"c2","active":true,"name":[{"text":"孟大姐"}],"gender":"female","identifier":[{"system":"urn:mrn:c","value":"MR-c2"}]}`) // written down in a hurry
		h.put(stranger, meng("e1", "孟小茹", "15124298289"))
		h.observation(county, "o1", "c1", "2026-01-01")
		h.observation(county, "o2", "c2", "2026-01-02")
		h.settle()
		h.audit.take()
		state := func(id string) string {
			t.Helper()
			n := h.want(200, clerk, "GET", "/Patient/"+id, "").node
			own := fhir.Arr{}
			for _, l := range n.All("link") {
				if l.Get("extension") == nil {
					own = append(own, l)
				}
			}
			return n.Str("active") + " " + linksOf(fhir.Of(fhir.Obj{"link", own}))
		}
		before := [2]string{h.want(200, clerk, "GET", "/Patient/c1/_history/1", "").body, h.want(200, clerk, "GET", "/Patient/c2/_history/1", "").body}

		// a preview writes nothing
		r := h.merging(clerk, "merge", "c2", "c1", reason, `{"name":"preview","valueBoolean":true}`)
		if r.StatusCode != 200 || linksOf(part(r, "result")) != "c2 replaces" || part(r, "task") != nil || part(r, "outcome").Str("issue[0].details.coding[0].code") != "preview" {
			t.Fatalf("preview: got %d %s", r.StatusCode, r.body)
		}
		if state("c2") != "true " || state("c1") != "true " {
			t.Errorf("a preview wrote: %s, %s", state("c1"), state("c2"))
		}
		r = h.merging(clerk, "merge", "c2", "c1", reason)
		if r.StatusCode != 200 || part(r, "result").ID() != "c1" || part(r, "task").Str("status") != "completed" || part(r, "input").Type() != "Parameters" {
			t.Fatalf("got %d %s", r.StatusCode, r.body)
		}
		if state("c2") != "false c1 replaced-by" || state("c1") != "true c2 replaces" {
			t.Errorf("got %s, %s", state("c1"), state("c2"))
		}
		if e := h.audit.take(); !slices.ContainsFunc(e, func(e audit.Entry) bool {
			return e.What == "person:merged" && e.User == "lin" && e.Reason == "重复建档" && len(e.Patients) == 2
		}) {
			t.Errorf("audit: got %+v", e)
		}
		// nothing that refers to them was rewritten; reading joins them
		if got := h.want(200, clerk, "GET", "/Observation/o2", ""); got.node.Str("subject.reference") != "Patient/c2" || got.Header.Get("ETag") != `W/"1"` {
			t.Errorf("the observation was touched: %s", got.body)
		}
		for _, url := range []string{"/Observation?patient:person=Patient/c1", "/Patient/c1/$everything?_type=Observation"} {
			if got := sorted(h.want(200, clerk, "GET", url, "").ids()); got != "o1 o2" {
				t.Errorf("%s: got %s", url, got)
			}
		}
		if r := h.merging(clerk, "merge", "c2", "c1", reason); r.StatusCode != 409 || r.detail() != "merged-already" {
			t.Errorf("twice: got %d %s", r.StatusCode, r.body)
		}
		r = h.merging(clerk, "unmerge", "c2", "c1", `{"name":"reason","valueString":"并非同一人"}`)
		if r.StatusCode != 200 {
			t.Fatalf("undo: got %s", r.body)
		}
		for i, id := range []string{"c1", "c2"} {
			now := h.want(200, clerk, "GET", "/Patient/"+id, "").node
			old, err := fhir.Parse([]byte(before[i]))
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []*fhir.Node{now, old} {
				n.Set("meta", nil)
				if n.Str("link[0].extension[0].url") != "" {
					n.Set("link", nil)
				}
			}
			if string(now.JSON()) != string(old.JSON()) {
				t.Errorf("%s is not what it was:\ngot  %s\nwant %s", id, now.JSON(), old.JSON())
			}
		}
		h.settle()
		if got := sorted(h.want(200, clerk, "GET", "/Observation?patient:person=Patient/c1", "").ids()); got != "o1" {
			t.Errorf("after the undo: got %s", got)
		}
		if r := h.merging(clerk, "unmerge", "c2", "c1", reason); r.StatusCode != 422 || r.detail() != "not-merged" {
			t.Errorf("undone twice: got %d %s", r.StatusCode, r.body)
		}

		// by identifiers, by a program of the hospital
		r = h.do(program("system/Patient.cruds"), "POST", "/Patient/$merge", `{"resourceType":"Parameters","parameter":[{"name":"source-patient-identifier","valueIdentifier":{"system":"urn:mrn:c","value":"MR-c2"}},{"name":"target-patient","valueReference":{"reference":"Patient/c1"}},{"name":"target-patient-identifier","valueIdentifier":{"system":"urn:mrn:c","value":"MR-c1"}}]}`)
		if r.StatusCode != 200 || state("c2") != "false c1 replaced-by" {
			t.Errorf("by identifier: got %d %s", r.StatusCode, r.body)
		}
	})
}

func TestWhoMayNotMerge(t *testing.T) {
	h := newIndexed(t, storetest.Memory)
	h.mengTwice()
	h.put(county, meng("c2", "孟小茹", "15124298289"))
	h.both() // the county sees the other hospital's record, and keeps it not
	h.settle()
	there := func(source, target string, more string) string {
		return fmt.Sprintf(`{"resourceType":"Parameters","parameter":[%s{"name":"source-patient","valueReference":{"reference":%q}},{"name":"target-patient","valueReference":{"reference":%q}}]}`, more, source, target)
	}
	for _, c := range []struct {
		name   string
		as     *access.Caller
		body   string
		status int
		detail string
		same   bool
	}{
		{name: "a doctor", as: county, body: there("Patient/c2", "Patient/c1", ""), status: 403, detail: "may-not-merge"},
		{name: "a program that may only read", as: program("system/Patient.rs"), body: there("Patient/c2", "Patient/c1", ""), status: 403, detail: "may-not-merge"},
		{name: "another hospital's record", as: clerk, body: there("Patient/e1", "Patient/c1", ""), status: 403, detail: "not-custodian"},
		{name: "into another hospital's record", as: clerk, body: there("Patient/c1", "Patient/e1", ""), status: 403, detail: "not-custodian"},
		{name: "a record that is not there", as: clerk, body: there("Patient/none", "Patient/c1", ""), status: 422, detail: "unknown-patient"},
		{name: "without a reason", as: clerk, body: there("Patient/c2", "Patient/c1", ""), status: 422, detail: "needs-reason"},
		{name: "itself", as: clerk, body: there("Patient/c1", "Patient/c1", reason+","), status: 422, detail: "same-record"},
		{name: "no target", as: clerk, body: `{"resourceType":"Parameters","parameter":[` + reason + `,{"name":"source-patient","valueReference":{"reference":"Patient/c2"}}]}`, status: 400, detail: "patient-required"},
		{name: "no patient", as: clerk, body: there("Group/1", "Patient/c1", ""), status: 400, detail: "bad-value"},
		{name: "identifiers of somebody else", as: clerk, body: there("Patient/c2", "Patient/c1", `{"name":"source-patient-identifier","valueIdentifier":{"system":"urn:mrn:c","value":"MR-c1"}},`), status: 422, detail: "unknown-patient"},
		{name: "a result that loses a number", as: clerk, body: there("Patient/c2", "Patient/c1", reason+`,{"name":"result-patient","resource":{"resourceType":"Patient","id":"c1"}},`), status: 422, detail: "bad-result-patient"},
		{name: "a result of another id", as: clerk, body: there("Patient/c2", "Patient/c1", reason+`,{"name":"result-patient","resource":`+meng("c2", "孟小茹", "1")+`},`), status: 422, detail: "bad-result-patient"},
		{name: "a result that is no good", as: clerk, body: there("Patient/c2", "Patient/c1", reason+`,{"name":"result-patient","resource":`+strings.Replace(meng("c1", "孟小茹", "1"), `"gender":"female"`, `"gender":"f"`, 1)+`},`), status: 422, detail: "unknown-code"},
		{name: "a result that refers to what he does not see", as: clerk, body: there("Patient/c2", "Patient/c1", reason+`,{"name":"result-patient","resource":`+strings.Replace(meng("c1", "孟小茹", "1"), `"gender"`, `"generalPractitioner":[{"reference":"Practitioner/none"}],"gender"`, 1)+`},`), status: 422, detail: "unknown-reference"},
		{name: "an undo of nothing", as: clerk, body: there("Patient/c2", "Patient/c1", ""), status: 422, detail: "not-merged", same: true},
	} {
		operation := "merge"
		if c.same {
			operation = "unmerge"
		}
		if r := h.do(c.as, "POST", "/Patient/$"+operation, c.body); r.StatusCode != c.status || r.detail() != c.detail {
			t.Errorf("%s: got %d %s; want %d %s", c.name, r.StatusCode, r.body, c.status, c.detail)
		}
	}
	// a record that the clerk of another hospital does not see is one that is not there
	far := *clerk
	far.User, far.Org, far.Institution, far.Scope = "far", "Organization/elsewhere", "Organization/elsewhere", whole("Organization/elsewhere")
	hidden, none := h.merging(&far, "merge", "c2", "e1", reason), h.merging(&far, "merge", "none", "e1", reason)
	if hidden.StatusCode != 422 || strings.ReplaceAll(hidden.body, "c2", "none") != none.body && hidden.detail() != none.detail() {
		t.Errorf("hidden: got %s; not there: %s", hidden.body, none.body)
	}
	h.want(405, clerk, "GET", "/Patient/$merge", "")
	if r := h.want(200, clerk, "GET", "/Patient/c2", ""); r.node.Str("active") != "true" || r.Header.Get("ETag") != `W/"1"` {
		t.Errorf("a refusal wrote: %s", r.body)
	}
}

func TestAMergeWithAResultIsTakenBackWhole(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		for _, touched := range []bool{false, true} {
			h := newIndexed(t, open)
			h.put(county, meng("c1", "孟小如", "15124298289"))
			h.put(county, meng("c2", "孟小茹", "15124298280"))
			h.settle()
			name := func() string {
				t.Helper()
				return h.want(200, clerk, "GET", "/Patient/c1", "").node.Str("name[0].text")
			}
			result := `{"name":"result-patient","resource":` + meng("c1", "孟小茹", "15124298289") + `}`
			if r := h.merging(clerk, "merge", "c2", "c1", reason, result, `{"name":"preview","valueBoolean":true}`); r.StatusCode != 200 || part(r, "result").Str("name[0].text") != "孟小茹" || name() != "孟小如" {
				t.Fatalf("preview: got %s, and then %s", r.body, name())
			}
			if r := h.merging(clerk, "merge", "c2", "c1", reason, result); r.StatusCode != 200 || name() != "孟小茹" || linksOf(part(r, "result")) != "c2 replaces" {
				t.Fatalf("got %s", r.body)
			}
			h.settle()
			want := "孟小如"
			if touched {
				h.put(county, strings.Replace(h.want(200, county, "GET", "/Patient/c1", "").body, "孟小茹", "孟晓茹", 1))
				want = "孟晓茹"
			}
			r := h.merging(clerk, "unmerge", "c2", "c1", reason)
			if r.StatusCode != 200 || name() != want || strings.Contains(r.body, "content-stays") != touched {
				t.Errorf("touched %v: got %s, %s; want %s", touched, name(), r.body, want)
			}
			if got := h.want(200, clerk, "GET", "/Patient/c2", "").node; got.Str("active") != "true" || strings.Contains(string(got.JSON()), "replaced-by") {
				t.Errorf("the source: got %s", got.JSON())
			}
		}
	})
}
