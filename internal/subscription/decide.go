package subscription

import (
	"bytes"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/match"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// version is one version of a resource made ready for a decision in memory: the search engine of the store
// knows only what is current, but a version that has been overtaken, and the one before it, count too.
type version = match.Resource

func versionOf(v store.Version, zone *time.Location) (*version, error) {
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return nil, err
	}
	return match.Of(n, zone, v.Updated), nil
}

// sieve is the part of criteria that can rule a resource out cheaply: one of these codes, or one of these ids, must
// stand there. It lets through more than the criteria do, never less; what passes is put to the search engine.
type sieve []mesh

type mesh struct {
	param *spec.Param
	any   map[string]bool // codes in lower case, or ids
}

func sieveOf(typ string, where []search.Clause) (s sieve) {
	for i := range where {
		c := &where[i]
		if c.Param == nil || c.Modifier != "" || c.Chain != nil || c.Has != nil || c.Filter != nil || c.Param.Sealed || spec.Lookup(typ, c.Param.Code) != c.Param {
			continue
		}
		m := mesh{c.Param, map[string]bool{}}
		for _, w := range c.Values {
			switch {
			case c.Param.Type == spec.Token && w.Code != "":
				m.any[strings.ToLower(w.Code)] = true
			case c.Param.Type == spec.Reference && w.RefID != "":
				m.any[w.RefID] = true
			default:
				m.any = nil
			}
			if m.any == nil {
				break
			}
		}
		if len(m.any) > 0 && c.Param.Code[0] != '_' {
			s = append(s, m)
		}
	}
	return s
}

// passes says whether a version may meet the criteria.
func (s sieve) passes(v *version) bool {
	for i := range s {
		m := &s[i]
		found := false
		for j := range v.Entries {
			x := &v.Entries[j]
			if x.Param != m.param {
				continue
			}
			if m.param.Type == spec.Reference {
				found = m.any[x.RefID]
			} else {
				found = m.any[x.Code] || m.any[strings.ToLower(x.Code)]
			}
			if found {
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// raises says whether a change is an event of the topic: before is nil on creation, after on delete.
func (t *Topic) raises(before, after *version, now time.Time) bool {
	letter := "u"
	switch {
	case after == nil:
		letter = "d"
	case before == nil:
		letter = "c"
	}
	if !strings.Contains(t.On, letter) {
		return false
	}
	if after != nil {
		if ok, _ := after.Meets(t.now, now); !ok {
			return false
		}
	}
	if before == nil || after == nil {
		return true
	}
	if len(t.was) > 0 {
		if was, _ := before.Meets(t.was, now); was {
			return false
		}
	}
	if t.Changed == nil {
		return true
	}
	for _, path := range t.Changed {
		if !equal(before.Node.Get(path), after.Node.Get(path)) {
			return true
		}
	}
	return false
}

func equal(a, b *fhir.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.JSON(), b.JSON())
}
