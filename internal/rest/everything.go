package rest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/bulk"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/bundle"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// everythingOperations are $everything of a patient, of all patients, of an encounter.
func (s *server) everythingOperations() []Operation {
	const doc = "All that belongs to it and that the caller may see, with the practitioners, organisations, medications and places referred to."
	return []Operation{
		{Type: "Patient", Name: "everything", Instance: true, Safe: true, Handle: s.everything, Doc: doc},
		{Type: "Patient", Name: "everything", Safe: true, Handle: s.everything, Doc: "The same for every patient whom the caller may see."},
		{Type: "Encounter", Name: "everything", Instance: true, Safe: true, Handle: s.everything, Doc: doc},
	}
}

// supporting are the types that come along when something refers to them.
var supporting = []string{"Practitioner", "PractitionerRole", "Organization", "HealthcareService", "Location", "Endpoint", "Medication", "Substance", "Device", "CareTeam", "RelatedPerson"}

// mostRecords of one person are gone through at once.
const mostRecords = 500

// gathering is one page of $everything in the making.
type gathering struct {
	walk    store.Walk
	types   []string        // wanted, in order
	present map[string]bool // those of which there is something; nil = look
	count   int
	place   place
	visit   string // "Encounter/…": only it and what refers to it
	shown   []store.Version
	also    []store.Version
	began   time.Time
	has     map[string]bool // Type/id on this page
	asked   []string        // _type; nil = all
	alone   bool            // _person=false: this record only
}

// place is where a page ends; it is the cursor of the next link.
type place struct {
	Moment string `json:"m"`
	At     int    `json:"t"` // type
	After  string `json:"a"`
}

func (s *server) everything(ctx context.Context, c Call) (Answer, error) {
	g := &gathering{began: time.Now(), count: s.MaxCount, has: map[string]bool{}}
	caller := access.From(ctx)
	if err := caller.May(mayRead, c.Type); err != nil {
		return Answer{}, err
	}
	if err := s.readGathering(c, g); err != nil {
		return Answer{}, err
	}
	err := s.Store.View(ctx, func(tx *store.Tx) error {
		g.shown, g.also = nil, nil
		if err := s.aim(ctx, tx, c, g); err != nil {
			return err
		}
		if err := s.gather(ctx, tx, g); err != nil {
			return err
		}
		if err := s.support(ctx, tx, c, g); err != nil {
			return err
		}
		return showLinks(ctx, tx, c.Scope, g.shown)
	})
	if err != nil {
		return Answer{}, err
	}
	b := newBundleWriter("searchset", s.Clock.Now())
	path := c.Base + "/" + target(c.Type, c.ID) + "/$everything"
	var applied []search.Param
	for _, name := range []string{"start", "end", "_since", "_type", "_count", "_person"} {
		for _, v := range c.all(name) {
			applied = append(applied, search.Param{Name: name, Value: v})
		}
	}
	b.link("self", path, applied)
	if g.place.At < len(g.types) {
		text, err := json.Marshal(g.place)
		if err != nil {
			return Answer{}, err
		}
		b.link("next", path, append(applied, search.Param{Name: "_cursor", Value: base64.RawURLEncoding.EncodeToString(text)}))
	}
	for _, group := range []struct {
		versions []store.Version
		mode     []byte
	}{{g.shown, []byte(`{"mode":"match"}`)}, {g.also, []byte(`{"mode":"include"}`)}} {
		for _, v := range group.versions {
			b.open(c.Base + "/" + v.Type + "/" + v.ID)
			b.raw("resource", v.JSON)
			b.raw("search", group.mode)
			b.close()
		}
	}
	entry := audit.Of(ctx, "R", "everything", target(c.Type, c.ID))
	entry.Request = c.Request
	entry.Patients, entry.Count = patients(append(slices.Clone(g.shown), g.also...)...), len(g.shown)+len(g.also)
	return jsonAnswer(b.done(), &entry), nil
}

// jsonAnswer gives bytes that are a resource already.
func jsonAnswer(resource []byte, entry *audit.Entry) Answer {
	return Answer{Version: &store.Version{JSON: resource}, Audit: entry}
}

func (s *server) readGathering(c Call, g *gathering) error {
	known := []string{"start", "end", "_since", "_type", "_count", "_person", "_cursor", "_format", "_pretty"}
	for _, name := range c.named() {
		if !slices.Contains(known, name) && c.prefers("handling=strict") {
			return fhir.Refuse(http.StatusBadRequest, "not-supported", "unknown-parameter", fmt.Sprintf("$everything does not know %q", name), "$everything 不支持该参数")
		}
	}
	for name, into := range map[string]*time.Time{"start": &g.walk.From, "_since": &g.walk.Since, "end": &g.walk.Until} {
		text := c.Param(name)
		if text == "" {
			continue
		}
		r, err := search.Parse("", []search.Param{{Name: "_lastUpdated", Value: text}}, search.Options{Zone: s.Zone})
		if err != nil {
			return fhir.Refuse(http.StatusBadRequest, "value", "bad-value", name+": the value is not valid", name+"：值不正确")
		}
		at := r.Where[0].Values[0].Low
		if name == "end" {
			at = r.Where[0].Values[0].High // the whole of the last day
		}
		*into = time.UnixMicro(at)
	}
	if n := c.Param("_count"); n != "" {
		count, err := strconv.Atoi(n)
		if err != nil || count < 1 {
			return fhir.Refuse(http.StatusBadRequest, "value", "bad-value", "_count: a number from 1 is expected", "_count：值不正确")
		}
		g.count = min(count, s.MaxCount)
	}
	switch c.Param("_person") {
	case "", "true":
	case "false":
		g.alone = true
	default:
		return fhir.Refuse(http.StatusBadRequest, "value", "bad-value", "_person is true or false", "_person 只能是 true 或 false")
	}
	g.asked = commas(c.all("_type"))
	for _, t := range g.asked {
		if !spec.IsResource(t) {
			return fhir.Refuse(http.StatusBadRequest, "value", "bad-type", fmt.Sprintf("_type: %q is no resource type", t), "_type：没有这种资源类型")
		}
	}
	if text := c.Param("_cursor"); text != "" {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err == nil {
			err = json.Unmarshal(raw, &g.place)
		}
		if err != nil || g.place.At < 0 || g.place.Moment == "" {
			return fhir.Refuse(http.StatusBadRequest, "value", "bad-cursor", "this page link is not one of ours, or too old", "翻页链接无效，请重新查询")
		}
	}
	return nil
}

// aim sets whose resources are gathered, and of which types; what cannot be seen is 404.
func (s *server) aim(ctx context.Context, tx *store.Tx, c Call, g *gathering) (err error) {
	g.walk.Scope, g.walk.Limit = c.Scope, 500
	if g.place.Moment == "" {
		if g.place.Moment, err = tx.Moment(ctx); err != nil {
			return err
		}
	}
	g.walk.Moment = g.place.Moment
	if c.ID == "" {
		g.walk.Personal = true
	} else {
		v, err := tx.Read(ctx, c.Scope, c.Type, c.ID)
		if err != nil {
			return err
		}
		home := "Patient/" + c.ID
		if c.Type == "Encounter" {
			if home, g.visit = v.Home, "Encounter/"+c.ID; home == "" {
				g.shown, g.types = []store.Version{v}, nil // of nobody: nothing can be found by its patient
				return nil
			}
		}
		g.walk.Patients = []string{home}
		if c.Type == "Patient" && !g.alone {
			linked, err := tx.Linked(ctx, c.Scope, home)
			if err != nil {
				return err
			}
			if len(linked[home]) > mostRecords {
				return fhir.Refuse(http.StatusBadRequest, "too-costly", "too-many-records", fmt.Sprintf("more than %d records are linked with this one; ask for each with _person=false", mostRecords), "关联的档案过多，请用 _person=false 逐份查询")
			}
			g.walk.Patients = append(g.walk.Patients, linked[home]...)
		}
		g.present = map[string]bool{}
		for _, record := range g.walk.Patients {
			types, err := tx.TypesOf(ctx, record)
			if err != nil {
				return err
			}
			for _, t := range types {
				g.present[t] = true
			}
		}
	}
	g.types = nil
	for _, t := range slices.Compact(append([]string{c.Type}, slices.DeleteFunc(bulk.PatientTypes(), func(t string) bool { return t == c.Type })...)) {
		if len(g.asked) == 0 || slices.Contains(g.asked, t) {
			g.types = append(g.types, t)
		}
	}
	return nil
}

const longPage = time.Second // of the machine's time: a page then ends early, with a next link

func (s *server) gather(ctx context.Context, tx *store.Tx, g *gathering) error {
	for g.place.At < len(g.types) && len(g.shown) < g.count && (time.Since(g.began) < longPage || len(g.shown) == 0 && time.Since(g.began) < 10*longPage) {
		w := g.walk
		w.Type, w.After = g.types[g.place.At], g.place.After
		if g.present != nil && !g.present[w.Type] {
			g.place.At++
			continue
		}
		if w.Type == "Patient" || w.Type == "Encounter" && g.visit != "" {
			w.From, w.Until = time.Time{}, time.Time{} // they are asked about, whenever that was
		}
		if g.visit == "" {
			w.Limit = min(w.Limit, g.count-len(g.shown))
		}
		full := false
		next, err := tx.Walk(ctx, w, func(v store.Version) error {
			if full || g.visit != "" && !g.belongs(v) {
				return nil
			}
			g.shown, g.has[v.Type+"/"+v.ID] = append(g.shown, v), true
			if full = len(g.shown) == g.count; full {
				g.place.After = v.ID
			}
			return nil
		})
		if err != nil {
			return err
		}
		if full && g.visit != "" {
			return nil // goes on behind the last one shown
		}
		if g.place.After = next; next == "" {
			g.place.At++
		}
	}
	return nil
}

// belongs says whether a resource of the patient is of the encounter: itself, its patient, or what refers to it.
func (g *gathering) belongs(v store.Version) bool {
	if v.Type+"/"+v.ID == g.visit || v.Type == "Patient" {
		return true
	}
	if !strings.Contains(string(v.JSON), g.visit) {
		return false
	}
	n, err := fhir.Parse(v.JSON)
	return err == nil && slices.ContainsFunc(bundle.References(n), func(r *fhir.Node) bool {
		return r.Text == g.visit || strings.HasPrefix(r.Text, g.visit+"/")
	})
}

// support adds what the page refers to among the supporting types, two hops far, as the caller may see it.
func (s *server) support(ctx context.Context, tx *store.Tx, c Call, g *gathering) error {
	from := g.shown
	for range 2 {
		wanted := map[string][]string{}
		for _, v := range from {
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return err
			}
			for _, r := range bundle.References(n) {
				typ, id, ok := localReference(r.Text)
				if ok && slices.Contains(supporting, typ) && !g.has[typ+"/"+id] && len(g.has) < 2*s.MaxCount && (len(g.asked) == 0 || slices.Contains(g.asked, typ)) {
					g.has[typ+"/"+id] = true
					wanted[typ] = append(wanted[typ], id)
				}
			}
		}
		from = nil
		for _, typ := range supporting {
			found, err := tx.ReadMany(ctx, c.Scope, typ, wanted[typ])
			if err != nil {
				return err
			}
			for _, id := range wanted[typ] {
				if v, ok := found[id]; ok {
					from = append(from, v)
				}
			}
		}
		g.also = append(g.also, from...)
	}
	return nil
}
