package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// longLists asks for as many values as a value set or a worklist has.
func longLists(t *testing.T, open Open) {
	turned := clock.At(Start)
	s := open(t, store.Options{Clock: turned})
	must(t, s.Update(context.Background(), func(tx *store.Tx) error {
		for i := range 40 {
			json := fmt.Sprintf(`{"resourceType":"Condition","code":{"coding":[{"system":"urn:icd","code":"A%02d","display":"病%d"}]},"identifier":[{"system":"urn:n","value":"n%d"}],"subject":{"reference":"Patient/p%d"}}`, i%20, i%20, i, i%3)
			if _, err := tryPutIn(context.Background(), tx, s, fmt.Sprintf("c%02d", i), json); err != nil {
				return err
			}
		}
		return nil
	}))
	param := func(code string) *spec.Param { return spec.Lookup("Condition", code) }
	system := "urn:icd"
	var codes, identifiers, references, ids []search.Value
	for i := range 35_000 {
		codes = append(codes, search.Value{System: &system, Code: fmt.Sprintf("A%d", i+18)}) // A18 and A19 are in use
	}
	for i := range 2000 {
		identifiers = append(identifiers, search.Value{Code: fmt.Sprintf("n%d", i+35)})
		references = append(references, search.Value{RefType: "Patient", RefID: fmt.Sprintf("p%d", i+2)})
		ids = append(ids, search.Value{Text: fmt.Sprintf("c%02d", i+30)})
	}
	for _, c := range []struct {
		name   string
		clause search.Clause
		want   int64
	}{
		{"35,000 codes", search.Clause{Param: param("code"), Values: codes}, 4},
		{"none of 35,000 codes", search.Clause{Param: param("code"), Modifier: "not", Values: codes}, 36},
		{"2,000 identifiers", search.Clause{Param: param("identifier"), Values: identifiers}, 5},
		{"2,000 references", search.Clause{Param: param("subject"), Values: references}, 13},
		{"2,000 ids", search.Clause{Special: "_id", Values: ids}, 10},
		{"35,000 codes in a filter", search.Clause{Filter: &search.Filter{Op: "and", Parts: []search.Filter{{Clause: &search.Clause{Param: param("code"), Values: codes}}, {Clause: &search.Clause{Special: "_id", Values: ids}}}}}, 2},
	} {
		start := time.Now()
		must(t, s.View(context.Background(), func(tx *store.Tx) error {
			page, err := tx.Search(context.Background(), search.Query{Type: "Condition", Where: []search.Clause{c.clause}, Count: 100, Total: search.TotalAccurate, Scope: search.Everything})
			if err == nil && (page.Total != c.want || int64(len(page.Matches)) != c.want) {
				t.Errorf("%s: got %d of %d; want %d", c.name, len(page.Matches), page.Total, c.want)
			}
			return err
		}))
		t.Logf("%s: %s", c.name, time.Since(start))
	}
	tooMany := search.Clause{Param: param("onset-info"), Values: make([]search.Value, 300)}
	for i := range tooMany.Values {
		tooMany.Values[i].Text = fmt.Sprint("x", i)
	}
	err := s.View(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Search(context.Background(), search.Query{Type: "Condition", Where: []search.Clause{tooMany}, Count: 1, Scope: search.Everything})
		return err
	})
	if err == nil {
		t.Error("300 texts at once were taken")
	}
}

// deep nests filters, chains and _has beyond what is answered.
func deep(t *testing.T, open Open) {
	s, _ := fixture(t, open)
	ctx := context.Background()
	ask := func(c search.Clause, typ string) error {
		return s.View(ctx, func(tx *store.Tx) error {
			_, err := tx.Search(ctx, search.Query{Type: typ, Where: []search.Clause{c}, Count: 1, Total: search.TotalAccurate, Scope: search.Everything})
			return err
		})
	}
	nested := func(n int) search.Clause {
		c := search.Clause{Param: spec.Lookup("Organization", "name"), Values: []search.Value{{Text: "x"}}}
		for range n {
			c = search.Clause{Param: spec.Lookup("Organization", "partof"), Chain: &search.Chain{Types: []string{"Organization"}, Where: map[string]search.Clause{"Organization": c}}}
		}
		return c
	}
	if err := ask(nested(12), "Organization"); err != nil {
		t.Errorf("twelve hops: %v", err)
	}
	if err := ask(nested(store.MaxDepth+1), "Organization"); err == nil {
		t.Error("a chain without end was taken")
	}
	f := &search.Filter{Clause: &search.Clause{Param: spec.Lookup("Patient", "gender"), Values: []search.Value{{Code: "male"}}}}
	for range 1000 {
		f = &search.Filter{Op: "not", Parts: []search.Filter{*f}}
	}
	if err := ask(search.Clause{Filter: f}, "Patient"); err == nil {
		t.Error("a thousand parentheses were taken")
	}
}
