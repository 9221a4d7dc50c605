package smart

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ory/fosite"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/store"
)

//go:embed rules.json
var rulesJSON []byte

// Rules are how long what lasts.
type Rules struct {
	AccessSeconds    int `json:"accessSeconds"`
	SystemSeconds    int `json:"systemSeconds"` // access tokens of Backend Services
	CodeSeconds      int `json:"codeSeconds"`
	LaunchSeconds    int `json:"launchSeconds"`
	RefreshDays      int `json:"refreshDays"`
	AssertionSeconds int `json:"assertionSeconds"` // the longest that a client's signed assertion may be valid
	KeyDays          int `json:"keyDays"`          // a new signing key after so long
}

// Options of New. Store, Identity and Tree must be given.
type Options struct {
	Store    *store.Store
	Identity *identity.Service
	Tree     *access.Tree
	Audit    audit.Log
	Wall     clock.Clock    // machine time: tokens, assertions, keys; nil = the machine's
	BaseURL  string         // of the FHIR API as others reach it; "" = this machine and Listen only, as each request says
	Listen   string         // address of the page, http://hub:8080, where BaseURL is not given
	Hosts    []string       // hosts from which the keys of apps may be fetched; none = keys are registered by value only
	Roots    *x509.CertPool // of those hosts; nil = the system's
	Log      *slog.Logger

	// Note writes the audit entry of a change in its transaction. nil = none, for tests.
	Note func(ctx context.Context, tx *store.Tx, action, what, target string) error
}

// Service keeps apps, what people let them do, and their tokens.
type Service struct {
	Options
	Rules    Rules
	provider *fosite.Fosite
	keys     *keyring
	fetch    *fetcher

	mu      sync.Mutex
	known   map[[32]byte]*kept // access tokens, by hash
	origins map[string]bool    // of apps that are let in by browsers
	asOf    time.Time          // of origins
}

// recheck is how long a process trusts what it has read about a token or an app.
const recheck = 5 * time.Second

// New makes the service; its tables come from Migrations.
func New(o Options) *Service {
	if o.Wall == nil {
		o.Wall = clock.System
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Service{Options: o, known: map[[32]byte]*kept{}}
	if err := json.Unmarshal(rulesJSON, &s.Rules); err != nil {
		panic(err) // embedded
	}
	s.keys = &keyring{s: s}
	s.fetch = newFetcher(o.Hosts, o.Roots, o.Wall)
	s.provider = s.newProvider()
	return s
}

func (s *Service) note(ctx context.Context, tx *store.Tx, action, what, target string) error {
	if s.Note == nil {
		return nil
	}
	return s.Note(ctx, tx, action, what, target)
}

var noAddress = fhir.Refuse(http.StatusServiceUnavailable, "processing", "base-url-needed",
	"apps need to know one address of this hub: the operator sets --base-url", "应用接入需要固定地址，请运维人员设置 --base-url")

// Base is the FHIR address under which a request came. A name that a client made up is none: without --base-url only
// this machine and the address that is listened on count, or an assertion meant for another hub would do here.
func (s *Service) Base(r *http.Request) (string, error) {
	if s.BaseURL != "" {
		return strings.TrimSuffix(s.BaseURL, "/"), nil
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	if host != "localhost" && (ip == nil || !ip.IsLoopback()) && scheme+r.Host != s.Listen {
		return "", noAddress
	}
	return scheme + r.Host + "/fhir", nil
}

// issuer is the address of the hub itself, of which /fhir is a part.
func issuer(base string) string { return strings.TrimSuffix(base, "/fhir") }

func secret(prefix string) string {
	var b [32]byte
	rand.Read(b[:])
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

func hashOf(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

// originOf is scheme and host of an address, "" when it has none that a browser would say.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return u.Scheme + "://" + strings.ToLower(u.Host)
}

// forget drops what is remembered of tokens and apps.
func (s *Service) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.known)
	s.origins = nil
}
