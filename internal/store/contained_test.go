package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// TestContainedIsBounded: a page looks at so many containers and then goes on with the next, so that all are found
// and no request is without end; a total that would need more is refused.
func TestContainedIsBounded(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		store.ContainersOf(t, 7, 30, 3)
		s := open(t, store.Options{})
		var want []string
		for i := range 40 {
			typ, id, gender := "Observation", fmt.Sprintf("c%02d", i), "male"
			if i%2 == 0 {
				typ = "Condition"
			}
			if i%10 > 6 {
				gender = "female"
				want = append(want, typ+"/"+id+"#a", typ+"/"+id+"#b")
			}
			patient := func(id string) string {
				return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"gender":%q}`, id, gender)
			}
			putJSON(t, s, fmt.Sprintf(`{"resourceType":%q,"id":%q,"status":"final","code":{"text":"x"},"subject":{"reference":"#a"},"contained":[%s,%s]}`, typ, id, patient("a"), patient("b")))
		}
		slices.Sort(want)
		ask := func(q search.Query) (page store.Page, err error) {
			q.Type, q.Contained, q.Scope = "Patient", "true", search.Everything
			r, err := search.Parse("Patient", []search.Param{{Name: "gender", Value: "female"}}, search.Options{})
			if err != nil {
				return page, err
			}
			q.Where = r.Where
			err = s.View(context.Background(), func(tx *store.Tx) (err error) {
				page, err = tx.Search(context.Background(), q)
				return err
			})
			return page, err
		}
		for _, size := range []int{1, 2, 5, 100} {
			if size == 2 { // from here on by every way of the planner
				defer store.SmallProbes()()
			}
			var got []string
			q, pages := search.Query{Count: size}, 0
			for more := true; more; pages++ {
				page, err := ask(q)
				if err != nil || pages > 100 {
					t.Fatalf("page %d: %v", pages, err)
				}
				if len(page.Matches) > size {
					t.Errorf("a page of %d; want %d at most", len(page.Matches), size)
				}
				for _, v := range page.Matches {
					got = append(got, v.Type+"/"+v.ID+"#"+v.Inside)
				}
				q.Cursor, more = page.Next, page.Next != ""
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("by %d: got %s; want %s", size, strings.Join(got, " "), strings.Join(want, " "))
			}
			if pages < 40/7 {
				t.Errorf("by %d: %d pages; want one for at most seven containers", size, pages)
			}
		}
		var refused *fhir.Error
		if _, err := ask(search.Query{Total: search.TotalAccurate}); !errors.As(err, &refused) || refused.Issues[0].Detail != "too-many-containers" {
			t.Errorf("a total over 40: got %v; want too-many-containers", err)
		}
		if page, err := ask(search.Query{Total: search.TotalEstimate}); err != nil || page.Total < 2 || page.Total > int64(len(want)) {
			t.Errorf("an estimate: got %d, %v", page.Total, err)
		}
		store.ContainersOf(t, 7, 40, 3)
		if page, err := ask(search.Query{Total: search.TotalAccurate}); err != nil || page.Total != int64(len(want)) {
			t.Errorf("a total over 40 of 40: got %d, %v; want %d", page.Total, err, len(want))
		}
	})
}
