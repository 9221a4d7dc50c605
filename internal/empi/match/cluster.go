package match

import (
	"cmp"
	"slices"
)

// Edge joins two records, by their places in the list.
type Edge struct {
	A, B  int
	Score float64
}

// MaxPerson is how many records one person may have; more are a sign that something stands for nothing.
const MaxPerson = 500

// Cluster joins records to persons: per record the place of the first of its person's records (by ID).
// together and apart are people's decisions and hold before everything else, apart before together; then the
// edges join from the highest score down, ties by ID, unless barred says that two members must not meet.
// The answer depends on the set of records, edges and decisions only, never on their order.
func Cluster(ids []string, edges []Edge, barred func(a, b int) bool, together, apart [][2]int) []int {
	c := &clusters{parent: make([]int32, len(ids)), members: map[int32][]int32{}, apart: map[[2]int32]bool{}}
	for i := range c.parent {
		c.parent[i] = int32(i)
	}
	for _, p := range apart {
		c.apart[ordered(int32(p[0]), int32(p[1]))] = true
	}
	byID := func(a, b [2]int) int {
		return cmp.Or(cmp.Compare(ids[a[0]], ids[b[0]]), cmp.Compare(ids[a[1]], ids[b[1]]))
	}
	canonical := func(p [2]int) [2]int {
		if ids[p[0]] > ids[p[1]] || ids[p[0]] == ids[p[1]] && p[0] > p[1] {
			p[0], p[1] = p[1], p[0]
		}
		return p
	}
	decided := make([][2]int, 0, len(together))
	for _, p := range together {
		decided = append(decided, canonical(p))
	}
	slices.SortFunc(decided, byID)
	sure := map[[2]int32]bool{} // a person's word on a pair outweighs a bar on it
	for _, p := range decided {
		sure[ordered(int32(p[0]), int32(p[1]))] = true
		c.join(int32(p[0]), int32(p[1]), nil)
	}
	sorted := make([]Edge, 0, len(edges))
	for _, e := range edges {
		p := canonical([2]int{e.A, e.B})
		sorted = append(sorted, Edge{p[0], p[1], e.Score})
	}
	slices.SortFunc(sorted, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), byID([2]int{a.A, a.B}, [2]int{b.A, b.B}))
	})
	meets := func(a, b int32) bool {
		return !sure[ordered(a, b)] && barred != nil && barred(int(a), int(b))
	}
	for _, e := range sorted {
		c.join(int32(e.A), int32(e.B), meets)
	}
	first := map[int32]int{}
	out := make([]int, len(ids))
	for i := range ids {
		root := c.find(int32(i))
		if f, ok := first[root]; !ok || ids[i] < ids[f] {
			first[root] = i
		}
	}
	for i := range ids {
		out[i] = first[c.find(int32(i))]
	}
	return out
}

type clusters struct {
	parent  []int32
	members map[int32][]int32 // of roots with more than one
	apart   map[[2]int32]bool
}

func ordered(a, b int32) [2]int32 {
	if a > b {
		a, b = b, a
	}
	return [2]int32{a, b}
}

func (c *clusters) find(i int32) int32 {
	for c.parent[i] != i {
		c.parent[i] = c.parent[c.parent[i]]
		i = c.parent[i]
	}
	return i
}

func (c *clusters) of(root int32) []int32 {
	if m := c.members[root]; m != nil {
		return m
	}
	return []int32{root}
}

func (c *clusters) join(a, b int32, barred func(a, b int32) bool) bool {
	a, b = c.find(a), c.find(b)
	if a == b {
		return true
	}
	left, right := c.of(a), c.of(b)
	if barred != nil && len(left)+len(right) > MaxPerson {
		return false
	}
	for _, x := range left {
		for _, y := range right {
			if len(c.apart) > 0 && c.apart[ordered(x, y)] || barred != nil && barred(x, y) {
				return false
			}
		}
	}
	if len(left) < len(right) {
		a, b, left, right = b, a, right, left
	}
	c.parent[b] = a
	c.members[a] = append(slices.Clip(left), right...)
	delete(c.members, b)
	return true
}
