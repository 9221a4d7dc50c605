package bedpool

import (
	"slices"

	"github.com/xinglin-health/xinglin/internal/beds/hold"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

func field(kind, name, zh, en string) line.Field {
	return line.Field{Name: name, Type: kind, Label: flow.Name{Zh: zh, En: en}}
}

func required(f line.Field) line.Field { f.Required = true; return f }

func hidden(f line.Field) line.Field { f.Hidden = true; return f }

func preset(f line.Field, value any) line.Field { f.Default = value; return f }

func hint(f line.Field, zh, en string) line.Field { f.Help = flow.Name{Zh: zh, En: en}; return f }

func only(f line.Field, field string, in ...string) line.Field {
	f.ShowIf = &line.ShowIf{Field: field, In: in}
	return f
}

func choice(name, zh, en string, options ...line.Option) line.Field {
	f := field("choice", name, zh, en)
	f.Options = options
	return f
}

func option(code, zh, en string) line.Option {
	return line.Option{Code: code, Name: flow.Name{Zh: zh, En: en}}
}

func form(fields ...line.Field) line.Form { return line.Form{Fields: fields} }

func join(parts ...[]line.Field) []line.Field { return slices.Concat(parts...) }

var (
	patient    = required(field("patient", "patient", "患者", "Patient"))
	urgency    = preset(choice("urgency", "紧急程度", "Urgency", option("routine", "普通（择期）", "Elective"), option("urgent", "紧急", "Urgent"), option("emergency", "急诊", "Emergency")), "routine")
	pathway    = only(hint(choice("pathway", "诊疗路径", "Pathway", option("cancer", "肿瘤", "Cancer")), "肿瘤路径有自己的候床时限", "A cancer pathway has limits of its own"), "urgency", "routine")
	department = hint(field("department", "department", "主管科室", "Responsible department"), "不填为申请人所在科室；住院期间不因借床而改变", "Left empty: the asking doctor's; a lent bed never changes it")
	team       = hint(field("text", "team", "医疗组", "Medical team"), "CareTeam/…", "CareTeam/…")
	ownWard    = hidden(field("organization", "ward", "本病区", "Own ward"))
	kind       = choice("kind", "专科保护", "Protected kind", option("obstetrics", "产科", "Obstetrics"), option("neonatal", "新生儿", "Neonatal"), option("paediatrics", "儿科", "Paediatrics"),
		option("infectious", "感染", "Infectious"), option("psychiatry", "精神", "Psychiatry"), option("icu", "重症", "ICU"))
	source = preset(choice("source", "来源", "Source", option("clinic", "本院门诊", "Own clinic"), option("emergency", "急诊", "Emergency"), option("observation", "留观", "Observation"),
		option("back", "派驻专家带回", "Dispatch back"), option("other", "其他", "Other")), "clinic")
	reason = func() line.Field {
		f := required(field("textarea", "reason", "入院诊断与理由", "Diagnosis and reason"))
		f.Waived = true // an emergency waits for no words
		return f
	}()
	diagnosis = func() line.Field {
		f := field("code", "diagnosis", "诊断", "Diagnosis")
		f.System = "icd-10"
		return f
	}()
	promised = hint(field("datetime", "promised", "承诺入院时间", "Promised admission"), "择期患者已约定的日期", "Of an elective patient, where one has been agreed")
	note     = field("textarea", "note", "备注", "Note")
	why      = required(field("textarea", "reason", "原因", "Reason"))
	bed      = hold.Bed
	// of the hospital's own system, which has written it: Encounter/…
	encounter = hidden(field("text", "encounter", "住院记录", "Encounter"))
	override  = func() line.Field { f, _ := hold.Forms()["hold-bed"].Field("override"); return f }()
)

// wants is what an admission asks about, whoever begins it.
var wants = join([]line.Field{pathway, department, team, ownWard}, hold.Needs(), []line.Field{kind, reason, diagnosis, promised})

var admissionForms = func() map[string]line.Form {
	forms := map[string]line.Form{
		"request":      form(join([]line.Field{patient, urgency, source}, wants, []line.Field{note})...),
		"admit":        form(reason),
		"confirm":      form(hint(field("datetime", "expected", "患者到院时间", "The patient comes at"), "不填为留床时所约", "Left empty: as agreed with the hold"), note),
		"take-in":      form(hint(bed, "已留床的不必填；急诊未留床者直接选床", "Left empty where one is held; an emergency without a hold names it"), encounter, field("textarea", "note", "交接备注", "Note at the bedside")),
		"change-needs": form(join([]line.Field{team, ownWard}, hold.Needs(), []line.Field{kind, note})...),
		"redirect":     form(required(hint(field("task", "referral", "已发起的转诊", "The referral that was begun"), "先发起转诊，再在此结束本申请", "Begin the referral first")), why),
		"cancel": form(required(choice("reason", "取消原因", "Reason", option("improved", "病情好转", "Improved"), option("patient-wish", "患者放弃", "The patient's wish"), option("outpatient", "改门诊或日间处理", "Treated as an outpatient"),
			option("elsewhere", "已在他院住院", "In another hospital"), option("mistake", "填写有误", "Entered by mistake"), option("other", "其他", "Other"))), note),
		"no-show": form(note),
		"died":    form(note),
	}
	for do, f := range hold.Forms() {
		forms[do] = f
	}
	promise := forms["promise"]
	promise.Fields = append(slices.Clone(promise.Fields), choice("waits-for", "在等什么", "What it waits for", options(local.WaitReasons)...))
	forms["promise"] = promise
	return forms
}()

var likelihood = required(preset(choice("likelihood", "把握", "Likelihood", option("sure", "确定", "Sure"), option("likely", "很可能", "Likely"), option("possible", "可能", "Possible")), "likely"))

var nursingLevel = required(choice("nursing", "护理级别", "Nursing level", option("special", "特级", "Special"), option("1", "一级", "Level 1"), option("2", "二级", "Level 2"), option("3", "三级", "Level 3")))

var stayForms = map[string]line.Form{
	"begin": form(join([]line.Field{encounter, hidden(field("task", "from", "转诊", "The referral")), field("patient", "patient", "患者", "Patient"), preset(urgency, "emergency"), bed, department, team},
		hold.Needs(), []line.Field{kind, field("textarea", "reason", "入院诊断与理由", "Diagnosis and reason"), diagnosis, note})...),
	"round":          form(required(field("textarea", "findings", "查房意见", "Findings"))),
	"move":           form(required(bed), override, why),
	"ask-bed":        form(join(hold.Needs(), []line.Field{ownWard, kind, why})...),
	"change-nursing": form(nursingLevel, note),
	"report":         form(required(choice("event", "事件", "Event", options(happenings())...)), required(field("textarea", "findings", "经过与处理", "What happened and was done")), field("datetime", "at", "发生时间", "When")),
	"call-team":      form(field("textarea", "findings", "病情", "Condition")),
	"team-arrived":   form(field("text", "who", "到场人员", "Who came"), note),
	"plan-discharge": form(required(field("datetime", "at", "计划出院时间", "Planned for")), likelihood, note),
	"stay-on":        form(why),
	"discharge": form(required(preset(choice("to", "离院方式", "Disposition", option("home", "医嘱离院", "Home"), option("transfer", "医嘱转院", "To another hospital"), option("community", "医嘱转社区或乡镇卫生院", "To a township or community"),
		option("against-advice", "非医嘱离院", "Against advice"), option("other", "其他", "Other")), "home")), note),
	"away":         form(required(choice("reason", "原因", "Reason", option("examination", "外出检查", "Examination"), option("operation", "手术", "Operation"), option("dialysis", "透析", "Dialysis"), option("leave", "请假", "Leave"), option("unknown", "去向不明", "Not known where"))), field("datetime", "expected", "预计返回", "Back by"), note),
	"back":         form(note),
	"died":         form(note),
	"cancel":       form(why),
	"overdue-away": form(),
	"flag":         form(hidden(required(choice("flag", "提示", "Flag", option("readmission", "15 日内同病再入院", "Readmission for the same disease")))), hidden(field("text", "of", "前次", "The stay before"))),
	"moved":        form(hidden(required(bed)), hidden(field("text", "reason", "原因", "Reason"))),
	"discharged":   form(hidden(field("text", "reason", "原因", "Reason"))),
}

func happenings() (list []coded) {
	for _, h := range local.Events {
		list = append(list, h.coded)
	}
	return list
}

var observationForms = map[string]line.Form{
	"observe": form(patient, preset(choice("urgency", "紧急程度", "Urgency", option("routine", "普通", "Routine"), option("urgent", "紧急", "Urgent"), option("emergency", "急诊", "Emergency")), "urgent"),
		hint(field("datetime", "since", "留观开始", "Since"), "不填为现在", "Left empty: now"), reason, diagnosis, field("text", "place", "留观位置", "Where")),
	"note":          form(required(field("textarea", "findings", "病情与处理", "Condition and treatment"))),
	"ask-admission": form(append([]line.Field{required(department)}, slices.DeleteFunc(slices.Clone(wants), func(f line.Field) bool { return f.Name == "department" || f.Name == "pathway" })...)...),
	"admitted":      form(required(field("textarea", "reason", "入住何处", "Where to"))),
	"leave":         form(required(choice("to", "去向", "Disposition", option("home", "回家", "Home"), option("clinic", "门诊随诊", "Clinic"), option("against-advice", "非医嘱离院", "Against advice"))), note),
	"redirect":      form(required(field("task", "referral", "已发起的转诊", "The referral that was begun")), note),
	"died":          form(note),
	"warn":          form(),
	"taken-in":      form(),
}

var preadmissionForms = map[string]line.Form{
	"prepare": form(patient, department, reason, diagnosis, required(hint(field("boolean", "consent", "患者已知情同意", "The patient consents"), "费用将并入住院，或按规定转门诊结算", "Charges merge into the stay, or fall back to outpatient")),
		required(choice("consent-by", "同意人", "Consent given by", option("patient", "患者本人", "The patient"), option("guardian", "监护人", "The guardian"))), field("date", "planned", "拟入院日期", "To be admitted on"), note),
	"charge": form(required(choice("item", "类别", "Kind", option("laboratory", "检验", "Laboratory"), option("imaging", "检查", "Imaging"), option("medicine", "药品", "Medicine"), option("other", "其他", "Other"))),
		required(field("text", "words", "项目", "Item")), required(hint(field("text", "amount", "金额（元）", "Amount (yuan)"), "如 128.50", "e.g. 128.50"))),
	"ask-admission": form(wants...),
	"merge":         form(required(field("task", "stay", "并入的住院", "The stay"))),
	"to-outpatient": form(why),
	"cancel":        form(why),
	"fall-back":     form(),
}

var settlementForms = map[string]line.Form{
	"draw": form(hidden(required(field("organization", "home", "主管科室", "Home department"))), hidden(required(field("bed", "host", "收治病区", "Host ward"))), hidden(required(field("text", "month", "月份", "Month"))),
		hidden(required(field("text", "days", "借床床日", "Days"))), hidden(field("text", "patients", "人次", "Patients")), hidden(field("text", "points", "护理点", "Nursing points"))),
	"sign":    form(note),
	"dispute": form(required(field("textarea", "reason", "异议理由", "Reason"))),
	"answer":  form(required(field("textarea", "note", "核对结果", "What was found")), hint(field("text", "days", "更正床日", "Days, put right"), "不填为不变", "Left empty: as they were"), field("text", "points", "更正护理点", "Nursing points, put right")),
}
