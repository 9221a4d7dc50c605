package fhir

import (
	"strings"
	"time"
)

// Resident is what an 18-digit resident number says (GB 11643-1999).
type Resident struct {
	Number string // 18 characters, X upper case
	Area   string // GB/T 2260 code of the place of registration, perhaps withdrawn since
	Born   string // YYYY-MM-DD
	Male   bool
}

// ParseResident reads a resident number of 18 digits, or of 15 (issued until 1999), which it
// completes; false when the length, date or check character is wrong. It says nothing about the future:
// whether the birthday is past is the caller's clock.
func ParseResident(s string) (Resident, bool) {
	s = strings.ToUpper(strings.TrimSpace(s))
	if len(s) == 15 && run(s, 0) == 15 {
		century := "19"
		if s[12:] >= "996" { // 996 to 999 were kept for people born before 1900
			century = "18"
		}
		s = s[:6] + century + s[6:]
		s += string(residentCheck(s))
	}
	if len(s) != 18 || run(s, 0) < 17 || residentCheck(s) != s[17] {
		return Resident{}, false
	}
	born := s[6:10] + "-" + s[10:12] + "-" + s[12:14]
	if !IsDate(born) {
		return Resident{}, false
	}
	return Resident{Number: s, Area: s[:6], Born: born, Male: (s[16]-'0')%2 == 1}, true
}

// residentCheck is the check character of the first 17 digits, ISO 7064 MOD 11-2.
func residentCheck(s string) byte {
	sum := 0
	for i, w := range [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += int(s[i]-'0') * w
	}
	return "10X98765432"[sum%11]
}

// ResidentNumber makes the number for an area (six digits), a birthday and a sequence 0 to 999 whose
// last digit is odd for a man.
func ResidentNumber(area string, born time.Time, sequence int) string {
	s := area + born.Format("20060102") + string([]byte{'0' + byte(sequence/100%10), '0' + byte(sequence/10%10), '0' + byte(sequence%10)})
	return s + string(residentCheck(s))
}

const creditAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// IsCreditCode verifies a unified social credit code of 18 characters (GB 32100-2015).
func IsCreditCode(s string) bool {
	if len(s) != 18 {
		return false
	}
	sum, weight := 0, 1
	for i := range 17 {
		v := strings.IndexByte(creditAlphabet, s[i])
		if v < 0 {
			return false
		}
		sum += v * weight
		weight = weight * 3 % 31
	}
	return creditAlphabet[(31-sum%31)%31] == s[17] && IsOrganisationCode(s[8:17])
}

// IsOrganisationCode verifies an organisation code of 9 characters (GB 11714-1997), with or without hyphen.
func IsOrganisationCode(s string) bool {
	s = strings.Replace(s, "-", "", 1)
	if len(s) != 9 {
		return false
	}
	sum := 0
	for i, w := range [8]int{3, 7, 9, 10, 5, 8, 4, 2} {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			sum += int(c-'0') * w
		case c >= 'A' && c <= 'Z':
			sum += int(c-'A'+10) * w
		default:
			return false
		}
	}
	return "0123456789X0"[11-sum%11] == s[8]
}

// PhoneDigits is the form in which a telephone number is compared: digits only, without +86 or 0086.
func PhoneDigits(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b = append(b, byte(r))
		case r >= '０' && r <= '９':
			b = append(b, byte(r-'０')+'0')
		}
	}
	d := string(b)
	switch {
	case strings.HasPrefix(d, "0086") && len(d) > 10:
		d = d[4:]
	case strings.HasPrefix(d, "86") && (len(d) == 13 || strings.HasPrefix(strings.TrimSpace(s), "+86")):
		d = d[2:]
	}
	return d
}
