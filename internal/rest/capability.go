package rest

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// capability keeps the statement, which changes only with the search parameters that the hub is given.
type capability struct {
	mu         sync.Mutex
	generation int64
	rest       *fhir.Node
}

func (s *server) statement() *fhir.Node {
	c := &s.capability
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := s.Store.ParameterGeneration(); c.rest == nil || c.generation != g {
		c.rest, c.generation = s.restCapability(), g
	}
	return c.rest
}

// statementAt names the addresses of SMART under the address that was asked.
func (s *server) statementAt(base string) *fhir.Node {
	n := s.statement()
	if !s.Apps {
		return n
	}
	named := *n
	named.Members = slices.Clone(n.Members)
	named.Set("security", security(base))
	return &named
}

var paramTypes = map[spec.ParamType]string{spec.Token: "token", spec.String: "string", spec.Date: "date", spec.Number: "number",
	spec.Quantity: "quantity", spec.Reference: "reference", spec.URI: "uri", spec.Composite: "composite"}

// capabilities says what is really here: types and parameters from the tables, operations from those registered.
func (s *server) capabilities(c *call) (*answer, error) {
	if s.Terminology != nil && slices.Contains(c.query, search.Param{Name: "mode", Value: "terminology"}) {
		return &answer{status: http.StatusOK, body: s.terminologyCapabilities(c).JSON()}, nil
	}
	n := fhir.New("CapabilityStatement",
		"id", "xinglin",
		"url", spec.Canonical+"/CapabilityStatement/xinglin",
		"version", s.Version,
		"name", "Xinglin",
		"title", "杏林 Xinglin FHIR API",
		"status", "active",
		"date", s.Clock.Now().In(s.Zone).Format("2006-01-02"),
		"kind", "instance",
		"software", fhir.Obj{"name", "Xinglin 杏林", "version", s.Version},
		"implementation", fhir.Obj{"description", "Xinglin hub", "url", c.base},
		"fhirVersion", "4.0.1",
		"format", fhir.Arr{"application/fhir+json", "json"},
		"patchFormat", fhir.Arr{jsonPatchType, "application/fhir+json"},
		"rest", fhir.Arr{s.statementAt(c.base)},
	)
	return &answer{status: http.StatusOK, body: n.JSON()}, nil
}

func codes(list ...string) fhir.Arr {
	out := fhir.Arr{}
	for _, code := range list {
		out = append(out, fhir.Obj{"code", code})
	}
	return out
}

// revIncludes lists by type the references that lead there by name.
func revIncludes() map[string][]string {
	out := map[string][]string{}
	for _, typ := range spec.Types() {
		for _, p := range spec.Params(typ) {
			if p.Type == spec.Reference {
				for _, to := range p.Targets {
					out[to] = append(out[to], typ+":"+p.Code)
				}
			}
		}
	}
	return out
}

func (s *server) restCapability() *fhir.Node {
	resources := fhir.Arr{}
	back := revIncludes()
	for _, typ := range spec.Types() {
		if typ == auditEvent && s.Trail != nil {
			resources = append(resources, trailCapability())
			continue
		}
		if typ == personType && s.Persons != nil {
			resources = append(resources, personCapability())
			continue
		}
		params, includes := fhir.Arr{}, []string{}
		for _, p := range append(slices.Clip(spec.Params(typ)), s.Store.Parameters(typ)...) {
			kind := paramTypes[p.Type]
			switch {
			case p.Code == "_id":
				kind = "token"
			case p.Code == "_lastUpdated":
				kind = "date"
			}
			if kind == "" {
				continue // special parameters: _text and _content are said below, near and _query are not known
			}
			params = append(params, fhir.Obj{"name", p.Code, "definition", p.URL, "type", kind})
			if p.Type == spec.Reference {
				includes = append(includes, typ+":"+p.Code)
			}
		}
		slices.Sort(includes)
		resource := fhir.Obj{"type", typ,
			"interaction", codes("read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"),
			"versioning", "versioned-update", "readHistory", true, "updateCreate", true,
			"conditionalCreate", true, "conditionalRead", "full-support", "conditionalUpdate", true, "conditionalDelete", "single",
			"referencePolicy", fhir.Arr{"literal", "logical", "enforced"},
			"searchInclude", append([]string{"*"}, includes...), "searchRevInclude", back[typ], "searchParam", params}
		if typ == "Subscription" && s.Subscriptions != nil {
			resource = append(resource, "extension", topics())
		}
		if operations := s.operationsOf(typ); len(operations) > 0 {
			resource = append(resource, "operation", operations)
		}
		resources = append(resources, resource)
	}
	sockets := fhir.Arr{}
	if s.Subscriptions != nil && s.BaseURL != "" {
		sockets = append(sockets, fhir.Obj{"url", "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket", "valueUri", "ws" + strings.TrimPrefix(strings.TrimSuffix(s.BaseURL, "/"), "http") + "/ws"})
	}
	return fhir.Of(fhir.Obj{"extension", sockets, "mode", "server",
		"documentation", "References to patients and Patient's _id take the modifier :person (also :mdm): all records of the person whose record is named, as far as the caller sees them. Patient/id/$everything spans them, too.",
		"security", fhir.Obj{"cors", false, "description", "Session cookie with X-CSRF-Token, or Authorization: Bearer with SMART scopes (system/Type.cruds)."},
		"resource", resources,
		"interaction", codes("transaction", "batch", "history-system", "search-system"),
		"searchParam", fhir.Arr{
			fhir.Obj{"name", "_has", "type", "special", "documentation", "_has:Type:reference:parameter, nested, with chains before and after"},
			fhir.Obj{"name", "_list", "type", "special", "documentation", "what a List names; functional lists are refused"},
			fhir.Obj{"name", "_filter", "type", "special", "documentation", "and, or, not, from left to right; searches on one type"},
			fhir.Obj{"name", "_text", "type", "special", "documentation", "where the hub keeps full text"},
			fhir.Obj{"name", "_content", "type", "special", "documentation", "where the hub keeps full text"},
			fhir.Obj{"name", "_type", "type", "special", "documentation", "searches across types by parameters that all of them have"}},
		"compartment", compartments(),
		"operation", s.operationsOf("")})
}

// security says how one proves who he is; apps find the addresses of SMART at the first one.
func security(base string) fhir.Obj {
	root := strings.TrimSuffix(base, "/fhir") + "/oauth/"
	return fhir.Obj{
		"extension", fhir.Arr{fhir.Obj{"url", "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris", "extension", fhir.Arr{
			fhir.Obj{"url", "authorize", "valueUri", root + "authorize"}, fhir.Obj{"url", "token", "valueUri", root + "token"},
			fhir.Obj{"url", "revoke", "valueUri", root + "revoke"}, fhir.Obj{"url", "introspect", "valueUri", root + "introspect"}}}},
		"cors", true,
		"service", fhir.Arr{fhir.Obj{"coding", fhir.Arr{fhir.Obj{"system", "http://terminology.hl7.org/CodeSystem/restful-security-service", "code", "SMART-on-FHIR"}}, "text", "OAuth2 using SMART-on-FHIR profile (see http://docs.smarthealthit.org)"}},
		"description", "SMART App Launch and Backend Services (.well-known/smart-configuration); session cookie with X-CSRF-Token for our own page. Other origins come with Authorization: Bearer only."}
}

func compartments() []string {
	var out []string
	for _, t := range spec.Compartments() {
		out = append(out, "http://hl7.org/fhir/CompartmentDefinition/"+strings.ToLower(t[:1])+t[1:])
	}
	return out
}

func (s *server) operationsOf(typ string) fhir.Arr {
	out := fhir.Arr{}
	seen := map[string]bool{}
	for _, op := range s.Operations {
		if (op.Type == typ || op.Type == "*" && typ != "") && !seen[op.Name] {
			seen[op.Name] = true
			definition := spec.Canonical + "/OperationDefinition/" + typ + "-" + op.Name
			switch op.Type {
			case "*":
				definition = "http://hl7.org/fhir/OperationDefinition/Resource-" + op.Name
			case "CodeSystem", "ValueSet", "ConceptMap":
				definition = "http://hl7.org/fhir/OperationDefinition/" + typ + "-" + op.Name
			}
			out = append(out, fhir.Obj{"name", op.Name, "definition", definition, "documentation", op.Doc})
		}
	}
	return out
}
