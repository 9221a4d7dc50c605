package match

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Finding is what is remarkable about a number.
type Finding struct {
	Code string // empty, length, characters, date, future, check-digit, area, area-retired, dummy, old-form
	Text string
	Zh   string
	Warn bool // worth telling, but the number stands
}

// Today is the day after which nobody is born yet.
var Today = time.Now

// Check says what is wrong with a number, nothing when all is well. The system is one of the known ones;
// numbers of other systems have no rules of their own, but are no dummies.
func Check(system, number string) []Finding {
	s := foldNumber(number)
	switch {
	case s == "":
		return []Finding{{Code: "empty", Text: "No number.", Zh: "没有号码。"}}
	case dummy(s):
		return []Finding{{Code: "dummy", Text: "The number stands for no number: one digit, or digits in a row.", Zh: "号码为占位符：数字全同或顺序排列。"}}
	}
	switch system {
	case ResidentID:
		return checkResident(s)
	case Passport:
		return checkForm(s, 5, 12, "passport", "护照", alphanumeric)
	case HongKongMacau:
		return checkLead(s, "HM", 9, 11, "mainland travel permit of Hong Kong and Macau residents", "港澳居民来往内地通行证")
	case Taiwan:
		return checkForm(s, 8, 10, "mainland travel permit of Taiwan residents", "台湾居民来往大陆通行证", alphanumeric)
	case ForeignResident:
		return checkForeign(s)
	}
	return nil
}

func checkResident(s string) []Finding {
	if len(s) != 18 && len(s) != 15 {
		return []Finding{{Code: "length", Text: fmt.Sprintf("A resident number has 18 or 15 characters, not %d.", len(s)), Zh: fmt.Sprintf("居民身份证号应为18位或15位，实为%d位。", len(s))}}
	}
	if digits(s[:min(17, len(s))]) < min(17, len(s)) || len(s) == 18 && s[17] != 'X' && (s[17] < '0' || s[17] > '9') {
		return []Finding{{Code: "characters", Text: "A resident number has digits only; X may stand last.", Zh: "居民身份证号只能是数字，末位可为X。"}}
	}
	var found []Finding
	full := s
	if len(s) == 15 {
		full = upgrade(s)
		found = append(found, Finding{Code: "old-form", Text: "A number of 15 digits, as issued until 1999.", Zh: "15位旧号码（1999年以前签发）。", Warn: true})
	}
	switch born, err := time.Parse("20060102", full[6:14]); {
	case err != nil || born.Year() < 1850:
		found = append(found, Finding{Code: "date", Text: "Digits 7 to 14 are no day of the calendar.", Zh: "第7至14位不是有效日期。"})
	case born.After(Today().AddDate(0, 0, 1)):
		found = append(found, Finding{Code: "future", Text: "The birthday in the number has not come yet.", Zh: "号码中的出生日期晚于今天。"})
	}
	if !validCheckDigit(full) {
		found = append(found, Finding{Code: "check-digit", Text: "The last character does not fit the others (GB 11643).", Zh: "校验码不符（GB 11643）。"})
	}
	switch {
	case !provinces[full[:2]]:
		found = append(found, Finding{Code: "area", Text: "No province has the code " + full[:2] + ".", Zh: "前两位 " + full[:2] + " 不是省级行政区划代码。"})
	case retired(full[:6]):
		found = append(found, Finding{Code: "area-retired", Text: "The area code " + full[:6] + " has been withdrawn; numbers issued under it stand.", Zh: "行政区划代码 " + full[:6] + " 已停用，原号码仍有效。", Warn: true})
	}
	return found
}

// provinces of GB/T 2260 and 81, 82, 83 of the residence permits; 99 is unassigned and stands for what is made up.
var provinces = words(`11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83 99`)

// retired prefectures of GB/T 2260 whose numbers went to cities of another code, and Chongqing's while it was Sichuan's. From memory,
// not complete, counties left out; the tests check only that none is in use today.
var retiredAreas = words(`5102 5112 5122 5123 5124 5129 5130 1321 1322 1323 1324 1325 1326 1327 1328 1329 1330 1421 1422 1423 1424 1425 1426 1427 2323 2324 2321 2326
	3221 3421 3422 3423 3424 3425 3426 3427 3428 3429 3521 3522 3526 3621 3622 3623 3624 3625 3626 3720 3721 3722 3723 3724 3725 3726 3727 3728 3729 3730
	4121 4122 4123 4124 4125 4126 4127 4128 4129 4221 4222 4223 4224 4225 4226 4227 4321 4322 4323 4324 4325 4326 4327 4328 4329 4330
	4520 4521 4522 4523 4524 4525 4526 4527 4528 5221 5222 5224 5225 5321 5322 5324 5327 5330 5332 5335 6121 6122 6123 6124 6125 6126 6221 6222 6223 6224 6225 6226 6227 6228`)

func retired(area string) bool { return retiredAreas[area[:4]] }

func checkForeign(s string) []Finding {
	switch len(s) {
	case 15:
		if !letters(s[:3]) || digits(s[3:]) < 12 {
			return []Finding{{Code: "characters", Text: "The old number has three letters and twelve digits.", Zh: "旧版证号应为3位字母加12位数字。"}}
		}
		return nil
	case 18:
		if s[0] != '9' || digits(s[:17]) < 17 {
			return []Finding{{Code: "characters", Text: "The new number begins with 9 and has digits only.", Zh: "新版证号以9开头，共18位数字。"}}
		}
		if !validCheckDigit(s) {
			return []Finding{{Code: "check-digit", Text: "The last character does not fit the others (GB 11643).", Zh: "校验码不符（GB 11643）。"}}
		}
		if _, err := time.Parse("20060102", s[6:14]); err != nil {
			return []Finding{{Code: "date", Text: "Digits 7 to 14 are no day of the calendar.", Zh: "第7至14位不是有效日期。"}}
		}
		return nil
	}
	return []Finding{{Code: "length", Text: fmt.Sprintf("A foreigner's permanent residence number has 15 or 18 characters, not %d.", len(s)), Zh: fmt.Sprintf("外国人永久居留身份证号应为15位或18位，实为%d位。", len(s))}}
}

func checkLead(s, lead string, least, most int, text, zh string) []Finding {
	if found := checkForm(s, least, most, text, zh, alphanumeric); found != nil {
		return found
	}
	if !strings.ContainsRune(lead, rune(s[0])) || digits(s[1:]) < len(s)-1 {
		return []Finding{{Code: "characters", Text: "A number of a " + text + " is one of the letters " + lead + " and digits.", Zh: zh + "号码应为字母" + lead + "之一加数字。"}}
	}
	return nil
}

func checkForm(s string, least, most int, text, zh string, ok func(string) bool) []Finding {
	if len(s) < least || len(s) > most {
		return []Finding{{Code: "length", Text: fmt.Sprintf("A number of a %s has %d to %d characters, not %d.", text, least, most, len(s)), Zh: fmt.Sprintf("%s号码应为%d至%d位，实为%d位。", zh, least, most, len(s))}}
	}
	if !ok(s) {
		return []Finding{{Code: "characters", Text: "Only letters and digits belong into the number.", Zh: "号码只能是字母和数字。"}}
	}
	return nil
}

const maxNumber = 40 // characters of a number that count

// foldNumber leaves letters and digits, upper case, half width.
func foldNumber(s string) string {
	var b strings.Builder
	for i, r := range norm.NFKC.String(s) {
		if i > 8*maxNumber || b.Len() >= maxNumber {
			break
		}
		switch {
		case r >= '0' && r <= '9', r >= 'A' && r <= 'Z':
			b.WriteByte(byte(r))
		case r >= 'a' && r <= 'z':
			b.WriteByte(byte(r - 32))
		case r == '×' || r == 'Ⅹ' || r == 'Х' || r == 'х':
			b.WriteByte('X')
		}
	}
	return b.String()
}

// dummy numbers stand for none: one digit again and again, digits in a row, almost all zeros.
func dummy(s string) bool {
	if len(s) < 4 {
		return true
	}
	same, up, down, zeros := 0, 0, 0, 0
	for i := 0; i < len(s); i++ {
		if s[i] == '0' {
			zeros++
		}
		if i == 0 {
			continue
		}
		switch {
		case s[i] == s[i-1]:
			same++
		case s[i] == s[i-1]+1 || s[i-1] == '9' && s[i] == '0':
			up++
		case s[i]+1 == s[i-1] || s[i-1] == '0' && s[i] == '9':
			down++
		}
	}
	n := len(s) - 1
	return same >= n-1 && len(s) > 5 || same == n || up >= n-1 && len(s) > 5 || up == n || down == n || zeros >= len(s)-1
}

func digits(s string) int {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}

func letters(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}

func alphanumeric(s string) bool {
	for i := 0; i < len(s); i++ {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'A' || s[i] > 'Z') {
			return false
		}
	}
	return true
}

// validCheckDigit says whether the 18th character fits the 17 before (ISO 7064 MOD 11-2).
func validCheckDigit(s string) bool {
	if len(s) != 18 || digits(s[:17]) < 17 {
		return false
	}
	return checkDigit(s) == s[17]
}

func checkDigit(s string) byte {
	sum := 0
	for i, w := range [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += int(s[i]-'0') * w
	}
	return "10X98765432"[sum%11]
}

// upgrade makes 18 characters of the 15 issued until 1999, whatever day they say; 996 to 999 were for people born before 1900.
func upgrade(s string) string {
	century := "19"
	if s[12:] >= "996" {
		century = "18"
	}
	s = s[:6] + century + s[6:]
	return s + string(checkDigit(s))
}

// number is an identity document's number as it is compared.
type number struct {
	value string // folded; 15 digits completed to 18
	valid bool   // the check digit and the day fit: it is somebody's number
	old   bool   // completed; its check digit says nothing
	lent  bool   // a parent's number on a child's record: its birthday is much earlier than the record's
	kind  uint8
}

const (
	plainNumber uint8 = iota
	residentNumber
	foreignNumber
	passportNumber
	permitNumber
)

// readNumber folds an identity number; ok is false for none and dummies.
func readNumber(system, value string) (n number, ok bool) {
	s := foldNumber(value)
	if dummy(s) {
		return n, false
	}
	n.value = s
	switch system {
	case ResidentID:
		n.kind = residentNumber
		if len(s) == 15 && digits(s) == 15 {
			n.value, n.old = upgrade(s), true
			born, err := time.Parse("20060102", n.value[6:14])
			n.valid = err == nil && born.Year() > 1850
		} else if r, ok := fhir.ParseResident(s); ok {
			n.valid = r.Number == s
		}
	case ForeignResident:
		n.kind = foreignNumber
		n.valid = checkForeign(s) == nil
	case Passport:
		n.kind = passportNumber
	case HongKongMacau, Taiwan:
		n.kind = permitNumber
	}
	return n, true
}

// lend marks a number that is not the record's own: its day is 14 years or more before the record's birthday, and no slip explains that.
func (n *number) lend(birth date) {
	if n.kind != residentNumber || !n.valid || len(n.value) != 18 || birth.year == 0 {
		return
	}
	day := 0
	for _, c := range n.value[6:14] {
		day = day*10 + int(c-'0')
	}
	n.lent = int(birth.year)-day/10000 >= 14 && (!birth.whole() || slips(birth.number(), day) > 2)
}

// GuessSystem says what kind of number a column of mixed identity numbers holds, by its form.
func GuessSystem(value string) string {
	s := foldNumber(value)
	switch {
	case (len(s) >= 14 && len(s) <= 19) && digits(s) >= len(s)-1:
		return ResidentID
	case len(s) == 15 && letters(s[:3]) && digits(s[3:]) == 12:
		return ForeignResident
	case len(s) >= 9 && len(s) <= 11 && (s[0] == 'H' || s[0] == 'M') && digits(s[1:]) == len(s)-1:
		return HongKongMacau
	}
	return NationalID
}
