package subscription

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// What is decided in memory is decided as the search engine does, over HL7's own examples; and the sieve lets
// everything through that the engine finds.
func TestMemoryDecidesAsTheSearchEngineDoes(t *testing.T) {
	ctx := context.Background()
	s := storetest.Memory(t, store.Options{})
	e := New(Options{Zone: s.Zone()})
	byType := map[string][]*version{}
	var puts []store.Put
	count := 0
	fhirtest.Each(t, fhirtest.Examples, 0, func(_ string, data []byte) {
		if count++; count%3 != 0 || len(data) > 30_000 || !bytes.Contains(data, []byte(`"resourceType"`)) {
			return
		}
		n, err := fhir.Parse(data)
		if err != nil || !spec.IsResource(n.Type()) || !fhir.IsID(n.ID()) || len(byType[n.Type()]) >= 12 {
			return
		}
		switch n.Type() { // subscribed to by nobody, and thousands alike
		case "StructureDefinition", "SearchParameter", "CodeSystem", "ValueSet", "ConceptMap", "OperationDefinition", "CapabilityStatement", "Subscription":
			return
		}
		p, err := s.Prepare(n)
		if err != nil {
			t.Fatal(err)
		}
		puts = append(puts, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: p})
		v, err := versionOf(store.Version{JSON: data}, e.o.Zone)
		if err != nil {
			t.Fatal(err)
		}
		v.Updated = storetest.Start
		byType[n.Type()] = append(byType[n.Type()], v)
	})
	if err := s.Update(ctx, func(tx *store.Tx) error { _, err := tx.PutAll(ctx, puts); return err }); err != nil {
		t.Fatal(err)
	}
	asked, decided := 0, 0
	err := s.View(ctx, func(tx *store.Tx) error {
		for typ, all := range byType {
			for query := range criteria(all) {
				where, err := e.where(typ, query)
				if err != nil {
					continue // not every value can be asked for
				}
				page, err := tx.Search(ctx, search.Query{Type: typ, Where: where, Count: 100, Scope: search.Everything})
				if errors.As(err, new(*fhir.Error)) {
					continue // sealed: by whole values only
				}
				if err != nil {
					return err
				}
				found := map[string]bool{}
				for _, v := range page.Matches {
					found[v.ID] = true
				}
				net := sieveOf(typ, where)
				for _, v := range all {
					asked++
					ok, known := v.Meets(where, tx.Now())
					if known {
						decided++
					}
					if known && ok != found[v.Node.ID()] {
						t.Errorf("%s/%s: %s: in memory %v, by the engine %v", typ, v.Node.ID(), query, ok, found[v.Node.ID()])
					}
					if found[v.Node.ID()] && !net.passes(v) {
						t.Errorf("%s/%s: %s: the sieve holds back what the engine finds", typ, v.Node.ID(), query)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if asked < 20_000 || decided < asked*3/4 {
		t.Errorf("asked %d, decided %d; want many more", asked, decided)
	}
	t.Logf("%d decisions, %d of them in memory", asked, decided)
}

// criteria are questions that some of the resources answer with yes and others with no.
func criteria(all []*version) map[string]bool {
	esc := func(s string) string {
		return url.QueryEscape(strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`).Replace(s))
	}
	out := map[string]bool{"_lastUpdated=gt2020": true, "_lastUpdated=lt2020": true, "_id=" + all[0].Node.ID(): true}
	each := map[string]int{}
	for _, v := range all {
		for _, x := range v.Entries {
			code := x.Param.Code
			if each[code]++; each[code] > 6 || code[0] == '_' {
				continue
			}
			out[code+":missing=true"], out[code+":missing=false"] = true, true
			switch x.Param.Type {
			case spec.Token:
				out[code+"="+esc(x.Code)], out[code+"="+esc(x.System)+"|"+esc(x.Code)], out[code+"=|"+esc(x.Code)], out[code+"="+esc(x.System)+"|"] = true, true, true, true
				out[code+":not="+esc(x.Code)] = true
				out[code+"="+esc(strings.ToUpper(x.Code))] = true
			case spec.String:
				r := []rune(x.Text)
				out[code+"="+esc(string(r[:min(3, len(r))]))], out[code+":contains="+esc(string(r[len(r)/2:]))], out[code+":exact="+esc(x.Text)] = true, true, true
				out[code+"="+esc(strings.ToUpper(x.Text))] = true
			case spec.Date:
				at := time.UnixMicro(x.Low).UTC()
				if at.Year() < 1900 || at.Year() > 2100 {
					continue
				}
				for _, prefix := range []string{"", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap"} {
					for _, form := range []string{"2006", "2006-01", "2006-01-02", "2006-01-02T15:04:05Z"} {
						out[code+"="+prefix+at.Format(form)] = true
					}
				}
			case spec.Number, spec.Quantity:
				for _, prefix := range []string{"", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap"} {
					out[fmt.Sprintf("%s=%s%v", code, prefix, x.Value)] = true
				}
			case spec.Reference:
				out[code+"="+esc(x.RefID)], out[code+"="+esc(x.RefType+"/"+x.RefID)], out[code+"="+esc(x.URI)] = true, true, true
			case spec.URI:
				out[code+"="+esc(x.URI)] = true
			}
		}
	}
	return out
}
