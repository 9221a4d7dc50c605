package hubtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2/er7"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2/mllp"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// ward is a hub whose centre's own system sends over a real connection.
type ward struct {
	pool
	system *mllp.Client
	token  string
	sent   int
}

func withSystem(t testing.TB) *ward { return withSystemOn(New(t)) }

func withSystemOn(hub *Hub) *ward {
	w, t := &ward{pool: withBedsOn(hub)}, hub.T
	token, secret, err := w.Identity.NewToken(context.Background(), "his", []string{"system/Patient.crs", "system/Encounter.crus", "system/Location.rus", "system/Task.rus", "system/ServiceRequest.rus"}, "Organization/centre", 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.token = secret
	peers := []hl7v2.Peer{{Name: "centre-his", Application: "HIS", Addresses: []string{"127.0.0.1"}, Organization: "Organization/centre", Credential: token.ID, Bed: "{ward}-{bed}"}}
	if err := hl7v2.Check(peers); err != nil {
		t.Fatal(err)
	}
	w.Senders, w.Gateway.Peers = peers, peers
	for ward, short := range map[string]string{"cardiology": "C", "respiratory": "R"} {
		for i := 1; i <= 2; i++ {
			n := w.node(fmt.Sprintf("Location/p-%s-1-%d", ward, i))
			n.Set("identifier", fhir.Arr{fhir.Identifier("urn:his:bed", fmt.Sprintf("%s-%d", short, i))})
			w.write(n)
		}
	}
	w.write(fhir.New("Patient", "id", "his-du", "identifier", fhir.Arr{fhir.Identifier(hl7v2.RecordNumber, "ZY1")}, "name", fhir.Arr{fhir.Obj{"text", "杜自述"}}, "gender", "male", "birthDate", "1961-04-05"))
	w.write(fhir.New("Encounter", "id", "his-clinic", "status", "in-progress", "class", fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB", ""),
		"subject", fhir.Ref("Patient/his-du", ""), "serviceProvider", fhir.Ref("Organization/centre-cardiology", "")))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.ServeMLLP(ctx, l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w.system = mllp.Over(conn)
	t.Cleanup(func() {
		w.system.Close()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

// says is what the hospital's system sends; it gives the answer's code, and our own of a refusal.
func (w *ward) says(event, patient, visit, bed string) string {
	w.T.Helper()
	w.Clock.Turn(time.Minute)
	w.sent++
	at := er7.Stamp(w.Clock.Now())
	m := er7.New(er7.Usual, "UNICODE UTF-8")
	m.Add("MSH", "HIS", "CENTRE", "XL", "HUB", at, "", er7.Components{"ADT", event}, fmt.Sprint("m", w.sent), "P", "2.5", "", "", "", "", "", "UNICODE UTF-8")
	m.Add("EVN", event, at)
	pl := er7.Components{}
	if bed != "" {
		ward, n, _ := strings.Cut(bed, "-")
		pl = er7.Components{ward, "101", n}
	}
	if event == "A20" {
		m.Add("NPU", pl, visit)
	} else {
		m.Add("PID", "1", "", er7.Components{patient, "", "", "HIS", "MR"}, "", "杜自述", "", "19610405", "M")
		fields := make([]any, 19)
		for i := range fields {
			fields[i] = ""
		}
		fields[0], fields[1], fields[2], fields[18] = "1", "I", pl, visit
		m.Add("PV1", fields...)
	}
	answer, err := w.system.Send(m.Bytes())
	if err != nil {
		w.T.Fatal(err)
	}
	a, err := er7.Parse(answer)
	if err != nil {
		w.T.Fatal(err)
	}
	return strings.TrimSpace(a.Get("MSA-1") + " " + a.Get("ERR-5.1"))
}

// settle lets the cases follow.
func (w *ward) settle() {
	w.T.Helper()
	for range 3 {
		if _, err := w.Jobs.Tick(context.Background()); err != nil {
			w.T.Fatal(err)
		}
		if _, err := w.Bookings.Tick(context.Background()); err != nil {
			w.T.Fatal(err)
		}
	}
}

// asRole answers a request of the page's own API by a role of the centre.
func (w *ward) asRole(role, org, method, url, body string) (int, string) {
	w.T.Helper()
	r := httptest.NewRequest(method, url, strings.NewReader(body)).WithContext(w.as(role, org))
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	w.Inside().ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

func TestNobodyEntersABedTwice(t *testing.T) {
	w := withSystem(t)
	desk := w.as("bed-desk", "centre")
	task := w.asks("Patient/his-du")
	w.must(desk, task, "hold-bed", "bed", "Location/p-cardiology-1-1")

	// the ward takes him in at its own system, into the bed that was held
	if got := w.says("A01", "ZY1", "V1", "C-1"); got != "AA" {
		t.Fatalf("A01: got %s", got)
	}
	if s := w.stateOf("p-cardiology-1-1"); s != "occupied" {
		t.Errorf("at the answer the bed is %s; want occupied", s)
	}
	w.settle()
	if s := line.StateOf(w.node(task)); s != "taken-in" {
		t.Fatalf("the admission is %s; want taken-in", s)
	}
	stay := line.FactText(w.node(task), "stay")
	encounter := line.FactText(w.node(stay), "encounter")
	if e := w.node(encounter); e.Str("identifier[0].value") != "V1" || e.Str("status") != "in-progress" {
		t.Errorf("the stay's record is %s; want the visit that the system wrote", e.JSON())
	}

	// moved there, without a hold: a guest of the other ward
	if got := w.says("A02", "ZY1", "V1", "R-2"); got != "AA" {
		t.Fatalf("A02: got %s", got)
	}
	w.settle()
	if a, b := w.stateOf("p-cardiology-1-1"), w.stateOf("p-respiratory-1-2"); a != "cleaning" || b != "lent" {
		t.Errorf("beds are %s and %s; want cleaning and lent", a, b)
	}
	if n := w.node(stay); n.Str("location.reference") != "Location/p-respiratory-1-2" || line.StateOf(n) != "in-bed" {
		t.Errorf("the stay is %s in %s", line.StateOf(n), n.Str("location.reference"))
	}
	if e := w.node(encounter); len(e.All("location")) != 2 || e.Str("serviceProvider.reference") != "Organization/centre-cardiology" {
		t.Errorf("the visit is %s; want two places and one department", e.JSON())
	}

	// the bed of another is taken: the desk hears of it, and the case waits again
	made := w.Call(CentreReceiver, "POST", "/fhir/Patient", `{"resourceType":"Patient","name":[{"text":"魏待床"}],"gender":"male","birthDate":"1951-04-05"}`, "Prefer", "return=representation")
	var p struct{ ID string }
	made.JSON(t, &p)
	other := w.asks("Patient/" + p.ID)
	w.must(desk, other, "hold-bed", "bed", "Location/p-cardiology-1-2")
	if got := w.says("A02", "ZY1", "V1", "C-2"); got != "AA" {
		t.Fatalf("A02: got %s", got)
	}
	w.settle()
	if s := line.StateOf(w.node(other)); s != "waiting" {
		t.Errorf("who lost the hold is %s; want waiting", s)
	}
	code, body := w.asRole("bed-desk", "centre", "GET", "/api/beds/differences", "")
	for _, want := range []string{"hold-lost", "魏**", `"bedName":"2 床"`, other, "所留床位被占用"} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("the desk's list: got %d; it lacks %q: %s", code, want, body)
		}
	}

	// and he leaves
	if got := w.says("A03", "ZY1", "V1", "C-2"); got != "AA" {
		t.Fatalf("A03: got %s", got)
	}
	w.settle()
	if s := line.StateOf(w.node(stay)); s != "left" {
		t.Errorf("the stay is %s; want left", s)
	}
	if s := w.stateOf("p-cardiology-1-2"); s != "cleaning" {
		t.Errorf("the bed is %s; want cleaning", s)
	}
	if got := w.says("A20", "", "U", "C-2"); got != "AA" {
		t.Fatalf("A20: got %s", got)
	}
	if s := w.stateOf("p-cardiology-1-2"); s != "free" {
		t.Errorf("the bed is %s; want free", s)
	}
	audited := 0
	for _, e := range w.Entries() {
		if strings.HasPrefix(e.What, "hl7v2:ADT-") && e.Name == "his" {
			audited++
		}
	}
	if audited != 5 {
		t.Errorf("audit: got %d entries of messages; want 5", audited)
	}
}

func TestBedStatesOverFHIR(t *testing.T) {
	w := withSystem(t)
	with := []string{"Authorization", "Bearer " + w.token}
	put := func(status, bed string) Answer {
		place := ""
		if bed != "" {
			place = `,"location":[{"location":{"reference":"Location/` + bed + `"},"status":"active"}]`
		}
		return w.Call("", "PUT", "/fhir/Encounter/visit-9", `{"resourceType":"Encounter","id":"visit-9","status":"`+status+`","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"IMP"},"subject":{"reference":"Patient/his-du"},"serviceProvider":{"reference":"Organization/centre-cardiology"}`+place+`}`, with...)
	}
	if a := put("in-progress", "p-cardiology-1-1"); a.Status != http.StatusCreated {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	if s := w.stateOf("p-cardiology-1-1"); s != "occupied" {
		t.Errorf("the bed is %s; want occupied", s)
	}
	patch := w.Call("", "PATCH", "/fhir/Encounter/visit-9", `[{"op":"replace","path":"/location/0/location/reference","value":"Location/p-cardiology-1-2"}]`, append(with, "Content-Type", "application/json-patch+json")...)
	if patch.Status != http.StatusOK {
		t.Fatalf("patch: got %d %s", patch.Status, patch.Body)
	}
	if a, b := w.stateOf("p-cardiology-1-1"), w.stateOf("p-cardiology-1-2"); a != "cleaning" || b != "occupied" {
		t.Errorf("beds are %s and %s; want cleaning and occupied", a, b)
	}
	put("finished", "")
	if b := w.stateOf("p-cardiology-1-2"); b != "cleaning" {
		t.Errorf("the bed is %s; want cleaning", b)
	}
	state := func(header []string, as, bed, body string) Answer {
		return w.Call(as, "POST", "/fhir/Location/"+bed+"/$bed-state", `{"resourceType":"Parameters","parameter":[`+body+`]}`, header...)
	}
	if a := state(with, "", "p-cardiology-1-2", `{"name":"state","valueCode":"free"}`); a.Status != 200 || !bytes.Contains(a.Body, []byte(`"U"`)) {
		t.Errorf("$bed-state: got %d %s", a.Status, a.Body)
	}
	if a := state(with, "", "p-cardiology-1-2", `{"name":"status","valueCode":"C"}`); a.Status != 200 || w.stateOf("p-cardiology-1-2") != "closed" {
		t.Errorf("$bed-state: got %d %s", a.Status, a.Body)
	}
	far, secret, err := w.Identity.NewToken(context.Background(), "far", []string{"system/*.cruds"}, "Organization/partner-1", 24*time.Hour)
	if err != nil || far.ID == "" {
		t.Fatal(err)
	}
	if a := state([]string{"Authorization", "Bearer " + secret}, "", "p-cardiology-1-2", `{"name":"state","valueCode":"free"}`); a.Status != 404 || w.stateOf("p-cardiology-1-2") != "closed" {
		t.Errorf("another hospital's system: got %d %s", a.Status, a.Body)
	}
	if a := state(nil, Stranger, "p-cardiology-1-2", `{"name":"state","valueCode":"free"}`); a.Status != 404 {
		t.Errorf("a stranger: got %d %s", a.Status, a.Body)
	}
	if a := w.Call("", "PUT", "/fhir/Encounter/far-1", `{"resourceType":"Encounter","id":"far-1","status":"in-progress","class":{"code":"IMP"},"location":[{"location":{"reference":"Location/p-cardiology-1-1"},"status":"active"}]}`, "Authorization", "Bearer "+secret); a.Status != 201 && a.Status != 422 && a.Status != 403 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if s := w.stateOf("p-cardiology-1-1"); s != "cleaning" {
		t.Errorf("another hospital's system has taken a bed: it is %s", s)
	}
	if a := w.Call("", "PUT", "/fhir/Location/p-cardiology-1-1", string(w.node("Location/p-cardiology-1-1").Set("operationalStatus.code", "C").JSON()), with...); a.Status != 422 {
		t.Errorf("a plain write of a bed's state: got %d; want 422", a.Status)
	}
}

func TestStrangersLearnNothingOfDifferences(t *testing.T) {
	w := withSystem(t)
	w.must(w.as("bed-desk", "centre"), w.asks("Patient/his-du"), "hold-bed", "bed", "Location/p-cardiology-1-1")
	if got := w.says("A01", "ZY7", "V7", "C-1"); got != "AA" {
		t.Fatal(got)
	}
	secrets := []string{"杜", "his-du", "hold-lost", "Task/", "centre-his"}
	for _, url := range []string{"/api/beds/differences", "/api/beds/sources", "/api/beds/shadow"} {
		for _, c := range []struct {
			role, org, query string
			want             int
		}{
			{"bed-desk", "centre", "", 200}, {"leader", "centre", "", 200}, {"doctor", "centre-cardiology", "", 403}, {"nurse", "centre-cardiology", "", 403},
			{"bed-desk", "partner-1", "?pool=Organization/centre", 404}, {"leader", "county-1", "?pool=Organization/centre", 404}, {"bed-desk", "partner-1", "", 200}, {"auditor", "centre", "", 403}, {"patient", "", "?pool=Organization/centre", 403},
		} {
			code, body := w.asRole(c.role, c.org, "GET", url+c.query, "")
			if code != c.want {
				t.Errorf("%s as %s of %s: got %d; want %d: %s", url, c.role, c.org, code, c.want, body)
			}
			if (c.role == "bed-desk" || c.role == "leader") && c.org == "centre" { // they work on its cases
				continue
			}
			for _, secret := range secrets[:2] {
				if strings.Contains(body, secret) {
					t.Errorf("%s as %s of %s: the answer has %q: %s", url, c.role, c.org, secret, body)
				}
			}
			if c.org != "centre" {
				for _, secret := range secrets {
					if strings.Contains(body, secret) {
						t.Errorf("%s as %s of %s: the answer has %q: %s", url, c.role, c.org, secret, body)
					}
				}
			}
		}
	}
	if code, body := w.asRole("bed-desk", "partner-1", "POST", "/api/beds/sources", `{"ward":"Location/p-cardiology","owner":"hub","reason":"x"}`); code != 404 {
		t.Errorf("a stranger switches a ward: got %d %s", code, body)
	}
	if code, body := w.asRole("leader", "centre", "POST", "/api/beds/sources", `{"ward":"Location/p-cardiology","owner":"his","shadow":true,"reason":"试运行"}`); code != 200 {
		t.Errorf("a leader switches a ward: got %d %s", code, body)
	}
	code, body := w.asRole("bed-desk", "centre", "GET", "/api/beds/sources", "")
	for _, want := range []string{`"shadow":true`, "试运行", `"centre-his"`, `"AA":1`} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("sources: got %d; it lacks %q: %s", code, want, body)
		}
	}
	audited := map[string]bool{}
	for _, e := range w.Entries() {
		audited[e.What] = true
	}
	for _, what := range []string{"bed-differences", "bed-source:his,shadow"} {
		if !audited[what] {
			t.Errorf("no audit entry %s", what)
		}
	}
}

// In the shadow the engine's proposals are recorded by the clock, and the desk's holds refused.
func TestTheShadowOfAWard(t *testing.T) {
	w := withSystem(t)
	desk := w.as("bed-desk", "centre")
	err := w.Store.Update(desk, func(tx *store.Tx) error {
		return w.HIS.Switch(desk, tx, access.From(desk), "Location/p-cardiology", "his", true, "试运行")
	})
	if err != nil {
		t.Fatal(err)
	}
	task := w.asks("Patient/his-du")
	if err := w.try(desk, task, "hold-bed", "bed", "Location/p-cardiology-1-1"); err == nil || !strings.Contains(err.Error(), "shadow") {
		t.Fatalf("a hold in the shadow: got %v", err)
	}
	if n, err := w.HIS.Tick(context.Background()); err != nil || n != 1 {
		t.Fatalf("got %d proposals, %v; want one", n, err)
	}
	w.Clock.Turn(2 * time.Hour)
	if got := w.says("A01", "ZY1", "V1", "C-2"); got != "AA" {
		t.Fatal(got)
	}
	w.settle()
	_, body := w.asRole("bed-desk", "centre", "GET", "/api/beds/shadow?days=7", "")
	for _, want := range []string{`"cases":1`, `"sameWard":1`, `"soonerHoursP50":2`, "杜**", `"actualBed":"2 床"`} {
		if !strings.Contains(body, want) {
			t.Errorf("it lacks %q: %s", want, body)
		}
	}
	if s := line.StateOf(w.node(task)); s != "taken-in" {
		t.Errorf("the admission is %s; want taken-in", s)
	}
	var state string
	for _, x := range w.node("Location/p-cardiology-1-1").All("extension") {
		if x.Str("url") == beds.StateOf {
			state = x.Str("valueCode")
		}
	}
	if state != "" && state != "free" {
		t.Errorf("the proposed bed is %s; want free", state)
	}
}

// One sender, one connection: admit, move, discharge, each answered when it is on disk and booked.
func BenchmarkMessages(b *testing.B) {
	run := func(b *testing.B, o server.Options) {
		w := withSystemOn(Open(b, o))
		events := []string{"A01", "A02", "A03"}
		for i := 0; b.Loop(); i++ {
			if got := w.says(events[i%3], "ZY1", fmt.Sprint("V", i/3), []string{"C-1", "C-2", "C-2"}[i%3]); got != "AA" {
				b.Fatal(got)
			}
		}
	}
	b.Run("sqlite", func(b *testing.B) { run(b, server.Options{Memory: true}) })
	b.Run("postgres", func(b *testing.B) { run(b, server.Options{DB: storetest.PostgresURL(b)}) })
}
