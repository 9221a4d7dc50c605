package identity

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mozillazg/go-pinyin"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

//go:embed common.txt
var commonText string

// common are the words that passwords are made of everywhere; compared without digits and signs.
var common = strings.Fields(commonText)

var (
	tooPlain  = fhir.Refuse(422, "value", "password-too-plain", "this password is too easy to guess", "密码过于简单，请勿使用常见密码、连续或重复的字符")
	ownName   = fhir.Refuse(422, "value", "password-own-name", "a password must not contain your user name or name", "密码不能包含账号或姓名")
	usedLast  = fhir.Refuse(422, "value", "password-used-before", "this is one of your last passwords", "不能使用最近用过的密码")
	longest   = 256
	year      = regexp.MustCompile(`(19|20)\d\d`)
	leetSpeak = strings.NewReplacer("@", "a", "0", "o", "1", "l", "3", "e", "4", "a", "$", "s", "5", "s", "7", "t")
)

// worthy refuses passwords that are too short, too plain or the user's own name.
func (r Rules) worthy(password string, u User) error {
	p := r.Password
	length, kinds, different := utf8.RuneCountInString(password), map[string]bool{}, map[rune]bool{}
	for _, c := range password {
		different[c] = true
		switch {
		case unicode.IsLower(c):
			kinds["lower"] = true
		case unicode.IsUpper(c):
			kinds["upper"] = true
		case unicode.IsDigit(c):
			kinds["digit"] = true
		default:
			kinds["other"] = true
		}
	}
	if length < p.Least {
		return fhir.Refuse(422, "value", "password-too-short",
			fmt.Sprintf("a password has at least %d characters", p.Least), fmt.Sprintf("密码至少 %d 个字符", p.Least))
	}
	if len(password) > longest {
		return fhir.Refuse(422, "value", "password-too-long", "a password has at most 256 bytes", "密码过长")
	}
	folded := strings.ToLower(password)
	for _, name := range names(u) {
		if strings.Contains(folded, name) {
			return ownName
		}
	}
	if len(different) < 5 || plain(folded) {
		return tooPlain
	}
	if len(kinds) < p.Kinds && length < p.LongEnough {
		return fhir.Refuse(422, "value", "password-too-few-kinds",
			fmt.Sprintf("a password has %d of: capitals, small letters, digits, others; or %d characters", p.Kinds, p.LongEnough),
			fmt.Sprintf("密码须含大写、小写、数字、其他字符中的 %d 种，或不少于 %d 个字符", p.Kinds, p.LongEnough))
	}
	return nil
}

// names are what a person's password must not contain: user name, name, and the name in pinyin.
func names(u User) (list []string) {
	all := []string{strings.ToLower(u.Username), strings.ToLower(u.Name)}
	if syllables := pinyin.LazyConvert(u.Name, nil); len(syllables) > 1 {
		all = append(all, strings.Join(syllables, ""))
	}
	for _, n := range all {
		if utf8.RuneCountInString(n) >= 3 || utf8.RuneCountInString(n) == 2 && n != "" && n[0] >= utf8.RuneSelf {
			list = append(list, n)
		}
	}
	return list
}

// plain says whether nothing is left of a password once common words, runs (123, abc, aaa) and signs are taken away: fewer
// than four letters or digits that somebody would have to guess.
func plain(folded string) bool {
	folded = year.ReplaceAllString(folded, " ")
	words := slices.SortedFunc(slices.Values(common), func(a, b string) int { return len(b) - len(a) })
	for _, read := range []string{folded, leetSpeak.Replace(folded)} { // as long as each other, byte for byte
		left := []byte(folded)
		for _, word := range words {
			for from := 0; ; {
				i := strings.Index(read[from:], word)
				if i < 0 {
					break
				}
				blank := strings.Repeat(" ", len(word))
				copy(left[from+i:], blank)
				read = read[:from+i] + blank + read[from+i+len(word):]
				from += i + len(word)
			}
		}
		if unforeseen(string(left)) < 4 {
			return true
		}
	}
	return false
}

// unforeseen counts the letters and digits that do not go on from the one before them, up, down or the same.
func unforeseen(text string) (n int) {
	before, step := rune(-10), rune(99)
	for _, c := range text {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			before, step = -10, 99
			continue
		}
		d := c - before
		if d < -1 || d > 1 || step != 99 && d != step {
			n, step = n+1, 99
		} else {
			step = d
		}
		before = c
	}
	return n
}
