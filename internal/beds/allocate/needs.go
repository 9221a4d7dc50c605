package allocate

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Urgencies in the order of need; the place of one is its rank in a waiting list.
var Urgencies = []Urgency{Emergency, Urgent, Cancer, Elective}

// Rank is the place in the waiting list: smaller is served first.
func (u Urgency) Rank() int {
	if i := slices.Index(Urgencies, u); i >= 0 {
		return i
	}
	return len(Urgencies) - 1
}

// EquipmentCodes name what stands at a bed, in the order of the bits.
var EquipmentCodes = []string{"monitor", "oxygen", "negative-pressure", "ventilator", "dialysis"}

// EquipmentOf reads codes; those that nobody knows are left out.
func EquipmentOf(codes ...string) (e Equipment) {
	for _, c := range codes {
		if i := slices.Index(EquipmentCodes, c); i >= 0 {
			e |= 1 << i
		}
	}
	return e
}

// Codes names what is in the set.
func (e Equipment) Codes() (codes []string) {
	for i, c := range EquipmentCodes {
		if e&(1<<i) != 0 {
			codes = append(codes, c)
		}
	}
	return codes
}

// needs is what booking.Wait.Needs holds: a Request without who waits and since when, which the row says itself.
type needs struct {
	Specialty string   `json:"specialty,omitempty"`
	Ward      string   `json:"ward,omitempty"`
	Team      string   `json:"team,omitempty"`
	Urgency   Urgency  `json:"urgency"`
	Sex       Sex      `json:"sex,omitempty"`
	Level     Level    `json:"level,omitempty"`
	Isolation string   `json:"isolation,omitempty"`
	Equipment []string `json:"equipment,omitempty"`
	Nursing   string   `json:"nursing,omitempty"`
	Kind      string   `json:"kind,omitempty"`
	Campuses  []string `json:"campuses,omitempty"`
	Companion bool     `json:"companion,omitempty"`
	At        string   `json:"at,omitempty"`
	Moves     int      `json:"moves,omitempty"`
	Age       *int     `json:"age,omitempty"`
}

// MarshalNeeds writes what a request needs as booking.Wait.Needs keeps it.
func MarshalNeeds(r Request) []byte {
	n := needs{Specialty: r.Specialty, Ward: r.Ward, Team: r.Team, Urgency: r.Urgency, Sex: r.Sex, Level: r.Level, Isolation: r.Isolation, Equipment: r.Equipment.Codes(),
		Nursing: r.Nursing, Kind: r.Kind, Campuses: r.Campuses, Companion: r.Companion, At: r.At, Moves: r.Moves}
	if r.Age >= 0 {
		n.Age = &r.Age
	}
	b, err := json.Marshal(n)
	if err != nil {
		panic("allocate: needs: " + err.Error()) // strings and numbers only
	}
	return b
}

// ParseNeeds reads them back; ID, Since and Promised stand in the row.
func ParseNeeds(b []byte) (Request, error) {
	var n needs
	if err := json.Unmarshal(b, &n); err != nil {
		return Request{}, fmt.Errorf("allocate: needs: %w", err)
	}
	r := Request{Specialty: n.Specialty, Ward: n.Ward, Team: n.Team, Urgency: n.Urgency, Sex: n.Sex, Level: n.Level, Isolation: n.Isolation, Equipment: EquipmentOf(n.Equipment...),
		Nursing: n.Nursing, Kind: n.Kind, Campuses: n.Campuses, Companion: n.Companion, At: n.At, Moves: n.Moves, Age: -1}
	if n.Age != nil {
		r.Age = *n.Age
	}
	return r, nil
}

//go:embed holds.json
var holdsJSON []byte

// holds is holds.json.
var holds = func() (h struct {
	Soon    []Urgency `json:"soon"`    // held until the promised arrival plus Grace; others until the hour By of that day
	Grace   string    `json:"grace"`   // after the promised arrival
	Assumed string    `json:"assumed"` // until the arrival, where nobody has promised one
	By      string    `json:"by"`      // "18:00"
}) {
	if err := json.Unmarshal(holdsJSON, &h); err != nil {
		panic("allocate: holds.json: " + err.Error())
	}
	return h
}()

// HoldUntil is when a hold for a request runs out: the arrival that was promised and a grace, or an hour of that day.
// A zero arrival is one that nobody has promised.
func HoldUntil(u Urgency, arrival, now time.Time, zone *time.Location) time.Time {
	if slices.Contains(holds.Soon, u) {
		if arrival.Before(now) {
			arrival = now.Add(span(holds.Assumed))
		}
		return arrival.Add(span(holds.Grace))
	}
	by, err := time.Parse("15:04", holds.By)
	if err != nil {
		panic("allocate: holds.json: " + err.Error())
	}
	if arrival.Before(now) {
		arrival = now
	}
	day := arrival.In(zone)
	end := time.Date(day.Year(), day.Month(), day.Day(), by.Hour(), by.Minute(), 0, 0, zone)
	if !end.After(now) || end.Before(arrival) { // the hour has passed: the next day's
		end = end.AddDate(0, 0, 1)
	}
	return end
}

func span(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic("allocate: holds.json: " + err.Error())
	}
	return d
}
