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

// Holds says how long a bed is held.
type Holds struct {
	Soon    []Urgency `json:"soon"`    // held until the promised arrival plus Grace; others until the hour By of that day
	Grace   string    `json:"grace"`   // after the promised arrival
	Assumed string    `json:"assumed"` // until the arrival, where nobody has promised one
	By      string    `json:"by"`      // "18:00"
}

// DefaultHolds is holds.json.
var DefaultHolds = func() (h Holds) {
	var said struct {
		Source   string
		Verified bool
		*Holds
	}
	said.Holds = &h
	if err := json.Unmarshal(holdsJSON, &said); err != nil {
		panic("allocate: holds.json: " + err.Error())
	}
	if err := h.Check(); err != nil {
		panic("allocate: holds.json: " + err.Error())
	}
	return h
}()

const longestHold = 72 * time.Hour // of a grace; a bed that is held longer is kept from others for nothing

// Check says what is wrong with the rule.
func (h Holds) Check() error {
	for _, u := range h.Soon {
		if !slices.Contains(Urgencies, u) {
			return fmt.Errorf("urgency %q is not known", u)
		}
	}
	for _, s := range []string{h.Grace, h.Assumed} {
		if d, err := time.ParseDuration(s); err != nil || d < 0 || d > longestHold {
			return fmt.Errorf("%q is no time of up to %s", s, longestHold)
		}
	}
	if _, ok := minute(h.By); !ok {
		return fmt.Errorf("%q is no time of day", h.By)
	}
	return nil
}

// Until is when a hold for a request runs out: the arrival that was promised and a grace, or an hour of that day.
// A zero arrival is one that nobody has promised. The rule has been checked.
func (h Holds) Until(u Urgency, arrival, now time.Time, zone *time.Location) time.Time {
	if slices.Contains(h.Soon, u) {
		grace, _ := time.ParseDuration(h.Grace)
		assumed, _ := time.ParseDuration(h.Assumed)
		if arrival.Before(now) {
			arrival = now.Add(assumed)
		}
		return arrival.Add(grace)
	}
	by, _ := minute(h.By)
	if arrival.Before(now) {
		arrival = now
	}
	day := arrival.In(zone)
	end := time.Date(day.Year(), day.Month(), day.Day(), by/60, by%60, 0, 0, zone)
	if !end.After(now) || end.Before(arrival) { // the hour has passed: the next day's
		end = end.AddDate(0, 0, 1)
	}
	return end
}
