package fhirpath

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

func init() {
	define(1, 1, extension, "extension")
	define(0, 0, func(r *run, c *call, in Collection) (Collection, error) {
		return truth(len(in) == 1 && in[0].hasValue()), nil
	}, "hasValue")
	define(0, 0, getValue, "getValue")
	define(0, 0, resolve, "resolve")
	define(1, 1, memberOf, "memberOf")
	define(1, 1, conformsTo, "conformsTo")
	define(0, 0, htmlChecks, "htmlChecks")
	define(0, 0, getResourceKey, "getResourceKey")
	functions["getReferenceKey"] = &function{least: 0, most: 1, typed: true, eval: getReferenceKey}
}

func (i *Item) hasValue() bool {
	if i.typ.system {
		return i.typ != systemClass
	}
	return i.typ.primitive && i.node != nil
}

func getValue(r *run, c *call, in Collection) (Collection, error) {
	if len(in) != 1 || !in[0].hasValue() {
		return nil, nil
	}
	v := in[0].system()
	if v == nil {
		return nil, nil
	}
	return one(Item{typ: in[0].typ.as, value: v, index: -1}), nil
}

func extension(r *run, c *call, in Collection) (Collection, error) {
	url, ok, err := r.string(c, 0)
	if err != nil || !ok {
		return nil, err
	}
	var found, out Collection
	for i := range in {
		if err := r.spend(1); err != nil {
			return nil, err
		}
		found = step(&in[i], "extension", found[:0])
		for _, e := range found {
			if e.node.Str("url") == url {
				out = append(out, e)
			}
		}
	}
	return out, nil
}

// resolve finds what references and canonicals point to: contained, in the root Bundle, or by Env.Resolve.
func resolve(r *run, c *call, in Collection) (Collection, error) {
	var out Collection
	for i := range in {
		if err := r.spend(10); err != nil {
			return nil, err
		}
		ref, ok := in[i].str()
		if !ok && in[i].node != nil {
			ref = in[i].node.Str("reference")
		}
		if ref == "" {
			continue
		}
		if found := r.find(&in[i], ref); !found.IsZero() {
			out = append(out, found)
		}
	}
	return out, nil
}

func (r *run) find(from *Item, ref string) Item {
	if id, local := strings.CutPrefix(ref, "#"); local {
		holder := from.resource()
		if holder.IsZero() {
			holder = r.root()
		}
		if holder.field != nil && holder.field.name == "contained" {
			if above, ok := holder.Parent(); ok {
				holder = above.resource()
			}
		} else if !r.env.Root.IsZero() && holder.node == r.env.Resource.node {
			holder = r.env.Root
		}
		if id == "" {
			return holder
		}
		for _, i := range step(&holder, "contained", nil) {
			if i.node != nil && i.node.ID() == id {
				return i
			}
		}
		return Item{}
	}
	if i := r.inBundle(from, ref); !i.IsZero() {
		return i
	}
	if r.env.Resolve != nil {
		return Of(r.env.Resolve(ref))
	}
	return Item{}
}

// inBundle looks for the entry of the Bundle that from is in, by fullUrl or by type and id.
func (r *run) inBundle(from *Item, ref string) Item {
	top := *from
	for above, ok := top.Parent(); ok; above, ok = top.Parent() {
		top = above
	}
	if top.node == nil || top.node.Type() != "Bundle" {
		return Item{}
	}
	for _, e := range step(&top, "entry", nil) {
		if r.spend(1) != nil {
			return Item{}
		}
		n := e.node.Child("resource")
		if n == nil {
			continue
		}
		url := e.node.Str("fullUrl")
		if url == ref || !strings.Contains(ref, ":") && (strings.HasSuffix(url, "/"+ref) || n.Type()+"/"+n.ID() == ref) {
			if found := step(&e, "resource", nil); len(found) == 1 {
				return found[0]
			}
		}
	}
	return Item{}
}

func memberOf(r *run, c *call, in Collection) (Collection, error) {
	set, ok, err := r.string(c, 0)
	if err != nil || !ok || len(in) == 0 {
		return nil, err
	}
	if len(in) > 1 {
		return nil, fail(c.at, "memberOf() is applied to one item, not to %d", len(in))
	}
	i := in[0]
	if r.env.MemberOf != nil {
		n := i.node
		if s, ok := i.value.(string); ok {
			n = &fhir.Node{Kind: fhir.String, Text: s}
		}
		if n == nil {
			return nil, nil
		}
		has, err := r.env.MemberOf(set, n, i.Type())
		return truth(has), err
	}
	// without terminology: the value sets that R4's own elements require
	if s, ok := i.str(); ok {
		if has, listed := spec.HasCode(set, "", s); listed {
			return truth(has), nil
		}
	} else if i.node != nil {
		codings := i.node.All("coding")
		if i.typ.name == "Coding" {
			codings = []*fhir.Node{i.node}
		}
		for _, k := range codings {
			if has, listed := spec.HasCode(set, k.Str("system"), k.Str("code")); listed && has {
				return yes, nil
			}
		}
		if _, listed := spec.Codes(set); listed {
			return no, nil
		}
	}
	return nil, fail(c.at, "value set %s is not known here", clip(set))
}

const core = "http://hl7.org/fhir/StructureDefinition/"

func conformsTo(r *run, c *call, in Collection) (Collection, error) {
	profile, ok, err := r.string(c, 0)
	if err != nil || !ok || len(in) == 0 {
		return nil, err
	}
	if len(in) > 1 {
		return nil, fail(c.at, "conformsTo() is applied to one item, not to %d", len(in))
	}
	if r.env.ConformsTo != nil && in[0].node != nil {
		if conforms, known := r.env.ConformsTo(profile, in[0].node, in[0].Type()); known {
			return truth(conforms), nil
		}
	}
	if typ, ours := strings.CutPrefix(profile, core); ours && known(typ) {
		return truth(in[0].IsA(typ)), nil
	}
	return nil, fail(c.at, "profile %s is not known here", clip(profile))
}

func getResourceKey(r *run, c *call, in Collection) (Collection, error) {
	var out Collection
	for _, i := range in {
		if i.typ.resource && i.node != nil && i.node.ID() != "" {
			out = append(out, Text(i.typ.name+"/"+i.node.ID()))
		}
	}
	return out, nil
}

// getReferenceKey is getResourceKey of what a reference points to, without looking there.
func getReferenceKey(r *run, c *call, in Collection) (Collection, error) {
	var out Collection
	for _, i := range in {
		if i.node == nil {
			continue
		}
		ref, ok := fhir.ParseReference(i.node.Str("reference"))
		if ok && ref.Type != "" && ref.ID != "" && (c.want == nil || ref.Type == c.want.name) {
			out = append(out, Text(ref.Type+"/"+ref.ID))
		}
	}
	return out, nil
}
