package safeguard

import (
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

func field(kind, name, zh, en string) line.Field {
	return line.Field{Name: name, Type: kind, Label: flow.Name{Zh: zh, En: en}}
}

func required(f line.Field) line.Field { f.Required = true; return f }

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

var note = field("textarea", "note", "备注", "Note")

var forms = map[string]line.Form{
	"suspect": form(required(field("patient", "patient", "患者", "Patient")),
		required(choice("kind", "疑似侵害", "Suspicion", option("physical", "身体伤害", "Physical"), option("sexual", "性侵害", "Sexual"), option("neglect", "遗弃或忽视", "Neglect"), option("psychological", "精神伤害", "Psychological"), option("trafficking", "拐卖或强迫", "Trafficking or force"), option("other", "其他", "Other"))),
		required(hint(field("textarea", "signs", "所见与依据", "What was seen"), "只写所见所闻；不必求证，也不要询问或告知监护人", "What was seen and heard; no proof is needed; do not question or tell the guardian")),
		field("text", "suspected", "可能的侵害人与患者的关系", "Who may be behind it"), field("boolean", "danger", "患者仍处于危险之中", "The patient is still in danger"),
		line.Field{Name: "urgency", Type: "choice", Label: flow.Name{Zh: "紧急程度", En: "Urgency"}, Hidden: true, Options: []line.Option{option("emergency", "急诊", "Emergency"), option("urgent", "紧急", "Urgent"), option("routine", "普通", "Routine")}}),
	"report-abuse": form(required(choice("authority", "报告对象", "Authority", option("police", "公安机关", "Police"), option("civil-affairs", "民政部门", "Civil affairs"), option("both", "公安与民政", "Both"))),
		required(field("text", "station", "受理单位", "Station")), field("text", "number", "受理编号", "Number"), field("phone", "phone", "联系电话", "Telephone"), note),
	"answer-abuse": form(required(field("textarea", "answer", "回复内容", "Answer")), field("textarea", "measure", "保护措施", "Protection"), note),
	"close":        form(required(field("textarea", "outcome", "处理结果", "Outcome"))),
	"unfounded":    form(required(field("textarea", "reason", "理由", "Reason"))),
	"observe":      form(required(field("textarea", "signs", "所见", "What was seen"))),
}
