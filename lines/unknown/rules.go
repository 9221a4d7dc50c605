package unknown

import (
	"regexp"
	"strconv"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
)

var rules = map[string][]line.Rule{
	"admit":    {needsPlausibleAge},
	"identify": {needsPerson},
}

func refuse(detail, en, zh string) error {
	return fhir.Refuse(422, "business-rule", detail, en, zh)
}

func needsPlausibleAge(c line.Call) error {
	if age := c.Params.Str("age"); age != "" {
		if n, err := strconv.Atoi(age); err != nil || n < 0 || n > 120 {
			return refuse("bad-age", "an estimated age is a number of years up to 120", "估计年龄应为 0–120 的整数")
		}
	}
	return nil
}

var resident = regexp.MustCompile(`^[0-9]{17}[0-9X]$`)

// Who it is: a record that one may read, or a name.
func needsPerson(c line.Call) error {
	person := c.Params.Str("person")
	if person == "" {
		if !c.Params.Has("name") {
			return refuse("needs-name", "choose the person's record or write the name", "请选择本人档案，或填写姓名")
		}
		if id := c.Params.Str("id-number"); id != "" && !validResident(id) {
			return refuse("bad-id-number", "no valid resident number", "身份证号有误，请核对")
		}
		return nil
	}
	n := c.Read.Get(person)
	switch {
	case n == nil:
		return refuse("unknown-patient", "the patient does not exist or is not visible to you", "找不到该患者，或您无权查看")
	case person == c.Task.Str("for.reference"):
		return refuse("same-patient", "that is the temporary record itself", "这就是临时登记的记录，请选择本人档案")
	case n.Str("active") == "false" || n.Get("link") != nil && n.Str("link[0].type") == "replaced-by":
		return refuse("replaced-patient", "that record has been replaced itself", "该档案已被替代，请选择现用档案")
	}
	return nil
}

// validResident checks an 18-digit number (GB 11643-1999, ISO 7064 MOD 11-2).
func validResident(id string) bool {
	if !resident.MatchString(id) {
		return false
	}
	sum := 0
	for i, weight := range []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += int(id[i]-'0') * weight
	}
	return "10X98765432"[sum%11] == id[17]
}
