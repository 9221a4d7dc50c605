package hubtest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// desks is a hub with two beds of the centre, and programs of the centre and of another hospital.
type desks struct {
	*hubtest.Hub
	t        *testing.T
	his, far string // tokens
}

func newDesks(t *testing.T, o server.Options) *desks {
	h := hubtest.Open(t, o)
	d := &desks{Hub: h, t: t}
	token := func(org string, scopes ...string) string {
		_, secret, err := h.Identity.NewToken(context.Background(), "his", scopes, org, 24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	d.his, d.far = token("Organization/centre", "system/*.cruds"), token("Organization/partner-1", "system/*.cruds")
	for _, l := range []string{
		`{"resourceType":"Location","id":"bk-ward","status":"active","physicalType":{"coding":[{"code":"wa"}]},"managingOrganization":{"reference":"Organization/centre"},"extension":[{"url":"https://xinglin.health/fhir/StructureDefinition/ward-specialty","valueCode":"bk-cardiology"}]}`,
		`{"resourceType":"Location","id":"bk-1","status":"active","name":"1 床","physicalType":{"coding":[{"code":"bd"}]},"partOf":{"reference":"Location/bk-ward"},"managingOrganization":{"reference":"Organization/centre"}}`,
		`{"resourceType":"Location","id":"bk-2","status":"active","name":"2 床","physicalType":{"coding":[{"code":"bd"}]},"partOf":{"reference":"Location/bk-ward"},"managingOrganization":{"reference":"Organization/centre"}}`,
		`{"resourceType":"Location","id":"bk-3","status":"suspended","name":"3 床","physicalType":{"coding":[{"code":"bd"}]},"partOf":{"reference":"Location/bk-ward"},"managingOrganization":{"reference":"Organization/centre"}}`,
		`{"resourceType":"Patient","id":"bk-p","name":[{"text":"床某"}],"gender":"male","birthDate":"1960-01-01"}`,
		`{"resourceType":"Schedule","id":"bk-s","actor":[{"reference":"Location/bk-ward"}]}`,
		`{"resourceType":"Slot","id":"bk-slot","status":"free","schedule":{"reference":"Schedule/bk-s"},"start":"2026-11-21T08:00:00+08:00","end":"2026-11-21T08:30:00+08:00"}`,
	} {
		n, err := fhir.Parse([]byte(l))
		if err != nil {
			t.Fatal(err)
		}
		if a := d.call(d.his, "PUT", n.Type()+"/"+n.ID(), l); a.Status != http.StatusCreated {
			t.Fatalf("%s: got %d %s", n.ID(), a.Status, a.Body)
		}
	}
	return d
}

func (d *desks) call(token, method, path, body string, header ...string) hubtest.Answer {
	return d.Call("", method, "/fhir/"+path, body, append(header, "Authorization", "Bearer "+token)...)
}

func (d *desks) op(token, name, body string, header ...string) hubtest.Answer {
	d.t.Helper()
	return d.call(token, "POST", "Appointment/$"+name, `{"resourceType":"Parameters","parameter":[`+body+`]}`, header...)
}

// shown reads the Appointments of a Bundle.
func (d *desks) shown(a hubtest.Answer) (all []*fhir.Node) {
	d.t.Helper()
	b, err := fhir.Parse(a.Body)
	if a.Status != http.StatusOK || err != nil {
		d.t.Fatalf("got %d %s", a.Status, a.Body)
	}
	for _, e := range b.All("entry") {
		all = append(all, e.Get("resource"))
	}
	return all
}

func (d *desks) detail(a hubtest.Answer, status int, detail string) {
	d.t.Helper()
	if a.Status != status || !strings.Contains(string(a.Body), `"`+detail+`"`) {
		d.t.Fatalf("got %d %s; want %d %s", a.Status, a.Body, status, detail)
	}
}

const findBeds = `{"name":"start","valueDateTime":"2026-11-20T10:00:00+08:00"},{"name":"specialty","valueString":"bk-cardiology"}`

func reference(n *fhir.Node, more string) string {
	return fmt.Sprintf(`{"name":"appointment-reference","valueReference":{"reference":"Appointment/%s"}}%s`, n.ID(), more)
}

const forPatient = `,{"name":"specialty","valueString":"bk-cardiology"},{"name":"patient-reference","valueReference":{"reference":"Patient/bk-p"}}`

func TestFindHoldBookRelease(t *testing.T) {
	run := func(t *testing.T, o server.Options) {
		d := newDesks(t, o)
		found := d.shown(d.op(d.his, "find", findBeds))
		if len(found) != 2 || found[0].Str("status") != "proposed" {
			t.Fatalf("got %d proposals; want the two beds in use", len(found))
		}
		held := d.shown(d.op(d.his, "hold", reference(found[0], forPatient), "Idempotency-Key", "k1"))[0]
		if held.Str("status") != "pending" {
			t.Fatalf("got %s", held.JSON())
		}
		again := d.shown(d.op(d.his, "hold", reference(found[0], forPatient), "Idempotency-Key", "k1"))[0]
		if again.ID() != held.ID() {
			t.Fatalf("the same key held twice: %s and %s", held.ID(), again.ID())
		}
		d.detail(d.op(d.his, "hold", reference(found[1], forPatient), "Idempotency-Key", "k1"), 422, "key-reused")
		d.detail(d.op(d.his, "hold", reference(found[0], forPatient)), 409, "taken")
		if left := d.shown(d.op(d.his, "find", findBeds)); len(left) != 1 || left[0].ID() == found[0].ID() {
			t.Fatalf("got %d proposals", len(left))
		}
		// a client whose answer was lost asks again while the first is still on its way
		var wg sync.WaitGroup
		var same [8]hubtest.Answer
		for i := range same {
			wg.Go(func() { same[i] = d.op(d.his, "book", reference(found[1], forPatient), "Idempotency-Key", "k2") })
		}
		wg.Wait()
		for _, a := range same {
			if got := d.shown(a)[0]; got.ID() != d.shown(same[0])[0].ID() || got.Str("status") != "booked" {
				t.Fatalf("8 with one key: got %s; want one booking", got.JSON())
			}
		}
		d.shown(d.op(d.his, "release", reference(d.shown(same[0])[0], "")))
		d.detail(d.call(d.his, "PUT", "Appointment/"+held.ID(), string(held.Copy().Set("status", "booked").JSON())), 422, "only-by-booking")
		booked := d.shown(d.op(d.his, "book", reference(held, "")))[0]
		if booked.Str("status") != "booked" {
			t.Fatalf("got %s", booked.JSON())
		}
		d.Clock.Turn(24 * time.Hour) // it runs out no more
		if _, err := d.Bookings.Tick(context.Background()); err != nil {
			t.Fatal(err)
		}
		given := d.shown(d.op(d.his, "release", reference(held, `,{"name":"reason","valueString":"改期"}`)))[0]
		if given.Str("status") != "cancelled" {
			t.Fatalf("got %s", given.JSON())
		}
		d.detail(d.op(d.his, "book", reference(held, "")), 409, "not-held")

		// booked at once, and a Slot
		d.Clock.Set(hubtest.Start)
		slots := d.shown(d.op(d.his, "find", `{"name":"start","valueDateTime":"2026-11-21T00:00:00+08:00"},{"name":"end","valueDateTime":"2026-11-22T00:00:00+08:00"},{"name":"slot","valueBoolean":true}`))
		if len(slots) != 1 {
			t.Fatalf("got %d slots", len(slots))
		}
		slot := d.shown(d.op(d.his, "book", fmt.Sprintf(`{"name":"appointment-resource","resource":%s}%s`, slots[0].JSON(), forPatient)))[0]
		if a := d.call(d.his, "GET", "Slot/bk-slot", ""); slot.Str("status") != "booked" || !strings.Contains(string(a.Body), `"status":"busy"`) {
			t.Fatalf("got %s and %s", slot.JSON(), a.Body)
		}
		d.detail(d.op(d.his, "book", reference(slots[0], forPatient)), 409, "taken")

		if n := audited(d, "appointment-hold", "appointment-book", "appointment-release", "appointment-find"); n < 6 {
			t.Errorf("got %d audit entries", n)
		}
	}
	t.Run("sqlite", func(t *testing.T) { run(t, server.Options{Memory: true}) })
	t.Run("postgres", func(t *testing.T) { run(t, server.Options{DB: storetest.PostgresURL(t)}) })
}

func audited(d *desks, what ...string) (n int) {
	for _, e := range d.Entries() {
		for _, w := range what {
			if e.What == w {
				n++
			}
		}
	}
	return n
}

func TestStrangersBookNothing(t *testing.T) {
	d := newDesks(t, server.Options{Memory: true})
	found := d.shown(d.op(d.his, "find", findBeds))
	held := d.shown(d.op(d.his, "hold", reference(found[0], forPatient)))[0]
	centre := `,{"name":"organization","valueReference":{"reference":"Organization/centre"}}`
	for _, c := range []struct {
		name   string
		a      hubtest.Answer
		status int
		detail string
	}{
		{"find in another hospital", d.op(d.far, "find", findBeds+centre), 403, "may-not-book"},
		{"hold there", d.op(d.far, "hold", reference(found[1], "")), 403, "may-not-book"},
		{"book what others hold", d.op(d.far, "book", reference(held, "")), 404, "no-such-appointment"},
		{"release it", d.op(d.far, "release", reference(held, "")), 404, "no-such-appointment"},
		{"release nothing", d.op(d.far, "release", `{"name":"appointment-reference","valueReference":{"reference":"Appointment/none"}}`), 404, "no-such-appointment"},
		{"for a case", d.op(d.his, "hold", reference(found[1], `,{"name":"task","valueReference":{"reference":"Task/x"}}`)), 422, "only-by-steps"},
		{"for a patient whom nobody knows", d.op(d.his, "hold", reference(found[1], `,{"name":"patient-reference","valueReference":{"reference":"Patient/none"}}`)), 422, "unknown-patient"},
		{"what is no Appointment", d.op(d.his, "hold", `{"name":"appointment-reference","valueString":"free.L.zz"}`), 404, "no-such-appointment"},
		{"without a login", d.Call("", "POST", "/fhir/Appointment/$find", `{"resourceType":"Parameters"}`), 401, "login-required"},
		{"a bed that is closed", d.op(d.his, "hold", `{"name":"appointment-reference","valueString":"free.L.t1.0.bk-3"}`), 409, "closed"},
	} {
		t.Run(c.name, func(t *testing.T) { (&desks{Hub: d.Hub, t: t}).detail(c.a, c.status, c.detail) })
	}
	if a := d.call(d.far, "GET", "Appointment/"+held.ID(), ""); a.Status != 404 {
		t.Errorf("a stranger reads the Appointment: %d %s", a.Status, a.Body)
	}
	if a := d.call(d.far, "GET", "Appointment?_summary=count", ""); !strings.Contains(string(a.Body), `"total":0`) {
		t.Errorf("a stranger counts: %s", a.Body)
	}
	// people: only those who book for their institution
	for _, who := range []string{hubtest.Stranger, hubtest.CentreReceiver, hubtest.Auditor} {
		a := d.Call(who, "POST", "/fhir/Appointment/$find", `{"resourceType":"Parameters","parameter":[`+findBeds+centre+`]}`)
		if a.Status != 403 {
			t.Errorf("%s: got %d %s; want 403", who, a.Status, a.Body)
		}
	}
}

// What a case holds goes by the steps of its Task, whatever the operation.
func TestWhatACaseHoldsStaysWithItsSteps(t *testing.T) {
	d := newDesks(t, server.Options{Memory: true})
	var id string
	err := d.Store.Update(context.Background(), func(tx *store.Tx) error {
		ctx := context.Background()
		err := d.Bookings.Do(ctx, tx, nil, booking.Command{Do: booking.Hold, Thing: "Location/bk-1", Pool: "Organization/centre", Holder: "Task/x", Expires: tx.Now().Add(time.Hour)})
		if err != nil {
			return err
		}
		b, err := d.Bookings.Of(ctx, tx, "Task/x")
		id = b.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ref := `{"name":"appointment-reference","valueReference":{"reference":"Appointment/` + id + `"}}`
	for _, name := range []string{"book", "release"} {
		d.detail(d.op(d.his, name, ref), 422, "only-by-steps")
	}
	d.detail(d.op(d.far, "release", ref), 404, "no-such-appointment")
}

// A referral that does not know the step of the hub is left alone; the hub does not ask for ever.
func TestHubsStepThatIsNotOpen(t *testing.T) {
	d := newDesks(t, server.Options{Memory: true})
	ctx := context.Background()
	if ok, err := d.Runner.System(ctx, "Task/none", "hold-lapsed", line.Ask("bed", "Location/bk-1")); ok || err != nil {
		t.Fatalf("got %v %v", ok, err)
	}
	err := d.Store.Update(ctx, func(tx *store.Tx) error {
		return d.Bookings.Do(ctx, tx, nil, booking.Command{Do: booking.Hold, Thing: "Location/bk-1", Pool: "Organization/centre", Holder: "Task/none", Expires: tx.Now().Add(time.Hour)})
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Clock.Turn(2 * time.Hour)
	for want := 2; want >= 0; want -= 2 { // lapsed and informed, then nothing
		if n, err := d.Bookings.Tick(ctx); n != want || err != nil {
			t.Fatalf("got %d %v; want %d", n, err, want)
		}
	}
}
