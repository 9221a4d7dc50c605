// Package bedpool has patients wait for a bed of the whole hospital and not for one of a ward, and follows them until they leave it (全院一张床).
package bedpool

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/hold"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// Line is the registration. One hospital is owner and requester of most cases: the ward asks, the bed desk answers.
var Line = &line.Line{
	Slug:       "bedpool",
	Name:       flow.Name{Zh: "全院一张床", En: "One pool of beds"},
	Flows:      []*line.Flow{admission, stay, observation, preadmission, settlement},
	Notices:    notices,
	Indicators: indicators,
}

// States.
const (
	Waiting    = "waiting"
	Held       = "held"
	Confirmed  = "confirmed"
	TakenIn    = "taken-in"
	Cancelled  = "cancelled"
	NoShow     = "no-show"
	Redirected = "redirected"
	Died       = "died"

	InBed   = "in-bed"
	Leaving = "leaving"
	Away    = "away"
	Absent  = "absent"
	Called  = "called"
	Left    = "left"

	Observed = "observed"
	Overlong = "overlong"
	Admitted = "admitted"

	Preparing  = "preparing"
	Merged     = "merged"
	Outpatient = "outpatient"

	Drawn    = "drawn"
	Signed   = "signed"
	Disputed = "disputed"
	Settled  = "settled"
)

// Who acts, by role at the hospital. The doctor asks, another act of his is the admission order, the bed desk gives the
// bed, the ward takes in.
var (
	doctors   = []string{"referring-doctor", "receiving-doctor"}
	desk      = hold.Desk
	nursing   = []string{"nursing-duty"}
	bedside   = []string{"nurse", "head-nurse", "referring-doctor", "receiving-doctor"}
	asking    = []string{"referring-doctor", "receiving-doctor", "bed-desk", "nurse", "head-nurse"}
	anyone    = []string{"referring-doctor", "receiving-doctor", "bed-desk", "duty-chief", "nurse", "head-nurse"}
	directors = []string{"director"}
	affairs   = []string{"medical-affairs"}
	hub       = []string{"system"}
	program   = []string{"program"} // the hospital's own system, which has the patient in a bed already
)

var (
	in          = flow.In
	inEmergency = flow.When{Field: "urgency", Is: "emergency"}
	forNursing  = flow.When{Field: "override", Is: "nursing"}
)

const (
	minute = time.Minute
	hour   = time.Hour
	day    = flow.Day
)

// within is the same for every urgency.
func within(d time.Duration) flow.Limits { return flow.Within(d, d, d) }

// dutyChief is whom a late case reaches after the desk.
var dutyChief = []line.Level{
	{Code: "bed-desk", Name: flow.Name{Zh: "床位调配中心负责人", En: "Head of the bed desk"}},
	{Code: "duty-chief", Name: flow.Name{Zh: "总值班", En: "Chief on duty"}, After: flow.Within(15*minute, 2*hour, day)},
}
