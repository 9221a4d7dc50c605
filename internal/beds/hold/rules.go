package hold

import (
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
)

func refuse(detail, en, zh string) error {
	return fhir.Refuse(422, "business-rule", detail, en, zh)
}

// Rules are what the steps of a bed need. What speaks against this bed for this patient, the register of beds says in the unit.
func Rules() map[string][]line.Rule {
	return map[string][]line.Rule{
		"hold-bed":    {NeedsBed, NeedsOwnBed, needsNoBedYet, needsArrivalAhead, needsReasonBeyond, needsNursingDuty},
		"take-bed":    {NeedsOwnBed, needsNoBedYet, needsArrivalAhead},
		"bind-bed":    {NeedsOwnBed, needsReservation, needsReasonBeyond, needsNursingDuty},
		"release-bed": {needsHold},
		"promise":     {needsPromiseAhead},
	}
}

// NeedsBed: a bed, or a day for which capacity is reserved.
func NeedsBed(c line.Call) error {
	if bed, reserve := c.Params.Has("bed"), c.Params.Is("reserve"); bed == reserve {
		return refuse("needs-bed", "name a bed, or reserve capacity for a day", "请选择床位，或预留某日名额")
	}
	return nil
}

// NeedsOwnBed: the bed is one of the hospital that has the case.
func NeedsOwnBed(c line.Call) error {
	bed := c.Params.Str("bed")
	if bed == "" {
		return nil
	}
	n := c.Read.Get(bed)
	if !strings.HasPrefix(bed, "Location/") || n == nil || kindOf(n) != "bd" {
		return refuse("unknown-bed", "no such bed: "+bed, "没有这张床")
	}
	of := c.By.Institution
	if c.Task != nil {
		of = c.Task.Str("owner.reference")
	}
	for i := 0; i < 4 && n != nil; i++ {
		if org := n.Str("managingOrganization.reference"); org != "" {
			if c.Read.Institution(org) == of {
				return nil
			}
			break
		}
		n = c.Read.Get(n.Str("partOf.reference"))
	}
	return refuse("other-pool", "that bed belongs to another hospital", "该床位不属于本院")
}

func kindOf(location *fhir.Node) string { return location.Str("physicalType.coding[0].code") }

func bookingOf(c line.Call) *booking.Booking { return c.Read.Booking("Task/" + c.Task.ID()) }

func needsNoBedYet(c line.Call) error {
	if bookingOf(c) != nil {
		return refuse("has-bed", "a bed is held already; give it back first", "已留有床位；如需更换请先退床")
	}
	return nil
}

func needsHold(c line.Call) error {
	if b := bookingOf(c); b == nil || b.State == booking.Occupied {
		return refuse("no-hold", "no bed is held for this case", "没有为该患者留床")
	}
	return nil
}

// needsReservation: capacity becomes a bed on its own day, not before.
func needsReservation(c line.Call) error {
	b := bookingOf(c)
	switch {
	case b == nil || !strings.HasPrefix(b.Thing, "capacity:"):
		return refuse("no-reservation", "no capacity is reserved for this case", "没有预留名额")
	case c.Now.Before(b.From):
		return refuse("not-yet", "a bed is bound on the day itself, from "+line.Stamp(b.From), "入院当日方可落实床位")
	}
	return nil
}

const farthest = 90 // days ahead of which nobody promises a bed

func needsArrivalAhead(c line.Call) error {
	at := c.Params.Time("expected")
	if day := c.Params.Time("date"); c.Params.Is("reserve") && (day.AddDate(0, 0, 1).Before(c.Now) || !at.IsZero() && at.In(line.Zone()).Format("0102") != day.In(line.Zone()).Format("0102")) {
		return refuse("bad-date", "the day lies behind, or is another one than the arrival's", "日期已过，或与约定到院时间不是同一天")
	}
	if !at.IsZero() && (at.Before(c.Now) || at.After(c.Now.AddDate(0, 0, farthest))) {
		return refuse("bad-arrival", "the promised arrival lies behind, or too far ahead", "约定到院时间已过或过远")
	}
	return nil
}

func needsReasonBeyond(c line.Call) error {
	if c.Params.Has("override") && !c.Params.Has("reason") {
		return refuse("needs-reason", "say why the limit is set aside", "超出限制须说明理由")
	}
	return nil
}

// The nursing duty chief goes beyond the limits of nursing, and does nothing else with beds.
func needsNursingDuty(c line.Call) error {
	beyond := slices.ContainsFunc(c.Params.All("override"), func(code string) bool { return code == "nursing" || code == "stale" })
	if string(c.By.Role) == nursingDuty && !beyond {
		return fhir.Refuse(403, "forbidden", "not-your-step", "the nursing duty chief only goes beyond the limits of nursing", "护理部值班仅可放行护理能力限制")
	}
	if beyond && string(c.By.Role) != nursingDuty {
		return fhir.Refuse(403, "forbidden", "needs-nursing-duty", "only the nursing duty chief goes beyond the limits of nursing", "护理能力限制只能由护理部值班放行")
	}
	return nil
}

func needsPromiseAhead(c line.Call) error {
	if at := c.Params.Time("promised"); at.Before(c.Now) || at.After(c.Now.AddDate(0, 0, farthest)) {
		return refuse("bad-promise", "the promised time lies behind, or too far ahead", "承诺时间已过或过远")
	}
	return nil
}
