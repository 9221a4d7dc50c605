package simulate

import (
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

// Stay is one recorded stay, or a part of one: the parts of a patient follow each other by From.
type Stay struct {
	Patient  string // parts of one stay have the same; it is forgotten when the world is made
	From     time.Time
	Hours    float64
	Ward     string // id or name; "" = any of the specialty
	Promised time.Time
	Request  allocate.Request
}

// ReadStays reads admissions: id, arrival, specialty, sex, urgency, needs, ward, stay in hours.
func ReadStays(r io.Reader, zone *time.Location, bad func(BadRow)) ([]Stay, error) {
	s, err := open(r, "arrival", "stay")
	if err != nil {
		return nil, err
	}
	if _, ward := s.at["ward"]; !ward {
		if _, ok := s.at["specialty"]; !ok {
			return nil, fmt.Errorf("%w: specialty or ward (科室, 病区)", ErrColumns)
		}
	}
	var stays []Stay
	words := map[string]string{}
	same := func(text string) string { // one string for each word of a column
		if known, ok := words[text]; ok {
			return known
		}
		text = strings.Clone(text)
		if len(words) < 1<<16 {
			words[text] = text
		}
		return text
	}
	err = s.each(func(line int, row []string) *BadRow {
		one := Stay{Request: allocate.Request{Age: -1}}
		if one.Patient = strings.Clone(s.field(row, "id")); one.Patient == "" {
			one.Patient = "line " + strconv.Itoa(line)
		}
		var ok bool
		if one.From, ok = when(s.field(row, "arrival"), zone); !ok {
			return &BadRow{Code: "arrival", En: "arrival is no time such as 2026-03-01 08:30", Zh: "申请时间无法识别"}
		}
		if one.Hours, err = strconv.ParseFloat(s.field(row, "stay"), 64); err != nil || !(one.Hours >= 0 && one.Hours < 24*3660) {
			return &BadRow{Code: "stay", En: "stay is no number of hours", Zh: "住院小时不是数字"}
		}
		if text := s.field(row, "promised"); text != "" {
			if one.Promised, ok = when(text, zone); !ok {
				return &BadRow{Code: "promised", En: "promised is no time", Zh: "承诺时间无法识别"}
			}
		}
		if text := s.field(row, "age"); text != "" {
			if one.Request.Age, err = strconv.Atoi(text); err != nil || one.Request.Age < 0 || one.Request.Age > 150 {
				return &BadRow{Code: "age", En: "age is no number of years", Zh: "年龄不是数字"}
			}
		}
		if one.Request.Sex, ok = sexes[plainly(s.field(row, "sex"))]; !ok {
			return &BadRow{Code: "sex", En: "sex is neither male nor female", Zh: "性别无法识别"}
		}
		if one.Request.Urgency, ok = howUrgent[plainly(s.field(row, "urgency"))]; !ok {
			return &BadRow{Code: "urgency", En: "urgency is none of emergency, urgent, cancer, elective", Zh: "紧急程度无法识别"}
		}
		if one.Request.Nursing, ok = nursings[plainly(s.field(row, "nursing"))]; !ok {
			return &BadRow{Code: "nursing", En: "nursing level is none of special, 1, 2, 3", Zh: "护理级别无法识别"}
		}
		one.Request.Level = allocate.General
		for _, word := range split(s.field(row, "needs")) {
			if !one.needs(plainly(word)) {
				return &BadRow{Code: "needs", En: "needs are not understood: levels, equipment, isolation or nursing", Zh: "特殊需求无法识别"}
			}
		}
		one.Ward, one.Request.Specialty = same(s.field(row, "ward")), same(s.field(row, "specialty"))
		if one.Ward == "" && one.Request.Specialty == "" {
			return &BadRow{Code: "ward", En: "neither ward nor specialty", Zh: "既无病区也无科室"}
		}
		if campus := s.field(row, "campus"); campus != "" {
			one.Request.Campuses = []string{"Location/" + same(campus)}
		}
		stays = append(stays, one)
		return nil
	}, bad)
	return stays, err
}

func (s *Stay) needs(word string) bool {
	if level, ok := levels[word]; ok {
		s.Request.Level = level
	} else if bit, ok := devices[word]; ok {
		s.Request.Equipment |= bit
	} else if kind, ok := isolations[word]; ok {
		s.Request.Isolation = kind
	} else if nursing, ok := nursings[word]; ok {
		s.Request.Nursing = nursing
	} else {
		return false
	}
	return true
}

// Recorded are stays as they were.
type Recorded struct {
	world   *World
	Unknown int // stays that name a ward or a specialty without beds; left out
}

// NewRecorded makes a world of stays and beds. With no beds each ward gets as many, in single rooms, as lay there at
// once, and each stay its own bed: then the record can be replayed.
func NewRecorded(stays []Stay, pool *allocate.Pool) (*Recorded, error) {
	if len(stays) == 0 {
		return nil, fmt.Errorf("simulate: no stays")
	}
	stays = slices.Clone(stays)
	slices.SortStableFunc(stays, func(a, b Stay) int { return a.From.Compare(b.From) })
	w := &World{Start: stays[0].From}
	rec := &Recorded{world: w}
	var beds []int32
	if pool != nil {
		w.Pool = *pool
	} else {
		beds = w.asLain(stays)
	}
	classes := map[string]int32{}
	var later []Admission
	where := map[string]int{} // place of a patient's latest part: arrivals from 1, later parts from -1 down
	for i := range stays {
		s := &stays[i]
		c, ok := w.classOf(s, classes)
		if !ok {
			rec.Unknown++
			continue
		}
		a := Admission{At: s.From.Sub(w.Start), Stay: time.Duration(s.Hours * float64(time.Hour)), Class: c}
		if !s.Promised.IsZero() {
			a.Promised = max(1, s.Promised.Sub(w.Start))
		}
		if beds != nil {
			a.Bed = beds[i] + 1
		}
		at, follows := where[s.Patient]
		if !follows {
			w.Admissions = append(w.Admissions, a)
			where[s.Patient] = len(w.Admissions)
		} else {
			later = append(later, a)
			if at > 0 {
				w.Admissions[at-1].Next = int32(len(later))
			} else {
				later[-at-1].Next = int32(len(later))
			}
			where[s.Patient] = -len(later)
		}
	}
	w.Arrivals = len(w.Admissions)
	for i := range w.Admissions {
		if n := &w.Admissions[i].Next; *n != 0 {
			*n += int32(w.Arrivals) - 1
		}
	}
	for i := range later {
		if later[i].Next != 0 {
			later[i].Next += int32(w.Arrivals) - 1
		}
	}
	w.Admissions = append(w.Admissions, later...)
	if w.Arrivals == 0 {
		return nil, fmt.Errorf("simulate: none of the %d stays names a ward or a specialty that has beds", len(stays))
	}
	return rec, nil
}

// asLain makes beds of what lay at once, and says in which each stay was.
func (w *World) asLain(stays []Stay) []int32 {
	wards, ends := map[string]int{}, [][]time.Time{}
	ids := [][]int32{}
	out := make([]int32, len(stays))
	for i := range stays {
		s := &stays[i]
		name := cmp.Or(s.Ward, s.Request.Specialty)
		at, ok := wards[name]
		if !ok {
			at = len(w.Pool.Wards)
			wards[name] = at
			ends, ids = append(ends, nil), append(ids, nil)
			w.Pool.Wards = append(w.Pool.Wards, allocate.Ward{ID: "Organization/" + name, Name: name, Campus: "Location/one", Lends: true, Capacity: 1e9})
		}
		ward := &w.Pool.Wards[at]
		if code := s.Request.Specialty; code != "" && !slices.Contains(ward.Specialties, code) {
			ward.Specialties = append(ward.Specialties, code)
		}
		free := slices.IndexFunc(ends[at], func(end time.Time) bool { return !end.After(s.From) })
		if free < 0 {
			free = len(ends[at])
			ends[at], ids[at] = append(ends[at], time.Time{}), append(ids[at], int32(len(w.Pool.Beds)))
			w.Pool.Rooms = append(w.Pool.Rooms, allocate.Room{ID: fmt.Sprintf("Location/room-%d", len(w.Pool.Rooms)), Rule: allocate.Single})
			w.Pool.Beds = append(w.Pool.Beds, allocate.Bed{ID: fmt.Sprintf("Location/bed-%06d", len(w.Pool.Beds)), Ward: at, Room: len(w.Pool.Rooms) - 1,
				Level: s.Request.Level, Equipment: s.Request.Equipment, State: allocate.Free})
		}
		ends[at][free] = s.From.Add(time.Duration(s.Hours * float64(time.Hour)))
		bed := &w.Pool.Beds[ids[at][free]]
		bed.Equipment |= s.Request.Equipment
		out[i] = ids[at][free]
	}
	return out
}

// classOf a stay: its home is its ward, or all of its specialty; if these have no bed of the level, the wards that do.
func (w *World) classOf(s *Stay, known map[string]int32) (int32, bool) {
	r := s.Request
	name := fmt.Sprint(s.Ward, "\x00", r.Specialty, r.Team, r.Urgency, r.Sex, r.Level, r.Isolation, r.Equipment, r.Nursing, r.Kind, r.Campuses, r.Age)
	if c, ok := known[name]; ok {
		return c, c >= 0
	}
	var home []int
	for i := range w.Pool.Wards {
		ward := &w.Pool.Wards[i]
		if s.Ward != "" && (ward.ID == s.Ward || ward.ID == "Organization/"+s.Ward || ward.Name == s.Ward) || s.Ward == "" && slices.Contains(ward.Specialties, r.Specialty) {
			home = append(home, i)
		}
	}
	if len(home) == 1 {
		r.Ward = w.Pool.Wards[home[0]].ID
		if r.Specialty == "" && len(w.Pool.Wards[home[0]].Specialties) > 0 {
			r.Specialty = w.Pool.Wards[home[0]].Specialties[0]
		}
	}
	has := func(ward int) bool {
		return slices.ContainsFunc(w.Pool.Beds, func(b allocate.Bed) bool { return b.Ward == ward && b.Level == r.Level })
	}
	if len(home) > 0 && r.Level != allocate.General && !slices.ContainsFunc(home, has) {
		var others []int
		for i := range w.Pool.Wards {
			if has(i) {
				others = append(others, i)
			}
		}
		if others != nil {
			home = others
		}
	}
	if home == nil {
		known[name] = -1
		return -1, false
	}
	c := int32(len(w.Classes))
	known[name] = c
	w.Classes = append(w.Classes, Class{Request: r, Home: home})
	return c, true
}

// World of seed 0 is the record itself; any other has its weeks drawn again, with replacement (a record of less than four
// weeks: its days), so that what depends on one another within a week stays together.
func (r *Recorded) World(seed uint64) (*World, error) {
	if seed == 0 {
		return r.world, nil
	}
	rng := rand.New(rand.NewPCG(seed, 77))
	old := r.world
	span := old.Admissions[old.Arrivals-1].At + 1
	block := 7 * 24 * time.Hour
	if span < 4*block {
		block = 24 * time.Hour
	}
	w := &World{Start: old.Start, Pool: old.Pool, Classes: old.Classes, Until: span - 1}
	blocks := int((span + block - 1) / block)
	starts := make([]int, blocks+1)
	for i, at := 0, 0; i <= blocks; i++ {
		for at < old.Arrivals && old.Admissions[at].At < time.Duration(i)*block {
			at++
		}
		starts[i] = at
	}
	var parts []int32 // arrivals whose stay has later parts
	for to := range blocks {
		from := rng.IntN(blocks)
		for i := starts[from]; i < starts[from+1]; i++ {
			a := old.Admissions[i]
			move := time.Duration(to-from) * block
			if a.At += move; a.At >= span {
				break
			}
			if a.Promised > 0 {
				a.Promised = max(1, a.Promised+move)
			}
			a.Bed = 0
			if a.Next != 0 {
				parts = append(parts, int32(len(w.Admissions)))
			}
			w.Admissions = append(w.Admissions, a)
		}
	}
	w.Arrivals = len(w.Admissions)
	for _, i := range parts {
		for at, next := i, w.Admissions[i].Next; next != 0; {
			a := old.Admissions[next]
			a.Bed = 0
			w.Admissions[at].Next = int32(len(w.Admissions))
			next = a.Next
			at = int32(len(w.Admissions))
			w.Admissions = append(w.Admissions, a)
		}
	}
	if w.Arrivals == 0 {
		return nil, fmt.Errorf("simulate: seed %d drew no arrivals", seed)
	}
	return w, nil
}
