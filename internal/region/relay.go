package region

import (
	"fmt"

	"github.com/xinglin-health/xinglin/internal/access"
)

// relay goes from the centre up to the output hospital, and back with a plan.
func (t *trip) relay() error {
	cause := pick(t.d, []string{"technique-absent", "equipment-absent", "complication", "no-bed", "family-wish"})
	ask := append(t.ask(), "cause", cause)
	if cause == "technique-absent" {
		ask = append(ask, "technique", t.ill.procedure)
	}
	leader := t.who(t.from, access.ReceivingDoctor)
	filing := t.filing // the office hears of it with the approval
	if err := t.visit(leader, "IMP", "住院"); err != nil {
		return err
	}
	task, err := t.w.start(leader, "out", ask...)
	if err != nil {
		return err
	}
	affairs, doctor, desk := t.who(t.from, access.MedicalAffairs), t.who(t.to, access.ReceivingDoctor), t.who(t.to, access.ReferralOffice)
	emergency := t.urgency == "emergency"
	arrive := func() error {
		if err := t.w.do(desk, task, "arrive", "signed", true); err != nil {
			return err
		}
		return t.away(task, desk, doctor, 3+t.d.IntN(6))
	}
	depart := func() error {
		if err := t.w.do(leader, task, "depart", "escort", leader.Name+" "+leader.Title, "signed", true); err != nil {
			return err
		}
		t.later(minutes(t.d, 240, 600), arrive)
		return nil
	}
	accept := func() error {
		if err := t.w.do(doctor, task, "accept", "coordinator", desk.Name, "phone", desk.Phone); err != nil {
			return err
		}
		t.later(t.pace([2]int{20, 90}, [2]int{120, 900}, [2]int{600, 5000}), depart)
		return nil
	}
	approve := func() error {
		err := t.w.do(affairs, task, "approve")
		if err == nil && filing == "to-file" {
			t.file(task)
		}
		return err
	}
	if emergency {
		t.later(minutes(t.d, 3, 12), accept)
		t.later(minutes(t.d, 300, 1400), approve)
		return nil
	}
	if chance(t.d, 0.1) {
		t.later(minutes(t.d, 60, 600), func() error {
			return t.w.do(affairs, task, "disapprove", "reason", "本院可完成该项治疗，请先组织院内多学科讨论。")
		})
		return nil
	}
	t.later(minutes(t.d, 30, 200), func() error {
		if err := approve(); err != nil {
			return err
		}
		t.later(t.pace([2]int{3, 12}, [2]int{15, 110}, [2]int{60, 1000}), accept)
		return nil
	})
	return nil
}

func (t *trip) away(task string, desk, doctor *Person, days int) error {
	if days == 0 {
		t.later(minutes(t.d, 200, 700), func() error {
			if err := t.w.do(doctor, task, "return", "plan", "已行"+t.ill.procedure+"，恢复良好，转回本地继续康复治疗。", "red-flags", "发热、切口渗液或原有症状加重"); err != nil {
				return err
			}
			t.later(minutes(t.d, 900, 3500), func() error { return t.w.do(t.who(t.from, access.ReferralOffice), task, "close") })
			return nil
		})
		return nil
	}
	t.later(minutes(t.d, 1200, 1430), func() error {
		if err := t.w.do(desk, task, "report", "word", fmt.Sprintf("生命体征平稳，治疗按计划进行，预计 %d 天后可评估转回。", days)); err != nil {
			return err
		}
		return t.away(task, desk, doctor, days-1)
	})
	return nil
}
