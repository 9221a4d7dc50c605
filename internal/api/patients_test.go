package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/api"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/region"
	"github.com/xinglin-health/xinglin/internal/store"
)

func patientOf(h *hubtest.Hub, id string) *region.Patient {
	for _, p := range h.Region.Patients {
		if p.ID == id {
			return p
		}
	}
	h.T.Fatalf("no patient %s", id)
	return nil
}

type found struct {
	Reference, Name, IDMasked, PhoneMasked string
	Age                                    int
	Org                                    struct{ Reference, Display string }
}

func TestPatientsAreFoundAsPeopleAsk(t *testing.T) {
	h := hubtest.New(t)
	p := patientOf(h, "p0001")
	ask := func(as, q string) []found {
		t.Helper()
		var rows []found
		a := h.Call(as, "GET", "/api/patients?count=50&q="+strings.ReplaceAll(q, " ", "%20"), "")
		if a.Status != 200 {
			t.Fatalf("q=%s: got %d %s", q, a.Status, a.Body)
		}
		a.JSON(t, &rows)
		return rows
	}
	has := func(rows []found, ref string) bool {
		for _, r := range rows {
			if r.Reference == ref {
				return true
			}
		}
		return false
	}
	for _, c := range []struct{ name, q string }{
		{"by name", p.Name}, {"by the beginning of the name", string([]rune(p.Name)[:1])}, {"by number", p.IDNumber}, {"by number in lower case", strings.ToLower(p.IDNumber)},
		{"by telephone", p.Phone}, {"by telephone with blanks and country", "+86 " + p.Phone[:3] + " " + p.Phone[3:]}, {"by the last four of the telephone", p.Phone[7:]}, {"without words", ""},
	} {
		if rows := ask(hubtest.Village, c.q); !has(rows, "Patient/p0001") {
			t.Errorf("%s (%q): got %v; want Patient/p0001 among them", c.name, c.q, rows)
		}
		if rows := ask(hubtest.Stranger, c.q); has(rows, "Patient/p0001") {
			t.Errorf("%s: a stranger finds Patient/p0001", c.name)
		}
	}
	if rows := ask(hubtest.Village, p.IDNumber); len(rows) != 1 || strings.Contains(rows[0].IDMasked, p.IDNumber[6:14]) || strings.Contains(rows[0].PhoneMasked, p.Phone[3:7]) || rows[0].Org.Reference != "Organization/village-001" {
		t.Errorf("got %+v; want one row, masked, of village-001", rows)
	}
	if rows := ask(hubtest.Village, p.IDNumber[:17]); len(rows) != 0 {
		t.Errorf("a part of a number: got %v; want nothing", rows)
	}
	if rows := ask(hubtest.Administrator, p.Name); len(rows) != 0 {
		t.Errorf("who runs the system sees patients: %v", rows)
	}
}

func TestPatientsByInitials(t *testing.T) {
	h := hubtest.New(t)
	body := `{"resourceType":"Patient","name":[{"text":"单雄信","family":"单","given":["雄信"]}],"gender":"male","birthDate":"1960-05-01"}`
	if a := h.Call(hubtest.Village, "POST", "/fhir/Patient", body); a.Status != 201 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	for _, q := range []string{"sxx", "shanxiongxin", "SXX", "shanx", "单雄"} {
		var rows []found
		h.Call(hubtest.Village, "GET", "/api/patients?q="+q, "").JSON(t, &rows)
		if len(rows) != 1 || rows[0].Name != "单雄信" || rows[0].Age != 66 {
			t.Errorf("%q: got %+v; want 单雄信, 66", q, rows)
		}
	}
}

func TestPatientsByLatinName(t *testing.T) {
	h := hubtest.New(t)
	body := `{"resourceType":"Patient","name":[{"use":"official","family":"Douglas","given":["Tony","Lee"]}],"gender":"male","birthDate":"1972-04-18"}`
	if a := h.Call(hubtest.Village, "POST", "/fhir/Patient", body); a.Status != 201 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	for _, q := range []string{"Tony%20Lee%20Douglas", "Tony%20Douglas", "Douglas%20Tony", "tony%20doug", "Douglas", "tony"} {
		var rows []found
		h.Call(hubtest.Village, "GET", "/api/patients?q="+q, "").JSON(t, &rows)
		if len(rows) != 1 || rows[0].Name != "Tony Lee Douglas" {
			t.Errorf("%q: got %+v; want Tony Lee Douglas", q, rows)
		}
	}
	var rows []found
	if h.Call(hubtest.Village, "GET", "/api/patients?q=Tony%20Nobody", "").JSON(t, &rows); len(rows) != 0 {
		t.Errorf("one word of two: got %+v; want nobody", rows)
	}
}

func TestPatientPage(t *testing.T) {
	h := hubtest.New(t)
	p := patientOf(h, "p0002") // has an allergy
	h.Run([]hubtest.Scenario{
		{Name: "the village sees its patient whole, masked", As: hubtest.Village, URL: "/api/patients/p0002", Status: 200,
			Content: []string{p.Name, `"kind":"encounter"`, `"kind":"condition"`, `"allergies":["`, "Organization/village-001"}, NotContent: []string{p.IDNumber, p.Phone}, Audit: 1},
		{Name: "one kind of the timeline", As: hubtest.Village, URL: "/api/patients/p0002?kind=condition", Status: 200, Content: []string{`"kind":"condition"`}, NotContent: []string{`"kind":"encounter"`}, Audit: 1},
		{Name: "a stranger sees no patient", As: hubtest.Stranger, URL: "/api/patients/p0002", Status: 404, NotContent: []string{p.Name}, Audit: -1},
		{Name: "nobody sees no patient", URL: "/api/patients/p0002", Status: 401, NotContent: []string{p.Name}, Audit: -1},
		{Name: "the number is shown on demand, audited", As: hubtest.Village, Method: "POST", URL: "/api/patients/p0002/reveal", Body: `{"field":"id"}`, Status: 200, Content: []string{p.IDNumber}, Audit: 1},
		{Name: "the telephone too", As: hubtest.Village, Method: "POST", URL: "/api/patients/p0002/reveal", Body: `{"field":"phone"}`, Status: 200, Content: []string{p.Phone}, Audit: 1},
		{Name: "nothing else", As: hubtest.Village, Method: "POST", URL: "/api/patients/p0002/reveal", Body: `{"field":"name"}`, Status: 422, Audit: -1},
		{Name: "not to a stranger", As: hubtest.Stranger, Method: "POST", URL: "/api/patients/p0002/reveal", Body: `{"field":"id"}`, Status: 404, NotContent: []string{p.IDNumber}, Audit: -1},
		{Name: "a cursor of somebody else", As: hubtest.Village, URL: "/api/patients/p0002?cursor=%25", Status: 400, Audit: -1},
	})
	for _, e := range h.Entries() {
		if e.What == "reveal:id" && e.User != "" && len(e.Patients) == 1 && e.Patients[0] == "Patient/p0002" {
			return
		}
	}
	t.Error("no audit entry says who looked at the number")
}

func TestTimelinePagesCoverEverythingOnce(t *testing.T) {
	h := hubtest.New(t)
	type page struct {
		Timeline []struct{ Reference, At, Kind string }
		Next     string
	}
	var whole page
	h.Call(hubtest.Village, "GET", "/api/patients/p0001?count=200", "").JSON(t, &whole)
	if len(whole.Timeline) < 8 || whole.Next != "" {
		t.Fatalf("got %d moments, next %q; want a whole record", len(whole.Timeline), whole.Next)
	}
	var got []string
	for next, n := "", 0; n < 100; n++ {
		var p page
		h.Call(hubtest.Village, "GET", "/api/patients/p0001?count=3&cursor="+next, "").JSON(t, &p)
		for _, m := range p.Timeline {
			got = append(got, m.Reference)
		}
		if next = p.Next; next == "" {
			break
		}
	}
	for i, m := range whole.Timeline {
		if i >= len(got) || got[i] != m.Reference {
			t.Fatalf("moment %d: pages give %v; want %s", i, got, m.Reference)
		}
		if i > 0 && m.At[:10] > whole.Timeline[i-1].At[:10] {
			t.Errorf("moment %d at %s comes after %s", i, m.At, whole.Timeline[i-1].At)
		}
	}
}

// Pages of any size hold the same moments in the same order, also those of one second and those without a date.
func TestTimelinePagesAreOneLine(t *testing.T) {
	h := hubtest.New(t)
	ctx := context.Background()
	err := h.Store.Update(ctx, func(tx *store.Tx) error {
		for i := range 40 {
			n := fhir.New("Observation", "status", "final", "subject", fhir.Obj{"reference", "Patient/p0001"}, "code", fhir.Obj{"text", fmt.Sprint(i)})
			if i%8 != 0 {
				n.Set("effectiveDateTime", fmt.Sprintf("2026-10-%02dT08:00:00+08:00", i/10+1))
			} else {
				n.Set("issued", fmt.Sprintf("2026-10-0%dT08:00:00+08:00", i/10+1))
			}
			p, err := store.Prepare(n)
			if err != nil {
				return err
			}
			if _, err := tx.Put(ctx, store.Put{Op: store.Create, Type: "Observation", Resource: p, Custodian: "Organization/village-001"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	read := func(count int) (refs []string) {
		cursor := ""
		for {
			var page struct {
				Timeline []struct{ At, Reference string }
				Next     string
			}
			h.Call(hubtest.Village, "GET", fmt.Sprintf("/api/patients/p0001?count=%d&cursor=%s", count, cursor), "").JSON(t, &page)
			for _, m := range page.Timeline {
				refs = append(refs, m.At+" "+m.Reference)
			}
			if cursor = page.Next; cursor == "" {
				return refs
			}
		}
	}
	want := read(200)
	if len(want) < 45 {
		t.Fatalf("got %d moments; want the 40 and the patient's own", len(want))
	}
	for _, count := range []int{1, 3, 7, 20} {
		if got := read(count); !slices.Equal(got, want) {
			t.Errorf("%d a page: got %d moments; want the same %d", count, len(got), len(want))
		}
	}
}

// Records of one person are one timeline for who sees them, page by page, and each its own again when the link is undone.
func TestLinkedRecordsAreOneTimeline(t *testing.T) {
	h := hubtest.New(t)
	ctx := context.Background()
	type page struct {
		Banner    struct{ Allergies []string }
		Records   []struct{ Reference string }
		Left      int
		Timeline  []struct{ Reference, Record, Org string }
		Next      string
		reference []string
	}
	whole := func(as, query string) (all page) {
		t.Helper()
		for next, n := "", 0; n < 100; n++ {
			var p page
			a := h.Call(as, "GET", "/api/patients/"+query+"count=3&cursor="+next, "")
			if a.Status != 200 {
				t.Fatalf("%s as %s: got %d %s", query, as, a.Status, a.Body)
			}
			a.JSON(t, &p)
			all.Timeline, all.Records, all.Banner, all.Left = append(all.Timeline, p.Timeline...), p.Records, p.Banner, p.Left
			for _, m := range p.Timeline {
				all.reference = append(all.reference, m.Reference)
			}
			if next = p.Next; next == "" {
				return all
			}
		}
		t.Fatal("the pages do not end")
		return all
	}
	change := func(fn func(tx *store.Tx) error) {
		t.Helper()
		if err := h.Store.Update(ctx, fn); err != nil {
			t.Fatal(err)
		}
	}
	one, other := whole(hubtest.Village, "p0001?"), whole(hubtest.Village, "p0002?")
	change(func(tx *store.Tx) error {
		for _, id := range []string{"p0001", "p0002"} {
			if err := tx.Join(ctx, 7, "Patient/"+id, "rule"); err != nil {
				return err
			}
		}
		return nil
	})
	both := whole(hubtest.Village, "p0001?")
	if len(both.Records) != 2 || both.Records[0].Reference != "Patient/p0001" || both.Records[1].Reference != "Patient/p0002" {
		t.Fatalf("records: got %+v", both.Records)
	}
	want := slices.Sorted(slices.Values(slices.Concat(one.reference, other.reference)))
	if got := slices.Sorted(slices.Values(both.reference)); !slices.Equal(got, want) {
		t.Errorf("both records: got %d moments %v; want %d %v", len(got), got, len(want), want)
	}
	for _, m := range both.Timeline {
		if from := slices.Contains(other.reference, m.Reference); from != (m.Record == "Patient/p0002") || m.Org == "" {
			t.Errorf("%s: of record %q, org %q", m.Reference, m.Record, m.Org)
		}
	}
	if len(other.Banner.Allergies) == 0 || len(both.Banner.Allergies) < len(other.Banner.Allergies) {
		t.Errorf("allergies: got %v; want those of both, %v", both.Banner.Allergies, other.Banner.Allergies)
	}
	if !slices.ContainsFunc(h.Entries(), func(e audit.Entry) bool {
		return e.What == "patient-page" && e.Target == "Patient/p0001" && slices.Equal(e.Patients, []string{"Patient/p0001", "Patient/p0002"})
	}) {
		t.Error("no audit entry says that both records were shown")
	}
	if alone := whole(hubtest.Village, "p0001?person=false&"); !slices.Equal(alone.reference, one.reference) || len(alone.Records) != 1 {
		t.Errorf("this record only: got %v; want %v", alone.reference, one.reference)
	}
	hidden := h.Region.Patients[slices.IndexFunc(h.Region.Patients, func(p *region.Patient) bool {
		return h.Call(hubtest.Village, "GET", "/api/patients/"+p.ID, "").Status == 404
	})]
	change(func(tx *store.Tx) error { return tx.Join(ctx, 7, hidden.Ref(), "rule") })
	if got := whole(hubtest.Village, "p0001?"); len(got.Records) != 2 || !slices.Equal(got.reference, both.reference) {
		t.Errorf("a third record that he may not see: got %+v", got.Records)
	}
	if both.Left != 0 {
		t.Errorf("%d records left out; want none", both.Left)
	}
	joins := api.JoinAtMost(0)
	if got := whole(hubtest.Village, "p0001?"); got.Left != 1 || !slices.Equal(got.reference, one.reference) {
		t.Errorf("beyond what is joined: %d left out, %v; want 1 and this record's, and the hidden one uncounted", got.Left, got.Records)
	}
	joins()
	change(func(tx *store.Tx) error { return tx.Leave(ctx, 7, "Patient/p0002") })
	if got := whole(hubtest.Village, "p0001?"); !slices.Equal(got.reference, one.reference) || len(got.Records) != 1 {
		t.Errorf("undone: got %v; want %v", got.reference, one.reference)
	}
	if got := whole(hubtest.Village, "p0002?"); !slices.Equal(got.reference, other.reference) {
		t.Errorf("undone, the other: got %v; want %v", got.reference, other.reference)
	}
}
