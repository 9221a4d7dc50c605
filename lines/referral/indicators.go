package referral

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/indicator"
)

// Sources: the response limits are the network's own promise; 国考 is 三级公立医院绩效监测 (2025).
var indicators = []indicator.Definition{
	inTime(flow.Emergency, "急诊", "15 分钟"),
	inTime(flow.Urgent, "紧急", "2 小时"),
	inTime(flow.Routine, "普通", "24 小时"),
	{Code: "response-median", Version: "1", Name: flow.Name{Zh: "接收响应时间（中位数）", En: "Response time, median"}, Unit: "min", Direction: "down", Source: "network",
		Text: flow.Name{Zh: "从提交到接收的分钟数之中位数；旁列已答复者占比", En: "Median minutes from submission to receipt; beside it the share that was answered"},
		When: submitted, Measure: func(f indicator.Fact) (float64, bool) {
			at := answered(f)
			return at.Sub(submitted(f)).Minutes(), !at.IsZero()
		}},
	{Code: "acceptance", Version: "1", Name: flow.Name{Zh: "接诊率", En: "Accepted"}, Unit: "%", Direction: "up", Source: "network", Share: true,
		Text: flow.Name{Zh: "已有结论的上转中，接诊或以建议答复的占比", En: "Accepted or answered with advice, among decided up-referrals"},
		When: decided, Numerator: func(f indicator.Fact) bool { return !f.Reached(Accepted, NoBed, BedHeld, Advised, Arrived).IsZero() }},
	{Code: "redirects", Version: "1", Name: flow.Name{Zh: "转往他院率", En: "Redirected"}, Unit: "%", Direction: "watch", Source: "network", Share: true,
		Text: flow.Name{Zh: "已有结论的上转中，转往他院的占比", En: "Redirected, among decided up-referrals"},
		When: decided, Numerator: func(f indicator.Fact) bool { return !f.Reached(Redirected).IsZero() }},
	{Code: "down-referrals", Version: "1", Name: flow.Name{Zh: "下转患者人次数", En: "Patients sent down"}, Unit: "例", Direction: "up", Source: "国考 2 (2025)",
		Text: flow.Name{Zh: "下级机构已承接的下转例数", En: "Down-referrals that the receiver accepted"},
		When: func(f indicator.Fact) time.Time { return of(f, "down", f.Reached(Accepted)) }},
	{Code: "complete-loop", Version: "1", Name: flow.Name{Zh: "闭环率", En: "Complete loops"}, Unit: "%", Direction: "up", Source: "network", Share: true,
		Text: flow.Name{Zh: "已到院的上转中，已完成诊治并结案或下转的占比", En: "Closed or sent back, among up-referrals that arrived"},
		When: func(f indicator.Fact) time.Time { return of(f, "up", f.Reached(Arrived)) },
		Numerator: func(f indicator.Fact) bool {
			return !f.Reached(Ended).IsZero() || !f.At("send-back").IsZero()
		}},
	{Code: "follow-ups-on-time", Version: "1", Name: flow.Name{Zh: "按时随访率", En: "Follow-ups on time"}, Unit: "%", Direction: "up", Source: "network", Share: true,
		Text: flow.Name{Zh: "下转后已结束的随访中，随访日前后 2 天内由承接机构完成（含发现危险信号）的占比；县级接管的，原任务与接管任务各计一次", En: "Made by the receiver within two days of their day, red flags included, among follow-ups that have ended; one taken over counts for both"},
		When: visitEnded, Numerator: func(f indicator.Fact) bool {
			return !f.Reached(FollowedUp, Flagged, FlaggedUp).IsZero() && f.At("take-over").IsZero()
		}},
	{Code: "red-flags-up", Version: "1", Name: flow.Name{Zh: "危险信号上转率", En: "Red flags that came up"}, Unit: "%", Direction: "watch", Source: "network", Share: true,
		Text:      flow.Name{Zh: "随访发现的危险信号中，随即经本系统发起上转的占比", En: "Referred up at once, among red flags seen at a follow-up"},
		When:      func(f indicator.Fact) time.Time { return of(f, "follow-up", f.Reached(Flagged, FlaggedUp)) },
		Numerator: func(f indicator.Fact) bool { return !f.Reached(FlaggedUp).IsZero() }},
	{Code: "bed-in-hand", Version: "1", Name: flow.Name{Zh: "带床到院率", En: "Arrived with a bed in hand"}, Unit: "%", Direction: "up", Source: "network", Share: true,
		Text: flow.Name{Zh: "收住院且须候床的上转中，到达前已留床的占比", En: "A bed was held before arrival, among referrals accepted for admission that waited for one"},
		When: func(f indicator.Fact) time.Time {
			if f.Reached(NoBed, BedHeld).IsZero() {
				return time.Time{}
			}
			return of(f, "up", f.Reached(Arrived))
		},
		Numerator: func(f indicator.Fact) bool {
			at := f.At("hold-bed", "take-bed")
			if at.IsZero() {
				at = f.Reached(BedHeld)
			}
			return !at.IsZero() && !at.After(f.Reached(Arrived))
		}},
}

func inTime(u flow.Urgency, zh, limit string) indicator.Definition {
	s, _ := up.State(Submitted)
	return indicator.Definition{Code: "response-" + string(u), Version: "1", Name: flow.Name{Zh: zh + "按时接收率", En: "Received in time, " + string(u)}, Unit: "%", Direction: "up", Source: "network", Share: true,
		Text: flow.Name{Zh: zh + "转诊中，提交后 " + limit + "内接收的占比", En: "Received within " + s.Within[u].String() + " of submission"},
		When: func(f indicator.Fact) time.Time {
			if f.Urgency != u {
				return time.Time{}
			}
			return submitted(f)
		},
		Numerator: func(f indicator.Fact) bool {
			at := answered(f)
			return !at.IsZero() && at.Sub(submitted(f)) <= s.Within[u]
		}}
}

func of(f indicator.Fact, code string, at time.Time) time.Time {
	if f.Flow != code {
		return time.Time{}
	}
	return at
}

func submitted(f indicator.Fact) time.Time { return of(f, "up", f.Reached(Submitted)) }

func visitEnded(f indicator.Fact) time.Time {
	return of(f, "follow-up", f.Reached(FollowedUp, VisitedLate, Flagged, FlaggedUp, Lost, Died, TakenOver))
}

// answered is when the other side first did anything but let the time pass.
func answered(f indicator.Fact) time.Time {
	for _, s := range f.Steps {
		if s.Org == f.Owner {
			return s.At
		}
	}
	return time.Time{}
}

func decided(f indicator.Fact) time.Time {
	return of(f, "up", f.Reached(Accepted, NoBed, BedHeld, Advised, Declined, Redirected, Arrived))
}
