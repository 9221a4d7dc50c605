package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestASelfMadeCertificateServesIsKeptAndRenewedWhileServing(t *testing.T) {
	dir := t.TempDir()
	o := Options{Data: dir, Memory: true, SelfSigned: true, Listen: "127.0.0.1:0", Redirect: "127.0.0.1:0", PasswordCost: cheap, Log: slog.New(slog.DiscardHandler)}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Redirect = free.Addr().String()
	free.Close()
	h, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	begun, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- h.Serve(ctx, func(url string) { begun <- url }) }()
	url := <-begun
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		h.Close()
	}()
	if !strings.HasPrefix(url, "https://") {
		t.Fatalf("got %s; want https", url)
	}
	text, err := os.ReadFile(filepath.Join(dir, ownCert))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	ask := func(c *tls.Config) (*http.Response, error) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
		res, err := client.Get(url + "/readyz")
		if err == nil {
			res.Body.Close()
		}
		return res, err
	}
	res, err := ask(&tls.Config{RootCAs: pool})
	if err != nil || res.StatusCode != 200 || res.Header.Get("Strict-Transport-Security") == "" {
		t.Fatalf("got %v, %v; want an answer with HSTS", res, err)
	}
	if print, err := h.Fingerprint(); err != nil || len(print) != 95 {
		t.Errorf("fingerprint: got %q, %v", print, err)
	}
	for _, name := range []string{ownCert, ownKey} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v; want mode 0600", name, info, err)
		}
	}
	if _, err := ask(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
	if _, err := ask(&tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}); err == nil {
		t.Error("a cipher without authentication was taken")
	}

	// kept over a start, and for what it is called
	again := Options{Data: dir, Listen: o.Listen}
	if err := again.selfSigned(); err != nil {
		t.Fatal(err)
	}
	if now, _ := os.ReadFile(filepath.Join(dir, ownCert)); !bytes.Equal(now, text) {
		t.Error("the certificate was made anew")
	}
	again.BaseURL = "https://hub.example/fhir"
	if err := again.selfSigned(); err != nil {
		t.Fatal(err)
	}
	renewed, _ := os.ReadFile(filepath.Join(dir, ownCert))
	if bytes.Equal(renewed, text) {
		t.Error("the certificate does not name the hub's new address")
	}

	// renewed without a restart
	c, err := loadCertificate(filepath.Join(dir, ownCert), filepath.Join(dir, ownKey), o.Log)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := c.get(nil)
	again.BaseURL = "https://other.example/fhir"
	if err := again.selfSigned(); err != nil {
		t.Fatal(err)
	}
	c.looked = time.Now().Add(-time.Hour)
	second, _ := c.get(nil)
	if bytes.Equal(first.Certificate[0], second.Certificate[0]) || second.Leaf.VerifyHostname("other.example") != nil {
		t.Error("the renewed certificate is not served")
	}
	if err := os.WriteFile(filepath.Join(dir, ownCert), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.looked = time.Now().Add(-time.Hour)
	if third, err := c.get(nil); err != nil || third != second {
		t.Errorf("a broken renewal: got %v; want the old certificate", err)
	}

	// plain HTTP
	plain := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, c := range []struct {
		method, path, host string
		status             int
		location           string
	}{
		{"GET", "/referral?a=1", "", 308, url + "/referral?a=1"},
		{"GET", "//evil.example/x", "", 308, url + "/evil.example/x"},
		{"GET", "/", "evil.example", 421, ""},
		{"POST", "/api/login", "", 403, ""},
	} {
		req, _ := http.NewRequest(c.method, "http://"+o.Redirect+c.path, strings.NewReader(""))
		if c.host != "" {
			req.Host = c.host
		}
		res, err := plain.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.status || res.Header.Get("Location") != c.location {
			t.Errorf("%s %s: got %d %q; want %d %q", c.method, c.path, res.StatusCode, res.Header.Get("Location"), c.status, c.location)
		}
	}
}
