package blob

import (
	"bytes"
	"context"
	"encoding/base64"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Guard inspects what resources carry within themselves: the data of a Binary and of Attachments. They are given back as
// downloads that no browser runs, so pages and unknown kinds may be kept; programs may not, nor what is declared as
// another kind than it is, nor pictures and documents that are harmless until opened.
func Guard(_ context.Context, p store.Put, _ *fhir.Node) error {
	if p.Op == store.Delete || p.Resource.Node == nil {
		return nil
	}
	return carried(p.Resource.Node, p.Type)
}

// carried looks at every part of a resource that has data and its kind.
func carried(n *fhir.Node, at string) error {
	var data *fhir.Node
	declared := ""
	for i := range n.Members {
		m := &n.Members[i]
		switch v := m.Value; {
		case m.Name == "data" && v.Kind == fhir.String:
			data = v
		case m.Name == "contentType" && v.Kind == fhir.String:
			declared = v.Text
		case v.Kind == fhir.Object:
			if err := carried(v, at); err != nil {
				return err
			}
		case v.Kind == fhir.Array:
			for _, item := range v.Items {
				if item.Kind != fhir.Object {
					break
				}
				if err := carried(item, at); err != nil {
					return err
				}
			}
		}
	}
	if data == nil || declared == "" || data.Text == "" {
		return nil
	}
	content, err := base64.StdEncoding.DecodeString(data.Text)
	if err != nil {
		return nil // the validator says so
	}
	return InspectCarried(content, declared)
}

// InspectCarried is Inspect for content within a resource.
func InspectCarried(content []byte, declared string) error {
	head := content[:min(len(content), headSize)]
	if program(head) {
		return unsafe("file-program", "programs are not taken", "不接受可执行程序")
	}
	k := declaredAs(declared)
	if k == nil || k.Type == "text/plain" || k.Type == "application/xml" {
		return nil
	}
	_, err := Inspect(bytes.NewReader(content), int64(len(content)), declared)
	return err
}
