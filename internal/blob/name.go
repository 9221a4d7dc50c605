package blob

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const longestName = 200 // characters

// reserved are names that a desktop takes for devices.
var reserved = map[string]bool{"con": true, "prn": true, "aux": true, "nul": true, "com1": true, "com2": true, "com3": true, "com4": true, "lpt1": true, "lpt2": true, "lpt3": true}

// CleanName makes a file's name harmless: no folders, no control characters, nothing that turns the direction of writing (by which
// "gpj.exe" shows as "exe.jpg"), no device names. "" when nothing is left.
func CleanName(name string) string {
	name = strings.ToValidUTF8(name, "")
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == utf8.RuneError, r == '\u2028', r == '\u2029':
			return -1
		case strings.ContainsRune(`<>:"|?*`, r):
			return '_'
		}
		return r
	}, name)
	name = strings.TrimLeft(strings.TrimRight(name, ". "), " ")
	if stem, _, _ := strings.Cut(strings.ToLower(name), "."); reserved[stem] {
		name = "_" + name
	}
	if runes := []rune(name); len(runes) > longestName {
		name = string(runes[:longestName])
		if dot := strings.LastIndexByte(string(runes), '.'); dot > 0 && len(runes)-len([]rune(string(runes)[:dot])) <= 10 {
			end := []rune(string(runes)[dot:])
			name = string(runes[:longestName-len(end)]) + string(end)
		}
	}
	if strings.Trim(name, ".") == "" {
		return ""
	}
	return name
}
