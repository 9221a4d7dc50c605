package referral

import (
	"github.com/xinglin-health/xinglin/internal/beds/hold"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// A name for each kind of question keeps the forms below readable.
func field(kind, name, zh, en string) line.Field {
	return line.Field{Name: name, Type: kind, Label: flow.Name{Zh: zh, En: en}}
}

func required(f line.Field) line.Field { f.Required = true; return f }

// waived is required, but an emergency may leave it out.
func waived(f line.Field) line.Field { f.Required, f.Waived = true, true; return f }

func hidden(f line.Field) line.Field { f.Hidden = true; return f }

func repeated(f line.Field) line.Field { f.Repeats = true; return f }

func only(f line.Field, field string, in ...string) line.Field {
	f.ShowIf = &line.ShowIf{Field: field, In: in}
	return f
}

func preset(f line.Field, value any) line.Field { f.Default = value; return f }

func hint(f line.Field, zh, en string) line.Field { f.Help = flow.Name{Zh: zh, En: en}; return f }

func choice(name, zh, en string, options ...line.Option) line.Field {
	f := field("choice", name, zh, en)
	f.Options = options
	return f
}

func option(code, zh, en string) line.Option {
	return line.Option{Code: code, Name: flow.Name{Zh: zh, En: en}}
}

func form(fields ...line.Field) line.Form { return line.Form{Fields: fields} }

var (
	patient = required(field("patient", "patient", "患者", "Patient"))
	to      = func() line.Field {
		f := required(field("organization", "to", "转往机构", "To"))
		f.Service = upwards
		return f
	}()
	toNext    = func() line.Field { f := to; f.Service = "redirect"; return f }()
	urgency   = preset(choice("urgency", "紧急程度", "Urgency", option("routine", "普通（24 小时内接收）", "Routine (received within 24 h)"), option("urgent", "紧急（2 小时内接收）", "Urgent (within 2 h)"), option("emergency", "急诊（先救治，15 分钟内接收）", "Emergency (care first; within 15 min)")), "routine")
	reason    = required(field("textarea", "reason", "病情与转诊原因", "Condition and reason"))
	diagnosis = func() line.Field {
		f := field("code", "diagnosis", "诊断", "Diagnosis")
		f.System = "icd-10"
		return f
	}()
	department  = field("department", "department", "科室", "Department")
	addressed   = func() line.Field { f := department; f.At = "to"; return f }()
	documents   = hint(field("documents", "documents", "随转资料", "Packet"), "病历摘要、检验检查、影像、文书；提交后封存", "Summary, results, images, documents; frozen on submission")
	coordinator = waived(field("text", "coordinator", "联系人（专人负责）", "Coordinator"))
	phone       = waived(field("phone", "phone", "联系电话", "Telephone"))
	note        = field("textarea", "note", "备注", "Note")
	advice      = field("textarea", "advice", "建议", "Advice")
	follows     = hidden(field("task", "basedOn", "接续的转诊", "Continues the case"))

	insurance = []line.Field{
		field("text", "insurance-place", "参保地", "Insured at"),
		choice("insurance-type", "险种", "Insurance", option("employee", "职工医保", "Employee"), option("resident", "居民医保", "Resident"), option("commercial", "商业保险", "Commercial"), option("self", "自费", "Self-paid")),
		field("text", "certificate", "转诊证明编号", "Referral certificate"),
		hint(choice("filing", "异地就医备案", "Insurance filing", option("not-needed", "无需备案", "Not needed"), option("to-file", "待备案", "To file"), option("filed", "已备案", "Filed"), option("emergency", "急诊视同备案", "Emergency counts as filed"), option("declined", "未通过", "Declined")),
			"未备案不影响转诊，将提醒本院医保办在结算前补办", "Never blocks the referral; your insurance office is asked to file before settlement"),
		field("date", "filing-until", "备案有效期至", "Filing valid until"),
	}
	compose = form(patient, to, addressed, urgency, reason, diagnosis, documents, coordinator, phone, byChoice).With(consentFields...).With(insurance...)
)

var declineReasons = choice("reason", "不接收原因", "Reason",
	option("capacity-full", "无床位或号源", "No capacity"), option("no-technique", "无此技术或设备", "Technique or equipment absent"),
	option("not-indicated", "无转诊指征，可在当地诊治", "Not indicated; can be treated locally"), option("wrong-specialty", "专科不符", "Wrong specialty"),
	option("incomplete", "资料不全", "Packet incomplete"), option("patient-unfit", "病情不宜转运", "Unfit for transport"), option("other", "其他", "Other"))

var redirectReasons = choice("reason", "转往他院原因", "Reason",
	option("capacity-full", "无床位或号源", "No capacity"), option("no-technique", "无此技术或设备", "Technique or equipment absent"),
	option("closer", "他院更近或更合适", "Another hospital is closer or fits better"), option("no-answer", "逾期未答复", "No answer in time"), option("patient-wish", "患者意愿", "Patient's wish"), option("other", "其他", "Other"))

var refuseReasons = choice("reason", "患者不同意的原因", "Why the patient refuses",
	option("cost", "费用顾虑", "Cost"), option("distance", "路途远", "Distance"), option("family-care", "家中无人照料", "No one at home"),
	option("local-treatment", "愿在当地治疗", "Prefers local treatment"), option("elsewhere", "自行前往他院", "Goes elsewhere"), option("other", "其他", "Other"))

var cancelReasons = choice("reason", "撤回原因", "Reason",
	option("improved", "病情好转", "Improved"), option("turned-back", "途中返回", "Turned back"), option("died", "患者死亡", "Patient died"),
	option("mistake", "填写有误", "Entered by mistake"), option("other", "其他", "Other"))

// What left the network counts as outflow; the place says where to.
var outflow = []line.Field{
	required(field("text", "place", "实际就诊机构", "Where the patient went")),
	choice("reason", "原因", "Reason", option("patient-wish", "患者意愿", "Patient's wish"), option("closer", "就近就医", "Closer"), option("emergency", "途中病情变化", "Condition changed on the way"), option("waiting", "等待过久", "Waited too long"), option("capability", "网络内无此技术", "No such technique in the network"), option("other", "其他", "Other")),
	choice("scope", "范围", "Scope", option("county", "县域内", "Within the county"), option("province", "省内", "Within the province"), option("outside", "省外", "Outside the province")),
	note,
}

var upForms = together(hold.Forms(), map[string]line.Form{
	"draft": form(patient, to, addressed, urgency, field("textarea", "reason", "病情与转诊原因", "Condition and reason"), diagnosis, documents,
		field("text", "coordinator", "联系人（专人负责）", "Coordinator"), field("phone", "phone", "联系电话", "Telephone"), byChoice, follows, hidden(field("boolean", "draft", "草稿", "Draft"))).With(consentFields...).With(insurance...),
	"send": compose.With(follows, hidden(field("boolean", "draft", "草稿", "Draft"))),
	"submit": form(department, field("textarea", "reason", "病情与转诊原因", "Condition and reason"), diagnosis, documents,
		field("text", "coordinator", "联系人（专人负责）", "Coordinator"), field("phone", "phone", "联系电话", "Telephone"), byChoice).With(consentFields...).With(insurance...),
	"receive": form(hint(department, "转出方未指定科室的，在此分派后科室医生才能看到", "Where the sender named none: its doctors see the case once it is routed"), note),
	"route":   form(required(department), note),
	"accept": form(
		preset(required(choice("outcome", "接诊方式", "Outcome", option("clinic", "门诊号源", "Clinic slot"), option("examination", "检查", "Examination"), option("day-surgery", "日间手术", "Day surgery"),
			option("emergency", "急诊", "Emergency department"), option("observation", "急诊留观", "Observation"), option("admission", "住院", "Admission"), option("advice", "回复建议，不必前来", "Advice without travel"))), "clinic"),
		only(field("datetime", "appointment", "预约时间", "Appointment"), "outcome", "clinic", "examination", "day-surgery"),
		department,
		only(field("text", "place", "报到地点", "Report to"), "outcome", "clinic", "examination", "day-surgery", "emergency", "observation", "admission"),
		only(required(advice), "outcome", "advice"),
		only(coordinator, "outcome", "clinic", "examination", "day-surgery", "emergency", "observation", "admission"),
		only(phone, "outcome", "clinic", "examination", "day-surgery", "emergency", "observation", "admission"),
		note).With(admissionNeeds()...),
	"decline":           form(required(declineReasons), required(advice)),
	"redirect":          form(toNext, required(redirectReasons), note).With(consentFields...),
	"supplement":        form(required(documents), note),
	"depart":            form(preset(choice("transport", "转运方式", "Transport", option("ambulance", "救护车", "Ambulance"), option("own", "自行前往", "Own way"), option("escorted", "医护护送", "Escorted")), "own"), field("datetime", "expected", "预计到达", "Expected arrival"), note),
	"arrive":            form(note),
	"admit":             form(department, required(field("textarea", "reason", "入院诊断与理由", "Admission diagnosis and reason"))).With(hold.Needs()...),
	"treat":             form(required(field("textarea", "summary", "诊治小结", "Summary of treatment")), diagnosis, documents),
	"send-back":         planForm,
	"close":             form(note),
	"acknowledge":       form(note),
	"refuse":            form(required(refuseReasons), note),
	"cancel":            form(required(cancelReasons), note),
	"no-show":           form(note),
	"arrived-elsewhere": form(outflow...),
	"managed-outside":   form(outflow...),
})

// planForm is what goes home with the patient.
var planForm = form(
	hint(field("organization", "to", "承接机构", "To"), "默认转回原转出单位", "Left empty: back to where the patient came from"),
	required(field("textarea", "plan", "康复与治疗计划", "Plan")),
	required(hint(repeated(field("text", "red-flags", "危险信号（出现即上转）", "Red flags")), "如：胸痛再发、呼吸困难", "e.g. chest pain again, short of breath")),
	hint(repeated(field("text", "medicines", "带药与用法", "Medicines")), "每行一种；系统核对承接机构是否有此药", "One a line; checked against what the receiver keeps"),
	hint(repeated(field("text", "instead", "当地没有的药如何解决", "Where a medicine is not kept there")), "逐行对应缺药：替代药、带足药量或双通道药店", "A line for each that is missing: another medicine, enough to take along, or a pharmacy"),
	preset(repeated(choice("follow-up-days", "随访日（出院后第几天）", "Follow-up on day", option("3", "第 3 天", "Day 3"), option("7", "第 7 天", "Day 7"), option("14", "第 14 天", "Day 14"), option("30", "第 30 天", "Day 30"), option("90", "第 90 天", "Day 90"))), []string{"3", "7", "30"}),
	documents, coordinator, phone, byChoice).With(consentFields...)

var downForms = map[string]line.Form{
	"offer":     planForm.With(hint(field("task", "basedOn", "对应的上转", "The up-referral"), "", ""), hidden(field("patient", "patient", "患者", "Patient")), hidden(urgency)),
	"accept":    form(coordinator, phone, field("date", "expected", "预计到达", "Expected on"), note),
	"decline":   form(required(choice("reason", "不承接原因", "Reason", option("no-bed", "床位紧张", "No bed"), option("no-medicine", "药品不具备", "Medicines not available"), option("beyond-ability", "超出诊疗能力", "Beyond our ability"), option("patient-moved", "患者不在本地", "Patient lives elsewhere"), option("other", "其他", "Other"))), required(advice)),
	"redirect":  form(toNext, required(redirectReasons), note).With(consentFields...),
	"arrive":    form(note),
	"follow-up": form(required(field("textarea", "findings", "随访情况", "Findings")), field("boolean", "red-flag", "出现危险信号", "Red flag seen"), preset(choice("result", "随访结果", "Result", option("stable", "稳定", "Stable"), option("improved", "好转", "Improved"), option("worse", "加重", "Worse"), option("lost", "失访", "Lost"), option("died", "死亡", "Died")), "stable")),
	"close":     form(note),
	"cancel":    form(required(cancelReasons), note),
	"no-show":   form(note),
}

var cause = choice("cause", "外转原因", "Cause",
	option("technique-absent", "无此技术", "Technique absent"), option("equipment-absent", "无此设备", "Equipment absent"), option("no-bed", "无床位", "No bed"),
	option("complication", "并发症", "Complication"), option("family-wish", "家属意愿", "Family's wish"), option("other", "其他", "Other"))

var handover = waived(hint(field("boolean", "signed", "交接单已签字", "Handover signed"), "交接单由双方分别签字", "Each side signs the handover sheet"))

var outForms = map[string]line.Form{
	"propose":           form(patient, to, urgency, required(cause), only(required(field("text", "technique", "所缺技术", "Technique")), "cause", "technique-absent"), reason, diagnosis, addressed, documents, coordinator, phone, byChoice, follows).With(consentFields...).With(insurance...),
	"approve":           form(note),
	"disapprove":        form(required(field("textarea", "reason", "理由", "Reason"))),
	"route":             form(required(department), note),
	"accept":            form(coordinator, phone, department, note),
	"decline":           form(required(declineReasons), required(advice)),
	"redirect":          form(toNext, required(redirectReasons), note).With(consentFields...),
	"depart":            form(waived(hint(repeated(field("text", "escort", "护送人员", "Escort team")), "医生、护士姓名与职务", "Doctors and nurses")), handover, field("datetime", "expected", "预计到达", "Expected arrival"), note),
	"arrive":            form(handover, note),
	"report":            form(required(field("textarea", "word", "今日病情", "Today's word"))),
	"return":            form(required(field("textarea", "plan", "回院后治疗计划", "Plan")), required(repeated(field("text", "red-flags", "危险信号", "Red flags"))), repeated(field("text", "medicines", "带药与用法", "Medicines")), documents),
	"close":             form(note),
	"refuse":            form(required(refuseReasons), note),
	"cancel":            form(required(cancelReasons), note),
	"arrived-elsewhere": form(outflow...),
}

var filingForms = map[string]line.Form{
	"file":       form(required(field("text", "certificate", "备案编号", "Filing number")), field("date", "filing-until", "有效期至", "Valid until"), note),
	"not-needed": form(note),
	"decline":    form(required(field("textarea", "reason", "未通过原因", "Reason"))),
}
