package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirpath"
	"github.com/xinglin-health/xinglin/internal/fhir/graphql"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Bounds of one $graphql.
const (
	graphResources = 1000 // read or found, each time counted
	graphSearches  = 100
	graphCount     = 200     // of one list
	graphValues    = 200_000 // in the answer
)

// graphqlOperations answer GraphQL for reading: of all, and of one resource.
func (s *server) graphqlOperations() []Operation {
	const doc = "GraphQL for reading: fields, arguments, aliases, inline fragments, resource of references, lists by search."
	return []Operation{
		{Name: "graphql", Safe: true, Handle: s.graphql, Doc: doc},
		{Type: "*", Name: "graphql", Instance: true, Safe: true, Handle: s.graphql, Doc: doc},
	}
}

// graph is one query being answered.
type graph struct {
	s        *server
	ctx      context.Context
	tx       *store.Tx
	c        Call
	caller   *access.Caller
	shown    map[string]store.Version
	read     int
	searches int
	values   int
}

func badGraph(text string) error {
	return fhir.Refuse(http.StatusBadRequest, "invalid", "bad-graphql", "GraphQL: "+text, "GraphQL 查询语句不正确")
}

var tooMuchGraph = fhir.Refuse(http.StatusUnprocessableEntity, "too-costly", "too-many-results", fmt.Sprintf("GraphQL: more than %d resources, %d searches or %d values", graphResources, graphSearches, graphValues), "查询涉及的内容过多，请缩小范围")

func (s *server) graphql(ctx context.Context, c Call) (Answer, error) {
	text := c.Param("query")
	if q := c.Body.Child("query"); q != nil { // {"query": "…"}, as GraphQL clients send it
		if v := c.Body.Child("variables"); v != nil && len(v.Members) > 0 {
			return Answer{}, badGraph("variables are not supported; write the values into the query")
		}
		text = q.Text
	}
	fields, err := graphql.Parse(text)
	if err != nil {
		return Answer{}, err
	}
	g := &graph{s: s, ctx: ctx, c: c, caller: access.From(ctx)}
	var data *fhir.Node
	err = s.Store.View(ctx, func(tx *store.Tx) (err error) {
		g.tx, g.shown, g.read, g.searches, g.values = tx, map[string]store.Version{}, 0, 0, 0
		if c.Type == "" {
			data, err = g.root(fields)
			return err
		}
		v, err := g.resource(c.Type, c.ID)
		if err != nil {
			return err
		}
		data, err = g.whole(v, fields)
		return err
	})
	if err != nil {
		return Answer{}, err
	}
	entry := audit.Of(ctx, "R", "graphql", target(c.Type, c.ID))
	entry.Request, entry.Count = c.Request, len(g.shown)
	for _, v := range g.shown {
		entry.Patients = append(entry.Patients, patients(v)...)
	}
	slices.Sort(entry.Patients)
	entry.Patients = slices.Compact(entry.Patients)
	return Answer{Body: &fhir.Node{Kind: fhir.Object, Members: []fhir.Member{{Name: "data", Value: data}}}, Header: http.Header{"Content-Type": {"application/json"}}, Audit: &entry}, nil
}

// resource reads one as the caller may.
func (g *graph) resource(typ, id string) (v store.Version, err error) {
	if g.read++; g.read > graphResources {
		return v, tooMuchGraph
	}
	if err := g.caller.May(mayRead, typ); err != nil {
		return v, err
	}
	if v, err = g.tx.Read(g.ctx, g.c.Scope, typ, id); err == nil {
		g.shown[typ+"/"+id] = v
	}
	return v, err
}

func (g *graph) whole(v store.Version, fields []graphql.Field) (*fhir.Node, error) {
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return nil, err
	}
	return g.object(n, v.Type, v.Type+"/"+v.ID, fields)
}

// root answers Patient(id: …) and PatientList(…).
func (g *graph) root(fields []graphql.Field) (*fhir.Node, error) {
	out := &fhir.Node{Kind: fhir.Object}
	for _, f := range fields {
		value, err := g.entrance(f)
		if err != nil {
			return nil, err
		}
		merge(out, f.Alias, value)
	}
	return out, nil
}

func (g *graph) entrance(f graphql.Field) (*fhir.Node, error) {
	if f.Fields == nil {
		return nil, badGraph(f.Name + " needs a selection")
	}
	if typ, ok := strings.CutSuffix(f.Name, "List"); ok && spec.IsResource(typ) && (f.Name != "List" || f.Arg("id") == "") {
		return g.list(f, typ, "")
	}
	if !spec.IsResource(f.Name) || f.Arg("id") == "" {
		return nil, badGraph(fmt.Sprintf("%q is neither a type with an id nor a list of a type", f.Name))
	}
	v, err := g.resource(f.Name, f.Arg("id"))
	if absent(err) {
		return &fhir.Node{}, nil
	}
	if err != nil {
		return nil, err
	}
	return g.whole(v, f.Fields)
}

func absent(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone)
}

// list answers a search; of is the resource that the matches must refer to by _reference, "" for none.
func (g *graph) list(f graphql.Field, typ, of string) (*fhir.Node, error) {
	if g.searches++; g.searches > graphSearches {
		return nil, tooMuchGraph
	}
	if err := g.caller.May(maySearch, typ); err != nil {
		return nil, err
	}
	var params []search.Param
	for _, a := range f.Args {
		name := a.Name
		switch {
		case name == "_reference" && of != "":
			name, a.Value = parameterName(typ, a.Value), of
		case name == "_include" || name == "_revinclude" || name == "_summary" || name == "_elements" || name == "_total" || name == "_cursor" || name == "_reference":
			return nil, badGraph(name + " has no meaning here")
		default:
			name = parameterName(typ, name)
		}
		params = append(params, search.Param{Name: name, Value: a.Value})
	}
	if of != "" && f.Arg("_reference") == "" {
		return nil, badGraph(f.Name + " within a resource needs _reference: the parameter that leads back")
	}
	r, err := search.Parse(typ, params, search.Options{Zone: g.s.Zone, Base: g.c.Base, MaxCount: graphCount, DefaultCount: 50, Given: g.s.Store.Parameter})
	if err != nil {
		return nil, err
	}
	r.Scope = g.c.Scope
	page, err := g.tx.Search(g.ctx, r.Query)
	if err != nil {
		return nil, err
	}
	out := &fhir.Node{Kind: fhir.Array}
	for _, v := range page.Matches {
		if g.read++; g.read > graphResources {
			return nil, tooMuchGraph
		}
		g.shown[v.Type+"/"+v.ID] = v
		n, err := g.whole(v, f.Fields)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, n)
	}
	return out, nil
}

// parameterName undoes the underscores of GraphQL: general_practitioner is general-practitioner.
func parameterName(typ, name string) string {
	if dashed := name[:1] + strings.ReplaceAll(name[1:], "_", "-"); spec.Lookup(typ, name) == nil && spec.Lookup(typ, dashed) != nil {
		return dashed
	}
	return name
}

// object answers the selection of one object; resource is its own reference when it is a whole resource.
func (g *graph) object(n *fhir.Node, typ, resource string, fields []graphql.Field) (*fhir.Node, error) {
	out := &fhir.Node{Kind: fhir.Object}
	for _, f := range fields {
		if g.values++; g.values > graphValues {
			return nil, tooMuchGraph
		}
		if f.On != "" {
			if f.On != typ && f.On != "Resource" && f.On != "DomainResource" {
				continue
			}
			some, err := g.object(n, typ, resource, f.Fields)
			if err != nil {
				return nil, err
			}
			for _, m := range some.Members {
				merge(out, m.Name, m.Value)
			}
			continue
		}
		value, err := g.field(n, typ, resource, f)
		if err != nil {
			return nil, err
		}
		merge(out, f.Alias, value)
	}
	return out, nil
}

// merge sets a property; the same one asked for twice is answered once, as it was last.
func merge(out *fhir.Node, name string, value *fhir.Node) {
	for i := range out.Members {
		if out.Members[i].Name == name {
			out.Members[i].Value = value
			return
		}
	}
	out.Members = append(out.Members, fhir.Member{Name: name, Value: value})
}

func (g *graph) field(n *fhir.Node, typ, resource string, f graphql.Field) (*fhir.Node, error) {
	if of, ok := strings.CutSuffix(f.Name, "List"); ok && resource != "" && spec.IsResource(of) && f.Fields != nil {
		return g.list(f, of, resource)
	}
	if f.Name == "resource" && typ == "Reference" {
		return g.resolve(n, f)
	}
	inner, known := elementType(typ, f.Name)
	if !known {
		return nil, badGraph(fmt.Sprintf("%s has no field %q", typ, f.Name))
	}
	child := n.Child(f.Name)
	if child == nil {
		return &fhir.Node{}, nil
	}
	if child.Kind != fhir.Array {
		if ok, err := matches(child, inner, f); err != nil || !ok {
			return &fhir.Node{}, err
		}
		return g.value(child, inner, f)
	}
	out := &fhir.Node{Kind: fhir.Array}
	skip, _ := strconv.Atoi(f.Arg("_offset"))
	most, err := strconv.Atoi(f.Arg("_count"))
	if err != nil {
		most = len(child.Items)
	}
	for _, item := range child.Items {
		ok, err := matches(item, inner, f)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if skip--; skip >= 0 {
			continue
		}
		if len(out.Items) >= most {
			break
		}
		value, err := g.value(item, inner, f)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, value)
	}
	return out, nil
}

func (g *graph) value(n *fhir.Node, typ string, f graphql.Field) (*fhir.Node, error) {
	switch {
	case n.Kind != fhir.Object && f.Fields != nil:
		return nil, badGraph(f.Name + " is a plain value: it has no fields")
	case n.Kind != fhir.Object:
		return n, nil
	case f.Fields == nil:
		return nil, badGraph(f.Name + " needs a selection")
	case n.Type() != "":
		return g.object(n, n.Type(), "", f.Fields) // contained
	}
	return g.object(n, typ, "", f.Fields)
}

// elementType is the type of a field, and whether there is one.
func elementType(typ, name string) (string, bool) {
	switch name {
	case "id", "resourceType":
		return "string", true
	case "extension", "modifierExtension":
		return "Extension", true
	}
	for _, e := range spec.Elements(typ) {
		if e.Name == name {
			if len(e.Types) == 0 {
				return "", true
			}
			t := e.Types[0]
			if _, backbone, ok := strings.Cut(t, ":"); ok {
				t = backbone
			}
			return t, true
		}
	}
	return "", false
}

// matches holds an item against the arguments of its field: name(use: official), or a FHIRPath.
func matches(item *fhir.Node, typ string, f graphql.Field) (bool, error) {
	for _, a := range f.Args {
		switch a.Name {
		case "_count", "_offset":
			continue
		case "fhirpath":
			e, err := fhirpath.Compile(a.Value)
			if err != nil {
				return false, badGraph("fhirpath: " + err.Error())
			}
			if yes, ok, err := e.Test(&fhirpath.Env{Steps: 10_000}, fhirpath.At(item, typ)); err != nil || !ok || !yes {
				return false, nil
			}
			continue
		}
		if _, known := elementType(typ, a.Name); !known {
			return false, badGraph(fmt.Sprintf("%s has no field %q", typ, a.Name))
		}
		if !slices.ContainsFunc(item.All(a.Name), func(v *fhir.Node) bool { return v.Text == a.Value }) {
			return false, nil
		}
	}
	return true, nil
}

// resolve follows a reference in the caller's scope; what cannot be seen is null, as what is not there.
func (g *graph) resolve(n *fhir.Node, f graphql.Field) (*fhir.Node, error) {
	if f.Fields == nil {
		return nil, badGraph("resource needs a selection")
	}
	typ, id, ok := localReference(strings.TrimPrefix(n.Str("reference"), g.c.Base+"/"))
	if !ok || f.Arg("type") != "" && f.Arg("type") != typ {
		return &fhir.Node{}, nil
	}
	v, err := g.resource(typ, id)
	if absent(err) {
		return &fhir.Node{}, nil
	}
	if err != nil {
		return nil, err
	}
	return g.whole(v, f.Fields)
}
