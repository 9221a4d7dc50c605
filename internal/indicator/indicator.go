// Package indicator defines, evaluates and explains the numbers by which the work is judged.
package indicator

import (
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
)

// Fact is one hand-over with what happened to it.
type Fact struct {
	Task, Flow, State    string
	Kind                 flow.Kind
	Urgency              flow.Urgency
	Owner, Requester     string // "Organization/…"
	Patient, Requisition string
	Steps                []Step // oldest first
}

// Step is one thing that happened.
type Step struct {
	Do, From, To, Org string
	At                time.Time
}

// Definition is one number: versioned, with its source.
type Definition struct {
	Code, Version string
	Name          flow.Name
	Unit          string // "%", "min", "例"
	Direction     string // up, down, watch
	Source        string
	Text          flow.Name // the definition in words

	// When places a hand-over in time; zero = it does not count. It decides the period.
	When func(Fact) time.Time
	// Numerator counts among what When placed; nil = all of it.
	Numerator func(Fact) bool
	// Share divides by all that When placed; otherwise the number is a count.
	Share bool
	// Measure makes the number a median; false = this hand-over is incomplete. The share of complete ones stands beside it.
	Measure func(Fact) (float64, bool)
	// Percentile of what is measured, by the nearest rank; 0 and 50 are the median.
	Percentile int
}

// Value is a definition's answer.
type Value struct {
	Definition  *Definition
	Numerator   int
	Denominator int
	Value       *float64 // nil when there is nothing to divide by
	Complete    *float64
	Tasks       []string // the same rows, for the drill-down
}

// Evaluate answers a definition over facts, for [from, to); a zero bound is open.
func Evaluate(d *Definition, facts []Fact, from, to time.Time) Value {
	v := Value{Definition: d}
	var measured []float64
	for _, f := range facts {
		at := d.When(f)
		if at.IsZero() || (!from.IsZero() && at.Before(from)) || (!to.IsZero() && !at.Before(to)) {
			continue
		}
		v.Denominator++
		counts := d.Numerator == nil || d.Numerator(f)
		if d.Measure != nil {
			m, ok := d.Measure(f)
			if ok {
				measured = append(measured, m)
			}
			counts = ok
		}
		if counts {
			v.Numerator++
			v.Tasks = append(v.Tasks, f.Task)
		}
	}
	switch share := float64(v.Numerator) / float64(max(v.Denominator, 1)); {
	case d.Measure != nil:
		if len(measured) > 0 {
			slices.Sort(measured)
			m := measured[len(measured)/2]
			if p := d.Percentile; p != 0 && p != 50 {
				m = measured[max(0, (len(measured)*p+99)/100-1)]
			} else if len(measured)%2 == 0 {
				m = (m + measured[len(measured)/2-1]) / 2
			}
			v.Value = &m
		}
		if v.Denominator > 0 {
			v.Complete = &share
		}
	case d.Share:
		if v.Denominator > 0 {
			p := share * 100
			v.Value = &p
		}
	default:
		n := float64(v.Numerator)
		v.Value = &n
	}
	return v
}

// At returns when a step was first taken, zero when it was not.
func (f Fact) At(do ...string) time.Time {
	for _, s := range f.Steps {
		if slices.Contains(do, s.Do) {
			return s.At
		}
	}
	return time.Time{}
}

// Reached returns when a state was first entered, zero when it was not.
func (f Fact) Reached(state ...string) time.Time {
	for _, s := range f.Steps {
		if slices.Contains(state, s.To) {
			return s.At
		}
	}
	return time.Time{}
}
