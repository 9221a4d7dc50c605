package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

func (s *server) parse(c *call, typ string, params []search.Param, lenient bool) (search.Request, error) {
	r, err := search.Parse(typ, params, search.Options{Zone: s.Zone, Lenient: lenient, MaxCount: s.MaxCount, DefaultCount: s.DefaultCount, Base: c.base, Compartment: c.within, Resolves: true, Contained: true, Given: s.Store.Parameter})
	r.Scope = c.scope
	if err == nil {
		err = s.resolve(c.ctx, &r.Query)
	}
	return r, err
}

func (s *server) search(c *call) (*answer, error) {
	of := c.typ
	if of == "" {
		of = "*"
	}
	if err := c.may(maySearch, of); err != nil {
		if c.typ != "" || c.scope.Types == nil || len(c.scope.Types) == 0 {
			return nil, err
		}
	}
	if err := c.mayAsk(c.typ, c.query); err != nil {
		return nil, err
	}
	r, err := s.parse(c, c.typ, c.query, !c.prefer.strict)
	if err != nil {
		return nil, err
	}
	var page store.Page
	err = s.Store.View(c.ctx, func(tx *store.Tx) (err error) {
		if page, err = tx.Search(c.ctx, r.Query); err == nil {
			err = showLinks(c.ctx, tx, c.scope, page.Matches)
		}
		if err == nil {
			err = showLinks(c.ctx, tx, c.scope, page.Includes)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	body, err := s.searchset(c, r, page)
	if err != nil {
		return nil, err
	}
	entry := c.entry("R", c.place()+auditTarget(c.typ, r.Applied))
	if r.Count > 0 {
		entry.Patients = patients(append(page.Matches[:len(page.Matches):len(page.Matches)], page.Includes...)...)
		entry.Count = len(page.Matches) + len(page.Includes)
	}
	return &answer{status: http.StatusOK, body: body, audit: &entry}, nil
}

func (s *server) searchset(c *call, r search.Request, page store.Page) ([]byte, error) {
	path := strings.TrimSuffix(c.base+"/"+c.place()+c.typ, "/")
	if c.within != nil && c.typ == "" {
		path += "/*"
	}
	b := newBundleWriter("searchset", s.Clock.Now())
	if page.Total >= 0 && r.Total != search.TotalNone {
		b.total(page.Total)
	}
	self := r.Applied
	if r.Cursor != "" {
		self = append(self[:len(self):len(self)], search.Param{Name: "_cursor", Value: r.Cursor})
	}
	b.link("self", path, self)
	if page.Next != "" && r.Count > 0 {
		b.link("next", path, append(r.Applied[:len(r.Applied):len(r.Applied)], search.Param{Name: "_cursor", Value: page.Next}))
	}
	if r.Count == 0 {
		page.Matches, page.Includes = nil, nil
	}
	for _, group := range []struct {
		versions []store.Version
		mode     []byte
	}{{page.Matches, []byte(`{"mode":"match"}`)}, {page.Includes, []byte(`{"mode":"include"}`)}} {
		for _, v := range group.versions {
			resource := v.JSON
			if r.Summary != "" || len(r.Elements) > 0 {
				var err error
				if resource, err = subset(v.JSON, r.Summary, r.Elements); err != nil {
					return nil, err
				}
			}
			url := c.base + "/" + v.Type + "/" + v.ID
			if v.Inside != "" {
				url += "#" + v.Inside
			}
			b.open(url)
			b.raw("resource", resource)
			b.raw("search", group.mode)
			b.close()
		}
	}
	if len(r.Warnings) > 0 {
		b.open("")
		b.raw("resource", outcome(r.Warnings, c.lang, c.request).JSON())
		b.raw("search", []byte(`{"mode":"outcome"}`))
		b.close()
	}
	return b.done(), nil
}

// place is the compartment that the address names, "Patient/1/"; "" for none.
func (c *call) place() string {
	if c.within == nil {
		return ""
	}
	return c.within.Type + "/" + c.within.ID + "/"
}

// auditTarget writes a search without the values that are sealed in the database, and without names.
func auditTarget(typ string, applied []search.Param) string {
	var b strings.Builder
	b.WriteString(typ)
	for i, p := range applied {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(p.Name)
		b.WriteByte('=')
		if tellable(typ, p.Name) {
			b.WriteString(p.Value)
		} else {
			b.WriteString("…")
		}
	}
	target := b.String()
	if len(target) > 2000 {
		target = strings.ToValidUTF8(target[:2000], "") + "…"
	}
	return target
}

// tellable says whether a parameter's value may stand in the audit record: codes, dates and references may, names and numbers of persons not.
func tellable(typ, name string) bool {
	if strings.Contains(name, ".") {
		return false
	}
	code, modifier, _ := strings.Cut(name, ":")
	if strings.HasPrefix(code, "_") {
		return !slices.Contains([]string{"_has", "_filter", "_text", "_content"}, code)
	}
	p := spec.Lookup(typ, code)
	if p == nil || p.Sealed || modifier == "identifier" || modifier == "text" {
		return false
	}
	switch p.Type {
	case spec.Date, spec.Reference, spec.Number, spec.Quantity, spec.URI:
		return code != "birthdate"
	case spec.Token:
		return code != "identifier"
	}
	return false
}

var subsetted = fhir.Of(fhir.Obj{"system", "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code", "SUBSETTED"})

// subset keeps a part of a resource and marks it as such.
func subset(data []byte, summary string, elements []string) ([]byte, error) {
	n, err := fhir.Parse(data)
	if err != nil {
		return nil, err
	}
	typ := n.Type()
	keep := map[string]bool{"resourceType": true, "id": true, "meta": true}
	asked := len(elements)
	for _, e := range elements {
		name, rest, typed := strings.Cut(e, ".")
		if typed && spec.IsResource(name) {
			if name != typ {
				asked--
				continue
			}
			name = rest
		}
		name, _, _ = strings.Cut(name, ".") // a part of an element brings the element
		keep[name] = true
	}
	if asked == 0 && len(elements) > 0 && summary == "" {
		return data, nil // what was asked for speaks of other types
	}
	all := summary == "data"
	for _, e := range spec.Elements(typ) {
		name := e.Name
		switch {
		case e.Min > 0 && len(elements) > 0, e.Min > 0 && summary == "text", e.Modifier && len(elements) > 0:
			keep[name] = true
		case e.Choice != "" && keep[strings.TrimSuffix(e.Choice, "[x]")]:
			keep[name] = true
		case summary == "true" && (e.Summary || e.Min > 0):
			keep[name] = true
		}
	}
	switch summary {
	case "text":
		keep["text"] = true
	case "data":
		keep["text"] = false
	}
	members := n.Members[:0]
	for _, m := range n.Members {
		name := strings.TrimPrefix(m.Name, "_")
		if wanted, named := keep[name]; wanted || (all && !named) {
			members = append(members, m)
		}
	}
	n.Members = members
	if n.Child("meta") == nil {
		n.Set("meta", fhir.Obj{})
	}
	n.Child("meta").Add("tag", subsetted)
	return n.JSON(), nil
}
