package region

import (
	"testing"
	"time"
)

func TestDoublesAreOtherHospitalsRecordsOfTheSamePeople(t *testing.T) {
	r := New(1, Size{Patients: 400, Doubles: 40}, time.Date(2026, 11, 20, 9, 30, 0, 0, Zone))
	list := r.doubles()
	if len(list) < 30 {
		t.Fatalf("got %d doubles; want some forty", len(list))
	}
	first := map[int]*Patient{}
	for _, p := range r.Patients {
		first[p.order] = p
	}
	otherwise, ids := 0, map[string]bool{}
	for _, p := range list {
		was := first[p.order-100_000]
		if was == nil || was.Home == p.Home || ids[p.ID] || was.ID == p.ID {
			t.Errorf("%s at %s is no second record of another hospital", p.ID, p.Home.ID)
			continue
		}
		ids[p.ID] = true
		if was.Name != p.Name || was.IDNumber != p.IDNumber || !was.Born.Equal(p.Born) {
			otherwise++
		}
		if n := p.resource(); n.Str("managingOrganization.reference") != p.Home.Ref() || n.Str("name[0].text") != p.Name {
			t.Errorf("%s: got %s", p.ID, n.JSON())
		}
	}
	if otherwise < len(list)/2 {
		t.Errorf("%d of %d were typed otherwise; want most", otherwise, len(list))
	}
	if n := len(New(1, Size{Patients: 400}, r.Present).doubles()); n != 0 {
		t.Errorf("got %d doubles without asking for any", n)
	}
}
