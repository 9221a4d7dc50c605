package hold

import (
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

func field(kind, name, zh, en string) line.Field {
	return line.Field{Name: name, Type: kind, Label: flow.Name{Zh: zh, En: en}}
}

func choice(name, zh, en string, options ...line.Option) line.Field {
	f := field("choice", name, zh, en)
	f.Options = options
	return f
}

func option(code, zh, en string) line.Option {
	return line.Option{Code: code, Name: flow.Name{Zh: zh, En: en}}
}

func hint(f line.Field, zh, en string) line.Field { f.Help = flow.Name{Zh: zh, En: en}; return f }

func required(f line.Field) line.Field { f.Required = true; return f }

func repeated(f line.Field) line.Field { f.Repeats = true; return f }

func only(f line.Field, field string, in ...string) line.Field {
	f.ShowIf = &line.ShowIf{Field: field, In: in}
	return f
}

var (
	levels = []line.Option{option("general", "普通", "General"), option("hdu", "高依赖（HDU）", "HDU"), option("icu", "重症（ICU）", "ICU"), option("ccu", "心脏重症（CCU）", "CCU"),
		option("isolation", "隔离", "Isolation"), option("neonatal", "新生儿", "Neonatal"), option("vip", "特需", "VIP")}
	// Bed is a bed of the register: "Location/…".
	Bed      = hint(field("bed", "bed", "床位", "Bed"), "在床位一览中选择", "Choose it on the board")
	expected = hint(field("datetime", "expected", "约定到院时间", "Promised arrival"), "急诊、紧急：过此 1 小时释放；普通：当日 18:00 释放", "Urgent: freed 1 h after it; routine: at 18:00 of that day")
	override = hint(repeated(choice("override", "超出限制", "Beyond the limit of", option("nursing", "护理能力", "Nursing"), option("stale", "班次未填报", "A shift not set"), option("limit", "借床上限", "Limits of lending"), option("lending", "不借床或夜间", "A ward that does not lend, or night"),
		option("campus", "院区限制", "Campus"), option("protected", "保护病区", "Protected ward"))), "须说明理由；护理能力只能由护理部值班放行", "Give a reason; only the nursing duty chief goes beyond nursing")
	why = field("text", "reason", "理由", "Reason")
)

// Needs are the questions about what a patient needs of a bed.
func Needs() []line.Field {
	return []line.Field{
		hint(choice("level", "床位级别", "Level of bed", levels...), "不填为普通", "Left empty: general"),
		choice("isolation", "隔离", "Isolation", option("contact", "接触隔离", "Contact"), option("droplet", "飞沫隔离", "Droplet"), option("airborne", "空气隔离", "Airborne")),
		repeated(choice("equipment", "设备", "Equipment", option("monitor", "心电监护", "Monitor"), option("oxygen", "吸氧", "Oxygen"), option("negative-pressure", "负压", "Negative pressure"), option("ventilator", "呼吸机", "Ventilator"), option("dialysis", "透析", "Dialysis"))),
		choice("nursing", "护理级别", "Nursing level", option("special", "特级", "Special"), option("1", "一级", "Level 1"), option("2", "二级", "Level 2"), option("3", "三级", "Level 3")),
		repeated(field("text", "campus", "限定院区", "Campuses")),
		field("boolean", "companion", "需陪护", "With a companion"),
	}
}

// told is what the bookings room says when a hold has ended: the thing, and why it was taken.
var told = []line.Field{field("text", "bed", "床位", "Bed"), field("text", "reason", "原因", "Reason")}

// Forms are what the steps of a bed ask.
func Forms() map[string]line.Form {
	date := func(f line.Field) line.Field { return only(f, "reserve", "true") }
	return map[string]line.Form{
		"hold-bed": {Fields: []line.Field{Bed,
			hint(field("boolean", "reserve", "只预留名额，当日早上再落实床位", "Reserve capacity; the bed is bound that morning"), "用于普通择期患者", "For routine patients"),
			date(required(field("date", "date", "入院日期", "Date"))), date(hint(field("text", "group", "病区组", "Ward group"), "不填按科室", "Left empty: the department's")),
			date(choice("level", "床位级别", "Level", levels...)), date(choice("sex", "房间性别", "Sex of the room", option("male", "男", "Male"), option("female", "女", "Female"), option("mixed", "不限", "Any"))),
			expected, override, why}},
		"bind-bed":    {Fields: []line.Field{required(Bed), override, why}},
		"take-bed":    {Fields: []line.Field{required(Bed), expected, required(why)}},
		"release-bed": {Fields: []line.Field{required(why)}},
		"promise":     {Fields: []line.Field{required(field("datetime", "promised", "承诺时间", "Promised by")), required(why)}},
		"hold-lapsed": {Fields: told},
		"displaced":   {Fields: told},
	}
}
