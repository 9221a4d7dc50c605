package term

import (
	"regexp"
	"slices"
	"strings"
)

// chapters of ICD-10 by their first and last category (GB/T 14396).
var chapters = []struct{ first, last, name string }{
	{"A00", "B99", "某些传染病和寄生虫病"}, {"C00", "D48", "肿瘤"}, {"D50", "D89", "血液及造血器官疾病和涉及免疫机制的某些疾患"},
	{"E00", "E90", "内分泌、营养和代谢疾病"}, {"F00", "F99", "精神和行为障碍"}, {"G00", "G99", "神经系统疾病"}, {"H00", "H59", "眼和附器疾病"},
	{"H60", "H95", "耳和乳突疾病"}, {"I00", "I99", "循环系统疾病"}, {"J00", "J99", "呼吸系统疾病"}, {"K00", "K93", "消化系统疾病"},
	{"L00", "L99", "皮肤和皮下组织疾病"}, {"M00", "M99", "肌肉骨骼系统和结缔组织疾病"}, {"N00", "N99", "泌尿生殖系统疾病"},
	{"O00", "O99", "妊娠、分娩和产褥期"}, {"P00", "P96", "起源于围生期的某些情况"}, {"Q00", "Q99", "先天性畸形、变形和染色体异常"},
	{"R00", "R99", "症状、体征和临床与实验室异常所见，不可归类在他处者"}, {"S00", "T98", "损伤、中毒和外因的某些其他后果"},
	{"U00", "U99", "用于特殊目的的编码"}, {"V01", "Y98", "疾病和死亡的外因"}, {"Z00", "Z99", "影响健康状态和与保健机构接触的因素"},
}

var (
	icd10 = regexp.MustCompile(`^([A-Z]\d\d)(?:\.([\dx])(?:([\dx]{2})(x\d+)?)?)?(\*?)(?:\+([A-Z]\d\d(?:\.[\dx]+)*\*?))?`)
	icd9  = regexp.MustCompile(`^(\d\d)\.(\w{2})?`)
)

// grouper is a class above the codes of a table, which the table itself does not list.
type grouper struct{ code, display, parent string }

// hierarchy finds parents by how codes are built. has says whether the table has a code, name gives its name.
type hierarchy func(code string, has func(string) bool, name func(string) string) (parents []string, above []grouper)

// hierarchies by the name of their kind of code.
var hierarchies = map[string]hierarchy{"icd10": icd10Parents, "icd9": icd9Parents}

// icd10Parents: A00.000x001 is below A00.000, A00.001 below A00.000, that below the category A00, that below the chapter
// A00-B99. A code of cause and manifestation (A01.000x003+G01*) is below the manifestation, too.
func icd10Parents(code string, has func(string) bool, name func(string) string) (parents []string, above []grouper) {
	m := icd10.FindStringSubmatch(code)
	if m == nil {
		return nil, nil
	}
	category, digit, more, extension := m[1], m[2], m[3], m[4]
	var near []string
	if extension != "" {
		near = append(near, category+"."+digit+more)
	}
	if digit != "" {
		near = append(near, category+"."+digit+"00", category+"."+digit)
	}
	if i := slices.IndexFunc(append(near, category), func(n string) bool { return n != code && has(n) }); i >= 0 {
		parents = append(parents, append(near, category)[i])
	} else if category != code {
		parents, above = append(parents, category), categoryOf(category, name)
	}
	if m[6] != "" && m[6] != code && has(m[6]) {
		parents = appendNew(parents, m[6])
	}
	return parents, above
}

// categoryOf is a category of ICD-10 below its chapter.
func categoryOf(category string, name func(string) string) []grouper {
	g := grouper{code: category, display: firstOf(name(category+".x00"), category+" 类目")} // .x00: a category without subdivisions
	for _, c := range chapters {
		if c.first <= category && category <= c.last {
			g.parent = c.first + "-" + c.last
			return []grouper{{g.parent, c.name, ""}, g}
		}
	}
	return []grouper{g}
}

// icd9Parents: 00.0101x001 is below 00.0101, that below 00.0100, that below the class 00.
func icd9Parents(code string, has func(string) bool, _ func(string) string) (parents []string, above []grouper) {
	m := icd9.FindStringSubmatch(code)
	if m == nil {
		return nil, nil
	}
	var near []string
	if base, _, ok := strings.Cut(code, "x"); ok && len(base) > 3 {
		near = append(near, base)
	}
	if m[2] != "" {
		near = append(near, m[1]+"."+m[2]+"00", m[1]+"."+m[2])
	}
	for _, n := range near {
		if n != code && has(n) {
			return []string{n}, nil
		}
	}
	return []string{m[1]}, []grouper{{m[1], m[1] + " 类目", ""}}
}

// kindOfCodes recognises a table of ICD codes by its codes; "" = neither.
func kindOfCodes(codes []string) string {
	ten, nine := 0, 0
	for _, c := range codes {
		if icd10.MatchString(c) && len(c) > 3 {
			ten++
		} else if icd9.MatchString(c) {
			nine++
		}
	}
	switch {
	case ten > 0 && ten*10 >= len(codes)*9:
		return "icd10"
	case nine > 0 && nine*10 >= len(codes)*9:
		return "icd9"
	}
	return ""
}
