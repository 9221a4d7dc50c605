package simulate

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

// Figure says what a figure is called and how it is written.
type Figure struct {
	Name    string
	Zh, En  string
	Percent bool
}

// Figures are what a report shows, in order.
var Figures = func() []Figure {
	list := []Figure{{"wait.mean", "等床均值（小时）", "wait, mean (h)", false}, {"wait.p50", "　中位数", "  median", false}, {"wait.p90", "　90 分位", "  90th percentile", false}}
	for _, u := range []struct {
		code   allocate.Urgency
		zh, en string
	}{{allocate.Emergency, "急诊", "emergencies"}, {allocate.Urgent, "紧急", "urgent"}, {allocate.Cancer, "肿瘤路径", "cancer pathway"}, {allocate.Elective, "择期", "elective"},
		{transfer, "转出监护", "out of intensive care"}} {
		name := "wait." + string(u.code)
		list = append(list, Figure{name + ".mean", u.zh + "：均值", u.en + ": mean", false}, Figure{name + ".p50", "　中位数", "  median", false},
			Figure{name + ".p90", "　90 分位", "  90th percentile", false})
	}
	return append(list, Figure{"emergency.over4h", "急诊等床超 4 小时", "emergencies over 4 h", true}, Figure{"waiting", "平均候床人数", "waiting on average", false},
		Figure{"occupancy", "床位使用率", "occupancy", true}, Figure{"refused", "未收（转往他处）", "refused or gone elsewhere", true},
		Figure{"crossward", "跨科收治", "in another's ward", true}, Figure{"moves", "每百人迁回", "moved home, of 100", false}, Figure{"promise", "按承诺收治", "promise kept", true})
}()

// compared are the figures whose difference from the first policy is written.
var compared = []string{"wait.mean", "wait.p90", "wait.emergency.mean", "wait.elective.mean", "emergency.over4h", "occupancy", "refused"}

// swept are the columns of a reserve's table.
var swept = []string{"wait.emergency.mean", "emergency.over4h", "wait.urgent.mean", "wait.elective.mean", "wait.elective.p90", "occupancy", "refused"}

func figure(name string) Figure {
	return Figures[slices.IndexFunc(Figures, func(f Figure) bool { return f.Name == name })]
}

func (f Figure) number(v float64) string {
	switch {
	case f.Percent && math.Abs(v) < 0.01:
		return strconv.FormatFloat(100*v, 'f', 2, 64) + " %"
	case f.Percent:
		return strconv.FormatFloat(100*v, 'f', 1, 64) + " %"
	case math.Abs(v) >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case math.Abs(v) >= 1:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

// difference of shares is in percentage points.
func (f Figure) difference(v float64) string {
	text := strings.TrimSuffix(f.number(v), " %")
	if v > 0 {
		text = "+" + text
	}
	return text
}

func (f Figure) write(i Interval) string {
	if i.N == 0 {
		return "-"
	}
	text := f.number(i.Mean)
	if i.N > 1 {
		text = strings.TrimSuffix(text, " %") + " ±" + f.number(i.Half())
	}
	return text
}

// Text writes the report as tables, Chinese with English beside it.
func (r *Report) Text(w io.Writer, title string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", title)
	fmt.Fprintf(&b, "%d 床 beds · %d 病区 wards · %.0f 天 days + %.0f 预热 warm-up · %d 次 seeds · 每次 %.0f 人 admissions each\n", r.Beds, r.Wards, r.Days, r.Warmup, r.Seeds, r.Admissions.Mean)
	if r.Seeds > 1 {
		b.WriteString("± 为 95% 置信区间半宽（各种子间，t 分布）；比较为同一批病人逐次配对 / ± is half of the 95 % interval over seeds; differences are paired by seed\n")
	}
	if len(r.Settings) > 1 {
		r.sweep(&b)
	} else {
		r.table(&b, r.Settings[0])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) table(b *strings.Builder, s Setting) {
	if s.Reserve > 0 {
		fmt.Fprintf(b, "急诊预留 %d 床 / reserve of %d beds for emergencies\n", s.Reserve, s.Reserve)
	}
	rows := [][]string{{""}, {""}}
	for _, p := range s.Policies {
		rows[0], rows[1] = append(rows[0], p.Zh), append(rows[1], p.En)
	}
	for _, f := range Figures {
		row, any := []string{f.Zh + "  " + f.En}, false
		for _, p := range s.Policies {
			i := p.Figures[f.Name]
			any = any || i.N > 0
			row = append(row, f.write(i))
		}
		if any {
			rows = append(rows, row)
		}
	}
	columns(b, rows)
	if len(s.Policies) < 2 {
		return
	}
	fmt.Fprintf(b, "\n与“%s”之差 / difference from \"%s\" (pp: 百分点)\n", s.Policies[0].Zh, s.Policies[0].En)
	rows = nil
	for _, name := range compared {
		f := figure(name)
		row, any := []string{strings.TrimSpace(f.Zh) + "  " + strings.TrimSpace(f.En), ""}, false
		for _, p := range s.Policies[1:] {
			i := p.Against[name]
			any = any || i.N > 0
			text := f.difference(i.Mean)
			if i.N > 1 {
				text = fmt.Sprintf("%s [%s, %s]", text, f.difference(i.Low), f.difference(i.High))
			}
			if f.Percent {
				text += " pp"
			}
			row = append(row, text)
		}
		if any {
			rows = append(rows, row)
		}
	}
	columns(b, rows)
}

func (r *Report) sweep(b *strings.Builder) {
	for p, policy := range r.Settings[0].Policies {
		fmt.Fprintf(b, "\n%s / %s\n", policy.Zh, policy.En)
		zh, en := []string{"预留"}, []string{"reserve"}
		for _, name := range swept {
			f := figure(name)
			zh, en = append(zh, strings.TrimSpace(f.Zh)), append(en, strings.TrimSpace(f.En))
		}
		rows := [][]string{zh, en}
		for _, s := range r.Settings {
			row := []string{strconv.Itoa(s.Reserve)}
			for _, name := range swept {
				row = append(row, figure(name).write(s.Policies[p].Figures[name]))
			}
			rows = append(rows, row)
		}
		columns(b, rows)
	}
}

// columns are aligned as a terminal shows them: a Chinese character is two wide.
func columns(b *strings.Builder, rows [][]string) {
	var wide []int
	for _, row := range rows {
		for i, text := range row {
			if i >= len(wide) {
				wide = append(wide, 0)
			}
			wide[i] = max(wide[i], width(text))
		}
	}
	for _, row := range rows {
		line := ""
		for i, text := range row {
			pad := strings.Repeat(" ", wide[i]-width(text))
			if i == 0 {
				line += text + pad
			} else if wide[i] > 0 {
				line += "  " + pad + text
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

func width(s string) (n int) {
	for _, r := range s {
		if n++; r >= 0x2e80 && r < 0xfffe {
			n++
		}
	}
	return n
}

// CSV writes one row for each reserve, policy and figure.
func (r *Report) CSV(w io.Writer) error {
	c := csv.NewWriter(w)
	exact := func(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }
	rows := [][]string{{"reserve", "policy", "figure", "mean", "low", "high", "seeds", "against_mean", "against_low", "against_high"}}
	for _, s := range r.Settings {
		for _, p := range s.Policies {
			names := make([]string, 0, len(p.Figures))
			for name := range p.Figures {
				names = append(names, name)
			}
			slices.Sort(names)
			for _, name := range names {
				i := p.Figures[name]
				row := []string{strconv.Itoa(s.Reserve), p.Name, name, exact(i.Mean), exact(i.Low), exact(i.High), strconv.Itoa(i.N), "", "", ""}
				if a, ok := p.Against[name]; ok {
					row[7], row[8], row[9] = exact(a.Mean), exact(a.Low), exact(a.High)
				}
				rows = append(rows, row)
			}
		}
	}
	return c.WriteAll(rows)
}
