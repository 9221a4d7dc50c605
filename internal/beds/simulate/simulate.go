// Package simulate says what another way of giving out beds would change: the hub's own rules, played over many years.
package simulate

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

// World is one run's input: beds, all of them free, and who comes when.
type World struct {
	Start      time.Time
	Pool       allocate.Pool
	Classes    []Class
	Admissions []Admission // the first Arrivals are sorted by At; behind them stand later parts of a stay
	Arrivals   int
	Until      time.Duration // what comes or lies later is not measured; 0 = until the last arrival
}

// Class is what many patients have in common, all that the rules ask but since when.
type Class struct {
	Request allocate.Request
	Home    []int // wards where he is at home
}

// Admission is one patient, or a part of his stay that needs another bed.
type Admission struct {
	At       time.Duration // since World.Start; of a later part: not before
	Stay     time.Duration
	Promised time.Duration // 0 = nothing was promised
	Class    int32
	Next     int32 // the part of the stay that follows, in another bed; 0 = none
	Bed      int32 // 1 + the bed where he lay, of a replay; 0 = as the rules say
}

// Policy is a way to give out beds.
type Policy struct {
	Name  string `json:"policy"`
	Zh    string `json:"zh"`
	En    string `json:"en"`
	Reach Reach  `json:"-"`
	// Weighted: the cheapest pair of waiter and bed comes first, as the hub proposes it; otherwise need, then time.
	Weighted bool `json:"-"`
}

// Reach is how far from home a patient may lie.
type Reach uint8

const (
	Own        Reach = iota // his own ward
	Neighbours              // wards of his specialty, and those that name it as a neighbour
	Everywhere              // all that the hard rules allow
)

// Policies are the four that are played side by side.
var Policies = []Policy{
	{Name: "own", Zh: "各科各床", En: "each ward its own", Reach: Own},
	{Name: "neighbours", Zh: "借邻近科室", En: "overflow to neighbours", Reach: Neighbours},
	{Name: "pool", Zh: "全院一张床（先到先得）", En: "one pool, first come", Reach: Everywhere},
	{Name: "weighted", Zh: "全院一张床（加权）", En: "one pool with weights", Reach: Everywhere, Weighted: true},
}

// AsRecorded puts each patient where he lay.
var AsRecorded = Policy{Name: "recorded", Zh: "按原记录", En: "as recorded", Reach: recorded}

// Options of a run.
type Options struct {
	Warmup   time.Duration                      // cut from the measures
	Cleaning time.Duration                      // of a bed, after each stay
	Patience map[allocate.Urgency]time.Duration // goes elsewhere after it; absent = waits as long as it takes
	Most     int                                // waiting at once, beyond which whoever is no emergency is refused; 0 = no limit
	Reserve  int                                // beds for emergencies, shared among the wards that are not protected by their size
	Home     bool                               // lent patients move home when a bed there stays free
	OwnFirst time.Duration                      // whoever is no emergency waits that long for a planned discharge at home
	// A stay ends between these times of the day, or at the next chance; 0 = whenever it ends.
	DischargeFrom, DischargeTo time.Duration
	Shifts                     []Shift                              // nursing capacity by time of day
	Rules                      *allocate.Rules                      // nil = the shipped ones
	Curve                      func(at time.Duration, occupied int) // each change of the beds occupied
	// Each decision: placed, stays, moved or refused; who is a place in World.Admissions, bed one in World.Pool, -1 = none.
	Each func(at time.Duration, what string, who, bed int)
}

// Shift is a part of the day with its share of the nurses.
type Shift struct {
	From  time.Duration // since midnight
	Share float64       // of the wards' capacity
}

// urgencies in the order of need; the place is the rank.
var urgencies = []allocate.Urgency{allocate.Emergency, allocate.Urgent, allocate.Cancer, allocate.Elective}

func rankOf(u allocate.Urgency) int {
	for i, x := range urgencies {
		if x == u {
			return i
		}
	}
	return len(urgencies) - 1
}
