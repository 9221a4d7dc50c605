package main

import (
	"fmt"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/xinglin-health/xinglin/internal/region"
	"github.com/xinglin-health/xinglin/internal/server"
)

func demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Make a made-up region if the data folder is empty, and serve it / 演示",
		Long: `Makes a made-up region (an output hospital, a centre, partner hospitals, a county with its townships and
villages, 3,000 patients, 90 days of referrals) if the database is empty, then serves it and prints the
address and the demo accounts. A second start serves the same data at once. Nobody in it exists.
Not for real data: the passwords are public.

  xinglin demo --data data/demo
  xinglin demo --db postgres://… --patients 300 --referrals 50

` + exitText,
		Args: cobra.NoArgs,
		RunE: runDemo,
	}
	place(cmd)
	listening(cmd)
	f := cmd.Flags()
	f.Int("patients", region.Demo.Patients, "patients of a new region")
	f.Int("referrals", region.Demo.Referrals, "referrals of its last days")
	f.Int("beds", region.Demo.Beds, "beds of the centre; fewer in a region with few patients; 0 = no register of beds")
	f.Int("days", region.Demo.Days, "days of referrals before now")
	f.Uint64("seed", 1, "the same seed makes the same region")
	return cmd
}

func runDemo(cmd *cobra.Command, _ []string) error {
	f := cmd.Flags()
	if d := f.Lookup("data"); d.Value.String() == "" {
		d.Value.Set("data/demo")
	}
	o, err := options(cmd)
	if err != nil {
		return err
	}
	o.Demo = true
	size := region.Demo
	size.Patients, _ = f.GetInt("patients")
	size.Referrals, _ = f.GetInt("referrals")
	size.Days, _ = f.GetInt("days")
	if size.Beds, _ = f.GetInt("beds"); !f.Changed("beds") && size.Patients < region.Demo.Patients {
		size.Beds = max(region.Small.Beds, region.Demo.Beds*size.Patients/region.Demo.Patients)
	}
	seed, _ := f.GetUint64("seed")
	accounts, err := server.MakeDemo(cmd.Context(), o, seed, size, stages())
	if err != nil {
		return err
	}
	return serve(cmd, o, func(url string) {
		fmt.Printf("\n  杏林 Xinglin  %s\n\n  演示账号 demo accounts (密码 password: %s)\n", url, region.DemoPassword)
		for _, a := range accounts {
			fmt.Printf("    %-16s %s，%s %s（%s）\n", a.Username, a.What, a.At, a.Name, a.English)
		}
		fmt.Printf("\n  虚构数据 nobody here exists. Ctrl-C 停止 stops.\n\n")
	})
}

// stages tells on stderr how far the making is.
func stages() func(stage string, done, total int) {
	names := map[string]string{region.Writing: "写入病历 records", region.Living: "走完转诊 referrals"}
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		last := ""
		return func(stage string, _, _ int) {
			if stage != last {
				fmt.Fprintf(os.Stderr, "making the region: %s\n", names[stage])
				last = stage
			}
		}
	}
	var bar *progressbar.ProgressBar
	last := ""
	return func(stage string, done, total int) {
		if stage != last {
			if bar != nil {
				bar.Finish()
			}
			most := total
			if most == 0 {
				most = -1
			}
			bar = progressbar.NewOptions(most, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(names[stage]),
				progressbar.OptionClearOnFinish(), progressbar.OptionShowCount())
			last = stage
		}
		bar.Set(done)
	}
}
