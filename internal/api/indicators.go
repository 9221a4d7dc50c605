package api

import (
	"net/http"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/indicator"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

type indicatorView struct {
	Code        string    `json:"code"`
	Version     string    `json:"version"`
	Name        flow.Name `json:"name"`
	Unit        string    `json:"unit"`
	Direction   string    `json:"direction"`
	Source      string    `json:"source"`
	Numerator   int       `json:"numerator"`
	Denominator int       `json:"denominator"`
	Value       *float64  `json:"value"`
	Definition  flow.Name `json:"definition"`
	Complete    *float64  `json:"complete"`
}

// asked is what an indicator call says: which cases, from when to when.
type asked struct {
	from, to time.Time
	orgs     []string
}

func (l Lines) asked(r *http.Request) (asked, error) {
	var a asked
	q := r.URL.Query()
	for _, x := range []struct {
		name string
		into *time.Time
		add  time.Duration // a day given as the end is the whole day
	}{{"from", &a.from, 0}, {"to", &a.to, 24 * time.Hour}} {
		s := q.Get(x.name)
		if s == "" {
			continue
		}
		if t, err := time.ParseInLocation(time.DateOnly, s, line.Zone()); err == nil {
			*x.into = t.Add(x.add)
		} else if t, err := time.Parse(time.RFC3339, s); err == nil {
			*x.into = t
		} else {
			return a, fhir.Refuse(400, "value", "bad-date", x.name+" is no date", "日期不正确")
		}
	}
	if org := q.Get("org"); org != "" {
		a.orgs = []string{org}
		if l.Below != nil {
			a.orgs = l.Below(org)
		}
	}
	return a, nil
}

func (l Lines) indicators(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	x := l.find(w, r)
	if x == nil {
		return
	}
	a, err := l.asked(r)
	answer := []indicatorView{}
	if err == nil {
		err = l.Store.View(r.Context(), func(tx *store.Tx) error {
			facts, err := l.Runner.Facts(r.Context(), tx, caller, x.Slug, a.orgs)
			answer = answer[:0]
			for i := range x.Indicators {
				d := &x.Indicators[i]
				v := indicator.Evaluate(d, facts, a.from, a.to)
				answer = append(answer, indicatorView{d.Code, d.Version, d.Name, d.Unit, d.Direction, d.Source, v.Numerator, v.Denominator, v.Value, d.Text, v.Complete})
			}
			return err
		})
	}
	l.answerRows(w, r, err, "indicators", x.Slug, nil, answer)
}

// drill shows the cases behind a number: the same evaluation.
func (l Lines) drill(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	x := l.find(w, r)
	if x == nil {
		return
	}
	a, err := l.asked(r)
	rows := []row{}
	if err == nil {
		err = l.Store.View(r.Context(), func(tx *store.Tx) (err error) {
			rows, err = l.behind(r, tx, caller, x, a)
			return err
		})
	}
	l.answerRows(w, r, err, "indicator-cases", x.Slug+" "+r.PathValue("code"), rows, map[string]any{"rows": rows, "next": ""})
}

func (l Lines) behind(r *http.Request, tx *store.Tx, caller *access.Caller, x *line.Line, a asked) ([]row, error) {
	for i := range x.Indicators {
		if x.Indicators[i].Code != r.PathValue("code") {
			continue
		}
		facts, err := l.Runner.Facts(r.Context(), tx, caller, x.Slug, a.orgs)
		if err != nil {
			return nil, err
		}
		v := indicator.Evaluate(&x.Indicators[i], facts, a.from, a.to)
		cases, err := l.Runner.Cases(r.Context(), tx, caller, v.Tasks[:min(len(v.Tasks), 500)])
		if err != nil {
			return nil, err
		}
		return l.rows(r.Context(), tx, caller, cases)
	}
	return nil, fhir.Refuse(404, "not-found", "unknown-indicator", "no such indicator", "没有这项指标")
}
