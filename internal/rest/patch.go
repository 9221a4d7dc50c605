package rest

import (
	"encoding/base64"
	"mime"
	"net/http"
	"slices"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/bundle"
	"github.com/xinglin-health/xinglin/internal/fhir/patch"
	"github.com/xinglin-health/xinglin/internal/store"
)

const jsonPatchType = "application/json-patch+json"

// acceptPatch is the header that names what PATCH takes.
var acceptPatch = []string{jsonPatchType + ", application/fhir+json"}

func (s *server) patch(c *call) (*answer, error) {
	ch := &change{method: "PATCH", typ: c.typ, id: c.id, ifMatch: c.ifMatch, patch: c.body}
	if err := conditionOf(c, ch); err != nil {
		return nil, err
	}
	return s.writeOne(c, ch)
}

// readPatch reads the body of a PATCH: an array is a JSON Patch, Parameters are a FHIRPath Patch.
func (c *call) readPatch(contentType string, data []byte) (err error) {
	media, _, _ := mime.ParseMediaType(contentType)
	switch {
	case media == jsonPatchType:
		if c.body, err = fhir.ParseValue(data); err == nil && c.body.Kind != fhir.Array {
			err = fhir.Refuse(http.StatusBadRequest, "invalid", "bad-patch", "a JSON Patch is an array of operations", "JSON Patch 应为操作数组")
		}
		return err
	case contentType != "" && isJSON(contentType):
		if c.body, err = fhir.Parse(data); err == nil && c.body.Type() != "Parameters" {
			err = fhir.Refuse(http.StatusBadRequest, "invalid", "bad-patch", "a FHIRPath Patch is sent as Parameters; a JSON Patch as "+jsonPatchType, "FHIRPath Patch 应以 Parameters 提交，JSON Patch 应以 "+jsonPatchType+" 提交")
		}
		return err
	}
	return fhir.Refuse(http.StatusUnsupportedMediaType, "not-supported", "format-unsupported", "PATCH takes "+jsonPatchType+", or Parameters as application/fhir+json", "PATCH 只接受 "+jsonPatchType+" 或以 application/fhir+json 提交的 Parameters")
}

// patchOf takes the patch out of an entry: Parameters, or a JSON Patch within a Binary.
func patchOf(e *bundle.Entry) (*fhir.Node, error) {
	bad := func(text, zh string) error {
		return within(&change{at: e.Path() + ".resource"}, fhir.Refuse(http.StatusBadRequest, "invalid", "bad-patch", text, zh))
	}
	switch e.Resource.Type() {
	case "Parameters":
		return e.Resource, nil
	case "Binary":
		if media, _, _ := mime.ParseMediaType(e.Resource.Str("contentType")); media != jsonPatchType {
			return nil, bad("the Binary of a PATCH is a JSON Patch: contentType "+jsonPatchType, "PATCH 的 Binary 应为 "+jsonPatchType)
		}
		data, err := base64.StdEncoding.DecodeString(e.Resource.Str("data"))
		if err != nil {
			return nil, bad("Binary.data is not base64", "Binary.data 不是有效的 base64")
		}
		n, err := fhir.ParseValue(data)
		if err != nil || n.Kind != fhir.Array {
			return nil, bad("Binary.data is no JSON Patch", "Binary.data 不是有效的 JSON Patch")
		}
		return n, nil
	}
	return nil, bad("PATCH needs Parameters, or a Binary with a JSON Patch", "PATCH 需要 Parameters 或装有 JSON Patch 的 Binary")
}

// patched is the resource that a patch makes of a version: still the same resource, and fit to be stored.
func (b *Bundles) patched(ch *change, v store.Version) (*fhir.Node, error) {
	before, err := fhir.Parse(v.JSON)
	if err != nil {
		return nil, err
	}
	apply := patch.JSON
	if ch.patch.Kind == fhir.Object {
		apply = patch.FHIRPath
	}
	n, err := apply(before, ch.patch)
	if err != nil {
		return nil, err
	}
	if n.Kind != fhir.Object || n.Type() != ch.typ || n.ID() != v.ID {
		return nil, fhir.Refuse(http.StatusUnprocessableEntity, "business-rule", "patch-identity", "a patch changes neither the type nor the id of a resource", "补丁不能改变资源的类型或 id")
	}
	return n, b.fit(ch, n)
}

// same says whether two resources say the same; what the server itself puts into meta does not count, nor does the order of properties.
func same(a, b *fhir.Node) bool { return sameObject(a, b, 0) }

// own are the parts that the server gives, by the depth at which they stand.
func own(depth int, name string) bool {
	return depth == 1 && (name == "versionId" || name == "lastUpdated")
}

func sameValue(a, b *fhir.Node, depth int) bool {
	if a.Kind != b.Kind || len(a.Items) != len(b.Items) {
		return false
	}
	switch a.Kind {
	case fhir.Object:
		return sameObject(a, b, 9)
	case fhir.Array:
		return slices.EqualFunc(a.Items, b.Items, func(x, y *fhir.Node) bool { return sameValue(x, y, depth) })
	}
	return a.Text == b.Text
}

func sameObject(a, b *fhir.Node, depth int) bool {
	count := func(n *fhir.Node) (total int) {
		for i := range n.Members {
			if m := &n.Members[i]; !own(depth, m.Name) && !(depth == 0 && m.Name == "meta") {
				total++
			}
		}
		return total
	}
	if count(a) != count(b) {
		return false
	}
	for i := range a.Members {
		m := &a.Members[i]
		if own(depth, m.Name) || depth == 0 && m.Name == "meta" {
			continue
		}
		other := b.Child(m.Name)
		if other == nil || !sameValue(m.Value, other, depth) {
			return false
		}
	}
	if depth > 0 {
		return true
	}
	meta := func(n *fhir.Node) *fhir.Node {
		if m := n.Child("meta"); m != nil && m.Kind == fhir.Object {
			return m
		}
		return &fhir.Node{Kind: fhir.Object}
	}
	return sameObject(meta(a), meta(b), 1)
}
