package personreview

import (
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

func field(kind, name, zh, en string) line.Field {
	return line.Field{Name: name, Type: kind, Label: flow.Name{Zh: zh, En: en}}
}

func required(f line.Field) line.Field { f.Required = true; return f }

func hidden(f line.Field) line.Field { f.Hidden = true; return f }

func repeats(f line.Field) line.Field { f.Repeats = true; return f }

func option(code, zh, en string) line.Option {
	return line.Option{Code: code, Name: flow.Name{Zh: zh, En: en}}
}

func why(options ...line.Option) line.Field {
	f := required(field("choice", "reason", "理由", "Reason"))
	f.Options = options
	return f
}

func form(fields ...line.Field) line.Form { return line.Form{Fields: fields} }

var note = field("textarea", "note", "说明", "Note")

// seen is the version of the pair that somebody decides about; what has changed since is refused.
var seen = hidden(field("text", "seen", "所见版本", "Version seen"))

var pairForms = map[string]line.Form{
	"open": form(hidden(required(field("text", "pair", "记录对", "Pair"))), hidden(required(field("organization", "owner", "核对单位", "Reviewed by"))),
		hidden(repeats(required(field("organization", "hospital", "记录所属医院", "Hospital")))), hidden(field("text", "score", "分值", "Score")), hidden(field("text", "bar", "禁止自动合并的原因", "Why it is not joined"))),
	"accept": form(why(option("number", "证件号核对一致", "The number was checked"), option("typing", "录入差错", "Typing error"), option("old-number", "证件升位或换证", "Renewed document"),
		option("renamed", "改名或曾用名", "Another name"), option("paper", "对照纸质病案", "By the paper"), option("told", "患者本人确认", "The patient said so"), option("other", "其他", "Other")), note, seen),
	"reject": form(why(option("twins", "双胞胎或多胞胎", "Twins"), option("family", "家人共用电话或证件", "Family who share a telephone or document"), option("namesake", "同名同生日", "Same name and birthday"),
		option("number", "证件号属于他人", "The number is somebody else's"), option("paper", "对照纸质病案", "By the paper"), option("told", "患者本人确认", "The patient said so"), option("other", "其他", "Other")), note, seen),
	"ask": form(field("organization", "hospital", "问哪家医院", "Which hospital"),
		why(option("number", "证件号", "The number"), option("name", "姓名用字", "The name's characters"), option("birth", "出生日期", "The birthday"), option("sex", "性别", "The sex"),
			option("phone", "电话或住址", "Telephone or address"), option("other", "其他", "Something else")), note),
	"answer":   form(required(field("textarea", "note", "核实结果", "What the paper says"))),
	"claim":    {},
	"remark":   form(required(field("textarea", "note", "备注", "Note"))),
	"obsolete": form(hidden(field("text", "reason", "原因", "Why"))),
}

// What took back a link or a decision.
var undoForms = map[string]line.Form{
	"undo": form(why(option("wrong", "不是同一人", "Not one person"), option("twins", "双胞胎或多胞胎", "Twins"), option("family", "家人共用电话或证件", "Family who share a telephone or document"),
		option("number", "证件号录错", "The number was typed wrong"), option("mistake", "点错了", "A slip"), option("other", "其他", "Other")), note),
	"noted": form(note),
}
