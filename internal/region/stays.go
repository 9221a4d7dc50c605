package region

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// stay is one patient in a bed, as the ward lists him.
type staying struct {
	n    int
	p    *Patient
	bed  *bed
	home department // that is responsible
	ill  illness
	from time.Time
	task string
}

const (
	filled   = 0.97 // of the beds that are given out in bulk
	lentOut  = 0.08 // of the beds of a ward that lends
	longest  = 12   // days
	leaving  = 0.09 // of the stays end today
	awaiting = 14   // admissions that wait at the centre
)

// inhabitWards plans who lies where at the present: each day's patients are taken in on that day.
func (w *life) inhabitWards(away map[*Patient]bool) error {
	if w.hub.Bookings == nil || w.r.Size.Beds == 0 {
		return nil
	}
	staff := w.r.Present.Add(-90 * time.Minute)
	for _, in := range w.r.Institutions {
		if len(in.Wards) == 0 || in.Kind == Partner && w.r.Size.Beds < wholeCentre/2 {
			continue
		}
		days := map[int][]*staying{}
		d := w.r.dice("stays "+in.ID, 0)
		n := 0
		for _, ward := range in.Wards {
			for _, b := range ward.beds {
				share := filled
				if in.Kind == Partner {
					share = 0.6
				}
				if b.ours || !chance(d, share) {
					continue
				}
				s := w.patientFor(d, b, away)
				if s == nil {
					continue
				}
				n++
				s.n = n
				ago := 1 + d.IntN(min(longest, max(1, w.r.Size.Days-1)))
				s.from = w.r.Present.Add(-time.Duration(ago) * 24 * time.Hour)
				days[ago] = append(days[ago], s)
				b.taken = true
			}
		}
		for _, ago := range slices.Backward(slices.Sorted(maps.Keys(days))) {
			today := days[ago]
			w.at(today[0].from, func() error { return w.takeIn(in, today) })
			w.at(w.r.Present.Add(-50*time.Minute), func() error { return w.planDischarges(in, today) })
		}
		w.at(staff, func() error { return w.staffShifts(in) })
	}
	w.queue(away)
	return nil
}

// patientFor finds somebody whom this bed suits and who is nowhere else: mostly of the ward's own department.
func (w *life) patientFor(d *rand.Rand, b *bed, away map[*Patient]bool) *staying {
	dep := b.ward.dep
	if b.ward.lends() && b.level == "general" && chance(d, lentOut) {
		dep = pick(d, b.ward.neighbour)
	}
	if !b.ward.in.has(dep) {
		dep = b.ward.dep
	}
	male := b.rule == "male"
	if b.rule == "mixed" || b.rule == "single" {
		male = chance(d, 0.5)
		if b.rule == "mixed" { // whoever lies there already decides
			for _, o := range b.ward.beds {
				if o.room == b.room && o.taken {
					male = w.lies[o].Male
				}
			}
		}
	}
	if b.ward.sex == "female" {
		male = false
	}
	young := b.ward.dep == "paediatrics"
	start := d.IntN(len(w.r.Patients))
	for i := range w.r.Patients {
		p := w.r.Patients[(start+i)%len(w.r.Patients)]
		age := p.Age(w.r.Present)
		if w.r.Size.Beds < wholeCentre*3/10 && p.Home != b.ward.in { // in a small region nobody lies where he is not known
			continue
		}
		if away[p] || p.Male != male || young != (age < 14) || b.ward.dep == "obstetrics" && (age < 18 || age > 45) || b.level == "neonatal" && age > 4 {
			continue
		}
		if in := b.ward.in; p.Home != in && i < len(w.r.Patients)/2 && p.Home.Kind != Village && p.Home.Kind != Township {
			continue
		}
		away[p] = true
		w.lies[b] = p
		return &staying{p: p, bed: b, home: b.ward.in.department(dep), ill: illnessIn(d, dep, p)}
	}
	return nil
}

func (in *Institution) department(code string) department {
	i := slices.IndexFunc(in.Departments, func(d department) bool { return d.code == code })
	return in.Departments[i]
}

// illnessIn is something that a department treats.
func illnessIn(d *rand.Rand, dep string, p *Patient) illness {
	for _, ill := range p.Illnesses {
		if ill.who == dep {
			return ill
		}
	}
	start := d.IntN(len(illnesses))
	for i := range illnesses {
		ill := illnesses[(start+i)%len(illnesses)]
		if ill.who == dep && (ill.sex == "" || ill.sex == "male" == p.Male) {
			return ill
		}
	}
	return illnesses[start]
}

// wide is somebody of a hospital who enters what its old system knew: he sees everybody for as long as the region is made.
func (w *life) wide(in *Institution) *access.Caller {
	p := in.Who(dutyChief, "")
	if p == nil {
		p = in.Who(access.ReceivingDoctor, "")
	}
	c := p.Caller()
	w.hub.Tree.Settle(c)
	if c.Role != dutyChief {
		c.Role = access.ReceivingDoctor
	}
	c.Scope = search.Everything
	return c
}

// takeIn writes a day's stays: the first by the step itself, the others as copies of what that wrote, with their booking
// in the same unit. Hundreds of steps would take longer than anybody waits for a demo.
func (w *life) takeIn(in *Institution, today []*staying) error {
	if w.like[in] == nil {
		slices.SortStableFunc(today, func(a, b *staying) int { return guest(a) - guest(b) }) // no ward has set its shift yet
		first := today[0]
		res, err := w.hub.Runner.Start(access.With(w.ctx, w.wide(in)), line.StartCall{Line: "bedpool", Flow: "stay", Params: parameters("patient", fhir.Obj{"reference", first.p.Ref()}, "urgency", "routine",
			"bed", fhir.Obj{"reference", first.bed.ref()}, "department", ref(in.DepartmentRef(first.home.code), first.home.name), "reason", first.ill.complaint, "nursing", "2")})
		if err != nil {
			return fmt.Errorf("region: the first stay of %s: %w", in.Short, err)
		}
		like, err := w.written(res.Task, first)
		if err != nil {
			return err
		}
		first.task = res.Task
		w.like[in] = like
		err = w.hub.Store.Update(w.ctx, func(tx *store.Tx) error { // its rounds were made, too
			return w.lay(tx, in, "Task", strings.ReplaceAll(like.task, like.due, line.Stamp(w.nextRound())))
		})
		if err != nil {
			return err
		}
		today = today[1:]
	}
	like := w.like[in]
	rooms := *w.hub.Bookings
	rooms.Raise = nil // nobody waits for news of years ago
	for chunk := range slices.Chunk(today, 60) {
		err := w.hub.Store.Update(w.ctx, func(tx *store.Tx) error {
			for _, s := range chunk {
				if err := w.copyStay(tx, &rooms, like, in, s); err != nil {
					return fmt.Errorf("region: %s takes in: %w", in.Short, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func guest(s *staying) int {
	if s.home.code == s.bed.ward.dep {
		return 0
	}
	return 1
}

// written is what the first stay's step wrote, as text, and what in it is this stay's own.
type written struct {
	task, request, encounter string
	due                      string
	own                      [][2]string // what stands there, and the name of it
}

func (w *life) written(task string, s *staying) (*written, error) {
	out := &written{}
	err := w.hub.Store.View(w.ctx, func(tx *store.Tx) error {
		read := func(ref string) (*fhir.Node, string, error) {
			typ, id, _ := strings.Cut(ref, "/")
			v, err := tx.Read(w.ctx, search.Everything, typ, id)
			if err != nil {
				return nil, "", err
			}
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return nil, "", err
			}
			n.Set("meta", nil)
			return n, string(n.JSON()), nil
		}
		t, text, err := read(task)
		if err != nil {
			return err
		}
		out.task, out.due = text, t.Str("restriction.period.end")
		request, encounter := t.Str("focus.reference"), line.Fact(t, "encounter").Str("reference")
		if _, out.request, err = read(request); err != nil {
			return err
		}
		if _, out.encounter, err = read(encounter); err != nil {
			return fmt.Errorf("region: the encounter of a stay: %w", err)
		}
		bare := func(ref string) string { _, id, _ := strings.Cut(ref, "/"); return id }
		out.own = [][2]string{{t.ID(), "task"}, {bare(request), "request"}, {bare(encounter), "encounter"}, {t.Str("groupIdentifier.value"), "group"}, {s.p.Ref(), "patient"},
			{s.bed.ward.name + " " + s.bed.name, "place"}, {s.bed.ref(), "bed"}, {s.bed.ward.in.DepartmentRef(s.home.code), "department"}, {s.ill.complaint, "reason"},
			{out.due, "due"}, {line.Stamp(w.hub.Clock.Now()), "now"}}
		for _, x := range []string{s.home.name, s.home.english} {
			out.own = append(out.own, [2]string{x, "name"})
		}
		return nil
	})
	return out, err
}

func (w *life) copyStay(tx *store.Tx, rooms *booking.Room, like *written, in *Institution, s *staying) error {
	id := fmt.Sprintf("stay-%s-%04d", in.ID, s.n)
	s.task = "Task/" + id
	is := map[string]string{"task": id, "request": id + "-r", "encounter": id + "-e", "group": "group-" + id, "patient": s.p.Ref(), "place": s.bed.ward.name + " " + s.bed.name, "bed": s.bed.ref(),
		"department": in.DepartmentRef(s.home.code), "reason": s.ill.complaint, "name": s.home.name, "due": line.Stamp(w.nextRound()), "now": line.Stamp(tx.Now())}
	var pairs []string
	for _, o := range like.own {
		if o[0] != "" {
			pairs = append(pairs, o[0], is[o[1]])
		}
	}
	mine := strings.NewReplacer(pairs...)
	for _, x := range []struct{ text, typ string }{{like.request, "ServiceRequest"}, {like.encounter, "Encounter"}} {
		if err := w.lay(tx, in, x.typ, mine.Replace(x.text)); err != nil {
			return err
		}
	}
	r := allocate.Request{Specialty: s.home.code, Ward: in.DepartmentRef(s.home.code), Urgency: allocate.Elective, Level: allocate.Level(s.bed.level), Nursing: "2", Age: s.p.Age(w.r.Present), Sex: allocate.Female}
	if s.p.Male {
		r.Sex = allocate.Male
	}
	if s.bed.ward.protected != "" {
		r.Kind = s.bed.ward.protected
	}
	err := rooms.Do(w.ctx, tx, nil, booking.Command{Do: booking.Occupy, Thing: s.bed.ref(), Holder: s.task, Patient: s.p.Ref(), Pool: in.Ref(),
		Wait: &booking.Wait{Holder: s.task, Patient: s.p.Ref(), Pool: in.Ref(), Since: tx.Now().Add(-6 * time.Hour), Needs: allocate.MarshalNeeds(r)}})
	if err != nil {
		return err
	}
	return w.lay(tx, in, "Task", mine.Replace(like.task))
}

// nextRound is tomorrow's: of who lies in a bed at the present, today's was made.
func (w *life) nextRound() time.Time {
	day := w.r.Present.AddDate(0, 0, 1)
	return time.Date(day.Year(), day.Month(), day.Day(), 10, 0, 0, 0, Zone)
}

func (w *life) lay(tx *store.Tx, in *Institution, typ, text string) error {
	n, err := fhir.Parse([]byte(text))
	if err != nil {
		return err
	}
	ready, err := store.Prepare(n)
	if err != nil {
		return err
	}
	_, err = tx.Put(w.ctx, store.Put{Op: store.Update, Type: typ, ID: n.ID(), Resource: ready, Custodian: in.Ref(), ByStep: true})
	return err
}

// planDischarges says of some who leaves today, so that the desk plans by it.
func (w *life) planDischarges(in *Institution, today []*staying) error {
	for _, s := range today {
		d := w.r.dice("leaving "+in.ID, s.n)
		if s.task == "" || !chance(d, leaving) {
			continue
		}
		at := w.r.Present.Add(minutes(d, 60, 480))
		err := w.anyway(w.hub.Runner.Do(access.With(w.ctx, w.wide(in)), line.DoCall{Task: s.task, Step: "plan-discharge", Params: parameters("at", instant(at), "likelihood", pick(d, []string{"sure", "likely", "likely", "possible"}))}))
		if err != nil {
			return err
		}
	}
	return nil
}

// anyway lets a refusal be one of those that are counted.
func (w *life) anyway(_ line.Result, err error) error { return err }

const shiftsSaid = 15 // five days

// staffShifts has the head nurses say what their wards can bear now and in the days to come; some forget, and count as
// closed to guests.
func (w *life) staffShifts(in *Institution) error {
	if w.hub.Beds == nil {
		return nil
	}
	return w.hub.Store.Update(w.ctx, func(tx *store.Tx) error {
		duty := w.wide(in)
		duty.Role = nursingDuty
		for i, ward := range in.Wards {
			if i%7 == 5 {
				continue
			}
			nurses := max(2, float64(len(ward.beds))/5)
			if ward.level != "general" {
				nurses = max(2, float64(len(ward.beds))/2)
			}
			for ahead := range shiftsSaid { // a demo that is looked at tomorrow lends beds, too
				at := tx.Now().Add(time.Duration(ahead) * 8 * time.Hour)
				if _, err := w.hub.Beds.SetShift(access.With(w.ctx, duty), tx, duty, ward.ref(), at, float64(int(nurses)), 0); err != nil {
					return fmt.Errorf("region: shift of %s: %w", ward.name, err)
				}
			}
		}
		return nil
	})
}

// queue lets patients wait for a bed of the centre, and a few of the county's.
func (w *life) queue(away map[*Patient]bool) {
	for _, id := range []string{"centre", "county-1"} {
		in := w.r.byID[id]
		if in == nil || len(in.Wards) == 0 {
			continue
		}
		n := awaiting
		if id != "centre" || w.r.Size.Beds < wholeCentre/2 {
			n = 3
		}
		d := w.r.dice("queue "+id, 0)
		for k := range n {
			dep := pick(d, in.Departments)
			if dep.code == "obstetrics" || dep.code == "paediatrics" || dep.code == "emergency" {
				dep = in.Departments[0]
			}
			i := slices.IndexFunc(w.r.Patients, func(p *Patient) bool { return !away[p] && p.Home == in && p.Age(w.r.Present) > 18 })
			if i < 0 {
				return
			}
			p := w.r.Patients[i]
			away[p] = true
			urgency := []string{"routine", "routine", "urgent", "routine", "emergency"}[k%5]
			ill := illnessIn(d, dep.code, p)
			w.at(w.r.Present.Add(-minutes(d, 30, 2600)), func() error {
				ask := []any{"patient", fhir.Obj{"reference", p.Ref()}, "urgency", urgency, "source", pick(d, []string{"clinic", "clinic", "emergency"}), "department", ref(in.DepartmentRef(dep.code), dep.name),
					"reason", ill.complaint + "，" + ill.name, "nursing", pick(d, []string{"1", "2", "2", "3"})}
				res, err := w.hub.Runner.Start(access.With(w.ctx, w.wide(in)), line.StartCall{Line: "bedpool", Flow: "admission", Params: parameters(ask...)})
				if err != nil {
					return fmt.Errorf("region: %s waits: %w", in.Short, err)
				}
				if k%4 == 1 {
					at := w.r.Present.Add(minutes(d, 120, 1500))
					err = w.anyway(w.hub.Runner.Do(access.With(w.ctx, w.wide(in)), line.DoCall{Task: res.Task, Step: "promise", Params: parameters("promised", instant(at), "reason", "今日有计划出院")}))
				}
				return err
			})
		}
	}
}

// bedFor is a bed that may suit a patient of a department who comes by a referral; the hub's rules have the last word.
func (w *life) bedFor(in *Institution, dep string, p *Patient, not map[*bed]bool) *bed {
	var second *bed
	for _, ward := range in.Wards {
		for _, b := range ward.beds {
			if !b.ours || w.busy[b] || not[b] || b.rule == "male" && !p.Male || b.rule == "female" && p.Male || (ward.dep == "paediatrics") != (p.Age(w.r.Present) < 14) {
				continue
			}
			if ward.dep == dep && b.level == "general" {
				return b
			}
			if second == nil && ward.lends() && slices.Contains(ward.neighbour, dep) {
				second = b
			}
		}
	}
	return second
}

// holdBed holds a bed for an accepted referral, as the desk does; false when there is none, and then it promises.
func (t *trip) holdBed(task string, to *Institution, arrival time.Time) (*bed, error) {
	desk := to.Who(bedDesk, "")
	tried := map[*bed]bool{}
	for range 5 {
		b := t.w.bedFor(to, t.ill.who, t.p, tried)
		if b == nil {
			break
		}
		tried[b] = true
		err := t.w.do(desk, task, "hold-bed", "bed", fhir.Obj{"reference", b.ref()}, "expected", instant(arrival))
		var no *fhir.Error
		if errors.As(err, &no) && no.Status < 500 && no.Issues[0].Detail != "step-not-open" && no.Issues[0].Detail != "not-your-step" {
			continue
		}
		if err != nil {
			return nil, err
		}
		t.w.busy[b] = true
		return b, nil
	}
	return nil, t.w.do(desk, task, "promise", "promised", instant(t.w.hub.Clock.Now().Add(20*time.Hour)), "reason", "待出院后安排")
}

// beds says whether patients wait for a bed at an institution.
func (w *life) beds(in *Institution) bool { return w.hub.Bookings != nil && len(in.Wards) > 0 }

// waitForBed: the desk holds a bed, and the patient sets out with it; where there is none for days, the case waits on.
func (t *trip) waitForBed(task string, to *Institution, sets time.Time) error {
	d := minutes(t.d, 5, 90)
	t.w.at(t.w.hub.Clock.Now().Add(d), func() error {
		if sets.Before(t.w.hub.Clock.Now()) {
			sets = t.w.hub.Clock.Now().Add(10 * time.Minute)
		}
		if t.urgency == "routine" {
			sets = office(t.d, sets)
		}
		b, err := t.holdBed(task, to, sets.Add(2*time.Hour))
		if err != nil || b == nil {
			return err
		}
		t.bed = b
		t.w.at(sets, func() error { return t.travels(task, to, "admission", 0) })
		return nil
	})
	return nil
}

// liesDown: the ward takes him into his bed, or into one that the desk finds now.
func (t *trip) liesDown(task string, to *Institution) error {
	if !t.w.beds(to) {
		return nil
	}
	if t.bed == nil {
		b, err := t.holdBed(task, to, t.w.hub.Clock.Now().Add(time.Hour))
		var no *fhir.Error
		if errors.As(err, &no) || b == nil {
			return nil // he waits on the emergency ward
		}
		if err != nil {
			return err
		}
		t.bed = b
	}
	if t.w.r.Present.Sub(t.w.hub.Clock.Now()) > 20*24*time.Hour { // long ago: the referral says enough
		return nil
	}
	res, err := t.w.hub.Runner.Start(access.With(t.w.ctx, t.w.wide(to)), line.StartCall{Line: "bedpool", Flow: "stay", Params: parameters("from", fhir.Obj{"reference", task}, "urgency", t.urgency)})
	t.stay = res.Task
	return err
}

// risesUp: he leaves his bed.
func (t *trip) risesUp(to *Institution) error {
	if t.bed != nil {
		t.w.busy[t.bed] = false
	}
	if t.stay == "" {
		return nil
	}
	_, err := t.w.hub.Runner.Do(access.With(t.w.ctx, t.w.wide(to)), line.DoCall{Task: t.stay, Step: "discharge", Params: parameters("to", "home")})
	return err
}
