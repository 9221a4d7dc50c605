// Package patch changes a part of a resource: JSON Patch (RFC 6902) and FHIRPath Patch.
package patch

import (
	"fmt"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Bounds of one patch: the operations of it, and the values that it may put in, counted with every copy.
const (
	MaxOperations = 1000
	MaxValues     = 200_000
	MaxText       = 16 << 20 // bytes of text in them
)

// malformed refuses what is not a patch at all (400); fails refuses a patch that does not fit the resource (422).
func malformed(place, text, zh string) *fhir.Error {
	return refuse(400, "invalid", "bad-patch", place, text, zh)
}

func fails(detail, place, text, zh string) *fhir.Error {
	return refuse(422, "processing", detail, place, text, zh)
}

func refuse(status int, code, detail, place, text, zh string) *fhir.Error {
	err := fhir.Refuse(status, code, detail, text, zh)
	err.Issues[0].Expression = place
	return err
}

// budget bounds what the operations of a patch may put into a resource.
type budget struct{ values, text int }

// copy is a deep copy that is paid for.
func (b *budget) copy(n *fhir.Node) (*fhir.Node, error) {
	if b.pay(n); b.values > MaxValues || b.text > MaxText {
		return nil, fails("patch-too-large", "", fmt.Sprintf("a patch puts in at most %d values", MaxValues), "补丁写入的内容过多")
	}
	return n.Copy(), nil
}

func (b *budget) pay(n *fhir.Node) {
	if b.values++; b.values > MaxValues {
		return
	}
	b.text += len(n.Text)
	for i := range n.Members {
		b.text += len(n.Members[i].Name)
		b.pay(n.Members[i].Value)
	}
	for _, item := range n.Items {
		b.pay(item)
	}
}

// shallow refuses what nests deeper than a resource may.
func shallow(n *fhir.Node) error {
	if deeper(n, fhir.MaxDepth) {
		return fails("patch-too-deep", "", fmt.Sprintf("the result nests deeper than %d levels", fhir.MaxDepth), "补丁结果嵌套过深")
	}
	return nil
}

func deeper(n *fhir.Node, left int) bool {
	if left < 0 {
		return true
	}
	for i := range n.Members {
		if deeper(n.Members[i].Value, left-1) {
			return true
		}
	}
	for _, item := range n.Items {
		if deeper(item, left-1) {
			return true
		}
	}
	return false
}

// prune takes away the arrays and objects that removals have left empty: FHIR knows none.
func prune(n *fhir.Node, emptied map[*fhir.Node]bool) (empty bool) {
	if len(emptied) == 0 {
		return false
	}
	gone := false
	switch n.Kind {
	case fhir.Object:
		kept := n.Members[:0]
		for _, m := range n.Members {
			if prune(m.Value, emptied) {
				gone = true
				continue
			}
			kept = append(kept, m)
		}
		n.Members = kept
		return len(kept) == 0 && (gone || emptied[n])
	case fhir.Array:
		kept := n.Items[:0]
		for _, item := range n.Items {
			if prune(item, emptied) {
				gone = true
				continue
			}
			kept = append(kept, item)
		}
		n.Items = kept
		return len(kept) == 0 && (gone || emptied[n])
	}
	return false
}
