package hubtest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/store"
)

// The records desks of the region.
const (
	centreDesk  = "bingan"
	countyDesk  = "xianbingan"
	groupDesk   = "zongbingan"
	partnerDesk = "xiezuobingan"
)

// sends writes resources as a hospital's own system would, and lets the index and the worklist catch up.
func sends(t *testing.T, h *hubtest.Hub, hospital string, resources ...string) {
	t.Helper()
	ctx := context.Background()
	err := h.Store.Update(ctx, func(tx *store.Tx) error {
		for _, text := range resources {
			n, err := fhir.Parse([]byte(text))
			if err != nil {
				return err
			}
			ready, err := store.Prepare(n)
			if err != nil {
				return err
			}
			if _, err := tx.Put(ctx, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: ready, Custodian: "Organization/" + hospital}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	catchUp(t, h)
}

func catchUp(t *testing.T, h *hubtest.Hub) {
	t.Helper()
	if err := h.Index.Settle(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := h.Review(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func patient(id, name, born, number, phone, address string) string {
	identifier := ""
	if number != "" {
		identifier = fmt.Sprintf(`"identifier":[{"system":"https://xinglin.health/fhir/sid/resident-id","value":%q}],`, number)
	}
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,%s"active":true,"name":[{"text":%q}],"gender":"male","birthDate":%q,"telecom":[{"system":"phone","value":%q}],"address":[{"text":%q}]}`, id, identifier, name, born, phone, address)
}

func condition(id, of, words string) string {
	return fmt.Sprintf(`{"resourceType":"Condition","id":%q,"code":{"text":%q},"subject":{"reference":"Patient/%s"},"recordedDate":"2026-11-01"}`, id, words, of)
}

type pairList struct {
	Total int
	Rows  []struct {
		Task, Flow, State, Version, Pair, PairVersion, Bar, Why, Question, Answer string
		Late                                                                      bool
		Left, Right                                                               *struct {
			Reference, Name string
			Hidden          bool
		}
	}
}

func pairsOf(t *testing.T, h *hubtest.Hub, as, view string) (list pairList) {
	t.Helper()
	a := h.Call(as, "GET", "/api/pairs?view="+view, "")
	if a.Status != 200 {
		t.Fatalf("%s: %d %s", as, a.Status, a.Body)
	}
	a.JSON(t, &list)
	return list
}

// caseOf is the place in the list of the case about a patient.
func caseOf(t *testing.T, list pairList, patient string) int {
	t.Helper()
	for i, r := range list.Rows {
		if r.Left != nil && r.Left.Reference == patient || r.Right != nil && r.Right.Reference == patient {
			return i
		}
	}
	t.Fatalf("no case about %s: %+v", patient, list)
	return -1
}

const home = "东岭省杏州市青榆县城关镇和平路18号3栋402室"

func TestAPossiblePairIsReviewedByTheDeskAndNobodyElse(t *testing.T) {
	h := hubtest.New(t)
	catchUp(t, h)
	before := pairsOf(t, h, centreDesk, "mine").Total
	sends(t, h, "county-1", patient("za", "周文彬", "1971-03-05", "", "19901990001", home))
	sends(t, h, "centre", patient("zb", "周文斌", "1971-03-05", "", "19955587302", "东岭省杏州市东湖区湖滨路2号"))
	list := pairsOf(t, h, centreDesk, "mine")
	if list.Total != before+1 {
		t.Fatalf("the centre's desk has %d cases; want %d", list.Total, before+1)
	}
	at := list.Rows[caseOf(t, list, "Patient/za")]
	id := strings.TrimPrefix(at.Task, "Task/")
	step := func(do string, pairs ...any) (string, string) {
		return "/fhir/Task/" + id + "/$" + do, hubtest.Ask(pairs...)
	}
	ask, question := step("ask", "hospital", "Organization/county-1", "reason", "birth")
	stranger, wrong := step("ask", "hospital", "Organization/partner-1", "reason", "birth")
	accept, same := step("accept", "reason", "typing")
	for _, as := range []string{countyDesk, partnerDesk} {
		if n := pairsOf(t, h, as, "in"); n.Total != 0 || len(n.Rows) != 0 {
			t.Errorf("%s sees %d cases of others", as, n.Total)
		}
	}
	h.Run([]hubtest.Scenario{
		{Name: "side by side", As: centreDesk, URL: "/api/pairs/" + id, Status: 200, Content: []string{"周文", "homophone", "namesake", `"field":"phone"`, "accept"}, NotContent: []string{"19901990001"}, Audit: 1},
		{Name: "a telephone in full is asked for and audited", As: centreDesk, Method: "POST", URL: "/api/pairs/" + id + "/reveal", Body: `{"side":"left","field":"phone"}`, Status: 200, Content: []string{"19901990001"}, Audit: 1},
		{Name: "the other record itself stays closed", As: centreDesk, URL: "/fhir/Patient/za", Status: 404, Audit: -1},
		{Name: "the Task names nobody", As: centreDesk, URL: "/fhir/Task/" + id, Status: 200, NotContent: []string{"周文", "1990199", "Patient/"}, Audit: -1},
		{Name: "a doctor has no such list", As: hubtest.CentreReceiver, URL: "/api/pairs", Status: 403, Content: []string{"records-desk-only"}, NotContent: []string{"total"}, Audit: -1},
		{Name: "nor the case", As: hubtest.CentreReceiver, URL: "/api/pairs/" + id, Status: 403, Audit: -1},
		{Name: "another hospital's desk sees no case", As: partnerDesk, URL: "/api/pairs/" + id, Status: 404, NotContent: []string{"周文"}, Audit: -1},
		{Name: "nor the Task", As: partnerDesk, URL: "/fhir/Task/" + id, Status: 404, Audit: -1},
		{Name: "nor a number", As: partnerDesk, Method: "POST", URL: "/api/pairs/" + id + "/reveal", Body: `{"side":"left","field":"phone"}`, Status: 404, NotContent: []string{"1990"}, Audit: -1},
		{Name: "nor the hospital that nobody has asked", As: countyDesk, URL: "/api/pairs/" + id, Status: 404, Audit: -1},
		{Name: "nor a step", As: partnerDesk, Method: "POST", URL: accept, Body: same, Status: 404, Audit: -1},
		{Name: "who has no part in it is not asked", As: centreDesk, Method: "POST", URL: stranger, Body: wrong, Status: 422, Content: []string{"not-its-record"}, Audit: -1},
		{Name: "a hospital is asked", As: centreDesk, Method: "POST", URL: ask, Body: question, Status: 200, Events: map[string]int{"personreview.ask": 1}, Audit: -1},
		{Name: "it sees its own record, and not the other", As: countyDesk, URL: "/api/pairs/" + id, Status: 200, Content: []string{"周文彬", "出生日期", `"hidden":true`}, NotContent: []string{"周文斌", "1995558"}, Audit: 1},
		{Name: "it does not decide", As: countyDesk, Method: "POST", URL: accept, Body: same, Status: 403, Audit: -1},
	})
	if n := pairsOf(t, h, countyDesk, "mine"); n.Total != 1 {
		t.Errorf("the hospital that was asked has %d cases; want 1", n.Total)
	}
	answer, words := step("answer", "note", "纸质病案为 3 月 5 日")
	h.Run([]hubtest.Scenario{{Name: "it answers", As: countyDesk, Method: "POST", URL: answer, Body: words, Status: 200, Audit: -1}})

	sends(t, h, "centre", condition("zb-1", "zb", "高血压")) // care waits for nobody's word

	list = pairsOf(t, h, centreDesk, "mine")
	at = list.Rows[caseOf(t, list, "Patient/za")]
	if at.Answer == "" {
		t.Error("the answer is not in the list")
	}
	// two reviewers on one pair
	var wg sync.WaitGroup
	codes := make([]int, 2)
	for i, do := range []string{"accept", "reject"} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			reason := map[string]string{"accept": "typing", "reject": "namesake"}[do]
			codes[i] = h.Call(centreDesk, "POST", "/fhir/Task/"+id+"/$"+do, hubtest.Ask("reason", reason, "seen", at.PairVersion), "If-Match", `W/"`+at.Version+`"`).Status
		}()
	}
	wg.Wait()
	if codes[0]+codes[1] != 200+409 {
		t.Errorf("of two reviewers one wins and one reads 409: got %v", codes)
	}
	catchUp(t, h)
	if list = pairsOf(t, h, centreDesk, "mine"); list.Total != before {
		t.Errorf("the pair is decided and still in the list")
	}
	h.Run([]hubtest.Scenario{
		{Name: "after the end the desk sees its own record alone", As: centreDesk, URL: "/api/pairs/" + id, Status: 200, NotContent: []string{"周文彬", "和平路"}, Audit: 1},
		{Name: "and no number any more", As: centreDesk, Method: "POST", URL: "/api/pairs/" + id + "/reveal", Body: `{"side":"left","field":"phone"}`, Status: 404, Audit: -1},
	})
}

func TestACaseEndsByItselfWhenTheRecordsAreCorrected(t *testing.T) {
	h := hubtest.New(t)
	catchUp(t, h)
	before := pairsOf(t, h, centreDesk, "mine").Total
	sends(t, h, "county-1", patient("za", "周文彬", "1971-03-05", "", "19901990001", home))
	sends(t, h, "centre", patient("zb", "周文斌", "1971-03-05", "", "19955587302", "东岭省杏州市东湖区湖滨路2号"))
	list := pairsOf(t, h, centreDesk, "mine")
	if list.Total != before+1 {
		t.Fatalf("got %d cases; want %d", list.Total, before+1)
	}
	id := strings.TrimPrefix(list.Rows[caseOf(t, list, "Patient/za")].Task, "Task/")
	sends(t, h, "centre", patient("zb", "钱学礼", "1988-09-30", "", "19901990777", "南屿省南屿市"))
	if n := pairsOf(t, h, centreDesk, "mine").Total; n != before {
		t.Errorf("got %d cases after the correction; want %d", n, before)
	}
	h.Run([]hubtest.Scenario{{Name: "and says why", As: centreDesk, URL: "/api/pairs/" + id, Status: 200, Content: []string{"obsolete", "记录已更正"}, Audit: -1}})
}

func TestALateCaseEscalates(t *testing.T) {
	h := hubtest.New(t)
	catchUp(t, h)
	sends(t, h, "county-1", patient("za", "周文彬", "1971-03-05", "", "19901990001", home))
	sends(t, h, "centre", patient("zb", "周文斌", "1971-03-05", "", "19955587302", "东岭省杏州市东湖区湖滨路2号"))
	list := pairsOf(t, h, centreDesk, "mine")
	id := caseOf(t, list, "Patient/za")
	if list.Rows[id].Late {
		t.Fatal("late at once")
	}
	h.Clock.Turn(4 * 24 * time.Hour) // Friday to Tuesday: two working days
	tick := func() {
		if _, err := h.Runner.Tick(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	tick()
	if list = pairsOf(t, h, centreDesk, "mine"); list.Rows[caseOf(t, list, "Patient/za")].Late {
		t.Error("late after two working days of three")
	}
	h.Clock.Turn(25 * time.Hour)
	tick()
	if list = pairsOf(t, h, centreDesk, "late"); list.Rows[caseOf(t, list, "Patient/za")].Late == false {
		t.Error("not late after three working days")
	}
}

// As a records clerk: two records are linked, the timeline is one; a week later the link turns out to be wrong.
func TestAWrongLinkIsUndoneAWeekLater(t *testing.T) {
	h := hubtest.New(t)
	catchUp(t, h)
	const number = "990301197103052017"
	sends(t, h, "county-1", patient("za", "周文彬", "1971-03-05", number, "19901990001", home), condition("za-1", "za", "高血压"))
	sends(t, h, "village-001", patient("zc", "周文斌", "1971-03-05", number, "19901990001", home), condition("zc-1", "zc", "青霉素过敏性休克史"))
	h.Run([]hubtest.Scenario{
		{Name: "the timeline is one", As: groupDesk, URL: "/api/patients/za", Status: 200, Content: []string{"高血压", "青霉素过敏性休克史"}, Audit: -1},
		{Name: "who sees one record sees one", As: countyDesk, URL: "/api/patients/za", Status: 200, Content: []string{"高血压"}, NotContent: []string{"青霉素过敏性休克史"}, Audit: -1},
		{Name: "members, why and since when", As: groupDesk, URL: "/api/patients/za/person", Status: 200, Content: []string{`"Patient/za"`, `"Patient/zc"`, `"auto"`, `"mayUndo":true`, `"golden"`}, NotContent: []string{number}, Audit: 1},
		{Name: "who sees one record does not learn of the other", As: countyDesk, URL: "/api/patients/za/person", Status: 200, NotContent: []string{"Patient/zc", "周文斌", `"person":"1`, `"golden":[{`}, Audit: 1},
		{Name: "a stranger gets nothing", As: hubtest.Stranger, URL: "/api/patients/za/person", Status: 404, NotContent: []string{"members"}, Audit: -1},
		{Name: "and undoes nothing", As: partnerDesk, Method: "POST", URL: "/api/patients/za/person/undo", Body: `{"patient":"Patient/zc","reason":"wrong"}`, Status: 404, Audit: -1},
		{Name: "who sees one record undoes nothing", As: countyDesk, Method: "POST", URL: "/api/patients/za/person/undo", Body: `{"patient":"Patient/zc","reason":"wrong"}`, Status: 404, Audit: -1},
		{Name: "a doctor undoes nothing", As: hubtest.Village, Method: "POST", URL: "/api/patients/zc/person/undo", Body: `{"patient":"Patient/zc","reason":"wrong"}`, Status: 403, Audit: -1},
	})
	h.Clock.Turn(7 * 24 * time.Hour)
	h.Run([]hubtest.Scenario{
		{Name: "a reason is needed", As: groupDesk, Method: "POST", URL: "/api/patients/za/person/undo", Body: `{"patient":"Patient/zc"}`, Status: 422, Audit: -1},
		{Name: "other needs words", As: groupDesk, Method: "POST", URL: "/api/patients/za/person/undo", Body: `{"patient":"Patient/zc","reason":"other"}`, Status: 422, Content: []string{"needs-words"}, Audit: -1},
		{Name: "the link is undone", As: groupDesk, Method: "POST", URL: "/api/patients/za/person/undo", Body: `{"patient":"Patient/zc","reason":"family","note":"父亲用了儿子的证件"}`, Status: 200, Content: []string{"Organization/county-1"}, Events: map[string]int{"personreview.undo": 1}, Audit: -1},
	})
	catchUp(t, h)
	h.Run([]hubtest.Scenario{
		{Name: "the timeline of the one is whole again", As: groupDesk, URL: "/api/patients/za", Status: 200, Content: []string{"高血压"}, NotContent: []string{"青霉素过敏性休克史"}, Audit: -1},
		{Name: "and of the other", As: groupDesk, URL: "/api/patients/zc", Status: 200, Content: []string{"青霉素过敏性休克史"}, NotContent: []string{"高血压"}, Audit: -1},
		{Name: "the record says that it was taken apart", As: groupDesk, URL: "/api/patients/za/person", Status: 200, Content: []string{`"unlinked"`, "父亲用了儿子的证件"}, Audit: 1},
		{Name: "to those who see both", As: countyDesk, URL: "/api/patients/za/person", Status: 200, NotContent: []string{"unlinked", "Patient/zc"}, Audit: 1},
	})
	list := pairsOf(t, h, countyDesk, "mine")
	if list.Total != 1 || list.Rows[0].Flow != "undo" {
		t.Fatalf("the other hospital's desk is told: got %+v", list)
	}
	noted := strings.TrimPrefix(list.Rows[0].Task, "Task/")
	h.Run([]hubtest.Scenario{{Name: "and says that it knows", As: countyDesk, Method: "POST", URL: "/fhir/Task/" + noted + "/$noted", Body: hubtest.Ask("note", "已核查"), Status: 200, Audit: -1}})

	// who opened both records while the link stood is told; who opened one is not
	told := func(username string) (list []empi.Told) {
		ctx := context.Background()
		err := h.Store.View(ctx, func(tx *store.Tx) (err error) {
			list, err = h.Index.Told(ctx, tx, h.Region.Account(username).Person.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if got := told(groupDesk); len(got) != 1 {
		t.Errorf("who read both records is told %d times; want 1", len(got))
	}
	if got := told(countyDesk); len(got) != 0 {
		t.Errorf("who read one record is told %v", got)
	}

	// whatever is written later, they stay apart
	sends(t, h, "village-001", patient("zc", "周文彬", "1971-03-05", number, "19901990001", home))
	h.Run([]hubtest.Scenario{{Name: "rejected pairs stay apart", As: groupDesk, URL: "/api/patients/za", Status: 200, NotContent: []string{"青霉素过敏性休克史"}, Audit: -1}})
}
