package rest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/conform"
	"github.com/xinglin-health/xinglin/internal/rest"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// newChecked is a hub that checks against profiles; enforced, also on writes.
func newChecked(t testing.TB, open storetest.Open, enforced bool) *hub {
	t.Helper()
	room := &conform.Room{}
	h := newHubOn(t, func(t testing.TB, o store.Options) *store.Store {
		o.Derive = append(o.Derive, room.Derive)
		room.Clock = o.Clock
		room.Store = open(t, o)
		return room.Store
	})
	h.options.Conformance = room
	if enforced {
		h.options.Enforce = room.Enforce
	}
	h.handler = rest.New(h.options)
	return h
}

// profileOf is a StructureDefinition that asks for the elements.
func profileOf(id, typ string, elements ...string) string {
	return `{"resourceType":"StructureDefinition","id":"` + id + `","url":"http://x.test/` + id + `","version":"1","name":"N","status":"active","kind":"resource","abstract":false,"type":"` + typ +
		`","baseDefinition":"http://hl7.org/fhir/StructureDefinition/` + typ + `","derivation":"constraint","differential":{"element":[` + strings.Join(elements, ",") + `]}}`
}

// said lists severity, code and place of an outcome; narratives are not missed here.
func said(r reply) string {
	var out []string
	for _, i := range r.node.All("issue") {
		detail := i.Str("details.coding[0].code")
		if detail == "invariant-dom-6" {
			continue
		}
		out = append(out, strings.TrimSpace(i.Str("severity")+" "+detail+" "+i.Str("expression[0]")))
	}
	return strings.Join(out, ", ")
}

func asked(resource string, parameters ...string) string {
	all := []string{}
	if resource != "" {
		all = append(all, `{"name":"resource","resource":`+resource+`}`)
	}
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		field := "valueCode"
		if name == "profile" {
			field = "valueUri"
		}
		all = append(all, `{"name":"`+name+`","`+field+`":"`+value+`"}`)
	}
	return `{"resourceType":"Parameters","parameter":[` + strings.Join(all, ",") + `]}`
}

func TestValidate(t *testing.T) { storetest.Both(t, validates) }

func validates(t *testing.T, open storetest.Open) {
	h := newChecked(t, open, false)
	h.put(system, profileOf("named", "Patient", `{"path":"Patient.name","min":1}`))
	h.patient(county, "p1", "张")
	h.put(county, `{"resourceType":"Patient","id":"bare","meta":{"profile":["http://x.test/named"]},"active":true}`)
	before := h.want(200, system, "GET", "/_history?_count=1000&_summary=false", "").node.Str("total")
	h.audit.take()
	const bare, named = `{"resourceType":"Patient","active":true}`, `{"resourceType":"Patient","name":[{"text":"张三"}]}`
	obs := func(ref string) string {
		return `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"` + ref + `"}}`
	}
	for _, c := range []struct{ name, method, url, body, want string }{
		{"a good one", "POST", "/Patient/$validate", bare, ""},
		{"structure", "POST", "/Patient/$validate", `{"resourceType":"Patient","gender":"x","nothing":1}`, "error unknown-code Patient.gender, error unknown-element Patient.nothing"},
		{"in Parameters", "POST", "/Patient/$validate", asked(`{"resourceType":"Patient","gender":"x"}`), "error unknown-code Patient.gender"},
		{"by a profile in the query", "POST", "/Patient/$validate?profile=http://x.test/named", bare, "error profile-min Patient.name"},
		{"by a profile in Parameters", "POST", "/Patient/$validate", asked(bare, "profile=http://x.test/named"), "error profile-min Patient.name"},
		{"kept", "POST", "/Patient/$validate", asked(named, "profile=http://x.test/named"), ""},
		{"by its own claim", "POST", "/Patient/$validate", `{"resourceType":"Patient","meta":{"profile":["http://x.test/named|1"]}}`, "error profile-min Patient.name"},
		{"an unknown profile that is asked for", "POST", "/Patient/$validate?profile=http://x.test/nowhere", bare, "error unknown-profile Patient"},
		{"an unknown profile that is claimed", "POST", "/Patient/$validate", `{"resourceType":"Patient","meta":{"profile":["http://x.test/nowhere"]}}`, "warning unknown-profile Patient.meta.profile[0]"},
		{"the address says another type", "POST", "/Observation/$validate", bare, "error type-mismatch Patient"},
		{"create", "POST", "/Patient/$validate?mode=create", bare, ""},
		{"update without id", "POST", "/Patient/$validate?mode=update", bare, "error id-mismatch Patient"},
		{"update of another", "POST", "/Patient/p1/$validate", asked(strings.Replace(bare, `"active"`, `"id":"p2","active"`, 1), "mode=update"), "error id-mismatch Patient"},
		{"update", "POST", "/Patient/p1/$validate", asked(strings.Replace(bare, `"active"`, `"id":"p1","active"`, 1), "mode=update"), ""},
		{"a part is not written back", "POST", "/Patient/$validate", asked(`{"resourceType":"Patient","meta":{"tag":[{"code":"SUBSETTED"}]}}`, "mode=create"), "error subsetted Patient"},
		{"what is stored", "GET", "/Patient/bare/$validate", "", "error profile-min Patient.name"},
		{"what is stored, by another profile", "GET", "/Patient/p1/$validate?profile=http://x.test/named", "", ""},
		{"delete", "POST", "/Patient/p1/$validate?mode=delete", "", ""},
		{"delete without id", "POST", "/Patient/$validate?mode=delete", "", "error id-missing"},
		{"reference", "POST", "/Observation/$validate", obs("Patient/p1"), ""},
		{"reference to nothing", "POST", "/Observation/$validate", obs("Patient/p9"), "warning unknown-reference Observation.subject.reference"},
		{"reference to nothing, to be created", "POST", "/Observation/$validate?mode=create", obs("Patient/p9"), "error unknown-reference Observation.subject.reference"},
		{"a resource whose elements are named like parameters", "POST", "/Parameters/$validate", `{"resourceType":"Parameters","parameter":[{"name":"x","valueCode":"y"}]}`, ""},
		{"a batch", "POST", "/Bundle/$validate", batch(post(urn1, obs("Patient?identifier=1")), `{"resource":{"resourceType":"Patient","gender":"x"},"request":{"method":"POST","url":"Patient"}}`), "error unknown-code Bundle.entry[1].resource.gender"},
	} {
		r := h.want(200, county, c.method, c.url, c.body)
		want := c.want
		if want == "" && said(r) == "information valid" {
			want = "information valid"
		}
		if got := said(r); got != want {
			t.Errorf("%s: got %s; want %q", c.name, got, c.want)
		}
		if n := len(h.audit.take()); n != 1 {
			t.Errorf("%s: %d entries of audit; want 1", c.name, n)
		}
	}
	if after := h.want(200, system, "GET", "/_history?_count=1000&_summary=false", "").node.Str("total"); after != before {
		t.Errorf("something was stored: %s versions; want %s", after, before)
	}
}

func TestValidateStandsInBundles(t *testing.T) {
	h := newChecked(t, storetest.Memory, false)
	h.put(system, profileOf("named", "Patient", `{"path":"Patient.name","min":1}`))
	r := h.want(200, county, "POST", "/", batch(
		`{"request":{"method":"POST","url":"Patient/$validate?profile=http://x.test/named"},"resource":{"resourceType":"Patient","active":true}}`,
		`{"request":{"method":"POST","url":"Patient/$validate"},"resource":`+asked(`{"resourceType":"Patient","gender":"x"}`)+`}`,
		`{"request":{"method":"GET","url":"Patient/nobody/$validate"}}`))
	for i, want := range []string{"200 profile-min", "200 unknown-code", "404 not-found"} {
		e := r.node.Get(fmt.Sprintf("entry[%d]", i))
		outcome := e.Child("resource")
		if outcome == nil {
			outcome = e.Get("response.outcome")
		}
		got := e.Str("response.status")[:3]
		for _, x := range outcome.All("issue") {
			if x.Str("severity") == "error" {
				got += " " + x.Str("details.coding[0].code")
			}
		}
		if got != want {
			t.Errorf("entry %d: got %s; want %s", i, got, want)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	h := newChecked(t, storetest.Memory, false)
	for _, c := range []struct {
		name, url, body string
		status          int
		detail          string
	}{
		{"nothing sent", "/Patient/$validate", "", 400, "resource-missing"},
		{"duplicate keys", "/Patient/$validate", `{"resourceType":"Patient","active":true,"active":false}`, 400, "bad-json"},
		{"a mode that is none", "/Patient/$validate?mode=guess", `{"resourceType":"Patient","active":true}`, 400, "bad-mode"},
		{"many profiles", "/Patient/$validate?" + strings.Repeat("profile=x&", 30), `{"resourceType":"Patient","active":true}`, 400, "too-many-profiles"},
		{"nothing there", "/Patient/nobody/$validate", "", 404, "not-found"},
	} {
		if r := h.want(c.status, county, "POST", c.url, c.body); r.detail() != c.detail {
			t.Errorf("%s: got %s; want %s", c.name, r.detail(), c.detail)
		}
	}
	h.want(401, nil, "POST", "/Patient/$validate", `{"resourceType":"Patient","active":true}`)
}

// As on the update itself: what stood in the version before is not refused now.
func TestValidateLetsStandingReferencesBe(t *testing.T) {
	h := newChecked(t, storetest.Memory, false)
	h.patient(county, "p", "张")
	h.observation(county, "o", "p", "2026-11-23")
	h.want(204, county, "DELETE", "/Patient/p", "")
	o := func(more string) string {
		return `{"resourceType":"Observation","id":"o","status":"amended","code":{"text":"x"},"subject":{"reference":"Patient/p"}` + more + `}`
	}
	if got := said(h.want(200, county, "POST", "/Observation/o/$validate?mode=update", o(""))); strings.Contains(got, "error") {
		t.Errorf("the patient who stood there: got %s", got)
	}
	if got := said(h.want(200, county, "POST", "/Observation/o/$validate?mode=update", o(`,"focus":[{"reference":"Patient/q"}]`))); got != "error unknown-reference Observation.focus[0].reference" {
		t.Errorf("another who never did: got %s", got)
	}
}

// What a stranger may not see answers as what is not there: as the instance, as a target, and as what a profile asks of a target.
func TestValidateShowsAStrangerNothing(t *testing.T) {
	h := newChecked(t, storetest.Memory, false)
	h.put(system, profileOf("named", "Patient", `{"path":"Patient.name.family","fixedString":"张"}`))
	h.put(system, profileOf("about", "Observation", `{"path":"Observation.subject","type":[{"code":"Reference","targetProfile":["http://x.test/named"]}]}`))
	h.patient(county, "zhang", "张")
	h.patient(county, "li", "李")
	obs := func(id string) string {
		return `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/` + id + `"}}`
	}
	ask := func(as *access.Caller, id string) string {
		h.audit.take()
		r := h.want(200, as, "POST", "/Observation/$validate?profile=http://x.test/about", obs(id))
		seen := ""
		for _, e := range h.audit.take() {
			seen += strings.Join(e.Patients, " ")
		}
		return said(r) + " seen " + seen
	}
	for _, c := range []struct {
		who  *access.Caller
		id   string
		want string
	}{
		{county, "zhang", " seen Patient/zhang"},
		{county, "li", "error profile-target Observation.subject seen Patient/li"},
		{stranger, "zhang", "warning unknown-reference Observation.subject.reference seen "},
		{stranger, "li", "warning unknown-reference Observation.subject.reference seen "},
		{stranger, "nobody", "warning unknown-reference Observation.subject.reference seen "},
	} {
		if got := ask(c.who, c.id); got != c.want {
			t.Errorf("%s about %s: got %s; want %s", c.who.User, c.id, got, c.want)
		}
	}
	h.want(404, stranger, "GET", "/Patient/zhang/$validate", "")
	h.want(404, stranger, "POST", "/Patient/zhang/$validate?mode=delete", "")
	hidden := h.want(200, stranger, "POST", "/Patient/zhang/$validate?mode=update", `{"resourceType":"Patient","id":"zhang","active":true}`)
	absent := h.want(200, stranger, "POST", "/Patient/nobody/$validate?mode=update", `{"resourceType":"Patient","id":"nobody","active":true}`)
	if said(hidden) != said(absent) {
		t.Errorf("an update of what is hidden: got %s; of what is absent %s", said(hidden), said(absent))
	}
}

func TestAChangedProfileCountsAtOnce(t *testing.T) {
	h := newChecked(t, storetest.Memory, false)
	const bare = `{"resourceType":"Patient","active":true}`
	ask := func() string {
		return said(h.want(200, county, "POST", "/Patient/$validate?profile=http://x.test/p", bare))
	}
	steps := []struct{ do, want string }{
		{"", "error unknown-profile Patient"},
		{profileOf("p", "Patient", `{"path":"Patient.name","min":1}`), "error profile-min Patient.name"},
		{profileOf("p", "Patient", `{"path":"Patient.photo","min":1}`), "error profile-min Patient.photo"},
		{"delete", "error unknown-profile Patient"},
	}
	for _, s := range steps {
		switch s.do {
		case "":
		case "delete":
			h.want(204, system, "DELETE", "/StructureDefinition/p", "")
		default:
			h.put(system, s.do)
		}
		if got := ask(); got != s.want {
			t.Errorf("got %s; want %s", got, s.want)
		}
	}
}

func TestVersionsOfAProfile(t *testing.T) {
	h := newChecked(t, storetest.Memory, false)
	version := func(id, version, status, element string) {
		s := strings.Replace(profileOf("p", "Patient", `{"path":"Patient.`+element+`","min":1}`), `"id":"p"`, `"id":"`+id+`"`, 1)
		s = strings.Replace(s, `"version":"1"`, `"version":"`+version+`"`, 1)
		h.put(system, strings.Replace(s, `"active"`, `"`+status+`"`, 1))
	}
	version("a", "1.9", "active", "name")
	version("b", "1.10", "active", "photo")
	version("c", "2.0", "draft", "contact")
	for canonical, want := range map[string]string{
		"http://x.test/p":      "error profile-min Patient.photo",
		"http://x.test/p|1.9":  "error profile-min Patient.name",
		"http://x.test/p|2.0":  "error profile-min Patient.contact",
		"http://x.test/p|0.1":  "error unknown-profile Patient",
		"http://x.test/p|1.10": "error profile-min Patient.photo",
	} {
		if got := said(h.want(200, county, "POST", "/Patient/$validate?profile="+canonical, `{"resourceType":"Patient","active":true}`)); got != want {
			t.Errorf("%s: got %s; want %s", canonical, got, want)
		}
	}
}

func TestEnforcedProfilesRefuseWrites(t *testing.T) {
	const good, bad = `{"resourceType":"Patient","meta":{"profile":["http://x.test/named"]},"name":[{"text":"x"}]}`, `{"resourceType":"Patient","meta":{"profile":["http://x.test/named"]},"active":true}`
	for _, enforced := range []bool{false, true} {
		h := newChecked(t, storetest.Memory, enforced)
		h.put(system, profileOf("named", "Patient", `{"path":"Patient.name","min":1}`))
		h.want(201, county, "POST", "/Patient", good)
		h.want(201, county, "POST", "/Patient", `{"resourceType":"Patient","meta":{"profile":["http://x.test/nowhere"]},"active":true}`)
		want := 201
		if enforced {
			want = 422
		}
		r := h.want(want, county, "POST", "/Patient", bad)
		if enforced && (r.detail() != "profile-min" || r.node.Str("issue[0].expression[0]") != "Patient.name") {
			t.Errorf("got %s", r.body)
		}
		if want = 200; enforced {
			want = 422
		}
		if r := h.want(want, county, "POST", "/", transaction(post(urn1, good), post(urn2, bad))); enforced && r.node.Str("issue[0].expression[0]") != "Bundle.entry[1].resource.name" {
			t.Errorf("in a transaction: got %s", r.body)
		}
	}
}

func TestValidateSpeaksBothLanguages(t *testing.T) {
	h := newChecked(t, storetest.Memory, false)
	h.put(system, profileOf("named", "Patient", `{"path":"Patient.name","min":1}`))
	zh := h.want(200, county, "POST", "/Patient/$validate?profile=http://x.test/named", `{"resourceType":"Patient","active":true}`, "Accept-Language: zh-CN")
	text := ""
	for _, i := range zh.node.All("issue") {
		if i.Str("details.coding[0].code") == "profile-min" {
			text = i.Str("details.text") + i.Str("diagnostics")
		}
	}
	if !strings.Contains(text, "至少 1 个") || !strings.Contains(text, "at least 1") {
		t.Errorf("got %q; want both languages", text)
	}
}

// Many at once, while definitions change.
func TestProfilesUnderChange(t *testing.T) {
	h := newChecked(t, storetest.Memory, false)
	h.put(system, profileOf("p", "Patient", `{"path":"Patient.name","min":1}`))
	done := make(chan error, 8)
	for w := range 8 {
		go func() {
			for i := range 20 {
				if w == 0 {
					r := h.do(system, "PUT", "/StructureDefinition/p", profileOf("p", "Patient", fmt.Sprintf(`{"path":"Patient.name","min":1,"max":"%d"}`, i+2)))
					if r.StatusCode != 200 {
						done <- fmt.Errorf("put: %s", r.body)
						return
					}
					continue
				}
				r := h.do(county, "POST", "/Patient/$validate?profile=http://x.test/p", `{"resourceType":"Patient","active":true}`)
				if got := said(r); got != "error profile-min Patient.name" {
					done <- fmt.Errorf("got %s", r.body)
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
