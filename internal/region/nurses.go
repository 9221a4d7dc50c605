package region

import "github.com/xinglin-health/xinglin/internal/access"

// Roles of those who work with beds.
const (
	bedDesk     = access.Role("bed-desk")
	headNurse   = access.Role("head-nurse")
	nurse       = access.Role("nurse")
	nursingDuty = access.Role("nursing-duty")
	dutyChief   = access.Role("duty-chief")
)

// staffWards: two desks at the centre, nurses of cardiology and of a ward that lends it beds, and who is on duty for the whole.
func (r *Region) staffWards(hire func(in *Institution, role access.Role, department, title string) *Person) {
	centre := r.byID["centre"]
	hire(centre, bedDesk, "beds", "床位调配员")
	hire(centre, bedDesk, "beds", "床位调配员")
	for _, dep := range []string{"cardiology", "respiratory"} {
		hire(centre, headNurse, dep, "护士长")
		hire(centre, nurse, dep, "主管护师")
	}
	hire(centre, nursingDuty, "nursing", "护理部副主任")
	hire(centre, dutyChief, "affairs", "总值班")
	for _, in := range r.Institutions {
		if in.ID == "county-1" || in.Kind == Partner {
			hire(in, bedDesk, "beds", "床位调配员")
		}
	}
}

func (r *Region) wardAccounts(account func(username, what, english, institution string, role access.Role, department string)) {
	account("chuangwei", "区域医疗中心床位调配中心", "Centre bed desk", "centre", bedDesk, "")
	second := r.byID["centre"].all(bedDesk)[1]
	r.Accounts = append(r.Accounts, Account{"chuangwei2", "区域医疗中心床位调配中心（第二席）", "Centre bed desk, second seat", second})
	account("xinneihushizhang", "区域医疗中心心内科护士长", "Centre head nurse, cardiology", "centre", headNurse, "cardiology")
	account("xinneihushi", "区域医疗中心心内科护士", "Centre nurse, cardiology", "centre", nurse, "cardiology")
	account("huxihushizhang", "区域医疗中心呼吸科护士长（收治病区）", "Centre head nurse, respiratory (host ward)", "centre", headNurse, "respiratory")
	account("huxihushi", "区域医疗中心呼吸科护士（收治病区）", "Centre nurse, respiratory (host ward)", "centre", nurse, "respiratory")
	account("huliban", "区域医疗中心护理部值班", "Centre nursing duty chief", "centre", nursingDuty, "")
	account("zongzhiban", "区域医疗中心总值班", "Centre chief on duty", "centre", dutyChief, "")
	account("xianchuangwei", "县医院床位调配中心", "County bed desk", "county-1", bedDesk, "")
}

// all are the people with a role at an institution.
func (in *Institution) all(role access.Role) (people []*Person) {
	for _, p := range in.Staff {
		if p.Role == role {
			people = append(people, p)
		}
	}
	return people
}
