package safeguard

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/indicator"
)

var indicators = []indicator.Definition{
	{Code: "in-time", Version: "1", Name: flow.Name{Zh: "24 小时内报告率", En: "Reported within 24 h"}, Unit: "%", Direction: "up", Source: "network", Share: true,
		Text: flow.Name{Zh: "疑似侵害中，24 小时内已向主管机关报告的占比", En: "Reported to the authority within 24 h, among suspicions"},
		When: func(f indicator.Fact) time.Time { return f.Reached(Suspected) },
		Numerator: func(f indicator.Fact) bool {
			at := f.Reached(Reported)
			return !at.IsZero() && at.Sub(f.Reached(Suspected)) <= 24*hour
		}},
}
