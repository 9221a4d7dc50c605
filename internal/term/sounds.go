package term

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/mozillazg/go-pinyin"
)

// alternatives are readings that live in medicine beside the one the table of pinyin gives first.
var alternatives = readAlternatives(`长 chang zhang/重 zhong chong/行 xing hang/壳 ke qiao/系 xi ji/调 tiao diao/降 jiang xiang/参 can shen/率 lv shuai/
	石 shi/便 bian/弹 dan tan/传 chuan/藏 cang zang/会 hui kuai/膀 pang/尾 wei/荨 xun qian/偻 lou/咯 ka luo ge/咳 ke/桡 rao nao/粘 zhan nian/
	区 qu/卡 ka qia/强 qiang/圈 quan/合 he/大 da/血 xue xie/呕 ou/核 he/给 ji gei/侧 ce/阿 a e/似 si shi/红 hong/曲 qu/吐 tu/龈 yin/疟 nue yao/
	骨 gu/臂 bi/颈 jing/溃 kui/扁 bian/单 dan/疸 dan/痢 li/朊 ruan/脏 zang/拓 tuo ta/嵌 qian/术 shu zhu/叶 ye/贲 ben/解 jie/括 kuo/纤 xian/缩 suo/
	癌 ai/散 san/种 zhong/屏 ping/晕 yun/胖 pang/内 nei/屎 shi/娠 shen/奇 qi/畸 ji/幽 you/亲 qin/没 mo mei/着 zhe zhuo/薄 bo bao/剥 bo bao/色 se/
	塞 se sai/螫 shi zhe/蛤 ha ge/呆 dai/眩 xuan/髂 qia/髋 kuan/蛛 zhu/绿 lv/女 nv/旅 lv/滤 lv/铝 lv/氯 lv/虐 nue/略 lue`)

func readAlternatives(table string) map[rune][]string {
	m := map[rune][]string{}
	for line := range strings.SplitSeq(table, "/") {
		f := strings.Fields(line)
		r := []rune(f[0])[0]
		for _, s := range f[1:] {
			m[r] = append(m[r], s)
			if strings.ContainsRune(s, 'v') { // lü is typed lv or lu
				m[r] = append(m[r], strings.ReplaceAll(s, "v", "u"))
			}
		}
	}
	return m
}

// sounds numbers the readings of characters, so that a name is a short list of numbers. Number 0 is what is not spoken.
type sounds struct {
	mu       sync.RWMutex
	number   map[rune]uint16
	readings [][]string
	firsts   []uint64 // letters and digits that a reading begins with
}

func newSounds() *sounds {
	return &sounds{number: map[rune]uint16{}, readings: [][]string{nil}, firsts: []uint64{0}}
}

// of gives the sounds of a text.
func (s *sounds) of(text string) []uint16 {
	if text == "" {
		return nil
	}
	out := make([]uint16, 0, len(text)/3+1)
	for _, r := range text {
		out = append(out, s.rune(r))
	}
	return out
}

func (s *sounds) rune(r rune) uint16 {
	s.mu.RLock()
	n, ok := s.number[r]
	s.mu.RUnlock()
	if ok {
		return n
	}
	readings := readingsOf(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.number[r]; ok {
		return n
	}
	n = 0
	if len(readings) > 0 && len(s.readings) < 1<<16 {
		n = uint16(len(s.readings))
		first := uint64(0)
		for _, x := range readings {
			first |= letter(x[0])
		}
		s.readings, s.firsts = append(s.readings, readings), append(s.firsts, first)
	}
	s.number[r] = n
	return n
}

func readingsOf(r rune) []string {
	switch {
	case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
		return []string{string(r)}
	case r >= 'A' && r <= 'Z':
		return []string{string(unicode.ToLower(r))}
	case unicode.Is(unicode.Han, r):
		var list []string
		if p := pinyin.SinglePinyin(r, pinyin.Args{Style: pinyin.Normal}); len(p) > 0 && p[0] != "" {
			list = append(list, strings.ReplaceAll(p[0], "ü", "v"))
		}
		for _, x := range alternatives[r] {
			if !slices.Contains(list, x) {
				list = append(list, x)
			}
		}
		return slices.DeleteFunc(list, func(x string) bool { return letter(x[0]) == 0 })
	}
	return nil
}

// letter is a bit for a letter or digit, 0 for anything else.
func letter(c byte) uint64 {
	switch {
	case c >= 'a' && c <= 'z':
		return 1 << (c - 'a')
	case c >= '0' && c <= '9':
		return 1 << (26 + c - '0')
	}
	return 0
}

// spoken says whether a word can be pinyin: letters and digits only, with a letter among them.
func spoken(word string) bool {
	letters := false
	for i := 0; i < len(word); i++ {
		if letter(word[i]) == 0 {
			return false
		}
		letters = letters || word[i] >= 'a'
	}
	return letters && len(word) < 63
}

// The places where a word can stand in a text, best first.
const (
	whole = iota
	atStart
	atWord
	inside
	nowhere
)

// reader looks for one typed word among sounds; it is good for as long as no new character is learnt, so for one search.
type reader struct {
	readings [][]string
	firsts   []uint64
	word     string
	first    uint64
}

func (s *sounds) reader(word string) *reader {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return &reader{readings: s.readings, firsts: s.firsts, word: word, first: letter(word[0])}
}

// place finds the word, typed as initials ("gxy"), syllables ("gaoxueya") or a mixture ("gaoxy").
func (r *reader) place(sounds []uint16) int {
	best := nowhere
	for i, n := range sounds {
		if int(n) >= len(r.firsts) || r.firsts[n]&r.first == 0 {
			continue
		}
		if best == inside && i > 0 && sounds[i-1] != 0 {
			continue
		}
		end := r.from(sounds, i)
		switch {
		case end < 0:
		case i == 0 && end == len(sounds):
			return whole
		case i == 0:
			best = atStart
		case sounds[i-1] == 0:
			best = min(best, atWord)
		default:
			best = min(best, inside)
		}
		if best == atStart {
			return best
		}
	}
	return best
}

// from reads on from i, keeping every number of letters that may have been used up as one bit; -1 or where the word ends.
func (r *reader) from(sounds []uint16, i int) int {
	used, done := uint64(1), uint64(1)<<len(r.word)
	for ; i < len(sounds); i++ {
		n := sounds[i]
		if n == 0 || int(n) >= len(r.readings) {
			continue
		}
		next := uint64(0)
		for at := 0; at < len(r.word); at++ {
			if used&(1<<at) == 0 {
				continue
			}
			left := r.word[at:]
			for _, x := range r.readings[n] {
				if x[0] != left[0] {
					continue
				}
				next |= 1 << (at + 1)
				if len(x) > 1 && x[1] == 'h' && len(left) > 1 && left[1] == 'h' {
					next |= 1 << (at + 2)
				}
				if strings.HasPrefix(left, x) {
					next |= 1 << (at + len(x))
				} else if strings.HasPrefix(x, left) {
					next |= done
				}
			}
		}
		if next&done != 0 {
			return i + 1
		}
		if next == 0 {
			return -1
		}
		used = next
	}
	return -1
}
