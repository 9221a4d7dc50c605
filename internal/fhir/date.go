package fhir

import (
	"errors"
	"fmt"
	"time"
)

// ErrDate is wrapped by every error of ParseDate.
var ErrDate = errors.New("not a FHIR date")

// Date is a date, dateTime, instant or search value as written: an interval by its precision.
type Date struct {
	Low, High int64 // UTC microseconds, [Low, High)
	Zoned     bool  // it named its own zone
	Precision Precision
}

// Precision is how exactly a date was written.
type Precision uint8

const (
	Year Precision = iota + 1
	Month
	Day
	Minute // only in searches: FHIR's own formats want seconds
	Second
	Fraction
)

// ParseDate reads YYYY, YYYY-MM, YYYY-MM-DD and those followed by Thh:mm[:ss[.fff]] with an optional
// zone (Z or ±hh:mm); one without a zone is in the given one, nil meaning UTC. Days that no calendar has
// and 24:00 are refused; second 60 is read as the start of the next minute.
func ParseDate(s string, zone *time.Location) (Date, error) {
	var d Date
	if zone == nil {
		zone = time.UTC
	}
	year, ok := digits(s, 0, 4)
	if !ok || year == 0 {
		return d, fmt.Errorf("%w: year in %q", ErrDate, clip(s))
	}
	if len(s) == 4 {
		d.Precision = Year
		d.Low, d.High = at(year, 1, 1, zone), at(year+1, 1, 1, zone)
		return d, nil
	}
	month, ok := digits(s, 5, 2)
	if !ok || s[4] != '-' || month < 1 || month > 12 {
		return d, fmt.Errorf("%w: month in %q", ErrDate, clip(s))
	}
	if len(s) == 7 {
		d.Precision = Month
		d.Low, d.High = at(year, month, 1, zone), at(year, month+1, 1, zone)
		return d, nil
	}
	day, ok := digits(s, 8, 2)
	if !ok || s[7] != '-' || day < 1 || day > daysIn(year, month) {
		return d, fmt.Errorf("%w: no such day %q", ErrDate, clip(s))
	}
	if len(s) == 10 {
		d.Precision = Day
		d.Low, d.High = at(year, month, day, zone), at(year, month, day+1, zone)
		return d, nil
	}
	hour, ok1 := digits(s, 11, 2)
	min, ok2 := digits(s, 14, 2)
	if !ok1 || !ok2 || s[10] != 'T' || s[13] != ':' || hour > 23 || min > 59 {
		return d, fmt.Errorf("%w: time in %q", ErrDate, clip(s))
	}
	d.Precision = Minute
	width := int64(60_000_000)
	i, sec, micro := 16, 0, 0
	if i < len(s) && s[i] == ':' {
		if sec, ok = digits(s, 17, 2); !ok || sec > 60 {
			return d, fmt.Errorf("%w: seconds in %q", ErrDate, clip(s))
		}
		d.Precision, width, i = Second, 1_000_000, 19
		if i < len(s) && s[i] == '.' {
			start := i + 1
			for i = start; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
				if i-start < 6 {
					micro = micro*10 + int(s[i]-'0')
					width /= 10
				}
			}
			if i == start {
				return d, fmt.Errorf("%w: fraction in %q", ErrDate, clip(s))
			}
			for n := i - start; n < 6; n++ {
				micro *= 10
			}
			d.Precision, width = Fraction, max(width, 1)
		}
	}
	if i < len(s) {
		offset, ok := offsetSeconds(s[i:])
		if !ok {
			return d, fmt.Errorf("%w: zone in %q", ErrDate, clip(s))
		}
		d.Zoned = true
		d.Low = dayNumber(year, month, day)*86_400_000_000 + int64((hour*60+min)*60+sec-offset)*1_000_000 + int64(micro)
	} else {
		d.Low = time.Date(year, time.Month(month), day, hour, min, sec, micro*1000, zone).UnixMicro()
	}
	d.High = d.Low + width
	return d, nil
}

func at(year, month, day int, zone *time.Location) int64 {
	if zone == time.UTC {
		if month > 12 {
			year, month = year+1, 1
		}
		return dayNumber(year, month, 1)*86_400_000_000 + int64(day-1)*86_400_000_000
	}
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, zone).UnixMicro()
}

// dayNumber counts days since 1970-01-01 in the proleptic Gregorian calendar.
func dayNumber(year, month, day int) int64 {
	y := int64(year)
	if month <= 2 {
		y--
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	doy := int64((153*((month+9)%12)+2)/5 + day - 1)
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// digits reads exactly n digits at s[i:].
func digits(s string, i, n int) (int, bool) {
	if len(s) < i+n {
		return 0, false
	}
	v := 0
	for _, c := range []byte(s[i : i+n]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return v, true
}

// offsetSeconds reads Z or ±hh:mm up to 14:00, all of s.
func offsetSeconds(s string) (int, bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != 6 || s[3] != ':' || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	h, ok1 := digits(s, 1, 2)
	m, ok2 := digits(s, 4, 2)
	if !ok1 || !ok2 || m > 59 || h > 14 || h == 14 && m > 0 {
		return 0, false
	}
	o := (h*60 + m) * 60
	if s[0] == '-' {
		o = -o
	}
	return o, true
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// IsDate reports whether s is a FHIR date: YYYY, YYYY-MM or YYYY-MM-DD.
func IsDate(s string) bool {
	d, err := ParseDate(s, nil)
	return err == nil && d.Precision <= Day
}

// IsDateTime reports whether s is a FHIR dateTime; a time of day needs seconds and a zone.
func IsDateTime(s string) bool {
	d, err := ParseDate(s, nil)
	return err == nil && (d.Precision <= Day || d.Precision >= Second && d.Zoned)
}

// IsInstant reports whether s is a FHIR instant.
func IsInstant(s string) bool {
	d, err := ParseDate(s, nil)
	return err == nil && d.Precision >= Second && d.Zoned
}

// IsTime reports whether s is a FHIR time of day, hh:mm:ss[.fff].
func IsTime(s string) bool {
	h, ok1 := digits(s, 0, 2)
	m, ok2 := digits(s, 3, 2)
	sec, ok3 := digits(s, 6, 2)
	if !ok1 || !ok2 || !ok3 || s[2] != ':' || s[5] != ':' || h > 23 || m > 59 || sec > 60 {
		return false
	}
	if len(s) == 8 {
		return true
	}
	if s[8] != '.' || len(s) == 9 {
		return false
	}
	_, ok := digits(s, 9, min(len(s)-9, 18))
	return ok && len(s) <= 27
}

// Instant writes t as FHIR does, to the millisecond, in t's own zone.
func Instant(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z07:00") }
