package booking

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// System is of the identifier by which an Appointment is known to be a booking's.
const System = spec.Canonical + "/booking"

// slotBooking marks a Slot that the hub has given: its status follows the booking.
const slotBooking = spec.Canonical + "/StructureDefinition/slot-booking"

// resources writes the Appointment of a booking, and the status of a Slot, in the unit of the change.
func (u *unit) resources(before, after *Booking) error {
	var n *fhir.Node
	if before == nil {
		n = newAppointment(after, u.now.In(u.Zone))
	} else {
		v, err := u.tx.Read(u.ctx, search.Everything, "Appointment", after.ID)
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
			n = newAppointment(after, u.now.In(u.Zone))
		} else if err != nil {
			return err
		} else if n, err = fhir.Parse(v.JSON); err != nil {
			return fmt.Errorf("booking: Appointment/%s: %w", after.ID, err)
		}
	}
	setAppointment(n, before, after, u.Zone)
	if err := u.put(n, after.Pool); err != nil {
		return err
	}
	if strings.HasPrefix(after.Thing, "Slot/") {
		return u.slot(after)
	}
	return nil
}

func (u *unit) put(n *fhir.Node, custodian string) error {
	ready, err := store.Prepare(n)
	if err != nil {
		return err
	}
	_, err = u.tx.Put(u.ctx, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: ready, Custodian: custodian, ByStep: true})
	return err
}

func newAppointment(b *Booking, now time.Time) *fhir.Node {
	n := fhir.New("Appointment", "id", b.ID, "identifier", fhir.Arr{fhir.Obj{"system", System, "value", b.ID}}, "status", "pending")
	if strings.HasPrefix(b.Thing, "capacity:") {
		n.Set("serviceType", fhir.Arr{fhir.Obj{"text", strings.TrimPrefix(base(b.Thing), "capacity:"+b.Pool+"/")}})
		n.Set("comment", b.Thing)
	}
	n.Set("created", now.Format(time.RFC3339))
	return n
}

// statuses are those of the Appointment. What was used is fulfilled, whatever ended it.
func status(before, after *Booking) string {
	switch after.State {
	case Held:
		return "pending"
	case Confirmed, Occupied:
		return "booked"
	case Lapsed:
		return "noshow"
	}
	if before != nil && before.State == Occupied {
		return "fulfilled"
	}
	return "cancelled"
}

func setAppointment(n *fhir.Node, before, after *Booking, zone *time.Location) {
	n.Set("status", status(before, after))
	start := after.From.In(zone)
	end := until(after).In(zone)
	if until(after).IsZero() || end.Before(start) {
		// R4 wants an end where there is a start: of what is open-ended it is that of its first day
		end = time.Date(start.Year(), start.Month(), start.Day()+1, 0, 0, 0, 0, zone)
	}
	n.Set("start", start.Format(stamp))
	n.Set("end", end.Format(stamp))
	if before != nil && before.Thing == after.Thing && before.Holder == after.Holder && before.Patient == after.Patient {
		return
	}
	if strings.HasPrefix(after.Holder, "Task/") {
		n.Set("supportingInformation", fhir.Arr{fhir.Obj{"reference", after.Holder}})
	}
	if typ, _, _ := strings.Cut(after.Thing, "/"); typ == "Slot" {
		n.Set("slot", fhir.Arr{fhir.Obj{"reference", after.Thing}})
	}
	who := fhir.Arr{}
	if after.Patient != "" {
		who = append(who, fhir.Obj{"actor", fhir.Obj{"reference", after.Patient}, "status", "accepted"})
	}
	if typ, _, _ := strings.Cut(after.Thing, "/"); typ == "Location" || typ == "Device" {
		who = append(who, fhir.Obj{"actor", fhir.Obj{"reference", after.Thing}, "status", "accepted"})
	}
	if len(who) == 0 {
		who = append(who, fhir.Obj{"type", fhir.Arr{fhir.Obj{"text", "capacity"}}, "status", "accepted"})
	}
	n.Set("participant", who)
}

const stamp = "2006-01-02T15:04:05.000Z07:00" // Appointment.start and end are instants

// slot writes Slot.status, where the Slot is kept here.
func (u *unit) slot(b *Booking) error {
	v, err := u.tx.Read(u.ctx, search.Everything, "Slot", strings.TrimPrefix(b.Thing, "Slot/"))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return nil
	} else if err != nil {
		return err
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return fmt.Errorf("booking: %s: %w", b.Thing, err)
	}
	others := slices.DeleteFunc(n.All("extension"), func(x *fhir.Node) bool { return x.Str("url") == slotBooking })
	mark, is := fhir.Arr{}, "free"
	for _, x := range others {
		mark = append(mark, x)
	}
	switch b.State {
	case Held:
		is = "busy-tentative"
	case Confirmed, Occupied:
		is = "busy"
	}
	if b.State.Live() {
		mark = append(mark, fhir.Obj{"url", slotBooking, "valueReference", fhir.Obj{"reference", "Appointment/" + b.ID}})
	}
	n.Set("status", is)
	if len(mark) == 0 {
		n.Set("extension", nil)
	} else {
		n.Set("extension", mark)
	}
	return u.put(n, "")
}

// Guard refuses plain writes to what follows the booking: the Appointment's and the Slot's status, interval and
// participants, a bed's operational status and state.
func Guard(_ context.Context, p store.Put, before *fhir.Node) error {
	if p.ByStep {
		return nil
	}
	after := p.Resource.Node
	var kept []string
	switch p.Type {
	case "Appointment":
		if mine := ours(before); !mine && !ours(after) {
			return nil
		} else if !mine {
			return only("an Appointment of a booking begins by $hold or a step", "预约须通过预留操作建立")
		}
		kept = []string{"status", "start", "end", "participant", "slot", "identifier", "supportingInformation"}
	case "Slot":
		if extension(before, slotBooking) == nil {
			if extension(after, slotBooking) != nil {
				return only("a Slot is given by $hold or a step", "号源须通过预留操作占用")
			}
			return nil
		}
		kept = []string{"status", "start", "end"}
	case "Location":
		if before == nil || after == nil || before.Str("physicalType.coding[0].code") != "bd" {
			return nil
		}
		if before.Str("operationalStatus.code") != after.Str("operationalStatus.code") || extension(before, bedState).Str("valueCode") != extension(after, bedState).Str("valueCode") {
			return only("the state of a bed follows its booking; it is not written by hand", "床位状态随预留与占用自动变化，不能直接修改")
		}
		return nil
	default:
		return nil
	}
	if after == nil {
		return only("what is booked is not deleted; release it", "已被预约，不能删除，请先释放")
	}
	for _, path := range kept {
		if text(before.Get(path)) != text(after.Get(path)) {
			return only(p.Type+"."+path+" follows the booking; use $hold, $book, $release or a step", "该内容随预约变化，请通过预留、确认、释放操作办理")
		}
	}
	if p.Type == "Slot" && text(extension(before, slotBooking)) != text(extension(after, slotBooking)) {
		return only("the mark of a booking is not written by hand", "预约标记不能直接修改")
	}
	return nil
}

const bedState = spec.Canonical + "/StructureDefinition/bed-state"

func only(en, zh string) error {
	return fhir.Refuse(422, "business-rule", "only-by-booking", en, zh)
}

func ours(n *fhir.Node) bool {
	for _, id := range n.All("identifier") {
		if id.Str("system") == System {
			return true
		}
	}
	return false
}

func extension(n *fhir.Node, url string) *fhir.Node {
	for _, x := range n.All("extension") {
		if x.Str("url") == url {
			return x
		}
	}
	return nil
}

func text(n *fhir.Node) string {
	if n == nil {
		return ""
	}
	return string(n.JSON())
}

// Derive refuses to delete a thing that somebody has.
func Derive(ctx context.Context, tx *store.Tx, w store.Written) error {
	if w.After != nil || w.Type != "Location" && w.Type != "Slot" && w.Type != "Device" {
		return nil
	}
	thing := w.Type + "/" + w.ID
	all, err := list(ctx, tx, "WHERE thing = ? AND live = 1", thing)
	if err != nil || len(all) == 0 {
		return err
	}
	return fhir.Refuse(409, "conflict", "booked", thing+" is held or in use; release it first", "该资源正被占用或预留，请先释放")
}
