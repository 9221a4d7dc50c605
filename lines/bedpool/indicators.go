package bedpool

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/indicator"
	"github.com/xinglin-health/xinglin/internal/line"
)

// Sources: all are the network's own; occupancy and lent days by ward stand with the beds, which know every bed.
var indicators = []indicator.Definition{
	wait(flow.Emergency, "急诊", 50), wait(flow.Emergency, "急诊", 90),
	wait(flow.Urgent, "紧急", 50), wait(flow.Urgent, "紧急", 90),
	wait(flow.Routine, "择期", 50), wait(flow.Routine, "择期", 90),
	{Code: "still-waiting", Version: "1", Name: flow.Name{Zh: "在候人数", En: "Still waiting"}, Unit: "例", Direction: "down", Source: "network",
		Text: flow.Name{Zh: "期内提出、至今仍在候床的住院申请", En: "Admissions asked for in the period that wait to this day"}, When: asked,
		Numerator: func(f indicator.Fact) bool { return f.State == Waiting }},
	{Code: "cross-ward", Version: "1", Name: flow.Name{Zh: "借床率", En: "Cross-ward share"}, Unit: "%", Direction: "watch", Source: "network", Share: true,
		Text: flow.Name{Zh: "经住院申请入科者中，入住其他科室床位的占比；主管科室不变", En: "Taken into another department's bed, among those who came by an admission; the responsible department stays"},
		When: func(f indicator.Fact) time.Time { return of(f, "stay", f.At("take-in", lent)) },
		Numerator: func(f indicator.Fact) bool {
			return !f.At(lent).IsZero()
		}},
	{Code: "holds-lapsed", Version: "1", Name: flow.Name{Zh: "留床逾期率", En: "Holds lapsed"}, Unit: "%", Direction: "down", Source: "network", Share: true,
		Text: flow.Name{Zh: "留过床的住院申请中，曾有留床到期释放的占比", En: "Admissions with a hold that ran out, among those for which a bed was held"}, When: held,
		Numerator: func(f indicator.Fact) bool { return !f.At("hold-lapsed").IsZero() }},
	{Code: "displaced", Version: "1", Name: flow.Name{Zh: "被急诊占用率", En: "Displaced"}, Unit: "%", Direction: "watch", Source: "network", Share: true,
		Text: flow.Name{Zh: "留过床的住院申请中，床位曾被急诊占用的占比", En: "Admissions whose bed an emergency took, among those for which a bed was held"}, When: held,
		Numerator: func(f indicator.Fact) bool { return !f.At("displaced").IsZero() }},
	{Code: "same-day-bind", Version: "1", Name: flow.Name{Zh: "当日落实率", En: "Bound on the day"}, Unit: "%", Direction: "up", Source: "network", Share: true,
		Text: flow.Name{Zh: "预留名额并落实床位者中，落实当日即入科的占比", En: "Taken in on the day on which the bed was bound, among those whose reserved capacity became a bed"},
		When: func(f indicator.Fact) time.Time { return of(f, "admission", f.At("bind-bed")) },
		Numerator: func(f indicator.Fact) bool {
			return !f.Reached(TakenIn).IsZero() && dayOf(f.Reached(TakenIn)) == dayOf(f.At("bind-bed"))
		}},
	{Code: "no-show", Version: "1", Name: flow.Name{Zh: "未到院率", En: "No-shows"}, Unit: "%", Direction: "down", Source: "network", Share: true,
		Text: flow.Name{Zh: "留过床的住院申请中，患者未到院的占比", En: "Patients who did not come, among those for whom a bed was held"}, When: held,
		Numerator: func(f indicator.Fact) bool { return f.State == NoShow }},
	{Code: "length-of-stay", Version: "1", Name: flow.Name{Zh: "住院日（中位数）", En: "Length of stay, median"}, Unit: "d", Direction: "watch", Source: "network",
		Text: flow.Name{Zh: "从入科到离院的天数之中位数；旁列已离院者占比", En: "Median days from the bed to leaving; beside it the share that has left"},
		When: begun, Measure: func(f indicator.Fact) (float64, bool) {
			at := f.Reached(Left, Died)
			return at.Sub(begun(f)).Hours() / 24, !at.IsZero()
		}},
	{Code: "team-in-time", Version: "1", Name: flow.Name{Zh: "抢救到场及时率", En: "Home team in time"}, Unit: "%", Direction: "up", Source: "network", Share: true,
		Text: flow.Name{Zh: "启动抢救的住院中，主管团队 10 分钟内到场的占比", En: "The home team was there within 10 minutes, among stays with a resuscitation"},
		When: func(f indicator.Fact) time.Time { return of(f, "stay", f.At("call-team")) },
		Numerator: func(f indicator.Fact) bool {
			at := f.At("team-arrived")
			return !at.IsZero() && at.Sub(f.At("call-team")) <= minutes(local.TeamWithin)
		}},
	{Code: "observed-too-long", Version: "1", Name: flow.Name{Zh: "留观超时率", En: "Observed too long"}, Unit: "%", Direction: "down", Source: "network", Share: true,
		Text: flow.Name{Zh: "已结束的急诊留观中，超过 72 小时的占比（自登记起算）", En: "Over 72 hours from registration, among observations that have ended"},
		When: func(f indicator.Fact) time.Time {
			return of(f, "observation", f.Reached(Admitted, Left, Redirected, Died))
		},
		Numerator: func(f indicator.Fact) bool {
			return f.Reached(Admitted, Left, Redirected, Died).Sub(f.At("observe")) > hours(local.LimitHours)
		}},
}

// wait is how long patients of one urgency wait from asking to lying in a bed, at a percentile.
func wait(u flow.Urgency, zh string, percentile int) indicator.Definition {
	code, part, en := "wait-"+string(u), "中位数", "median"
	if percentile == 90 {
		code, part, en = code+"-p90", "第 90 百分位", "90th percentile"
	}
	return indicator.Definition{Code: code, Version: "1", Name: flow.Name{Zh: zh + "候床时间（" + part + "）", En: "Wait, " + string(u) + ", " + en}, Unit: "h", Direction: "down", Source: "network", Percentile: percentile,
		Text: flow.Name{Zh: zh + "住院申请从提出到入科的小时数之" + part + "；旁列已入科者占比", En: "Hours from asking to lying in a bed, " + en + "; beside it the share that has been taken in"},
		When: func(f indicator.Fact) time.Time {
			if f.Urgency != u {
				return time.Time{}
			}
			return asked(f)
		},
		Measure: func(f indicator.Fact) (float64, bool) {
			at := f.Reached(TakenIn)
			return at.Sub(asked(f)).Hours(), !at.IsZero()
		}}
}

func of(f indicator.Fact, code string, at time.Time) time.Time {
	if f.Flow != code {
		return time.Time{}
	}
	return at
}

func asked(f indicator.Fact) time.Time { return of(f, "admission", f.At("request")) }

func held(f indicator.Fact) time.Time { return of(f, "admission", f.Reached(Held)) }

func begun(f indicator.Fact) time.Time { return of(f, "stay", f.At("begin", "take-in", lent)) }

func dayOf(t time.Time) string { return t.In(line.Zone()).Format(time.DateOnly) }
