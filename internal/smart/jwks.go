package smart

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
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v3"

	"github.com/xinglin-health/xinglin/internal/clock"
)

// fetcher reads the public keys of apps from the hosts that the operator lists, and from nowhere else.
type fetcher struct {
	hosts  []string
	client *http.Client
	wall   clock.Clock

	mu   sync.Mutex
	kept map[string]fetched
}

type fetched struct {
	set *jose.JSONWebKeySet
	err error
	at  time.Time
}

const (
	keysFor   = 10 * time.Minute // how long fetched keys are used
	keysAgain = 30 * time.Second // how soon they are asked for again, whatever an unknown key says
	maxKeys   = 64 << 10
)

var errAddress = errors.New("the address behind this name is not allowed")

func newFetcher(hosts []string, roots *x509.CertPool, wall clock.Clock) *fetcher {
	f := &fetcher{wall: wall, kept: map[string]fetched{}}
	for _, h := range hosts {
		if h = strings.ToLower(strings.TrimSpace(h)); h != "" {
			f.hosts = append(f.hosts, h)
		}
	}
	f.client = &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			Proxy: nil,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				host, _, err := net.SplitHostPort(addr)
				if err != nil || !f.named(host, addr) {
					return nil, errAddress
				}
				d := &net.Dialer{Timeout: 3 * time.Second}
				if _, err := netip.ParseAddr(host); err != nil {
					d.Control = outward // what the name leads to now; an address that is listed itself is meant
				}
				return d.DialContext(ctx, network, addr)
			},
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    3 * time.Second,
			MaxResponseHeaderBytes: 32 << 10,
			DisableKeepAlives:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return f
}

// outward refuses to connect to this machine and to private networks under another name.
func outward(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := ap.Addr().Unmap(); ip.IsLoopback() || ip.IsPrivate() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || ip.IsInterfaceLocalMulticast() {
		return errAddress
	}
	return nil
}

func (f *fetcher) named(host, addr string) bool {
	return slices.Contains(f.hosts, strings.ToLower(host)) || slices.Contains(f.hosts, strings.ToLower(addr))
}

// check says whether keys may be fetched from there.
func (f *fetcher) check(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(address) > 500 {
		return bad("bad-keys-address", "the address of keys is https, without password or fragment", "公钥地址须为 https，不含账号密码")
	}
	addr := u.Host
	if u.Port() == "" {
		addr = net.JoinHostPort(u.Hostname(), "443")
	}
	if !f.named(u.Hostname(), addr) {
		return bad("host-not-allowed", "this host is not on the operator's list (--app-hosts)", "该主机不在运维人员登记的名单内（--app-hosts）")
	}
	return nil
}

// keys reads the keys of an app. fresh asks again although they are known, but not too often.
func (f *fetcher) keys(ctx context.Context, address string, fresh bool) (*jose.JSONWebKeySet, error) {
	now := f.wall.Now()
	f.mu.Lock()
	k, ok := f.kept[address]
	f.mu.Unlock()
	if age := now.Sub(k.at); ok && age >= 0 && (age < keysAgain || k.err == nil && !fresh && age < keysFor) {
		return k.set, k.err
	}
	if err := f.check(address); err != nil {
		return nil, err
	}
	k = fetched{at: now}
	k.set, k.err = f.read(ctx, address)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.kept) > 1000 {
		clear(f.kept)
	}
	f.kept[address] = k
	return k.set, k.err
}

func (f *fetcher) read(ctx context.Context, address string) (*jose.JSONWebKeySet, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("smart: keys: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	res, err := f.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("smart: keys: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("smart: keys: answer %d", res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxKeys+1))
	if err != nil || len(text) > maxKeys {
		return nil, errors.Join(errors.New("smart: keys: answer is too long or broken"), err)
	}
	return readKeys(text)
}
