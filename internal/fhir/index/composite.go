package index

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// part is one component of a composite, seen from the element that repeats.
type part struct {
	from  *branch
	whole bool // its path begins at the resource, not at the element
}

// joinAt lets the elements at these places become entries of a composite parameter.
func joinAt(at []place, param *spec.Param) error {
	for _, x := range at {
		t := take{param: param, do: together}
		for _, c := range param.Components {
			p := part{from: &branch{}}
			for path := range strings.SplitSeq(c.Expression, " | ") {
				start := place{branch: p.from, typ: x.typ}
				if rest, ok := strings.CutPrefix(path, "%resource."); ok {
					path, p.whole, start.typ = rest, true, param.Base
				}
				steps, err := stepsOf(path)
				if err != nil {
					return err
				}
				places, target, err := follow(start, steps)
				if err != nil {
					return err
				}
				if err := hang(places, c, target); err != nil {
					return err
				}
			}
			p.from.prune()
			t.parts = append(t.parts, p)
		}
		x.takes = append(x.takes, t)
	}
	return nil
}

// maxTogether bounds the entries of one composite at one element.
const maxTogether = 256

// together takes the components of one element; each value of one stands with each of the others.
func together(x *walk, t *take, n *fhir.Node) {
	start := len(x.entries)
	var from, to [4]int
	last := len(t.parts) - 1
	for i := last; i >= 0; i-- { // the value comes last in the definitions, and is most often missing
		p, at := &t.parts[i], n
		if p.whole {
			at = x.whole
		}
		from[i] = len(x.entries)
		x.visit(p.from, at)
		to[i] = x.dropEmpty(from[i])
		if to[i] == from[i] {
			x.entries = x.entries[:start]
			return
		}
	}
	count := 1
	for i := range t.parts {
		count = min(count*(to[i]-from[i]), maxTogether)
	}
	all := make([]Entry, 0, count*len(t.parts))
	pick := from
	for range count {
		for i := range t.parts {
			all = append(all, x.entries[pick[i]])
		}
		for i := last; i >= 0; i-- {
			if pick[i]++; pick[i] < to[i] {
				break
			}
			pick[i] = from[i]
		}
	}
	clear(x.entries[start:])
	x.entries = x.entries[:start]
	for size := len(t.parts); len(all) > 0; all = all[size:] {
		x.add(Entry{Param: t.param, Parts: all[:size:size]})
	}
}

// dropEmpty leaves out the tokens from an index on that are text only, and returns the new end.
func (x *walk) dropEmpty(from int) int {
	kept := x.entries[:from]
	for _, e := range x.entries[from:] {
		if e.Param.Type != spec.Token || e.Code != "" || e.System != "" {
			kept = append(kept, e)
		}
	}
	x.entries = kept
	return len(kept)
}
