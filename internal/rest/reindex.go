package rest

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

func (s *server) reindexOperations() []Operation {
	const doc = "Indexes search parameters anew, in the background; GET tells how far it is. Administrators only."
	return []Operation{{Name: "reindex", Handle: s.reindex, Methods: []string{http.MethodGet}, Doc: doc}}
}

// reindex asks for parameters to be indexed anew, or tells what is under way.
//
// Parameters: type (a resource type; without it all), parameter (a code) or url (the canonical of a SearchParameter),
// clean (true: what stands is deleted first, and searches by it are refused until it is complete).
func (s *server) reindex(ctx context.Context, c Call) (Answer, error) {
	if err := mayReindex(access.From(ctx)); err != nil {
		return Answer{}, err
	}
	if c.Method == http.MethodGet {
		body, err := s.indexing(ctx)
		entry := audit.Of(ctx, "R", "reindex", "")
		entry.Request = c.Request
		return Answer{Body: body, Audit: &entry}, err
	}
	typ, parameter := c.Param("type"), c.Param("parameter")
	if parameter == "" {
		parameter = c.Param("url")
	}
	if typ != "" && !spec.IsResource(typ) {
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "value", "unknown-type", "type is a resource type of FHIR R4", "没有这种资源类型")
	}
	asked := 0
	err := s.Store.Update(ctx, func(tx *store.Tx) (err error) {
		if asked, err = tx.Reindex(ctx, typ, parameter, c.Param("clean") == "true"); err != nil {
			return err
		}
		if asked == 0 {
			return fhir.Refuse(http.StatusNotFound, "not-found", "unknown-parameter", "no such search parameter to index", "没有这个检索条件")
		}
		entry := audit.Of(ctx, "E", "reindex", typ)
		entry.Request, entry.Count = c.Request, asked
		return s.Audit.Write(ctx, tx, entry)
	})
	if err != nil {
		return Answer{}, err
	}
	body, err := s.indexing(ctx)
	return Answer{Status: http.StatusAccepted, Body: body, Header: http.Header{"Content-Location": {c.Base + "/$reindex"}}}, err
}

// mayReindex: administrators, and programs that may write everything.
func mayReindex(c *access.Caller) error {
	switch c.Role {
	case access.Administrator:
		return nil
	case access.Program:
		return c.May(mayUpdate, "SearchParameter")
	}
	return fhir.Refuse(http.StatusForbidden, "forbidden", "not-allowed", "search parameters are indexed anew by administrators", "只有管理员可以重建索引")
}

func (s *server) indexing(ctx context.Context) (*fhir.Node, error) {
	list, err := s.Store.Indexing(ctx)
	if err != nil {
		return nil, err
	}
	out := fhir.Arr{}
	for _, i := range list {
		parts := fhir.Arr{
			fhir.Obj{"name", "type", "valueCode", i.Type},
			fhir.Obj{"name", "parameter", "valueCode", i.Code},
			fhir.Obj{"name", "phase", "valueCode", i.Phase},
			fhir.Obj{"name", "done", "valueDecimal", &fhir.Node{Kind: fhir.Number, Text: strconv.FormatInt(i.Done, 10)}},
			fhir.Obj{"name", "total", "valueDecimal", &fhir.Node{Kind: fhir.Number, Text: strconv.FormatInt(i.Total, 10)}},
			fhir.Obj{"name", "searchable", "valueBoolean", !i.Withheld},
			fhir.Obj{"name", "asked", "valueInstant", i.Asked.UTC().Format(time.RFC3339)},
		}
		if i.URL != "" {
			parts = append(parts, fhir.Obj{"name", "url", "valueUri", i.URL})
		}
		out = append(out, fhir.Obj{"name", "indexing", "part", parts})
	}
	return fhir.New("Parameters", "parameter", append(fhir.Arr{fhir.Obj{"name", "waiting", "valueInteger", len(list)}}, out...)), nil
}
