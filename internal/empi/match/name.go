package match

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// name is a name as it is compared: folded, taken apart, what is no name left out.
type name struct {
	family, given string
	standIn       bool // 某之子, 某某, 大双: somebody's child, or a name that nobody wrote down
	order         uint8
}

func (n *name) empty() bool { return n.family == "" && n.given == "" }

const maxName = 64 // runes of a name that count

var compound = words(`欧阳 太史 端木 上官 司马 东方 独孤 南宫 万俟 闻人 夏侯 诸葛 尉迟 公羊 赫连 澹台 皇甫 宗政 濮阳 公冶 太叔 申屠 公孙 慕容
	仲孙 钟离 长孙 宇文 司徒 鲜于 司空 闾丘 子车 亓官 司寇 巫马 公西 颛孙 壤驷 公良 漆雕 乐正 宰父 谷梁 拓跋 夹谷 轩辕 令狐 段干 百里 呼延
	东郭 南门 羊舌 微生 公户 公玉 公仪 梁丘 公仲 公上 公门 公山 公坚 左丘 公伯 西门 公祖 第五 公乘 贯丘 公皙 南荣 东里 东宫 仲长 子书 子桑
	即墨 达奚 褚师 吴铭 纳兰 叶赫 那拉 完颜 爱新觉罗 富察 钮祜禄 阿史那 哥舒 耶律 单于 东门 西乞 北宫`)

var nobody = words(`无名氏 无名 佚名 不详 姓名不详 未知 未知名 不明 无 未提供 未命名 未填 待查 待补 暂无 测试 匿名 保密 患者 病人 路人 流浪者 流浪人员 三无人员
	unknown anonymous unidentified nobody noname none null nil na test johndoe janedoe doejohn doejane baby infant newborn`)

// titles behind a name, and childhood before anybody is named
var (
	titles      = []string{"先生", "女士", "小姐", "同志", "老师", "医生", "大夫", "护士", "主任", "师傅", "夫人", "太太"}
	salutations = words(`mr mrs ms miss dr prof sir madam mx`)
	childOf     = []string{"之子", "之女", "之婴", "之宝", "之长子", "之次子", "之三子", "之长女", "之次女", "之三女", "之大双", "之小双", "之大", "之小", "之一", "之二", "之三",
		"之儿", "之孩", "之新生儿", "新生儿", "婴儿", "毛毛", "宝宝", "大双", "小双", "男婴", "女婴", "弃婴", "之男", "之女婴", "之男婴"}
	births = map[string]uint8{"长": 1, "次": 2, "三": 3, "大": 1, "小": 2, "一": 1, "二": 2}
)

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

func hasHan(s string) bool {
	for _, r := range s {
		if r > 0x2e7f && unicode.Is(unicode.Han, r) {
			return true
		}
	}
	return false
}

// readName folds a name; ok is false where nobody is named.
func readName(n Name) (out name, ok bool) {
	if n.Family == "" && n.Given == "" {
		return readWhole(n.Text)
	}
	if hasHan(n.Family) || hasHan(n.Given) {
		family, given := foldHan(n.Family), foldHan(n.Given)
		if w, ok := readWhole(family + given); !ok || w.standIn {
			return w, ok
		}
		return name{family: family, given: given}, true
	}
	family, given := foldLatin(n.Family), foldLatin(n.Given)
	if first, _, _ := strings.Cut(given, " "); salutations[first] {
		given = strings.TrimPrefix(strings.TrimPrefix(given, first), " ")
	}
	all := squeeze(given + family)
	if all == "" || nobody[all] {
		return name{}, false
	}
	return name{family: squeeze(family), given: squeeze(given)}, true
}

func readWhole(text string) (name, bool) {
	if hasHan(text) {
		return readHan(foldHan(text))
	}
	before, after, comma := strings.Cut(text, ",")
	if comma { // FAMILY, Given
		return readName(Name{Family: before, Given: after + " "})
	}
	parts := strings.Fields(foldLatin(text))
	if len(parts) > 0 && salutations[parts[0]] {
		parts = parts[1:]
	}
	if len(parts) == 0 || nobody[strings.Join(parts, "")] {
		return name{}, false
	}
	last := len(parts) - 1
	return name{family: parts[last], given: strings.Join(parts[:last], "")}, true
}

func readHan(s string) (name, bool) {
	for _, t := range titles {
		if rest, cut := strings.CutSuffix(s, t); cut && utf8.RuneCountInString(rest) >= 2 {
			s = rest
		}
	}
	if s == "" || nobody[s] || strings.HasPrefix(s, "无名") || strings.HasPrefix(s, "不详") {
		return name{}, false
	}
	bare := strings.TrimRight(s, "0123456789")
	for _, c := range childOf {
		if parent, cut := strings.CutSuffix(bare, c); cut {
			n := child(parent, c)
			if number := s[len(bare):]; len(number) == 1 && number != "0" {
				n.order = number[0] - '0'
			}
			return n, true
		}
	}
	if before, _, cut := strings.Cut(s, "某"); cut {
		if before == "" {
			return name{}, false
		}
		return name{family: before, standIn: true}, true
	}
	if before, after, cut := strings.Cut(s, "·"); cut { // 买买提·阿不都: his name, then his father's
		return name{family: before, given: strings.ReplaceAll(after, "·", "")}, true
	}
	r := []rune(s)
	at := 1
	if len(r) >= 3 && compound[string(r[:2])] {
		at = 2
	}
	n := name{family: string(r[:at]), given: string(r[at:])}
	if n.given != "" && strings.Trim(n.given, string(anyone)) == "" {
		n.given, n.standIn = "", true
	}
	return n, n.family != string(anyone) || n.given != ""
}

// child is a newborn called by a parent: 林某之子 has a family name, 王芳之子 has his mother's, which need not be his.
func child(parent, suffix string) name {
	n := name{standIn: true}
	if r := []rune(strings.TrimPrefix(suffix, "之")); len(r) > 0 {
		n.order = births[string(r[0])]
	}
	before, _, some := strings.Cut(parent, "某")
	if r := []rune(before); some || len(r) == 1 || len(r) == 2 && compound[before] {
		n.family = before
	}
	return n
}

// anyone stands where a character was lost that a system could not write.
const anyone = '〇'

// foldHan leaves of a Chinese name its characters: one width, one form, no blanks; a dot between parts.
func foldHan(s string) string {
	var b strings.Builder
	count := 0
	for _, r := range norm.NFKC.String(s) {
		if count++; count > maxName {
			break
		}
		switch {
		case r == '·' || r == '•' || r == '・' || r == '‧' || r == '∙' || r == '●' || r == '．' || r == '.':
			if b.Len() > 0 {
				b.WriteRune('·')
			}
		case r == '○' || r == '◯' || r == '〇' || r == '\ue000':
			b.WriteRune(anyone)
		case unicode.Is(unicode.Han, r):
			if s, ok := simple[r]; ok {
				r = s
			}
			b.WriteRune(r)
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(unicode.ToLower(r))
		case strings.ContainsRune("*＊□?？_＿�", r):
			b.WriteRune(anyone)
		}
	}
	return strings.TrimRight(b.String(), "·")
}

// foldLatin leaves letters of the plain alphabet in lower case, words apart by one blank.
func foldLatin(s string) string {
	var b strings.Builder
	count, blank := 0, false
	for _, r := range norm.NFKD.String(s) {
		if count++; count > 2*maxName {
			break
		}
		r = unicode.ToLower(r)
		switch {
		case unicode.Is(unicode.Mn, r) || r == '\'' || r == '’' || r == '`' || r == '.':
			continue
		case r < utf8.RuneSelf && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9'), r >= utf8.RuneSelf && unicode.IsLetter(r):
			if blank && b.Len() > 0 {
				b.WriteByte(' ')
			}
			blank = false
			switch plain, ok := plainLetters[r]; {
			case ok:
				b.WriteString(plain)
			default:
				b.WriteRune(r)
			}
		default:
			blank = true
		}
	}
	return b.String()
}

var plainLetters = map[rune]string{'ß': "ss", 'ø': "o", 'æ': "ae", 'œ': "oe", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ı': "i", 'ħ': "h"}

func squeeze(s string) string { return strings.ReplaceAll(s, " ", "") }
