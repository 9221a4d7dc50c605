package hubtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// piece is one resource of the patient's record, with what the model needs to know of it.
type piece struct {
	ref    string
	keeper string // institution
	kind   string // guarded
	body   string // after the type and the id
}

func (p *piece) typ() string { typ, _, _ := strings.Cut(p.ref, "/"); return typ }
func (p *piece) id() string  { _, id, _ := strings.Cut(p.ref, "/"); return id }

const about = `"subject":{"reference":"Patient/mx-p"}`

// pieces are the record of one patient of the hospital mxa, of whom others keep something, too.
var pieces = []piece{
	{"Patient/mx-p", "mxa", "", `"identifier":[{"system":"urn:mx","value":"mx-number"}],"name":[{"family":"Matrixfamily","text":"Matrixfamily"}],"gender":"male","birthDate":"1980-02-03"`},
	{"Encounter/mx-e", "mxa", "", `"status":"in-progress","class":{"code":"IMP"},"serviceProvider":{"reference":"Organization/mxa-1"},"period":{"start":"2026-11-19"},` + about},
	{"Encounter/mx-old", "mxa", "", `"status":"finished","class":{"code":"AMB"},"serviceProvider":{"reference":"Organization/mxa-2"},"period":{"start":"2026-01-05","end":"2026-01-06"},` + about},
	{"CareTeam/mx-team", "mxa", "", `"status":"active","participant":[{"member":{"reference":"Practitioner/mx-t"}}],` + about},
	{"Observation/mx-o1", "mxa", "", `"status":"final","code":{"coding":[{"system":"urn:mx","code":"mx-code"}]},"identifier":[{"system":"urn:mx","value":"mx-ident"}],"effectiveDateTime":"2026-11-19","valueQuantity":{"value":41.5,"unit":"x"},"encounter":{"reference":"Encounter/mx-e"},` + about},
	{"Observation/mx-o2", "mxb", "", `"status":"final","code":{"coding":[{"system":"urn:mx","code":"mx-code"}]},"effectiveDateTime":"2026-11-18","valueQuantity":{"value":42.5,"unit":"x"},` + about},
	{"Condition/mx-c", "mxa", "", `"code":{"coding":[{"system":"urn:mx","code":"mx-ill"}]},` + about},
	{"Condition/mx-g", "mxa", "psychiatry", `"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"}]},"code":{"coding":[{"system":"urn:mx","code":"mx-ill"}]},` + about},
	{"DiagnosticReport/mx-r", "mxa", "", `"status":"final","code":{"text":"mx"},"result":[{"reference":"Observation/mx-o1"}],` + about},
	{"DocumentReference/mx-d", "mxa", "", `"status":"current","content":[{"attachment":{"title":"mx"}}],` + about},
	{"List/mx-l", "mxa", "", `"status":"current","mode":"working","entry":[{"item":{"reference":"Observation/mx-o1"}},{"item":{"reference":"Condition/mx-g"}}],` + about},
	{"RelatedPerson/mx-rp", "mxa", "", `"active":true,"relationship":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-RoleCode","code":"GUARD"}]}],"patient":{"reference":"Patient/mx-p"}`},
	{"Consent/mx-k", "mxa", "", `"status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},"category":[{"text":"mx"}],"provision":{"type":"deny","actor":[{"role":{"text":"mx"},"reference":{"reference":"Organization/mxf"}}]},"patient":{"reference":"Patient/mx-p"}`},
	{"Task/mx-t", "mxa", "", task("requested", "mxb", "mxb-1", "Observation/mx-o1")},
	{"Task/mx-refused", "mxa", "", task("requested", "mxf", "mxf-1", "Observation/mx-o1")},
	{"Task/mx-closed", "mxa", "", task("requested", "mxh", "mxh-1", "Condition/mx-c")},
}

func task(status, owner, department, input string) string {
	return `"status":"` + status + `","intent":"order","for":{"reference":"Patient/mx-p"},"requester":{"reference":"Organization/mxa"},"owner":{"reference":"Organization/` + owner + `"},"extension":[{"url":"` + access.TaskDepartment +
		`","valueReference":{"reference":"Organization/` + department + `"}}],"input":[{"type":{"text":"x"},"valueReference":{"reference":"` + input + `"}}]`
}

func canary(ref string) string { return "canary-" + strings.ReplaceAll(ref, "/", "-") + "-z" }

func (p *piece) json() string {
	return fmt.Sprintf(`{"resourceType":%q,"id":%q,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">%s</div>"},%s}`, p.typ(), p.id(), canary(p.ref), p.body)
}

// caller is one role in one relation to the patient, and what he sees by the rules as they are told.
type caller struct {
	relation string
	who      access.Caller
	sees     func(p *piece) bool
}

func keptBy(institution string) func(p *piece) bool {
	return func(p *piece) bool { return p.keeper == institution && p.kind == "" }
}

func none(*piece) bool { return false }

func these(refs ...string) func(p *piece) bool {
	return func(p *piece) bool { return slices.Contains(refs, p.ref) }
}

func only(sees func(*piece) bool, types ...string) func(p *piece) bool {
	return func(p *piece) bool { return sees(p) && slices.Contains(types, p.typ()) }
}

func org(id string) string { return "Organization/" + id }

func at(role access.Role, id, practitioner string) access.Caller {
	c := access.Caller{User: "mx-" + string(role) + id + practitioner, Name: "mx", Role: role, Org: org(id), Lang: "en"}
	if practitioner != "" {
		c.Practitioner = "Practitioner/" + practitioner
	}
	return c
}

func program(id string, scopes ...string) access.Caller {
	c := access.Caller{User: "mx-program" + id + strings.Join(scopes, ""), Role: access.Program, Scopes: scopes, Lang: "en"}
	if id != "" {
		c.Org = org(id)
	}
	return c
}

func callers() []caller {
	everything := func(p *piece) bool { return true }
	open := func(p *piece) bool { return p.kind == "" }
	whoever := access.Caller{User: "mx-patient", Role: access.Patient, Practitioner: "Patient/mx-p", Lang: "en"}
	another := access.Caller{User: "mx-patient-q", Role: access.Patient, Practitioner: "Patient/mx-q", Lang: "en"}
	guardian := access.Caller{User: "mx-guardian", Role: access.Guardian, Practitioner: "RelatedPerson/mx-rp", Lang: "en"}
	stranger := access.Caller{User: "mx-guardian-q", Role: access.Guardian, Practitioner: "RelatedPerson/mx-other", Lang: "en"}
	list := []caller{
		{"own unit", at(access.Doctor, "mxa-1", "mx-a1"), keptBy("mxa")},
		{"own unit", at(access.Nurse, "mxa-1", "mx-n1"), keptBy("mxa")},
		{"own unit", at(access.ReferringDoctor, "mxa-1", "mx-a3"), keptBy("mxa")},
		{"own unit, with a reason", at(access.Doctor, "mxa-1", "mx-reason"), func(p *piece) bool { return p.keeper == "mxa" }},
		{"other unit of the hospital", at(access.Doctor, "mxa-2", "mx-a2"), none},
		{"hospital without a unit", at(access.Doctor, "mxa", "mx-a0"), none},
		{"team", at(access.Doctor, "mxa-2", "mx-t"), keptBy("mxa")},
		{"party to an open task", at(access.Doctor, "mxb-1", "mx-b1"), these("Patient/mx-p", "Task/mx-t", "Observation/mx-o1", "Observation/mx-o2")},
		{"party to an open task", at(access.ReferralOffice, "mxb", "mx-b2"), these("Patient/mx-p", "Task/mx-t", "Observation/mx-o1", "Observation/mx-o2")},
		{"party to a closed task", at(access.Doctor, "mxh-1", "mx-h1"), these("Patient/mx-p", "Task/mx-closed", "Condition/mx-c")},
		{"consent refused", at(access.Doctor, "mxf-1", "mx-f1"), none},
		{"consent refused", at(access.ReferralOffice, "mxf", "mx-f2"), none},
		{"agreement, the whole", at(access.Doctor, "mxd-1", "mx-d1"), open},
		{"agreement, results", at(access.Doctor, "mxe-1", "mx-e1"), only(open, access.ResultTypes...)},
		{"none", at(access.Doctor, "mxc-1", "mx-c1"), none},
		{"broken glass", at(access.Doctor, "mxc-1", "mx-glass"), open},
		{"broken glass, over", at(access.Doctor, "mxc-1", "mx-glass-over"), none},
		{"none", at(access.Leader, "mxc", "mx-c2"), none},
		{"none", at(access.MedicalAffairs, "mxc", "mx-c3"), none},
		{"none", at(access.ReferralOffice, "mxc", "mx-c4"), none},
		{"desk of the asking hospital", at(access.ReferralOffice, "mxa", "mx-a4"), keptBy("mxa")},
		{"desk of the asking hospital", at(access.InsuranceOffice, "mxa", "mx-a5"), only(keptBy("mxa"), "Patient", "Task")},
		{"desk of the asking hospital", at(access.Leader, "mxa", "mx-a6"), keptBy("mxa")},
		{"duty", at(access.MedicalAffairs, "mxa", "mx-a7"), keptBy("mxa")},
		{"duty", at(access.Quality, "mxa", "mx-a8"), keptBy("mxa")},
		{"duty", at(access.RecordsOffice, "mxa", "mx-a9"), keptBy("mxa")},
		{"duty", at(access.Registrar, "mxa", "mx-a10"), only(keptBy("mxa"), "Patient", "Encounter", "RelatedPerson")},
		{"registers", at(access.Administrator, "mxa", "mx-a11"), none},
		{"none", at(access.Auditor, "mxa", "mx-a12"), none},
		{"no such role", at("boss", "mxa-1", "mx-a13"), none},
		{"the patient", whoever, everything},
		{"another patient", another, none},
		{"guardian", guardian, everything},
		{"somebody's guardian", stranger, none},
		{"program", program("mxa", "system/*.rs"), func(p *piece) bool { return p.keeper == "mxa" }},
		{"program of some types", program("mxa", "system/Observation.rs", "system/Patient.rs"), only(keptBy("mxa"), "Observation", "Patient")},
		{"program", program("mxc", "system/*.rs"), none},
		{"program of the hub", program("", "system/*.rs"), everything},
		{"program of the hub, of some types", program("", "system/Condition.rs"), only(everything, "Condition")},
		{"program that may read nothing", program("mxa", "system/Observation.c"), none},
	}
	return list
}

// world is a hub with that one record.
type world struct {
	*testing.T
	hub *server.Hub
}

func newWorld(t *testing.T, o server.Options) *world {
	ctx := context.Background()
	turned := clock.At(hubtest.Start.AddDate(0, 0, -90))
	o.Clock, o.Data, o.Lenient, o.FullText = turned, t.TempDir(), true, false
	o.PasswordCost = identity.Cost{Memory: 64, Passes: 1, Threads: 1}
	o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	hub, err := server.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hub.Close() })
	w := &world{t, hub}
	for _, h := range []string{"mxa", "mxb", "mxc", "mxd", "mxe", "mxf", "mxh"} {
		w.put("", fmt.Sprintf(`{"resourceType":"Organization","id":%q,"name":"%s医院","type":[{"coding":[{"code":"prov"}]}]}`, h, h))
		for i := 1; i <= 2; i++ {
			w.put("", fmt.Sprintf(`{"resourceType":"Organization","id":"%s-%d","name":"%s%d科","type":[{"coding":[{"code":"dept"}]}],"partOf":{"reference":"Organization/%s"}}`, h, i, h, i, h))
		}
	}
	w.put("Organization/mxc-1", `{"resourceType":"Patient","id":"mx-q","name":[{"family":"Otherfamily"}],"gender":"female"}`)
	w.put("Organization/mxc-1", `{"resourceType":"RelatedPerson","id":"mx-other","active":true,"patient":{"reference":"Patient/mx-q"},"relationship":[{"coding":[{"code":"GUARD"}]}]}`)
	for i := range pieces {
		p := &pieces[i]
		keeper := org(p.keeper + "-1")
		w.put(keeper, p.json())
		if p.ref == "Task/mx-closed" {
			w.put(keeper, strings.Replace(p.json(), `"requested"`, `"completed"`, 1))
		}
	}
	w.put("Organization/mxa-1", `{"resourceType":"Observation","id":"mx-gone","status":"final","code":{"text":"canary-gone"},`+about+`}`)
	w.update(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Put(ctx, store.Put{Op: store.Delete, Type: "Observation", ID: "mx-gone"})
		return err
	})
	turned.Turn(90 * 24 * time.Hour)
	w.update(func(ctx context.Context, tx *store.Tx) error { // what lines, agreements and break-glass derive, as they would
		for _, g := range []store.Grant{
			{Party: access.Reasoned("Practitioner/mx-reason", access.Psychiatry)},
			{Party: org("mxd-1") + access.Whole}, {Party: org("mxe-1") + access.Results},
			{Party: "Practitioner/mx-glass" + access.Whole, Until: tx.Now().Add(24 * time.Hour)},
			{Party: "Practitioner/mx-glass-over" + access.Whole, Until: tx.Now().Add(-time.Minute)},
		} {
			g.Patient, g.Source, g.Class, g.Basis = "Patient/mx-p", "matrix", "record", "matrix"
			if err := tx.Grant(ctx, g); err != nil {
				return err
			}
		}
		return nil
	})
	return w
}

func (w *world) update(fn func(ctx context.Context, tx *store.Tx) error) {
	w.Helper()
	ctx := context.Background()
	if err := w.hub.Store.Update(ctx, func(tx *store.Tx) error { return fn(ctx, tx) }); err != nil {
		w.Fatal(err)
	}
}

func (w *world) put(custodian, body string) {
	w.Helper()
	n, err := fhir.Parse([]byte(body))
	if err != nil {
		w.Fatal(body, err)
	}
	p, err := w.hub.Store.Prepare(n)
	if err != nil {
		w.Fatal(err)
	}
	w.update(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Put(ctx, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: p, Custodian: custodian, ByStep: true})
		return err
	})
}

// ask sends a request as a caller, behind the door.
func (w *world) ask(who access.Caller, method, address, body string, header ...string) hubtest.Answer {
	w.hub.Tree.Settle(&who)
	return w.as(&who, method, address, body, header...)
}

func (w *world) as(who *access.Caller, method, address, body string, header ...string) hubtest.Answer {
	ctx, cancel := context.WithTimeout(access.With(context.Background(), who), 20*time.Second)
	defer cancel()
	r := httptest.NewRequest(method, address, strings.NewReader(body)).WithContext(ctx)
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
		if strings.HasPrefix(address, "/api") {
			r.Header.Set("Content-Type", "application/json")
		}
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.hub.Inside().ServeHTTP(rec, r)
	return hubtest.Answer{Status: rec.Code, Header: rec.Header(), Body: rec.Body.Bytes()}
}

// shown lists the pieces that a body tells of.
func shown(body []byte) (refs []string) {
	text := string(body)
	for i := range pieces {
		p := &pieces[i]
		if strings.Contains(text, canary(p.ref)) || strings.Contains(text, `"id":"`+p.id()+`"`) || strings.Contains(text, `"reference":"`+p.ref+`","name"`) {
			refs = append(refs, p.ref)
		}
	}
	return refs
}

// reach are the pieces that an interaction would show to one who sees everything.
type reach func(p *piece) bool

func ofType(types ...string) reach {
	return func(p *piece) bool { return slices.Contains(types, p.typ()) }
}

// with narrows to what is found by way of others, which the caller must see as well.
type interaction struct {
	name, method, url, body string
	header                  []string
	reach                   reach
	by                      []string                         // pieces that the caller must see, or nothing is found
	list                    bool                             // answers 200 with what is visible, else 404 where what is asked for is not
	total                   bool                             // and tells how many there are
	count                   func(sees func(*piece) bool) int // when nothing is shown
	wide                    bool                             // a program that may read some types only is refused
}

func form(values string) (string, []string) {
	return values, []string{"Content-Type", "application/x-www-form-urlencoded"}
}

func interactions() (all []interaction) {
	record := reach(func(p *piece) bool { return true })
	add := func(i interaction) {
		if i.method == "" {
			i.method = "GET"
		}
		all = append(all, i)
	}
	for i := range pieces {
		p := &pieces[i]
		is := reach(func(o *piece) bool { return o.ref == p.ref })
		add(interaction{name: "read " + p.ref, url: "/fhir/" + p.ref, reach: is})
		add(interaction{name: "vread " + p.ref, url: "/fhir/" + p.ref + "/_history/1", reach: is})
		add(interaction{name: "history of " + p.ref, url: "/fhir/" + p.ref + "/_history", reach: is})
		add(interaction{name: "meta of " + p.ref, url: "/fhir/" + p.ref + "/$meta", reach: func(*piece) bool { return false }, by: []string{p.ref}})
		add(interaction{name: "batch read " + p.ref, method: "POST", url: "/fhir", body: `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"` + p.ref + `"}}]}`, reach: is, list: true})
	}
	types := map[string]bool{}
	for i := range pieces {
		typ := pieces[i].typ()
		if types[typ] {
			continue
		}
		types[typ] = true
		add(interaction{name: "search " + typ, url: "/fhir/" + typ + "?_count=100&_total=accurate", reach: ofType(typ), list: true, total: typ != "Patient" && typ != "RelatedPerson"})
		add(interaction{name: "search by id " + typ, url: "/fhir/" + typ + "?_id=" + pieces[i].id() + "&_total=accurate", reach: func(p *piece) bool { return p.ref == pieces[i].ref }, list: true, total: true})
		body, header := form("_count=100&_total=estimate")
		add(interaction{name: "search by POST " + typ, method: "POST", url: "/fhir/" + typ + "/_search", body: body, header: header, reach: ofType(typ), list: true})
		add(interaction{name: "count " + typ, url: "/fhir/" + typ + "?_summary=count&_lastUpdated=ge2020", reach: func(*piece) bool { return false }, list: true, count: counting(ofType(typ))})
		add(interaction{name: "history of type " + typ, url: "/fhir/" + typ + "/_history?_count=500", reach: ofType(typ), list: true})
		add(interaction{name: "in the compartment " + typ, url: "/fhir/Patient/mx-p/" + typ + "?_count=100", reach: ofType(typ), list: true})
		add(interaction{name: "sorted " + typ, url: "/fhir/" + typ + "?_sort=-_lastUpdated&_count=100", reach: ofType(typ), list: true})
	}
	observations := ofType("Observation")
	a1 := []string{"Patient/mx-p"}
	body, header := form("code=mx-code")
	for _, i := range []interaction{
		{name: "history of all", url: "/fhir/_history?_count=1000", reach: record, list: true, wide: true},
		{name: "everything across types", url: "/fhir?_lastUpdated=ge2020&_count=1000", reach: record, list: true},
		{name: "across types by POST", method: "POST", url: "/fhir/_search", body: "_type=Observation,Condition&_count=1000", header: header, reach: ofType("Observation", "Condition"), list: true},
		{name: "all of the compartment", url: "/fhir/Patient/mx-p/*?_count=1000", reach: record, list: true},
		{name: "by code", url: "/fhir/Observation?code=mx-code&_total=accurate", reach: observations, list: true, total: true},
		{name: "by code in a form", method: "POST", url: "/fhir/Observation/_search", body: body, header: header, reach: observations, list: true},
		{name: "by code, sorted by date", url: "/fhir/Observation?code=mx-code&_sort=-date", reach: observations, list: true},
		{name: "by value", url: "/fhir/Observation?value-quantity=gt41&_total=accurate", reach: observations, list: true, total: true},
		{name: "by patient", url: "/fhir/Observation?patient=mx-p&_total=accurate", reach: observations, list: true, total: true},
		{name: "count by patient", url: "/fhir/Observation?patient=mx-p&_summary=count", reach: func(*piece) bool { return false }, list: true, count: counting(observations)},
		{name: "by identifier", url: "/fhir/Observation?identifier=urn:mx|mx-ident&_total=accurate", reach: these("Observation/mx-o1"), list: true, total: true},
		{name: "patient by identifier", url: "/fhir/Patient?identifier=urn:mx|mx-number&_total=accurate", reach: ofType("Patient"), list: true, total: true},
		{name: "patient by name", url: "/fhir/Patient?family=Matrixfamily&_total=accurate", reach: ofType("Patient"), list: true, total: true},
		{name: "chain", url: "/fhir/Observation?patient.family=Matrixfamily&_total=accurate", reach: observations, by: a1, list: true, total: true},
		{name: "chain to an encounter", url: "/fhir/Observation?encounter.status=in-progress&_total=accurate", reach: these("Observation/mx-o1"), by: []string{"Encounter/mx-e"}, list: true, total: true},
		{name: "_has", url: "/fhir/Patient?_has:Observation:patient:code=mx-code&_total=accurate", reach: ofType("Patient"), by: []string{"Observation/mx-o1"}, list: true, total: true},
		{name: "_has what is guarded", url: "/fhir/Patient?_has:Condition:patient:_id=mx-g&_total=accurate", reach: ofType("Patient"), by: []string{"Condition/mx-g"}, list: true, total: true},
		{name: "_filter", url: "/fhir/Observation?_filter=" + url.QueryEscape("code eq mx-code") + "&_total=accurate", reach: observations, list: true, total: true},
		{name: "_filter through a chain", url: "/fhir/Condition?_filter=" + url.QueryEscape(`code eq mx-ill and patient.family sw "Matrix"`), reach: ofType("Condition"), by: a1, list: true},
		{name: "_list", url: "/fhir/Observation?_list=mx-l&_total=accurate", reach: these("Observation/mx-o1"), by: []string{"List/mx-l"}, list: true, total: true},
		{name: "_include", url: "/fhir/Observation?_id=mx-o1&_include=Observation:patient&_include=Observation:encounter", reach: these("Observation/mx-o1", "Patient/mx-p", "Encounter/mx-e"), by: []string{"Observation/mx-o1"}, list: true},
		{name: "_include of a list", url: "/fhir/List?_id=mx-l&_include=List:item", reach: these("List/mx-l", "Observation/mx-o1", "Condition/mx-g"), by: []string{"List/mx-l"}, list: true},
		{name: "_revinclude", url: "/fhir/Patient?_id=mx-p&_revinclude=Observation:patient&_revinclude=Condition:patient", reach: ofType("Patient", "Observation", "Condition"), by: a1, list: true},
		{name: ":missing", url: "/fhir/Condition?onset-date:missing=true&_total=accurate", reach: ofType("Condition"), list: true, total: true},
		{name: ":not", url: "/fhir/Condition?code:not=nothing&_total=accurate", reach: ofType("Condition"), list: true, total: true},
		{name: "_elements", url: "/fhir/Observation?code=mx-code&_elements=status", reach: observations, list: true},
		{name: "$everything", url: "/fhir/Patient/mx-p/$everything?_count=1000", reach: func(p *piece) bool { return p.typ() != "Organization" }, by: a1},
		{name: "$lastn", url: "/fhir/Observation/$lastn?patient=mx-p&max=5", reach: observations, list: true},
		{name: "$graphql", method: "POST", url: "/fhir/$graphql", body: `{"query":"{ObservationList(code:\"mx-code\"){id text{div}} ConditionList(code:\"mx-ill\"){id text{div}}}"}`, header: []string{"Content-Type", "application/json"}, reach: ofType("Observation", "Condition"), list: true, wide: true},
		{name: "batch search", method: "POST", url: "/fhir", body: `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Observation?code=mx-code"}},{"request":{"method":"GET","url":"Condition?code=mx-ill"}}]}`, reach: ofType("Observation", "Condition"), list: true},
		{name: "transaction search", method: "POST", url: "/fhir", body: `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET","url":"Observation?code=mx-code"}}]}`, reach: observations, list: true},
		{name: "page's patients", url: "/api/patients?q=Matrixfamily", reach: ofType("Patient"), list: true},
	} {
		add(i)
	}
	return all
}

func counting(r reach) func(sees func(*piece) bool) int {
	return func(sees func(*piece) bool) (n int) {
		for i := range pieces {
			if r(&pieces[i]) && sees(&pieces[i]) {
				n++
			}
		}
		return n
	}
}

// Every role in every relation, by every interaction: what is shown is what a plain model of the rules says.
func TestMatrixOfWhoSeesWhat(t *testing.T) {
	both(t, func(t *testing.T, o server.Options) {
		w := newWorld(t, o)
		asked := 0
		for _, c := range callers() {
			for _, i := range interactions() {
				asked++
				w.check(c, i)
			}
		}
		t.Logf("%d callers, %d questions", len(callers()), asked)
	})
}

func both(t *testing.T, test func(t *testing.T, o server.Options)) {
	t.Run("sqlite", func(t *testing.T) { test(t, server.Options{Memory: true}) })
	t.Run("postgres", func(t *testing.T) { test(t, server.Options{DB: storetest.PostgresURL(t)}) })
}

func (w *world) check(c caller, i interaction) {
	w.Helper()
	a := w.ask(c.who, i.method, i.url, i.body, i.header...)
	found := !slices.ContainsFunc(i.by, func(ref string) bool {
		return !c.sees(&pieces[slices.IndexFunc(pieces, func(p piece) bool { return p.ref == ref })])
	})
	var want []string
	for k := range pieces {
		if p := &pieces[k]; found && i.reach(p) && c.sees(p) {
			want = append(want, p.ref)
		}
	}
	fail := func(format string, args ...any) {
		w.Helper()
		body := string(a.Body)
		w.Errorf("%s, %s of %s %s: %s: %s %s answers %d: %s\n%.600s", c.relation, c.who.Role, c.who.Org, c.who.Practitioner, i.name, i.method, i.url, a.Status, fmt.Sprintf(format, args...), body)
	}
	got := shown(a.Body)
	switch {
	case i.wide && c.who.Role == access.Program && a.Status == 403 && len(got) == 0:
		return
	case refuses(a.Status) && len(got) == 0 && (!i.list || len(want) == 0):
		if len(want) > 0 {
			fail("want %v", want)
		}
		return
	case a.Status != 200:
		fail("want 200 with %v", want)
		return
	}
	if !slices.Equal(got, want) {
		fail("got %v; want %v", got, want)
	}
	var bundle struct{ Total *int }
	if !i.total && i.count == nil || json.Unmarshal(a.Body, &bundle) != nil {
		return
	}
	n := len(want)
	if i.count != nil {
		n = i.count(c.sees)
		if c.who.Practitioner == "Patient/mx-q" || c.who.Org == "" || strings.HasPrefix(c.who.Org, "Organization/mxc") || c.who.Practitioner == "RelatedPerson/mx-other" {
			return // he has records of his own there
		}
	}
	if bundle.Total == nil || *bundle.Total != n {
		fail("total; want %d", n)
	}
}

func refuses(status int) bool { return status == 403 || status == 404 }
