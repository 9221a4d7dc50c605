package region

import (
	"errors"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
)

func (t *trip) treated(task string, to *Institution) error {
	desk, doctor := t.who(to, access.ReferralOffice), t.who(to, access.ReceivingDoctor)
	if chance(t.d, 0.4) || !t.ill.chronic && t.ill.procedure == "" && chance(t.d, 0.5) {
		t.later(minutes(t.d, 60, 2500), func() error { return t.w.do(desk, task, "close") })
		return nil
	}
	t.later(minutes(t.d, 30, 1200), func() error {
		ask := []any{"plan", "继续药物治疗，避免劳累，低盐低脂饮食；按随访计划复查。", "red-flags", pick(t.d, []string{"胸痛再发", "呼吸困难", "发热超过 38.5℃", "切口红肿渗液", "意识改变"}),
			"follow-up-days", "3", "follow-up-days", "7", "follow-up-days", "30", "coordinator", desk.Name, "phone", desk.Phone}
		for _, key := range t.ill.drugs {
			ask = append(ask, "medicines", medicines[key][0]+"，"+medicines[key][1])
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
		return t.home(task, p, 0)
	})
	return nil
}

// home: the village follows up on day 3, 7 and 30; not always in time.
func (t *trip) home(task string, p *Person, visit int) error {
	days := [3]int{3, 4, 23}[visit]
	t.later(time.Duration(days)*24*time.Hour+minutes(t.d, -300, 1500), func() error {
		result := pick(t.d, []string{"stable", "stable", "improved", "improved", "worse"})
		if err := t.w.do(p, task, "follow-up", "findings", "电话与入户随访：规律服药，"+map[string]string{"stable": "病情稳定", "improved": "较前好转", "worse": "症状有反复，已建议复诊"}[result]+"。", "result", result); err != nil {
			return err
		}
		if visit < 2 && chance(t.d, 0.9) {
			return t.home(task, p, visit+1)
		}
		t.later(minutes(t.d, 30, 3000), func() error { return t.w.do(p, task, "close") })
		return nil
	})
	return nil
}
