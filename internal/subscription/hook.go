package subscription

import (
	"bytes"
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
	"syscall"
	"time"
)

// hooks posts to the endpoints that the operator allows, and to nothing else.
type hooks struct {
	hosts  []string
	client *http.Client
}

var errAddress = errors.New("the address behind this name is not allowed")

func newHooks(hosts []string, roots *x509.CertPool) *hooks {
	h := &hooks{}
	for _, host := range hosts {
		if host = strings.ToLower(strings.TrimSpace(host)); host != "" {
			h.hosts = append(h.hosts, host)
		}
	}
	h.client = &http.Client{
		Transport: &http.Transport{
			Proxy: nil,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				host, _, err := net.SplitHostPort(addr)
				if err != nil || !h.named(host, addr) {
					return nil, errAddress
				}
				d := &net.Dialer{Timeout: 10 * time.Second}
				if !local(host) {
					d.Control = outward // what the name leads to now, not when it was checked
				}
				return d.DialContext(ctx, network, addr)
			},
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			MaxIdleConnsPerHost:    2,
			MaxIdleConns:           200,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h
}

// local says whether a host is this machine, by its name.
func local(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// outward refuses to connect to this machine and to link-local addresses under another name.
func outward(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := ap.Addr().Unmap(); ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || ip.IsInterfaceLocalMulticast() {
		return errAddress
	}
	return nil
}

// named says whether the operator has listed a host, with every port or this one.
func (h *hooks) named(host, addr string) bool {
	host, addr = strings.ToLower(host), strings.ToLower(addr)
	return slices.Contains(h.hosts, host) || slices.Contains(h.hosts, addr)
}

// checkEndpoint looks at the form of an endpoint.
func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(endpoint) > 2000 {
		return refuse("bad-endpoint", "Subscription.channel.endpoint", "the endpoint is an absolute https URL without user, password or fragment; secrets belong into channel.header", "接收地址须为完整的 https 地址，不含账号密码；密钥请放在 channel.header 中")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !local(u.Hostname())) {
		return refuse("https-only", "Subscription.channel.endpoint", "notifications go out over https only", "通知只能通过 https 发送")
	}
	return nil
}

func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// allowed says whether the operator lets notifications go there.
func (h *hooks) allowed(endpoint string) error {
	if err := checkEndpoint(endpoint); err != nil {
		return err
	}
	if len(h.hosts) == 0 {
		return refuse("hooks-off", "Subscription.channel.type", "rest-hook is switched off here: the operator names the hosts that may be notified (serve --hooks)", "本系统未开启 rest-hook，请联系运维人员登记可接收通知的主机")
	}
	u, _ := url.Parse(endpoint)
	addr := u.Host
	if u.Port() == "" {
		addr = net.JoinHostPort(u.Hostname(), map[string]string{"https": "443", "http": "80"}[u.Scheme])
	}
	if !h.named(u.Hostname(), addr) {
		return refuse("host-not-allowed", "Subscription.channel.endpoint", "this host is not on the operator's list (serve --hooks)", "该主机不在运维人员登记的名单内")
	}
	return nil
}

// send makes one request; what the endpoint says in its body does not matter, and is read for a little only.
func (h *hooks) send(ctx context.Context, method, address string, header http.Header, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "xinglin")
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/fhir+json; charset=utf-8")
	}
	res, err := h.client.Do(req)
	if err != nil {
		return plain(err)
	}
	defer res.Body.Close()
	io.CopyN(io.Discard, res.Body, 16<<10)
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return nil
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return fmt.Errorf("answered %d: redirects are not followed", res.StatusCode)
	}
	return fmt.Errorf("answered %d", res.StatusCode)
}

// plain says what went wrong without the address, which may hold a secret of the client.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case errors.Is(err, errAddress):
		return errAddress
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time")
	}
	return err
}
