package registry

import "testing"

func TestNumbersOfInstitutionsAreChecked(t *testing.T) {
	for _, c := range []struct {
		rule string
		is   func(string) bool
		code string
		want bool
	}{
		{"the vector of GB 32100", IsCreditCode, "91350100M000100Y43", true},
		{"a wrong check character", IsCreditCode, "91350100M000100Y44", false},
		{"two characters swapped", IsCreditCode, "91350100M001000Y43", false},
		{"a letter that the alphabet lacks", IsCreditCode, "91350100M00010OY43", false},
		{"one short", IsCreditCode, "91350100M000100Y4", false},
		{"a made-up one", IsCreditCode, CreditCodeOf("12990101", "M0000001"), true},
		{"lower case is another code", IsCreditCode, "91350100m000100y43", false},
		{"22 characters", IsInstitutionCode, "PDY99000199010111A1001", true},
		{"21 characters", IsInstitutionCode, "PDY99000199010111A100", false},
		{"a province that is none", IsInstitutionCode, "PDY99000100010111A1001", false},
		{"an insurance code", IsInsuranceCode, "H99010100001", true},
		{"without H", IsInsuranceCode, "199010100001", false},
		{"a county", IsArea, "350102", true},
		{"a village", IsArea, "350102001001", true},
		{"seven digits", IsArea, "3501021", false},
		{"no province", IsArea, "010102", false},
	} {
		if got := c.is(c.code); got != c.want {
			t.Errorf("%s: %q got %v; want %v", c.rule, c.code, got, c.want)
		}
	}
}
