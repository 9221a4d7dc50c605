package hl7v2

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2/er7"
	"github.com/xinglin-health/xinglin/internal/store"
)

// taken are the events of ADT that do something here. A02 of a visit that nobody knows admits as A01 does.
var taken = []string{"A01", "A02", "A03", "A11", "A12", "A13", "A20"}

// act does what a message says, in its unit.
func (g *Gateway) act(ctx context.Context, tx *store.Tx, m *message) error {
	refuse := func(n no) error { return &n }
	switch event := m.Get("MSH-9.2"); {
	case !strings.HasPrefix(m.Get("MSH-12"), "2."):
		return refuse(version)
	case !slices.Contains(m.peer.Processing, m.Get("MSH-11.1")):
		return refuse(processing)
	case m.Get("MSH-9.1") != "ADT":
		return refuse(notThis)
	case !slices.Contains(taken, event):
		return refuse(notSuch)
	case event == "A20":
		return g.bedStatus(ctx, tx, m)
	default:
		return g.visit(ctx, tx, m, event)
	}
}

// bedStatus is A20: a bed is closed, cleaned, open, or in use.
func (g *Gateway) bedStatus(ctx context.Context, tx *store.Tx, m *message) error {
	refuse := func(n no) error { return &n }
	named := m.peer.named(m.First("NPU").At(1))
	if named == "" {
		return refuse(noBed)
	}
	status := strings.ToUpper(m.Get("NPU-2"))
	if len(status) != 1 || !strings.Contains("CHOUKI", status) {
		return refuse(badStatus)
	}
	bed, err := g.bed(ctx, tx, m, named)
	if err != nil {
		return err
	}
	if bed == nil {
		return refuse(strangeBed)
	}
	m.bed = "Location/" + bed.ID()
	if g.Beds == nil {
		return nil
	}
	return g.Beds.Stated(ctx, tx, m.by, m.bed, status, "hl7:"+m.peer.Name+"/"+m.control)
}

// visit keeps the patient and his Encounter. What it means for beds follows from the Encounter.
func (g *Gateway) visit(ctx context.Context, tx *store.Tx, m *message, event string) error {
	refuse := func(n no) error { return &n }
	number := m.Get("PV1-19.1")
	if number == "" || er7.Null(number) {
		return refuse(noVisit)
	}
	patient, err := g.patient(ctx, tx, m)
	if err != nil {
		return err
	}
	m.patient = patient
	enc, vid, err := g.encounter(ctx, tx, m, number)
	if err != nil {
		return err
	}
	if enc == nil {
		switch event {
		case "A11", "A12":
			return refuse(noSuchVisit)
		}
		enc = fhir.New("Encounter", "id", m.newEncounter, "identifier", fhir.Arr{fhir.Identifier(m.peer.Visits, number)}, "status", "in-progress",
			"class", class(m.Get("PV1-2")), "subject", fhir.Ref(patient, ""))
	} else if was := enc.Str("subject.reference"); was != patient {
		return refuse(otherVisit)
	}
	m.encounter = "Encounter/" + enc.ID()
	before := string(enc.JSON())
	bed, err := g.place(ctx, tx, m)
	if err != nil {
		return err
	}
	began := m.happened
	if t, err := er7.Time(m.Get("PV1-44"), g.Zone); err == nil && !t.After(tx.Now()) {
		began = t
	}
	if enc.Str("period.start") == "" {
		enc.Set("period.start", stamp(began))
	}
	switch event {
	case "A01", "A02":
		if event == "A01" {
			enc.Set("class", class(m.Get("PV1-2")))
		}
		goOn(enc)
		lie(enc, bed, m.happened)
	case "A03":
		end := m.happened
		if t, err := er7.Time(m.Get("PV1-45"), g.Zone); err == nil && !t.After(tx.Now()) {
			end = t
		}
		if start, err := time.Parse(time.RFC3339, enc.Str("period.start")); err == nil && end.Before(start) {
			end = start
		}
		leave(enc, end)
		enc.Set("status", "finished").Set("period.end", stamp(end))
	case "A11":
		leave(enc, m.happened)
		enc.Set("status", "cancelled").Set("period.end", stamp(later(m.happened, enc.Str("period.start"))))
	case "A12":
		goOn(enc)
		if bed == nil {
			bed = lastBut(enc, true)
		}
		lie(enc, bed, m.happened)
	case "A13":
		goOn(enc)
		if bed == nil {
			bed = lastBut(enc, false)
		}
		lie(enc, bed, m.happened)
	}
	if enc.Str("serviceProvider.reference") == "" {
		org := ""
		if bed != nil && bed.ref != "" && g.Beds != nil {
			if org, err = g.Beds.WardOf(ctx, tx, bed.ref); err != nil {
				return err
			}
		}
		if org == "" || g.legal(org) != g.legal(m.peer.Organization) {
			org = m.peer.Organization
		}
		enc.Set("serviceProvider", fhir.Ref(org, ""))
	}
	if bed != nil {
		m.bed = bed.ref
	}
	if vid > 0 && string(enc.JSON()) == before {
		return nil
	}
	return g.put(ctx, tx, m, enc, vid)
}

func stamp(t time.Time) string { return t.Format(time.RFC3339) }

// later is a time that is not before another one.
func later(t time.Time, than string) time.Time {
	if start, err := time.Parse(time.RFC3339, than); err == nil && t.Before(start) {
		return start
	}
	return t
}

// goOn has a visit go on.
func goOn(enc *fhir.Node) {
	enc.Set("status", "in-progress")
	if enc.Get("period.end") != nil {
		enc.Set("period.end", nil)
	}
}

// where is a bed as an Encounter names it: of the register, or only by what the sender calls it.
type where struct{ ref, display, system, named string }

func (w *where) node() fhir.Obj {
	if w.ref != "" {
		return fhir.Ref(w.ref, w.display)
	}
	return fhir.LogicalRef(w.system, w.named, w.named)
}

func (w *where) is(location *fhir.Node) bool {
	if w.ref != "" {
		return location.Str("location.reference") == w.ref
	}
	return location.Str("location.identifier.value") == w.named && location.Get("location.reference") == nil
}

func whereOf(location *fhir.Node) *where {
	w := &where{ref: location.Str("location.reference"), display: location.Str("location.display"), system: location.Str("location.identifier.system"), named: location.Str("location.identifier.value")}
	if w.ref == "" && w.named == "" {
		return nil
	}
	return w
}

// lie puts the patient into a bed, and ends where he lay; nil = nobody says where he is.
func lie(enc *fhir.Node, bed *where, at time.Time) {
	for i, l := range enc.All("location") {
		if l.Str("status") != "active" {
			continue
		}
		if bed != nil && bed.is(l) {
			return
		}
		endAt(enc, i, l, at)
	}
	if bed != nil {
		enc.Add("location", fhir.Obj{"location", bed.node(), "status", "active", "period", fhir.Obj{"start", stamp(at)}})
	}
}

func endAt(enc *fhir.Node, i int, l *fhir.Node, at time.Time) {
	place := "location[" + strconv.Itoa(i) + "]."
	enc.Set(place+"status", "completed")
	enc.Set(place+"period.end", stamp(later(at, l.Str("period.start"))))
}

func leave(enc *fhir.Node, at time.Time) { lie(enc, nil, at) }

// lastBut is where the patient lay last; before the last move when that is undone.
func lastBut(enc *fhir.Node, undone bool) *where {
	all := enc.All("location")
	n := len(all) - 1
	if undone {
		n--
	}
	if n < 0 {
		return nil
	}
	return whereOf(all[n])
}

func class(code string) fhir.Obj {
	actCode := func(code, display string) fhir.Obj {
		return fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", code, display)
	}
	switch strings.ToUpper(code) {
	case "E":
		return actCode("EMER", "emergency")
	case "O", "R":
		return actCode("AMB", "ambulatory")
	case "P":
		return actCode("PRENC", "pre-admission")
	}
	return actCode("IMP", "inpatient encounter")
}
