// Package rest is the FHIR API, one file per interaction.
package rest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/bulk"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/subscription"
)

// Options of New. Store and Audit must be given.
type Options struct {
	Store       *store.Store
	Audit       audit.Log
	Clock       clock.Clock    // nil = the machine's
	Zone        *time.Location // of zoneless dates in searches; nil = Asia/Shanghai
	BaseURL     string         // as clients see it, https://hub.example/fhir; "" = from each request
	Version     string         // of this program, for the capability statement
	Operations  []Operation
	Terminology Terminology // nil = no $expand and its like

	MaxBody      int64         // bytes of one resource; 0 = 16 MB
	MaxBundle    int64         // bytes of a batch or transaction; 0 = 64 MB
	BodyIdle     time.Duration // the longest that a body may pause; 0 = 20 s
	DefaultCount int           // page size; 0 = 50
	MaxCount     int           // 0 = 1000

	Terms search.Terms // for :in, :below and :above of codes; nil = only the value sets of R4 itself

	Within func(org, top string) bool // is org at or beneath top; nil = equality only

	Trail *audit.Desk // shows the audit as AuditEvents and lets nobody write them; nil = AuditEvents are resources as others

	Subscriptions *subscription.Engine // nil = Subscriptions are stored and nothing more
	Bulk          *bulk.Room           // $export and $import; nil = none

	Conformance Conformance                     // invariants and profiles for $validate; nil = R4's structure only
	Enforce     func(n *fhir.Node) []fhir.Issue // refuses a write that breaks a profile which it claims; nil = such writes are let through

	Persons *empi.Index // which records are of one person; nil = Persons are resources as others, and nobody is matched

	Apps bool // there is a SMART authorisation server beside: the capability statement names it

	AllowDangling bool // do not refuse references to local resources that do not exist

	Log     *slog.Logger                                  // nil = slog.Default()
	Observe func(ctx context.Context, interaction string) // told once a request which interaction it was; may be nil
}

// Operation hangs under /fhir/Type/$name, or /fhir/Type/{id}/$name when it is for an instance.
// Handle does its own access rules and leaves its own audit entry.
type Operation struct {
	Type, Name string // Type "" = /fhir/$name, "*" = every type; Name without the "$"
	Instance   bool
	Safe       bool     // changes nothing: GET will do, and it may stand in a bundle
	Methods    []string // further methods that will do beside POST, for what is not Safe: GET, DELETE
	Files      bool     // answers with files of their own kind: Accept is not looked at
	Doc        string   // for the capability statement
	Handle     func(ctx context.Context, c Call) (Answer, error)
}

// Call is one invocation of an operation.
type Call struct {
	Type, ID, Name string
	Method         string
	Body           *fhir.Node // as sent: Parameters or a resource; nil when none was sent
	Query          []search.Param
	Scope          search.Scope // what this call may read
	Base           string       // absolute URL of /fhir
	Lang           string       // "zh" or "en"
	Prefer         []string     // of the header
	Key            string       // Idempotency-Key
	IfMatch        string       // as sent: W/"3"
	Request        string       // request id
}

// Answer of an operation. Version or Body is shown; Status 0 is 200.
type Answer struct {
	Status  int
	Version *store.Version
	Body    *fhir.Node
	Header  http.Header                 // more headers; Content-Location and others
	Raw     func(w http.ResponseWriter) // writes the body itself, with its Content-Type; Body and Version are nil then
	Audit   *audit.Entry                // of a read, recorded before the answer leaves; nil = Handle left its own
}

// server is the handler; its methods are the interactions.
type server struct {
	Options
	writer     *Bundles
	intake     *intake
	capability capability
}

// New returns the handler for /fhir and everything below.
func New(o Options) http.Handler {
	setDefaults(&o)
	o.Operations = append(slices.Clip(o.Operations), subscriptionOperations(o)...)
	if o.Terminology != nil {
		o.Operations = append(slices.Clip(o.Operations), terminologyOperations(o.Terminology)...)
	}
	s := &server{Options: o, writer: NewBundles(o), intake: newIntake(&o)}
	s.Operations = append(slices.Clone(o.Operations), s.own()...)
	gzip, err := gzhttp.NewWrapper(gzhttp.MinSize(4096), gzhttp.CompressionLevel(1))
	if err != nil {
		panic(err) // constant options
	}
	return gzip(s)
}

func setDefaults(o *Options) {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Zone == nil {
		o.Zone, _ = time.LoadLocation("Asia/Shanghai")
		if o.Zone == nil {
			o.Zone = time.FixedZone("Asia/Shanghai", 8*3600)
		}
	}
	if o.MaxBody == 0 {
		o.MaxBody = 16 << 20
	}
	if o.MaxBundle == 0 {
		o.MaxBundle = 64 << 20
	}
	if o.BodyIdle == 0 {
		o.BodyIdle = 20 * time.Second
	}
	if o.DefaultCount == 0 {
		o.DefaultCount = 50
	}
	if o.MaxCount == 0 {
		o.MaxCount = 1000
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

// call is one interaction, whether it came as a request of its own or as an entry of a batch.
type call struct {
	ctx     context.Context
	caller  *access.Caller
	request string // id, quoted in messages and in the audit entry
	base    string // absolute URL of /fhir
	lang    string // "zh" or "en"

	what    string // interaction, as audited and measured
	method  string
	typ, id string
	within  *search.Compartment // of the address Patient/1/Observation
	vid     string
	query   []search.Param
	body    *fhir.Node
	raw     []byte // as sent; for Idempotency-Key
	key     string // Idempotency-Key
	ifMatch string
	ifNone  string // If-None-Match
	ifSince string // If-Modified-Since
	ifExist string // If-None-Exist

	provenance *fhir.Node // X-Provenance
	prefer     prefer
	preferred  []string     // the header itself, for operations
	scope      search.Scope // what this call may read
	operator   *Operation
	repeated   bool // answered from memory: the Idempotency-Key was used before

	patience func(time.Time) // until when the next piece of the body must come
	held     []func()        // what is given back at the end
}

// answer is what an interaction gives back.
type answer struct {
	status   int
	version  *store.Version // ETag and Last-Modified
	location string         // below base: Patient/1/_history/1
	body     []byte
	allow    string
	audit    *audit.Entry // of a read; nil when a write left its entry already
	header   http.Header
	raw      func(http.ResponseWriter)
}

type prefer struct {
	answer string // minimal, representation, OperationOutcome
	strict bool
}

func readPrefer(values []string) prefer {
	var p prefer
	for _, v := range values {
		for part := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
			switch part {
			case "return=minimal", "return=representation", "return=OperationOutcome":
				p.answer = strings.TrimPrefix(part, "return=")
			case "handling=strict":
				p.strict = true
			case "handling=lenient":
				p.strict = false
			}
		}
	}
	return p
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	c := &call{ctx: r.Context(), caller: access.From(r.Context()), method: r.Method}
	c.request = requestID(w, r)
	c.lang = language(r, c.caller)
	c.base = s.base(r)
	c.preferred = r.Header.Values("Prefer")
	c.prefer = readPrefer(c.preferred)
	deadline := http.NewResponseController(w)
	c.patience = func(until time.Time) { _ = deadline.SetReadDeadline(until) } // where the connection has none, the server's own holds
	defer c.release()
	a, err := s.serve(c, r)
	if err != nil {
		a = s.refusal(c, err)
	}
	if err == nil {
		if a.body, err = c.least(a.body); err != nil {
			a = s.refusal(c, err)
		}
	}
	if a.audit != nil {
		if err := s.Audit.Read(c.ctx, *a.audit); err != nil {
			a = s.refusal(c, err) // what cannot be recorded is not shown
		}
	}
	s.send(w, c, a)
	took := time.Since(start)
	if s.Observe != nil {
		s.Observe(c.ctx, c.what)
	}
	if a.status < 500 { // refusal has logged the others with their cause
		s.Log.Debug("fhir", "what", c.what, "type", c.told(), "status", a.status, "took", took, "request", c.request)
	}
}

func (s *server) base(r *http.Request) string {
	if s.BaseURL != "" {
		return strings.TrimSuffix(s.BaseURL, "/")
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host + "/fhir"
}

// send writes the one answer of a request.
func (s *server) send(w http.ResponseWriter, c *call, a *answer) {
	h := w.Header()
	if a.version != nil && a.version.VID > 0 {
		h.Set("ETag", etag(a.version.VID))
		if !a.version.Updated.IsZero() {
			h.Set("Last-Modified", a.version.Updated.UTC().Format(http.TimeFormat))
		}
	}
	if a.location != "" {
		h.Set("Location", c.base+"/"+a.location)
	}
	if a.allow != "" {
		h.Set("Allow", a.allow)
	}
	if c.what == "patch" && a.status == http.StatusUnsupportedMediaType {
		h["Accept-Patch"] = acceptPatch
	}
	for name, values := range a.header {
		h[name] = values
	}
	if c.repeated {
		h.Set("Idempotent-Replayed", "true")
	}
	if a.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="xinglin"`)
	}
	if len(a.body) > 0 && h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/fhir+json; charset=utf-8")
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	if c.what != "capabilities" {
		h.Set("Cache-Control", "no-store") // wards share their computers
	}
	h.Add("Vary", "Accept, Accept-Language, Authorization, Cookie")
	if a.raw != nil {
		a.raw(w)
		return
	}
	w.WriteHeader(a.status)
	if c.method != http.MethodHead && a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		w.Write(a.body)
	}
}

// serve finds the interaction that a request means and performs it.
func (s *server) serve(c *call, r *http.Request) (*answer, error) {
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, "/fhir"), "/")
	var seg []string
	if path != "" {
		seg = strings.Split(path, "/")
	}
	var err error
	if c.query, err = search.ParseQuery(r.URL.RawQuery); err != nil {
		return nil, err
	}
	interaction, err := s.route(c, seg)
	if err != nil {
		return nil, err
	}
	if c.typ == auditEvent && s.Trail != nil && c.what != "operation" {
		interaction = s.trail
	}
	if s.personal(c) {
		interaction = s.person
	}
	content := c.what == "read" && c.typ == "Binary" && wantsContent(r, c.query)
	if !content && (c.operator == nil || !c.operator.Files) {
		if err := checkAccept(r, c.query); err != nil {
			return nil, err
		}
	}
	if c.what == "capabilities" {
		return interaction(c)
	}
	if c.caller == nil {
		return nil, fhir.Refuse(http.StatusUnauthorized, "login", "login-required", "log in or send a bearer token", "请先登录")
	}
	c.scope = c.caller.Scope
	c.ifMatch, c.ifNone = r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	c.ifSince, c.ifExist = r.Header.Get("If-Modified-Since"), r.Header.Get("If-None-Exist")
	if c.key = r.Header.Get("Idempotency-Key"); len(c.key) > 200 || c.method != http.MethodPost {
		c.key = ""
	}
	if c.provenance, err = provenanceOf(r.Header.Get("X-Provenance")); err != nil {
		return nil, err
	}
	if err := s.readBody(c, r); err != nil {
		return nil, err
	}
	a, err := interaction(c)
	if err == nil && content {
		err = c.content(r, a)
	}
	return a, err
}

// route names the interaction in c.what and returns the method that performs it.
func (s *server) route(c *call, seg []string) (func(*call) (*answer, error), error) {
	get := c.method == http.MethodGet || c.method == http.MethodHead
	if len(seg) > 0 && seg[0] != "" && seg[0][0] != '_' && seg[0][0] != '$' && seg[0] != "metadata" {
		c.typ = seg[0]
		if !spec.IsResource(c.typ) {
			return nil, fhir.Refuse(http.StatusNotFound, "not-supported", "unknown-type", "no such resource type in FHIR R4", "没有这种资源类型")
		}
		if len(seg) > 1 && seg[1] != "" && seg[1][0] != '_' && seg[1][0] != '$' {
			c.id = seg[1]
			if !validID(c.id) {
				return nil, fhir.Refuse(http.StatusNotFound, "not-found", "not-found", "no resource can have this id", "没有这条记录")
			}
		}
	}
	shape := shapeOf(c, seg)
	if rest, ok := strings.CutPrefix(shape, "T/I/C"); ok {
		if c.within = (&search.Compartment{Type: c.typ, ID: c.id}); seg[2] == "*" {
			seg[2] = ""
		}
		c.typ, c.id, shape = seg[2], "", "C"+rest
	}
	switch {
	case shape == "metadata" && get:
		c.what = "capabilities"
		return s.capabilities, nil
	case shape == "" && c.method == http.MethodPost:
		c.what = "bundle"
		return s.bundle, nil
	case (shape == "" || shape == "_search") && (get || shape == "_search" && c.method == http.MethodPost):
		c.what = "search-system"
		return s.search, nil
	case shape == "C" && get || shape == "C/_search" && (get || c.method == http.MethodPost):
		c.what = "search-compartment"
		return s.search, nil
	case (shape == "T" && get) || (shape == "T/_search" && (get || c.method == http.MethodPost)):
		c.what = "search-type"
		return s.search, nil
	case shape == "_history" && get:
		c.what = "history-system"
		return s.history, nil
	case shape == "T/_history" && get:
		c.what = "history-type"
		return s.history, nil
	case shape == "T/I/_history" && get:
		c.what = "history-instance"
		return s.history, nil
	case shape == "T/I/_history/V" && get:
		c.what, c.vid = "vread", seg[3]
		return s.vread, nil
	case shape == "T/I" && get:
		c.what = "read"
		return s.read, nil
	case shape == "T" && c.method == http.MethodPost:
		c.what = "create"
		return s.create, nil
	case (shape == "T/I" || shape == "T") && c.method == http.MethodPut:
		c.what = "update"
		return s.update, nil
	case (shape == "T/I" || shape == "T") && c.method == http.MethodDelete:
		c.what = "delete"
		return s.delete, nil
	case (shape == "T/I" || shape == "T") && c.method == http.MethodPatch:
		c.what = "patch"
		return s.patch, nil
	case strings.HasSuffix(shape, "$"):
		return s.operation(c, seg)
	}
	allow := map[string]string{"": "GET, POST", "metadata": "GET", "_history": "GET", "_search": "GET, POST", "T": "GET, POST, PUT, PATCH, DELETE", "T/_search": "GET, POST", "C": "GET", "C/_search": "GET, POST",
		"T/I": "GET, PUT, PATCH, DELETE", "T/_history": "GET", "T/I/_history": "GET", "T/I/_history/V": "GET"}[shape]
	if allow == "" {
		return nil, fhir.Refuse(http.StatusNotFound, "not-supported", "unknown-address", "nothing is at this address", "没有这个地址")
	}
	return nil, methodNotAllowed(allow)
}

// shapeOf writes a path with T for a type, I for an id, V for a version, $ for an operation, C for the type that is
// searched in a compartment.
func shapeOf(c *call, seg []string) string {
	out := slices.Clone(seg)
	if c.typ != "" {
		out[0] = "T"
	}
	if c.id != "" {
		out[1] = "I"
	}
	if len(out) == 4 && out[2] == "_history" {
		out[3] = "V"
	}
	if c.id != "" && len(out) > 2 && (out[2] == "*" || spec.IsResource(out[2])) {
		out[2] = "C"
	}
	if n := len(out); n > 0 && strings.HasPrefix(out[n-1], "$") {
		out[n-1] = "$"
	}
	return strings.Join(out, "/")
}

func validID(id string) bool {
	if len(id) == 0 || len(id) > 64 {
		return false
	}
	for _, r := range id {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' {
			return false
		}
	}
	return true
}

func requestID(w http.ResponseWriter, r *http.Request) string {
	id := w.Header().Get("X-Request-Id")
	if id == "" {
		id = r.Header.Get("X-Request-Id")
	}
	if len(id) > 64 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != "" {
		id = ""
	}
	if id == "" {
		var b [8]byte
		rand.Read(b[:])
		id = hex.EncodeToString(b[:])
	}
	w.Header().Set("X-Request-Id", id)
	return id
}

func language(r *http.Request, caller *access.Caller) string {
	header := strings.ToLower(r.Header.Get("Accept-Language"))
	zh, en := strings.Index(header, "zh"), strings.Index(header, "en")
	switch {
	case zh >= 0 && (en < 0 || zh < en):
		return "zh"
	case en >= 0:
		return "en"
	case caller != nil && caller.Lang != "":
		return caller.Lang
	}
	return "zh"
}
