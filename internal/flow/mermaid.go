package flow

import (
	"fmt"
	"strings"
)

// Mermaid draws the table as a state diagram.
func (t *Table) Mermaid() string {
	var b strings.Builder
	fmt.Fprintf(&b, "---\ntitle: %s %s\n---\nstateDiagram-v2\n", t.Name.Zh, t.Code)
	id := func(code string) string { return strings.ReplaceAll(code, "-", "_") }
	for _, s := range t.States {
		fmt.Fprintf(&b, "  %s : %s", id(s.Code), s.Name.Zh)
		if s.Kind == Open {
			fmt.Fprintf(&b, " (%s", s.Waits)
			for _, u := range []Urgency{Emergency, Urgent, Routine} {
				if d := s.Within[u]; d > 0 {
					fmt.Fprintf(&b, " %s", span(d.Minutes()))
				} else if s.Within != nil {
					b.WriteString(" -")
				}
			}
			b.WriteString(")")
		}
		b.WriteString("\n")
	}
	for _, s := range t.Steps {
		label := fmt.Sprintf("%s · %s", s.Do, s.By)
		if s.When.Field != "" {
			label += fmt.Sprintf(" [%s=%s]", s.When.Field, s.When.Is)
		}
		for _, f := range s.From {
			from, to := id(f), id(s.To)
			if f == New {
				from = "[*]"
			}
			if s.To == Same {
				to = from
			}
			fmt.Fprintf(&b, "  %s --> %s : %s\n", from, to, label)
		}
	}
	for _, s := range t.States {
		if s.Kind != Open {
			fmt.Fprintf(&b, "  %s --> [*]\n", id(s.Code))
		}
	}
	return b.String()
}

func span(minutes float64) string {
	switch {
	case minutes >= 24*60:
		return fmt.Sprintf("%gd", minutes/24/60)
	case minutes >= 60:
		return fmt.Sprintf("%gh", minutes/60)
	}
	return fmt.Sprintf("%gmin", minutes)
}
