package rest

import (
	"net/http"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// operation finds Type/$name or Type/{id}/$name among those registered.
func (s *server) operation(c *call, seg []string) (func(*call) (*answer, error), error) {
	name := strings.TrimPrefix(seg[len(seg)-1], "$")
	for i := range s.Operations {
		op := &s.Operations[i]
		if op.Type != c.typ || op.Name != name || op.Instance != (c.id != "") || len(seg) != segments(c) {
			continue
		}
		if c.method != http.MethodPost {
			return nil, methodNotAllowed("POST")
		}
		c.what, c.operator = "operation", op
		return s.operate, nil
	}
	return nil, fhir.Refuse(http.StatusNotFound, "not-supported", "unknown-operation", "no such operation here", "没有这个操作")
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
	out, err := c.operator.Handle(c.ctx, Call{Type: c.typ, ID: c.id, Name: c.operator.Name, Body: c.body, Query: c.query, Key: c.key, IfMatch: c.ifMatch, Request: c.request})
	if err != nil {
		return nil, err
	}
	a := &answer{status: out.Status, version: out.Version}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	switch {
	case out.Body != nil:
		a.body = out.Body.JSON()
	case out.Version != nil:
		a.body = out.Version.JSON
	}
	if out.Version != nil && a.status == http.StatusCreated {
		a.location = versionPath(*out.Version)
	}
	return a, nil
}
