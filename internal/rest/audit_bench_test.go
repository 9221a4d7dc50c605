package rest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/rest"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// unheard is a trail that keeps nothing.
type unheard struct{}

func (unheard) Write(context.Context, *store.Tx, audit.Entry) error { return nil }
func (unheard) Read(context.Context, audit.Entry) error             { return nil }

// BenchmarkAuditOfARead reads by id over HTTP with 16 connections, in turns with the audit (journal, its codes, the
// sealer at work) and without, and reports the cost of the audit in per cent of a read.
func BenchmarkAuditOfARead(b *testing.B) {
	s := storetest.Memory(b, store.Options{Migrations: audit.Migrations})
	book, err := audit.Open(s, b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go book.Run(ctx)
	err = s.Update(ctx, func(tx *store.Tx) error {
		n, err := fhir.Parse([]byte(`{"resourceType":"Patient","id":"p1","name":[{"text":"张三","family":"张","given":["三"]}],"gender":"male","birthDate":"1970-01-01","address":[{"text":"某县某镇某村"}]}`))
		if err != nil {
			return err
		}
		p, err := s.Prepare(n)
		if err != nil {
			return err
		}
		_, err = tx.Put(ctx, store.Put{Op: store.Update, Type: "Patient", ID: "p1", Resource: p})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	caller := *system
	caller.Name, caller.Remote, caller.Session, caller.Purpose, caller.Org = "林一", "10.0.0.1", "s-1", "TREAT", ""
	door := func(log audit.Log) *httptest.Server {
		h := rest.New(rest.Options{Store: s, Audit: log})
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := caller
			h.ServeHTTP(w, r.WithContext(access.With(r.Context(), &c)))
		}))
	}
	with, without := door(book), door(unheard{})
	defer with.Close()
	defer without.Close()
	const clients, turn = 16, 1000
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	read := func(url string) time.Duration {
		began := time.Now()
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				for range turn / clients {
					res, err := client.Get(url + "/fhir/Patient/p1")
					if err != nil {
						b.Error(err)
						return
					}
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			})
		}
		all.Wait()
		return time.Since(began)
	}
	read(with.URL)
	read(without.URL)
	var audited, bare time.Duration
	b.ResetTimer()
	for b.Loop() {
		audited += read(with.URL)
		bare += read(without.URL)
	}
	b.ReportMetric(float64(audited-bare)/float64(bare)*100, "%audit")
	b.ReportMetric(float64(bare.Microseconds())/float64(b.N*(turn/clients*clients)), "µs/read-bare")
}
