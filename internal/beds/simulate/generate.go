package simulate

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

// Source gives worlds, one for each seed: the same seed, the same world.
type Source interface {
	World(seed uint64) (*World, error)
}

// Generated are arrivals drawn for a hospital.
type Generated struct {
	Hospital *Hospital
	Days     int     // measured, after the warm-up
	Warmup   int     // days before them
	Load     float64 // 0 = the hospital's own
	Most     int     // arrivals at most; 0 = as many as come
}

// World draws one. Each specialty has its own stream of numbers, so that a change of one leaves the others alone.
func (g *Generated) World(seed uint64) (*World, error) {
	h := g.Hospital
	pool, err := h.Pool()
	if err != nil {
		return nil, err
	}
	days := g.Days + g.Warmup
	w := &World{Start: time.Date(2026, 1, 5, 0, 0, 0, 0, time.FixedZone("CST", 8*3600)), Pool: pool, Until: ofDays(float64(days))}
	load := g.Load
	if load == 0 {
		load = h.Load
	}
	draw := drawing{h: h, w: w, classes: map[string]int32{}, load: load / h.asked(), days: days}
	for i := range h.Specialties {
		draw.specialty(&h.Specialties[i], rand.New(rand.NewPCG(seed, uint64(i)+1)))
	}
	slices.SortStableFunc(draw.first, func(a, b Admission) int { return cmp.Compare(a.At, b.At) })
	if g.Most > 0 && len(draw.first) > g.Most {
		draw.first = draw.first[:g.Most]
		w.Until = draw.first[g.Most-1].At
	}
	w.Arrivals = len(draw.first)
	w.Admissions = draw.first
	for i := range w.Arrivals {
		if part := w.Admissions[i].Next; part != 0 {
			w.Admissions[i].Next = int32(len(w.Admissions))
			w.Admissions = append(w.Admissions, draw.later[part-1])
		}
	}
	return w, nil
}

// wait for the discharge hour, and for the cleaning: what a stay takes beyond itself.
func (h *Hospital) extra() time.Duration {
	extra := time.Duration(h.Cleaning * float64(time.Minute))
	from, err1 := clock(h.DischargeFrom)
	to, err2 := clock(h.DischargeTo)
	if err1 == nil && err2 == nil && to > from {
		day, middle := (24 * time.Hour).Hours(), (from+to).Hours()/2
		early := from.Hours() / day * (middle - from.Hours()/2)
		late := (day - to.Hours()) / day * (day + middle - (day+to.Hours())/2)
		extra += time.Duration((early + late) * float64(time.Hour))
	}
	return extra
}

// asked is the share of bed hours that is asked for at a load of 1, over all wards that have patients of their own.
func (h *Hospital) asked() float64 {
	var asked, beds float64
	for _, s := range h.Specialties {
		own := float64(h.bedsOf(s.Code))
		asked, beds = asked+s.Demand*own, beds+own
	}
	return asked / beds
}

func (h *Hospital) bedsOf(specialty string) (n int) {
	for _, w := range h.Wards {
		if slices.Contains(w.Specialties, specialty) {
			n += w.beds()
		}
	}
	return n
}

func (w *WardOf) beds() (n int) {
	for _, r := range w.Rooms {
		n += r.Rooms * r.Beds
	}
	return n
}

type drawing struct {
	h       *Hospital
	w       *World
	classes map[string]int32
	load    float64
	days    int
	first   []Admission
	later   []Admission
}

func (d *drawing) specialty(s *Specialty, r *rand.Rand) {
	h := d.h
	var own, room []float64 // wards of the specialty and their beds
	for i := range h.Wards {
		if slices.Contains(h.Wards[i].Specialties, s.Code) {
			own, room = append(own, float64(i)), append(room, float64(h.Wards[i].beds()))
		}
	}
	icu := slices.IndexFunc(h.Wards, func(w WardOf) bool { return slices.Contains(w.Kinds, "icu") })
	perDay := d.load * s.Demand * float64(h.bedsOf(s.Code)) / (s.Stay + h.extra().Hours()/24)
	sigma := math.Sqrt(math.Log(1 + s.StayCV*s.StayCV))
	nursing, shares := sorted(h.Nursing)
	surge := 1.0
	for day := range d.days {
		if day%7 == 0 && h.Surge > 0 {
			surge = math.Exp(h.Surge*r.NormFloat64() - h.Surge*h.Surge/2)
		}
		weekday := int(d.w.Start.AddDate(0, 0, day).Weekday())
		for _, u := range urgencies {
			mean := perDay * surge * s.Urgency[u] * h.Days[u][weekday] * 7 / sum(h.Days[u])
			for range poissonOf(r, mean) {
				a := Admission{At: ofDays(float64(day)) + time.Duration((float64(pick(r, h.Hours[u]))+r.Float64())*float64(time.Hour))}
				a.Stay = max(4*time.Hour, ofDays(s.Stay*math.Exp(sigma*r.NormFloat64()-sigma*sigma/2)))
				if days, ok := h.Promise[u]; ok {
					a.Promised = a.At + ofDays(days)
				}
				k := kindOf{specialty: s.Code, urgency: u, ward: int(own[pick(r, room)]), sex: allocate.Male, level: allocate.General, nursing: nursing[pick(r, shares)], age: s.Age}
				if r.Float64() < s.Female {
					k.sex = allocate.Female
				}
				needs := r.Float64()
				if needs < s.HDU && d.has(k.ward, allocate.HDU) {
					k.level, k.nursing = allocate.HDU, "1"
				}
				if r.Float64() < s.Dialysis {
					k.equipment = allocate.Dialysis
				}
				if first := r.Float64(); first < s.ICU && icu >= 0 {
					k.level = allocate.General
					then, after := a, k
					if after.urgency != allocate.Emergency {
						after.urgency = allocate.Urgent // who is to leave intensive care blocks a bed there
					}
					then.Class = d.class(after)
					k.level, k.ward, k.nursing, k.equipment = allocate.ICU, icu, "special", 0
					a.Stay = max(4*time.Hour, ofDays(h.ICUStay*r.ExpFloat64()))
					d.later = append(d.later, then)
					a.Next = int32(len(d.later))
				}
				a.Class = d.class(k)
				d.first = append(d.first, a)
			}
		}
	}
}

func (d *drawing) has(ward int, level allocate.Level) bool {
	return slices.ContainsFunc(d.h.Wards[ward].Rooms, func(r RoomOf) bool { return r.Level == level })
}

// kindOf patient: what makes a class.
type kindOf struct {
	specialty string
	urgency   allocate.Urgency
	ward      int
	sex       allocate.Sex
	level     allocate.Level
	equipment allocate.Equipment
	nursing   string
	age       int
}

func (d *drawing) class(k kindOf) int32 {
	name := fmt.Sprint(k)
	c, ok := d.classes[name]
	if !ok {
		c = int32(len(d.w.Classes))
		d.classes[name] = c
		d.w.Classes = append(d.w.Classes, Class{Home: []int{k.ward}, Request: allocate.Request{Specialty: k.specialty, Ward: d.w.Pool.Wards[k.ward].ID,
			Urgency: k.urgency, Sex: k.sex, Level: k.level, Equipment: k.equipment, Nursing: k.nursing, Age: k.age}})
	}
	return c
}

func sorted(m map[string]float64) (keys []string, values []float64) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	for _, k := range keys {
		values = append(values, m[k])
	}
	return keys, values
}

func sum(list []float64) (all float64) {
	for _, x := range list {
		all += x
	}
	return all
}

// pick one of them in proportion.
func pick(r *rand.Rand, shares []float64) int {
	at := r.Float64() * sum(shares)
	for i, x := range shares {
		if at -= x; at < 0 {
			return i
		}
	}
	return len(shares) - 1
}

// poissonOf counts what comes in a unit of time, by its gaps; mean of at most some hundreds.
func poissonOf(r *rand.Rand, mean float64) (n int) {
	for at := r.ExpFloat64(); at < mean; at += r.ExpFloat64() {
		n++
	}
	return n
}
