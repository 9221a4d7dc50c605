// Package hold is how a waiting case comes by a bed, the same for an admission and for a referral: steps, questions, rules and what they write.
package hold

import (
	"slices"

	"github.com/xinglin-health/xinglin/internal/flow"
)

// States say between which states of a flow the steps of a bed lead.
type States struct {
	Waiting   string   // here it waits for a bed
	Held      string   // here it has one, or a unit of capacity, and is to come
	Also      []string // from these, too, a bed leads to Held; nothing waits for it there
	Stay      []string // here a bed may be given and taken back, and the state stays as it is: on the way, arrived
	Emergency []string // here an emergency may be given one, before anybody has answered; the state stays
}

// Roles that give beds. The nursing duty chief does so only beyond the limit of nursing.
var (
	Desk   = []string{"bed-desk", "duty-chief"}
	Givers = []string{"bed-desk", "duty-chief", nursingDuty}
)

const nursingDuty = "nursing-duty"

var inEmergency = flow.When{Field: "urgency", Is: string(flow.Emergency)}

// Steps are the rows of a bed in a flow's table. Those of the system stand last, so that a state's own lapse comes first.
func Steps(s States) []flow.Step {
	at := func(states ...[]string) []string { return slices.Concat(states...) }
	waiting, held := []string{s.Waiting}, []string{s.Held}
	holdName, takeName := flow.Name{Zh: "留床", En: "Hold a bed"}, flow.Name{Zh: "急用此床", En: "Take a held bed"}
	bindName, freeName, sayName := flow.Name{Zh: "落实床位", En: "Bind a bed"}, flow.Name{Zh: "退床", En: "Give the bed back"}, flow.Name{Zh: "承诺床位时间", En: "Promise a time"}
	effect := flow.Name{Zh: "为患者留床，过时自动释放", En: "Holds it for the patient; it is freed by itself when its time has passed"}
	took := flow.Name{Zh: "急诊患者占用他人预留的床位，原患者须重新承诺", En: "The emergency takes a bed held for another, who is promised anew"}
	steps := []flow.Step{
		{Do: "hold-bed", Name: holdName, From: at(waiting, s.Also), To: s.Held, By: flow.Owner, Roles: Givers, Primary: true, Effect: effect},
		{Do: "bind-bed", Name: bindName, From: at(held, s.Stay), To: flow.Same, By: flow.Owner, Roles: Givers},
		{Do: "take-bed", Name: takeName, From: at(waiting, s.Also), To: s.Held, By: flow.Owner, Roles: Desk, When: inEmergency, Effect: took},
		{Do: "release-bed", Name: freeName, From: held, To: s.Waiting, By: flow.Owner, Roles: Desk},
		{Do: "promise", Name: sayName, From: waiting, To: flow.Same, By: flow.Owner, Roles: Desk, Renews: true},
	}
	if s.Stay != nil {
		steps = append(steps,
			flow.Step{Do: "hold-bed", Name: holdName, From: s.Stay, To: flow.Same, By: flow.Owner, Roles: Givers, Effect: effect},
			flow.Step{Do: "take-bed", Name: takeName, From: s.Stay, To: flow.Same, By: flow.Owner, Roles: Desk, When: inEmergency, Effect: took},
			flow.Step{Do: "release-bed", Name: freeName, From: s.Stay, To: flow.Same, By: flow.Owner, Roles: Desk})
	}
	if s.Emergency != nil {
		steps = append(steps,
			flow.Step{Do: "hold-bed", Name: holdName, From: s.Emergency, To: flow.Same, By: flow.Owner, Roles: Givers, When: inEmergency, Effect: effect},
			flow.Step{Do: "take-bed", Name: takeName, From: s.Emergency, To: flow.Same, By: flow.Owner, Roles: Desk, When: inEmergency, Effect: took},
			flow.Step{Do: "release-bed", Name: freeName, From: s.Emergency, To: flow.Same, By: flow.Owner, Roles: Desk, When: inEmergency})
	}
	lapsed, displaced := flow.Name{Zh: "留床到期", En: "The hold has run out"}, flow.Name{Zh: "床位被急诊占用", En: "An emergency took the bed"}
	steps = append(steps,
		flow.Step{Do: "hold-lapsed", Name: lapsed, From: held, To: s.Waiting, By: flow.System},
		flow.Step{Do: "displaced", Name: displaced, From: held, To: s.Waiting, By: flow.System})
	if rest := at(s.Stay, s.Emergency); len(rest) > 0 {
		steps = append(steps,
			flow.Step{Do: "hold-lapsed", Name: lapsed, From: rest, To: flow.Same, By: flow.System},
			flow.Step{Do: "displaced", Name: displaced, From: rest, To: flow.Same, By: flow.System})
	}
	return steps
}
