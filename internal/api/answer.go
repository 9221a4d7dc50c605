package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Words is a name in both languages.
type Words struct {
	Zh string `json:"zh"`
	En string `json:"en"`
}

// Ref is a FHIR reference as the page shows it.
type Ref struct {
	Reference string `json:"reference"`
	Display   string `json:"display,omitempty"`
}

// AnswerTagged answers what seldom changes: who still holds it is told so by 304, in the way of If-None-Match.
func AnswerTagged(w http.ResponseWriter, r *http.Request, value any) {
	body, err := encode(value)
	if err != nil {
		Refuse(w, r, err)
		return
	}
	sum := sha256.Sum256(body)
	tag := `W/"` + hex.EncodeToString(sum[:12]) + `"`
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache") // kept, and asked about each time
	h.Add("Vary", "Cookie")
	if slices.Contains(strings.Split(strings.ReplaceAll(r.Header.Get("If-None-Match"), " ", ""), ","), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	Answer(w, http.StatusOK, body)
}

// encode is value as a line of JSON.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(value)
	return b.Bytes(), err
}

// Answer writes value as JSON; a *fhir.Node or raw JSON ([]byte) goes out as it is, nil has no body.
func Answer(w http.ResponseWriter, status int, value any) {
	var body []byte
	switch v := value.(type) {
	case nil:
		w.WriteHeader(status)
		return
	case *fhir.Node:
		body = v.JSON()
	case []byte:
		body = v
	default:
		var err error
		if body, err = encode(v); err != nil {
			slog.Error("api: encode answer", "error", err)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
	}
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// Refuse answers err as an OperationOutcome in the caller's language. It is the only place under
// /api that turns an error into an answer and, for our own faults, a log line.
func Refuse(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = fhir.Refuse(404, "not-found", "not-found", "not found, or not visible to you", "未找到，或您无权查看")
	case errors.Is(err, store.ErrGone):
		err = fhir.Refuse(410, "deleted", "deleted", "deleted", "已删除")
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrTryAgain):
		err = fhir.Refuse(409, "conflict", "changed-meanwhile", "changed by somebody else meanwhile; load it again", "内容已被他人更新，请刷新后再试")
	case errors.Is(err, context.Canceled):
		err = fhir.Refuse(499, "transient", "cancelled", "the client went away", "请求已取消")
	case errors.Is(err, context.DeadlineExceeded):
		err = fhir.Refuse(http.StatusServiceUnavailable, "timeout", "timeout", "the request took too long", "处理超时，请稍后再试")
	}
	request := r.Header.Get("X-Request-Id")
	outcome, status := fhir.Outcome(err, Lang(r), request)
	if status >= 500 {
		slog.Error("api: failed", "request", request, "method", r.Method, "route", r.Pattern, "error", err)
	}
	w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
	Answer(w, status, outcome)
}

// Lang is the language to answer in: Accept-Language when it names zh or en, else the account's, else zh.
func Lang(r *http.Request) string {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(strings.ToLower(part)), ";")
		base, _, _ := strings.Cut(tag, "-")
		if base == "zh" || base == "en" {
			return base
		}
	}
	if c := access.From(r.Context()); c != nil && c.Lang == "en" {
		return "en"
	}
	return "zh"
}

// loggedIn is the refusal of everything that needs a login.
var loggedIn = fhir.Refuse(401, "login", "login-required", "log in first", "请先登录")

// Caller returns who asks; when nobody is logged in it answers 401 and returns nil.
func Caller(w http.ResponseWriter, r *http.Request) *access.Caller {
	c := access.From(r.Context())
	if c == nil {
		Refuse(w, r, loggedIn)
	}
	return c
}

// Body reads a JSON body of at most limit bytes into value; unknown fields are refused.
func Body(w http.ResponseWriter, r *http.Request, limit int64, value any) error {
	if ct := r.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		return fhir.Refuse(415, "not-supported", "not-json", "send application/json", "请以 application/json 提交")
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	dec.DisallowUnknownFields()
	if err := dec.Decode(value); err != nil {
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			return fhir.Refuse(413, "too-long", "too-large", "the body is too large", "提交的内容过大")
		}
		return fhir.Refuse(400, "structure", "bad-json", "invalid JSON: "+err.Error(), "内容不是有效的 JSON")
	}
	return nil
}
