package rest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Bounds of $lastn.
const (
	lastnPatients = 20
	lastnCodes    = 1000 // of one patient
	lastnShown    = 2000
)

// lastnOperation is Observation/$lastn: the last of each code of some patients.
func (s *server) lastnOperation() Operation {
	return Operation{Type: "Observation", Name: "lastn", Safe: true, Handle: s.lastn,
		Doc: "The last observations (max, default 1) of each code and patient, newest first; patient or subject is required, other search parameters narrow it."}
}

func (s *server) lastn(ctx context.Context, c Call) (Answer, error) {
	if err := access.From(ctx).May(maySearch, "Observation"); err != nil {
		return Answer{}, err
	}
	most := 1
	params := slices.Clone(c.Query)
	for _, p := range c.Body.All("parameter") { // the same, sent as Parameters
		for _, v := range (Call{Body: fhir.Of(fhir.Obj{"parameter", fhir.Arr{p}})}).all(p.Str("name")) {
			params = append(params, search.Param{Name: p.Str("name"), Value: v})
		}
	}
	var criteria []search.Param
	var patients []string
	for _, p := range params {
		name, _, _ := strings.Cut(p.Name, ":")
		switch name {
		case "max":
			n, err := strconv.Atoi(p.Value)
			if err != nil || n < 1 || n > 1000 {
				return Answer{}, fhir.Refuse(http.StatusBadRequest, "value", "bad-value", "max: a number from 1 to 1000 is expected", "max：值不正确")
			}
			most = n
			continue
		case "_format", "_pretty", "_count", "_sort", "_include", "_revinclude", "_summary", "_elements", "_total", "_cursor":
			continue
		case "patient", "subject":
			for id := range strings.SplitSeq(p.Value, ",") {
				id = strings.TrimPrefix(strings.TrimPrefix(id, c.Base+"/"), "Patient/")
				if !validID(id) || p.Name != name && p.Name != name+":Patient" {
					return Answer{}, fhir.Refuse(http.StatusBadRequest, "value", "bad-value", p.Name+": Patient/… is expected", p.Name+"：应为 Patient/…")
				}
				patients = append(patients, "Patient/"+id)
			}
			continue
		}
		criteria = append(criteria, p)
	}
	slices.Sort(patients)
	if patients = slices.Compact(patients); len(patients) == 0 || len(patients) > lastnPatients {
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "required", "patient-required", fmt.Sprintf("$lastn needs patient or subject, at most %d of them", lastnPatients), "$lastn 需要指定患者（patient 或 subject）")
	}
	r, err := search.Parse("Observation", criteria, search.Options{Zone: s.Zone, Base: c.Base, MaxCount: store.MaxCount, DefaultCount: store.MaxCount, Given: s.Store.Parameter})
	if err != nil {
		return Answer{}, err
	}
	l := lastn{scope: c.Scope, where: r.Where, most: most, has: map[string]bool{}}
	err = s.Store.View(ctx, func(tx *store.Tx) error {
		l.shown = nil
		clear(l.has)
		for _, p := range patients {
			if err := l.of(ctx, tx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Answer{}, err
	}
	b := newBundleWriter("searchset", s.Clock.Now())
	b.total(int64(len(l.shown)))
	b.link("self", c.Base+"/Observation/$lastn", params)
	for _, v := range l.shown {
		b.open(c.Base + "/" + v.Type + "/" + v.ID)
		b.raw("resource", v.JSON)
		b.raw("search", []byte(`{"mode":"match"}`))
		b.close()
	}
	entry := audit.Of(ctx, "R", "lastn", auditTarget("Observation", params))
	entry.Request = c.Request
	entry.Patients, entry.Count = patientsOf(l.shown), len(l.shown)
	return jsonAnswer(b.done(), &entry), nil
}

func patientsOf(versions []store.Version) []string { return patients(versions...) }

// lastn gathers the last of each code.
type lastn struct {
	scope search.Scope
	where []search.Clause
	most  int
	shown []store.Version
	has   map[string]bool
}

// of adds those of one patient: the codes that he has stand in the index, and so do the last of each.
func (l *lastn) of(ctx context.Context, tx *store.Tx, patient string) error {
	codes, err := tx.CodesOf(ctx, "Observation", patient, lastnCodes)
	if err != nil {
		return err
	}
	code, date := spec.Lookup("Observation", "code"), spec.Lookup("Observation", "date")
	find := func(clause search.Clause, count int) ([]store.Version, error) {
		where := append([]search.Clause{{Param: spec.Lookup("Observation", "patient"), Values: []search.Value{{Raw: patient, RefType: "Patient", RefID: strings.TrimPrefix(patient, "Patient/")}}}, clause}, l.where...)
		page, err := tx.Search(ctx, search.Query{Type: "Observation", Where: where, Sort: []search.SortKey{{Param: date, Descending: true}}, Count: count, Scope: l.scope})
		return page.Matches, err
	}
	for _, coded := range codes {
		found, err := find(search.Clause{Param: code, Values: []search.Value{{Raw: coded.System + "|" + coded.Code, System: &coded.System, Code: coded.Code}}}, l.most)
		if err != nil {
			return err
		}
		if err := l.show(found...); err != nil {
			return err
		}
	}
	// those that have words only: each wording is a group
	ids, err := tx.UncodedOf(ctx, "Observation", patient, store.MaxCount)
	if err != nil || len(ids) == 0 {
		return err
	}
	these := search.Clause{Param: spec.Lookup("Observation", "_id")}
	for _, id := range ids {
		these.Values = append(these.Values, search.Value{Raw: id, Text: id})
	}
	worded, err := find(these, store.MaxCount)
	if err != nil {
		return err
	}
	groups := map[string]int{}
	for _, v := range worded {
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return err
		}
		text := n.Str("code.text")
		if groups[text]++; groups[text] <= l.most {
			if err := l.show(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// show adds what is not there yet: an observation with two codes stands once.
func (l *lastn) show(versions ...store.Version) error {
	for _, v := range versions {
		if l.has[v.ID] {
			continue
		}
		if l.has[v.ID] = true; len(l.shown) == lastnShown {
			return fhir.Refuse(http.StatusUnprocessableEntity, "too-costly", "too-many-results", fmt.Sprintf("more than %d observations; ask for fewer codes, patients or a smaller max", lastnShown), "结果过多，请缩小范围")
		}
		l.shown = append(l.shown, v)
	}
	return nil
}
