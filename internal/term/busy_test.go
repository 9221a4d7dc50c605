package term_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/internal/term"
)

// Every answer is of one moment: all names of an expansion carry the same edition of the system.
func TestAnswersAreOfOneMomentWhileOthersWrite(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		edition := func(n int) *fhir.Node {
			concepts := fhir.Arr{}
			for i := range 50 {
				concepts = append(concepts, fhir.Obj{"code", fmt.Sprint("c", i), "display", fmt.Sprint("edition ", n)})
			}
			return fhir.New("CodeSystem", "id", "s", "url", "http://x/s", "status", "active", "content", "complete", "concept", concepts)
		}
		h.put(edition(0))
		h.put(parse(t, set(`{"system":"http://x/s"}`)).Set("id", "all").Set("url", "http://x/vs/all"))
		var g errgroup.Group
		g.Go(func() error {
			for n := 1; n <= 20; n++ {
				if err := h.tryPut(edition(n)); err != nil {
					return err
				}
			}
			return nil
		})
		for range 3 {
			g.Go(func() error {
				for range 40 {
					out, err := h.Expand(ctx, term.Expand{Where: term.Where{URL: "http://x/vs/all"}, Count: -1, Filter: "edition"})
					if err != nil {
						return err
					}
					names := map[string]int{}
					for _, c := range out.All("expansion.contains") {
						names[c.Str("display")]++
					}
					if len(names) != 1 || !strings.Contains(fmt.Sprint(names), ":50") {
						return fmt.Errorf("got %v; want one edition of 50", names)
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		f, err := h.Lookup(ctx, term.Code{System: "http://x/s", Code: "c7"}, "")
		if err != nil || f.Display != "edition 20" {
			t.Errorf("at the end: got %q, %v; want edition 20", f.Display, err)
		}
	})
}
