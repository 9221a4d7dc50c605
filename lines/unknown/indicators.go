package unknown

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/indicator"
)

var indicators = []indicator.Definition{
	{Code: "identified", Version: "1", Name: flow.Name{Zh: "身份查明率", En: "Identified"}, Unit: "%", Direction: "up", Source: "network", Share: true,
		Text: flow.Name{Zh: "登记的身份不明患者中已查明的占比", En: "Identified, among unknown patients registered"},
		When: admitted, Numerator: func(f indicator.Fact) bool { return !f.Reached(Identified).IsZero() }},
	{Code: "time-to-report", Version: "1", Name: flow.Name{Zh: "报公安用时（中位数）", En: "Time to report, median"}, Unit: "min", Direction: "down", Source: "network",
		Text: flow.Name{Zh: "从登记到报公安的分钟数之中位数；旁列已报者占比", En: "Median minutes from registration to the police; beside it the share reported"},
		When: admitted, Measure: func(f indicator.Fact) (float64, bool) {
			at := f.Reached(Reported)
			return at.Sub(f.Reached(Unidentified)).Minutes(), !at.IsZero()
		}},
}

func admitted(f indicator.Fact) time.Time {
	if f.Flow != "identify" {
		return time.Time{}
	}
	return f.Reached(Unidentified)
}
