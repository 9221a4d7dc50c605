package match

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/mozillazg/go-pinyin"
)

// glyph is what is known of a character: its readings without tones, and those readings with
// the usual confusions of the south and the north taken away (zh/z, n/l, ing/in, …).
type glyph struct {
	sounds [4]uint16 // numbers of syllables, 0 = none
	folds  [4]uint16
}

// syllables numbers what can be heard. 0 is silence.
var syllables = struct {
	sync.RWMutex
	number map[string]uint16
	text   []string
	glyphs map[rune]*glyph
}{number: map[string]uint16{}, text: []string{""}, glyphs: map[rune]*glyph{}}

const firstHan, lastHan = 0x4e00, 0x9fff

var glyphs = sync.OnceValue(func() *[lastHan - firstHan + 1]glyph {
	var all [lastHan - firstHan + 1]glyph
	for r := rune(firstHan); r <= lastHan; r++ {
		all[r-firstHan] = readGlyph(r)
	}
	return &all
})

func glyphOf(r rune) *glyph {
	if r >= firstHan && r <= lastHan {
		return &glyphs()[r-firstHan]
	}
	syllables.RLock()
	g := syllables.glyphs[r]
	syllables.RUnlock()
	if g == nil {
		read := readGlyph(r)
		syllables.Lock()
		if len(syllables.glyphs) < 1<<16 {
			syllables.glyphs[r] = &read
		}
		syllables.Unlock()
		g = &read
	}
	return g
}

// family names are read otherwise than their characters usually are.
var familySounds = map[rune]string{'单': "shan", '曾': "zeng", '解': "xie", '仇': "qiu", '区': "ou", '查': "zha", '任': "ren", '朴': "piao", '冼': "xian", '缪': "miao",
	'翟': "zhai", '乐': "yue", '盖': "ge", '葛': "ge", '覃': "qin", '谌': "chen", '隗': "wei", '召': "shao", '柏': "bai", '沈': "shen", '贾': "jia", '石': "shi",
	'车': "che", '长': "zhang", '宁': "ning", '冯': "feng", '万': "wan", '尉': "wei", '种': "chong", '洗': "xian", '员': "yun", '繁': "po", '重': "chong"}

func readGlyph(r rune) (g glyph) {
	if !unicode.Is(unicode.Han, r) {
		n := syllable(string(unicode.ToLower(r)))
		g.sounds[0], g.folds[0] = n, n
		return g
	}
	var readings []string
	if p := pinyin.SinglePinyin(r, pinyin.Args{Style: pinyin.Normal}); len(p) > 0 && p[0] != "" {
		readings = append(readings, p[0])
	}
	if f := familySounds[r]; f != "" {
		readings = append(readings, f)
	}
	readings = append(readings, pinyin.SinglePinyin(r, pinyin.Args{Style: pinyin.Normal, Heteronym: true})...)
	at, ft := 0, 0
	for _, s := range readings {
		s = strings.NewReplacer("ü", "v", "ê", "e").Replace(s)
		if s == "" {
			continue
		}
		if n := syllable(s); at < len(g.sounds) && !slices.Contains(g.sounds[:at], n) {
			g.sounds[at] = n
			at++
		}
		if n := syllable(confused(s)); ft < len(g.folds) && !slices.Contains(g.folds[:ft], n) {
			g.folds[ft] = n
			ft++
		}
	}
	return g
}

func syllable(s string) uint16 {
	syllables.RLock()
	n, ok := syllables.number[s]
	syllables.RUnlock()
	if ok {
		return n
	}
	syllables.Lock()
	defer syllables.Unlock()
	if n, ok := syllables.number[s]; ok {
		return n
	}
	if len(syllables.text) > 60000 {
		return 0
	}
	n = uint16(len(syllables.text))
	syllables.text = append(syllables.text, s)
	syllables.number[s] = n
	return n
}

func syllableText(n uint16) string {
	syllables.RLock()
	defer syllables.RUnlock()
	return syllables.text[n]
}

// confused takes away what many do not tell apart when they hear a name.
func confused(s string) string {
	switch {
	case strings.HasPrefix(s, "zh"), strings.HasPrefix(s, "ch"), strings.HasPrefix(s, "sh"):
		s = s[:1] + s[2:]
	case s[0] == 'n' && len(s) > 1, s[0] == 'r' && len(s) > 1:
		s = "l" + s[1:]
	case strings.HasPrefix(s, "hu") && len(s) > 2:
		s = "f" + s[2:]
	}
	if strings.HasSuffix(s, "ng") && !strings.HasSuffix(s, "ong") {
		s = s[:len(s)-1]
	}
	return s
}

func sameSound(a, b *glyph) bool { return meet(&a.sounds, &b.sounds) }
func nearSound(a, b *glyph) bool { return meet(&a.folds, &b.folds) }

func meet(a, b *[4]uint16) bool {
	for _, x := range a {
		if x == 0 {
			return false
		}
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}

// spelt is a name in letters: pinyin of Chinese, as it stands otherwise. Family names have their own readings.
func spelt(s string, family bool) string {
	if !hasHan(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if f := familySounds[r]; family && f != "" {
			b.WriteString(f)
		} else {
			b.WriteString(syllableText(glyphOf(r).sounds[0]))
		}
	}
	return b.String()
}

// heard is a name as it sounds to everybody: Chinese without the usual confusions, Latin by a coarse code.
func heard(s string, family bool) string {
	if !hasHan(s) {
		return coarse(s)
	}
	var b strings.Builder
	for _, r := range s {
		if f := familySounds[r]; family && f != "" {
			b.WriteString(confused(f))
		} else {
			b.WriteString(syllableText(glyphOf(r).folds[0]))
		}
		b.WriteByte('.')
	}
	return b.String()
}

// coarse is the sound of a Latin name: first letter, then the kinds of its consonants without doubles, five at most.
func coarse(s string) string {
	if s == "" {
		return ""
	}
	const kinds = "0123012-022455012623010202" // a to z; 0 vowels, - h
	out := make([]byte, 0, 5)
	var last byte
	s = strings.TrimPrefix(s, "h")
	if strings.HasPrefix(s, "kn") || strings.HasPrefix(s, "gn") || strings.HasPrefix(s, "wr") {
		s = s[1:]
	}
	s = strings.ReplaceAll(s, "ph", "f")
	for i := 0; i < len(s) && len(out) < 5; i++ {
		c := s[i]
		if c < 'a' || c > 'z' {
			if len(out) == 0 {
				out = append(out, c)
			}
			continue
		}
		k := kinds[c-'a']
		if len(out) == 0 {
			first := c
			switch { // letters that begin the same sound
			case c == 'c' || c == 'q':
				first = 'k'
			case c == 'z' || c == 'x':
				first = 's'
			case c == 'v':
				first = 'f'
			case k == '0':
				first = 'a'
			}
			out = append(out, first)
		} else if k != '0' && k != '-' && k != last {
			out = append(out, k)
		}
		if k != '-' {
			last = k
		}
	}
	return string(out)
}
