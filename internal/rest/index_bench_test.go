package rest_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/empi/people"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// BenchmarkPersons asks a hub of XINGLIN_PERSONS made-up records (10,000) by FHIR, as who sees all of them.
func BenchmarkPersons(b *testing.B) {
	h := newIndexed(b, storetest.Memory)
	records, _ := strconv.Atoi(os.Getenv("XINGLIN_PERSONS"))
	if records == 0 {
		records = 10_000
	}
	var asked []string
	var puts []store.Put
	write := func() {
		h.unit(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.PutAll(ctx, slices.Clone(puts))
			return err
		})
		puts = puts[:0]
	}
	for r := range people.Make(people.Options{Records: records}) {
		id := fmt.Sprint("r", len(asked))
		n := r.Patient(id, "Organization/"+r.Org)
		asked = append(asked, string(n.JSON()))
		ready, err := store.Prepare(n)
		if err != nil {
			b.Fatal(err)
		}
		if puts = append(puts, store.Put{Op: store.Update, Type: "Patient", ID: id, Custodian: "Organization/" + r.Org, Resource: ready}); len(puts) == 500 {
			write()
		}
	}
	write()
	h.settle()
	for _, c := range []struct{ name, method, url, body string }{
		{"match", "POST", "/Patient/$match", `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":%[2]s}]}`},
		{"read", "GET", "/Patient/r%[1]d", ""},
		{"Person by record", "GET", "/Person?link=Patient/r%[1]d", ""},
		{"everything", "GET", "/Patient/r%[1]d/$everything", ""},
		{"search by person", "GET", "/Patient?_id:person=r%[1]d", ""},
	} {
		b.Run(c.name, func(b *testing.B) {
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				at := i * 7919 % len(asked)
				url, body := c.url, c.body
				if strings.Contains(url, "%") {
					url = fmt.Sprintf(url, at)
				}
				if body != "" {
					body = strings.Replace(body, "%[2]s", asked[at], 1)
				}
				r := httptest.NewRequest(c.method, "http://hub.test/fhir"+url, strings.NewReader(body))
				r.Header.Set("Content-Type", "application/fhir+json")
				w := httptest.NewRecorder()
				begun := time.Now()
				h.handler.ServeHTTP(w, r.WithContext(access.With(r.Context(), system)))
				took = append(took, time.Since(begun))
				if w.Code != 200 {
					b.Fatal(w.Body.String())
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}
