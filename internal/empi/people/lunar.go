package people

import (
	"math"
	"sort"
	"sync"
	"time"
)

// lunar gives year, month and day of the traditional calendar, reckoned from new moons and solar terms at
// 120° E after Meeus, Astronomical Algorithms, chapters 25 and 49 (largest terms only: where a new moon falls
// within minutes of midnight its month comes out a day off, three months between 1925 and 2029). A leap month has
// the number of the month before it.
func lunar(t time.Time) (year, month, day int) {
	m := months()
	at := dayNumber(t)
	i := sort.Search(len(m), func(i int) bool { return m[i].first > at }) - 1
	if i < 0 {
		return t.Year(), int(t.Month()), t.Day()
	}
	return m[i].year, m[i].month, at - m[i].first + 1
}

type moon struct{ first, year, month int }

const firstYear, lastYear = 1899, 2060

// months from the winter solstice of firstYear on.
var months = sync.OnceValue(func() []moon {
	var all []moon
	k := int(math.Floor((float64(firstYear) + 0.96 - 2000) * 12.3685))
	moons := []int{}
	for ; len(moons) < (lastYear-firstYear)*13; k++ {
		moons = append(moons, chinaDay(newMoon(float64(k))))
	}
	at := func(day int) int { return sort.SearchInts(moons, day+1) - 1 }
	for y := firstYear; y < lastYear; y++ {
		// the month with the winter solstice is the eleventh
		from, to := at(solstice(y)), at(solstice(y+1))
		if from < 0 || to+1 >= len(moons) {
			continue
		}
		leap := to-from == 13
		number, year := 11, y
		for i := from; i < to; i++ {
			if i > from {
				if leap && sector(moons[i]) == sector(moons[i+1]) {
					leap = false // no solar term begins in it: it repeats the number before
				} else if number++; number == 13 {
					number, year = 1, y+1
				}
			}
			all = append(all, moon{moons[i], year, number})
		}
	}
	return all
})

func dayNumber(t time.Time) int {
	return int(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

const unixJD = 2440587.5

// chinaDay is the day (since 1970) at 120° E of a moment given as Julian ephemeris day.
func chinaDay(jde float64) int {
	const deltaT = 50.0 / 86400 // about, for the twentieth century
	return int(math.Floor(jde - deltaT - unixJD + 8.0/24))
}

func sin(deg float64) float64 { return math.Sin(deg * math.Pi / 180) }

func newMoon(k float64) float64 {
	t := k / 1236.85
	jde := 2451550.09766 + 29.530588861*k + 0.00015437*t*t
	e := 1 - 0.002516*t
	m := 2.5534 + 29.10535670*k
	mm := 201.5643 + 385.81693528*k
	f := 160.7108 + 390.67050284*k
	o := 124.7746 - 1.56375588*k
	return jde - 0.40720*sin(mm) + 0.17241*e*sin(m) + 0.01608*sin(2*mm) + 0.01039*sin(2*f) +
		0.00739*e*sin(mm-m) - 0.00514*e*sin(mm+m) + 0.00208*e*e*sin(2*m) - 0.00111*sin(mm-2*f) -
		0.00057*sin(mm+2*f) + 0.00056*e*sin(2*mm+m) - 0.00042*sin(3*mm) + 0.00042*e*sin(m+2*f) +
		0.00038*e*sin(m-2*f) - 0.00024*e*sin(2*mm-m) - 0.00017*sin(o)
}

// sunAt is the apparent longitude of the sun in degrees.
func sunAt(jde float64) float64 {
	t := (jde - 2451545) / 36525
	l := 280.46646 + 36000.76983*t + 0.0003032*t*t
	m := 357.52911 + 35999.05029*t
	c := (1.914602-0.004817*t)*sin(m) + (0.019993-0.000101*t)*sin(2*m) + 0.000289*sin(3*m)
	lon := math.Mod(l+c-0.00569-0.00478*sin(125.04-1934.136*t), 360)
	if lon < 0 {
		lon += 360
	}
	return lon
}

// sector is the twelfth of the zodiac in which the sun stands when the day begins at 120° E.
func sector(day int) int { return int(sunAt(float64(day)+unixJD-8.0/24) / 30) }

// solstice is the day of winter (270°).
func solstice(year int) int {
	day := dayNumber(time.Date(year, 12, 19, 0, 0, 0, 0, time.UTC))
	for sunAt(float64(day+1)+unixJD-8.0/24) < 270 {
		day++
	}
	return day
}
