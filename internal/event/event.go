// Package event carries what happened in the network to whom it concerns; it names no patient.
package event

import "time"

// Event is something that people or other rooms act on. It holds references, never bodies.
type Event struct {
	Seq     int64
	At      time.Time
	Kind    string            // "referral.late", "referral.accept", …
	Focus   string            // "Task/…"
	Patient string            // "Patient/…", "" when none; used for access only, never sent out
	Parties []string          // institutions that may see it
	ActBy   time.Time         // zero = nobody must act
	Actor   string            // institution that must act next
	Data    map[string]string // small facts: line, flow, step, state, urgency; no names, no ID numbers
}
