package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// patience is how long requests under way may take when the server stops.
const patience = 20 * time.Second

// Serve answers on the listening address until ctx ends, then finishes what it began.
// started is called once with the address in the form that a browser takes.
func (h *Hub) Serve(ctx context.Context, started func(url string)) error {
	listener, err := listen(h.Listen)
	if err != nil {
		return err
	}
	scheme := "http"
	srv := &http.Server{
		Handler:           h.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Minute, // large bundles and files over thin lines
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(h.Log.Handler(), slog.LevelWarn),
	}
	if h.Cert != "" {
		pair, err := loadCertificate(h.Cert, h.Key, h.Log)
		if err != nil {
			listener.Close()
			return err
		}
		scheme = "https"
		srv.TLSConfig = tlsConfig(pair)
		if h.Redirect != "" {
			stop, err := h.redirect(ctx, listener.Addr().String())
			if err != nil {
				listener.Close()
				return err
			}
			defer stop()
		}
	}
	srv.RegisterOnShutdown(h.end)
	done := make(chan error, 1)
	go func() {
		if srv.TLSConfig != nil {
			done <- srv.ServeTLS(listener, "", "")
		} else {
			done <- srv.Serve(listener)
		}
	}()
	h.Start(ctx)
	if err := h.listenMLLP(ctx); err != nil {
		srv.Close()
		<-done
		return err
	}
	h.ready.Store(true)
	url := scheme + "://" + browsable(listener.Addr().String())
	h.Log.Info("serving", "address", url, "database", h.Database(), "version", Version)
	if started != nil {
		started(url)
	}
	select {
	case err := <-done:
		return fmt.Errorf("server: %w", err)
	case <-ctx.Done():
	}
	h.ready.Store(false)
	h.Log.Info("stopping")
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		h.Log.Warn("requests cut off", "error", err)
		srv.Close()
	}
	if err := <-done; err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("server: %w", err)
	}
	return nil
}

func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("server: another program listens on %s; choose another address with --listen (make: LISTEN=) / 端口已被占用，请换一个", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("server: listen: %w", err)
	}
	return l, nil
}

// browsable turns a wildcard address into one that opens on this machine.
func browsable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
