package bedpool

import (
	_ "embed"
	"encoding/json"
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// local is local.json: what a hospital or region sets for itself, each rule with its source.
var local = func() (l struct {
	WaitReasons  []coded     `json:"waitReasons"`  // why a case still waits
	CancerWithin int         `json:"cancerWithin"` // days until which a cancer pathway is promised a bed where nobody promises another day
	RoundBy      string      `json:"roundBy"`      // hour of the daily round
	AwayHours    int         `json:"awayHours"`    // after which a stay with an empty bed is flagged (挂床), where no pool has a rule
	TeamWithin   int         `json:"teamWithin"`   // minutes in which the home team is at a resuscitation
	WarnHours    int         `json:"warnHours"`    // of observation
	LimitHours   int         `json:"limitHours"`   // of observation
	Events       []happening `json:"events"`       // what may happen in a stay, and which side answers for it
	PreAdmission []dated     `json:"preadmission"`
}) {
	if err := json.Unmarshal(localJSON, &l); err != nil {
		panic("bedpool: local.json: " + err.Error())
	}
	return l
}()

//go:embed local.json
var localJSON []byte

// coded is one entry of a list that people choose from.
type coded struct {
	Code string `json:"code"`
	Zh   string `json:"zh"`
	En   string `json:"en"`
}

// happening is something that happens in a stay. Answers is "home", the responsible department, or "host", the ward where
// the patient lies.
type happening struct {
	coded
	Answers string `json:"answers"`
}

// dated is the local rule of pre-admission in force from a day until another.
type dated struct {
	From   string `json:"from"`
	Until  string `json:"until"`
	Days   int    `json:"days"`   // between the first examination and the admission
	Merges bool   `json:"merges"` // whether charges merge into the stay at all
	Source string `json:"source"`
}

func options(list []coded) (all []line.Option) {
	for _, c := range list {
		all = append(all, line.Option{Code: c.Code, Name: flow.Name{Zh: c.Zh, En: c.En}})
	}
	return all
}

// preadmissionRule is the rule in force on a day, nil when there is none.
func preadmissionRule(at time.Time) *dated {
	day := at.In(line.Zone()).Format(time.DateOnly)
	for i, d := range local.PreAdmission {
		if d.From <= day && (d.Until == "" || day <= d.Until) {
			return &local.PreAdmission[i]
		}
	}
	return nil
}

// nextRound is the hour of the next daily round after the day of now.
func nextRound(now time.Time) time.Time {
	by, err := time.Parse("15:04", local.RoundBy)
	if err != nil {
		panic("bedpool: local.json: " + err.Error())
	}
	d := now.In(line.Zone()).AddDate(0, 0, 1)
	return time.Date(d.Year(), d.Month(), d.Day(), by.Hour(), by.Minute(), 0, 0, line.Zone())
}
