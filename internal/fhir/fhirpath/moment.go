package fhirpath

import (
	"fmt"
	"strings"
	"time"
)

// moment is a Date, DateTime or Time with the precision that was written.
type moment struct {
	kind      momentKind
	precision part
	year      int
	month     int
	day       int
	hour      int
	minute    int
	second    int
	nano      int
	places    int // digits of the fraction that were written
	zoned     bool
	offset    int // minutes east of UTC
}

type momentKind uint8

const (
	aDate momentKind = iota
	aDateTime
	aTime
)

// part is a component of a moment, and thereby a precision.
type part uint8

const (
	years part = iota
	months
	days
	hours
	minutes
	seconds // a fraction belongs to them
)

func (m *moment) item() Item {
	k := systemDate
	switch m.kind {
	case aDateTime:
		k = systemDateTime
	case aTime:
		k = systemTime
	}
	return Item{typ: k, value: m, index: -1}
}

// scan reads fixed digits and separators.
type scan struct {
	s  string
	at int
}

func (c *scan) digits(n int) (int, bool) {
	if len(c.s) < c.at+n {
		return 0, false
	}
	v := 0
	for i := 0; i < n; i++ {
		d := c.s[c.at+i]
		if d < '0' || d > '9' {
			return 0, false
		}
		v = v*10 + int(d-'0')
	}
	c.at += n
	return v, true
}

func (c *scan) skip(b byte) bool {
	if c.at < len(c.s) && c.s[c.at] == b {
		c.at++
		return true
	}
	return false
}

// parseMoment reads what stands after @ (clock: after @T). A date followed by T is a DateTime.
func parseMoment(s string, clock bool) (*moment, bool) {
	m := &moment{}
	c := &scan{s: s}
	ok := true
	if clock {
		m.kind = aTime
		return m, m.clock(c) && c.at == len(s)
	}
	if m.year, ok = c.digits(4); !ok || m.year == 0 {
		return nil, false
	}
	if c.skip('-') {
		m.precision = months
		if m.month, ok = c.digits(2); !ok || m.month < 1 || m.month > 12 {
			return nil, false
		}
		if c.skip('-') {
			m.precision = days
			if m.day, ok = c.digits(2); !ok || m.day < 1 || m.day > daysIn(m.year, m.month) {
				return nil, false
			}
		}
	}
	if c.skip('T') {
		m.kind = aDateTime
		if c.at < len(s) {
			if m.precision != days || !m.clock(c) {
				return nil, false
			}
			if !m.zone(c) {
				return nil, false
			}
		}
	}
	return m, c.at == len(s)
}

func (m *moment) clock(c *scan) bool {
	var ok bool
	m.precision = hours
	if m.hour, ok = c.digits(2); !ok || m.hour > 23 {
		return false
	}
	if !c.skip(':') {
		return true
	}
	m.precision = minutes
	if m.minute, ok = c.digits(2); !ok || m.minute > 59 {
		return false
	}
	if !c.skip(':') {
		return true
	}
	m.precision = seconds
	if m.second, ok = c.digits(2); !ok || m.second > 60 {
		return false
	}
	if !c.skip('.') {
		return true
	}
	unit := 100_000_000
	from := c.at
	for c.at < len(c.s) && isDigit(c.s[c.at]) {
		m.nano += unit * int(c.s[c.at]-'0')
		unit /= 10
		c.at++
	}
	m.places = min(c.at-from, 9)
	return c.at > from
}

func (m *moment) zone(c *scan) bool {
	if c.at == len(c.s) {
		return true
	}
	m.zoned = true
	if c.skip('Z') {
		return true
	}
	sign := 1
	if c.skip('-') {
		sign = -1
	} else if !c.skip('+') {
		return false
	}
	h, ok1 := c.digits(2)
	colon := c.skip(':')
	min, ok2 := c.digits(2)
	m.offset = sign * (h*60 + min)
	return ok1 && colon && ok2 && min < 60 && h <= 14
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// String writes a moment as toString() does: a Date as FHIR, a DateTime of a day or less without the T.
func (m *moment) String() string {
	var b strings.Builder
	if m.kind != aTime {
		fmt.Fprintf(&b, "%04d", m.year)
		if m.precision >= months {
			fmt.Fprintf(&b, "-%02d", m.month)
		}
		if m.precision >= days {
			fmt.Fprintf(&b, "-%02d", m.day)
		}
		if m.precision < hours {
			return b.String()
		}
		b.WriteByte('T')
	}
	fmt.Fprintf(&b, "%02d", m.hour)
	if m.precision >= minutes {
		fmt.Fprintf(&b, ":%02d", m.minute)
	}
	if m.precision >= seconds {
		fmt.Fprintf(&b, ":%02d", m.second)
		if m.places > 0 {
			b.WriteByte('.')
			b.WriteString(fmt.Sprintf("%09d", m.nano)[:m.places])
		}
	}
	if m.zoned {
		b.WriteString(zoneText(m.offset))
	}
	return b.String()
}

func zoneText(offset int) string {
	if offset == 0 {
		return "Z"
	}
	sign := '+'
	if offset < 0 {
		sign, offset = '-', -offset
	}
	return fmt.Sprintf("%c%02d:%02d", sign, offset/60, offset%60)
}

// fhirText is String in a form that fhir.ParseDate reads: an hour alone becomes hh:00.
func (m *moment) fhirText() string {
	if m.kind == aDateTime && m.precision == hours {
		c := *m
		c.precision = minutes
		return c.String()
	}
	return m.String()
}

// fromTime is t to the millisecond in its own zone.
func fromTime(t time.Time) *moment {
	_, offset := t.Zone()
	return &moment{aDateTime, seconds, t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond() / 1e6 * 1e6, 3, true, offset / 60}
}

func (m *moment) date() *moment {
	return &moment{kind: aDate, precision: min(m.precision, days), year: m.year, month: m.month, day: m.day}
}

// utc is m in UTC; only for one that has a zone and an hour.
func (m *moment) utc() *moment {
	if m.offset == 0 {
		return m
	}
	t := time.Date(m.year, time.Month(m.month), m.day, m.hour, m.minute-m.offset, m.second, m.nano, time.UTC)
	return &moment{m.kind, m.precision, t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), m.places, true, 0}
}

// compare orders two moments as far as both are precise; ok is false where one of them leaves it open.
func (m *moment) compare(o *moment) (order int, ok bool) {
	if (m.kind == aTime) != (o.kind == aTime) {
		return 0, false
	}
	a, b := m, o
	if a.precision >= hours && b.precision >= hours && a.kind != aTime {
		if a.zoned != b.zoned {
			return 0, false
		}
		if a.zoned {
			a, b = a.utc(), b.utc()
		}
	}
	first := years
	if m.kind == aTime {
		first = hours
	}
	for p := first; p <= seconds; p++ {
		if a.precision < p || b.precision < p {
			return 0, a.precision < p && b.precision < p
		}
		x, y := a.get(p), b.get(p)
		if x != y {
			if x < y {
				return -1, true
			}
			return 1, true
		}
	}
	return 0, true
}

// get returns a component; seconds with their fraction, in nanoseconds.
func (m *moment) get(p part) int {
	switch p {
	case years:
		return m.year
	case months:
		return m.month
	case days:
		return m.day
	case hours:
		return m.hour
	case minutes:
		return m.minute
	}
	return m.second*1_000_000_000 + m.nano
}

// plus adds n units; the amount is converted to the precision of m, a fraction below it is dropped.
// ok is false where the year leaves 1 to 9999.
func (m *moment) plus(amount decimal, unit string) (*moment, bool) {
	r := *m
	n := amount.truncate(0)
	if n.big != nil || n.small > 1e15 || n.small < -1e15 {
		return nil, false
	}
	whole := n.small
	if m.kind == aTime {
		nanos, ok := nanosOf(amount, unit)
		if !ok {
			return nil, false
		}
		total := int64(m.hour)*int64(time.Hour) + int64(m.minute)*int64(time.Minute) + int64(m.second)*int64(time.Second) + int64(m.nano)
		day := int64(24 * time.Hour)
		total = ((total+nanos%day)%day + day) % day
		r.hour, r.minute = int(total/int64(time.Hour)), int(total/int64(time.Minute)%60)
		r.second, r.nano = int(total/int64(time.Second)%60), int(total%int64(time.Second))
		return r.cut(), true
	}
	monthsToAdd := int64(0)
	switch unit {
	case "year":
		monthsToAdd = whole * 12
	case "month":
		monthsToAdd = whole
		if m.precision == years {
			monthsToAdd = whole / 12 * 12
		}
	default:
		switch m.precision {
		case years, months: // the amount in whole years or months of 365 and 30 days
			nanos, ok := nanosOf(amount, unit)
			if !ok {
				return nil, false
			}
			d := nanos / int64(24*time.Hour)
			monthsToAdd = d / 30
			if m.precision == years {
				monthsToAdd = d / 365 * 12
			}
		case days:
			nanos, ok := nanosOf(amount, unit)
			if !ok {
				return nil, false
			}
			t := time.Date(m.year, time.Month(m.month), m.day+int(nanos/int64(24*time.Hour)), 0, 0, 0, 0, time.UTC)
			r.year, r.month, r.day = t.Year(), int(t.Month()), t.Day()
			return &r, r.year >= 1 && r.year <= 9999
		default:
			if unit != "second" && unit != "millisecond" {
				amount = n
			}
			nanos, ok := nanosOf(amount, unit)
			if !ok {
				return nil, false
			}
			t := time.Date(m.year, time.Month(m.month), m.day, m.hour, m.minute, m.second, m.nano, time.UTC)
			t = t.Add(time.Duration(nanos))
			r.year, r.month, r.day, r.hour, r.minute, r.second, r.nano = t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond()
			return r.cut(), r.year >= 1 && r.year <= 9999
		}
	}
	if monthsToAdd > 120_000 || monthsToAdd < -120_000 {
		return nil, false
	}
	index := int64(m.year)*12 + int64(max(m.month, 1)) - 1 + monthsToAdd
	r.year = int(index / 12)
	if r.year < 1 || r.year > 9999 {
		return nil, false
	}
	if m.precision >= months {
		r.month = int(index%12) + 1
	}
	if m.precision >= days {
		r.day = min(m.day, daysIn(r.year, r.month))
	}
	return &r, true
}

// cut drops what lies below the precision that was written.
func (m moment) cut() *moment {
	switch {
	case m.precision < minutes:
		m.minute, m.second, m.nano = 0, 0, 0
	case m.precision < seconds:
		m.second, m.nano = 0, 0
	case m.nano%1_000_000 != 0:
		m.places = 9
	case m.nano != 0:
		m.places = max(m.places, 3)
	}
	return &m
}

// nanosOf is the length of an amount of a fixed unit; false beyond 290 years and for months and years.
func nanosOf(amount decimal, unit string) (int64, bool) {
	per, ok := map[string]time.Duration{"week": 7 * 24 * time.Hour, "day": 24 * time.Hour, "hour": time.Hour, "minute": time.Minute, "second": time.Second, "millisecond": time.Millisecond}[unit]
	if !ok {
		return 0, false
	}
	n, ok := amount.mul(fromInt(int64(per)))
	n = n.truncate(0)
	return n.small, ok && n.big == nil
}
