package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// tlsConfig: TLS 1.2 with forward secrecy and authenticated ciphers, or 1.3.
func tlsConfig(c *certificate) *tls.Config {
	return &tls.Config{
		GetCertificate: c.get,
		MinVersion:     tls.VersionTLS12,
		CipherSuites: []uint16{ // of 1.2; those of 1.3 are all of this kind
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos: []string{"h2", "http/1.1"},
	}
}

// certificate is read again when its files change, so that a renewed one needs no restart. One that cannot be read
// leaves the old one in place.
type certificate struct {
	cert, key string
	log       *slog.Logger
	mu        sync.Mutex
	pair      *tls.Certificate
	stamp     string
	looked    time.Time
}

const certificateLook = 10 * time.Second

func loadCertificate(cert, key string, log *slog.Logger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, log: log}
	return c, c.load(time.Now())
}

func (c *certificate) load(now time.Time) error {
	c.looked = now
	stamp := ""
	for _, path := range []string{c.cert, c.key} {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("server: certificate: %w", err)
		}
		stamp += fmt.Sprint(info.ModTime().UnixNano(), ":", info.Size(), " ")
	}
	if stamp == c.stamp {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("server: certificate: %w", err)
	}
	if c.pair != nil {
		c.log.Info("certificate renewed", "until", pair.Leaf.NotAfter)
	}
	c.pair, c.stamp = &pair, stamp
	return nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= certificateLook {
		if err := c.load(now); err != nil {
			c.log.Error("certificate cannot be read again", "error", err)
		}
	}
	return c.pair, nil
}

// Names of the files of a certificate that the hub made for itself.
const (
	ownCert = "tls.pem"
	ownKey  = "tls.key"
)

const (
	ownValid = 365 * 24 * time.Hour
	ownRenew = 30 * 24 * time.Hour // before its end a new one is made at the start
)

// selfSigned keeps a certificate of our own beside the data: for trial, and for networks where its fingerprint is compared by hand.
func (o *Options) selfSigned() error {
	o.Cert, o.Key = filepath.Join(o.Data, ownCert), filepath.Join(o.Data, ownKey)
	names := o.ownNames()
	if pair, err := tls.LoadX509KeyPair(o.Cert, o.Key); err == nil && time.Until(pair.Leaf.NotAfter) > ownRenew && !slices.ContainsFunc(names, func(n string) bool { return pair.Leaf.VerifyHostname(n) != nil }) {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("server: own certificate: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("server: own certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return fmt.Errorf("server: own certificate: %w", err)
	}
	form := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: names[0], Organization: []string{"Xinglin, self-made"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(ownValid),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			form.IPAddresses = append(form.IPAddresses, ip)
		} else {
			form.DNSNames = append(form.DNSNames, n)
		}
	}
	cert, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("server: own certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("server: own certificate: %w", err)
	}
	for path, block := range map[string]*pem.Block{o.Key: {Type: "PRIVATE KEY", Bytes: secret}, o.Cert: {Type: "CERTIFICATE", Bytes: cert}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			return fmt.Errorf("server: own certificate: %w", err)
		}
	}
	return nil
}

// ownNames are the names and addresses under which this hub may be called.
func (o *Options) ownNames() []string {
	names := []string{"localhost"}
	add := func(n string) {
		if n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if u, err := url.Parse(o.BaseURL); err == nil {
		add(u.Hostname())
	}
	if host, err := os.Hostname(); err == nil {
		add(strings.ToLower(host))
	}
	host, _, _ := net.SplitHostPort(o.Listen)
	ip := net.ParseIP(host)
	if ip != nil && !ip.IsUnspecified() || ip == nil {
		add(host)
	}
	if host == "" || ip != nil && ip.IsUnspecified() {
		list, _ := net.InterfaceAddrs()
		for _, a := range list {
			if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() && len(names) < 20 {
				add(n.IP.String())
			}
		}
	}
	add("127.0.0.1")
	add("::1")
	return names
}

// Fingerprint is the SHA-256 of the certificate that is served, as browsers show it.
func (o Options) Fingerprint() (string, error) {
	text, err := os.ReadFile(o.Cert)
	if err != nil {
		return "", fmt.Errorf("server: certificate: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return "", errors.New("server: certificate: no PEM")
	}
	sum := sha256.Sum256(block.Bytes)
	var b strings.Builder
	for i, x := range sum {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(strings.ToUpper(hex.EncodeToString([]byte{x})))
	}
	return b.String(), nil
}

// redirect answers on plain HTTP: pages are led to HTTPS, everything else is refused, since it has already crossed the wire in plain.
func (o Options) redirect(ctx context.Context, target string) (stop func(), err error) {
	listener, err := listen(o.Redirect)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(target)
	fixed := ""
	if u, err := url.Parse(o.BaseURL); err == nil && u.Scheme == "https" {
		fixed = u.Host
	}
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host := fixed
			if host == "" {
				name := r.Host
				if h, _, err := net.SplitHostPort(r.Host); err == nil {
					name = h
				}
				name = strings.Trim(name, "[]")
				if !slices.Contains(o.ownNames(), strings.ToLower(name)) { // nobody chooses where we lead to
					http.Error(w, "not this host / 主机名不正确", http.StatusMisdirectedRequest)
					return
				}
				host = net.JoinHostPort(name, port)
			}
			w.Header().Set("Connection", "close")
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				http.Error(w, "use https / 请使用 https", http.StatusForbidden)
				return
			}
			path := r.URL.EscapedPath()
			if r.URL.RawQuery != "" {
				path += "?" + r.URL.RawQuery
			}
			w.Header().Set("Location", "https://"+host+"/"+strings.TrimLeft(path, "/\\"))
			w.WriteHeader(http.StatusPermanentRedirect)
		}),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 10 * time.Second, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	go srv.Serve(listener)
	return func() { srv.Close() }, nil
}
