package rest_test

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func contained(t testing.TB, open storetest.Open) *hub {
	h := newHubOn(t, open)
	h.put(system, `{"resourceType":"Medication","id":"plain","code":{"coding":[{"system":"urn:drug","code":"x"}]}}`)
	h.put(system, `{"resourceType":"Medication","id":"mix","code":{"coding":[{"code":"mix"}]},"contained":[{"resourceType":"Medication","id":"part","code":{"coding":[{"code":"x"}]}}],"ingredient":[{"itemReference":{"reference":"#part"}}]}`)
	h.put(system, `{"resourceType":"Medication","id":"both","code":{"coding":[{"code":"x"}]},"contained":[{"resourceType":"Medication","id":"in","code":{"coding":[{"code":"x"}]}}],"ingredient":[{"itemReference":{"reference":"#in"}}]}`)
	h.patient(county, "p1", "张")
	for i, meds := range []string{
		`{"resourceType":"Medication","id":"a","status":"active","code":{"coding":[{"system":"urn:drug","code":"x"}]},"batch":{"expirationDate":"2027-05-01"}}`,
		`{"resourceType":"Medication","id":"a","status":"inactive","code":{"coding":[{"system":"urn:drug","code":"y"}]}}`,
		`{"resourceType":"Medication","id":"a","status":"active","code":{"coding":[{"code":"x"}]}},{"resourceType":"Medication","id":"b","code":{"coding":[{"system":"urn:other","code":"x"}]}},{"resourceType":"Practitioner","id":"who","name":[{"family":"覃"}]}`,
	} {
		text := `{"resourceType":"MedicationRequest","id":"r%d","status":"active","intent":"order","authoredOn":"2026-01-0%d","medicationReference":{"reference":"#a"},"subject":{"reference":"Patient/p1"},"contained":[%s]`
		if i == 2 {
			text += `,"requester":{"reference":"#who"},"supportingInformation":[{"reference":"#b"}]`
		}
		h.put(county, fmt.Sprintf(text+"}", i, i+1, meds))
	}
	h.put(county, `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"#z"},"contained":[{"resourceType":"Patient","id":"z","name":[{"family":"王"}],"gender":"female","birthDate":"1950","identifier":[{"system":"urn:id","value":"99A1"}]}]}`)
	h.put(county, `{"resourceType":"MedicationRequest","id":"gone","status":"active","intent":"order","medicationReference":{"reference":"#a"},"subject":{"reference":"Patient/p1"},"contained":[{"resourceType":"Medication","id":"a","code":{"coding":[{"code":"x"}]}}]}`)
	h.want(204, county, "DELETE", "/MedicationRequest/gone", "")
	h.audit.take()
	return h
}

// shown lists full addresses below the base.
func shown(r reply) string {
	var out []string
	for _, e := range r.node.All("entry") {
		if e.Str("search.mode") == "match" {
			out = append(out, strings.TrimPrefix(e.Str("fullUrl"), "http://hub.test/fhir/"))
		}
	}
	return strings.Join(out, " ")
}

var everyContained = []struct{ query, want string }{
	{"Medication?code=x", "Medication/both Medication/plain"},
	{"Medication?code=x&_contained=false", "Medication/both Medication/plain"},
	{"Medication?code=x&_contained=true", "Medication/both Medication/mix MedicationRequest/r0 MedicationRequest/r2"},
	{"Medication?code=x&_contained=true&_containedType=container", "Medication/both Medication/mix MedicationRequest/r0 MedicationRequest/r2"},
	{"Medication?code=x&_contained=true&_containedType=contained", "Medication/both#in Medication/mix#part MedicationRequest/r0#a MedicationRequest/r2#a MedicationRequest/r2#b"},
	{"Medication?code=x&_contained=both", "Medication/both Medication/mix Medication/plain MedicationRequest/r0 MedicationRequest/r2"},
	{"Medication?code=x&_contained=both&_containedType=contained", "Medication/both Medication/both#in Medication/mix#part Medication/plain MedicationRequest/r0#a MedicationRequest/r2#a MedicationRequest/r2#b"},
	{"Medication?code=urn:drug|x&_contained=true&_containedType=contained", "MedicationRequest/r0#a"},
	{"Medication?code=x&status=active&_contained=true&_containedType=contained", "MedicationRequest/r0#a MedicationRequest/r2#a"},
	{"Medication?code:not=x&_contained=true&_containedType=contained", "MedicationRequest/r1#a"},
	{"Medication?status:missing=true&_contained=true&_containedType=contained", "Medication/both#in Medication/mix#part MedicationRequest/r2#b"},
	{"Medication?expiration-date=ge2027&_contained=true", "MedicationRequest/r0"},
	{"Medication?_id=b&_contained=true&_containedType=contained", "MedicationRequest/r2#b"},
	{"Medication?_contained=true&_containedType=contained", "Medication/both#in Medication/mix#part MedicationRequest/r0#a MedicationRequest/r1#a MedicationRequest/r2#a MedicationRequest/r2#b"},
	{"Practitioner?name=覃&_contained=true", "MedicationRequest/r2"},
	{"Patient?identifier=urn:id|99a1&_contained=true&_containedType=contained", "Observation/o#z"},
	{"Patient?identifier=99A2&_contained=true", ""},
	{"Patient?birthdate=1950&gender=female&_contained=true", "Observation/o"},
	{"Device?_contained=true", ""},
	{"MedicationRequest?contained-type=Practitioner", "MedicationRequest/r2"},
	{"MedicationRequest?contained-type:missing=false", "MedicationRequest/r0 MedicationRequest/r1 MedicationRequest/r2"},
}

func TestContainedResourcesAreFound(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := contained(t, open)
		for _, c := range everyContained {
			path := "/" + query(c.query)
			all := h.want(200, county, "GET", path+"&_total=accurate", "", "Prefer: handling=strict")
			got := strings.Fields(shown(all))
			slices.Sort(got)
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s: got %v; want %s", c.query, got, c.want)
			}
			want := fmt.Sprint(len(strings.Fields(c.want)))
			count := h.want(200, county, "GET", path+"&_summary=count", "", "Prefer: handling=strict")
			if all.node.Str("total") != want || count.node.Str("total") != want || len(count.node.All("entry")) != 0 {
				t.Errorf("%s: totals %s and %s; want %s", c.query, all.node.Str("total"), count.node.Str("total"), want)
			}
			if entries := h.audit.take(); len(entries) != 2 {
				t.Errorf("%s: %d audit entries; want one for each search", c.query, len(entries))
			}
			for size := 1; size <= 3; size++ { // page by page it is the same, in the same order, and no page is too long
				var pages []string
				next := path + fmt.Sprintf("&_count=%d", size)
				for n := 0; next != ""; n++ {
					if n > 10 {
						t.Fatalf("%s: the next links do not end", c.query)
					}
					r := h.want(200, county, "GET", next, "")
					page := strings.Fields(shown(r))
					if len(page) > size || len(page) == 0 && c.want != "" {
						t.Errorf("%s: a page of %d for _count=%d", c.query, len(page), size)
					}
					pages = append(pages, page...)
					next = strings.TrimPrefix(linkOf(r, "next"), "http://hub.test/fhir")
				}
				if got := strings.Join(pages, " "); got != shown(all) {
					t.Errorf("%s: by %d: %s; want %s", c.query, size, got, shown(all))
				}
			}
			h.audit.take()
		}
		r := h.want(200, county, "GET", "/Medication?code=x&_contained=true&_containedType=contained&_elements=code&_count=1", "")
		if self, _ := url.QueryUnescape(linkOf(r, "self")); self != "http://hub.test/fhir/Medication?code=x&_contained=true&_containedType=contained&_elements=code&_count=1" {
			t.Errorf("self: got %s", self)
		}
		r = h.want(200, county, "GET", "/Medication?code=urn:drug|x&_contained=true&_containedType=contained&_elements=code", "")
		if m := r.node.Get("entry[0].resource"); m.Type() != "Medication" || m.ID() != "a" || m.Child("batch") != nil || m.Str("meta.tag[0].code") != "SUBSETTED" {
			t.Errorf("_elements: got %s", r.body)
		}
		entries := h.audit.take()
		if last := entries[len(entries)-1]; !slices.Contains(last.Patients, "Patient/p1") || last.Count != 1 || !strings.Contains(last.Target, "_contained=true") {
			t.Errorf("audit: got %+v", last)
		}
	})
}

func TestPagesOfContainedStayAsTheyBegan(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := contained(t, open)
		url, seen := "/Medication?code=x&_contained=true&_containedType=contained&_count=1", []string{}
		for i := 0; url != "" && i < 20; i++ {
			r := h.want(200, county, "GET", url, "")
			seen = append(seen, strings.Fields(shown(r))...)
			url = strings.TrimPrefix(linkOf(r, "next"), "http://hub.test/fhir")
			h.put(county, fmt.Sprintf(`{"resourceType":"MedicationRequest","id":"late%d","status":"active","intent":"order","authoredOn":"2025-01-01","medicationReference":{"reference":"#a"},"subject":{"reference":"Patient/p1"},"contained":[{"resourceType":"Medication","id":"a","code":{"coding":[{"code":"x"}]}}]}`, i))
		}
		slices.Sort(seen)
		if want := "Medication/both#in Medication/mix#part MedicationRequest/r0#a MedicationRequest/r2#a MedicationRequest/r2#b"; strings.Join(seen, " ") != want {
			t.Errorf("got %v; want %s", seen, want)
		}
	})
}

func TestAStrangerFindsNothingContained(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := contained(t, open)
		for _, c := range everyContained {
			var want []string // the registers are everybody's
			for id := range strings.FieldsSeq(c.want) {
				if strings.HasPrefix(id, "Medication/") {
					want = append(want, id)
				}
			}
			r := h.want(200, stranger, "GET", "/"+query(c.query+"&_total=accurate&_count=1"), "")
			if r.node.Str("total") != fmt.Sprint(len(want)) || strings.Contains(r.body, "MedicationRequest/") || strings.Contains(r.body, "Observation/") || len(want) == 0 && (shown(r) != "" || linkOf(r, "next") != "") {
				t.Errorf("%s: a stranger got %s", c.query, r.body)
			}
		}
		// a token that may read medications only does not read them within what it may not read
		h.want(200, county, "GET", "/Medication?_contained=true&_summary=count", "")
		only := program("system/Medication.rs")
		if r := h.want(200, only, "GET", "/Medication?code=x&_contained=true&_total=accurate", ""); r.node.Str("total") != "2" || strings.Contains(r.body, "MedicationRequest") {
			t.Errorf("a token for medications got %s", r.body)
		}
		h.want(403, program("system/MedicationRequest.rs"), "GET", "/Medication?_contained=true", "")
		// nor does the place of a page open anything
		r := h.want(200, county, "GET", "/Medication?code=x&_contained=true&_count=3", "")
		if next := strings.TrimPrefix(linkOf(r, "next"), "http://hub.test/fhir"); next == "" {
			t.Error("no next link")
		} else if r := h.want(200, stranger, "GET", next, ""); shown(r) != "" {
			t.Errorf("a stranger followed the next link to %s", shown(r))
		}
	})
}

func TestWhatContainedCannotBeSearchedBy(t *testing.T) {
	h := contained(t, storetest.Memory)
	for _, c := range []struct{ query, detail string }{
		{"MedicationRequest?subject:Patient.name=a&_contained=true", "not-within-contained"},
		{"Patient?_has:Observation:patient:code=x&_contained=true", "not-within-contained"},
		{"Patient?_filter=gender eq male&_contained=both", "not-within-contained"},
		{"Medication?_lastUpdated=gt2020&_contained=true", "not-within-contained"},
		{"Medication?code:text=x&_contained=true", "not-within-contained"},
		{"Observation?code-value-quantity=x$1&_contained=true", "not-within-contained"},
		{"Medication?_sort=code&_contained=true", "not-within-contained"},
		{"MedicationRequest?_include=MedicationRequest:subject&_contained=true", "not-within-contained"},
		{"Patient?_revinclude=Observation:subject&_contained=true", "not-within-contained"},
		{"Patient/p1/Observation?_contained=true", "not-within-contained"},
		{"?_type=Medication&_contained=true", "not-within-contained"},
		{"Patient?identifier:of-type=a|b|c&_contained=true", "not-within-contained"},
		{"Medication?_contained=true&_cursor=within.e30x", "bad-cursor"},
		{"Medication?_contained=true&_cursor=e30", "bad-cursor"},
		{"Medication?_contained=maybe", "bad-contained"},
		{"Medication?_id=" + strings.Repeat("a,", 600) + "a&_contained=true", "too-many-values"},
	} {
		r := h.want(400, county, "GET", "/"+query(c.query), "")
		if r.detail() != c.detail {
			t.Errorf("%s: got %s; want %s", c.query, r.detail(), c.detail)
		}
	}
}

// Whatever HL7's examples contain is found by the codes that it has, and nothing else is.
func TestContainedOfTheExamples(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHubOn(t, open)
		inside := map[string][]string{} // type, type?parameter=code → addresses
		note := func(key, address string) {
			if !slices.Contains(inside[key], address) {
				inside[key] = append(inside[key], address)
			}
		}
		var puts []store.Put
		fhirtest.Each(t, fhirtest.Examples, 0, func(_ string, data []byte) {
			if !bytes.Contains(data, []byte(`"contained"`)) || len(data) > 100_000 {
				return
			}
			n, err := fhir.Parse(data)
			if err != nil || !spec.IsResource(n.Type()) || !fhir.IsID(n.ID()) {
				return
			}
			p, err := h.store.Prepare(n)
			if err != nil {
				t.Fatal(err)
			}
			puts = append(puts, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: p})
			for _, c := range n.All("contained") {
				address := n.Type() + "/" + n.ID() + "#" + c.ID()
				note(c.Type()+"?", address)
				for _, x := range index.Extract(c, nil) {
					if x.Param.Type == spec.Token && !x.Param.Sealed && x.Code != "" && !strings.ContainsAny(x.Code, `,|$\\`) {
						note(c.Type()+"?"+x.Param.Code+"="+x.Code, address)
					}
				}
			}
		})
		if err := h.store.Update(context.Background(), func(tx *store.Tx) error { _, err := tx.PutAll(context.Background(), puts); return err }); err != nil {
			t.Fatal(err)
		}
		for q, want := range inside {
			r := h.want(200, system, "GET", "/"+query(q+"&_contained=true&_containedType=contained&_count=1000"), "")
			got := strings.Fields(shown(r))
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s: got %v; want %v", q, got, want)
			}
		}
		t.Logf("%d containers, %d searches", len(puts), len(inside))
		if len(puts) < 100 || len(inside) < 200 {
			t.Errorf("%d containers, %d searches; want more", len(puts), len(inside))
		}
	})
}
