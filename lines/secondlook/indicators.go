package secondlook

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/indicator"
)

var indicators = []indicator.Definition{
	{Code: "break-glass", Version: "1", Name: flow.Name{Zh: "紧急调阅次数", En: "Records opened in an emergency"}, Unit: "次", Direction: "watch", Source: "network",
		Text: flow.Name{Zh: "以紧急理由打开的病历次数", En: "How often a closed record was opened for an emergency"}, When: opened},
	{Code: "looked-in-time", Version: "1", Name: flow.Name{Zh: "72 小时内复核率", En: "Looked at within 72 hours"}, Unit: "%", Direction: "up", Source: "network", Share: true,
		Text: flow.Name{Zh: "72 小时内得到复核（含要求说明）的占比", En: "Judged, or asked about, within 72 hours"}, When: opened,
		Numerator: func(f indicator.Fact) bool {
			at := first(f, "justify", "reject", "ask")
			return !at.IsZero() && at.Sub(opened(f)) <= Within
		}},
	{Code: "unjustified", Version: "1", Name: flow.Name{Zh: "理由不成立率", En: "Not justified"}, Unit: "%", Direction: "down", Source: "network", Share: true,
		Text:      flow.Name{Zh: "已复核的紧急调阅中，理由不成立的占比", En: "Not justified, among those judged"},
		When:      func(f indicator.Fact) time.Time { return first(f, "justify", "reject") },
		Numerator: func(f indicator.Fact) bool { return !f.At("reject").IsZero() }},
}

func opened(f indicator.Fact) time.Time { return f.At("opened") }

func first(f indicator.Fact, steps ...string) (at time.Time) {
	for _, s := range steps {
		if t := f.At(s); !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	return at
}
