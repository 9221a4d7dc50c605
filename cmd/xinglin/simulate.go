package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/beds/simulate"
)

func simulateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "simulate", Short: "Play years of work to see what a decision would change / 模拟", RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	pool := &cobra.Command{
		Use:   "beds",
		Short: "What would one pool of beds change, and how many to keep for emergencies? / 全院一张床：会改变什么，预留几张",
		Long: `Plays the same patients under several ways of giving out beds, with the rules by which the hub itself decides
(docs/beds.md), and says how waits, occupancy and refusals differ. Times are in hours.

按同一批病人推演几种床位分配办法（规则与系统实际所用一致），给出等床时间、床位使用率、未收比例的差别与 95% 置信区间。

  own         各科各床      each ward its own
  neighbours  借邻近科室    overflow to wards of the specialty and its neighbours
  pool        先到先得      one pool: need, then time, any bed that the hard rules allow
  weighted    加权          one pool with the hub's weights (allocate/rules.json or --rules)

Where patients and beds come from:
  (nothing)           the made-up centre that is shipped: 600 beds on two campuses
  --hospital FILE     another one, written as the shipped one (--print-hospital)
  --admissions FILE   CSV: id, arrival, specialty, sex, urgency, needs, ward, stay (hours); also promised, nursing, age, campus.
                      编号,申请时间,科室,性别,紧急程度,特殊需求,病区,住院小时 也可。 The same id again is the next part of that
                      stay. The first seed is the file itself, the others draw its weeks again.
  --beds FILE         CSV: ward, count; also campus, room, level, sex rule, equipment, specialty, neighbours, kinds, lends, points
                      (病区,床数,院区,病室,床位级别,病室性别,设备,科室,邻近科室,保护类别,可借床,护理能力). Without it each ward gets as
                      many beds as lay there at once.
  --data DIR          the hub's own bed register and past stays (read only; nothing of a person comes out)

  xinglin simulate beds --seeds 20
  xinglin simulate beds --seeds 20 --policies pool,weighted --reserve 0..20
  xinglin simulate beds --admissions 入院.csv --beds 床位.csv --seeds 30 --json > report.json

Rows that cannot be used are named on standard error by line and code, and left out (exit code 3).

` + exitText,
		Args: cobra.NoArgs,
		RunE: runSimulateBeds,
	}
	place(pool)
	f := pool.Flags()
	f.String("admissions", "", "recorded admissions (CSV); - reads standard input")
	f.String("beds", "", "beds (CSV)")
	f.String("hospital", "", "a hospital to draw patients for (JSON)")
	f.Bool("print-hospital", false, "write the shipped hospital, to change it")
	f.String("institution", "", "with --data: whose beds, Organization/id (default: the only one with beds)")
	f.Int("days", 365, "days measured, of drawn patients; with --data: days back")
	f.Int("warmup", -1, "days before them that are cut (default 90 of drawn patients, else 0)")
	f.Float64("load", 0, "bed hours asked for, of those there are (default: the hospital's, 0.92)")
	f.Int("seeds", 20, "how often it is played")
	f.Uint64("first", 1, "first seed of drawn patients")
	f.StringSlice("policies", []string{"own", "neighbours", "pool", "weighted"}, "which ones; the first of them is compared with")
	f.String("reserve", "0", "beds outside protected wards for emergencies only: 5, or 0,5,10, or 0..20 to see which is best")
	f.Bool("home", false, "lent patients move home when a bed there stays free")
	f.Duration("own-first", 0, "with weights: who is no emergency waits that long for a planned discharge at home")
	f.StringSlice("patience", nil, "who waits longer goes elsewhere: urgent=72h,elective=28d (default: the hospital's; of files: nobody does)")
	f.Int("most", 0, "waiting at once, beyond which whoever is no emergency is refused (0 = no limit)")
	f.Duration("cleaning", -1, "of a bed after each stay (default 45m of drawn patients, else 0)")
	f.String("rules", "", "rules of allocation instead of the shipped ones (JSON, only what differs)")
	f.String("zone", "Asia/Shanghai", "in which times without a zone are meant")
	f.Int("workers", 0, "plays at once (0 = one a processor)")
	f.Bool("json", false, "for programs")
	f.Bool("csv", false, "one row for each reserve, policy and figure")
	f.Bool("quiet", false, "say nothing but the result")
	cmd.AddCommand(pool)
	return cmd
}

func runSimulateBeds(cmd *cobra.Command, _ []string) error {
	f := cmd.Flags()
	if print, _ := f.GetBool("print-hospital"); print {
		_, err := cmd.OutOrStdout().Write(simulate.ShippedText())
		return err
	}
	e, title, bad, err := bedsExperiment(cmd)
	if err != nil {
		return err
	}
	if err := bedsOptions(cmd, e); err != nil {
		return err
	}
	quiet, _ := f.GetBool("quiet")
	if !quiet {
		began, errs := time.Now(), cmd.ErrOrStderr()
		e.Progress = func(done, of int) { // now and then, for whoever waits
			if time.Since(began) > 5*time.Second {
				began = time.Now()
				fmt.Fprintf(errs, "%d/%d\n", done, of)
			}
		}
	}
	began := time.Now()
	report, err := e.Run(cmd.Context())
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	asJSON, _ := f.GetBool("json")
	asCSV, _ := f.GetBool("csv")
	switch {
	case asJSON:
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	case asCSV:
		err = report.CSV(out)
	default:
		err = report.Text(out, title)
	}
	if err != nil {
		return err
	}
	if !quiet {
		plays := float64(len(report.Settings) * len(report.Settings[0].Policies) * report.Seeds)
		fmt.Fprintf(cmd.ErrOrStderr(), "%.0f admissions played in %.1f s\n", plays*report.Admissions.Mean, time.Since(began).Seconds())
	}
	if bad > 0 {
		return withCode{exitPartly, fmt.Errorf("%d rows could not be used / %d 行未采用", bad, bad)}
	}
	return nil
}

// bedsExperiment is where patients and beds come from.
func bedsExperiment(cmd *cobra.Command) (e *simulate.Experiment, title string, bad int, err error) {
	f := cmd.Flags()
	text := func(name string) string { v, _ := f.GetString(name); return v }
	days, _ := f.GetInt("days")
	warmup, _ := f.GetInt("warmup")
	load, _ := f.GetFloat64("load")
	if days < 1 || days > 36500 || warmup > 36500 || load < 0 || load > 5 {
		return nil, "", 0, usage("--days is 1 to 36500, --load up to 5")
	}
	zone, err := time.LoadLocation(text("zone"))
	if err != nil {
		return nil, "", 0, usage("--zone: %w", err)
	}
	sources := 0
	for _, name := range []string{"admissions", "hospital", "data"} {
		if text(name) != "" {
			sources++
		}
	}
	if sources > 1 || text("beds") != "" && text("admissions") == "" {
		return nil, "", 0, usage("--admissions (with --beds), --hospital and --data exclude each other")
	}
	var stays []simulate.Stay
	var pool *allocate.Pool
	var rules *allocate.Rules
	switch {
	case text("admissions") != "":
		title = "记录的入院 / recorded admissions"
		in := cmd.InOrStdin()
		if name := text("admissions"); name != "-" {
			file, err := os.Open(name)
			if err != nil {
				return nil, "", 0, err
			}
			defer file.Close()
			in = file
		}
		stays, err = simulate.ReadStays(in, zone, func(b simulate.BadRow) {
			if bad++; bad <= mostNamed {
				fmt.Fprintln(cmd.ErrOrStderr(), b)
			}
		})
		if errors.Is(err, simulate.ErrColumns) {
			return nil, "", 0, withCode{exitUsage, fmt.Errorf("%s: %w", text("admissions"), err)}
		}
		if err != nil {
			return nil, "", 0, err
		}
		if name := text("beds"); name != "" {
			if pool, err = readBeds(name); err != nil {
				return nil, "", 0, withCode{exitUsage, fmt.Errorf("%s: %w", name, err)}
			}
		}
	case text("data") != "":
		past, name, err := hubStays(cmd, days)
		if err != nil {
			return nil, "", 0, err
		}
		stays, pool, rules, title = past.Stays, &past.Pool, past.Rules, name
	default:
		h := simulate.Shipped()
		if name := text("hospital"); name != "" {
			data, err := os.ReadFile(name)
			if err != nil {
				return nil, "", 0, err
			}
			if h, err = simulate.ReadHospital(data); err != nil {
				return nil, "", 0, withCode{exitUsage, fmt.Errorf("%s: %w", name, err)}
			}
		}
		if warmup < 0 {
			warmup = 90
		}
		e, err = simulate.GeneratedFrom(h, days, warmup, load)
		if err == nil {
			e.First, _ = f.GetUint64("first")
		}
		return e, h.Name + " / " + h.En, 0, err
	}
	if load != 0 {
		return nil, "", 0, usage("--load is for drawn patients; recorded ones come as they came")
	}
	recorded, err := simulate.NewRecorded(stays, pool)
	if err != nil {
		return nil, "", 0, withCode{exitUsage, err}
	}
	if recorded.Unknown > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d stays name a ward or specialty that has no beds and are left out / %d 条的病区或科室无床位，未采用\n", recorded.Unknown, recorded.Unknown)
	}
	return &simulate.Experiment{Source: recorded, Options: simulate.Options{Warmup: time.Duration(max(warmup, 0)) * 24 * time.Hour, Rules: rules}}, title, bad + recorded.Unknown, nil
}

func readBeds(name string) (*allocate.Pool, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return simulate.ReadBeds(io.LimitReader(file, 64<<20))
}

// bedsOptions are how it is played.
func bedsOptions(cmd *cobra.Command, e *simulate.Experiment) (err error) {
	f := cmd.Flags()
	names, _ := f.GetStringSlice("policies")
	if e.Policies, err = simulate.Named(names); err != nil {
		return withCode{exitUsage, err}
	}
	if e.Seeds, _ = f.GetInt("seeds"); e.Seeds < 1 || e.Seeds > 10_000 {
		return usage("--seeds is 1 to 10000")
	}
	text, _ := f.GetString("reserve")
	if e.Reserves, err = parseReserve(text); err != nil {
		return err
	}
	o := &e.Options
	e.Workers, _ = f.GetInt("workers")
	o.Home, _ = f.GetBool("home")
	o.OwnFirst, _ = f.GetDuration("own-first")
	o.Most, _ = f.GetInt("most")
	if clean, _ := f.GetDuration("cleaning"); clean >= 0 {
		o.Cleaning = clean
	}
	list, _ := f.GetStringSlice("patience")
	for _, one := range list {
		who, long, _ := strings.Cut(one, "=")
		d, err := parseLong(long)
		if !slices.Contains([]string{"emergency", "urgent", "cancer", "elective"}, who) || err != nil || d < 0 {
			return usage("--patience %q; want urgency=duration, such as urgent=72h or elective=28d", one)
		}
		if o.Patience == nil {
			o.Patience = map[allocate.Urgency]time.Duration{}
		}
		o.Patience[allocate.Urgency(who)] = d
	}
	if name, _ := f.GetString("rules"); name != "" {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if o.Rules, err = allocate.Parse(data); err != nil {
			return withCode{exitUsage, fmt.Errorf("%s: %w", name, err)}
		}
	}
	return nil
}

// parseLong is a duration that may be in days.
func parseLong(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		return time.Duration(n * 24 * float64(time.Hour)), err
	}
	return time.ParseDuration(s)
}

// parseReserve reads 5, or 0,5,10, or 0..20.
func parseReserve(s string) (out []int, err error) {
	for _, part := range strings.Split(s, ",") {
		low, high, is := strings.Cut(part, "..")
		if !is {
			high = low
		}
		a, err1 := strconv.Atoi(strings.TrimSpace(low))
		b, err2 := strconv.Atoi(strings.TrimSpace(high))
		if err1 != nil || err2 != nil || a < 0 || b < a || b > 10_000 || len(out)+b-a > 200 {
			return nil, usage("--reserve %q; want 5, or 0,5,10, or 0..20", s)
		}
		for n := a; n <= b; n++ {
			out = append(out, n)
		}
	}
	return out, nil
}

// hubStays are the hub's own beds and past.
func hubStays(cmd *cobra.Command, days int) (*beds.Past, string, error) {
	hub, err := beside(cmd)
	if err != nil {
		return nil, "", err
	}
	defer hub.Close()
	institution, _ := cmd.Flags().GetString("institution")
	if err := hub.Audit.Read(cmd.Context(), audit.Of(cmd.Context(), "E", "beds-simulate", institution)); err != nil {
		return nil, "", err
	}
	past, name, err := hub.PastBeds(cmd.Context(), institution, time.Now().AddDate(0, 0, -days))
	if err != nil {
		return nil, "", err
	}
	if len(past.Stays) == 0 {
		return nil, "", withCode{exitUnavailable, fmt.Errorf("no stays in the last %d days / 最近 %d 天没有住院记录", days, days)}
	}
	return past, name, nil
}
