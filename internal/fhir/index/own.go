package index

import (
	"strings"
	"unicode"

	"github.com/mozillazg/go-pinyin"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// ownWay holds the parameters whose rows are not simply the values at a path.
var ownWay = map[string]taking{
	"Patient.deceased":     deceased,
	"Patient.address-area": addressArea,
	"Bundle.composition":   firstEntry,
	"Bundle.message":       firstEntry,
}

// deceased is Patient.deceased.exists() and Patient.deceased != false.
func deceased(x *walk, t *take, n *fhir.Node) {
	flag, when := n.Child("deceasedBoolean"), n.Child("deceasedDateTime")
	dead := "false"
	if when != nil || flag != nil && flag.Text == "true" {
		dead = "true"
	}
	x.add(Entry{Param: t.param, Code: dead})
}

// firstEntry is Bundle.entry[0].resource: a document's composition, a message's header.
func firstEntry(x *walk, t *take, n *fhir.Node) {
	want := map[string]string{"composition": "Composition", "message": "MessageHeader"}[t.param.Code]
	if r := n.Get("entry[0].resource"); r.Type() == want && r.ID() != "" {
		x.add(Entry{Param: t.param, RefType: want, RefID: r.ID()})
	}
}

// AreaExtension carries the GB/T 2260 code of an Address.
const AreaExtension = "https://xinglin.health/fhir/StructureDefinition/address-area"

// addressArea takes the six-digit area from an extension of an address, from a postal
// code that is one, and from resident numbers.
func addressArea(x *walk, t *take, n *fhir.Node) {
	seen := map[string]bool{}
	add := func(area string) {
		if len(area) >= 6 && isDigits(area[:6]) && !seen[area[:6]] {
			seen[area[:6]] = true
			x.add(Entry{Param: t.param, Code: area[:6]})
		}
	}
	for _, a := range n.All("address") {
		for _, e := range a.All("extension") {
			if e.Str("url") == AreaExtension {
				add(e.Str("valueCode") + e.Str("valueString") + e.Str("valueCoding.code"))
			}
		}
		if p := a.Str("postalCode"); len(p) == 6 {
			add(p)
		}
	}
	for _, id := range n.All("identifier") {
		if r, ok := fhir.ParseResident(id.Str("value")); ok {
			add(r.Area)
		}
	}
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// wholeName joins family and given name as Chinese does; "" for other scripts.
func wholeName(n *fhir.Node) string {
	family := n.Str("family")
	if !hasHan(family) {
		return ""
	}
	for _, g := range n.All("given") {
		family += g.Text
	}
	return family
}

func hasHan(s string) bool {
	for _, r := range s {
		if unicode.Is(unicode.Han, r) {
			return true
		}
	}
	return false
}

var phonetics = map[string]taking{"HumanName": phoneticName, "string": phoneticText}

func phoneticName(x *walk, t *take, n *fhir.Node) {
	seen := map[string]bool{}
	add := func(s string) {
		for _, f := range Sounds(s) {
			if !seen[f] {
				seen[f] = true
				x.add(Entry{Param: t.param, Text: f})
			}
		}
	}
	whole := wholeName(n)
	if whole == "" {
		add(n.Str("family"))
		for _, g := range n.All("given") {
			add(g.Text)
		}
	}
	add(whole)
	add(n.Str("text"))
}

func phoneticText(x *walk, t *take, n *fhir.Node) {
	for _, f := range Sounds(n.Text) {
		x.add(Entry{Param: t.param, Text: f})
	}
}

// surnames that are not read as the character usually is.
var surnames = map[string]string{"单": "shan", "曾": "zeng", "解": "xie", "仇": "qiu", "区": "ou", "查": "zha", "盖": "ge", "任": "ren", "朴": "piao", "冼": "xian",
	"尉迟": "yu chi", "万俟": "mo qi", "长孙": "zhang sun", "澹台": "tan tai", "令狐": "ling hu", "单于": "chan yu", "宓": "mi", "缪": "miao", "翟": "zhai", "乐": "yue",
	"华": "hua", "葛": "ge", "纪": "ji", "黑": "he", "折": "she", "员": "yun", "繁": "po", "秘": "bi", "种": "chong", "洗": "xian", "佴": "nai", "召": "shao", "柏": "bai", "牟": "mu", "卜": "bu", "石": "shi", "覃": "qin", "臧": "zang", "逄": "pang", "尹": "yin", "幺": "yao", "晁": "chao", "郗": "xi", "隗": "wei", "都": "du", "贾": "jia", "沈": "shen", "谌": "chen", "恽": "yun", "车": "che", "俞": "yu", "祭": "zhai", "哈": "ha", "那": "na", "燕": "yan", "过": "guo", "宁": "ning", "应": "ying", "曲": "qu", "阚": "kan", "冯": "feng", "南宫": "nan gong", "呼延": "hu yan", "鲜于": "xian yu", "宿": "su", "藏": "zang", "重": "chong"}

// Sounds are the phonetic forms of a name: full pinyin and initials of Chinese ("zhangsan", "zs"),
// lower case of the rest. The first characters are read as a surname.
func Sounds(name string) []string {
	name = strings.TrimSpace(name)
	if name == "" {
		return nil
	}
	if !hasHan(name) {
		return []string{strings.ToLower(name)}
	}
	var full, initials strings.Builder
	rest := []rune(name)
	for _, n := range []int{2, 1} {
		if len(rest) > n || n == 1 {
			if s, ok := surnames[string(rest[:n])]; ok && (n == 2 || len(rest) > 1) {
				for syllable := range strings.FieldsSeq(s) {
					full.WriteString(syllable)
					initials.WriteByte(syllable[0])
				}
				rest = rest[n:]
				break
			}
		}
	}
	args := pinyin.Args{Style: pinyin.Normal}
	for _, r := range rest {
		if !unicode.Is(unicode.Han, r) {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				full.WriteString(strings.ToLower(string(r)))
				initials.WriteString(strings.ToLower(string(r)))
			}
			continue
		}
		if p := pinyin.SinglePinyin(r, args); len(p) > 0 && p[0] != "" {
			full.WriteString(p[0])
			initials.WriteByte(p[0][0])
		}
	}
	if full.Len() == 0 {
		return nil
	}
	return []string{full.String(), initials.String()}
}
