package access

import (
	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// letHandle lets those who handle an institution's agreements with others read them.
func (t *Tree) letHandle(c *Caller) {
	if rule := rules[c.Role]; c.Institution == "" || rule == nil || !rule.Deals {
		return
	}
	parties := []string{c.Institution + Agreements}
	for _, p := range t.Above(c.Institution) {
		parties = append(parties, p+Agreements)
	}
	c.Scope.Sights = append(c.Scope.Sights, search.Sight{Parties: parties})
}

// Above lists what stands above an organisation in the tree, the nearest first.
func (t *Tree) Above(org string) (list []string) {
	for at := org; len(list) < 32; {
		p, ok := t.Place(at)
		if !ok || p.Parent == "" {
			break
		}
		list, at = append(list, p.Parent), p.Parent
	}
	return list
}
