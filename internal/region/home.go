package region

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

func (t *trip) treated(task string, to *Institution) error {
	desk, doctor := t.who(to, access.ReferralOffice), t.who(to, access.ReceivingDoctor)
	if chance(t.d, 0.4) || !t.ill.chronic && t.ill.procedure == "" && chance(t.d, 0.5) {
		t.later(minutes(t.d, 60, 2500), func() error { return t.w.do(desk, task, "close") })
		return nil
	}
	t.later(minutes(t.d, 30, 1200), func() error {
		ask := []any{"plan", "继续药物治疗，避免劳累，低盐低脂饮食；按随访计划复查。", "red-flags", pick(t.d, []string{"胸痛再发", "呼吸困难", "发热超过 38.5℃", "切口红肿渗液", "意识改变"}),
			"follow-up-days", "3", "follow-up-days", "7", "coordinator", desk.Name, "phone", desk.Phone}
		if t.ill.chronic || chance(t.d, 0.5) {
			ask = append(ask, "follow-up-days", "30")
		}
		for _, key := range t.ill.drugs {
			ask = append(ask, "medicines", medicines[key][0]+"，"+medicines[key][1])
			if !slices.ContainsFunc(villageShelf, func(name string) bool { return strings.Contains(medicines[key][0], name) }) {
				ask = append(ask, "instead", pick(t.d, []string{"带足 30 天药量", "县医院双通道药店取药"}))
			}
		}
		if err := t.w.do(doctor, task, "send-back", append(ask, t.consents()...)...); err != nil {
			return err
		}
		t.later(minutes(t.d, 60, 900), func() error { return t.w.do(desk, task, "close") })
		down, owner, err := t.w.next(task, "down")
		if err != nil {
			return err
		}
		return t.offered(down, owner)
	})
	return nil
}

func (t *trip) offered(task string, home *Institution) error {
	p := t.who(home, access.ReferringDoctor)
	switch x := t.d.Float64(); {
	case x < 0.06:
		t.later(minutes(t.d, 60, 800), func() error {
			return t.w.do(p, task, "decline", "reason", pick(t.d, []string{"no-bed", "no-medicine", "beyond-ability"}), "advice", "建议由县级医院承接，病情稳定后再转回。")
		})
		return nil
	case x < 0.12: // nobody answers: the county takes it, and where there is none above, they answer late
		t.later(3*24*time.Hour+minutes(t.d, 0, 900), func() error {
			over, county, err := t.w.next(task, "down")
			if errors.Is(err, errNothingFollows) {
				return t.taking(task, p)
			}
			if err != nil {
				return err
			}
			return t.taken(over, t.who(county, access.ReferralOffice))
		})
		return nil
	}
	t.later(minutes(t.d, 30, 1200), func() error { return t.taking(task, p) })
	return nil
}

func (t *trip) taking(task string, p *Person) error {
	if err := t.w.do(p, task, "accept", "coordinator", p.Name, "phone", p.Phone); err != nil {
		return err
	}
	return t.taken(task, p)
}

func (t *trip) taken(task string, p *Person) error {
	t.later(minutes(t.d, 600, 4000), func() error {
		if err := t.w.do(p, task, "arrive"); err != nil {
			return err
		}
		return t.home(task, p)
	})
	return nil
}

// home: the village follows up on the days of the plan, each a Task of its own; not always in time, and then the county does.
func (t *trip) home(task string, p *Person) error {
	visits, err := t.w.visits(task)
	if err != nil {
		return err
	}
	last := t.w.hub.Clock.Now()
	for _, v := range visits {
		at := v.due.Add(-48*time.Hour + minutes(t.d, -600, 2400)) // about its day
		if chance(t.d, 0.08) {
			at = v.due.Add(minutes(t.d, 60, 1300)) // late
		}
		if at.Before(t.w.hub.Clock.Now()) {
			at = t.w.hub.Clock.Now().Add(minutes(t.d, 60, 600))
		}
		if at.After(last) {
			last = at
		}
		if chance(t.d, 0.03) { // nobody goes: the county takes over and telephones
			t.w.at(v.due.Add(30*time.Hour), func() error { return t.called(task) })
			last = later(last, v.due.Add(31*time.Hour))
			continue
		}
		x := t.d.Float64()
		t.w.at(office(t.d, at), func() error {
			switch {
			case x < 0.02:
				return t.w.do(p, v.task, "lost", "reason", pick(t.d, []string{"no-answer", "moved"}))
			case x < 0.045:
				return t.w.do(p, v.task, "red-flag", "flag", "原有症状再发", "findings", "入户随访：近两日症状再发，已电话联系县医院。", "action", "调整用药，次日复查")
			}
			result := pick(t.d, []string{"stable", "stable", "improved", "improved", "worse"})
			return t.w.do(p, v.task, "done", "findings", "电话与入户随访：规律服药，"+map[string]string{"stable": "病情稳定", "improved": "较前好转", "worse": "症状有反复，已建议复诊"}[result]+"。", "result", result)
		})
	}
	t.w.at(later(last, t.w.hub.Clock.Now()).Add(24*time.Hour+minutes(t.d, 30, 3000)), func() error { return t.w.do(p, task, "close") })
	return nil
}

// called: the county makes the follow-up that it has taken over.
func (t *trip) called(task string) error {
	visits, err := t.w.visits(task)
	if err != nil {
		return err
	}
	for _, v := range visits {
		if over := t.w.r.byID[strings.TrimPrefix(v.owner, "Organization/")]; v.over && over != nil {
			if err := t.w.do(t.who(over, access.ReceivingDoctor), v.task, "done", "findings", "县医院电话随访：病情稳定。", "result", "stable"); err != nil {
				return err
			}
		}
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// visit is a follow-up that is still to be made.
type visiting struct {
	task, owner string
	due         time.Time
	over        bool // taken over by the county
}

// visits lists the open follow-ups of a way back by their days.
func (w *life) visits(down string) (list []visiting, err error) {
	err = w.hub.Store.View(w.ctx, func(tx *store.Tx) error {
		v, err := tx.Read(w.ctx, search.Everything, "Task", strings.TrimPrefix(down, "Task/"))
		if err != nil {
			return err
		}
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return err
		}
		q, err := search.Parse("Task", []search.Param{{Name: "focus", Value: n.Str("focus.reference")}, {Name: "status", Value: "requested"}}, search.Options{})
		if err != nil {
			return err
		}
		q.Scope = search.Everything
		page, err := tx.Search(w.ctx, q.Query)
		if err != nil {
			return err
		}
		for _, m := range page.Matches {
			t, err := fhir.Parse(m.JSON)
			if err != nil {
				return err
			}
			if _, code := line.LineOf(t); code != "follow-up" {
				continue
			}
			due, err := time.Parse(time.RFC3339, t.Str("restriction.period.end"))
			if err != nil {
				return err
			}
			list = append(list, visiting{"Task/" + m.ID, t.Str("owner.reference"), due, line.Fact(t, "taken-over-from") != nil})
		}
		slices.SortFunc(list, func(a, b visiting) int { return a.due.Compare(b.due) })
		return nil
	})
	return list, err
}
