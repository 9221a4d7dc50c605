package rest

import (
	"context"
	"net/http"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/bulk"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// bulkImport begins a bulk import. The inputs were uploaded here: nothing is fetched from elsewhere.
//
// Parameters: inputFormat (application/fhir+ndjson), input: part type, part url (Binary/… or DocumentReference/…).
func (s *server) bulkImport(ctx context.Context, c Call) (Answer, error) {
	if err := mustBeAsync(c); err != nil {
		return Answer{}, err
	}
	if f := c.Param("inputFormat"); f != "" && f != ndjson && f != "application/ndjson" {
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "not-supported", "format-unsupported", "inputs are "+ndjson+" only", "仅支持 "+ndjson)
	}
	q := bulk.Request{URL: c.Base + "/$import"}
	for _, in := range inputs(c.Body) {
		in.Source = strings.TrimPrefix(strings.TrimPrefix(in.URL, c.Base), "/")
		if strings.Contains(in.Source, "://") {
			return Answer{}, fhir.Refuse(http.StatusBadRequest, "not-supported", "bad-input", "an input is a Binary or DocumentReference of this server; nothing is fetched from elsewhere", "导入文件须先上传到本系统，不从外部地址获取")
		}
		q.Inputs = append(q.Inputs, in)
	}
	id, err := s.Bulk.Import(ctx, access.From(ctx), q)
	return accepted(c, id), err
}

// inputs reads them from Parameters.
func inputs(body *fhir.Node) (list []bulk.Input) {
	for _, p := range body.All("parameter") {
		if p.Str("name") != "input" {
			continue
		}
		var in bulk.Input
		for _, part := range p.All("part") {
			for _, m := range part.Members {
				if !strings.HasPrefix(m.Name, "value") {
					continue
				}
				switch part.Str("name") {
				case "type", "resourceType":
					in.Type = m.Value.Text
				case "url":
					in.URL = m.Value.Text
				}
			}
		}
		list = append(list, in)
	}
	return list
}
