package personreview

import (
	_ "embed"
	"encoding/json"
	"time"
)

// days are the public holidays, and the weekend days worked in their stead; other days follow the week.
type days struct{ free, worked map[string]bool }

//go:embed days.json
var daysJSON []byte

var calendar = func() days {
	var said struct{ Off, On []string }
	if err := json.Unmarshal(daysJSON, &said); err != nil {
		panic("personreview: days.json: " + err.Error())
	}
	d := days{map[string]bool{}, map[string]bool{}}
	for _, x := range said.Off {
		d.free[x] = true
	}
	for _, x := range said.On {
		d.worked[x] = true
	}
	return d
}()

func (d days) works(t time.Time) bool {
	day := t.Format(time.DateOnly)
	week := t.Weekday()
	return d.worked[day] || !d.free[day] && week != time.Saturday && week != time.Sunday
}

// after is the same time of day, n working days later.
func (d days) after(t time.Time, n int) time.Time {
	for n > 0 {
		if t = t.AddDate(0, 0, 1); d.works(t) {
			n--
		}
	}
	return t
}
