package er7

import (
	"fmt"
	"strings"
	"time"
)

// Time reads a time stamp (YYYY[MM[DD[HH[MM[SS[.S…]]]]]][+ZZZZ]); without an offset it is in the zone given.
func Time(text string, zone *time.Location) (time.Time, error) {
	plain, offset := text, ""
	if at := strings.IndexAny(text, "+-"); at > 0 {
		plain, offset = text[:at], text[at:]
	}
	whole, _, _ := strings.Cut(plain, ".")
	const layout = "20060102150405"
	if len(whole) < 4 || len(whole) > len(layout) || len(whole)%2 == 1 || len(offset) > 5 || strings.ContainsFunc(whole, func(r rune) bool { return r < '0' || r > '9' }) {
		return time.Time{}, fmt.Errorf("er7: %.30q is no time", text)
	}
	if offset != "" {
		t, err := time.Parse(layout[:len(whole)]+"-0700", whole+offset)
		if err != nil {
			return t, fmt.Errorf("er7: %.30q is no time", text)
		}
		return t, nil
	}
	t, err := time.ParseInLocation(layout[:len(whole)], whole, zone)
	if err != nil {
		return t, fmt.Errorf("er7: %.30q is no time", text)
	}
	return t, nil
}

// Date reads the day of a time stamp as FHIR writes it: 1989-01-18, 1989-01, 1989; "" when it is none.
func Date(text string) string {
	t, err := Time(text, time.UTC)
	if err != nil {
		return ""
	}
	switch {
	case len(text) < 6:
		return t.Format("2006")
	case len(text) < 8:
		return t.Format("2006-01")
	}
	return t.Format("2006-01-02")
}

// Stamp writes a time with its offset.
func Stamp(t time.Time) string { return t.Format("20060102150405-0700") }
