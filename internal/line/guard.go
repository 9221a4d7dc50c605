package line

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Guard refuses every write of a line's Task, and of the request behind it, that is not a step.
func Guard(lines []*Line) store.Guard {
	return func(_ context.Context, p store.Put, before *fhir.Node) error {
		if p.ByStep {
			return nil
		}
		if p.Type == "ServiceRequest" && before.Str("requisition.system") == RequisitionSystem {
			return fhir.Refuse(422, "business-rule", "only-by-steps", "this request belongs to a case and changes only by the steps of its Task", "此申请单属于流程业务，只能按步骤办理，不能直接修改")
		}
		if p.Type != "Task" {
			return nil
		}
		_, f := find(lines, before)
		if f == nil {
			if _, f = find(lines, p.Resource.Node); f == nil {
				return nil
			}
			return fhir.Refuse(422, "business-rule", "only-by-steps", "a Task of "+f.Code+" begins by POST /fhir/Task/$start", "此类业务只能通过发起操作新建")
		}
		var en, zh []string
		for _, s := range f.From(StateOf(before), Known(before)) {
			en = append(en, "$"+s.Do)
			zh = append(zh, s.Name.Zh)
		}
		return fhir.Refuse(422, "business-rule", "only-by-steps",
			fmt.Sprintf("this Task changes only by steps; open now: %s", strings.Join(slices.Compact(en), ", ")),
			"此业务只能按步骤办理，不能直接修改。现在可以："+strings.Join(slices.Compact(zh), "、"))
	}
}

func find(lines []*Line, task *fhir.Node) (*Line, *Flow) {
	if task == nil {
		return nil, nil
	}
	slug, code := LineOf(task)
	if slug == "" {
		return nil, nil
	}
	for _, l := range lines {
		if l.Slug == slug {
			return l, l.Flow(code)
		}
	}
	return nil, nil
}
