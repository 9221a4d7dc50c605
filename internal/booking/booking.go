// Package booking holds and reserves one thing in an interval: a bed, a unit of capacity, later a slot, a room, a device.
package booking

import (
	"strconv"
	"time"
)

// State of a booking. Held, Confirmed and Occupied are live: of one thing, no two live bookings overlap.
type State string

const (
	Held      State = "held"      // until Expires; a thing whose hold has run out may be taken at once
	Confirmed State = "confirmed" // promised for its interval; nothing lets it expire
	Occupied  State = "occupied"  // in use
	Released  State = "released"  // given back, or its use has ended
	Lapsed    State = "lapsed"    // the hold ran out
	Displaced State = "displaced" // an emergency took the thing
)

// Live says whether the thing is taken by it.
func (s State) Live() bool { return s == Held || s == Confirmed || s == Occupied }

// Booking is one row: the truth about who has a thing and until when. Location.operationalStatus, Slot.status and
// Appointment.status follow it in the same unit.
type Booking struct {
	ID      string // also of its Appointment
	Thing   string // "Location/…", "Slot/…", or a unit of capacity, as Capacity writes it
	Pool    string // "Organization/…": whose things and waiting list these are
	Holder  string // "Task/…": the case for which it is; when the case hands over, the stay
	Patient string // "Patient/…"
	State   State
	From    time.Time
	Until   time.Time // zero = open-ended
	Planned time.Time // when an open-ended use is expected to end; zero = nobody has said
	Expires time.Time // of a hold; zero = it does not run now ("in transit")
	Since   time.Time // in this state
	By      string    // account that did it, "hub" when time did
	Reason  string    // coded, or in words: why released, displaced, overridden
	Version int64
}

// Capacity names unit n (from 1) of what is reserved by count: beds of one kind on one day, before a bed is bound.
// group is the ward group, level and sex as in allocate. Shape: "capacity:Organization/x/group/level/sex#n".
func Capacity(pool, group, level, sex string, n int) string {
	return "capacity:" + pool + "/" + group + "/" + level + "/" + sex + "#" + strconv.Itoa(n)
}

// Wait is a case that waits for a thing of a pool. One case waits once.
type Wait struct {
	Holder   string // "Task/…"
	Patient  string
	Pool     string
	Rank     int // smaller is served first; then Since
	Since    time.Time
	Promised time.Time // zero = not yet
	Reason   string    // why it still waits: code of the line's list
	Needs    []byte    // what it needs, for Options.Fits; JSON, opaque here
	Told     time.Time // when it was last told that something is free, zero = never
}

// Verb is what a command does.
type Verb string

const (
	Hold     Verb = "hold"      // Thing for Holder from From (Until zero = open-ended), expiring at Expires
	Confirm  Verb = "confirm"   // Holder's live booking: it expires no more
	Occupy   Verb = "occupy"    // Holder's live booking, else Thing at once
	Move     Verb = "move"      // Holder's live booking ends; Thing is taken in the state it had
	Plan     Verb = "plan"      // Holder's occupation is expected to end at Until; it stays open-ended
	HandOver Verb = "hand-over" // Holder's live booking becomes To's
	Release  Verb = "release"   // Holder's live booking, with Reason
	Freeze   Verb = "freeze"    // Holder's hold runs no more: in transit
	Thaw     Verb = "thaw"      // it runs again, until Expires
	Displace Verb = "displace"  // Thing's hold, unless frozen or occupied, ends for another's sake, with Reason; Holder takes it as Hold does
	Await    Verb = "wait"      // Holder waits (again) as Wait says; what it waited for before is replaced
	Leave    Verb = "leave"     // Holder waits no more
)

// Any, as the unit of a capacity, lets Hold, Displace and Move take the lowest free one.
const Any = "#*"

// Command is one change of bookings and waiting lists, as a step puts it into its Change.
type Command struct {
	Do      Verb
	Thing   string
	Pool    string
	Holder  string // "Task/…"
	To      string // of HandOver
	Patient string
	From    time.Time // zero = now
	Until   time.Time
	Expires time.Time
	Reason  string
	Wait    *Wait
	// Override names the hard limits that the caller sets aside with Reason (codes of allocate.Objection); whether he
	// may, Options.Guard says.
	Override []string
	// Fact: so it is already, as the hospital's own system reports. Occupy then ends whatever stands against it as displaced,
	// a use and a frozen hold too. Never taken from what a caller says.
	Fact bool
}
