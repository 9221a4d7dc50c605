package access_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// net is a county with a department and a township beneath it, a centre, another hospital and a stranger.
type net struct {
	t     *testing.T
	store *store.Store
	tree  *access.Tree
	clock *clock.Turned
}

func open(t *testing.T, with storetest.Open) net {
	t.Helper()
	n := net{t: t, tree: access.NewTree(), clock: clock.At(storetest.Start)}
	n.store = with(t, store.Options{Clock: n.clock, Derive: []store.Deriver{n.tree.Derive, access.Derive}, Guard: []store.Guard{n.tree.Guard}})
	for _, o := range []struct{ id, typ, parent string }{
		{"county", "prov", ""}, {"ward", "dept", "county"}, {"township", "prov", "county"}, {"centre", "prov", ""}, {"other", "prov", ""}, {"stranger", "prov", ""},
	} {
		n.put(nil, store.Update, o.id, "", organisation(o.typ, o.parent))
	}
	return n
}

func organisation(typ, parent string) string {
	part := ""
	if parent != "" {
		part = `,"partOf":{"reference":"Organization/` + parent + `"}`
	}
	return `{"resourceType":"Organization","name":"某院","type":[{"coding":[{"code":"` + typ + `"}]}]` + part + `}`
}

// as is a doctor at an organisation.
func (n net) as(org string) *access.Caller {
	c := &access.Caller{User: "u-" + org, Role: access.ReferringDoctor, Org: "Organization/" + org}
	n.tree.Settle(c)
	return c
}

func (n net) try(by *access.Caller, op store.Op, id, custodian, body string) error {
	n.t.Helper()
	ctx := context.Background()
	if by != nil {
		ctx = access.With(ctx, by)
		custodian = by.Org
	}
	node, err := fhir.Parse([]byte(body))
	if err != nil {
		n.t.Fatal(err)
	}
	node.Set("id", id)
	prepared, err := store.Prepare(node)
	if err != nil {
		n.t.Fatal(err)
	}
	return n.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Put(ctx, store.Put{Op: op, Type: node.Type(), ID: id, Resource: prepared, Custodian: custodian})
		return err
	})
}

func (n net) put(by *access.Caller, op store.Op, id, custodian, body string) {
	n.t.Helper()
	if err := n.try(by, op, id, custodian, body); err != nil {
		n.t.Fatal(err)
	}
}

func (n net) patient(by *access.Caller, id string) {
	n.put(by, store.Update, id, "", `{"resourceType":"Patient","name":[{"text":"张三"}]}`)
}

func (n net) task(by *access.Caller, id, patient, status, requester, owner string) {
	n.put(by, store.Update, id, "", task(patient, status, requester, owner))
}

func task(patient, status, requester, owner string) string {
	return fmt.Sprintf(`{"resourceType":"Task","status":"%s","intent":"order","for":{"reference":"Patient/%s"},"requester":{"reference":"Organization/%s"},"owner":{"reference":"Organization/%s"}}`,
		status, patient, requester, owner)
}

// sees lists which of the organisations may read ref now.
func (n net) sees(ref string, orgs ...string) string {
	n.t.Helper()
	typ, id, _ := strings.Cut(ref, "/")
	var list []string
	for _, org := range orgs {
		ctx := context.Background()
		err := n.store.View(ctx, func(tx *store.Tx) error { _, err := tx.Read(ctx, n.as(org).Scope, typ, id); return err })
		if err == nil {
			list = append(list, org)
		} else if !errors.Is(err, store.ErrNotFound) {
			n.t.Fatal(err)
		}
	}
	return strings.Join(list, " ")
}

func (n net) expect(rule, ref, want string) {
	n.t.Helper()
	if got := n.sees(ref, "county", "ward", "township", "centre", "other", "stranger"); got != want {
		n.t.Errorf("%s: %s is seen by %q; want %q", rule, ref, got, want)
	}
}

func TestPatientIsSeenByItsCustodianAndAbove(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "t")
		n.patient(n.as("ward"), "w")
		n.expect("a township's patient", "Patient/t", "county ward township")
		n.expect("a ward's patient", "Patient/w", "county ward")
		n.put(n.as("stranger"), store.Update, "o", "", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/t"}}`)
		n.expect("what another wrote about it", "Observation/o", "county ward township stranger")
		n.expect("writing about it does not show it", "Patient/t", "county ward township")
	})
}

func TestTaskGrantsFollowTheHandOver(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.task(n.as("township"), "1", "p", "draft", "township", "centre")
		n.expect("a draft is the requester's alone", "Patient/p", "county ward township")
		n.task(n.as("township"), "1", "p", "requested", "township", "centre")
		n.expect("once submitted the owner sees the patient", "Patient/p", "county ward township centre")
		n.task(n.as("centre"), "1", "p", "requested", "township", "other")
		n.expect("another owner replaces the first", "Patient/p", "county ward township other")
		n.task(n.as("other"), "1", "p", "completed", "township", "other")
		n.expect("after the close both sides keep it", "Patient/p", "county ward township other")
		n.task(n.as("other"), "1", "p", "entered-in-error", "township", "other")
		n.expect("entered in error gives nothing", "Patient/p", "county ward township")
	})
}

func TestRedirectKeepsTheFirstAndAddsTheNext(t *testing.T) {
	n := open(t, storetest.Memory)
	n.patient(n.as("township"), "p")
	n.task(n.as("township"), "1", "p", "requested", "township", "centre")
	n.task(n.as("centre"), "1", "p", "rejected", "township", "centre")
	n.task(n.as("centre"), "2", "p", "requested", "township", "other")
	n.expect("after a redirect", "Patient/p", "county ward township centre other")
}

func TestAWithdrawnDraftShowsNothing(t *testing.T) {
	n := open(t, storetest.Memory)
	n.patient(n.as("township"), "p")
	n.task(n.as("township"), "1", "p", "draft", "township", "centre")
	n.task(n.as("township"), "1", "p", "cancelled", "township", "centre")
	n.expect("withdrawn before it was submitted", "Patient/p", "county ward township")
	n.task(nil, "1", "p", "cancelled", "township", "centre")
	n.expect("and touched again by the program", "Patient/p", "county ward township")
}

func TestNoGrantFromTheWritersOwnWord(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.task(n.as("stranger"), "1", "p", "requested", "stranger", "stranger")
		n.expect("a stranger's Task about somebody else's patient", "Patient/p", "county ward township")
		n.task(n.as("stranger"), "1", "p", "completed", "stranger", "other")
		n.expect("nor when it closes", "Patient/p", "county ward township")
		n.patient(n.as("stranger"), "own")
		n.task(n.as("stranger"), "2", "own", "requested", "stranger", "other")
		n.task(n.as("stranger"), "2", "p", "requested", "stranger", "other")
		n.expect("nor when a Task turns to another patient", "Patient/p", "county ward township")
		n.expect("and it takes back what it gave", "Patient/own", "stranger")
		n.task(n.as("stranger"), "3", "nobody", "requested", "stranger", "other")
		n.patient(n.as("township"), "nobody")
		n.expect("nor about a patient who comes later", "Patient/nobody", "county ward township")
	})
}

func TestTheTreeOfOrganisationsMoves(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.put(nil, store.Update, "township", "", organisation("prov", "other"))
		n.expect("the township went to another hospital", "Patient/p", "township other")
		if got := n.tree.Institution("Organization/ward"); got != "Organization/county" {
			t.Errorf("institution of the ward: got %s; want the county", got)
		}
		again, behind := access.NewTree(), access.NewTree()
		if err := behind.Load(context.Background(), n.store); err != nil {
			t.Fatal(err)
		}
		n.clock.Turn(time.Hour)
		n.put(nil, store.Update, "village", "", organisation("prov", "township"))
		if err := behind.Refresh(context.Background(), n.store); err != nil || !behind.Within("Organization/village", "Organization/other") {
			t.Errorf("refreshed: got %v; want the new village beneath the other hospital", err)
		}
		if err := again.Load(context.Background(), n.store); err != nil {
			t.Fatal(err)
		}
		if got := again.Below("Organization/other"); !slices.Equal(got, []string{"Organization/other", "Organization/township", "Organization/village"}) {
			t.Errorf("loaded anew: got %v beneath the other hospital", got)
		}
	})
}

func TestOrganisationsAreGuarded(t *testing.T) {
	n := open(t, storetest.Memory)
	admin := func(org string) *access.Caller {
		c := &access.Caller{User: "admin", Role: access.Administrator, Org: org}
		n.tree.Settle(c)
		return c
	}
	for _, c := range []struct {
		rule    string
		by      *access.Caller
		id, typ string
		parent  string
		want    string
	}{
		{"an administrator changes what is beneath", admin("Organization/county"), "township", "prov", "county", ""},
		{"and adds to it", admin("Organization/county"), "village", "prov", "township", ""},
		{"but not elsewhere", admin("Organization/county"), "centre", "prov", "", "outside-your-organisations"},
		{"nor adds elsewhere", admin("Organization/county"), "new", "prov", "centre", "outside-your-organisations"},
		{"nor at the top", admin("Organization/county"), "new", "prov", "", "outside-your-organisations"},
		{"nor moves his away", admin("Organization/county"), "township", "prov", "centre", "outside-your-organisations"},
		{"the hub's administrator adds at the top", admin(""), "new", "prov", "", ""},
		{"nobody closes a ring", admin(""), "county", "prov", "ward", "organisation-ring"},
		{"nor a ring of one", nil, "county", "prov", "county", "organisation-ring"},
	} {
		err := n.try(c.by, store.Update, c.id, "", organisation(c.typ, c.parent))
		var fe *fhir.Error
		got := ""
		if errors.As(err, &fe) {
			got = fe.Issues[0].Detail
		} else if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q; want %q", c.rule, got, c.want)
		}
	}
}

func TestSettle(t *testing.T) {
	n := open(t, storetest.Memory)
	for _, c := range []struct {
		rule string
		by   access.Caller
		want string
	}{
		{"a doctor sees his institution and beneath", access.Caller{Role: access.ReferringDoctor, Org: "Organization/ward"}, "all=false parties=[Organization/county Organization/township Organization/ward]"},
		{"a leader too", access.Caller{Role: access.Leader, Org: "Organization/township"}, "all=false parties=[Organization/township]"},
		{"an administrator sees registers only", access.Caller{Role: access.Administrator, Org: "Organization/county"}, "all=false parties=[]"},
		{"also the hub's", access.Caller{Role: access.Administrator}, "all=false parties=[]"},
		{"an auditor sees no records", access.Caller{Role: access.Auditor, Org: "Organization/county"}, "all=false parties=[]"},
		{"an unknown role sees nothing", access.Caller{Role: "boss", Org: "Organization/county"}, "all=false parties=[]"},
		{"a person at the hub does not see all", access.Caller{Role: access.Leader}, "all=false parties=[]"},
		{"a program of the hub sees all", access.Caller{Role: access.Program, Scopes: []string{"system/*.rs"}}, "all=true parties=[]"},
		{"a program of an organisation sees what that sees", access.Caller{Role: access.Program, Org: "Organization/centre", Scopes: []string{"system/*.rs"}}, "all=false parties=[Organization/centre]"},
	} {
		n.tree.Settle(&c.by)
		parties := slices.Sorted(slices.Values(c.by.Scope.Parties))
		if got := fmt.Sprintf("all=%v parties=%v", c.by.Scope.All, parties); got != c.want {
			t.Errorf("%s: got %s; want %s", c.rule, got, c.want)
		}
	}
}

func TestMay(t *testing.T) {
	program := func(scopes ...string) *access.Caller {
		return &access.Caller{Role: access.Program, Scopes: scopes}
	}
	person := func(r access.Role) *access.Caller { return &access.Caller{Role: r} }
	for _, c := range []struct {
		by      *access.Caller
		letters string
		typ     string
		want    string // the letters that are allowed
	}{
		{program("system/*.rs"), "cruds", "Patient", "rs"},
		{program("system/Patient.cruds"), "cruds", "Patient", "cruds"},
		{program("system/Patient.cruds"), "cruds", "Observation", ""},
		{program("system/*.read"), "cruds", "Patient", "rs"},
		{program("system/*.write"), "cruds", "Patient", "cud"},
		{program("system/*.*"), "cruds", "Patient", "cruds"},
		{program("system/Patient.rs?name=x"), "cruds", "Patient", ""},
		{program(), "cruds", "Patient", ""},
		{person(access.ReferringDoctor), "cruds", "Patient", "cruds"},
		{person(access.ReferringDoctor), "cruds", "Organization", "rs"},
		{person(access.Administrator), "cruds", "Organization", "cruds"},
		{person(access.Administrator), "cruds", "Patient", "rs"},
		{person(access.Auditor), "cruds", "Patient", "rs"},
		{person("boss"), "cud", "Patient", ""},
	} {
		got := ""
		for _, l := range c.letters {
			if c.by.May(byte(l), c.typ) == nil {
				got += string(l)
			}
		}
		if got != c.want {
			t.Errorf("%s %v on %s: got %q; want %q", c.by.Role, c.by.Scopes, c.typ, got, c.want)
		}
	}
	if got := access.ReadableTypes([]string{"system/Patient.rs", "system/Task.c", "system/Observation.r"}); !slices.Equal(got, []string{"Patient", "Observation"}) {
		t.Errorf("readable types: got %v", got)
	}
}

// TestAStrangerSeesNothing: not by search, count, chain, include, sort or history.
func TestAStrangerSeesNothing(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.put(n.as("township"), store.Update, "o", "", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"}}`)
		n.task(n.as("township"), "1", "p", "requested", "township", "centre")
		ctx := context.Background()
		param := func(typ, code string) *spec.Param {
			for _, p := range spec.Params(typ) {
				if p.Code == code {
					return p
				}
			}
			t.Fatalf("no parameter %s.%s", typ, code)
			return nil
		}
		named := search.Clause{Param: param("Patient", "name"), Values: []search.Value{{Raw: "张", Text: "张"}}}
		for _, q := range []search.Query{
			{Type: "Patient"}, {Type: "Observation"}, {Type: "Task"},
			{Type: "Patient", Where: []search.Clause{named}},
			{Type: "Observation", Where: []search.Clause{{Param: param("Observation", "subject"), Chain: &search.Chain{Types: []string{"Patient"}, Where: map[string]search.Clause{"Patient": named}}}}},
			{Type: "Organization", RevInclude: []search.Include{{Source: "Patient"}, {Source: "Task"}}},
		} {
			for org, want := range map[string]bool{"centre": true, "township": true, "stranger": false} {
				q.Scope, q.Count, q.Total = n.as(org).Scope, 100, search.TotalAccurate
				var page found
				err := n.store.View(ctx, func(tx *store.Tx) (err error) { page.Page, err = tx.Search(ctx, q); return err })
				if err != nil {
					t.Fatal(err)
				}
				if got := page.records(); got > 0 != want {
					t.Errorf("%s searches %s: got %d records; want some: %v", org, q.Type, got, want)
				}
				if q.Type != "Organization" && page.Total > 0 != want {
					t.Errorf("%s counts %s: got %d; want some: %v", org, q.Type, page.Total, want)
				}
			}
		}
		for _, h := range []store.HistoryQuery{{Type: "Patient", ID: "p"}, {Type: "Patient"}, {Type: "Task"}} {
			h.Scope, h.Count = n.as("stranger").Scope, 100
			var page store.Page
			err := n.store.View(ctx, func(tx *store.Tx) (err error) { page, err = tx.History(ctx, h); return err })
			if err != nil && !errors.Is(err, store.ErrNotFound) || len(page.Matches) > 0 {
				t.Errorf("a stranger's history of %s/%s: got %d versions, %v; want none", h.Type, h.ID, len(page.Matches), err)
			}
		}
	})
}

type found struct{ store.Page }

// records counts what is not of the shared registers.
func (p found) records() (n int) {
	for _, v := range slices.Concat(p.Matches, p.Includes) {
		if !slices.Contains(search.Shared, v.Type) {
			n++
		}
	}
	return n
}
