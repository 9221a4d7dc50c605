package index

import (
	"slices"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Extract lists the index rows of a resource; zone is that of dates without one, nil meaning UTC.
// A value that cannot be read (validation refuses it) gives no row.
func Extract(n *fhir.Node, zone *time.Location) []Entry {
	typ := n.Type()
	if !spec.IsResource(typ) {
		return nil
	}
	x := walks.Get().(*walk)
	x.zone, x.whole = zone, n
	x.visit(programOf(typ).root, n)
	entries := slices.Clone(x.entries)
	clear(x.entries) // drops what they refer to
	x.entries, x.whole = x.entries[:0], nil
	walks.Put(x)
	return entries
}

var walks = sync.Pool{New: func() any { return &walk{entries: make([]Entry, 0, 64)} }}

type walk struct {
	zone    *time.Location
	whole   *fhir.Node // the resource
	entries []Entry
}

func (x *walk) visit(b *branch, n *fhir.Node) {
	switch n.Kind {
	case fhir.Null:
		return
	case fhir.Array:
		for _, item := range n.Items {
			x.visit(b, item)
		}
		return
	}
	for i := range b.takes {
		b.takes[i].do(x, &b.takes[i], n)
	}
	if n.Kind != fhir.Object {
		return
	}
	for _, g := range b.when {
		if c := n.Child(g.child); c != nil && c.Text == g.value {
			x.visit(g.branch, n)
		}
	}
	if len(b.next) == 0 {
		return
	}
	if b.few != nil {
		for _, f := range b.few {
			if c := n.Child(f.name); c != nil {
				x.visit(f.branch, c)
			}
		}
		return
	}
	for i := range n.Members {
		if c := b.next[n.Members[i].Name]; c != nil {
			x.visit(c, n.Members[i].Value)
		}
	}
}

func (x *walk) add(e Entry) { x.entries = append(x.entries, e) }
