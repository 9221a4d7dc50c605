package store_test

import (
	"bytes"
	"context"
	"math"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// queries writes the searches that must lead to an entry.
func queries(e *index.Entry) []string {
	esc := func(s string) string {
		return url.QueryEscape(strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`).Replace(s))
	}
	code := e.Param.Code
	if e.Param.Type == spec.Token && e.Text != "" && !e.Param.Sealed {
		plain := *e
		plain.Text = ""
		start := []rune(strings.TrimSpace(e.Text))
		q := append(queries(&plain), code+":text="+esc(string(start[:min(len(start), 12)])))
		return q
	}
	if len(e.Types) > 0 {
		plain, t := *e, e.Types[0]
		plain.Types = nil
		return append(queries(&plain), code+":of-type="+esc(t.System)+"|"+esc(t.Code)+"|"+esc(e.Code))
	}
	micros := func(v int64) string {
		return url.QueryEscape(time.UnixMicro(v).UTC().Format("2006-01-02T15:04:05.000000Z"))
	}
	switch e.Param.Type {
	case spec.Token:
		switch {
		case e.Code == "" && e.System == "":
			return []string{code + ":missing=false"}
		case e.Code == "":
			return []string{code + "=" + esc(e.System) + "|"}
		case e.Param.Sealed && e.System == "":
			return []string{code + "=" + esc(e.Code)}
		}
		return []string{code + "=" + esc(e.Code), code + "=" + esc(e.System) + "|" + esc(e.Code)}
	case spec.String:
		q := []string{code + ":exact=" + esc(e.Text)}
		if !e.Param.Sealed {
			start := []rune(strings.TrimSpace(e.Text))
			q = append(q, code+"="+esc(string(start[:min(len(start), 12)])))
		}
		return q
	case spec.Date:
		var q []string
		if year := time.UnixMicro(e.Low).Year(); e.Low != math.MinInt64 && year > 0 && year < 9999 {
			q = append(q, code+"=ge"+micros(e.Low))
		}
		if year := time.UnixMicro(e.High).Year(); e.High != math.MaxInt64 && year > 0 && year < 9999 {
			q = append(q, code+"=le"+micros(e.High))
		}
		return q
	case spec.Number:
		return []string{code + "=" + esc(strconv.FormatFloat(e.Value, 'f', -1, 64))}
	case spec.Quantity:
		v := strconv.FormatFloat(e.Value, 'f', -1, 64)
		if e.Interval {
			return []string{code + "=ap" + v, code + "=ge" + v, code + "=le" + v}
		}
		q := []string{code + "=" + v, code + "=ge" + v}
		if e.Code != "" {
			q = append(q, code+"="+v+"|"+esc(e.System)+"|"+esc(e.Code))
		}
		return q
	case spec.Reference:
		switch {
		case e.RefType != "":
			return []string{code + "=" + e.RefType + "/" + e.RefID, code + ":" + e.RefType + "=" + e.RefID}
		case e.URI != "" && strings.Contains(e.URI, ":"):
			return []string{code + "=" + esc(e.URI)}
		case e.Code != "":
			return []string{code + ":identifier=" + esc(e.System) + "|" + esc(e.Code)}
		}
	case spec.URI:
		return []string{code + "=" + esc(e.URI)}
	case spec.Composite:
		var parts []string
		for i := range e.Parts {
			q := queries(&e.Parts[i])
			if len(q) == 0 {
				return nil
			}
			_, value, _ := strings.Cut(q[0], "=")
			parts = append(parts, value)
		}
		return []string{code + "=" + strings.Join(parts, "$"), code + ":missing=false"}
	}
	return nil
}

// Whatever is extracted from HL7's own examples is found again by a search for it.
func TestWhatIsExtractedIsFound(t *testing.T) { storetest.Both(t, extractedIsFound) }

func extractedIsFound(t *testing.T, open storetest.Open) {
	ctx := context.Background()
	s := open(t, store.Options{})
	var nodes []*fhir.Node
	count := 0
	fhirtest.Each(t, fhirtest.Examples, 0, func(name string, data []byte) {
		if count++; len(data) > 60_000 || !bytes.Contains(data, []byte(`"resourceType"`)) {
			return
		}
		n, err := fhir.Parse(data)
		if err != nil || !spec.IsResource(n.Type()) || !fhir.IsID(n.ID()) {
			return
		}
		switch n.Type() { // thousands alike
		case "StructureDefinition", "SearchParameter", "CodeSystem", "ValueSet", "ConceptMap", "OperationDefinition", "CapabilityStatement":
			if count%40 != 0 {
				return
			}
		}
		if count%3 == 0 || os.Getenv("XINGLIN_ALL") != "" { // a third will do from day to day
			nodes = append(nodes, n)
		}
	})
	for part := range slices.Chunk(nodes, 200) {
		if err := s.Update(ctx, func(tx *store.Tx) error {
			for _, n := range part {
				p, err := store.Prepare(n)
				if err != nil {
					return err
				}
				if _, err = tx.Put(ctx, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: p}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	asked, failed := 0, map[string]int{}
	err = s.View(ctx, func(tx *store.Tx) error {
		for _, n := range nodes {
			entries := index.Extract(n, zone)
			for i := range entries {
				for _, q := range queries(&entries[i]) {
					asked++
					params, err := search.ParseQuery("_id=" + n.ID() + "&" + q)
					if err != nil {
						return err
					}
					r, err := search.Parse(n.Type(), params, search.Options{Zone: zone})
					if err != nil {
						t.Errorf("%s?%s: %v", n.Type(), q, err)
						continue
					}
					r.Scope = search.Everything
					page, err := tx.Search(ctx, r.Query)
					if err != nil {
						t.Errorf("%s?%s: %v", n.Type(), q, err)
						continue
					}
					if len(page.Matches) != 1 {
						key := n.Type() + "." + entries[i].Param.Code
						if failed[key]++; failed[key] < 3 {
							t.Errorf("%s/%s is not found by %s (%+v)", n.Type(), n.ID(), q, entries[i])
						}
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d resources, %d searches", len(nodes), asked)
}
