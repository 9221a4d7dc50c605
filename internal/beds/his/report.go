package his

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// reason of bookings that follow from a report.
const reason = "his"

// lying is where an Encounter says that its patient is now.
type lying struct {
	patient string
	bed     string // "Location/…"
	named   string // a place that is named only
}

func lies(n *fhir.Node) (l lying) {
	if n == nil || !slices.Contains([]string{"in-progress", "onleave", "arrived"}, n.Str("status")) {
		return l
	}
	for _, at := range n.All("location") {
		if s := at.Str("status"); s != "active" && (s != "" || at.Get("period.end") != nil) {
			continue
		}
		l.bed, l.named = at.Str("location.reference"), ""
		if !strings.HasPrefix(l.bed, "Location/") {
			l.bed, l.named = "", at.Str("location.identifier.value")
			if l.named == "" {
				l.named = at.Str("location.display")
			}
		}
	}
	if l.bed != "" || l.named != "" {
		l.patient = n.Str("subject.reference")
	}
	return l
}

// Derive reads from an Encounter that a program of the hospital writes who lies where, over FHIR and by HL7 v2 alike, and
// books it in the same unit. It is a store.Deriver.
func (r *Room) Derive(ctx context.Context, tx *store.Tx, w store.Written) error {
	if w.Type != "Encounter" {
		return nil
	}
	by := access.From(ctx)
	if by == nil || by.Role != access.Program || by.Institution == "" {
		return nil
	}
	was, is := lies(w.Before), lies(w.After)
	if was == is {
		return nil
	}
	u := &unit{Room: r, ctx: context.WithValue(ctx, reporting{}, true), tx: tx, by: by, encounter: "Encounter/" + w.ID, patient: cmp.Or(is.patient, was.patient), source: "Encounter/" + w.ID + "/_history/" + strconv.FormatInt(w.VID, 10)}
	if is.patient == "" {
		return u.out(was, true)
	}
	if was.patient != "" && (was.patient != is.patient || is.bed == "") {
		if err := u.out(was, was.patient != is.patient); err != nil {
			return err
		}
	}
	return u.in(was, is)
}

// unit is one report in its transaction.
type unit struct {
	*Room
	ctx       context.Context
	tx        *store.Tx
	by        *access.Caller
	encounter string
	patient   string
	source    string
}

// owned finds the place of a bed whose state the reporting system owns; nil when it is not its to say.
func (u *unit) owned(bed string) (*place, error) {
	p, err := u.placeOf(u.ctx, u.tx, bed)
	if p == nil || err != nil || u.legal(p.pool) != u.legal(u.by.Org) {
		return nil, err
	}
	s, err := u.sourceOf(u.ctx, u.tx, p.ward, p.pool)
	if err != nil || s.Owner != HIS {
		return nil, err
	}
	return p, nil
}

// persons are all records of a patient: those that are linked, and those with his resident number, birthday and sex, whom
// the index has not looked at yet when the first message of a referred patient comes.
func (u *unit) persons(patient string) ([]string, error) {
	all := []string{patient}
	n, err := u.record(patient)
	if err != nil {
		return nil, err
	}
	for _, id := range n.All("identifier") {
		if id.Str("system") != residentID || len(id.Str("value")) < 15 || strings.ContainsAny(id.Str("value"), `,|$\`) {
			continue
		}
		q, err := search.Parse("Patient", []search.Param{{Name: "identifier", Value: residentID + "|" + id.Str("value")}}, search.Options{})
		if err != nil {
			return nil, err
		}
		q.Query.Scope, q.Query.Count = search.Everything, 20
		page, err := u.tx.Search(u.ctx, q.Query)
		if err != nil {
			return nil, err
		}
		for _, v := range page.Matches {
			o, err := fhir.Parse(v.JSON)
			if err != nil {
				return nil, err
			}
			if o.Str("birthDate") == n.Str("birthDate") && o.Str("gender") == n.Str("gender") && !slices.Contains(all, "Patient/"+v.ID) {
				all = append(all, "Patient/"+v.ID)
			}
		}
	}
	linked, err := u.tx.Together(u.ctx, all...)
	for _, p := range slices.Clone(all) {
		for _, o := range linked[p] {
			if !slices.Contains(all, o) {
				all = append(all, o)
			}
		}
	}
	return all, err
}

const residentID = spec.Canonical + "/sid/resident-id"

// record reads a patient, whoever keeps him; nil when there is none.
func (u *unit) record(patient string) (*fhir.Node, error) {
	v, err := u.tx.Read(u.ctx, search.Everything, "Patient", strings.TrimPrefix(patient, "Patient/"))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return fhir.Parse(v.JSON)
}

func (u *unit) do(commands ...booking.Command) error {
	return u.Bookings.Do(u.ctx, u.tx, hub(u.by), commands...)
}

func isBed(b *booking.Booking) bool { return strings.HasPrefix(b.Thing, "Location/") }

// in: the patient lies in the bed, whatever we thought.
func (u *unit) in(was, l lying) error {
	if l.bed == "" {
		return u.nowhere(l)
	}
	p, err := u.owned(l.bed)
	if p == nil && err == nil {
		return u.elsewhere(was, l)
	}
	if err != nil {
		return err
	}
	all, err := u.persons(l.patient)
	if err != nil {
		return err
	}
	has, waits, err := u.Bookings.OfPatients(u.ctx, u.tx, p.pool, all...)
	if err != nil {
		return err
	}
	holder, own := u.holder(l, has, waits)
	d := Difference{Pool: p.pool, Ward: p.ward, Bed: l.bed, Patient: l.patient, Holder: holder, Said: "occupied", Source: u.source}
	if own != nil && own.State == booking.Occupied && own.Thing == l.bed {
		return u.agreed(p, all)
	}
	if err := u.usable(d); err != nil {
		return err
	}
	for i := range has { // another case of the same patient: a bed held for his transfer, say
		if b := &has[i]; b.Holder != holder {
			if err := u.do(booking.Command{Do: booking.Release, Holder: b.Holder, Reason: reason}); err != nil {
				return err
			}
		}
	}
	if err := u.displaces(d, holder); err != nil {
		return err
	}
	commands := []booking.Command{{Do: booking.Occupy, Thing: l.bed, Pool: p.pool, Holder: holder, Patient: patientOf(own, l.patient), Reason: reason, Fact: true}}
	for _, w := range waits {
		commands = append(commands, booking.Command{Do: booking.Leave, Holder: w.Holder})
	}
	if err := u.do(commands...); err != nil {
		return err
	}
	if err := u.agreed(p, all); err != nil {
		return err
	}
	switch {
	case own != nil && isBed(own) && own.Thing != l.bed && own.State != booking.Occupied:
		d.Kind, d.Had = OtherBed, own.Thing
		err = u.differ(u.ctx, u.tx, d)
	case own == nil && len(waits) > 0:
		d.Kind, d.Had = NotArranged, "waiting"
		err = u.differ(u.ctx, u.tx, d)
	}
	if err != nil {
		return err
	}
	return u.follow(holder, own, has, waits, l.bed)
}

func patientOf(own *booking.Booking, patient string) string {
	if own != nil && own.Patient != "" {
		return own.Patient
	}
	return patient
}

// holder is the case whose bed it is: the one that has this bed, else the stay, else a hold, else who waits; without a
// case the visit itself.
func (u *unit) holder(l lying, has []booking.Booking, waits []booking.Wait) (string, *booking.Booking) {
	rank := func(b *booking.Booking) int {
		switch {
		case b.State == booking.Occupied && b.Thing == l.bed:
			return 0
		case b.State == booking.Occupied:
			return 1
		case b.Thing == l.bed:
			return 2
		case isBed(b):
			return 3
		}
		return 4
	}
	var best *booking.Booking
	for i := range has {
		if b := &has[i]; best == nil || rank(b) < rank(best) {
			best = b
		}
	}
	switch {
	case best != nil:
		return best.Holder, best
	case len(waits) > 0:
		return waits[0].Holder, nil
	}
	return u.encounter, nil
}

// usable opens a bed that we had as closed or being cleaned.
func (u *unit) usable(d Difference) error {
	state := ""
	err := u.tx.Query(u.ctx, "SELECT state FROM beds_state WHERE bed = ?", []any{d.Bed}, func(scan func(...any) error) error { return scan(&state) })
	if err != nil || state != string(allocate.Closed) {
		return err // cleaning ends when somebody lies there
	}
	d.Kind, d.Had = NotUsable, state
	if err := u.differ(u.ctx, u.tx, d); err != nil {
		return err
	}
	_, err = u.State(u.ctx, u.tx, u.by, d.Bed, allocate.Free, reason)
	return err
}

// displaces notes who else had the bed. The booking itself ends with the command that takes the bed.
func (u *unit) displaces(d Difference, holder string) error {
	b, err := u.Bookings.At(u.ctx, u.tx, d.Bed)
	if b == nil || err != nil || b.Holder == holder || b.Patient == "" {
		return err
	}
	d.Patient, d.Holder, d.Had = b.Patient, b.Holder, string(b.State)
	d.Kind = HoldLost
	if b.State == booking.Occupied {
		d.Kind = OccupiedByOther
	}
	return u.differ(u.ctx, u.tx, d)
}

// agreed closes what was open about a patient and a bed: it is clear now where he is.
func (u *unit) agreed(p *place, patients []string) error {
	for _, patient := range patients {
		if err := u.settle(u.ctx, u.tx, "pool = ? AND patient = ? AND kind IN ('occupied-by-other', 'free-there', 'unknown-bed', 'ahead')", p.pool, patient); err != nil {
			return err
		}
	}
	return u.settle(u.ctx, u.tx, "bed = ? AND kind = 'occupied-unknown'", p.bed)
}

// nowhere: the patient lies in a bed that nobody here knows by this name.
func (u *unit) nowhere(l lying) error {
	if u.Feeds == nil || !u.Feeds(u.by.Institution) {
		return nil
	}
	return u.differ(u.ctx, u.tx, Difference{Pool: u.by.Institution, Kind: UnknownBed, Named: l.named, Patient: l.patient, Holder: u.encounter, Said: "occupied", Source: u.source})
}

// elsewhere: he lies where the hub owns the beds now. Who moves him there, here, frees the bed that he left.
func (u *unit) elsewhere(was, l lying) error {
	if was.bed == "" || was.bed == l.bed {
		return nil
	}
	p, err := u.owned(was.bed)
	if p == nil || err != nil {
		return err
	}
	b, err := u.Bookings.At(u.ctx, u.tx, was.bed)
	if b == nil || err != nil || b.State != booking.Occupied {
		return err
	}
	return u.differ(u.ctx, u.tx, Difference{Pool: p.pool, Ward: p.ward, Kind: FreeThere, Bed: was.bed, Had: string(b.State), Said: l.bed, Patient: b.Patient, Holder: b.Holder, Source: u.source})
}

// out: the patient lies in that bed no more; left says whether he has left the hospital.
func (u *unit) out(l lying, left bool) error {
	if l.bed == "" {
		return u.settle(u.ctx, u.tx, "pool = ? AND patient = ? AND kind = 'unknown-bed'", u.by.Institution, l.patient)
	}
	p, err := u.owned(l.bed)
	if p == nil || err != nil {
		return err
	}
	all, err := u.persons(l.patient)
	if err != nil {
		return err
	}
	has, _, err := u.Bookings.OfPatients(u.ctx, u.tx, p.pool, all...)
	if err != nil {
		return err
	}
	if err := u.agreed(p, all); err != nil {
		return err
	}
	for i := range has {
		b := &has[i]
		if b.State != booking.Occupied || !isBed(b) {
			continue
		}
		if err := u.do(booking.Command{Do: booking.Release, Holder: b.Holder, Reason: reason}); err != nil {
			return err
		}
		if left {
			if err := u.queue(errand{Do: discharged, Case: b.Holder, Bed: b.Thing}); err != nil {
				return err
			}
		}
	}
	return nil
}
