package rest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// join links records into one person; leave takes one out.
func (h *hub) join(person int64, patients ...string) {
	h.t.Helper()
	h.unit(func(ctx context.Context, tx *store.Tx) error {
		for _, p := range patients {
			if err := tx.Join(ctx, person, "Patient/"+p, "rule"); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h *hub) leave(person int64, patient string) {
	h.t.Helper()
	h.unit(func(ctx context.Context, tx *store.Tx) error { return tx.Leave(ctx, person, "Patient/"+patient) })
}

func (h *hub) unit(fn func(ctx context.Context, tx *store.Tx) error) {
	h.t.Helper()
	ctx := context.Background()
	if err := h.store.Update(ctx, func(tx *store.Tx) error { return fn(ctx, tx) }); err != nil {
		h.t.Fatal(err)
	}
}

// twoHospitals have each a record of the same man, and the county one of somebody else.
func twoHospitals(h *hub) {
	h.patient(county, "c1", "张")
	h.patient(stranger, "e1", "章")
	h.patient(county, "other", "李")
	h.put(county, `{"resourceType":"Encounter","id":"ce","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/c1"}}`)
	h.observation(county, "co1", "c1", "2026-01-01")
	h.observation(county, "co2", "other", "2026-01-02")
	h.observation(stranger, "eo1", "e1", "2026-01-03")
	h.put(stranger, `{"resourceType":"Encounter","id":"ee","status":"finished","class":{"code":"IMP"},"subject":{"reference":"Patient/e1"}}`)
	h.put(stranger, `{"resourceType":"Observation","id":"eo2","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/e1"},"encounter":{"reference":"Encounter/ee"},"effectiveDateTime":"2026-01-04"}`)
	h.audit.take()
}

func TestSearchByPerson(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := newHubOn(t, open)
		twoHospitals(h)
		for _, c := range []struct{ query, apart, linked string }{
			{"Observation?patient=Patient/c1", "co1", "co1"},
			{"Observation?patient:person=Patient/c1", "co1", "co1 eo1 eo2"},
			{"Observation?patient:mdm=Patient/c1", "co1", "co1 eo1 eo2"},
			{"Observation?subject:person=e1", "eo1 eo2", "co1 eo1 eo2"},
			{"Observation?subject:person=http://hub.test/fhir/Patient/e1", "eo1 eo2", "co1 eo1 eo2"},
			{"Observation?patient:person=Patient/c1,Patient/other", "co1 co2", "co1 co2 eo1 eo2"},
			{"Observation?patient:person=Patient/c1&code=8867-4", "co1", "co1 eo1"},
			{"Observation?patient:person=Patient/nobody", "", ""},
			{"Observation?encounter:Encounter.patient:person=Patient/c1", "", "eo2"},
			{"Encounter?_has:Observation:encounter:patient:person=c1", "", "ee"},
			{"Patient?_id:person=c1", "c1", "c1 e1"},
			{"Patient?_id:mdm=c1,other", "c1 other", "c1 e1 other"},
			{"Observation?patient._id:person=c1", "co1", "co1 eo1 eo2"},
			{"?_type=Observation,Encounter&patient:person=Patient/c1", "ce co1", "ce co1 ee eo1 eo2"},
		} {
			if h.leave(1, "e1"); sorted(h.want(200, system, "GET", "/"+query(c.query), "").ids()) != c.apart {
				t.Errorf("%s, not linked: got %s; want %s", c.query, h.do(system, "GET", "/"+query(c.query), "").ids(), c.apart)
			}
			h.join(1, "c1", "e1")
			r := h.want(200, system, "GET", "/"+query(c.query+"&_total=accurate"), "")
			if got := sorted(r.ids()); got != c.linked || r.node.Str("total") != fmt.Sprint(len(strings.Fields(c.linked))) {
				t.Errorf("%s: got %s, total %s; want %s", c.query, got, r.node.Str("total"), c.linked)
			}
			// page by page, and what says "self" is what was asked
			var paged []string
			for next, pages := "/"+query(c.query+"&_count=1"), 0; next != "" && pages < 9; pages++ {
				r := h.want(200, system, "GET", next, "")
				paged = append(paged, strings.Fields(r.ids())...)
				next = strings.TrimPrefix(linkOf(r, "next"), "http://hub.test/fhir")
			}
			if got := sorted(strings.Join(paged, " ")); got != c.linked {
				t.Errorf("%s by pages: got %s; want %s", c.query, got, c.linked)
			}
		}
		for _, url := range []string{
			"/Observation?encounter:person=Encounter/ce", "/Observation?patient:person=Group/1", "/Observation?patient:person=http://other.test/Patient/1",
			"/Observation?_id:person=co1", "/?_id:person=c1", "/Observation?code:person=x", "/Patient?name:person=x", "/Patient?_lastUpdated:person=2026", "/Observation?patient:person.name=x",
		} {
			if r := h.want(400, system, "GET", url, ""); r.detail() != "bad-modifier" && r.detail() != "bad-value" {
				t.Errorf("%s: got %s; want bad-modifier or bad-value", url, r.detail())
			}
		}
		// a condition of a write means one record
		for _, url := range []string{"/Patient?_id:person=c1", "/Observation?patient:person=Patient/c1"} {
			if r := h.want(400, system, "DELETE", url, ""); r.detail() != "bad-modifier" {
				t.Errorf("DELETE %s: got %s", url, r.detail())
			}
		}
	})
}

// Being linked grants nothing: who sees one of the records finds by it what he found before, and counts no more.
func TestBeingLinkedGrantsNothing(t *testing.T) {
	h := newHub(t)
	twoHospitals(h)
	h.join(1, "c1", "e1", "other")
	for _, c := range []struct {
		as          *access.Caller
		query, want string
	}{
		{county, "Observation?patient:person=Patient/c1", "co1 co2"},
		{stranger, "Observation?patient:person=Patient/e1", "eo1 eo2"},
		{stranger, "Observation?patient:person=Patient/c1", ""}, // or he would learn whose other record this is
		{county, "Observation?patient:person=Patient/e1", ""},
		{county, "Patient?_id:person=c1", "c1 other"},
		{stranger, "Patient?_id:person=c1", ""},
		{stranger, "Observation?encounter.patient:person=Patient/c1", ""},
		{stranger, "Encounter?_has:Observation:encounter:patient:person=Patient/c1", ""},
		{program("system/Observation.rs"), "Observation?patient:person=Patient/c1", "co1"},
	} {
		r := h.want(200, c.as, "GET", "/"+query(c.query+"&_total=accurate"), "")
		if got := sorted(r.ids()); got != c.want || r.node.Str("total") != fmt.Sprint(len(strings.Fields(c.want))) {
			t.Errorf("%s as %s: got %s, total %s; want %q", c.query, c.as.User, got, r.node.Str("total"), c.want)
		}
	}
	// a piece of a record that was given singly does not tell that the record is the same man's
	h.unit(func(ctx context.Context, tx *store.Tx) error {
		return tx.Item(ctx, store.Item{Resource: "Observation/eo1", Party: "Organization/county", Source: "Task/t"})
	})
	if got := h.want(200, county, "GET", "/Observation?patient:person=Patient/c1", "").ids(); strings.Contains(got, "eo1") {
		t.Errorf("a piece of a hidden record came by the person: %s", got)
	}
	h.unit(func(ctx context.Context, tx *store.Tx) error {
		return tx.Grant(ctx, store.Grant{Patient: "Patient/e1", Party: "Organization/county", Class: "record", Source: "Task/t"})
	})
	if got := sorted(h.want(200, county, "GET", "/Observation?patient:person=Patient/c1", "").ids()); got != "co1 co2 eo1 eo2" {
		t.Errorf("with a right to both: got %s", got)
	}
}

// Searches by person of callers of every kind, against a plain reading: the union, over the records linked that he
// sees from one that he sees, of the searches by each.
func TestSearchesByPersonAsAPlainReading(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		for seed := range uint64(2) {
			r := rand.New(rand.NewPCG(seed, 11))
			h := newHubOn(t, open)
			orgs := []*access.Caller{doctor("a"), doctor("b"), doctor("c")}
			for _, o := range orgs {
				h.put(system, `{"resourceType":"Organization","id":"`+strings.TrimPrefix(o.Org, "Organization/")+`"}`)
			}
			callers := append(slices.Clone(orgs), system, stranger)
			var ids []string
			person := map[string]int64{}
			for i := range 18 {
				id := fmt.Sprintf("p%d", i)
				as := orgs[r.IntN(3)]
				h.patient(as, id, "张")
				for o := range r.IntN(3) {
					h.observation(as, fmt.Sprintf("%s-%d", id, o), id, "2026-01-01")
				}
				if n := int64(r.IntN(6)); n > 0 {
					person[id] = n
					h.join(n, id)
				}
				ids = append(ids, id)
			}
			h.unit(func(ctx context.Context, tx *store.Tx) error {
				for range 14 {
					if err := tx.Grant(ctx, store.Grant{Patient: "Patient/" + ids[r.IntN(len(ids))], Party: callers[r.IntN(3)].Org, Class: "record", Source: fmt.Sprint("Task/", r.IntN(100))}); err != nil {
						return err
					}
				}
				return nil
			})
			for _, as := range callers {
				seen := map[string]bool{}
				for _, id := range ids {
					seen[id] = h.do(as, "GET", "/Patient/"+id, "").StatusCode == 200
				}
				for _, id := range ids {
					records := []string{id}
					for _, other := range ids {
						if other != id && person[id] > 0 && person[other] == person[id] && seen[id] && seen[other] {
							records = append(records, other)
						}
					}
					var want []string
					for _, rec := range records {
						want = append(want, strings.Fields(h.want(200, as, "GET", "/Observation?patient=Patient/"+rec, "").ids())...)
					}
					slices.Sort(want)
					got := h.want(200, as, "GET", "/Observation?patient:person=Patient/"+id+"&_total=accurate", "")
					if inOrder(got.ids()) != strings.Join(want, " ") || got.node.Str("total") != fmt.Sprint(len(want)) {
						t.Fatalf("seed %d, %s, %s: got %s, total %s; want %s", seed, as.User, id, got.ids(), got.node.Str("total"), want)
					}
				}
			}
		}
	})
}

func TestEverythingSpansLinkedRecords(t *testing.T) {
	h := newHub(t)
	twoHospitals(h)
	const his = "Encounter/ce Observation/co1 Patient/c1"
	const theirs = "Encounter/ee Observation/eo1 Observation/eo2 Patient/e1"
	all := inOrder(his + " " + theirs)
	everything := func(as *access.Caller, query string) string {
		t.Helper()
		return inOrder(h.want(200, as, "GET", "/Patient/"+query, "").ids())
	}
	expect := func(when string, as *access.Caller, query, want string) {
		t.Helper()
		if got := everything(as, query); got != want {
			t.Errorf("%s: %s as %s: got %s; want %s", when, query, as.User, got, want)
		}
	}
	expect("apart", system, "c1/$everything", his)
	h.join(1, "c1", "e1")
	h.audit.take()
	expect("linked", system, "c1/$everything", all)
	if e := h.audit.take(); len(e) != 1 || !slices.Contains(e[0].Patients, "Patient/c1") || !slices.Contains(e[0].Patients, "Patient/e1") || e[0].Count != 7 {
		t.Errorf("audit of both records: got %+v", e)
	}
	expect("linked, from the other side", system, "e1/$everything", all)
	expect("this record only", system, "c1/$everything?_person=false", his)
	expect("of one type", system, "c1/$everything?_type=Observation", "Observation/co1 Observation/eo1 Observation/eo2")
	expect("who sees one record", county, "c1/$everything", his)
	expect("who sees the other", stranger, "e1/$everything", theirs)
	h.want(404, stranger, "GET", "/Patient/c1/$everything", "")
	h.want(400, county, "GET", "/Patient/c1/$everything?_person=perhaps", "")
	var paged []string
	for next, pages := "/Patient/c1/$everything?_count=2", 0; next != "" && pages < 9; pages++ {
		r := h.want(200, system, "GET", next, "")
		paged = append(paged, strings.Fields(r.ids())...)
		next = strings.TrimPrefix(linkOf(r, "next"), "http://hub.test/fhir")
	}
	if got := inOrder(strings.Join(paged, " ")); got != all {
		t.Errorf("by pages: got %s; want %s", got, all)
	}
	h.unit(func(ctx context.Context, tx *store.Tx) error {
		return tx.Grant(ctx, store.Grant{Patient: "Patient/e1", Party: "Organization/county", Class: "record", Source: "Task/t"})
	})
	expect("with a right to both", county, "c1/$everything", all)
	h.leave(1, "e1")
	expect("undone", system, "c1/$everything", his)
	expect("undone", system, "e1/$everything", theirs)
}
