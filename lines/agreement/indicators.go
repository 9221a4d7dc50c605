package agreement

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/agreement"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/indicator"
)

var indicators = []indicator.Definition{
	{Code: "active", Version: "1", Name: flow.Name{Zh: "生效协议数", En: "Agreements in force"}, Unit: "份", Direction: "up", Source: "network",
		Text: flow.Name{Zh: "期内生效且现仍生效的协议数", En: "Agreements that came into force in the period and still are"},
		When: reached(agreement.Active), Numerator: func(f indicator.Fact) bool { return f.State == agreement.Active }},
	{Code: "suspensions", Version: "1", Name: flow.Name{Zh: "暂停次数", En: "Suspended"}, Unit: "份", Direction: "watch", Source: "network",
		Text: flow.Name{Zh: "期内曾被暂停的协议数", En: "Agreements that were suspended in the period"}, When: reached(agreement.Suspended)},
	{Code: "time-to-sign", Version: "1", Name: flow.Name{Zh: "签署用时（中位数）", En: "Time to sign, median"}, Unit: "h", Direction: "down", Source: "network",
		Text: flow.Name{Zh: "从发起到双方签署的小时数之中位数；旁列已签署者占比", En: "Median hours from proposal to both signatures; beside it the share that was signed"},
		When: reached(agreement.Proposed), Measure: func(f indicator.Fact) (float64, bool) {
			at := f.Reached(agreement.Signed)
			return at.Sub(f.Reached(agreement.Proposed)).Hours(), !at.IsZero()
		}},
}

func reached(state string) func(indicator.Fact) time.Time {
	return func(f indicator.Fact) time.Time { return f.Reached(state) }
}
