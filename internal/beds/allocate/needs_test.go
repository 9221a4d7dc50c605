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
		if got := DefaultHolds.Until(c.urgency, c.arrival, now, zone); !got.Equal(c.want) {
			t.Errorf("%s: got %s; want %s", c.name, got, c.want)
		}
	}
	if got := DefaultHolds.Until(Elective, time.Time{}, at(20, 19, 0), zone); !got.Equal(at(21, 18, 0)) {
		t.Errorf("asked for in the evening: got %s; want the next day's hour", got)
	}
}

func TestAHospitalsOwnHolds(t *testing.T) {
	zone := time.FixedZone("CST", 8*3600)
	now := time.Date(2026, 11, 20, 9, 30, 0, 0, zone)
	own := Holds{Soon: []Urgency{Emergency}, Grace: "30m", Assumed: "2h", By: "20:30"}
	if got, want := own.Until(Emergency, time.Time{}, now, zone), now.Add(150*time.Minute); !got.Equal(want) {
		t.Errorf("an emergency: got %s; want %s", got, want)
	}
	if got, want := own.Until(Urgent, now.Add(time.Hour), now, zone), time.Date(2026, 11, 20, 20, 30, 0, 0, zone); !got.Equal(want) {
		t.Errorf("urgent is no longer soon: got %s; want %s", got, want)
	}
	for name, wrong := range map[string]Holds{
		"a grace of a month": {Grace: "720h", Assumed: "1h", By: "18:00"},
		"a grace below none": {Grace: "-1h", Assumed: "1h", By: "18:00"},
		"no time of day":     {Grace: "1h", Assumed: "1h", By: "6 pm"},
		"an unknown urgency": {Soon: []Urgency{"vip"}, Grace: "1h", Assumed: "1h", By: "18:00"},
	} {
		if wrong.Check() == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
