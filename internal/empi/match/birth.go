package match

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/6tail/lunar-go/calendar"
	"golang.org/x/text/unicode/norm"
)

// date is a birthday as it came: parts that were not said are 0.
type date struct {
	year       int16
	month, day int8
}

func (d date) whole() bool   { return d.day > 0 }
func (d date) newYear() bool { return d.month <= 1 && d.day <= 1 } // 1 January is what many systems write when only the year is known

// number is YYYYMMDD.
func (d date) number() int { return int(d.year)*10000 + int(d.month)*100 + int(d.day) }

// days since 1 January 1800, roughly enough for differences of weeks: every month counts by its real length.
func (d date) days() int {
	return int(time.Date(int(d.year), time.Month(d.month), int(d.day), 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// possible says whether some calendar has the day: the lunar one has a 30 February.
func (d date) possible() bool {
	return d.year >= 1850 && d.year < 2200 && d.month >= 1 && d.month <= 12 && d.day >= 1 && d.day <= 31
}

// readDate reads YYYY, YYYY-MM, YYYY-MM-DD, YYYYMMDD, YYYY/M/D, D/M/YYYY and YYYY年M月D日. Days that no calendar has
// are kept for their digits, of which perhaps one is wrong.
func readDate(s string) (d date, ok bool) {
	if len(s) > 40 {
		return d, false
	}
	s = strings.TrimSpace(norm.NFKC.String(s))
	if at := strings.IndexAny(s, "T "); at >= 8 {
		s = s[:at]
	}
	var parts []string
	if len(s) == 8 && digits(s) == 8 {
		parts = []string{s[:4], s[4:6], s[6:]}
	} else if len(s) == 6 && digits(s) == 6 {
		parts = []string{s[:4], s[4:]}
	} else {
		parts = strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("-/.年月日号", r) })
	}
	if len(parts) == 0 || len(parts) > 3 {
		return d, false
	}
	var n [3]int
	for i, p := range parts {
		v, err := strconv.Atoi(strings.TrimSpace(p))
		if err != nil || v < 0 {
			return d, false
		}
		n[i] = v
	}
	if n[0] < 100 && n[2] > 1000 && len(parts) == 3 { // DD/MM/YYYY
		n[0], n[2] = n[2], n[0]
	}
	if n[1] > 12 && n[2] >= 1 && n[2] <= 12 { // month and day in each other's place
		n[1], n[2] = n[2], n[1]
	}
	if n[0] < 1000 || n[0] > 2999 || n[1] > 99 || n[2] > 99 {
		return d, false
	}
	return date{int16(n[0]), int8(n[1]), int8(n[2])}, true
}

const firstLunar, lastLunar = 1880, 2100

type lunarMonth struct {
	first int // day number as date.days gives it
	count int
}

var lunarYears [lastLunar - firstLunar]struct {
	sync.Once
	months [13]lunarMonth // [1..12] the plain months; leap months are not written on anybody's form
}

// fromLunar is the solar day number of a date that was meant by the lunar calendar; 0 when there is none.
func fromLunar(d date) int {
	if int(d.year) < firstLunar || int(d.year) >= lastLunar || !d.possible() {
		return 0
	}
	y := &lunarYears[int(d.year)-firstLunar]
	y.Do(func() {
		months := calendar.NewLunarYear(int(d.year)).GetMonthsInYear()
		for e := months.Front(); e != nil; e = e.Next() {
			if m, ok := e.Value.(*calendar.LunarMonth); ok && m.GetMonth() > 0 && m.GetMonth() <= 12 {
				y.months[m.GetMonth()] = lunarMonth{int(m.GetFirstJulianDay()+0.5) - 2440588, m.GetDayCount()}
			}
		}
	})
	m := y.months[d.month]
	if int(d.day) > m.count {
		return 0
	}
	return m.first + int(d.day) - 1
}

// compareBirth gives the level of agreement of two birthdays.
func compareBirth(a, b date) uint8 {
	switch {
	case a.year == 0 || b.year == 0:
		return missing
	case a == b:
		if !a.whole() {
			return birthYearOnly
		}
		return exact
	case a.year == b.year && (!a.whole() || !b.whole() || a.newYear() || b.newYear()):
		if a.month > 0 && b.month > 0 && !a.newYear() && !b.newYear() && a.month != b.month {
			return birthSameYear
		}
		return birthYearOnly
	case !a.whole() || !b.whole():
		return differs
	case a.year == b.year && a.month == b.day && a.day == b.month:
		return birthTransposed
	}
	if !a.possible() || !b.possible() {
		if slips(a.number(), b.number()) == 1 {
			return birthSlip
		}
		return differs
	}
	x, y := a.days(), b.days()
	if fromLunar(a) == y || fromLunar(b) == x {
		return birthLunar
	}
	if a.year == b.year && a.day == b.day && (a.month-b.month == 1 || b.month-a.month == 1) {
		return birthMonth
	}
	if slips(a.number(), b.number()) == 1 {
		return birthSlip
	}
	if gap := x - y; gap >= 15 && gap <= 56 || gap <= -15 && gap >= -56 {
		return birthLunarLike
	}
	if a.year == b.year {
		return birthSameYear
	}
	if a.month == b.month && a.day == b.day {
		return birthSameDay
	}
	return differs
}

// slips counts how many digits of two dates differ; neighbours that changed places count once.
func slips(a, b int) int {
	var x, y [8]int
	for i := 7; i >= 0; i-- {
		x[i], y[i] = a%10, b%10
		a, b = a/10, b/10
	}
	n := 0
	for i := 0; i < 8; i++ {
		if x[i] == y[i] {
			continue
		}
		n++
		if i < 7 && x[i] == y[i+1] && x[i+1] == y[i] {
			i++
		}
	}
	return n
}
