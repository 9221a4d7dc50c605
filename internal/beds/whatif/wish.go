package whatif

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/beds/simulate"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Wish is what somebody wants to know.
type Wish struct {
	Source   string   `json:"source"`         // region: the made-up centre; history: the institution's own beds and stays
	Pool     string   `json:"pool,omitempty"` // of a history
	Days     int      `json:"days"`
	Seeds    int      `json:"seeds"`
	Load     float64  `json:"load,omitempty"`
	Policies []string `json:"policies,omitempty"`
	Reserves []int    `json:"reserves,omitempty"`
	Home     bool     `json:"home,omitempty"`
}

// Bounds of one simulation.
const (
	mostPlayed  = 6_000_000 // admissions, over seeds, policies and reserves
	fewestStays = 200       // of a history: fewer say little, and something of each
	mostStays   = 400_000
)

var tooMuch = fhir.Refuse(422, "too-costly", "too-much-to-simulate", "fewer days, seeds, policies or reserves, please; the command xinglin simulate beds has no such bound",
	"计算量过大：请减少天数、重复次数、分配办法或预留方案（命令行 xinglin simulate beds 不受此限）")

// Check bounds what is asked; what is not said is filled in.
func (a *Wish) Check() error {
	wrong := func(field, en, zh string) error {
		return fhir.Refuse(422, "value", "bad-"+field, en, zh)
	}
	a.Source, a.Days, a.Seeds = cmp.Or(a.Source, "region"), cmp.Or(a.Days, 365), cmp.Or(a.Seeds, 10)
	if len(a.Policies) == 0 {
		a.Policies = []string{"own", "neighbours", "pool", "weighted"}
	}
	if len(a.Reserves) == 0 {
		a.Reserves = []int{0}
	}
	if a.Source == "region" {
		a.Pool = ""
	}
	switch {
	case a.Source != "region" && a.Source != "history":
		return wrong("source", "source is region or history", "数据来源只能是示例或本院历史")
	case a.Source == "history" && a.Pool == "":
		return wrong("pool", "say whose history", "请选择机构")
	case a.Days < 14 || a.Days > 1100:
		return wrong("days", "14 to 1100 days", "天数须在 14 至 1100 之间")
	case a.Seeds < 1 || a.Seeds > 60:
		return wrong("seeds", "1 to 60 seeds", "重复次数须在 1 至 60 之间")
	case a.Load != 0 && (a.Load < 0.3 || a.Load > 1.3):
		return wrong("load", "a load of 0.3 to 1.3", "负荷须在 30% 至 130% 之间")
	case len(a.Reserves) > 25 || slices.ContainsFunc(a.Reserves, func(k int) bool { return k < 0 || k > 200 }):
		return wrong("reserves", "up to 25 reserves of 0 to 200 beds", "预留方案不超过 25 个，每个 0 至 200 张")
	}
	if _, err := simulate.Named(a.Policies); err != nil || len(a.Policies) > len(simulate.Policies) {
		return wrong("policies", "policies are own, neighbours, pool, weighted", "分配办法无法识别")
	}
	return nil
}

// experiment is what is played; past is nil where the made-up centre is.
func (a *Wish) experiment(past *beds.Past) (e *simulate.Experiment, zh, en string, err error) {
	admissions := 0.0
	if past == nil {
		h := simulate.Shipped()
		warmup := min(90, a.Days)
		if e, err = simulate.GeneratedFrom(h, a.Days, warmup, a.Load); err != nil {
			return nil, "", "", err
		}
		e.First, zh, en = 1, h.Name, h.En
		admissions = 90 * float64(a.Days+warmup) * max(1, a.Load)
	} else {
		stays := past.Stays
		if len(stays) > mostStays {
			return nil, "", "", tooMuch
		}
		var recorded *simulate.Recorded
		if len(stays) >= fewestStays {
			recorded, err = simulate.NewRecorded(stays, &past.Pool)
		}
		if recorded == nil || err != nil {
			return nil, "", "", fhir.Refuse(422, "business-rule", "too-little-history", fmt.Sprintf("%d stays in that time; at least %d are needed", len(stays), fewestStays),
				fmt.Sprintf("该时段只有 %d 次住院记录，至少需要 %d 次", len(stays), fewestStays))
		}
		e = &simulate.Experiment{Source: recorded, Options: simulate.Options{Cleaning: 45 * time.Minute, Rules: past.Rules}}
		admissions, zh, en = float64(len(stays)), "本院历史", "own history"
	}
	if admissions*float64(a.Seeds*len(a.Policies)*len(a.Reserves)) > mostPlayed {
		return nil, "", "", tooMuch
	}
	e.Seeds, e.Reserves, e.Options.Home = a.Seeds, a.Reserves, a.Home
	e.Policies, err = simulate.Named(a.Policies)
	return e, zh, en, err
}

// Of is how many plays it is.
func (a *Wish) Of() int { return a.Seeds * len(a.Policies) * len(a.Reserves) }

// since is from when a history is read.
func (a *Wish) since(now time.Time) time.Time { return now.AddDate(0, 0, -a.Days) }

// Past is an institution's register of beds and its stays since a time.
type Past func(ctx context.Context, institution string, since time.Time) (*beds.Past, error)
