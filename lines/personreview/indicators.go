package personreview

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/indicator"
)

var indicators = []indicator.Definition{
	{Code: "open-pairs", Version: "1", Name: flow.Name{Zh: "未决疑似重复", En: "Open pairs"}, Unit: "例", Direction: "down", Source: "network",
		Text: flow.Name{Zh: "尚未核对的疑似同一人", En: "Pairs that nobody has decided yet"}, When: found,
		Numerator: func(f indicator.Fact) bool { return f.Kind == flow.Open }},
	{Code: "time-to-decide", Version: "1", Name: flow.Name{Zh: "核对用时（中位数）", En: "Time to decide, median"}, Unit: "min", Direction: "down", Source: "network",
		Text: flow.Name{Zh: "从发现到核对的分钟数之中位数；旁列已核对者占比", En: "Median minutes from finding to deciding; beside it the share decided"}, When: found,
		Measure: func(f indicator.Fact) (float64, bool) {
			at := decided(f)
			return at.Sub(found(f)).Minutes(), !at.IsZero()
		}},
	{Code: "duplicates", Version: "1", Name: flow.Name{Zh: "确认重复率", En: "Duplicates"}, Unit: "%", Direction: "watch", Source: "network", Share: true,
		Text: flow.Name{Zh: "已核对的疑似重复中，确认为同一人的占比", En: "Found to be one person, among the pairs decided"}, When: decided,
		Numerator: func(f indicator.Fact) bool { return f.State == Accepted }},
	{Code: "undone-links", Version: "1", Name: flow.Name{Zh: "错误合并", En: "Wrong links"}, Unit: "例", Direction: "down", Source: "network",
		Text: flow.Name{Zh: "被撤销的记录合并，目标为零；每告知一家医院计一例", En: "Links that were undone, aimed at none; one for each hospital told"}, When: func(f indicator.Fact) time.Time { return f.At("undo") }},
}

func found(f indicator.Fact) time.Time { return f.At("open") }

func decided(f indicator.Fact) time.Time {
	if at := f.At("accept"); !at.IsZero() {
		return at
	}
	return f.At("reject")
}
