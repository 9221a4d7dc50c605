package line

import (
	"slices"

	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/flow"
)

// Templates are the texts of the lines' events; where somebody must act next the notice says who, by when.
func Templates(lines []*Line) []event.Template {
	var list []event.Template
	for _, l := range lines {
		for what, words := range l.Notices {
			t := event.Template{Kind: l.Slug + "." + what, Zh: words.Zh, En: words.En}
			if what == "late" || l.goesOn(what) {
				t.Zh += "。由{actor}处理，时限 {due}"
				t.En += ". {actor} acts by {due}"
			}
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b event.Template) int {
		if a.Kind < b.Kind {
			return -1
		}
		return 1
	})
	return list
}

// goesOn says whether somebody must act after a step.
func (l *Line) goesOn(do string) bool {
	for _, f := range l.Flows {
		for _, s := range f.Steps {
			if to, ok := f.State(s.To); s.Do == do && (s.To == flow.Same || ok && to.Kind == flow.Open) {
				return true
			}
		}
	}
	return false
}
