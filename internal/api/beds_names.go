package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// mostNamed bounds the patients of one ward's own view.
const mostNamed = 500

// names says the whole names of the patients of a ward, who lie there, are to come or lie elsewhere for it, to those who
// treat them: who nurses in the ward, and the doctors who answer for the patient. Everybody else goes on reading the
// masked ones of the board.
func (a *Beds) names(w http.ResponseWriter, r *http.Request) {
	c, pool := a.pool(w, r)
	if c == nil {
		return
	}
	ward := r.URL.Query().Get("ward")
	answer := struct {
		Names map[string]string `json:"names"` // by "Patient/…"
	}{}
	var shown []string
	err := a.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		answer.Names, shown, err = a.namesOf(r.Context(), tx, c, pool, ward)
		return err
	})
	if err == nil && len(shown) > 0 {
		err = a.Audit.Read(r.Context(), touch(w, r, "R", "bed-ward", ward, shown...))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, answer)
}

func (a *Beds) namesOf(ctx context.Context, tx *store.Tx, c *access.Caller, pool, ward string) (map[string]string, []string, error) {
	l, err := a.Room.Look(ctx, tx, pool)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(l.Of, func(w *beds.Ward) bool { return w.ID == ward })
	if i < 0 {
		return nil, nil, store.ErrNotFound
	}
	host := l.Of[i].Org
	var ids []string
	for _, u := range l.Uses {
		if u.Ward != ward && u.Home != host && u.Home != ward {
			continue
		}
		if u.Ward == ward && a.Tree.Treats(c, host) || a.answersFor(c, &u) {
			ids = append(ids, strings.TrimPrefix(u.Patient, "Patient/"))
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	read, err := tx.ReadMany(ctx, c.Scope, "Patient", ids[:min(len(ids), mostNamed)])
	if err != nil {
		return nil, nil, err
	}
	names, shown := map[string]string{}, []string{}
	for id, v := range read {
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return nil, nil, err
		}
		names["Patient/"+id] = nameOf(n)
		shown = append(shown, "Patient/"+id)
	}
	slices.Sort(shown)
	return names, shown, nil
}

// answersFor says that a patient is of the caller's own department or team, wherever he lies.
func (a *Beds) answersFor(c *access.Caller, u *beds.Use) bool {
	rule := access.RuleOf(c.Role)
	return a.Tree.Treats(c, u.Home) || rule != nil && rule.Clinical && u.Team != "" && slices.Contains(c.Teams, u.Team)
}
