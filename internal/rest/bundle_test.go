package rest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/rest"
)

func transaction(entries ...string) string {
	return `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(entries, ",") + `]}`
}

func batch(entries ...string) string {
	return strings.Replace(transaction(entries...), "transaction", "batch", 1)
}

func post(fullURL, resource string, more ...string) string {
	n, _ := fhir.Parse([]byte(resource))
	extra := ""
	if len(more) > 0 {
		extra = `,"ifNoneExist":"` + more[0] + `"`
	}
	return `{"fullUrl":"` + fullURL + `","resource":` + resource + `,"request":{"method":"POST","url":"` + n.Type() + `"` + extra + `}}`
}

const (
	urn1 = "urn:uuid:11111111-1111-4111-8111-111111111111"
	urn2 = "urn:uuid:22222222-2222-4222-8222-222222222222"
	urn3 = "urn:uuid:33333333-3333-4333-8333-333333333333"
)

func TestTransactionRewritesAndAnswersInOrder(t *testing.T) {
	h := newHub(t)
	r := h.want(200, county, "POST", "/", transaction(
		post(urn1, `{"resourceType":"Condition","subject":{"reference":"`+urn2+`"},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"`+urn2+`\">x</a></div>"}}`),
		post(urn2, `{"resourceType":"Patient","id":"ignored","name":[{"family":"张"}]}`),
		`{"request":{"method":"GET","url":"Patient?_summary=count"}}`,
	), "Prefer: return=representation")
	patient := r.node.Str("entry[1].resource.id")
	if got := r.node.Str("entry[0].resource.subject.reference"); got != "Patient/"+patient || patient == "ignored" {
		t.Errorf("subject: got %s; want Patient/%s", got, patient)
	}
	if got := r.node.Str("entry[0].resource.text.div"); !strings.Contains(got, `href="Patient/`+patient+`"`) {
		t.Errorf("narrative: got %s", got)
	}
	if got := r.node.Str("entry[1].response.status") + " " + r.node.Str("entry[1].response.location"); got != "201 Created Patient/"+patient+"/_history/1" {
		t.Errorf("response: got %s", got)
	}
	if got := r.node.Str("entry[2].resource.total"); got != "1" {
		t.Errorf("the GET comes last: got total %s; want 1", got)
	}
	entries := h.audit.take()
	if len(entries) != 1 || entries[0].What != "transaction" || strings.Join(entries[0].Patients, " ") != "Patient/"+patient {
		t.Errorf("audit: got %+v", entries)
	}
}

func TestTransactionIsAllOrNothing(t *testing.T) {
	h := newHub(t)
	good := post(urn1, `{"resourceType":"Patient","name":[{"family":"张"}]}`)
	h.patient(county, "p1", "李")
	for _, c := range []struct {
		name, entry string
		status      int
		place       string
	}{
		{"an invalid resource", post(urn2, `{"resourceType":"Patient","gender":"manly"}`), 422, "Bundle.entry[1].resource.gender"},
		{"a reference to nothing", post(urn2, `{"resourceType":"Condition","subject":{"reference":"Patient/none"}}`), 422, "Bundle.entry[1].resource.subject.reference"},
		{"a version that has passed", `{"resource":{"resourceType":"Patient","id":"p1"},"request":{"method":"PUT","url":"Patient/p1","ifMatch":"W/\"9\""}}`, 412, "Bundle.entry[1].resource"},
		{"what is not one's own", `{"resource":{"resourceType":"Organization","id":"elsewhere"},"request":{"method":"PUT","url":"Organization/elsewhere"}}`, 403, ""},
		{"a condition with no match", post(urn2, `{"resourceType":"Condition","subject":{"reference":"Patient?identifier=urn:id|none"}}`), 422, "Bundle.entry[1].resource.subject.reference"},
		{"a read that cannot be", `{"request":{"method":"GET","url":"Hospital/1"}}`, 404, "Bundle.entry[1]"},
	} {
		r := h.want(c.status, county, "POST", "/", transaction(good, c.entry))
		if c.place != "" && r.node.Str("issue[0].expression[0]") != c.place {
			t.Errorf("%s: got %s; want %s", c.name, r.body, c.place)
		}
	}
	if r := h.want(200, county, "GET", "/Patient?_summary=count", ""); r.node.Str("total") != "1" {
		t.Errorf("got %s patients; want the one from before", r.node.Str("total"))
	}
}

func TestTransactionOrderIsDeletePostPut(t *testing.T) {
	h := newHub(t)
	h.patient(county, "p1", "李")
	r := h.want(200, county, "POST", "/", transaction(
		`{"resource":{"resourceType":"Patient","id":"p9","link":[{"other":{"reference":"`+urn1+`"},"type":"seealso"}]},"request":{"method":"PUT","url":"Patient/p9"}}`,
		post(urn1, `{"resourceType":"Patient","identifier":[{"system":"urn:id","value":"99-p1"}]}`),
		`{"request":{"method":"DELETE","url":"Patient/p1"}}`,
	))
	var got []string
	for _, e := range r.node.All("entry") {
		got = append(got, e.Str("response.status"))
	}
	if s := strings.Join(got, ", "); s != "201 Created, 201 Created, 204 No Content" {
		t.Errorf("got %s", s)
	}
}

func TestTheSameConditionTwiceInOneBundleGivesOneID(t *testing.T) {
	h := newHub(t)
	patient := `{"resourceType":"Patient","identifier":[{"system":"urn:id","value":"99-7"}]}`
	bundle := transaction(post(urn1, patient, "identifier=urn:id|99-7"), post(urn2, patient, "identifier=urn:id|99-7"),
		post(urn3, `{"resourceType":"Condition","subject":{"reference":"`+urn2+`"}}`),
		post("urn:uuid:44444444-4444-4444-8444-444444444444", `{"resourceType":"Condition","subject":{"reference":"Patient?identifier=urn:id|99-7"}}`))
	r := h.want(200, county, "POST", "/", bundle, "Prefer: return=representation")
	one := r.node.Str("entry[0].resource.id")
	if one == "" || r.node.Str("entry[1].resource.id") != one || r.node.Str("entry[2].resource.subject.reference") != "Patient/"+one || r.node.Str("entry[3].resource.subject.reference") != "Patient/"+one {
		t.Errorf("got %s; want one patient, meant by all", r.body)
	}
	again := h.want(200, county, "POST", "/", bundle, "Prefer: return=representation")
	if again.node.Str("entry[0].resource.id") != one || again.node.Str("entry[0].response.status") != "200 OK" {
		t.Errorf("again: got %s", again.body)
	}
}

func TestBatchEntriesStandAlone(t *testing.T) {
	h := newHub(t)
	r := h.want(200, county, "POST", "/", batch(
		post(urn1, `{"resourceType":"Patient","gender":"manly"}`),
		post(urn2, `{"resourceType":"Patient","gender":"male"}`),
		`{"request":{"method":"GET","url":"Patient/none"}}`,
		`{"request":{"method":"GET","url":"metadata"}}`,
		`{"resource":{"resourceType":"Patient"},"request":{"method":"PATCH","url":"Patient/1"}}`,
	))
	var got []string
	for _, e := range r.node.All("entry") {
		got = append(got, strings.Fields(e.Str("response.status"))[0])
	}
	if s := strings.Join(got, " "); s != "422 201 404 200 400" {
		t.Errorf("got %s; want 422 201 404 200 400", s)
	}
	if r.node.Str("entry[0].response.outcome.issue[0].expression[0]") == "" {
		t.Errorf("no outcome for the refused entry: %s", r.body)
	}
}

func TestDuplicateIdentitiesAreRefused(t *testing.T) {
	h := newHub(t)
	p := `{"resource":{"resourceType":"Patient","id":"p1"},"request":{"method":"PUT","url":"Patient/p1"}}`
	if r := h.want(400, county, "POST", "/", transaction(p, p)); r.detail() != "duplicate-identity" {
		t.Errorf("got %s", r.detail())
	}
}

func TestTransactionWithAKeyIsDoneOnce(t *testing.T) {
	h := newHub(t)
	body := transaction(post(urn1, `{"resourceType":"Patient"}`))
	first := h.want(200, county, "POST", "/", body, "Idempotency-Key: t1", "Prefer: return=representation")
	again := h.want(200, county, "POST", "/", body, "Idempotency-Key: t1", "Prefer: return=representation")
	if a, b := first.node.Str("entry[0].resource.id"), again.node.Str("entry[0].resource.id"); a != b || a == "" {
		t.Errorf("got %s and %s; want one patient", a, b)
	}
}

func TestImportDoublesNothing(t *testing.T) {
	h := newHub(t)
	bundles := rest.NewBundles(h.options)
	ctx := access.With(context.Background(), system)
	for i, want := range []bool{false, true} {
		n, _ := fhir.Parse([]byte(transaction(post(urn1, `{"resourceType":"Patient"}`), post(urn2, `{"resourceType":"Condition","subject":{"reference":"`+urn1+`"},"encounter":{"reference":"Encounter/later"}}`))))
		again, err := bundles.Import(ctx, n, "hash-1")
		if err != nil || again != want {
			t.Errorf("run %d: got %v, %v; want %v", i, again, err, want)
		}
	}
	if r := h.want(200, system, "GET", "/Patient?_summary=count", ""); r.node.Str("total") != "1" {
		t.Errorf("got %s patients; want 1", r.node.Str("total"))
	}
}

func TestOperationsHangWhereTheyWereRegistered(t *testing.T) {
	h := newHub(t)
	o := h.options
	o.Operations = []rest.Operation{
		{Type: "Task", Name: "start", Handle: func(_ context.Context, c rest.Call) (rest.Answer, error) {
			return rest.Answer{Status: 201, Body: fhir.New("Task", "id", c.Body.Str("parameter[0].valueString")+c.Key)}, nil
		}},
		{Type: "Task", Name: "accept", Instance: true, Handle: func(_ context.Context, c rest.Call) (rest.Answer, error) {
			if c.IfMatch == `W/"1"` {
				return rest.Answer{}, fhir.Refuse(409, "conflict", "moved", "the case has moved", "该转诊已变更")
			}
			return rest.Answer{Body: fhir.New("Task", "id", c.ID)}, nil
		}},
	}
	h.handler = rest.New(o)
	params := `{"resourceType":"Parameters","parameter":[{"name":"x","valueString":"a"}]}`
	if r := h.want(201, county, "POST", "/Task/$start", params, "Idempotency-Key: k"); r.node.ID() != "ak" {
		t.Errorf("got %s", r.body)
	}
	if r := h.want(200, county, "POST", "/Task/7/$accept", ""); r.node.ID() != "7" {
		t.Errorf("got %s", r.body)
	}
	if r := h.want(409, county, "POST", "/Task/7/$accept", params, `If-Match: W/"1"`); r.detail() != "moved" {
		t.Errorf("got %s", r.body)
	}
	h.want(404, county, "POST", "/Task/$accept", params)
	h.want(404, county, "POST", "/Task/7/$start", params)
	h.want(404, county, "POST", "/Patient/$start", params)
	h.want(405, county, "GET", "/Task/7/$accept", "")
	h.want(401, nil, "POST", "/Task/7/$accept", params)
	if r := h.want(200, nil, "GET", "/metadata", ""); !strings.Contains(r.body, `"name":"accept"`) {
		t.Error("the capability statement does not name the operations")
	}
}

func TestAnOversizedBundleIsRefused(t *testing.T) {
	h := newHub(t)
	h.want(413, county, "POST", "/", transaction(strings.Repeat(`{"request":{"method":"GET","url":"Patient/1"}},`, 20001)+`{"request":{"method":"GET","url":"Patient/1"}}`))
	r := h.do(county, "POST", "/", strings.Repeat(`{"a":`, 100)+"1"+strings.Repeat("}", 100))
	if r.StatusCode != http.StatusBadRequest {
		t.Errorf("a depth bomb: got %d; want 400", r.StatusCode)
	}
}

func TestACancelledRequestWritesNothing(t *testing.T) {
	h := newHub(t)
	ctx, cancel := context.WithCancel(access.With(context.Background(), system))
	cancel()
	n, _ := fhir.Parse([]byte(transaction(post(urn1, `{"resourceType":"Patient"}`))))
	if _, err := rest.NewBundles(h.options).Import(ctx, n, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want the end of the context", err)
	}
}
