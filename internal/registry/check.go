package registry

import (
	"regexp"
	"strings"
)

const creditAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// IsCreditCode verifies the 18 characters of a unified social credit code and its check character (GB 32100-2015),
// and that of the organisation code within it (GB 11714-1997).
func IsCreditCode(s string) bool {
	if len(s) != 18 || strings.Trim(s[2:8], "0123456789") != "" {
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
	return creditAlphabet[(31-sum%31)%31] == s[17] && organisationCheck(s[8:16]) == s[16]
}

// CreditCodeOf completes the first 8 characters and an organisation code of 8: for tests and the made-up region.
func CreditCodeOf(head, organisation string) string {
	s := head + organisation + string(organisationCheck(organisation))
	sum, weight := 0, 1
	for i := range 17 {
		sum += strings.IndexByte(creditAlphabet, s[i]) * weight
		weight = weight * 3 % 31
	}
	return s + string(creditAlphabet[(31-sum%31)%31])
}

// organisationCheck: weights 3 7 9 10 5 8 4 2, letters counting from 10.
func organisationCheck(s string) byte {
	sum := 0
	for i, w := range []int{3, 7, 9, 10, 5, 8, 4, 2} {
		v := int(s[i] - '0')
		if s[i] >= 'A' {
			v = int(s[i]-'A') + 10
		}
		sum += v * w
	}
	switch c := 11 - sum%11; c {
	case 10:
		return 'X'
	case 11:
		return '0'
	default:
		return byte('0' + c)
	}
}

var (
	// organisation code 9, area 6, kind of economy 2, kind of institution 4, kind of administration 1
	institutionForm = regexp.MustCompile(`^[0-9A-Z]{8}[0-9X][0-9]{6}[0-9]{2}[A-Z][0-9]{3}[0-9]$`)
	insuranceForm   = regexp.MustCompile(`^H[0-9]{11}$`)
	areaForm        = regexp.MustCompile(`^[0-9]{6}([0-9]{3}([0-9]{3})?)?$`)
)

// IsInstitutionCode verifies the shape of the 22 characters of an institution's licence.
func IsInstitutionCode(s string) bool { return institutionForm.MatchString(s) && isProvince(s[9:11]) }

// IsInsuranceCode verifies the shape of the insurance's code of an institution.
func IsInsuranceCode(s string) bool { return insuranceForm.MatchString(s) }

// IsArea verifies the shape of an area code of 6, 9 or 12 digits; counties come and go, provinces stay.
func IsArea(s string) bool { return areaForm.MatchString(s) && isProvince(s[:2]) }

// provinces of GB/T 2260; 99 is unassigned and stands for what is made up.
var provinces = " 11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 99 "

func isProvince(s string) bool { return strings.Contains(provinces, " "+s+" ") }
