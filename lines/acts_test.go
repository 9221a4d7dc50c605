package lines_test

import (
	"testing"

	"github.com/xinglin-health/xinglin/internal/registry"
	"github.com/xinglin-health/xinglin/lines"
)

func TestEveryActIsKnown(t *testing.T) {
	for _, l := range lines.All {
		for _, f := range l.Flows {
			for _, s := range f.Steps {
				if _, ok := registry.Rules.Act(s.Act); s.Act != "" && !ok {
					t.Errorf("%s/%s: step %s is the act %q, of which the registry knows nothing", l.Slug, f.Code, s.Do, s.Act)
				}
			}
		}
	}
}
