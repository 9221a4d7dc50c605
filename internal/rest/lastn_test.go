package rest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func TestLastN(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHubOn(t, open)
		h.patient(county, "p", "张")
		h.patient(county, "q", "李")
		put := func(id, patient, date, code, category string) {
			h.put(county, fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","category":[{"coding":[{"system":"urn:c","code":%q}]}],"code":%s,"subject":{"reference":"Patient/%s"},"effectiveDateTime":%q}`, id, category, code, patient, date))
		}
		coding := func(codes ...string) string {
			var list []string
			for _, c := range codes {
				system, code, _ := strings.Cut(c, "|")
				list = append(list, fmt.Sprintf(`{"system":%q,"code":%q}`, system, code))
			}
			return `{"coding":[` + strings.Join(list, ",") + `]}`
		}
		for i := range 5 {
			day := fmt.Sprintf("2026-01-%02d", 10+i)
			put(fmt.Sprintf("hr%d", i), "p", day, coding("urn:l|hr"), "vital")
			put(fmt.Sprintf("k%d", i), "p", day, coding("urn:l|k", "urn:local|kalium"), "lab")
			put(fmt.Sprintf("q%d", i), "q", day, coding("urn:l|hr"), "vital")
			put(fmt.Sprintf("word%d", i), "p", day, `{"text":"一般情况"}`, "vital")
		}
		put("otherk", "p", "2025-01-01", coding("urn:other|k"), "lab")
		put("nodate", "p", "2020", coding("urn:l|old"), "vital")
		for _, c := range []struct{ url, want string }{
			{"patient=Patient/p", "hr4 k4 nodate otherk word4"},
			{"subject=Patient/p&max=2", "hr3 hr4 k3 k4 nodate otherk word3 word4"},
			{"patient=p&category=vital", "hr4 nodate word4"},
			{"patient=p&code=urn:l|hr,urn:other|k&max=3", "hr2 hr3 hr4 otherk"},
			{"patient=p&date=lt2026-01-12", "hr1 k1 nodate otherk word1"},
			{"patient=p,q&code=hr", "hr4 q4"},
			{"patient=none", ""},
		} {
			h.audit.take()
			r := h.want(200, county, "GET", "/Observation/$lastn?"+c.url, "")
			if got := inOrder(strings.ReplaceAll(r.ids(), "Observation/", "")); got != c.want {
				t.Errorf("%s: got %s; want %s", c.url, got, c.want)
			}
			if entries := h.audit.take(); len(entries) != 1 || entries[0].What != "lastn" || entries[0].Count != len(strings.Fields(c.want)) {
				t.Errorf("%s: audit: got %+v", c.url, entries)
			}
			if r := h.want(200, stranger, "GET", "/Observation/$lastn?"+c.url, ""); r.ids() != "" || r.node.Str("total") != "0" {
				t.Errorf("%s: a stranger got %s", c.url, r.body)
			}
		}
		if r := h.want(200, county, "POST", "/Observation/$lastn", `{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"reference":"Patient/q"}},{"name":"max","valuePositiveInt":2}]}`); inOrder(r.ids()) != "Observation/q3 Observation/q4" {
			t.Errorf("by POST: got %s", r.ids())
		}
		for _, bad := range []string{"", "?max=2", "?patient=p&max=0", "?patient=p&nose=1", "?patient=../x"} {
			h.want(400, county, "GET", "/Observation/$lastn"+bad, "")
		}
		h.want(403, program("system/Patient.rs"), "GET", "/Observation/$lastn?patient=p", "")
	})
}
