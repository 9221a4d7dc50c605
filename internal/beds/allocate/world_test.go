package allocate

import (
	"fmt"
	"math/rand/v2"
	"time"
)

var noon = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC) // 12:00 in Shanghai

var specialties = []string{"cardiology", "neurology", "respiratory", "surgery", "orthopaedics", "obstetrics", "paediatrics", "infectious", "emergency"}

func pick[T any](d *rand.Rand, of ...T) T { return of[d.IntN(len(of))] }

// hospital makes up wards of rooms of beds, part of them taken.
func hospital(d *rand.Rand, wards, beds int, taken float64) *Pool {
	p := &Pool{Now: noon}
	for w := range wards {
		own := specialties[w%len(specialties)]
		ward := Ward{ID: fmt.Sprintf("Organization/ward-%02d", w), Name: fmt.Sprintf("第%d病区", w+1), Campus: pick(d, "Location/north", "Location/south"),
			Specialties: []string{own}, Neighbours: []string{pick(d, specialties...), pick(d, specialties...)}, Lends: d.IntN(8) > 0,
			Stale: d.IntN(12) == 0, Teams: map[string]int{}, Reserve: d.IntN(3)}
		switch own {
		case "obstetrics", "paediatrics", "infectious":
			ward.Kinds = []string{own}
		case "emergency":
			ward.Kinds = []string{"icu"}
		}
		p.Wards = append(p.Wards, ward)
	}
	for len(p.Beds) < beds {
		w := d.IntN(wards)
		level := pick(d, General, General, General, General, HDU, VIP)
		var has Equipment
		switch {
		case len(p.Wards[w].Kinds) > 0 && p.Wards[w].Kinds[0] == "icu":
			level, has = ICU, Monitor|Oxygen|Ventilator
		case d.IntN(6) == 0:
			level, has = Isolation, Oxygen
			if d.IntN(2) == 0 {
				has |= NegativePressure
			}
		default:
			has = Equipment(d.IntN(4))
		}
		room := Room{ID: fmt.Sprintf("Location/room-%04d", len(p.Rooms)), Rule: pick(d, Male, Female, Mixed, Mixed, Single)}
		size := 1 + d.IntN(3)
		if room.Rule == Single {
			size = 1
		}
		sex := pick(d, Male, Female)
		if room.Rule == Male || room.Rule == Female {
			sex = room.Rule
		}
		for i := 0; i < size && len(p.Beds) < beds; i++ {
			b := Bed{ID: fmt.Sprintf("Location/bed-%05d", len(p.Beds)), Name: fmt.Sprintf("%d 床", len(p.Beds)+1), Ward: w, Room: len(p.Rooms), Level: level, Equipment: has, State: Free}
			switch {
			case d.Float64() < taken:
				b.State = Occupied
				if d.IntN(4) == 0 {
					b.State = Lent
				}
				if d.IntN(4) == 0 {
					b.Frees, b.Likely = noon.Add(time.Duration(1+d.IntN(20))*time.Hour), 0.8
				}
				if p.Wards[w].Load++; sex == Male {
					room.Men++
				} else {
					room.Women++
				}
			case d.IntN(12) == 0:
				b.State, b.Frees, b.Likely = Cleaning, noon.Add(25*time.Minute), 1
			case d.IntN(15) == 0:
				b.State = Closed
			default:
				p.Wards[w].Free++
			}
			p.Beds = append(p.Beds, b)
		}
		p.Rooms = append(p.Rooms, room)
	}
	for w := range p.Wards {
		p.Wards[w].Capacity = p.Wards[w].Load + float64(d.IntN(8))
	}
	return p
}

func patients(d *rand.Rand, n, wards int) (out []Request) {
	for i := range n {
		r := Request{ID: fmt.Sprintf("Task/%04d", i), Specialty: pick(d, specialties...), Urgency: pick(d, Emergency, Urgent, Urgent, Cancer, Elective, Elective, Elective),
			Sex: pick(d, Male, Female, Male, Female, Male, Female, Male, Female, ""), Level: pick(d, General, General, General, General, HDU, ICU),
			Isolation: pick(d, "", "", "", "", "", "", "", "contact", "airborne"), Equipment: pick(d, 0, 0, Monitor, Oxygen, Monitor|Oxygen),
			Nursing: pick(d, "special", "1", "2", "3", ""), Since: noon.Add(-time.Duration(d.IntN(200)) * time.Hour), Age: pick(d, 3, 30, 50, 60, 70, 80, -1),
			Team: pick(d, "", "CareTeam/a", "CareTeam/b", "CareTeam/c"), Moves: d.IntN(3)}
		if d.IntN(2) == 0 {
			r.Ward = fmt.Sprintf("Organization/ward-%02d", d.IntN(wards))
		}
		if d.IntN(10) == 0 {
			r.Campuses = []string{"Location/north"}
		}
		if d.IntN(4) == 0 {
			r.Promised = noon.Add(time.Duration(d.IntN(96)-48) * time.Hour)
		}
		out = append(out, r)
	}
	return out
}
