package rest

import (
	"context"
	"errors"
	"net/http"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

func notFound() error {
	return fhir.Refuse(http.StatusNotFound, "not-found", "not-found", "no such resource, or none that you may see", "没有这条记录，或您无权查看")
}

func methodNotAllowed(allow string) error {
	return &allowing{fhir.Refuse(http.StatusMethodNotAllowed, "not-supported", "method-not-allowed", "here: "+allow, "此地址不支持该方法"), allow}
}

// allowing is a refusal that names what would be allowed.
type allowing struct {
	error
	allow string
}

func (a *allowing) Unwrap() error { return a.error }

func preconditionFailed(detail, text, zh string) error {
	return fhir.Refuse(http.StatusPreconditionFailed, "conflict", detail, text, zh)
}

// explain turns any error into one that can be shown.
func explain(err error) *fhir.Error {
	var shown *fhir.Error
	if errors.As(err, &shown) {
		if shown.Status == 0 {
			copied := *shown
			copied.Status = http.StatusBadRequest
			return &copied
		}
		return shown
	}
	for _, m := range []struct {
		is               error
		status           int
		code, detail     string
		english, chinese string
	}{
		{store.ErrNotFound, http.StatusNotFound, "not-found", "not-found", "no such resource, or none that you may see", "没有这条记录，或您无权查看"},
		{store.ErrGone, http.StatusGone, "deleted", "gone", "the resource has been deleted", "该记录已删除"},
		{store.ErrConflict, http.StatusConflict, "conflict", "version-conflict", "the resource has changed meanwhile; read it again", "该记录已被他人修改，请刷新后再试"},
		{store.ErrExists, http.StatusConflict, "duplicate", "exists", "this exists already", "已存在，不能重复建立"},
		{store.ErrMultiple, http.StatusPreconditionFailed, "multiple-matches", "multiple-matches", "the condition matches more than one resource", "条件匹配到多条记录"},
		{store.ErrTryAgain, http.StatusConflict, "transient", "try-again", "others were writing the same; send it again", "操作繁忙，请重试"},
		{context.DeadlineExceeded, http.StatusServiceUnavailable, "timeout", "timeout", "the request took too long", "处理超时，请稍后再试"},
		{context.Canceled, 499, "transient", "cancelled", "the client went away", "请求已取消"},
	} {
		if errors.Is(err, m.is) {
			return fhir.Refuse(m.status, m.code, m.detail, m.english, m.chinese)
		}
	}
	return fhir.Refuse(http.StatusInternalServerError, "exception", "internal", "internal error; the operators' log has the cause under the request id", "系统内部错误，请将请求编号告知管理员")
}

// outcome writes issues as an OperationOutcome in the caller's language.
func outcome(issues []fhir.Issue, lang, request string) *fhir.Node {
	n, _ := fhir.Outcome(&fhir.Error{Issues: issues}, lang, request)
	return n
}

// refusal is the one place where an error becomes an answer, a log line and an audit entry.
func (s *server) refusal(c *call, err error) *answer {
	e := explain(err)
	a := &answer{status: e.Status, body: outcome(e.Issues, c.lang, c.request).JSON()}
	var allow *allowing
	if errors.As(err, &allow) {
		a.allow = allow.allow
	}
	switch e.Status {
	case http.StatusServiceUnavailable:
		a.header = http.Header{"Retry-After": {"5"}}
	case http.StatusRequestTimeout:
		a.header = http.Header{"Connection": {"close"}}
	}
	what := c.what
	if what == "" {
		what = "unknown"
	}
	if e.Status >= 500 {
		s.Log.Error("fhir request failed", "what", what, "type", c.told(), "status", e.Status, "request", c.request, "error", err)
	} else {
		s.Log.Info("fhir request refused", "what", what, "type", c.told(), "status", e.Status, "code", e.Issues[0].Detail, "request", c.request)
	}
	if c.caller == nil || c.what == "" {
		return a
	}
	entry := c.entry(actionOf(c.what), target(c.typ, c.id))
	entry.Outcome = "4"
	if e.Status >= 500 {
		entry.Outcome = "8"
	}
	if err := s.Audit.Read(context.WithoutCancel(c.ctx), entry); err != nil {
		s.Log.Error("audit entry of a refusal could not be written", "request", c.request, "error", err)
	}
	return a
}

func actionOf(what string) string {
	switch what {
	case "create":
		return "C"
	case "update", "patch":
		return "U"
	case "delete":
		return "D"
	case "bundle", "batch", "transaction", "operation":
		return "E"
	}
	return "R"
}

func target(typ, id string) string {
	if id == "" {
		return typ
	}
	return typ + "/" + id
}

// entry begins the audit entry of this call.
func (c *call) entry(action, target string) audit.Entry {
	e := auditEntry(c.caller, c.request)
	e.Action, e.What, e.Target = action, c.what, target
	return e
}

// told is the type as it may stand in a log: whatever else somebody wrote in its place stays out.
func (c *call) told() string {
	if c.typ != "" && !spec.IsResource(c.typ) {
		return "unknown"
	}
	return c.typ
}
