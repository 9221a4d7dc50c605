package referral

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/beds/hold"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

var sendRules = []line.Rule{needsAnotherInstitution, needsCoordinator, needsReason, needsCompletePacket, needsNoOpenReferral, needsOwnCaseToContinue, needsDepartmentThere, needsAgreement, needsConsent}

var upRules = together(hold.Rules(), map[string][]line.Rule{
	"draft":      {needsAnotherInstitution, needsNoOpenReferral, needsOwnCaseToContinue, needsDepartmentThere},
	"send":       sendRules,
	"submit":     sendRules,
	"supplement": {needsCompletePacket},
	"receive":    {needsDepartmentHere},
	"route":      {needsDepartmentHere},
	"accept":     {needsDepartmentHere, needsBedDesk},
	"redirect":   {needsLateness, needsNextHospital, needsAgreementOnTheWay, needsConsent},
	"depart":     {needsBedStillHeld},
	"admit":      {needsPatientSeen, needsDepartmentHere},
	"treat":      {needsCompletePacket},
	"send-back":  {needsDownTarget, needsNoOpenOffer, needsMedicinesThere, needsCompletePacket, needsAgreement, needsConsent},
	"close":      {needsSummary},
})

var downRules = map[string][]line.Rule{
	"offer":     {needsUpCase, needsDownTarget, needsNoOpenOffer, needsMedicinesThere, needsCompletePacket, needsAgreement, needsConsent},
	"redirect":  {needsNextHospital, needsAgreementOnTheWay, needsConsent},
	"take-over": {needsCounty},
	"close":     {needsFollowUps},
}

var outRules = map[string][]line.Rule{
	"propose":  {needsAnotherInstitution, needsCoordinator, needsReason, needsCompletePacket, needsNoOpenReferral, needsOwnCaseToContinue, needsDepartmentThere, needsAgreement, needsConsent},
	"approve":  {needsApprovalOnce, needsAgreement, needsConsent},
	"accept":   {needsDepartmentHere},
	"route":    {needsDepartmentHere},
	"redirect": {needsLateness, needsNextHospital, needsAgreementOnTheWay, needsConsent},
	"depart":   {needsSignature},
	"arrive":   {needsSignature},
	"close":    {needsApproval},
}

// waits says whether a rule may hold the patient up: in an emergency nothing may.
func waits(c line.Call) bool { return c.Urgency != flow.Emergency }

func refuse(detail, en, zh string) error {
	return fhir.Refuse(422, "business-rule", detail, en, zh)
}

// target is the institution to which the call sends the patient.
func target(c line.Call) string {
	if to := c.Params.Str("to"); to != "" {
		return c.Read.Institution(to)
	}
	if c.Task != nil {
		return c.Task.Str("owner.reference")
	}
	return ""
}

func needsAnotherInstitution(c line.Call) error {
	to := target(c)
	switch {
	case c.Read.Get(to) == nil:
		return refuse("unknown-organization", "the target does not exist: "+to, "找不到该机构")
	case c.Read.Get(to).Str("active") == "false":
		return refuse("inactive-organization", "the target is no longer active", "该机构已停用")
	case to == c.By.Institution:
		return refuse("same-institution", "a referral goes to another institution", "不能转给本院")
	}
	return nil
}

func needsCoordinator(c line.Call) error {
	if waits(c) && (c.Given("coordinator") == "" || c.Given("phone") == "") {
		return refuse("needs-coordinator", "name a coordinator with telephone", "请填写专门联系人及电话")
	}
	return nil
}

func needsReason(c line.Call) error {
	if c.Params.Has("reason") || (c.Request != nil && c.Request.Str("reasonCode[0].text") != "") {
		return nil
	}
	return refuse("needs-reason", "say why the patient is referred", "请填写病情与转诊原因")
}

// A half-uploaded document makes the packet incomplete; an emergency does not wait for it.
func needsCompletePacket(c line.Call) error {
	var half []string
	patient := c.Params.Str("patient")
	if c.Task != nil {
		patient = c.Task.Str("for.reference")
	}
	for _, ref := range packet(c) {
		n := c.Read.Get(ref)
		if n == nil {
			return refuse("unknown-document", "no such document, or not visible to you: "+ref, "找不到资料，或您无权查看")
		}
		if subject := subjectOf(n); subject != "" && patient != "" && subject != patient {
			return refuse("other-patient", ref+" belongs to another patient", "资料属于另一位患者，请核对")
		}
		if n.Str("docStatus") == "preliminary" {
			half = append(half, ref)
		}
	}
	if half != nil && waits(c) {
		return refuse("packet-incomplete", "still uploading: "+strings.Join(half, ", "), fmt.Sprintf("还有 %d 份资料未上传完成，暂不能提交", len(half)))
	}
	return nil
}

func needsNoOpenReferral(c line.Call) error {
	patient := c.Params.Str("patient")
	if c.Task != nil {
		patient = c.Task.Str("for.reference")
	}
	if existing := c.Read.Holder(openReferral, place(patient, target(c))); existing != "" && (c.Task == nil || existing != "Task/"+c.Task.ID()) {
		return line.Duplicate(existing)
	}
	return nil
}

// A case is continued only by who has it: the county sends on what the village sent.
func needsOwnCaseToContinue(c line.Call) error {
	ref := c.Params.Str("basedOn")
	if ref == "" {
		return nil
	}
	earlier := c.Read.Get(ref)
	if earlier == nil || !slices.Contains([]string{earlier.Str("owner.reference"), earlier.Str("requester.reference")}, c.By.Institution) {
		return refuse("not-your-case", "only a party continues a case", "只有转诊双方才能接续该病例")
	}
	if c.Params.Has("patient") && earlier.Str("for.reference") != c.Params.Str("patient") {
		return refuse("other-patient", "the earlier case is about another patient", "接续的转诊属于另一位患者")
	}
	return nil
}

// The sender may go elsewhere only when the answer is late; before that he cancels.
func needsLateness(c line.Call) error {
	if c.Side == flow.Requester && waits(c) && !line.IsLate(c.Task, c.Now) {
		return refuse("not-late", "the other side still has time to answer; cancel instead", "对方尚在答复时限内；如需改变请先撤回")
	}
	return nil
}

// The next hospital exists, is not where the patient comes from, and has not turned him away already.
func needsNextHospital(c line.Call) error {
	to := target(c)
	switch {
	case c.Read.Get(to) == nil:
		return refuse("unknown-organization", "the target does not exist: "+to, "找不到该机构")
	case to == c.Task.Str("owner.reference"), to == c.Task.Str("requester.reference"):
		return refuse("same-institution", "redirect to a third institution", "请选择双方以外的机构")
	}
	for _, k := range c.Read.Chain(c.Task.Str("groupIdentifier.value")) {
		if k.Owner == to && k.Flow == c.Flow.Code && slices.Contains([]string{Declined, Redirected}, k.State) {
			return refuse("been-there", "that institution has turned this patient away already", "该机构此前未接收该患者，请另选")
		}
	}
	return nil
}

// 住院证 only after seeing the patient, or on the packet where the hospital's rules allow it.
func needsPatientSeen(c line.Call) error {
	if line.StateOf(c.Task) == Arrived {
		return nil
	}
	for _, x := range c.Read.Get(c.Task.Str("owner.reference")).All("extension") {
		if x.Str("url") == admitOnPacket && x.Str("valueBoolean") == "true" {
			return nil
		}
	}
	return refuse("patient-not-seen", "an admission order needs the patient seen here", "见到患者后方可开具住院证")
}

// admitOnPacket on an Organization: its rules allow admission orders on the packet alone.
const admitOnPacket = spec.Canonical + "/StructureDefinition/admission-on-packet"

func needsSummary(c line.Call) error {
	if line.FactText(c.Task, "summary") == "" && line.Fact(c.Task, "sent-back") == nil {
		return refuse("needs-summary", "close with a summary or a way back", "请先填写诊治小结或办理下转")
	}
	return nil
}

func needsUpCase(c line.Call) error {
	earlier := c.Read.Get(c.Params.Str("basedOn"))
	_, code := line.LineOf(earlier)
	switch {
	case earlier == nil || code != "up":
		return refuse("needs-up-case", "a down-referral follows an up-referral", "下转须对应一次上转")
	case earlier.Str("owner.reference") != c.By.Institution:
		return refuse("not-your-case", "only the hospital that treated sends back", "只有收治医院才能发起下转")
	case !slices.Contains([]string{Arrived, Treated, Ended}, line.StateOf(earlier)):
		return refuse("not-arrived", "the patient has not arrived", "患者尚未到达，不能下转")
	}
	return nil
}

func needsDownTarget(c line.Call) error {
	to := downTarget(c)
	switch {
	case to == "" || c.Read.Get(to) == nil:
		return refuse("unknown-organization", "name who takes the patient", "请选择承接机构")
	case to == c.By.Institution:
		return refuse("same-institution", "a down-referral goes to another institution", "不能下转给本院")
	}
	return nil
}

func needsNoOpenOffer(c line.Call) error {
	if existing := c.Read.Holder(openOffer, place(upCase(c).Str("for.reference"), downTarget(c))); existing != "" {
		return line.Duplicate(existing)
	}
	return nil
}

func needsCounty(c line.Call) error {
	if county(c) == "" {
		return refuse("no-county", "nobody above the receiver", "承接机构之上没有可接管的医院")
	}
	return nil
}

func needsApprovalOnce(c line.Call) error {
	if line.Fact(c.Task, "approved") != nil {
		return refuse("approved-already", "medical affairs have approved", "医务处已审批")
	}
	return nil
}

func needsApproval(c line.Call) error {
	if line.Fact(c.Task, "approved") == nil {
		return refuse("needs-approval", "medical affairs must approve before the case is closed", "请先由医务处补办审批，再结案")
	}
	return nil
}

func needsSignature(c line.Call) error {
	if waits(c) && !c.Params.Is("signed") {
		return refuse("needs-signature", "both sides sign the handover", "请先签署交接单")
	}
	return nil
}
