package region

import (
	"fmt"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/agreement"
	"github.com/xinglin-health/xinglin/internal/line"
)

// pact is an agreement of the region: the member proposes it, both leaders sign.
type pact struct {
	lead, member  string
	kind, title   string
	sharing, text string
	services      []string
	specialties   []string
	years         int // ago that it began
	until         int // days from the present to its last day; 0 = open
	signs         int // how many sides have signed
	suspended     bool
}

var (
	sharedCare = []string{"up-referral", "down-referral", "consultation", "remote-imaging", "remote-ecg", "remote-pathology", "recognition", "dispatch", "training", "drugs"}
	buildsUp   = []string{"up-referral", "down-referral", "consultation", "remote-pathology", "recognition", "dispatch", "training", "technique", "drugs"}
)

// pacts: separate legal persons need one; the units of the county group do not.
func (r *Region) pacts() []pact {
	var all []pact
	for _, in := range r.Institutions {
		switch in.Kind {
		case Output:
			all = append(all, pact{lead: in.ID, member: "centre", kind: "joint-centre", title: "国家区域医疗中心共建协议", sharing: agreement.Whole, services: buildsUp, years: 2, signs: 2,
				text: "输出医院派驻管理与技术团队，疑难患者接力救治，带治疗计划转回。"})
		case Partner, Group:
			title, kind := "双向转诊协议", "alliance"
			if in.Kind == Group {
				title = "区域医疗中心与县域医共体协作协议"
			}
			all = append(all, pact{lead: "centre", member: in.ID, kind: kind, title: title, sharing: agreement.Results, services: sharedCare, years: 2, signs: 2,
				text: "急危重症与疑难患者上转，恢复期患者带康复计划下转；检查检验结果互认。"})
		}
	}
	all = append(all,
		pact{lead: "centre", member: "partner-1", kind: "specialty-league", title: "心血管专科联盟协议", sharing: agreement.Packet, services: []string{"consultation", "training", "technique"}, specialties: []string{"cardiology"}, years: 1, until: 45, signs: 2},
		pact{lead: "centre", member: "partner-8", kind: "paired-support", title: "对口支援协议", sharing: agreement.Packet, services: []string{"dispatch", "training"}, years: 1, signs: 2, suspended: true},
		pact{lead: "centre", member: "partner-9", kind: "specialty-league", title: "妇幼专科联盟协议", sharing: agreement.Packet, services: []string{"consultation", "training"}, specialties: []string{"obstetrics", "paediatrics"}, signs: 1},
	)
	here := map[string]bool{}
	for _, in := range r.Institutions {
		here[in.ID] = true
	}
	kept := all[:0]
	for _, p := range all {
		if here[p.lead] && here[p.member] {
			kept = append(kept, p)
		}
	}
	return kept
}

// agree signs the agreements by the real steps, before the first case needs one.
func (w *life) agree() error {
	for _, p := range w.r.pacts() {
		lead, member := w.r.byID[p.lead], w.r.byID[p.member]
		theirs, ours := lead.Who(access.Leader, ""), member.Who(access.Leader, "")
		ask := []any{"to", ref(lead.Ref(), lead.Short), "kind", p.kind, "title", p.title, "lead", "them", "sharing", p.sharing, "text", p.text,
			"from", day(w.r.Present.AddDate(-p.years, 0, -w.r.Present.YearDay()+1))}
		if p.until > 0 {
			ask = append(ask, "until", day(w.r.Present.AddDate(0, 0, p.until)))
		}
		for _, s := range p.services {
			ask = append(ask, "services", s)
		}
		for _, s := range p.specialties {
			ask = append(ask, "specialties", s)
		}
		done, err := w.hub.Runner.Start(w.as(ours), line.StartCall{Line: "agreement", Flow: "contract", Params: parameters(ask...)})
		if err != nil {
			return fmt.Errorf("region: %s proposes %s: %w", member.Short, p.title, err)
		}
		for _, signer := range []*Person{ours, theirs}[:p.signs] {
			if err := w.do(signer, done.Task, "sign"); err != nil {
				return err
			}
		}
		if p.suspended {
			if err := w.do(theirs, done.Task, "suspend", "reason", "对口支援人员轮换，暂停派驻"); err != nil {
				return err
			}
		}
	}
	_, err := w.hub.Runner.Tick(w.ctx) // those signed today come into force
	return err
}
