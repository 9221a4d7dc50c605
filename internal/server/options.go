// Package server wires the house together and runs it.
package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Version is set at build time.
var Version = "dev"

// Options say where a hub keeps its data and how it answers.
type Options struct {
	Memory          bool        // a private database in memory, for tests; Data still takes files and journal
	Beside          bool        // for short commands: do not take the data folder, a server may hold it
	Data            string      // folder of the database, files, keys and the audit journal
	DB              string      // postgres://…; "" = SQLite in Data
	Blob            string      // file:///… or s3://…; "" = Data/files
	Seal            string      // aes or sm4; "off" = in plain; "" = as the database is, a new one by AES
	Master          string      // master key: file:…, env:…, exec:…, https://…; "" = Data/master.key, made for a new database
	Budget          int64       // bytes of memory to stay within, the database's caches included; 0 = 256 MB
	Clock           clock.Clock // business time; nil = the machine's
	Log             *slog.Logger
	Zone            *time.Location // of dates without a zone, fixed when the database is made
	Demo            bool           // a made-up region: the page says so
	Lenient         bool           // nobody is asked for a second factor; implied by Demo, for tests beside it
	Logins          string         // file of the hospitals' own logins (OpenID Connect); "" = none
	Listen          string         // host:port
	BaseURL         string         // of the FHIR API as others reach it, https://hub.example/fhir; "" = as each request says
	Cert            string         // TLS certificate and key files; "" = plain HTTP
	Key             string
	SelfSigned      bool           // TLS with a certificate of our own, kept in Data
	Redirect        string         // host:port of plain HTTP that leads to HTTPS; "" = none
	Proxies         []netip.Prefix // trusted proxies: their X-Forwarded-For counts
	Scrapers        []netip.Prefix // addresses that may read /metrics; nil = this machine only
	Traces          string         // OTLP over HTTP, http://collector:4318; "" = no traces
	PasswordCost    identity.Cost  // zero = the usual; tests make it cheap
	Hosts           []string       // hosts beyond this machine to which notices may be sent
	Hooks           []string       // hosts to which rest-hook subscriptions may be sent; none = they are refused
	AuditHash       string         // of a new audit chain: sha256 or sm3; "" = sha256
	AuditSignature  string         // of a new audit key: ecdsa or sm2; "" = what belongs to AuditHash
	AuditKey        string         // key file that signs checkpoints; "" = Data/audit.key
	AuditCopies     []string       // folders or addresses that also get the checkpoints
	AppHosts        []string       // hosts from which the public keys of apps may be fetched; none = keys are registered by value
	FullText        bool           // _text and _content are answered, by an index behind the log
	MLLP            string         // host:port on which the hospitals' own systems send HL7 v2; "" = none
	MLLPPeers       string         // file that says who may
	MLLPTLS         bool           // under the hub's certificate
	Senders         []hl7v2.Peer   // who may, without a file; for tests
	EnforceProfiles bool           // a write that breaks a profile which it claims is refused
}

// Errors that commands tell apart.
var (
	ErrBusy        = errors.New("another xinglin holds this data folder")
	ErrUnavailable = errors.New("database not reachable")
)

// dsn is what the store opens.
func (o Options) dsn() string {
	switch {
	case o.Memory:
		return ":memory:"
	case o.DB != "":
		return o.DB
	}
	return "file:" + o.Data
}

// Heap is the part of the memory that is left to everything but the database's caches.
func (o Options) Heap() int64 {
	budget := o.Budget
	if budget == 0 {
		budget = store.DefaultMemory
	}
	if o.SQLite() {
		return budget / 16 * 9
	}
	return budget / 16 * 14
}

// SQLite tells whether the database is the file in the data folder.
func (o Options) SQLite() bool { return o.DB == "" }

// Database names the database without its password.
func (o Options) Database() string {
	if o.DB == "" {
		return filepath.Join(o.Data, "xinglin.db")
	}
	u, err := url.Parse(o.DB)
	if err != nil {
		return "postgres"
	}
	return u.Redacted()
}

func (o *Options) complete() error {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Data == "" && o.DB == "" {
		return errors.New("server: neither a data folder nor a database is named")
	}
	if o.DB != "" && !strings.HasPrefix(o.DB, "postgres://") && !strings.HasPrefix(o.DB, "postgresql://") {
		return fmt.Errorf("server: database %q is not a postgres:// address", o.Database())
	}
	if o.Data == "" {
		o.Data = "xinglin-data" // keys, files and journal stay beside a database elsewhere
	}
	abs, err := filepath.Abs(o.Data)
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	o.Data = abs
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return fmt.Errorf("server: data folder: %w", err)
	}
	if o.SelfSigned {
		return o.selfSigned()
	}
	return nil
}
