package rest

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// mostTargets bounds the systems asked for, mostSources the records that one identifier may name.
const (
	mostTargets = 50
	mostSources = 100
)

// domains are the beginnings of identifier systems that the hub knows without a NamingSystem.
var domains = []string{spec.Canonical + "/sid/", "http://hl7.org/fhir/sid/", "urn:oid:2.16.156.10011.1.3"}

// pix is IHE PIXm ITI-83. A record that the caller does not see is answered as one that is not there.
func (s *server) pix(ctx context.Context, c Call) (Answer, error) {
	if err := mayMatch(access.From(ctx)); err != nil {
		return Answer{}, err
	}
	sources := c.all("sourceIdentifier")
	if len(sources) != 1 {
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "required", "source-required", "sourceIdentifier=system|value, exactly once", "须给出一个 sourceIdentifier=体系|号码")
	}
	system, value, ok := strings.Cut(sources[0], "|")
	if !ok || system == "" || value == "" {
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "value", "bad-value", "sourceIdentifier is written system|value", "sourceIdentifier 的写法是 体系|号码")
	}
	targets := commas(c.all("targetSystem"))
	if len(targets) > mostTargets {
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "too-costly", "too-many-values", "too many values of targetSystem", "targetSystem 过多")
	}
	var out fhir.Arr
	var shown []string
	err := s.Store.View(ctx, func(tx *store.Tx) (err error) {
		out, shown, err = s.crossed(ctx, tx, c, system, value, targets)
		return err
	})
	if err != nil {
		return Answer{}, err
	}
	entry := audit.Of(ctx, "R", "ihe-pix", "Patient")
	entry.Request = c.Request
	entry.Patients, entry.Count = shown, len(shown)
	return Answer{Body: fhir.New("Parameters", "parameter", out), Audit: &entry}, nil
}

// crossed gathers the identifiers of all records of one person that the caller sees.
func (s *server) crossed(ctx context.Context, tx *store.Tx, c Call, system, value string, targets []string) (out fhir.Arr, shown []string, err error) {
	sources, err := s.named(ctx, tx, c.Scope, system, value)
	if err != nil {
		return nil, nil, err
	}
	if len(sources) == 0 {
		known, err := s.knows(ctx, tx, system)
		if err == nil && !known {
			err = fhir.Refuse(http.StatusBadRequest, "code-invalid", "unknown-source-system", "sourceIdentifier Assigning Authority not found", "不认识 sourceIdentifier 的号码体系")
		} else if err == nil {
			err = fhir.Refuse(http.StatusNotFound, "not-found", "unknown-source", "sourceIdentifier Patient Identifier not found", "没有这个号码的患者，或您无权查看")
		}
		return nil, nil, err
	}
	linked, err := tx.Linked(ctx, c.Scope, sources...)
	if err != nil {
		return nil, nil, err
	}
	records := []string{sources[0]}
	records = append(records, linked[sources[0]]...)
	for _, other := range sources[1:] {
		if !slices.Contains(records, other) {
			return nil, nil, fhir.Refuse(http.StatusConflict, "multiple-matches", "several-persons", "records of several persons have this identifier", "有多人的档案登记了该号码")
		}
	}
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = strings.TrimPrefix(r, "Patient/")
	}
	found, err := tx.ReadMany(ctx, c.Scope, "Patient", ids)
	if err != nil {
		return nil, nil, err
	}
	met, has := map[string]bool{}, map[string]bool{}
	var references fhir.Arr
	for _, id := range ids {
		v, ok := found[id]
		if !ok {
			continue
		}
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return nil, nil, err
		}
		shown = append(shown, "Patient/"+id)
		named := len(targets) == 0
		for _, identifier := range n.All("identifier") {
			of, number := identifier.Str("system"), identifier.Str("value")
			if number == "" || len(targets) > 0 && !slices.Contains(targets, of) {
				continue
			}
			met[of], named = true, true
			// a number of one system says the same wherever it stands, unless it was given by different assigners
			key := of + "|" + number + "|" + identifier.Str("assigner.reference")
			if has[key] || of == system && number == value && len(targets) == 0 {
				continue
			}
			has[key] = true
			out = append(out, fhir.Obj{"name", "targetIdentifier", "valueIdentifier", identifier.Copy()})
		}
		if named {
			references = append(references, fhir.Obj{"name", "targetId", "valueReference", fhir.Ref("Patient/"+id, "")})
		}
	}
	for _, t := range targets {
		if met[t] {
			continue
		}
		if known, err := s.knows(ctx, tx, t); err != nil {
			return nil, nil, err
		} else if !known {
			return nil, nil, fhir.Refuse(http.StatusForbidden, "code-invalid", "unknown-target-system", "targetSystem not found", "不认识 targetSystem 的号码体系")
		}
	}
	return append(out, references...), shown, nil
}

// named lists the Patients that have an identifier, of those that the scope sees.
func (s *server) named(ctx context.Context, tx *store.Tx, scope search.Scope, system, value string) ([]string, error) {
	escape := strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`)
	q, err := search.Parse("Patient", []search.Param{{Name: "identifier", Value: escape.Replace(system) + "|" + escape.Replace(value)}}, search.Options{Zone: s.Zone})
	if err != nil {
		return nil, err
	}
	q.Count, q.Scope = mostSources, scope
	page, err := tx.Search(ctx, q.Query)
	if err != nil {
		return nil, err
	}
	if page.Next != "" {
		return nil, fhir.Refuse(http.StatusConflict, "multiple-matches", "several-persons", "records of several persons have this identifier", "有多人的档案登记了该号码")
	}
	refs := make([]string, len(page.Matches))
	for i, v := range page.Matches {
		refs[i] = "Patient/" + v.ID
	}
	slices.Sort(refs)
	return refs, nil
}

// knows tells whether a system of identifiers is one of the house or has a NamingSystem here.
func (s *server) knows(ctx context.Context, tx *store.Tx, system string) (bool, error) {
	if slices.ContainsFunc(domains, func(d string) bool { return strings.HasPrefix(system, d) }) {
		return true, nil
	}
	by := spec.Lookup("NamingSystem", "value")
	values := []search.Value{{Raw: system, Text: system}, {Raw: system, Text: strings.TrimPrefix(system, "urn:oid:")}}
	page, err := tx.Search(ctx, search.Query{Type: "NamingSystem", Where: []search.Clause{{Param: by, Modifier: "exact", Values: values}}, Count: 1, Scope: search.Everything})
	return len(page.Matches) > 0, err
}
