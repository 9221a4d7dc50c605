// Package allocate decides who gets which bed, for the hub and for the simulation alike: pure, no tables, no clock.
package allocate

import "time"

// Urgency of an admission. The order is the order of need.
type Urgency string

const (
	Emergency Urgency = "emergency"
	Urgent    Urgency = "urgent"
	Cancer    Urgency = "cancer"   // a cancer pathway with its own limits
	Elective  Urgency = "elective" // with a promised date
)

// Level of a bed, and the least that a patient needs.
type Level string

const (
	General   Level = "general"
	HDU       Level = "hdu"
	ICU       Level = "icu"
	CCU       Level = "ccu"
	Isolation Level = "isolation"
	Neonatal  Level = "neonatal"
	VIP       Level = "vip"
)

// Equipment is a set of what stands at a bed, or is needed there.
type Equipment uint16

const (
	Monitor Equipment = 1 << iota
	Oxygen
	NegativePressure
	Ventilator
	Dialysis
)

// Sex rule of a room: who may lie in it. Mixed rooms take the sex of who lies there, and both when empty.
type Sex string

const (
	Male   Sex = "male"
	Female Sex = "female"
	Mixed  Sex = "mixed" // whoever comes first decides, until the room is empty
	Single Sex = "single"
)

// State of a bed as the desk sees it.
type State string

const (
	Free     State = "free"
	Held     State = "held"
	Occupied State = "occupied"
	Cleaning State = "cleaning"
	Closed   State = "closed"
	Lent     State = "lent" // occupied, or held, by a patient of another ward
)

// Bed is one bed. Ward and Room are places in Pool.Wards and Pool.Rooms.
type Bed struct {
	ID        string // "Location/…"
	Name      string // as the ward says it: 12 床
	Ward      int
	Room      int
	Level     Level
	Equipment Equipment
	State     State
	Frees     time.Time // planned discharge or end of cleaning; zero = not known
	Likely    float64   // that it frees by then, 0 to 1
}

// Room groups beds. It counts who lies there or is to come: men, women, and others whose sex is not known.
type Room struct {
	ID        string
	Rule      Sex
	Men       int
	Women     int
	Others    int
	Isolation string // of those who lie there: "", contact, droplet, airborne
}

// Ward is who nurses. Capacity and Load are in nursing points of the shift (rules.json says how many a level costs).
type Ward struct {
	ID          string // "Organization/…": the responsible department or ward
	Name        string
	Campus      string   // "Location/…"
	Specialties []string // department codes that are at home here
	Neighbours  []string // specialties that it takes first when it lends
	Kinds       []string // protected kinds: obstetrics, neonatal, paediatrics, infectious, psychiatry, icu
	Lends       bool     // it takes patients of others at all
	Capacity    float64
	Load        float64
	Stale       bool           // nobody has set this shift's capacity: counts as closed to lending
	Teams       map[string]int // beds taken now by medical team, for limits
	Reserve     int            // beds kept free for emergencies
	Free        int            // free beds now
}

// Request is one patient who waits.
type Request struct {
	ID        string // "Task/…"
	Specialty string // department code
	Ward      string // "Organization/…" own ward, "" = any ward of the specialty
	Team      string // "CareTeam/…"
	Urgency   Urgency
	Sex       Sex // Male or Female, "" = unknown: single rooms and empty mixed rooms only
	Level     Level
	Isolation string // "", contact, droplet, airborne
	Equipment Equipment
	Nursing   string   // nursing level: special, 1, 2, 3 (特级、一级、二级、三级), "" = not said
	Kind      string   // protected kind that the patient belongs to, "" = none
	Campuses  []string // where he may lie; nil = anywhere
	Companion bool
	Since     time.Time
	Promised  time.Time
	At        string // bed where he lies now, of a transfer
	Moves     int    // how often he has been moved
	Age       int    // years; -1 = unknown
}

// Pool is everything that a decision looks at. It is not changed. Who asks is not counted in it, except where he lies
// now (Request.At): a bed that is already held for him is left out by the caller.
type Pool struct {
	Now   time.Time
	Beds  []Bed
	Rooms []Room
	Wards []Ward
}

// Objection is a hard rule that speaks against a bed. Code is stable: closed, taken, sex, isolation, level, equipment,
// protected, age, campus, licence, lending, stale, nursing, limit.
type Objection struct {
	Code string
	Zh   string
	En   string
}

// Term is one soft preference in numbers: what it added to the cost, and why in words.
type Term struct {
	// Code is one of own-ward, same-specialty, protected-ward, neighbour, other-ward, campus, team, moves, reserve,
	// near-reserve, nursing, level-above, equipment-above, blocks, opens-room, single, cleaning, fairness, promise.
	Code   string
	Points float64 // less than 0 speaks for him
	Zh     string
	En     string
}

// Proposal is a bed for a request, or why there is none.
type Proposal struct {
	Request string
	Bed     string // "" = none
	Cost    float64
	Terms   []Term
	Zh      string // in one sentence
	En      string
	// Against counts, where there is none, the beds that fail by each hard rule first; "given" are beds that would fit
	// and are proposed to others, "reserve" those that are kept for emergencies.
	Against map[string]int
	// Soon is, where there is none, a bed that would fit and whose patient is expected to leave by SoonAt: what may be
	// promised. Nobody else of the same proposals is offered it.
	Soon       string
	SoonAt     time.Time
	SoonLikely float64
}
