package unknown

import (
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

func field(kind, name, zh, en string) line.Field {
	return line.Field{Name: name, Type: kind, Label: flow.Name{Zh: zh, En: en}}
}

func required(f line.Field) line.Field { f.Required = true; return f }

func hint(f line.Field, zh, en string) line.Field { f.Help = flow.Name{Zh: zh, En: en}; return f }

func preset(f line.Field, v any) line.Field { f.Default = v; return f }

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
	note   = field("textarea", "note", "备注", "Note")
	sex    = preset(choice("sex", "性别", "Sex", option("male", "男", "Male"), option("female", "女", "Female"), option("unknown", "不详", "Unknown")), "unknown")
	amount = hint(field("text", "amount", "金额（元）", "Amount (yuan)"), "如 12850.00", "e.g. 12850.00")
)

// Nothing is required of who brings an unconscious stranger in.
var identifyForms = map[string]line.Form{
	"admit": form(sex, hint(field("text", "age", "估计年龄（岁）", "Estimated age"), "如 45；不知道可不填", "e.g. 45; may be left out"),
		field("text", "found-at", "发现地点", "Found at"), field("datetime", "found-when", "发现时间", "Found when"), field("text", "brought-by", "送诊人或单位", "Brought by"),
		hint(field("textarea", "description", "体貌特征与随身物品", "Description and belongings"), "身高、衣着、疤痕、纹身、口音、随身物品", "Height, clothes, scars, tattoos, accent, belongings"),
		hint(field("text", "authorised-by", "批准诊疗的负责人", "Authorised by"), "医疗机构负责人或授权负责人；可以后补记，抢救不等待", "The head of the institution or who is authorised; may follow, care does not wait"),
		line.Field{Name: "urgency", Type: "choice", Label: flow.Name{Zh: "紧急程度", En: "Urgency"}, Hidden: true, Options: []line.Option{option("emergency", "急诊", "Emergency"), option("urgent", "紧急", "Urgent"), option("routine", "普通", "Routine")}}),
	"report-police": form(required(field("text", "police", "受理的公安机关", "Police station")), field("text", "number", "受理编号", "Number"), field("phone", "phone", "联系电话", "Telephone"), note),
	"authorise":     form(required(field("text", "authorised-by", "批准人", "Authorised by")), field("textarea", "scope", "批准的诊疗", "What was authorised"), note),
	"remark":        form(required(field("textarea", "note", "线索", "Clue"))),
	"identify": form(hint(field("patient", "person", "本人已有档案", "The person's record"), "选择已有档案后，两份记录相互关联；没有档案则填写姓名", "Joins both records; without one write the name"),
		field("text", "name", "姓名", "Name"), field("date", "birth-date", "出生日期", "Born"), field("text", "id-number", "居民身份证号", "Resident number"), note),
	"give-up": form(required(field("textarea", "reason", "情况说明", "Why"))),
}

var fundForms = map[string]line.Form{
	"apply":        form(required(field("text", "number", "申请编号", "Number")), amount, note),
	"paid":         form(amount, note),
	"fund-refused": form(required(field("textarea", "reason", "理由", "Reason"))),
	"not-needed":   form(required(field("textarea", "reason", "理由", "Reason"))),
}
