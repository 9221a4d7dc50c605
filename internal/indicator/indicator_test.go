package indicator

import (
	"testing"
	"time"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// errand took the given minutes from asked to done; negative = it is not done.
func errand(task string, minutes int) Fact {
	f := Fact{Task: task, Steps: []Step{{Do: "ask", To: "asked", At: start}}}
	if minutes >= 0 {
		f.Steps = append(f.Steps, Step{Do: "finish", To: "done", At: start.Add(time.Duration(minutes) * time.Minute)})
	}
	return f
}

func TestEvaluate(t *testing.T) {
	facts := []Fact{errand("a", 10), errand("b", 20), errand("c", 60), errand("d", -1)}
	asked := func(f Fact) time.Time { return f.Reached("asked") }
	done := func(f Fact) bool { return !f.At("finish").IsZero() }
	took := func(f Fact) (float64, bool) { return f.At("finish").Sub(asked(f)).Minutes(), done(f) }
	value := func(x float64) *float64 { return &x }
	for _, c := range []struct {
		name            string
		d               Definition
		from, to        time.Time
		numerator, rows int
		value, complete *float64
	}{
		{"a count", Definition{When: asked, Numerator: done}, time.Time{}, time.Time{}, 3, 3, value(3), nil},
		{"a share", Definition{When: asked, Numerator: done, Share: true}, time.Time{}, time.Time{}, 3, 3, value(75), nil},
		{"a median with the share of complete cases beside it", Definition{When: asked, Measure: took}, time.Time{}, time.Time{}, 3, 3, value(20), value(0.75)},
		{"a percentile is a value that was measured", Definition{When: asked, Measure: took, Percentile: 90}, time.Time{}, time.Time{}, 3, 3, value(60), value(0.75)},
		{"of a single value it is that value", Definition{When: asked, Measure: took, Percentile: 10}, time.Time{}, time.Time{}, 3, 3, value(10), value(0.75)},
		{"the end of a period does not belong to it", Definition{When: asked, Numerator: done}, start.Add(-time.Hour), start, 0, 0, value(0), nil},
		{"its beginning does", Definition{When: asked, Numerator: done}, start, start.Add(time.Hour), 3, 3, value(3), nil},
		{"a share of nothing is no number", Definition{When: asked, Share: true}, start.Add(time.Hour), time.Time{}, 0, 0, nil, nil},
		{"a median of nothing is no number", Definition{When: asked, Measure: took}, start.Add(time.Hour), time.Time{}, 0, 0, nil, nil},
	} {
		v := Evaluate(&c.d, facts, c.from, c.to)
		if v.Numerator != c.numerator || len(v.Tasks) != c.rows || !same(v.Value, c.value) || !same(v.Complete, c.complete) {
			t.Errorf("%s: got %d of %d, %d rows, %v, %v; want %d, %d rows, %v, %v", c.name, v.Numerator, v.Denominator, len(v.Tasks), v.Value, v.Complete, c.numerator, c.rows, c.value, c.complete)
		}
	}
}

func same(a, b *float64) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }
