package countersign

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/indicator"
)

var indicators = []indicator.Definition{
	{Code: "in-time", Version: "1", Name: flow.Name{Zh: "24 小时审签率", En: "Countersigned within 24 h"}, Unit: "%", Direction: "up", Source: "network", Share: true,
		Text: flow.Name{Zh: "提请审签的记录中，24 小时内已审签的占比", En: "Countersigned within 24 h, among what was submitted"},
		When: func(f indicator.Fact) time.Time { return f.Reached(Waiting) },
		Numerator: func(f indicator.Fact) bool {
			at := f.Reached(Countersigned)
			return !at.IsZero() && at.Sub(f.Reached(Waiting)) <= 24*hour
		}},
	{Code: "returned", Version: "1", Name: flow.Name{Zh: "退回率", En: "Returned"}, Unit: "%", Direction: "watch", Source: "network", Share: true,
		Text: flow.Name{Zh: "提请审签的记录中，曾被退回补充的占比", En: "Returned at least once, among what was submitted"},
		When: func(f indicator.Fact) time.Time { return f.Reached(Waiting) },
		Numerator: func(f indicator.Fact) bool {
			return !f.Reached(Returned).IsZero()
		}},
}
