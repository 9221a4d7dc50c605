package intake

import (
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/registry"
)

// column is one column of a template.
type column struct {
	code, zh, en string
	must         bool
	date         bool
	terms        func() []registry.Term // the words or codes that may stand here
	many         bool                   // several, parted by ; or ；
	check        func(string) bool
	wrong        [3]string // code, English, Chinese of a failed check
	help         string
}

// kind is one table that can be imported.
type kind struct {
	code, zh, en string
	columns      []column
}

func terms(list *[]registry.Term) func() []registry.Term {
	return func() []registry.Term { return *list }
}

func posts() []registry.Term {
	var out []registry.Term
	for _, p := range registry.Rules.Posts {
		out = append(out, p.Term)
	}
	return out
}

var sexes = []registry.Term{{Code: "male", Zh: "男", En: "male"}, {Code: "female", Zh: "女", En: "female"}, {Code: "unknown", Zh: "未知", En: "unknown"}}
var states = []registry.Term{{Code: "true", Zh: "启用", En: "active"}, {Code: "false", Zh: "停用", En: "inactive"}}
var yesNo = []registry.Term{{Code: "true", Zh: "是", En: "yes"}, {Code: "false", Zh: "否", En: "no"}}

var (
	orgColumn  = column{code: "org", zh: "机构编码", en: "institution", must: true, check: isID, wrong: badID, help: "本表或系统中已有的机构"}
	staffNo    = column{code: "staff", zh: "工号", en: "staff number", must: true, check: isID, wrong: badID}
	from       = column{code: "from", zh: "开始日期", en: "from", date: true, check: fhir.IsDate, wrong: badDate, help: "YYYY-MM-DD"}
	until      = column{code: "until", zh: "结束日期", en: "until", date: true, check: fhir.IsDate, wrong: badDate, help: "YYYY-MM-DD，含当日；空 = 不限"}
	active     = column{code: "active", zh: "状态", en: "state", terms: terms(&states)}
	phone      = column{code: "phone", zh: "电话", en: "phone", check: isPhone, wrong: [3]string{"bad-phone", "a telephone number has 3 to 20 digits", "电话应为 3–20 位数字"}}
	department = column{code: "department", zh: "科室编码", en: "department", check: isID, wrong: badID}
	badID      = [3]string{"bad-id", "letters, digits, - and . only, at most 40", "只能用字母、数字、- 和 .，最多 40 位"}
	badDate    = [3]string{"bad-date", "a date is YYYY-MM-DD", "日期应为 YYYY-MM-DD"}
)

var kinds = []kind{
	{"institutions", "机构", "institutions", []column{
		{code: "org", zh: "机构编码", en: "institution", must: true, check: isID, wrong: badID, help: "自定的唯一编码；系统中已有的机构填其编码"},
		{code: "name", zh: "名称", en: "name", must: true},
		{code: "type", zh: "机构类型", en: "type", terms: terms(&registry.Rules.Types), help: "空 = 医疗机构"},
		{code: "parent", zh: "上级机构编码", en: "part of", check: isID, wrong: badID},
		{code: "level", zh: "网络层级", en: "part in the network", terms: terms(&registry.Rules.Levels)},
		{code: "grade", zh: "等级", en: "grade", terms: terms(&registry.Rules.Grades)},
		{code: "credit", zh: "统一社会信用代码", en: "credit code", check: registry.IsCreditCode, wrong: [3]string{"bad-credit-code", "18 characters with a check character that fits", "应为 18 位且校验码相符"}},
		{code: "licence", zh: "医疗机构登记号", en: "registration number", check: registry.IsInstitutionCode, wrong: [3]string{"bad-institution-code", "22 characters", "应为 22 位"}},
		{code: "insurance", zh: "医保定点机构代码", en: "insurance code", check: registry.IsInsuranceCode, wrong: [3]string{"bad-insurance-code", "H and 11 digits", "应为 H 加 11 位数字"}},
		{code: "area", zh: "行政区划代码", en: "area code", check: registry.IsArea, wrong: [3]string{"bad-area", "6, 9 or 12 digits", "应为 6、9 或 12 位数字"}},
		phone,
		{code: "address", zh: "地址", en: "address"},
		active,
	}},
	{"departments", "科室", "departments", []column{
		orgColumn,
		{code: "department", zh: "科室编码", en: "department", must: true, check: isID, wrong: badID, help: "在本机构内唯一"},
		{code: "name", zh: "名称", en: "name", must: true},
		{code: "type", zh: "科室类型", en: "type", terms: partTypes, help: "空 = 科室"},
		{code: "parent", zh: "上级科室编码", en: "part of", check: isID, wrong: badID},
		{code: "specialty", zh: "专科代码", en: "specialty", check: isID, wrong: badID},
		phone, active,
	}},
	{"people", "人员", "people", []column{
		orgColumn, staffNo,
		{code: "name", zh: "姓名", en: "name", must: true},
		{code: "sex", zh: "性别", en: "sex", terms: terms(&sexes)},
		phone, active,
	}},
	{"licences", "执业证书", "licences", []column{
		orgColumn, staffNo,
		{code: "kind", zh: "执业类别", en: "kind", must: true, terms: terms(&registry.Rules.Kinds)},
		{code: "number", zh: "证书编码", en: "number", must: true, check: isID, wrong: badID},
		{code: "scope", zh: "执业范围", en: "scope"},
		{code: "places", zh: "执业地点机构编码", en: "places", many: true, help: "多个用分号隔开；空 = 本机构"},
		{code: "issuer", zh: "发证机关", en: "issuer"},
		from, until,
		{code: "suspended", zh: "暂停执业", en: "suspended", terms: terms(&yesNo)},
	}},
	{"roles", "任职", "roles", []column{
		orgColumn, department, staffNo,
		{code: "home", zh: "人员所属机构编码", en: "home", check: isID, wrong: badID, help: "派驻人员填派出单位；空 = 本机构"},
		{code: "post", zh: "职务", en: "post", terms: posts},
		{code: "role", zh: "角色", en: "role", check: isID, wrong: badID, help: "登录后的角色代码，如 receiving-doctor"},
		{code: "from", zh: "开始日期", en: "from", must: true, date: true, check: fhir.IsDate, wrong: badDate},
		until,
		{code: "basis", zh: "执业依据", en: "basis", terms: terms(&registry.Rules.Bases)},
		{code: "rights", zh: "授予权限", en: "rights", terms: terms(&registry.Rules.Rights), many: true},
		active,
	}},
	{"services", "服务能力", "services", []column{
		orgColumn, department,
		{code: "service", zh: "能力编码", en: "capability", must: true, check: isID, wrong: badID, help: "在本机构内唯一"},
		{code: "name", zh: "名称", en: "name", must: true},
		{code: "category", zh: "能力类别", en: "category", terms: terms(&registry.Rules.Capabilities)},
		from, until,
		{code: "comment", zh: "说明", en: "comment"},
		phone, active,
	}},
}

func partTypes() []registry.Term {
	return slices.DeleteFunc(slices.Clone(registry.Rules.Types), func(t registry.Term) bool {
		return !slices.Contains([]string{"dept", "ward", "campus", "team"}, t.Code)
	})
}

// named says whether a head, without the mark of what is required and in either language, is this column's.
func (c *column) named(head string) bool {
	h := strings.ToLower(strings.Trim(strings.TrimSpace(head), "*＊ "))
	return h == c.zh || h == c.en || h == c.code
}

func columnNamed(head string) *column {
	for _, k := range kinds {
		for i := range k.columns {
			if k.columns[i].named(head) {
				return &k.columns[i]
			}
		}
	}
	return nil
}

// kindOf tells by the name of the sheet, else by the head: every required column is there, and of two kinds the one with more.
func kindOf(t Table) string {
	best, most := "", 0
	for _, k := range kinds {
		if t.Name == k.zh || strings.EqualFold(t.Name, k.en) {
			return k.code
		}
		hits, complete := 0, true
		for i := range k.columns {
			there := slices.ContainsFunc(t.Head, k.columns[i].named)
			if there {
				hits++
			}
			complete = complete && (there || !k.columns[i].must)
		}
		if complete && hits > most {
			best, most = k.code, hits
		}
	}
	return best
}

func kindNamed(code string) *kind {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.code == code })
	if i < 0 {
		return nil
	}
	return &kinds[i]
}

// pick finds a term by its code or either word.
func pick(list []registry.Term, text string) (string, bool) {
	for _, t := range list {
		short, _, _ := strings.Cut(t.Zh, "（")
		if strings.EqualFold(text, t.Code) || text == t.Zh || text == short || strings.EqualFold(text, t.En) {
			return t.Code, true
		}
	}
	short := map[string]string{"三甲": "3-a", "三乙": "3-b", "三丙": "3-c", "二甲": "2-a", "二乙": "2-b", "二丙": "2-c", "一甲": "1-a", "一乙": "1-b", "一丙": "1-c"}[text]
	if short != "" && slices.ContainsFunc(list, func(t registry.Term) bool { return t.Code == short }) {
		return short, true
	}
	return "", false
}

func isID(s string) bool {
	if len(s) == 0 || len(s) > 40 {
		return false
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '.' {
			return false
		}
	}
	return true
}

func isPhone(s string) bool {
	digits := 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case !strings.ContainsRune("+- ()转", r):
			return false
		}
	}
	return digits >= 3 && digits <= 20
}
