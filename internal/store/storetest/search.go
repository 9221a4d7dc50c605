package storetest

import (
	"context"
	"fmt"
	"net/url"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// zone is that of the store's dates. It had summer time from 1986 to 1991, when many patients were born.
var zone, _ = time.LoadLocation("Asia/Shanghai")

// Query reads "Type?a=b&c=d" into a Query under scope.
func Query(t testing.TB, text string, scope search.Scope) search.Query {
	t.Helper()
	typ, rest, _ := strings.Cut(text, "?")
	var params []search.Param
	for _, pair := range strings.Split(rest, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		value, err := url.QueryUnescape(value)
		must(t, err)
		params = append(params, search.Param{Name: name, Value: value})
	}
	req, err := search.Parse(typ, params, search.Options{Zone: zone, MaxCount: 1000, DefaultCount: 50})
	must(t, err)
	req.Query.Scope = scope
	return req.Query
}

// ids answers a search as "a b c", includes after " + ", the total after " of ".
func ids(t testing.TB, s *store.Store, q search.Query) string {
	t.Helper()
	var b strings.Builder
	must(t, s.View(context.Background(), func(tx *store.Tx) error {
		page, err := tx.Search(context.Background(), q)
		if err != nil {
			return err
		}
		for i, v := range page.Matches {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(v.ID)
		}
		var inc []string
		for _, v := range page.Includes {
			inc = append(inc, v.ID)
		}
		if sort.Strings(inc); len(inc) > 0 {
			b.WriteString(" + " + strings.Join(inc, " "))
		}
		if page.Total >= 0 {
			fmt.Fprintf(&b, " of %d", page.Total)
		}
		return nil
	}))
	return b.String()
}

// fixture is a small hospital: two patients, their observations, one organisation.
func fixture(t *testing.T, open Open) (*store.Store, *clock.Turned) {
	turned := clock.At(Start)
	s := open(t, store.Options{Clock: turned})
	for _, r := range []struct{ id, custodian, json string }{
		{"org", "", `{"resourceType":"Organization","active":true,"name":"青山县人民医院","identifier":[{"system":"urn:s","value":"ORG-1"}]}`},
		{"zhang", "Organization/a", `{"resourceType":"Patient","active":true,"identifier":[{"system":"urn:id","value":"990101199001010011"}],"name":[{"text":"张三","family":"张","given":["三"]}],"gender":"male","birthDate":"1990-01-01","telecom":[{"system":"phone","value":"19912345678"}],"address":[{"text":"杏林市青山县","city":"杏林市"}],"managingOrganization":{"reference":"Organization/org"}}`},
		{"li", "Organization/b", `{"resourceType":"Patient","name":[{"text":"Ｌí Sì","family":"Lí"}],"gender":"female","birthDate":"1985"}`},
		{"hr1", "Organization/a", `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/zhang"},"effectiveDateTime":"2026-01-01T08:00:00+08:00","valueQuantity":{"value":72,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}}`},
		{"hr2", "Organization/a", `{"resourceType":"Observation","status":"amended","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/zhang"},"effectiveDateTime":"2026-02-01T08:00:00+08:00","valueQuantity":{"value":101.5,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}}`},
		{"glu", "Organization/a", `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"2339-0"},{"system":"urn:local","code":"8867-4"}]},"subject":{"reference":"Patient/zhang"},"effectivePeriod":{"start":"2026-01-10","end":"2026-01-20"},"valueQuantity":{"value":5.4,"unit":"mmol/L"}}`},
		{"hr3", "Organization/b", `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/li"},"effectiveDateTime":"2026-01-15","valueString":"72"}`},
		{"nodate", "Organization/b", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/li"},"basedOn":[{"reference":"ServiceRequest/absent"}]}`},
		{"vs", "", `{"resourceType":"ValueSet","status":"active","url":"http://x/vs"}`},
	} {
		put(t, s, store.Update, r.id, r.custodian, r.json)
		turned.Turn(time.Minute)
	}
	return s, turned
}

func searches(t *testing.T, open Open) {
	s, _ := fixture(t, open)
	for _, c := range []struct{ query, want string }{
		{"Observation", "hr2 hr3 glu hr1 nodate"},
		{"Observation?_total=accurate&_count=2", "hr2 hr3 of 5"},
		{"Observation?_count=0", " of 5"},
		{"Observation?_id=hr1,glu", "glu hr1"},
		{"Observation?code=8867-4", "hr2 hr3 glu hr1"},
		{"Observation?code=http://loinc.org|8867-4", "hr2 hr3 hr1"},
		{"Observation?code=urn:local|", "glu"},
		{"Observation?code=|8867-4", ""},
		{"Observation?code=2339-0,nonsense", "glu"},
		{"Observation?code:not=8867-4", "nodate"},
		{"Observation?code=8867-4&status=final", "hr3 glu hr1"},
		{"Observation?status=final,amended&code=8867-4&_sort=date", "hr1 glu hr3 hr2"},
		{"Observation?subject=Patient/zhang", "hr2 glu hr1"},
		{"Observation?patient=zhang&code=8867-4", "hr2 glu hr1"},
		{"Observation?patient=Patient/zhang&code=8867-4&date=ge2026-01-05&_sort=date", "glu hr2"},
		{"Observation?subject=Patient/zhang,Patient/li&_sort=-date&_count=3", "hr2 hr3 glu"},
		{"Observation?subject=Patient/nobody", ""},
		{"Observation?date=2026-01", "hr3 glu hr1"},
		{"Observation?date=ge2026-01-15&date=lt2026-02-01", "hr3 glu"},
		{"Observation?date=gt2026-01-15", "hr2 glu"},
		{"Observation?date=sa2026-01-15", "hr2"},
		{"Observation?date=eb2026-01-15", "hr1"},
		{"Observation?date=lt2026-01-11", "glu hr1"},
		{"Observation?date=le2026-01-15", "hr3 glu hr1"},
		{"Observation?date=ne2026-01-15", "hr2 glu hr1"},
		{"Observation?date:missing=true", "nodate"},
		{"Observation?date:missing=false&_sort=date", "hr1 glu hr3 hr2"},
		{"Observation?_sort=date", "hr1 glu hr3 hr2 nodate"},
		{"Observation?based-on=ServiceRequest/absent", "nodate"},
		{"Observation?value-quantity=72", "hr1"},
		{"Observation?value-quantity=gt72", "hr2"},
		{"Observation?value-quantity=ge72|http://unitsofmeasure.org|/min&_sort=-value-quantity", "hr2 hr1"},
		{"Observation?value-quantity=5.4||mmol/L", "glu"},
		{"Observation?value-quantity=lt100&_sort=value-quantity", "glu hr1"},
		{"Observation?value-quantity:missing=true", "hr3 nodate"},
		{"Observation?_sort=status,-date", "hr2 hr3 glu hr1 nodate"},
		{"Observation?_lastUpdated=ge2026-03-02T16:05:00%2B08:00&_sort=_lastUpdated", "glu hr3 nodate"},
		{"Patient?name=张", "zhang"},
		{"Patient?name=li", "li"},
		{"Patient?name:exact=Lí", "li"},
		{"Patient?name:exact=li", ""},
		{"Patient?name:contains=三", "zhang"},
		{"Patient?family=ＬÍ", "li"},
		{"Patient?gender=male", "zhang"},
		{"Patient?birthdate=1985", "li"},
		{"Patient?birthdate=lt1990-01-01", "li"},
		{"Patient?identifier=990101199001010011", "zhang"},
		{"Patient?identifier=urn:id|990101199001010011", "zhang"},
		{"Patient?identifier=urn:other|990101199001010011", ""},
		{"Patient?phone=19912345678", "zhang"},
		{"Patient?telecom=19912345678", "zhang"},
		{"Patient?address-city=杏林市", "zhang"},
		{"Patient?_sort=family", "li zhang"},
		{"Patient?_sort=-birthdate", "zhang li"},
		{"Patient?identifier:missing=true", "li"},
		{"Patient?organization.name=青山", "zhang"},
		{"Organization?identifier=ORG-1", "org"},
		{"Organization?identifier=urn:s|ORG-1", "org"},
		{"ValueSet?url=http://x/vs", "vs"},
		{"ValueSet?url=http://x/other", ""},
		{"Observation?subject:Patient.name=张三", "hr2 glu hr1"},
		{"Observation?patient.gender=female&code=8867-4", "hr3"},
		{"Observation?patient.organization.name=青山&status=amended", "hr2"},
		{"Observation?subject:Patient.birthdate=lt1990&_total=accurate", "hr3 nodate of 2"},
		{"Observation?_id=hr1&_include=Observation:subject", "hr1 + zhang"},
		{"Observation?code=8867-4&_include=Observation:subject&_count=2", "hr2 hr3 + li zhang"},
		{"Patient?_id=li&_revinclude=Observation:subject", "li + hr3 nodate"},
		{"?_id=li,hr1", "hr1 li"},
		{"?_type=Patient,Organization&_lastUpdated=lt2030", "li zhang org"},
	} {
		if got := ids(t, s, Query(t, c.query, search.Everything)); got != c.want {
			t.Errorf("%s: got %q; want %q", c.query, got, c.want)
		}
	}
}

func scopeOfSearches(t *testing.T, open Open) {
	s, turned := fixture(t, open)
	ctx := context.Background()
	must(t, s.Update(ctx, func(tx *store.Tx) error {
		return tx.Grant(ctx, store.Grant{Patient: "Patient/li", Party: "Organization/c", Basis: "task", Class: "packet", From: Start, Until: Start.Add(time.Hour), Source: "Task/1"})
	}))
	of := func(parties ...string) search.Scope { return search.Scope{Parties: parties} }
	for _, c := range []struct {
		name  string
		scope search.Scope
		query string
		want  string
	}{
		{"a stranger counts nothing", of("Organization/x"), "Observation?_total=accurate", " of 0"},
		{"a stranger estimates nothing", of(), "Patient?_total=estimate", " of 0"},
		{"a stranger sees the registers", of(), "Organization?_total=accurate", "org of 1"},
		{"a custodian sees its own", of("Organization/a"), "Observation?_total=accurate", "hr2 glu hr1 of 3"},
		{"a granted party sees the patient's", of("Organization/c"), "Observation?_total=accurate", "hr3 nodate of 2"},
		{"by code", of("Organization/c"), "Observation?code=8867-4&_total=accurate", "hr3 of 1"},
		{"by patient", of("Organization/c"), "Observation?patient=zhang&_total=accurate", " of 0"},
		{"by patient and code", of("Organization/c"), "Observation?patient=zhang&code=8867-4&_total=accurate", " of 0"},
		{"a chain does not tell of a hidden patient", of("Organization/x"), "Observation?subject:Patient.name=张三", ""},
		{"a custodian of the observation cannot ask about a hidden patient", of("Organization/b2"), "Observation?subject:Patient.gender=female", ""},
		{"an include is scoped", of("Organization/b"), "Patient?_id=li&_include=Patient:organization&_revinclude=Observation:subject", "li + hr3 nodate"},
		{"a register does not reveal who refers to it", of("Organization/x"), "Organization?_revinclude=Patient:organization", "org"},
		{"types of a token", search.Scope{All: true, Types: []string{"Patient"}}, "Observation?_total=accurate", " of 0"},
		{"types of a token in a chain", search.Scope{All: true, Types: []string{"Observation"}}, "Observation?subject:Patient.name=张三", ""},
		{"types of a token in an include", search.Scope{All: true, Types: []string{"Observation"}}, "Observation?_id=hr1&_include=Observation:subject", "hr1"},
		{"across types", of("Organization/c"), "?_lastUpdated=ge2020&_type=Patient,Observation", "nodate hr3 li"},
	} {
		if got := ids(t, s, Query(t, c.query, c.scope)); got != c.want {
			t.Errorf("%s: %s: got %q; want %q", c.name, c.query, got, c.want)
		}
	}
	turned.Turn(2 * time.Hour)
	if got := ids(t, s, Query(t, "Observation?_total=accurate", of("Organization/c"))); got != " of 0" {
		t.Errorf("after the grant ended: got %q", got)
	}
}

func changes(t *testing.T, open Open) {
	s, _ := fixture(t, open)
	put(t, s, store.Update, "hr1", "", `{"resourceType":"Observation","status":"entered-in-error","code":{"coding":[{"system":"http://loinc.org","code":"9999-9"}]},"subject":{"reference":"Patient/li"},"effectiveDateTime":"2026-02-10"}`)
	put(t, s, store.Update, "zhang", "", `{"resourceType":"Patient","name":[{"text":"王五"}]}`)
	_, err := tryPut(s, store.Put{Op: store.Delete, Type: "Observation", ID: "hr3"}, "")
	must(t, err)
	for _, c := range []struct{ query, want string }{
		{"Observation?code=8867-4", "hr2 glu"},
		{"Observation?code=9999-9", "hr1"},
		{"Observation?status=final", "glu nodate"},
		{"Observation?patient=zhang", "hr2 glu"},
		{"Observation?patient=li", "hr1 nodate"},
		{"Observation?patient=li&code=9999-9", "hr1"},
		{"Observation?value-quantity=72", ""},
		{"Observation?date=2026-02", "hr1 hr2"},
		{"Observation?_total=accurate&_count=1", "hr1 of 4"},
		{"Patient?name=张三", ""},
		{"Patient?name=王五", "zhang"},
		{"Patient?identifier=990101199001010011", ""},
		{"Observation?subject:Patient.name=王五", "hr2 glu"},
	} {
		if got := ids(t, s, Query(t, c.query, search.Everything)); got != c.want {
			t.Errorf("%s: got %q; want %q", c.query, got, c.want)
		}
	}
	for _, table := range []string{"ix_token", "ix_hot", "ix_ref", "ix_date", "ix_quantity", "ix_string", "ix_sealed", "ix_ident", "ix_uri"} {
		if n := count(t, s, "SELECT count(*) FROM "+table+" x JOIN resource r ON r.rid = x.rid WHERE r.deleted = 1"); n != 0 {
			t.Errorf("%s: got %d rows of deleted resources; want 0", table, n)
		}
	}
}

func paging(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{})
	observe := func(i int) string {
		return fmt.Sprintf(`{"resourceType":"Observation","status":"%s","code":{"coding":[{"system":"s","code":"c%d"}]},"effectiveDateTime":"2026-01-%02d","valueQuantity":{"value":%d}}`,
			[]string{"final", "amended"}[i%2], i%2, 1+i%9, i%7)
	}
	const n = 60
	must(t, s.Update(ctx, func(tx *store.Tx) error {
		for i := range n {
			if _, err := tryPutIn(ctx, tx, s, fmt.Sprintf("o%02d", i), observe(i)); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, text := range []string{"", "code=c1", "code=c0,c1", "_sort=date", "_sort=-date", "_sort=value-quantity,-date", "_sort=status,value-quantity", "_sort=-_lastUpdated", "_sort=_id", "code=c1&_sort=-value-quantity", "status=final&date=ge2026-01-03&_sort=date"} {
		whole := strings.Fields(ids(t, s, Query(t, "Observation?_count=1000&"+text, search.Everything)))
		q := Query(t, "Observation?_count=7&"+text, search.Everything)
		var paged []string
		for page := 0; ; page++ {
			must(t, s.View(ctx, func(tx *store.Tx) error {
				p, err := tx.Search(ctx, q)
				if err != nil {
					return err
				}
				for _, v := range p.Matches {
					paged = append(paged, v.ID)
				}
				q.Cursor = p.Next
				return nil
			}))
			if q.Cursor == "" {
				break
			}
			// New resources push nothing out of the pages and nothing into them.
			put(t, s, store.Update, fmt.Sprintf("new-%s-%d", fmt.Sprintf("%x", text), page), "", observe(page))
		}
		if strings.Join(paged, " ") != strings.Join(whole, " ") {
			t.Errorf("%q:\npaged %v\nwhole %v", text, paged, whole)
		}
	}
	q := Query(t, "Observation?_sort=date", search.Everything)
	for _, bad := range []string{"x", "e30", "eyJrIjpbInRleHQiXSwiciI6MX0"} {
		q.Cursor = bad
		err := s.View(ctx, func(tx *store.Tx) error { _, err := tx.Search(ctx, q); return err })
		if err == nil {
			t.Errorf("cursor %q was taken", bad)
		}
	}
}
