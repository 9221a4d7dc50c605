package match

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// address is where somebody lives, as it is compared.
type address struct {
	road    string // words up to the first number
	numbers string // house, building, room, apart by /
	place   string
	area    string // suburb
	postal  string
}

const maxAddress = 120 // characters of an address that count

// readAddress folds an address and takes it apart.
func readAddress(a Address) address {
	out := address{place: plainWords(a.Place), area: plainWords(a.Area), postal: strings.ToLower(foldNumber(a.PostalCode))}
	if out.area == "" {
		out.area = plainWords(a.City)
	}
	if hasHan(a.Text) {
		out.road, out.numbers = readHanAddress(a.Text)
	} else {
		out.road, out.numbers = readLatinAddress(a.Text)
	}
	return out
}

var hanDigits = map[rune]rune{'〇': '0', '零': '0', '一': '1', '二': '2', '三': '3', '四': '4', '五': '5', '六': '6', '七': '7', '八': '8', '九': '9'}

func readHanAddress(text string) (road, numbers string) {
	var words, nums strings.Builder
	in := false
	runes := []rune(norm.NFKC.String(text))
	if len(runes) > maxAddress {
		runes = runes[:maxAddress]
	}
	for i, r := range runes {
		if d, ok := hanDigits[r]; ok && i+1 < len(runes) && strings.ContainsRune("号栋幢楼室单组村队层座"+"一二三四五六七八九零〇", runes[i+1]) && nums.Len()+i > 1 {
			if runes[i+1] != '村' && runes[i+1] != '楼' || nums.Len() > 0 {
				r = d
			}
		}
		switch {
		case r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' && nums.Len() > 0:
			if !in && nums.Len() > 0 {
				nums.WriteByte('/')
			}
			nums.WriteRune(r)
			in = true
		case unicode.IsLetter(r):
			in = false
			if nums.Len() == 0 {
				words.WriteRune(unicode.ToLower(r))
			}
		default:
			in = false
		}
	}
	return words.String(), nums.String()
}

var streetWords = map[string]string{"street": "st", "road": "rd", "avenue": "av", "ave": "av", "place": "pl", "crescent": "cr", "cres": "cr", "court": "ct", "close": "cl",
	"drive": "dr", "circuit": "cct", "parade": "pde", "terrace": "tce", "lane": "ln", "boulevard": "bvd", "blvd": "bvd", "square": "sq", "highway": "hwy", "loop": "lp", "grove": "gr",
	"apartment": "", "apt": "", "flat": "", "unit": "", "no": ""}

func readLatinAddress(text string) (road, numbers string) {
	var words, nums []string
	for w := range strings.FieldsSeq(foldLatin(text)) {
		if digits(w) > 0 {
			nums = append(nums, w)
			continue
		}
		if short, ok := streetWords[w]; ok {
			w = short
		}
		if w != "" {
			words = append(words, w)
		}
	}
	return cut(strings.Join(words, " ")), cut(strings.Join(nums, "/"))
}

func plainWords(s string) string {
	if hasHan(s) {
		return cut(foldHan(s))
	}
	return cut(foldLatin(s))
}

func cut(s string) string {
	if len(s) > 3*maxAddress {
		return s[:3*maxAddress]
	}
	return s
}

// compareAddress gives the level of agreement of road and numbers.
func compareAddress(a, b *address) uint8 {
	if a.road == "" && a.numbers == "" || b.road == "" && b.numbers == "" {
		return missing
	}
	road := sameRoad(a.road, b.road)
	switch {
	case a.numbers == b.numbers && a.numbers != "":
		switch road {
		case exact:
			return exact
		case slip:
			return slip
		}
		return addressNumber
	case a.numbers == b.numbers: // neither has one
		switch road {
		case exact:
			return addressRoad
		case slip:
			return addressRoad
		}
		return differs
	case road > slip:
		if road == missing && strings.Contains(a.numbers, "/") && strings.HasPrefix(a.numbers, b.numbers+"/") {
			return addressNumber
		}
		return differs
	case begins(a.numbers, b.numbers):
		return addressHouse
	case edits(a.numbers, b.numbers) == 1 && len(a.numbers) > 3:
		return slip
	}
	return addressRoad
}

// begins says whether one has the other's numbers and more: the room that is missing.
func begins(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return a != "" && strings.HasPrefix(b, a+"/")
}

func sameRoad(a, b string) uint8 {
	switch {
	case a == "" || b == "":
		return missing
	case a == b:
		return exact
	case len(a) > len(b) && strings.HasSuffix(a, b) || len(b) > len(a) && strings.HasSuffix(b, a): // with and without province and city
		return exact
	case hasHan(a):
		if len(a) >= 9 && len(a) == len(b) && edits(a, b) <= 3 && runesDiffer(a, b) == 1 {
			return slip
		}
		return differs
	}
	x, y := squeeze(a), squeeze(b)
	if x == y {
		return exact
	}
	if n := edits(x, y); n <= 2 && min(len(x), len(y)) >= 5 || n <= 3 && min(len(x), len(y)) >= 10 || similar(x, y) >= 0.92 {
		return slip
	}
	return differs
}

func runesDiffer(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) != len(y) {
		return max(len(x), len(y))
	}
	n := 0
	for i := range x {
		if x[i] != y[i] {
			n++
		}
	}
	return n
}

// comparePlace compares the name of a house, village or estate.
func comparePlace(a, b string) uint8 {
	switch {
	case a == "" || b == "":
		return missing
	case a == b:
		return exact
	}
	x, y := squeeze(a), squeeze(b)
	if x == y || edits(x, y) <= 2 && min(len(x), len(y)) >= 4 || similar(x, y) >= 0.9 {
		return slip
	}
	return differs
}

// compareArea compares suburb and postal code together.
func compareArea(a, b *address) uint8 {
	area, code := comparePlace(a.area, b.area), uint8(missing)
	if a.postal != "" && b.postal != "" {
		switch {
		case a.postal == b.postal:
			code = exact
		case edits(a.postal, b.postal) == 1:
			code = slip
		default:
			code = differs
		}
	}
	switch {
	case area == missing:
		return code
	case code == missing:
		return area
	case area == exact && code == exact:
		return exact
	case area <= slip && code <= slip:
		return slip
	case area == exact || code == exact:
		return areaOne
	case area == slip || code == slip:
		return areaNear
	}
	return differs
}
