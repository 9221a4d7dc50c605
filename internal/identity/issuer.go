package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/oauth2"

	"github.com/xinglin-health/xinglin/internal/clock"
)

// Issuer is a hospital's own login (OpenID Connect), as the operator has configured it. Nothing else is ever asked.
type Issuer struct {
	Slug        string   `toml:"slug"`        // in addresses: letters, digits, dashes
	Zh          string   `toml:"zh"`          // on the button
	En          string   `toml:"en"`          //
	Issuer      string   `toml:"issuer"`      // https://login.hospital.example
	ClientID    string   `toml:"client_id"`   //
	SecretFile  string   `toml:"secret_file"` // of the client; mode 0600
	Institution string   `toml:"institution"` // Organization/…: the roles that this login opens lie here or beneath
	Claim       string   `toml:"claim"`       // of the id_token: the staff number
	System      string   `toml:"system"`      // Practitioner.identifier.system of that number
	Strong      []string `toml:"strong"`      // values of acr or amr that count as second factor
	Scopes      []string `toml:"scopes"`      // beside openid
	Hosts       []string `toml:"hosts"`       // hosts beside the issuer's own that its discovery may name
	CAFile      string   `toml:"ca_file"`     // of its certificates, "" = the machine's

	secret string
	roots  *x509.CertPool
}

var slugForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`)

// ReadIssuers reads the hospitals' logins: [[login]] tables of a TOML file. Paths are relative to it.
func ReadIssuers(path string) ([]Issuer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("identity: hospital logins: %w", err)
	}
	var file struct {
		Login []Issuer `toml:"login"`
	}
	d := toml.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("identity: %s: %w", path, err)
	}
	at := func(name string) string {
		if filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(filepath.Dir(path), name)
	}
	seen := map[string]bool{}
	for n := range file.Login {
		i := &file.Login[n]
		if err := i.check(); err != nil {
			return nil, fmt.Errorf("identity: %s: login %q: %w", path, i.Slug, err)
		}
		if seen[i.Slug] {
			return nil, fmt.Errorf("identity: %s: login %q stands there twice", path, i.Slug)
		}
		seen[i.Slug] = true
		if i.SecretFile != "" {
			secret, err := os.ReadFile(at(i.SecretFile))
			if err != nil {
				return nil, fmt.Errorf("identity: %s: secret of %q: %w", path, i.Slug, err)
			}
			i.secret = strings.TrimSpace(string(secret))
		}
		if i.CAFile != "" {
			pem, err := os.ReadFile(at(i.CAFile))
			if err != nil {
				return nil, fmt.Errorf("identity: %s: certificates of %q: %w", path, i.Slug, err)
			}
			if i.roots = x509.NewCertPool(); !i.roots.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("identity: %s: %s holds no certificate", path, i.CAFile)
			}
		}
	}
	return file.Login, nil
}

func (i *Issuer) check() error {
	u, err := url.Parse(i.Issuer)
	switch {
	case !slugForm.MatchString(i.Slug):
		return errors.New("slug wants letters, digits and dashes")
	case err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		return errors.New("issuer wants an https address")
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return errors.New("issuer is an address without query, fragment or user")
	case i.ClientID == "":
		return errors.New("client_id is missing")
	case !strings.HasPrefix(i.Institution, "Organization/"):
		return errors.New("institution wants an Organization/…")
	case i.Claim == "" || i.System == "":
		return errors.New("claim and system say which staff number of whom the login names")
	case i.Claim == "email":
		return errors.New("an e-mail address is no staff number")
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// issuer is a configured login with what its discovery has said, read again each hour.
type issuer struct {
	Issuer
	client *http.Client
	wall   clock.Clock

	mu       sync.Mutex
	provider *oidc.Provider
	end      string // end_session_endpoint
	read     time.Time
	failed   time.Time
	why      error
}

const (
	discoveryLife = time.Hour
	discoveryRest = 5 * time.Second // after a failure
	mostFromThem  = 1 << 20
	skew          = time.Minute
)

func newIssuer(i Issuer, wall clock.Clock) *issuer {
	transport := &http.Transport{
		Proxy:                 nil,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: i.roots},
		ResponseHeaderTimeout: 10 * time.Second, MaxIdleConns: 4, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 5 * time.Second,
	}
	client := &http.Client{Timeout: 15 * time.Second, Transport: &onlyTheirs{i, transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("redirects are not followed") }}
	return &issuer{Issuer: i, client: client, wall: wall}
}

// onlyTheirs goes to the issuer's host, and to those that the operator has named beside it: what discovery says is not a way
// into the network.
type onlyTheirs struct {
	issuer Issuer
	next   http.RoundTripper
}

func (o *onlyTheirs) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := o.issuer.reaches(r.URL); err != nil {
		return nil, err
	}
	answer, err := o.next.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, mostFromThem), answer.Body}
	}
	return answer, err
}

func (i *Issuer) reaches(u *url.URL) error {
	home, err := url.Parse(i.Issuer)
	if err != nil {
		return err
	}
	if u.Host != home.Host && !slices.Contains(i.Hosts, u.Host) {
		return fmt.Errorf("host %s is not of this login", u.Host)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname()) && home.Scheme == "http") {
		return fmt.Errorf("%s is not https", u.Host)
	}
	return nil
}

// ready reads the issuer's discovery when that is due.
func (i *issuer) ready(ctx context.Context) (*oidc.Provider, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.wall.Now()
	if i.provider != nil && now.Sub(i.read) < discoveryLife {
		return i.provider, i.end, nil
	}
	if i.why != nil && now.Sub(i.failed) < discoveryRest {
		return nil, "", i.why
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), i.client), i.Issuer.Issuer)
	var more struct {
		End string `json:"end_session_endpoint"`
	}
	if err == nil {
		err = provider.Claims(&more)
	}
	if err == nil {
		for _, address := range []string{provider.Endpoint().AuthURL, provider.Endpoint().TokenURL} {
			u, parse := url.Parse(address)
			if parse != nil || i.reaches(u) != nil {
				err = fmt.Errorf("discovery names %q, which is not of this login", address)
			}
		}
	}
	if err != nil {
		i.failed, i.why = now, fmt.Errorf("identity: login %s: %w", i.Slug, err)
		if i.provider != nil {
			return i.provider, i.end, nil // what was said before still stands
		}
		return nil, "", i.why
	}
	if u, err := url.Parse(more.End); err != nil || i.reaches(u) != nil {
		more.End = ""
	}
	i.provider, i.end, i.read, i.why = provider, more.End, now, nil
	return provider, more.End, nil
}

func (i *issuer) config(p *oidc.Provider, callback string) oauth2.Config {
	return oauth2.Config{ClientID: i.ClientID, ClientSecret: i.secret, Endpoint: p.Endpoint(), RedirectURL: callback,
		Scopes: append([]string{oidc.ScopeOpenID}, i.Scopes...)}
}
