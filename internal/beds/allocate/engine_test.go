package allocate

import (
	"testing"
	"time"
)

func TestTheEngineFollowsTheDay(t *testing.T) {
	p, r := smallPool()
	r.Urgency = Elective
	e := NewEngine(p, Default())
	first := e.Find("Location/bed-1")
	gets := func(when, want string) {
		t.Helper()
		bed, ok := e.One(r)
		got := ""
		if ok {
			got = e.Bed(bed).ID
		}
		if got != want {
			t.Errorf("%s: got %q; want %q", when, got, want)
		}
	}
	gets("by day", "Location/bed-1")
	e.Now(noon.Add(12 * time.Hour))
	gets("at night nobody is lent to who can wait", "")
	e.Now(noon.Add(24 * time.Hour))
	gets("the next day", "Location/bed-1")
	e.Capacity(0, 40, true)
	gets("while nobody has said who nurses", "")
	e.Capacity(0, 31, false)
	gets("when too few nurse", "")
	e.Capacity(0, 40, false)
	e.Set(first, Cleaning)
	e.Plan(first, e.now.Add(time.Hour), 1)
	gets("a clean bed before one that is being cleaned", "Location/bed-2")
	e.Set(first, Closed)
	e.Set(e.Find("Location/bed-2"), Cleaning)
	gets("one that is being cleaned before none", "Location/bed-2")
	e.Set(first, Free)
	e.Place(first, r)
	if w := e.Ward(0); w.Load != 31.5 || e.Bed(first).State != Lent {
		t.Errorf("got load %v, bed %s; want 31.5 and lent", w.Load, e.Bed(first).State)
	}
	gets("a ward that has lent half of its beds", "")
	e.Free(first, Cleaning)
	if w := e.Ward(0); w.Load != 30 || e.Bed(first).State != Cleaning {
		t.Errorf("got load %v, bed %s; want 30 and cleaning", w.Load, e.Bed(first).State)
	}
	if got := e.Find("Location/none"); got != -1 {
		t.Errorf("got bed %d for an ID that is not here; want -1", got)
	}
}

func TestTermsOfThePoolAreThoseOfTheEngine(t *testing.T) {
	p, r := smallPool()
	got, want := Terms(p, 0, r, Default()), NewEngine(p, Default()).Terms(0, r)
	if len(got) != len(want) || got[0] != want[0] || got[0].Code != "neighbour" {
		t.Errorf("got %v; want %v", got, want)
	}
}

func TestOneBedIsPromisedToOne(t *testing.T) {
	p, r := smallPool()
	p.Beds[0].State, p.Beds[1].State = Closed, Closed
	p.Beds[2].Frees, p.Beds[2].Likely = noon.Add(5*time.Hour), 0.6
	p.Beds[3].Frees, p.Beds[3].Likely = noon.Add(2*time.Hour), 0.9
	waiting := []Request{*r, *r, *r}
	waiting[1].ID, waiting[2].ID, waiting[2].Urgency = "Task/2", "Task/3", Emergency
	got := Propose(p, waiting, Default())
	for i, want := range []string{"Location/bed-4", "Location/bed-3", ""} {
		if got[i].Soon != want {
			t.Errorf("%s is promised %q; want %q", got[i].Request, got[i].Soon, want)
		}
	}
	if got[0].Request != "Task/3" || got[0].SoonLikely != 0.9 {
		t.Errorf("got %s first at %v; want the emergency at 0.9", got[0].Request, got[0].SoonLikely)
	}
}
