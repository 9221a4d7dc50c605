package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// own are the operations that this room brings itself.
func (s *server) own() (all []Operation) {
	if s.Bulk != nil {
		all = append(all, s.bulkOperations()...)
	}
	all = append(all, s.everythingOperations()...)
	all = append(all, s.personOperations()...)
	all = append(all, s.mergeOperations()...)
	all = append(all, s.metaOperations()...)
	all = append(all, s.graphqlOperations()...)
	all = append(all, s.validation()...)
	all = append(all, s.reindexOperations()...)
	return append(all, s.lastnOperation())
}

// operation finds Type/$name or Type/{id}/$name among those registered.
func (s *server) operation(c *call, seg []string) (func(*call) (*answer, error), error) {
	name := strings.TrimPrefix(seg[len(seg)-1], "$")
	for i := range s.Operations {
		op := &s.Operations[i]
		if op.Type != c.typ && (op.Type != "*" || c.typ == "") || op.Name != name || op.Instance != (c.id != "") || len(seg) != segments(c) {
			continue
		}
		if allowed := op.methods(); !slices.Contains(allowed, c.method) && !(op.Safe && c.method == http.MethodHead) {
			return nil, methodNotAllowed(strings.Join(allowed, ", "))
		}
		c.what, c.operator = "operation", op
		return s.operate, nil
	}
	return nil, fhir.Refuse(http.StatusNotFound, "not-supported", "unknown-operation", "no such operation here", "没有这个操作")
}

func (op *Operation) methods() []string {
	if op.Safe {
		return []string{http.MethodGet, http.MethodPost}
	}
	return append([]string{http.MethodPost}, op.Methods...)
}

// segments is how many parts the path of an operation has.
func segments(c *call) int {
	switch {
	case c.typ == "":
		return 1
	case c.id == "":
		return 2
	}
	return 3
}

func (s *server) operate(c *call) (*answer, error) {
	if c.caller.Least() && c.operator.Name == "graphql" {
		return nil, fhir.Refuse(http.StatusForbidden, "forbidden", "beyond-minimum", "your role sees the least elements that its purpose needs; ask by search", "您的角色只能查看工作所需的最少信息，请改用普通查询")
	}
	if c.caller.Delegated() && !c.operator.Safe {
		return nil, fhir.Refuse(http.StatusForbidden, "forbidden", "not-for-apps", "$"+c.operator.Name+" is for the person himself, on our own page", "该操作须由本人在本系统页面上进行")
	}
	out, err := c.operator.Handle(c.ctx, Call{Method: c.method, Type: c.typ, ID: c.id, Name: c.operator.Name, Body: c.body, Query: c.query, Key: c.key, IfMatch: c.ifMatch, Request: c.request,
		Scope: c.scope, Base: c.base, Lang: c.lang, Prefer: c.preferred})
	if err != nil {
		return nil, err
	}
	a := &answer{status: out.Status, version: out.Version, header: out.Header, raw: out.Raw, audit: out.Audit}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	switch {
	case out.Body != nil:
		a.body = out.Body.JSON()
	case out.Version != nil:
		if a.body = out.Version.JSON; out.Version.ID == "" {
			a.version = nil // no resource that is stored
		}
	}
	if out.Version != nil && a.status == http.StatusCreated {
		a.location = versionPath(*out.Version)
	}
	return a, nil
}

// Param is a parameter by name, from the Parameters that were sent or else from the query; "" when absent.
func (c Call) Param(name string) string {
	if n := c.Value(name); n != nil {
		return n.Text
	}
	for _, q := range c.Query {
		if q.Name == name {
			return q.Value
		}
	}
	return ""
}

// Value is the value or resource of a parameter that was sent in Parameters; nil when absent.
func (c Call) Value(name string) *fhir.Node {
	for _, p := range c.Body.All("parameter") {
		if p.Str("name") != name {
			continue
		}
		for i := range p.Members {
			if m := &p.Members[i]; m.Name == "resource" || strings.HasPrefix(m.Name, "value") {
				return m.Value
			}
		}
	}
	return nil
}
