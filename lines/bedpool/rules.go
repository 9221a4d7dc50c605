package bedpool

import (
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/hold"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

var admissionRules = func() map[string][]line.Rule {
	rules := map[string][]line.Rule{
		"request":  {needsPlace, needsDepartment, needsNoStay, needsPromiseAhead},
		"admit":    {needsNoOrderYet},
		"confirm":  {needsBooking},
		"take-in":  {needsBedToLieIn, needsOrder},
		"redirect": {needsReferral},
		"cancel":   {needsWordsForOther},
	}
	for do, more := range hold.Rules() {
		rules[do] = append(rules[do], more...)
	}
	for _, do := range []string{"hold-bed", "take-bed", "bind-bed"} {
		rules[do] = append(rules[do], needsAnotherToGiveBed)
	}
	return rules
}()

var stayRules = map[string][]line.Rule{
	"begin":          {needsPlace, needsSomebody, needsArrival, needsDepartment, needsBedToBegin, needsNoStay},
	"round":          {needsHomeTeam},
	"move":           {hold.NeedsOwnBed, needsAnotherBed, needsNursingDuty},
	"ask-bed":        {needsNoWait},
	"plan-discharge": {needsTimeAhead},
	"report":         {needsTimePast},
	"moved":          {hold.NeedsOwnBed},
}

var observationRules = map[string][]line.Rule{
	"observe":       {needsPlace, needsStartPast, needsNoStay},
	"ask-admission": {needsDepartment, needsNoAdmission, needsPromiseAhead},
	"redirect":      {needsReferral},
}

var preadmissionRules = map[string][]line.Rule{
	"prepare":       {needsPlace, needsDepartment, needsConsent, needsRuleInForce},
	"charge":        {needsAmount},
	"ask-admission": {needsDepartment, needsNoAdmission, needsPromiseAhead},
	"merge":         {needsStayInTime},
}

func refuse(detail, en, zh string) error {
	return fhir.Refuse(422, "business-rule", detail, en, zh)
}

// needsPlace: a patient waits at the hospital of who asks.
func needsPlace(c line.Call) error {
	if c.Read.Institution(c.By.Org) == "" {
		return refuse("no-hospital", "your role belongs to no hospital", "您的角色不属于任何医院")
	}
	return nil
}

// responsible is the department that will be responsible: the one named, else the one of who asks.
func responsible(c line.Call) string {
	if d := c.Params.Str("department"); d != "" {
		return d
	}
	if from := c.Read.Get(c.Params.Str("from")); from != nil {
		if d := line.DepartmentOf(from); d != "" {
			return d
		}
	}
	if c.Task != nil {
		if d := line.DepartmentOf(c.Task); d != "" {
			return d
		}
	}
	if c.By.Org != c.By.Institution && !slices.Contains(hold.Givers, string(c.By.Role)) {
		return c.By.Org
	}
	return ""
}

func needsDepartment(c line.Call) error {
	d := responsible(c)
	if d == "" || !strings.HasPrefix(d, "Organization/") {
		return refuse("needs-department", "name the responsible department", "请选择主管科室")
	}
	if c.Read.Get(d) == nil || d == c.By.Institution || c.Read.Institution(d) != c.By.Institution {
		return refuse("other-department", "that is no department of this hospital", "该科室不属于本院")
	}
	return nil
}

// Claims: a patient waits once, is observed once and lies in one bed of a hospital.
const (
	openAdmission   = "bedpool-admission"
	openStay        = "bedpool-stay"
	openObservation = "bedpool-observation"
	openPreparation = "bedpool-preadmission"
	openTransfer    = "bedpool-transfer" // of a stay
)

func place(patient, institution string) string { return patient + " > " + institution }

func patientOf(c line.Call) string {
	if p := c.Params.Str("patient"); p != "" {
		return p
	}
	if from := c.Read.Get(c.Params.Str("from")); from != nil {
		return from.Str("for.reference")
	}
	if c.Task != nil {
		return c.Task.Str("for.reference")
	}
	return ""
}

func needsNoStay(c line.Call) error {
	if c.Read.Holder(openStay, place(patientOf(c), c.By.Institution)) != "" {
		return fhir.Refuse(409, "duplicate", "in-hospital", "the patient lies in this hospital already; ask for another bed there", "患者已在本院住院；换床请在住院事项中申请")
	}
	return nil
}

func needsNoAdmission(c line.Call) error {
	if existing := c.Read.Holder(openAdmission, place(patientOf(c), c.By.Institution)); existing != "" {
		return line.Duplicate(existing)
	}
	return needsNoStay(c)
}

func needsPromiseAhead(c line.Call) error {
	if at := c.Params.Time("promised"); !at.IsZero() && (at.Before(c.Now.Add(-day)) || at.After(c.Now.AddDate(1, 0, 0))) {
		return refuse("bad-promise", "the promised time lies behind, or too far ahead", "承诺时间已过或过远")
	}
	return nil
}

func needsNoOrderYet(c line.Call) error {
	if line.Fact(c.Task, orderFact) != nil {
		return refuse("has-order", "the admission order is written already", "已开具住院证")
	}
	return nil
}

// Three acts by three people: who wrote the admission order gives no bed, unless it is an emergency.
func needsAnotherToGiveBed(c line.Call) error {
	if c.Urgency == flow.Emergency || c.By.Practitioner == "" {
		return nil
	}
	for _, m := range line.History(c.Task) {
		if m.Step == "admit" && m.Author == c.By.Practitioner {
			return refuse("same-person", "who wrote the admission order does not give the bed", "开具住院证的医生不能同时分配床位")
		}
	}
	return nil
}

// Without an admission order nobody but an emergency is taken in; who is in hospital already needs none.
func needsOrder(c line.Call) error {
	if c.Urgency == flow.Emergency || c.By.Role == access.Program || line.Fact(c.Task, orderFact) != nil || line.Fact(c.Task, transferFact) != nil {
		return nil
	}
	return refuse("needs-order", "a doctor writes the admission order first", "须先由医生开具住院证")
}

func bookingOf(c line.Call) *booking.Booking {
	if c.Task == nil {
		return nil
	}
	return c.Read.Booking("Task/" + c.Task.ID())
}

// A hold that has run out meanwhile calls nobody in.
func needsBooking(c line.Call) error {
	if bookingOf(c) == nil {
		return fhir.Refuse(409, "conflict", "hold-lapsed", "the hold has run out; hold a bed again", "留床已到期，请重新留床")
	}
	return nil
}

func isBed(b *booking.Booking) bool { return b != nil && strings.HasPrefix(b.Thing, "Location/") }

func needsBedToLieIn(c line.Call) error {
	b := bookingOf(c)
	switch {
	case isBed(b) && c.Params.Has("bed") && c.Params.Str("bed") != b.Thing:
		return refuse("another-bed", "another bed is held for this patient", "为该患者留的是另一张床")
	case isBed(b):
		return nil
	case b != nil:
		return refuse("needs-bind", "capacity is reserved; bind a bed first", "仅预留了名额，请先落实床位")
	case !c.Params.Has("bed"):
		return refuse("needs-bed", "no bed is held; name one", "没有留床，请选择床位")
	}
	return hold.NeedsOwnBed(c)
}

// needsBedToBegin: the bed that the referral holds, or the one named.
func needsBedToBegin(c line.Call) error {
	if from := c.Params.Str("from"); from != "" {
		b := c.Read.Booking(from)
		switch {
		case isBed(b) && c.Params.Has("bed") && c.Params.Str("bed") != b.Thing:
			return refuse("another-bed", "another bed is held for this patient", "为该患者留的是另一张床")
		case isBed(b):
			return nil
		case b != nil:
			return refuse("needs-bind", "capacity is reserved; bind a bed first", "仅预留了名额，请先落实床位")
		}
	}
	if !c.Params.Has("bed") {
		return refuse("needs-bed", "no bed is held; name one", "没有留床，请选择床位")
	}
	return hold.NeedsOwnBed(c)
}

// needsSomebody: a stay is of a patient, or of the patient of a referral.
func needsSomebody(c line.Call) error {
	if patientOf(c) == "" {
		return refuse("needs-patient", "name the patient, or the referral by which he comes", "请选择患者，或指明来自哪件转诊")
	}
	return nil
}

// A referral that is taken in is this hospital's, and its patient is on the way or here.
func needsArrival(c line.Call) error {
	ref := c.Params.Str("from")
	if ref == "" {
		return nil
	}
	from := c.Read.Get(ref)
	slug, _ := line.LineOf(from)
	switch {
	case from == nil || slug != "referral":
		return refuse("unknown-referral", "no such referral, or not visible to you", "找不到该转诊，或您无权查看")
	case c.Params.Has("patient") && c.Params.Str("patient") != from.Str("for.reference"):
		return refuse("other-patient", "the referral is of another patient", "该转诊属于另一位患者")
	case from.Str("owner.reference") != c.By.Institution:
		return refuse("other-hospital", "that referral goes to another hospital", "该转诊的接收方不是本院")
	case !slices.Contains([]string{"in-transit", "arrived"}, line.StateOf(from)):
		return refuse("not-arrived", "the patient is neither on the way nor here", "患者尚未出发或到达")
	}
	return nil
}

// A doctor of the department that is responsible, or of the team; a lent bed changes neither.
func needsHomeTeam(c line.Call) error {
	home, team := line.DepartmentOf(c.Task), line.Fact(c.Task, "team").Str("reference")
	if slices.Contains(c.By.Teams, team) && team != "" || covers(c.Read, c.By.Org, home) || covers(c.Read, home, c.By.Org) {
		return nil
	}
	return fhir.Refuse(403, "forbidden", "needs-home-team", "the round is the home team's; the host ward nurses", "查房由主管科室或医疗组完成，收治病区负责护理")
}

// covers says whether an organisation stands at or above another within a hospital.
func covers(read line.Snapshot, above, org string) bool {
	for i := 0; i < 5 && org != "" && above != ""; i++ {
		if org == above {
			return above != read.Institution(above)
		}
		org = read.Get(org).Str("partOf.reference")
	}
	return false
}

func needsAnotherBed(c line.Call) error {
	b := bookingOf(c)
	switch {
	case !isBed(b):
		return refuse("no-bed", "the hub knows of no bed in which the patient lies", "系统中没有该患者的床位")
	case b.Thing == c.Params.Str("bed"):
		return refuse("same-bed", "he lies there already", "患者已在这张床")
	}
	return nil
}

// Beyond the limits of nursing goes the nursing duty chief alone, and he does nothing else.
func needsNursingDuty(c line.Call) error {
	beyond := slices.ContainsFunc(c.Params.All("override"), func(code string) bool { return code == "nursing" || code == "stale" })
	if beyond != slices.Contains(nursing, string(c.By.Role)) {
		return fhir.Refuse(403, "forbidden", "needs-nursing-duty", "only the nursing duty chief goes beyond the limits of nursing", "护理能力限制只能由护理部值班放行")
	}
	return nil
}

func needsNoWait(c line.Call) error {
	if existing := c.Read.Holder(openTransfer, "Task/"+c.Task.ID()); existing != "" {
		return line.Duplicate(existing)
	}
	return nil
}

func needsTimeAhead(c line.Call) error {
	if at := c.Params.Time("at"); at.Before(c.Now.Add(-hour)) || at.After(c.Now.AddDate(0, 3, 0)) {
		return refuse("bad-time", "the planned time lies behind, or too far ahead", "计划时间已过或过远")
	}
	return nil
}

func needsTimePast(c line.Call) error {
	if at := c.Params.Time("at"); at.After(c.Now.Add(minute)) {
		return refuse("bad-time", "it cannot have happened yet", "发生时间不能晚于现在")
	}
	return nil
}

func needsStartPast(c line.Call) error {
	if at := c.Params.Time("since"); !at.IsZero() && (at.After(c.Now.Add(minute)) || at.Before(c.Now.Add(-7*day))) {
		return refuse("bad-time", "the observation cannot have begun then", "留观开始时间有误")
	}
	return nil
}

// Who goes elsewhere goes by a referral, so that he is never simply sent away.
func needsReferral(c line.Call) error {
	ref := c.Read.Get(c.Params.Str("referral"))
	slug, code := line.LineOf(ref)
	switch {
	case ref == nil || slug != "referral" || code == "insurance-filing":
		return refuse("needs-referral", "begin the referral first, then name it here", "请先发起转诊，再在此指明")
	case ref.Str("for.reference") != c.Task.Str("for.reference"):
		return refuse("other-patient", "that referral is of another patient", "该转诊属于另一位患者")
	case !slices.Contains([]string{"requested", "received", "accepted", "in-progress", "on-hold", "ready"}, ref.Str("status")):
		return refuse("referral-ended", "that referral has not been sent, or has ended", "该转诊尚未发出或已结束")
	}
	return nil
}

func needsWordsForOther(c line.Call) error {
	if c.Params.Str("reason") == "other" && !c.Params.Has("note") {
		return refuse("needs-words", "say in words why", "选择“其他”时请用文字说明")
	}
	return nil
}

func needsConsent(c line.Call) error {
	if !c.Params.Is("consent") {
		return refuse("needs-consent", "pre-admission needs the patient's consent", "预住院须患者知情同意")
	}
	return nil
}

func needsRuleInForce(c line.Call) error {
	if preadmissionRule(c.Now) == nil {
		return refuse("no-rule", "no local rule of pre-admission is in force today", "今日没有生效的预住院规定")
	}
	return nil
}

func needsAmount(c line.Call) error {
	if _, ok := fen(c.Params.Str("amount")); !ok {
		return refuse("bad-amount", "the amount is in yuan with at most two decimals", "金额格式有误，应为元，最多两位小数")
	}
	return nil
}

// Charges merge into a stay of the same patient that began within the days of the rule in force when it was prepared.
func needsStayInTime(c line.Call) error {
	into := c.Read.Get(c.Params.Str("stay"))
	slug, code := line.LineOf(into)
	began := opened(c.Task)
	rule := preadmissionRule(began)
	switch {
	case into == nil || slug != c.Line.Slug || code != "stay":
		return refuse("unknown-stay", "no such stay, or not visible to you", "找不到该住院，或您无权查看")
	case into.Str("for.reference") != c.Task.Str("for.reference"):
		return refuse("other-patient", "that stay is of another patient", "该住院属于另一位患者")
	case rule == nil || !rule.Merges:
		return refuse("no-merge", "the local rule does not let charges merge", "按当地规定，预住院费用不能并入住院")
	case opened(into).Before(began) || opened(into).After(began.AddDate(0, 0, rule.Days)):
		return refuse("too-late", "the stay did not begin within the days that the local rule allows", "未在规定期限内入院，费用须转门诊结算")
	}
	return nil
}
