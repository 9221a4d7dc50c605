package personreview

import (
	"slices"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
)

var pairRules = map[string][]line.Rule{
	"accept": {needsWordsForOther},
	"reject": {needsWordsForOther},
	"ask":    {needsOneOfTheHospitals, needsWordsForOther},
}

func refuse(detail, en, zh string) error {
	return fhir.Refuse(422, "business-rule", detail, en, zh)
}

// "Other" says nothing without words.
func needsWordsForOther(c line.Call) error {
	if c.Params.Str("reason") == "other" && !c.Params.Has("note") {
		return refuse("needs-words", "say in words why", "选择“其他”时请用文字说明")
	}
	return nil
}

// Only a hospital whose record it is can look at the paper.
func needsOneOfTheHospitals(c line.Call) error {
	if asked := whom(c); asked == "" || !slices.Contains(hospitals(c.Task), asked) {
		return refuse("not-its-record", "ask one of the hospitals whose records these are", "只能询问这两份记录所属的医院")
	}
	return nil
}

func hospitals(task *fhir.Node) (list []string) {
	for _, v := range line.Facts(task, "hospital") {
		list = append(list, v.Str("reference"))
	}
	return list
}

// whom a question goes to: the hospital named, else the only one that is not the desk's own.
func whom(c line.Call) string {
	if h := c.Params.Str("hospital"); h != "" {
		return h
	}
	others := slices.DeleteFunc(hospitals(c.Task), func(h string) bool { return h == c.Task.Str("owner.reference") })
	if len(others) == 1 {
		return others[0]
	}
	return ""
}
