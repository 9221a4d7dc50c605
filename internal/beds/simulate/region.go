package simulate

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

//go:embed region.json
var shipped []byte

// Hospital is beds, and how patients come: what a run is generated from.
type Hospital struct {
	Source        string                         `json:"source"`
	Verified      bool                           `json:"verified"`
	Name          string                         `json:"name"`
	En            string                         `json:"en"`
	Load          float64                        `json:"load"`  // bed hours asked for, of those there are
	Surge         float64                        `json:"surge"` // how much a specialty's weeks differ (standard deviation of the logarithm)
	Cleaning      float64                        `json:"cleaningMinutes"`
	DischargeFrom string                         `json:"dischargeFrom"`
	DischargeTo   string                         `json:"dischargeTo"`
	Patience      map[allocate.Urgency]float64   `json:"patienceDays"`
	Promise       map[allocate.Urgency]float64   `json:"promiseDays"`
	Shifts        []ShiftOf                      `json:"shifts"`
	Nursing       map[string]float64             `json:"nursing"` // share of patients by nursing level
	NursingPerBed float64                        `json:"nursingPerBed"`
	ICUStay       float64                        `json:"icuStayDays"`
	Hours         map[allocate.Urgency][]float64 `json:"hours"` // arrivals by hour of the day, in proportion
	Days          map[allocate.Urgency][]float64 `json:"days"`  // by day of the week from Sunday
	Campuses      []Place                        `json:"campuses"`
	Wards         []WardOf                       `json:"wards"`
	Specialties   []Specialty                    `json:"specialties"`
}

// Place has a name in two languages.
type Place struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	En   string `json:"en"`
}

// ShiftOf begins at "08:00".
type ShiftOf struct {
	From  string  `json:"from"`
	Share float64 `json:"share"`
}

// WardOf a hospital.
type WardOf struct {
	Place
	Campus      string   `json:"campus"`
	Specialties []string `json:"specialties"`
	Neighbours  []string `json:"neighbours"`
	Kinds       []string `json:"kinds,omitempty"`
	Lends       bool     `json:"lends"`
	Nursing     float64  `json:"nursingPerBed,omitempty"` // instead of the hospital's
	Rooms       []RoomOf `json:"rooms"`
}

// RoomOf is some rooms that are the same.
type RoomOf struct {
	Rooms     int            `json:"rooms"`
	Beds      int            `json:"beds"`
	Sex       allocate.Sex   `json:"sex"`
	Level     allocate.Level `json:"level,omitempty"`
	Equipment []string       `json:"equipment,omitempty"`
}

// Specialty and its patients.
type Specialty struct {
	Code     string                       `json:"code"`
	Demand   float64                      `json:"demand"` // of its own beds, at a load of 1
	Stay     float64                      `json:"stayDays"`
	StayCV   float64                      `json:"stayCV"`
	Female   float64                      `json:"female"`
	Urgency  map[allocate.Urgency]float64 `json:"urgency"`
	HDU      float64                      `json:"hdu,omitempty"` // share who need it
	ICU      float64                      `json:"icu,omitempty"` // share who lie there first
	Dialysis float64                      `json:"dialysis,omitempty"`
	Age      int                          `json:"age"`
}

// Shipped is the made-up centre that comes with the program.
func Shipped() *Hospital {
	h, err := ReadHospital(shipped)
	if err != nil {
		panic(err)
	}
	return h
}

// ShippedText is how it is written.
func ShippedText() []byte { return bytes.Clone(shipped) }

// ReadHospital reads what Shipped is written as.
func ReadHospital(data []byte) (*Hospital, error) {
	var h Hospital
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return nil, fmt.Errorf("simulate: hospital: %w", err)
	}
	return &h, h.check()
}

func (h *Hospital) check() error {
	for u, list := range h.Hours {
		if len(list) != 24 {
			return fmt.Errorf("simulate: hospital: hours of %s has %d parts; want 24", u, len(list))
		}
	}
	for u, list := range h.Days {
		if len(list) != 7 {
			return fmt.Errorf("simulate: hospital: days of %s has %d parts; want 7", u, len(list))
		}
	}
	if len(h.Wards) == 0 || len(h.Specialties) == 0 || h.Load <= 0 {
		return fmt.Errorf("simulate: hospital: wards, specialties and a load are needed")
	}
	for _, s := range h.Specialties {
		if s.Stay <= 0 || s.Demand < 0 || s.StayCV < 0 {
			return fmt.Errorf("simulate: hospital: %s: stay of %v days, demand %v", s.Code, s.Stay, s.Demand)
		}
		if !slices.ContainsFunc(h.Wards, func(w WardOf) bool { return slices.Contains(w.Specialties, s.Code) }) {
			return fmt.Errorf("simulate: hospital: %s has no ward", s.Code)
		}
		for u := range s.Urgency {
			if h.Hours[u] == nil || h.Days[u] == nil || !slices.Contains(urgencies, u) {
				return fmt.Errorf("simulate: hospital: %s: urgency %q has no hours and days", s.Code, u)
			}
		}
	}
	return nil
}

// Pool of all its beds, free.
func (h *Hospital) Pool() (p allocate.Pool, err error) {
	for w, ward := range h.Wards {
		beds := 0
		for _, of := range ward.Rooms {
			var equipment allocate.Equipment
			for _, code := range of.Equipment {
				bit, err := allocate.ParseEquipment(code)
				if err != nil {
					return p, err
				}
				equipment |= bit
			}
			level := of.Level
			if level == "" {
				level = allocate.General
			}
			for range of.Rooms {
				room := len(p.Rooms)
				p.Rooms = append(p.Rooms, allocate.Room{ID: fmt.Sprintf("Location/%s-room-%d", ward.ID, room), Rule: of.Sex})
				for range of.Beds {
					beds++
					p.Beds = append(p.Beds, allocate.Bed{ID: fmt.Sprintf("Location/%s-bed-%d", ward.ID, beds), Name: fmt.Sprintf("%d 床", beds),
						Ward: w, Room: room, Level: level, Equipment: equipment, State: allocate.Free})
				}
			}
		}
		points := h.NursingPerBed
		if ward.Nursing > 0 {
			points = ward.Nursing
		}
		p.Wards = append(p.Wards, allocate.Ward{ID: "Organization/" + ward.ID, Name: ward.Name, Campus: "Location/" + ward.Campus, Specialties: ward.Specialties,
			Neighbours: ward.Neighbours, Kinds: ward.Kinds, Lends: ward.Lends, Capacity: float64(beds) * points, Free: beds})
	}
	return p, nil
}

// Options that the hospital itself says.
func (h *Hospital) Options() (o Options, err error) {
	o.Cleaning = time.Duration(h.Cleaning * float64(time.Minute))
	o.Patience = map[allocate.Urgency]time.Duration{}
	for u, days := range h.Patience {
		o.Patience[u] = ofDays(days)
	}
	for _, s := range h.Shifts {
		from, err := clock(s.From)
		if err != nil {
			return o, err
		}
		o.Shifts = append(o.Shifts, Shift{From: from, Share: s.Share})
	}
	if h.DischargeFrom != "" {
		if o.DischargeFrom, err = clock(h.DischargeFrom); err == nil {
			o.DischargeTo, err = clock(h.DischargeTo)
		}
	}
	return o, err
}

func clock(hhmm string) (time.Duration, error) {
	t, err := time.Parse("15:04", hhmm)
	if err != nil {
		return 0, fmt.Errorf("simulate: %q is not a time of day such as 08:00", hhmm)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

func ofDays(d float64) time.Duration { return time.Duration(d * 24 * float64(time.Hour)) }
