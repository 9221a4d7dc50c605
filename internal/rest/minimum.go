package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// mayAsk refuses what would tell a role of the least elements more than it is shown: parameters over other elements,
// chains, filters and words.
func (c *call) mayAsk(typ string, params []search.Param) error {
	if !c.caller.Least() {
		return nil
	}
	elements, allowed := c.caller.Minimum(typ)
	for _, p := range params {
		name, _, _ := strings.Cut(p.Name, ":")
		refused := strings.Contains(p.Name, ".") || slices.Contains([]string{"_has", "_filter", "_text", "_content", "_contained", "_query"}, name)
		if elements != nil {
			asked := []string{name}
			if name == "_sort" {
				asked = strings.Split(p.Value, ",")
			}
			for _, a := range asked {
				a = strings.TrimPrefix(strings.TrimSpace(a), "-")
				refused = refused || !strings.HasPrefix(a, "_") && !slices.Contains(allowed, a)
			}
		} else if typ != "" && name == "_sort" {
			refused = refused || strings.Contains(p.Value, ".")
		}
		if refused {
			return fhir.Refuse(http.StatusForbidden, "forbidden", "beyond-minimum", "your role searches by the least elements that its purpose needs, not by "+name, "您的角色只能按工作所需的最少信息查询，不能使用“"+name+"”")
		}
	}
	return nil
}

// least leaves of an answer what the caller's role may see, wherever in it a resource stands.
func (c *call) least(body []byte) ([]byte, error) {
	if c.caller == nil || !c.caller.Least() || len(body) == 0 || body[0] != '{' {
		return body, nil
	}
	n, err := fhir.Parse(body)
	if err != nil {
		return nil, err
	}
	cut, err := c.cut(n, 0)
	if err != nil {
		return nil, err
	}
	return cut.JSON(), nil
}

func (c *call) cut(n *fhir.Node, depth int) (*fhir.Node, error) {
	if depth > 4 {
		return fhir.New("OperationOutcome"), nil
	}
	typ := n.Type()
	if typ == "Bundle" || typ == "Parameters" {
		for _, list := range []string{"entry", "parameter"} {
			for _, e := range n.All(list) {
				r := e.Child("resource")
				if r == nil {
					continue
				}
				kept, err := c.cut(r, depth+1)
				if err != nil {
					return nil, err
				}
				e.Set("resource", kept)
			}
		}
		return n, nil
	}
	elements, _ := c.caller.Minimum(typ)
	if elements == nil {
		return n, nil
	}
	kept, err := subset(n.JSON(), "", elements)
	if err != nil {
		return nil, err
	}
	return fhir.Parse(kept)
}
