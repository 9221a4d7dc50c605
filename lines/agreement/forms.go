package agreement

import (
	"github.com/xinglin-health/xinglin/internal/agreement"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

func field(kind, name, zh, en string) line.Field {
	return line.Field{Name: name, Type: kind, Label: flow.Name{Zh: zh, En: en}}
}

func required(f line.Field) line.Field { f.Required = true; return f }

func hint(f line.Field, zh, en string) line.Field { f.Help = flow.Name{Zh: zh, En: en}; return f }

func choice(name, zh, en string, words []agreement.Word) line.Field {
	f := field("choice", name, zh, en)
	for _, w := range words {
		f.Options = append(f.Options, line.Option{Code: w.Code, Name: flow.Name{Zh: w.Zh, En: w.En}})
	}
	return f
}

func several(f line.Field) line.Field { f.Repeats = true; return f }

func preset(f line.Field, v any) line.Field { f.Default = v; return f }

func form(fields ...line.Field) line.Form { return line.Form{Fields: fields} }

var (
	note    = field("textarea", "note", "备注", "Note")
	reason  = required(field("textarea", "reason", "理由", "Reason"))
	kind    = choice("kind", "协议类型", "Kind", agreement.Kinds())
	title   = field("text", "title", "名称", "Title")
	service = hint(several(choice("services", "业务范围", "Services", agreement.Services())), "未列入的业务，双方不能据此协议相互申请", "What is not listed may not be asked for under this agreement")
	limits  = hint(several(choice("specialties", "限定专科", "Specialties", agreement.Specialties())), "不填即不限专科", "Left empty: all specialties")
	sharing = hint(preset(choice("sharing", "资料共享", "Records shown", []agreement.Word{{Code: agreement.Packet, Zh: "仅随转资料", En: "The packet only"}, {Code: agreement.Results, Zh: "另可查看检查检验结果", En: "Results, too"}, {Code: agreement.Whole, Zh: "在办患者的全部病历", En: "The whole record of patients of a case"}}), agreement.Packet),
		"最小必要；敏感类资料仍须另说明理由", "As little as needed; guarded kinds still need a further reason")
	lead  = preset(choice("lead", "牵头方", "Lead", []agreement.Word{{Code: "them", Zh: "对方", En: "The other side"}, {Code: "us", Zh: "本院", En: "We"}, {Code: "equal", Zh: "双方平等", En: "Equals"}}), "them")
	from  = field("date", "from", "生效日", "From")
	until = hint(field("date", "until", "截止日（含）", "Until (last day)"), "不填即长期有效", "Left empty: open")
	words = field("textarea", "text", "条款摘要", "Terms in short")
	to    = field("organization", "to", "协议对方", "With")
	scan  = field("documents", "documents", "签署文本", "Signed document")
)

var (
	whole  = form(required(to), required(kind), title, required(lead), required(service), limits, required(sharing), required(from), until, words, hidden(scan), hidden(field("boolean", "draft", "草稿", "Draft")))
	sketch = form(required(to), kind, title, lead, service, limits, sharing, from, until, words, hidden(scan), hidden(field("boolean", "draft", "草稿", "Draft")))
	part   = form(kind, title, lead, service, limits, sharing, from, until, words, hidden(scan))
)

func hidden(f line.Field) line.Field { f.Hidden = true; return f }

var forms = map[string]line.Form{
	"draft":     sketch,
	"propose":   whole,
	"submit":    part,
	"edit":      part,
	"sign":      form(note),
	"decline":   form(reason),
	"withdraw":  form(note),
	"attach":    form(required(scan), note),
	"suspend":   form(reason),
	"resume":    form(note),
	"terminate": form(reason),
}
