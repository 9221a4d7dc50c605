package allocate

import (
	"reflect"
	"testing"
	"time"
)

func TestNeedsComeBackAsTheyWere(t *testing.T) {
	for _, r := range []Request{
		{Urgency: Elective, Age: -1},
		{Specialty: "cardiology", Ward: "Organization/w", Team: "CareTeam/t", Urgency: Urgent, Sex: Female, Level: CCU, Isolation: "droplet", Equipment: Monitor | Ventilator,
			Nursing: "1", Kind: "icu", Campuses: []string{"Location/a"}, Companion: true, At: "Location/b", Moves: 2, Age: 0},
	} {
		got, err := ParseNeeds(MarshalNeeds(r))
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("got %+v, %v; want %+v", got, err, r)
		}
	}
	if _, err := ParseNeeds([]byte("{")); err == nil {
		t.Error("half a document was read")
	}
}

func TestHoldUntil(t *testing.T) {
	zone := time.FixedZone("CST", 8*3600)
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, zone) }
	now := at(20, 9, 30)
	for _, c := range []struct {
		name    string
		urgency Urgency
		arrival time.Time
		want    time.Time
	}{
		{"urgent: the promised arrival and an hour", Urgent, at(20, 14, 0), at(20, 15, 0)},
		{"urgent without a promise: in an hour, and an hour", Urgent, time.Time{}, at(20, 11, 30)},
		{"an arrival in the past is none", Emergency, at(19, 14, 0), at(20, 11, 30)},
		{"routine: six in the evening of that day", Elective, at(22, 10, 0), at(22, 18, 0)},
		{"a date alone is that day", Cancer, at(22, 0, 0), at(22, 18, 0)},
		{"routine without a promise: today", Elective, time.Time{}, at(20, 18, 0)},
		{"who comes at eight in the evening is held a bed until the next day", Elective, at(22, 20, 0), at(23, 18, 0)},
	} {
		if got := HoldUntil(c.urgency, c.arrival, now, zone); !got.Equal(c.want) {
			t.Errorf("%s: got %s; want %s", c.name, got, c.want)
		}
	}
	if got := HoldUntil(Elective, time.Time{}, at(20, 19, 0), zone); !got.Equal(at(21, 18, 0)) {
		t.Errorf("asked for in the evening: got %s; want the next day's hour", got)
	}
}
