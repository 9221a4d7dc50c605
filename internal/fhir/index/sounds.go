package index

import (
	"slices"
	"strings"
	"unicode"

	"github.com/mozillazg/go-pinyin"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

var phonetics = map[string]taking{"HumanName": phoneticName, "string": phoneticText}

func phoneticName(x *walk, t *take, n *fhir.Node) {
	var forms []string
	whole := wholeName(n)
	if whole != "" {
		forms = Sounds(whole)
	} else {
		forms = Sounds(n.Str("family"))
		for _, g := range n.All("given") {
			forms = append(forms, Sounds(g.Text)...)
		}
	}
	if text := n.Str("text"); text != whole {
		forms = append(forms, Sounds(text)...)
	}
	for i, f := range forms {
		if !slices.Contains(forms[:i], f) {
			x.add(Entry{Param: t.param, Text: f})
		}
	}
}

func phoneticText(x *walk, t *take, n *fhir.Node) {
	for _, f := range Sounds(n.Text) {
		x.add(Entry{Param: t.param, Text: f})
	}
}

// surnames are read otherwise than their characters usually are; where two readings live, both count.
var surnames = readSurnames(`
	单 shan/ 曾 zeng/ 解 xie/ 仇 qiu/ 区 ou/ 查 zha/ 任 ren/ 朴 piao, pu/ 冼 xian/ 洗 xian/ 缪 miao/ 翟 zhai, di/ 乐 yue, le/
	盖 ge, gai/ 葛 ge/ 覃 qin, tan/ 谌 chen, shen/ 郗 xi, chi/ 隗 wei, kui/ 宓 mi, fu/ 黑 he/ 折 she/ 员 yun/ 繁 po/ 秘 bi/ 种 chong/
	佴 nai/ 召 shao/ 柏 bai/ 牟 mu, mou/ 卜 bu/ 石 shi/ 臧 zang/ 藏 zang/ 逄 pang/ 幺 yao/ 晁 chao/ 都 du/ 贾 jia/ 沈 shen/ 恽 yun/ 车 che/
	俞 yu/ 祭 zhai, ji/ 那 na/ 燕 yan/ 过 guo/ 宁 ning/ 应 ying/ 曲 qu/ 冯 feng/ 宿 su/ 阚 kan/ 撒 sa/ 哈 ha/ 六 lu/ 尉 wei/ 长 chang/ 洪 hong/
	尉迟 yu chi/ 万俟 mo qi/ 长孙 zhang sun/ 澹台 tan tai/ 令狐 ling hu/ 单于 chan yu/ 南宫 nan gong/ 呼延 hu yan/ 鲜于 xian yu/
	皇甫 huang fu/ 欧阳 ou yang/ 夏侯 xia hou/ 宇文 yu wen`)

func readSurnames(table string) map[string][]string {
	m := map[string][]string{}
	for entry := range strings.SplitSeq(table, "/") {
		name, readings, _ := strings.Cut(strings.TrimSpace(entry), " ")
		for r := range strings.SplitSeq(readings, ",") {
			m[name] = append(m[name], strings.TrimSpace(r))
		}
	}
	return m
}

// Sounds are the phonetic forms of a name: full pinyin and initials of Chinese ("zhangsan", "zs"),
// lower case of the rest. The first characters of two or more are read as a surname.
func Sounds(name string) []string {
	name = strings.TrimSpace(name)
	if name == "" {
		return nil
	}
	if !hasHan(name) {
		return []string{letters(name)}
	}
	var forms []string
	for _, reading := range readings(name) {
		var full, initials strings.Builder
		for _, s := range reading {
			full.WriteString(s)
			initials.WriteString(s[:letterLen(s)])
		}
		for _, f := range []string{full.String(), initials.String()} {
			if f != "" && !slices.Contains(forms, f) {
				forms = append(forms, f)
			}
		}
	}
	return forms
}

// Heard are the phonetic forms that a search may mean: Chinese by its full readings, pinyin with or without
// spaces, tone marks and apostrophes, and lü as lv, lyu or lü.
func Heard(text string) []string {
	var forms []string
	add := func(f string) {
		if f != "" && !slices.Contains(forms, f) {
			forms = append(forms, f)
		}
	}
	if hasHan(text) {
		for _, reading := range readings(strings.TrimSpace(text)) {
			add(strings.Join(reading, ""))
		}
		return forms
	}
	add(letters(text))
	if len(forms) > 0 {
		add(strings.NewReplacer("lyu", "lv", "nyu", "nv").Replace(forms[0]))
	}
	return forms
}

// letters is text that is no Chinese as it is compared: in lower case, without spaces and apostrophes.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case 'ü', 'ǖ', 'ǘ', 'ǚ', 'ǜ':
			return 'v'
		case ' ', '\'', '’', '-', '.', '·', '\u3000':
			return -1
		}
		return r
	}, strings.ToLower(text))
}

// readings are the syllables of a name, once for each way in which its surname is read.
func readings(name string) [][]string {
	rest := []rune(name)
	first := []string{""}
	for _, n := range []int{2, 1} {
		if len(rest) > n {
			if readings := surnames[string(rest[:n])]; readings != nil {
				first, rest = readings, rest[n:]
				break
			}
		}
	}
	tail := syllables(rest)
	var all [][]string
	for _, reading := range first {
		all = append(all, append(strings.Fields(reading), tail...))
	}
	return all
}

// syllables reads each character; letters and digits stand for themselves.
func syllables(text []rune) []string {
	var r []string
	args := pinyin.Args{Style: pinyin.Normal}
	for _, c := range text {
		if unicode.Is(unicode.Han, c) {
			if p := pinyin.SinglePinyin(c, args); len(p) > 0 && p[0] != "" {
				r = append(r, p[0])
			}
		} else if unicode.IsLetter(c) || unicode.IsDigit(c) {
			r = append(r, strings.ToLower(string(c)))
		}
	}
	return r
}

func letterLen(s string) int {
	for i := range s {
		if i > 0 {
			return i
		}
	}
	return len(s)
}
