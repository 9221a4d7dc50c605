package secondlook

import (
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/line"
)

// notOneself: nobody judges what he opened himself.
func notOneself(c line.Call) error {
	if marks := line.History(c.Task); len(marks) > 0 && marks[0].Author != "" && marks[0].Author == c.By.Practitioner {
		return fhir.Refuse(403, "forbidden", "own-case", "somebody else judges what you opened yourself", "不能复核本人的紧急调阅")
	}
	return nil
}
