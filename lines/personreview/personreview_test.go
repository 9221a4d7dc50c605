package personreview

import (
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/line/linetest"
)

func TestLine(t *testing.T) { linetest.Check(t, Line, "undo") }

func TestWhoMayDoWhat(t *testing.T) {
	for _, c := range []struct {
		name, state, do string
		side            flow.Party
		role, to        string
	}{
		{"the desk accepts", Waiting, "accept", flow.Owner, "records", Accepted},
		{"the desk decides although the hospital was asked", Asked, "reject", flow.Owner, "records", Rejected},
		{"the hospital that was asked does not decide", Asked, "accept", flow.Requester, "records", ""},
		{"the hospital answers", Asked, "answer", flow.Requester, "records", Waiting},
		{"nobody answers what nobody asked", Waiting, "answer", flow.Requester, "records", ""},
		{"a doctor does not decide", Waiting, "accept", flow.Owner, "doctor", ""},
		{"what is decided stays", Accepted, "reject", flow.Owner, "records", ""},
		{"people do not close a case without deciding", Waiting, "obsolete", flow.Owner, "records", ""},
		{"people open no case", flow.New, "open", flow.Requester, "records", ""},
		{"the hub opens it", flow.New, "open", flow.Requester, "system", Waiting},
	} {
		step, err := pair.Find(c.do, c.state, c.side, c.role, nil)
		if got := step.To; got != c.to || (err == nil) != (c.to != "") {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.to)
		}
	}
}

func TestWorkingDays(t *testing.T) {
	at := func(s string) time.Time {
		d, err := time.ParseInLocation("2006-01-02 15:04", s, line.Zone())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, c := range []struct {
		name, from string
		days       int
		to         string
	}{
		{"over a weekend", "2026-11-20 09:30", 3, "2026-11-25 09:30"},
		{"over the national holiday, with the Saturday worked in its stead", "2026-09-30 16:00", 3, "2026-10-10 16:00"},
		{"from a free day", "2026-10-03 08:00", 1, "2026-10-08 08:00"},
		{"a year without data follows the week", "2027-03-05 10:00", 5, "2027-03-12 10:00"},
	} {
		if got := due(at(c.from), c.days); !got.Equal(at(c.to)) {
			t.Errorf("%s: %d working days from %s: got %s; want %s", c.name, c.days, c.from, got, c.to)
		}
	}
}

func TestEveryStepHasAForm(t *testing.T) {
	for _, f := range Line.Flows {
		for _, s := range f.Steps {
			if _, ok := f.Forms[s.Do]; !ok {
				t.Errorf("%s: step %q has no form", f.Code, s.Do)
			}
		}
	}
}
