package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/bulk"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

const ndjson = "application/fhir+ndjson"

// bulkOperations are $export at its three levels, $import, and what shows their state and files.
func (s *server) bulkOperations() []Operation {
	export := func(ctx context.Context, c Call) (Answer, error) { return s.export(ctx, c) }
	get := []string{http.MethodGet}
	return []Operation{
		{Name: "export", Methods: get, Handle: export, Doc: "Bulk export of all that the token may read, in the background (Prefer: respond-async)."},
		{Type: "Patient", Name: "export", Methods: get, Handle: export, Doc: "Bulk export of what belongs to patients."},
		{Type: "Group", Name: "export", Instance: true, Methods: get, Handle: export, Doc: "Bulk export of what belongs to the patients of a group."},
		{Name: "import", Handle: s.bulkImport, Doc: "Bulk import of NDJSON that was uploaded here as Binary or file, in the background (Prefer: respond-async)."},
		{Name: "bulk-status", Methods: []string{http.MethodGet, http.MethodDelete}, Handle: s.bulkStatus, Doc: "State and files of an export or import; DELETE cancels it and removes its files."},
		{Name: "bulk-file", Methods: get, Files: true, Handle: s.bulkFile, Doc: "One file of an export or import."},
	}
}

// all lists the values of a parameter, from Parameters and from the query.
func (c Call) all(name string) (values []string) {
	for _, p := range c.Body.All("parameter") {
		if p.Str("name") != name {
			continue
		}
		for _, m := range p.Members {
			switch {
			case m.Name == "valueReference":
				values = append(values, m.Value.Str("reference"))
			case strings.HasPrefix(m.Name, "value"):
				values = append(values, m.Value.Text)
			}
		}
	}
	for _, q := range c.Query {
		if q.Name == name {
			values = append(values, q.Value)
		}
	}
	return values
}

// named lists the parameters that were sent, each once.
func (c Call) named() (names []string) {
	for _, p := range c.Body.All("parameter") {
		names = append(names, p.Str("name"))
	}
	for _, q := range c.Query {
		names = append(names, q.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (c Call) prefers(what string) bool {
	for _, v := range c.Prefer {
		for part := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
			if part == what {
				return true
			}
		}
	}
	return false
}

func mustBeAsync(c Call) error {
	if c.prefers("respond-async") {
		return nil
	}
	return fhir.Refuse(http.StatusBadRequest, "required", "respond-async", "bulk data needs the header Prefer: respond-async", "批量数据接口需要请求头 Prefer: respond-async")
}

func (s *server) export(ctx context.Context, c Call) (Answer, error) {
	if err := mustBeAsync(c); err != nil {
		return Answer{}, err
	}
	q := bulk.Request{URL: c.Base + strings.Replace(strings.Replace("/"+c.Type+"/"+c.ID+"/$export", "//", "/", 1), "//", "/", 1), Personal: c.Type != ""}
	if len(c.Query) > 0 {
		q.URL += "?" + search.Encode(c.Query)
	}
	known := []string{"_type", "_since", "_typeFilter", "_elements", "_outputFormat", "_format"}
	if c.Type != "" {
		known = append(known, "patient")
	}
	for _, name := range c.named() {
		if !slices.Contains(known, name) && !c.prefers("handling=lenient") {
			return Answer{}, fhir.Refuse(http.StatusBadRequest, "not-supported", "unknown-parameter", fmt.Sprintf("$export does not know %q; Prefer: handling=lenient leaves it out", name), "$export 不支持该参数")
		}
	}
	switch f := strings.Replace(c.Param("_outputFormat"), " ", "+", 1); f {
	case "", ndjson, "application/ndjson", "ndjson":
	default:
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "not-supported", "format-unsupported", "files are "+ndjson+" only", "仅支持 "+ndjson)
	}
	q.Types, q.Elements = commas(c.all("_type")), commas(c.all("_elements"))
	for _, f := range c.all("_typeFilter") {
		typ, query, ok := strings.Cut(f, "?")
		if !ok {
			return Answer{}, fhir.Refuse(http.StatusBadRequest, "value", "bad-filter", "_typeFilter is written Type?criteria", "_typeFilter 的写法是 类型?条件")
		}
		if q.Filters == nil {
			q.Filters = map[string][]string{}
		}
		q.Filters[typ] = append(q.Filters[typ], query)
	}
	if since := c.Param("_since"); since != "" {
		var err error
		if q.Since, err = s.instant(since); err != nil {
			return Answer{}, fhir.Refuse(http.StatusBadRequest, "value", "bad-value", "_since: the value is not valid", "_since：值不正确")
		}
	}
	if c.Type == "Group" {
		members, err := s.members(ctx, c)
		if err != nil {
			return Answer{}, err
		}
		q.Patients = members
	}
	if asked := c.all("patient"); len(asked) > 0 {
		some := []string{}
		for _, p := range asked {
			p = strings.TrimPrefix(p, c.Base+"/")
			if typ, id, ok := localReference(p); !ok || typ != "Patient" || p != "Patient/"+id {
				return Answer{}, fhir.Refuse(http.StatusBadRequest, "value", "bad-value", "patient: Patient/… is expected", "patient：应为 Patient/…")
			}
			if q.Patients == nil || slices.Contains(q.Patients, p) {
				some = append(some, p)
			}
		}
		q.Patients = some
	}
	id, err := s.Bulk.Export(ctx, access.From(ctx), q)
	return accepted(c, id), err
}

func commas(values []string) (out []string) {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

// accepted says where the task can be followed.
func accepted(c Call, id string) Answer {
	return Answer{Status: http.StatusAccepted, Header: http.Header{"Content-Location": {c.Base + "/$bulk-status?_jobId=" + url.QueryEscape(id)}}}
}

// members are the patients of a group that the caller may read.
func (s *server) members(ctx context.Context, c Call) ([]string, error) {
	if err := access.From(ctx).May(mayRead, "Group"); err != nil {
		return nil, err
	}
	var v store.Version
	err := s.Store.View(ctx, func(tx *store.Tx) (err error) {
		v, err = tx.Read(ctx, c.Scope, "Group", c.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	group, err := fhir.Parse(v.JSON)
	if err != nil {
		return nil, err
	}
	members := []string{}
	for _, m := range group.All("member") {
		typ, id, ok := localReference(m.Str("entity.reference"))
		if ok && typ == "Patient" && m.Str("inactive") != "true" {
			members = append(members, "Patient/"+id)
		}
	}
	slices.Sort(members)
	return slices.Compact(members), nil
}

func (s *server) bulkStatus(ctx context.Context, c Call) (Answer, error) {
	id, caller := c.Param("_jobId"), access.From(ctx)
	if c.Method == http.MethodDelete {
		return Answer{Status: http.StatusAccepted}, s.Bulk.Delete(ctx, caller, id)
	}
	t, err := s.Bulk.Find(ctx, caller, id)
	if err != nil {
		return Answer{}, err
	}
	switch t.State {
	case bulk.Running:
		return Answer{Status: http.StatusAccepted, Header: http.Header{"Retry-After": {"2"}, "X-Progress": {fmt.Sprintf("%d resources", t.Shown)}}}, nil
	case bulk.Failed:
		return Answer{}, &fhir.Error{Status: http.StatusInternalServerError, Issues: t.Error.Issues}
	}
	lists := map[string]fhir.Arr{"output": {}, "deleted": {}, "error": {}}
	for _, p := range t.Parts {
		file := fhir.Obj{"type", p.Type, "inputUrl", p.Source, "url", fmt.Sprintf("%s/$bulk-file?_jobId=%s&part=%d", c.Base, url.QueryEscape(id), p.N), "count", p.Count}
		lists[p.Kind] = append(lists[p.Kind], file)
	}
	if t.Kind == "import" {
		for _, in := range t.Request.Inputs {
			lists["output"] = append(lists["output"], fhir.Obj{"type", in.Type, "inputUrl", in.URL})
		}
	}
	manifest := fhir.Of(fhir.Obj{"transactionTime", instantText(t.Began), "request", t.Request.URL, "requiresAccessToken", true})
	for _, kind := range []string{"output", "deleted", "error"} { // an empty list is a list here
		manifest.Members = append(manifest.Members, fhir.Member{Name: kind, Value: fhir.Of(lists[kind])})
	}
	if t.Kind == "import" {
		manifest.Set("extension", fhir.Obj{"resources", t.Shown})
	}
	return Answer{Body: manifest, Header: http.Header{"Content-Type": {"application/json"}, "Expires": {t.Expires.UTC().Format(http.TimeFormat)}}}, nil
}

func (s *server) bulkFile(ctx context.Context, c Call) (Answer, error) {
	id, caller := c.Param("_jobId"), access.From(ctx)
	part, err := strconv.ParseInt(c.Param("part"), 10, 64)
	if err != nil {
		return Answer{}, notFound()
	}
	if err := s.Bulk.Has(ctx, caller, id, part); err != nil {
		return Answer{}, err
	}
	return Answer{Raw: func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", ndjson)
		defer patient{w}.end()
		if err := s.Bulk.Send(ctx, caller, id, part, patient{w}); err != nil {
			if !errors.Is(err, context.Canceled) {
				s.Log.Error("bulk file broken off", "request", c.Request, "error", err)
			}
			panic(http.ErrAbortHandler) // the client sees that the file is not whole
		}
	}}, nil
}

// patient gives a reader a minute for each portion, however many there are, and no more.
type patient struct{ http.ResponseWriter }

func (p patient) Write(b []byte) (int, error) {
	p.until(time.Now().Add(time.Minute))
	return p.ResponseWriter.Write(b)
}

// end lifts the limit: the connection goes on to other requests.
func (p patient) end() { p.until(time.Time{}) }

func (p patient) until(t time.Time) {
	_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(t) // a writer of a test knows none
}

// Subset keeps some elements of a resource, marked SUBSETTED.
func Subset(resource []byte, elements []string) ([]byte, error) {
	return subset(resource, "", elements)
}
