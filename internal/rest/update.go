package rest

import (
	"net/http"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

func (s *server) update(c *call) (*answer, error) {
	ch := &change{method: "PUT", typ: c.typ, id: c.id, node: c.body, ifMatch: c.ifMatch}
	switch strings.TrimSpace(c.ifNone) {
	case "":
	case "*":
		ch.absent = true
	default:
		return nil, fhir.Refuse(http.StatusBadRequest, "not-supported", "bad-etag", "If-None-Match of an update is * only", "更新时 If-None-Match 只能是 *")
	}
	if err := conditionOf(c, ch); err != nil {
		return nil, err
	}
	return s.writeOne(c, ch)
}

// conditionOf takes the criteria of PUT Type?… and DELETE Type?….
func conditionOf(c *call, ch *change) error {
	if c.id != "" {
		return nil
	}
	criteria := make([]search.Param, 0, len(c.query))
	for _, p := range c.query {
		if p.Name != "_format" && p.Name != "_pretty" {
			criteria = append(criteria, p)
		}
	}
	if ch.query = search.Encode(criteria); ch.query == "" {
		return preconditionFailed("no-criteria", "name an id, or search criteria", "请写明 id 或条件")
	}
	return nil
}
