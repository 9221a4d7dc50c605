package api

import (
	"net/http"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/registry"
	"github.com/xinglin-health/xinglin/internal/store"
)

// partners finds who in the network can do something: by words in the name of a capability, its kind, its institution.
func (a *Registry) partners(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	type partnerOut struct {
		Reference   string   `json:"reference"`
		Name        string   `json:"name"`
		Category    *codeOut `json:"category,omitempty"`
		Comment     string   `json:"comment,omitempty"`
		Phone       string   `json:"phone,omitempty"`
		By          Ref      `json:"by"`
		Institution Ref      `json:"institution"`
		Level       string   `json:"level,omitempty"`
		spanOut
		InForce bool `json:"inForce"`
		Own     bool `json:"own"`
	}
	q := r.URL.Query()
	params := []search.Param{{Name: "active", Value: "true"}, {Name: "_sort", Value: "name"}}
	if text := strings.TrimSpace(q.Get("q")); text != "" {
		params = append(params, search.Param{Name: "name:contains", Value: strings.NewReplacer(`\`, `\\`, ",", `\,`, "|", `\|`, "$", `\$`).Replace(text)})
	}
	if kind := q.Get("category"); kind != "" {
		params = append(params, search.Param{Name: "service-category", Value: registry.Capability + "|" + strings.NewReplacer(",", "", "|", "").Replace(kind)})
	}
	out := []partnerOut{}
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		out = out[:0]
		at, err := a.moment(r, "at", tx.Now())
		if err != nil {
			return err
		}
		ask, err := search.Parse("HealthcareService", params, search.Options{Zone: a.Zone})
		if err != nil {
			return err
		}
		ask.Query.Scope, ask.Query.Count = c.Scope, 500
		page, err := tx.Search(r.Context(), ask.Query)
		if err != nil {
			return err
		}
		for _, v := range page.Matches {
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return err
			}
			by := n.Str("providedBy.reference")
			in := a.Tree.Institution(by)
			place, _ := a.Tree.Place(in)
			span := a.Room.ServiceSpan(n)
			o := partnerOut{Reference: "HealthcareService/" + v.ID, Name: n.Str("name"), Comment: n.Str("comment"), By: Ref{by, a.Tree.Name(by)}, Institution: Ref{in, place.Name}, Level: place.Level,
				spanOut: spanOut{when(span.From), when(span.Until)}, InForce: a.Room.Offered(n, at), Own: in == c.Institution}
			if code := n.Str("category[0].coding[0].code"); code != "" {
				o.Category = termOf(registry.Rules.Capabilities, code)
			}
			for _, t := range n.All("telecom") {
				if t.Str("system") == "phone" && o.Phone == "" {
					o.Phone = t.Str("value")
				}
			}
			out = append(out, o)
		}
		return nil
	})
	if !refused(w, r, err) {
		Answer(w, 200, map[string]any{"partners": out})
	}
}
