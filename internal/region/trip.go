package region

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// trip is one patient's way through the network.
type trip struct {
	w       *life
	d       *rand.Rand
	p       *Patient
	ill     illness
	urgency string
	from    *Institution
	to      *Institution
	begins  time.Time
	filing  string
	bed     *bed   // that is held for him
	stay    string // "Task/…" once he lies in it
}

// cases plans who is referred from where, and when. Every patient travels once.
func (r *Region) cases(w *life) []*trip {
	if r.Size.Referrals == 0 {
		return nil
	}
	order := r.dice("cases", 0).Perm(len(r.Patients))
	slices.SortStableFunc(order, func(a, b int) int { return turn(a) - turn(b) })
	var trips []*trip
	for _, k := range order {
		if len(trips) >= r.Size.Referrals {
			break
		}
		t := &trip{w: w, d: r.dice("trip", k), p: r.Patients[k]}
		t.ill, t.from = t.p.Main(), t.p.Home
		for _, other := range t.p.Illnesses[1:] {
			if other.acute && !t.ill.acute {
				t.ill = other
			}
		}
		t.urgency = "routine"
		if t.ill.acute && chance(t.d, 0.75) {
			t.urgency = "urgent"
			if chance(t.d, 0.35) {
				t.urgency = "emergency"
			}
		}
		if !t.choose(r) {
			continue
		}
		span := r.Present.Sub(r.Begins())
		ago := time.Duration(t.d.Int64N(int64(span-time.Hour))) + 20*time.Minute
		if chance(t.d, 0.16) { // what came in lately is still on the desks
			ago = time.Duration(t.d.Int64N(int64(min(span-time.Hour, 60*time.Hour)))) + 5*time.Minute
		}
		if id := t.from.ID; id == "village-001" || id == "township-01" { // where the demo's people look first
			ago = min(ago, time.Duration(t.d.Int64N(int64(9*24*time.Hour)))+15*time.Minute)
		}
		t.begins = r.Present.Add(-ago)
		if t.urgency == "routine" {
			if o := office(t.d, t.begins); o.Before(r.Present) {
				t.begins = o
			}
		}
		trips = append(trips, t)
	}
	return trips
}

// turn lets the first patients of the demo's village doctor travel for certain, and keeps the next ones at home to be referred.
func turn(patient int) int {
	switch {
	case patient < 8:
		return 0
	case patient < 12:
		return 2
	}
	return 1
}

// choose says where this place sends such patients: to the nearest hospital that has the department.
func (t *trip) choose(r *Region) bool {
	switch t.from.Kind {
	case Village, Township:
		t.to = r.byID["centre"]
		for _, id := range []string{"county-1", "county-3", "county-2"} {
			if t.canTreat(r.byID[id]) {
				t.to = r.byID[id]
				break
			}
		}
	case County, Partner:
		t.to = r.byID["centre"]
	case Centre:
		if t.ill.procedure == "" || !chance(t.d, 0.5) {
			return false
		}
		t.to = r.byID["output"]
	}
	return true
}

func (t *trip) canTreat(in *Institution) bool {
	return slices.ContainsFunc(in.Departments, func(d department) bool { return d.code == t.ill.who })
}

// elsewhere is where a full hospital passes the patient on: one that has the department, or nowhere.
func (t *trip) elsewhere(full *Institution) *Institution {
	next := []string{"partner-7", "partner-9"}
	if full.Kind == County {
		next = []string{"centre"}
	}
	for _, id := range next {
		if in := t.w.r.byID[id]; in != nil && t.canTreat(in) {
			return in
		}
	}
	return nil
}

// who has the role at an institution; villages and townships have one person for everything.
func (t *trip) who(in *Institution, role access.Role) *Person {
	if p := in.Who(role, t.ill.who); p != nil {
		return p
	}
	return in.Staff[0]
}

func (t *trip) sender() *Person {
	if p := t.from.Who(access.ReferringDoctor, t.ill.who); p != nil {
		return p
	}
	return t.who(t.from, access.ReferralOffice)
}

func (t *trip) ask() []any {
	s := t.sender()
	ask := []any{"patient", fhir.Obj{"reference", t.p.Ref()}, "to", fhir.Obj{"reference", t.to.Ref()}, "urgency", t.urgency,
		"reason", t.ill.complaint + "。" + t.why(), "diagnosis", t.ill.concept(), "department", t.department(t.to), "coordinator", s.Name, "phone", s.Phone,
		"insurance-place", t.p.Insured.place, "insurance-type", t.p.Insured.kind}
	ask = append(ask, t.consents()...)
	filing := "not-needed"
	if t.from.Place != t.to.Place {
		filing = "filed"
		if chance(t.d, 0.35) {
			filing = "to-file"
		}
		if t.urgency == "emergency" {
			filing = "emergency"
		}
	}
	t.filing = filing
	ask = append(ask, "filing", filing)
	for _, rec := range t.w.r.recordsOf(t.p) {
		switch rec.Node.Type() {
		case "Condition", "DocumentReference", "DiagnosticReport", "ImagingStudy":
			ask = append(ask, "documents", fhir.Obj{"reference", rec.Node.Type() + "/" + rec.Node.ID()})
		}
	}
	return ask
}

func (t *trip) why() string {
	switch {
	case t.urgency == "emergency":
		return "病情危急，需紧急救治。"
	case t.ill.procedure != "":
		return "拟行" + t.ill.procedure + "，本院不具备条件，申请上级医院诊治。"
	case t.ill.chronic:
		return "治疗效果不佳，申请上级医院调整方案。"
	}
	return "诊断未明，申请上级医院进一步检查。"
}

// consents is who said yes to the record going to another legal person.
func (t *trip) consents() []any {
	if t.w.r.Begins().AddDate(-18, 0, 0).Before(t.p.Born) {
		return []any{"consent", "guardian", "guardian", t.p.Name + "的父母"}
	}
	return []any{"consent", "patient"}
}

// department is where the patient goes at an institution; a word where it has none.
func (t *trip) department(in *Institution) any {
	for _, d := range in.Departments {
		if d.code == t.ill.who {
			return ref(in.DepartmentRef(d.code), d.name)
		}
	}
	return departmentName(t.ill.who)
}

func departmentName(code string) string {
	for _, dep := range departments {
		if dep.code == code {
			return dep.name
		}
	}
	return ""
}

func (t *trip) begin() error {
	if t.to.Kind == Output {
		return t.relay()
	}
	if err := t.visit(t.sender(), "AMB", "门诊"); err != nil {
		return err
	}
	task, err := t.w.start(t.sender(), "up", t.ask()...)
	if err != nil {
		return err
	}
	t.file(task)
	return t.sent(task, t.to, 0)
}

// insurer works where the sender's insurance is filed: small places have their office above them.
func (t *trip) insurer() *Person {
	for in := t.from; in != nil; in = in.Parent {
		if p := in.Who(access.InsuranceOffice, ""); p != nil {
			return p
		}
	}
	return t.sender()
}

// file: the sender's insurance office does its errand, mostly in time, now and then not.
func (t *trip) file(task string) {
	if t.filing != "to-file" {
		return
	}
	t.later(minutes(t.d, 120, 5000), func() error {
		errand, _, err := t.w.next(task, "insurance-filing")
		if err != nil {
			return err
		}
		office := t.insurer()
		if chance(t.d, 0.08) {
			return t.w.do(office, errand, "not-needed")
		}
		return t.w.do(office, errand, "file", "certificate", fmt.Sprintf("BA99%08d", t.p.order*37))
	})
}

// pace stretches a usual time by urgency.
func (t *trip) pace(emergency, urgent, routine [2]int) time.Duration {
	span := map[string][2]int{"emergency": emergency, "urgent": urgent, "routine": routine}[t.urgency]
	return minutes(t.d, span[0], span[1])
}

func (t *trip) later(after time.Duration, do func() error) {
	at := t.w.hub.Clock.Now().Add(after)
	if t.urgency == "routine" {
		at = office(t.d, at)
	}
	t.w.at(at, do)
}

// sent: the referral lies on the other side's desk.
func (t *trip) sent(task string, to *Institution, hops int) error {
	wait := t.pace([2]int{1, 12}, [2]int{6, 100}, [2]int{20, 540})
	if chance(t.d, 0.1) {
		wait = t.pace([2]int{17, 45}, [2]int{130, 400}, [2]int{1500, 2900}) // late: it climbs the ladder
	}
	switch x := t.d.Float64(); {
	case x < 0.02:
		t.later(wait/2, func() error { return t.w.do(t.sender(), task, "cancel", "reason", "improved") })
		return nil
	case x < 0.035:
		t.later(wait/2, func() error {
			return t.w.do(t.sender(), task, "refuse", "reason", pick(t.d, []string{"cost", "distance", "family-care", "local-treatment"}))
		})
		return nil
	case x < 0.045 && t.urgency == "routine":
		return nil // nobody answers: it grows late, climbs and lapses
	}
	if t.urgency == "emergency" && chance(t.d, 0.2) { // an emergency departs before anybody answers
		t.later(minutes(t.d, 1, 4), func() error {
			return t.w.do(t.sender(), task, "depart", "transport", "ambulance")
		})
		t.later(max(wait, 5*time.Minute), func() error { return t.w.do(t.who(to, access.ReferralOffice), task, "receive") })
		t.later(minutes(t.d, 50, 110), func() error {
			if err := t.w.do(t.who(to, access.ReferralOffice), task, "arrive"); err != nil {
				return err
			}
			return t.arrived(task, to, "emergency")
		})
		return nil
	}
	t.later(wait, func() error {
		if err := t.w.do(t.who(to, access.ReferralOffice), task, "receive", "department", t.department(to)); err != nil {
			return err
		}
		return t.received(task, to, hops)
	})
	return nil
}

func (t *trip) received(task string, to *Institution, hops int) error {
	doctor, desk := t.who(to, access.ReceivingDoctor), t.who(to, access.ReferralOffice)
	wait := t.pace([2]int{2, 12}, [2]int{15, 200}, [2]int{60, 2000})
	x := t.d.Float64()
	switch {
	case x < 0.07:
		t.later(wait, func() error {
			return t.w.do(desk, task, "decline", "reason", pick(t.d, []string{"capacity-full", "not-indicated", "incomplete", "wrong-specialty"}),
				"advice", "建议当地继续治疗，"+t.ill.name+"病情变化时随时联系。")
		})
	case x < 0.14 && hops == 0 && t.urgency != "emergency" && t.elsewhere(to) != nil:
		next := t.elsewhere(to)
		t.later(wait, func() error {
			ask := append(t.consents(), "to", fhir.Obj{"reference", next.Ref()}, "reason", pick(t.d, []string{"capacity-full", "no-technique"}))
			if err := t.w.do(desk, task, "redirect", ask...); err != nil {
				return err
			}
			follow, owner, err := t.w.next(task, "up")
			if err != nil {
				return err
			}
			return t.sent(follow, owner, hops+1)
		})
	case x < 0.23 && t.urgency != "emergency":
		t.later(wait, func() error {
			if err := t.w.do(doctor, task, "accept", "outcome", "advice", "advice", "暂不必来院。按"+t.ill.name+"规范治疗，2 周后复查，结果可再次上传。"); err != nil {
				return err
			}
			t.later(minutes(t.d, 60, 2400), func() error { return t.w.do(t.sender(), task, "acknowledge") })
			return nil
		})
	default:
		outcome := t.outcome()
		t.later(wait, func() error {
			ask := []any{"outcome", outcome, "coordinator", desk.Name, "phone", desk.Phone, "place", to.Short + departmentName(t.ill.who)}
			if outcome == "clinic" || outcome == "examination" || outcome == "day-surgery" {
				ask = append(ask, "appointment", instant(office(t.d, t.w.hub.Clock.Now().AddDate(0, 0, 1+t.d.IntN(4)))))
			}
			if err := t.w.do(doctor, task, "accept", ask...); err != nil {
				return err
			}
			return t.accepted(task, to, outcome)
		})
	}
	return nil
}

func (t *trip) outcome() string {
	switch {
	case t.urgency == "emergency":
		return pick(t.d, []string{"emergency", "emergency", "observation", "admission"})
	case t.ill.procedure != "":
		return pick(t.d, []string{"admission", "admission", "day-surgery", "clinic"})
	}
	return pick(t.d, []string{"clinic", "clinic", "clinic", "examination", "admission"})
}

func (t *trip) accepted(task string, to *Institution, outcome string) error {
	desk := t.who(to, access.ReferralOffice)
	wait := t.pace([2]int{3, 25}, [2]int{20, 600}, [2]int{300, 4500})
	switch x := t.d.Float64(); {
	case x < 0.035:
		t.later(wait+2*24*time.Hour, func() error { return t.w.do(desk, task, "no-show") })
		return nil
	case x < 0.055:
		t.later(wait, func() error {
			return t.w.do(t.sender(), task, "arrived-elsewhere", "place", "南屿省肿瘤医院", "reason", "patient-wish", "scope", "outside")
		})
		return nil
	case x < 0.07:
		t.later(wait, func() error {
			return t.w.do(t.sender(), task, "managed-outside", "place", "省城某三甲医院", "reason", "waiting", "scope", "province")
		})
		return nil
	}
	if outcome == "admission" && t.w.beds(to) {
		return t.waitForBed(task, to, t.w.hub.Clock.Now().Add(wait))
	}
	return t.travels(task, to, outcome, wait)
}

func (t *trip) travels(task string, to *Institution, outcome string, wait time.Duration) error {
	desk := t.who(to, access.ReferralOffice)
	travel := map[bool]string{true: "ambulance", false: pick(t.d, []string{"own", "own", "escorted"})}[t.urgency != "routine"]
	t.later(wait, func() error {
		if err := t.w.do(t.sender(), task, "depart", "transport", travel); err != nil {
			return err
		}
		t.later(minutes(t.d, 40, 260), func() error {
			if err := t.w.do(desk, task, "arrive"); err != nil {
				return err
			}
			return t.arrived(task, to, outcome)
		})
		return nil
	})
	return nil
}

func (t *trip) arrived(task string, to *Institution, outcome string) error {
	doctor := t.who(to, access.ReceivingDoctor)
	class, zh := "AMB", "门诊"
	if outcome == "admission" || outcome == "observation" {
		class, zh = "IMP", "住院"
	} else if outcome == "emergency" {
		class, zh = "EMER", "急诊"
	}
	if err := t.visit(doctor, class, zh); err != nil {
		return err
	}
	stay := minutes(t.d, 60, 300)
	if outcome == "admission" || outcome == "emergency" && chance(t.d, 0.6) {
		t.later(minutes(t.d, 20, 90), func() error {
			if err := t.w.do(doctor, task, "admit", "department", t.department(to), "reason", t.ill.name+"，需住院治疗"); err != nil {
				return err
			}
			return t.liesDown(task, to)
		})
		stay = time.Duration(3+t.d.IntN(10))*24*time.Hour + minutes(t.d, 0, 300)
	} else if outcome == "day-surgery" || outcome == "observation" {
		stay = minutes(t.d, 600, 2600)
	}
	if to.Kind == County && t.ill.procedure != "" && t.urgency != "emergency" && chance(t.d, 0.3) { // the county sends on
		t.later(minutes(t.d, 200, 2000), func() error { return t.onward(task, to) })
		return nil
	}
	t.later(stay, func() error {
		if class != "AMB" {
			if err := t.w.end(t.p, doctor); err != nil {
				return err
			}
		}
		if err := t.risesUp(to); err != nil {
			return err
		}
		if err := t.w.do(doctor, task, "treat", "summary", t.summary(), "diagnosis", t.ill.concept()); err != nil {
			return err
		}
		return t.treated(task, to)
	})
	return nil
}

func (t *trip) summary() string {
	if t.ill.procedure != "" {
		return fmt.Sprintf("诊断：%s。已行%s，过程顺利，恢复良好。", t.ill.name, t.ill.procedure)
	}
	return fmt.Sprintf("诊断：%s。经药物治疗症状缓解，病情平稳。", t.ill.name)
}

// onward: the county cannot do it either, so the same chain goes up to the centre.
func (t *trip) onward(task string, county *Institution) error {
	up := *t
	up.from, up.to = county, t.w.r.byID["centre"]
	if err := up.visit(up.sender(), "AMB", "门诊"); err != nil {
		return err
	}
	ask := append(up.ask(), "basedOn", fhir.Obj{"reference", task})
	next, err := t.w.start(up.sender(), "up", ask...)
	if err != nil {
		return err
	}
	t.later(minutes(t.d, 30, 300), func() error {
		doctor := t.who(county, access.ReceivingDoctor)
		if err := t.w.do(doctor, task, "treat", "summary", "本院完成检查与初步处理，已转区域医疗中心。"); err != nil {
			return err
		}
		return t.w.do(t.who(county, access.ReferralOffice), task, "close")
	})
	up.file(next)
	return up.sent(next, up.to, 1)
}
