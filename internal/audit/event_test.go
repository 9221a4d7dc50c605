package audit_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

var whats = []string{"read", "vread", "search-type", "history-instance", "create", "update", "patch", "delete", "transaction", "step:referral/up/accept", "message", "worklist", "everything",
	"login", "logout", "login-failed", "password-change", "user-roles", "user-reset", "token-create", "app-launch", "break-glass", "further-reason:hiv", "bulk-file", "audit", "audit-export", "audit-copy",
	"meddled", "torn", "chain-algorithm", "audit-key", "audit-archive", "reveal:id"}

// What an event says of its kind is how it is found, and only so.
func TestEventsAreFoundByWhatTheySay(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		_, b := openIn(t, with, t.TempDir())
		for i, what := range whats {
			action := []string{"R", "C", "U", "D", "E"}[i%5]
			if err := b.Read(ctx, audit.Entry{User: "u", Person: "Practitioner/1", Remote: "10.0.0.1", Action: action, What: what, Target: "Patient/1", Patients: []string{"Patient/1"}, Purpose: "TREAT", Reason: "emergency: said so", Client: "app", Session: "s"}); err != nil {
				t.Fatal(err)
			}
		}
		seal(t, b)
		entries, _, err := b.Query(ctx, audit.Filter{NoOrgs: true, Count: 500})
		if err != nil || len(entries) != len(whats) {
			t.Fatal(len(entries), err)
		}
		type code struct{ element, system, code string }
		says := map[code][]int64{}
		for _, e := range entries {
			n := audit.Event(e, "https://hub.test/fhir")
			if issues := validate.Resource(n); len(issues) > 0 {
				t.Errorf("%s: %v", e.What, issues)
			}
			says[code{"action", "", n.Str("action")}] = append(says[code{"action", "", n.Str("action")}], e.Seq)
			c := code{"type", n.Str("type.system"), n.Str("type.code")}
			says[c] = append(says[c], e.Seq)
			for _, s := range n.All("subtype") {
				c := code{"subtype", s.Str("system"), s.Str("code")}
				says[c] = append(says[c], e.Seq)
			}
		}
		for c, want := range says {
			f := audit.Filter{NoOrgs: true, Count: 500}
			switch c.element {
			case "action":
				f.ActionOf(c.code)
			case "type":
				f.Kinds = []audit.Kind{{Any: audit.KindsOfType(&c.system, c.code)}}
			default:
				f.Kinds = []audit.Kind{{Any: audit.KindsOfSubtype(&c.system, c.code)}}
			}
			found, _, err := b.Query(ctx, f)
			var got []int64
			for _, e := range found {
				got = append(got, e.Seq)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%v: got %v, %v; want %v", c, got, err, want)
			}
			if n, err := b.Count(ctx, f); err != nil || int(n) != len(want) {
				t.Errorf("%v: counted %d, %v; want %d", c, n, err, len(want))
			}
		}
		if len(says) < 25 {
			t.Error(fmt.Sprint("only so many codes: ", len(says)))
		}
	})
}
