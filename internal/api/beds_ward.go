package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

type shiftsView struct {
	At    string       `json:"at"`
	Kinds []beds.Shift `json:"kinds"`
	Wards []shiftWard  `json:"wards"`
}

type shiftWard struct {
	Ward       string         `json:"ward"`
	Name       string         `json:"name"`
	Campus     string         `json:"campus,omitempty"`
	CampusName string         `json:"campusName,omitempty"`
	Beds       int            `json:"beds"`
	Patients   int            `json:"patients"`
	Load       float64        `json:"load"`
	Mine       bool           `json:"mine,omitempty"`
	Shifts     []staffingView `json:"shifts"`
}

type staffingView struct {
	Shift  string   `json:"shift"`
	Starts string   `json:"starts"`
	Ends   string   `json:"ends"`
	Nurses *float64 `json:"nurses,omitempty"` // absent = nobody has set it
	Points *float64 `json:"points,omitempty"`
	Source string   `json:"source,omitempty"`
	By     string   `json:"by,omitempty"`
	At     string   `json:"at,omitempty"`
}

// shiftsAhead is how many shifts are shown: the one at the time asked for and those of the next day.
const shiftsAhead = 4

func (a *Beds) shifts(w http.ResponseWriter, r *http.Request) {
	c, pool := a.pool(w, r)
	if c == nil {
		return
	}
	v := shiftsView{Wards: []shiftWard{}}
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		v.Wards = v.Wards[:0]
		at := tx.Now()
		if s := r.URL.Query().Get("at"); s != "" {
			var err error
			if at, err = time.Parse(time.RFC3339, s); err != nil {
				return fhir.Refuse(400, "value", "bad-time", "at is a time such as 2026-11-23T08:00:00+08:00", "时间格式不正确")
			}
		}
		l, err := a.Room.Look(r.Context(), tx, pool)
		if err != nil {
			return err
		}
		campuses, err := a.Room.Campuses(r.Context(), tx)
		if err != nil {
			return err
		}
		v.At, v.Kinds = line.Stamp(at), l.Rules.Shifts
		list := []staffingView{}
		var from, until time.Time
		for next := at.In(a.zone()); len(list) < shiftsAhead; next = until {
			var kind beds.Shift
			kind, from, until = l.Rules.ShiftAt(next)
			list = append(list, staffingView{Shift: kind.Code, Starts: line.Stamp(from), Ends: line.Stamp(until)})
		}
		set, err := a.Room.Shifts(r.Context(), tx, pool, at, until)
		if err != nil {
			return err
		}
		known := map[string]beds.Staffing{}
		for _, s := range set {
			known[s.Ward+" "+line.Stamp(s.Starts)] = s
		}
		for i, ward := range l.Of {
			x := shiftWard{Ward: ward.ID, Name: ward.Name, Campus: ward.Campus, CampusName: campuses[ward.Campus].Name, Beds: len(ward.Beds), Load: round1(l.Wards[i].Load), Mine: a.Room.MaySet(c, ward) != ""}
			for _, b := range ward.Beds {
				if u, taken := l.Uses[b.ID]; taken && u.State == "occupied" {
					x.Patients++
				}
			}
			for _, s := range list {
				if is, done := known[ward.ID+" "+s.Starts]; done {
					s.Nurses, s.Points, s.Source, s.By, s.At = &is.Nurses, &is.Points, is.Source, is.By, line.Stamp(is.At)
				}
				x.Shifts = append(x.Shifts, s)
			}
			v.Wards = append(v.Wards, x)
		}
		return nil
	})
	if err != nil {
		Refuse(w, r, err)
		return
	}
	packed(w, r, v)
}

func (a *Beds) zone() *time.Location {
	if a.Zone != nil {
		return a.Zone
	}
	return time.FixedZone("CST", 8*3600)
}

func (a *Beds) setShift(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	var ask struct {
		Ward   string  `json:"ward"`
		At     string  `json:"at"`
		Nurses float64 `json:"nurses"`
		Points float64 `json:"points"`
	}
	if err := Body(w, r, 4<<10, &ask); err != nil {
		Refuse(w, r, err)
		return
	}
	var s beds.Staffing
	err := a.Store.Update(r.Context(), func(tx *store.Tx) error {
		at := tx.Now()
		if ask.At != "" {
			var err error
			if at, err = time.Parse(time.RFC3339, ask.At); err != nil {
				return fhir.Refuse(400, "value", "bad-time", "at is a time such as 2026-11-23T08:00:00+08:00", "时间格式不正确")
			}
		}
		var err error
		s, err = a.Room.SetShift(r.Context(), tx, c, ask.Ward, at, ask.Nurses, ask.Points)
		return err
	})
	if err != nil {
		a.refused(w, r, "bed-shift", ask.Ward, err)
		return
	}
	Answer(w, http.StatusOK, staffingView{s.Shift, line.Stamp(s.Starts), line.Stamp(s.Ends), &s.Nurses, &s.Points, s.Source, s.By, line.Stamp(s.At)})
}

func (a *Beds) rules(w http.ResponseWriter, r *http.Request) {
	c, pool := a.pool(w, r)
	if c == nil {
		return
	}
	var list []beds.Rule
	err := a.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		list, err = a.Room.RuleList(r.Context(), tx, pool, c)
		return err
	})
	if err != nil {
		Refuse(w, r, err)
		return
	}
	mine := slices.ContainsFunc(list, func(x beds.Rule) bool { return x.Mine })
	packed(w, r, struct {
		Rules []beds.Rule `json:"rules"`
		Mine  bool        `json:"mine"` // the caller may change some of them
	}{list, mine})
}

func (a *Beds) setRule(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	var ask struct {
		Code   string          `json:"code"`
		Value  json.RawMessage `json:"value"`
		Reason string          `json:"reason"`
		From   string          `json:"from"` // in force; "" = now
	}
	if err := Body(w, r, 16<<10, &ask); err != nil {
		Refuse(w, r, err)
		return
	}
	var from time.Time
	if ask.From != "" {
		var err error
		if from, err = time.Parse(time.RFC3339, ask.From); err != nil {
			Refuse(w, r, fhir.Refuse(400, "value", "bad-time", "from is a time such as 2026-11-23T08:00:00+08:00", "时间格式不正确"))
			return
		}
	}
	err := a.Store.Update(r.Context(), func(tx *store.Tx) error {
		return a.Room.SetRule(r.Context(), tx, c, c.Institution, ask.Code, ask.Reason, ask.Value, from)
	})
	if err != nil {
		a.refused(w, r, "bed-rule", ask.Code, err)
		return
	}
	Answer(w, http.StatusOK, map[string]string{"code": ask.Code})
}
