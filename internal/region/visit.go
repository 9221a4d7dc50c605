package region

import (
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// visitID names the encounter of a patient with a person while the region is lived in.
func visitID(p *Patient, by *Person) string { return p.ID + "-visit-" + by.ID }

// visit writes that the patient is with this doctor now: it is what lets the doctor's department see him.
func (t *trip) visit(by *Person, class, zh string) error {
	n := encounterWith(t.p, by, class, zh, t.w.hub.Clock.Now(), time.Time{})
	n.Set("reasonCode", fhir.Arr{fhir.Obj{"text", t.ill.complaint}})
	if err := t.w.put(n, by.At.Ref()); err != nil {
		return err
	}
	if class == "AMB" {
		t.later(40*time.Minute, func() error { return t.w.end(t.p, by) })
	}
	return nil
}

func encounterWith(p *Patient, by *Person, class, zh string, from, until time.Time) *fhir.Node {
	period, status := fhir.Obj{"start", instant(from)}, "in-progress"
	if !until.IsZero() {
		period, status = append(period, "end", instant(until)), "finished"
	}
	return fhir.New("Encounter", "id", visitID(p, by), "status", status,
		"class", coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", class, zh),
		"type", fhir.Arr{fhir.Obj{"text", zh}}, "subject", ref(p.Ref(), p.Name),
		"participant", fhir.Arr{fhir.Obj{"individual", ref(by.Ref(), by.Name)}}, "period", period, "serviceProvider", ref(by.Org(), by.At.Short))
}

// end closes the encounter of a patient with a person.
func (w *life) end(p *Patient, by *Person) error {
	n := w.open[visitID(p, by)]
	if n == nil {
		return nil
	}
	delete(w.open, visitID(p, by))
	n.Set("status", "finished").Set("period.end", instant(w.hub.Clock.Now()))
	return w.put(n, by.At.Ref())
}

// put writes a resource as the hospital's own system would.
func (w *life) put(n *fhir.Node, custodian string) error {
	if n.Str("status") == "in-progress" {
		w.open[n.ID()] = n
	}
	ready, err := store.Prepare(n.Copy())
	if err != nil {
		return fmt.Errorf("region: prepare %s/%s: %w", n.Type(), n.ID(), err)
	}
	return w.hub.Store.Update(w.ctx, func(tx *store.Tx) error {
		_, err := tx.Put(w.ctx, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: ready, Custodian: custodian})
		return err
	})
}
