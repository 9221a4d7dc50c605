package main

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/region"
	"github.com/xinglin-health/xinglin/internal/server"
)

func demoCommand() *cobra.Command {
	size := region.Demo
	var seed uint64
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Make a made-up region if the data folder is empty, and serve it / 演示",
		Long: `Makes a made-up region (an output hospital, a centre, partner hospitals, a county with its townships and
villages, 3,000 patients, 90 days of referrals) if the database is empty, then serves it and prints the
address and the demo accounts. Nobody in it exists. Not for real data: the passwords are public.

` + exitText,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if d := cmd.Flags().Lookup("data"); d.Value.String() == "" {
				d.Value.Set("data/demo")
			}
			o, err := options(cmd)
			if err != nil {
				return err
			}
			o.Demo = true
			c := o.Clock
			if c == nil {
				c = clock.System
			}
			r := region.New(seed, size, c.Now())
			begun := time.Now()
			made, err := server.MakeRegion(cmd.Context(), o, r, stages())
			if err != nil {
				return err
			}
			if made {
				fmt.Fprintf(os.Stderr, "made the region in %s\n", time.Since(begun).Round(100*time.Millisecond))
			}
			return serve(cmd, o, func(url string) { welcome(url, r) })
		},
	}
	place(cmd)
	listening(cmd)
	f := cmd.Flags()
	f.IntVar(&size.Patients, "patients", size.Patients, "how many people the region has, when it is made")
	f.IntVar(&size.Referrals, "referrals", size.Referrals, "how many referrals its past has, when it is made")
	f.Uint64Var(&seed, "seed", 1, "the same seed makes the same region")
	return cmd
}

// stages draws the progress of making a region.
func stages() func(stage string, done, total int) {
	words := map[string]string{region.Writing: "records / 病历", region.Living: "referrals / 转诊"}
	var bar *progressbar.ProgressBar
	now := ""
	return func(stage string, done, total int) {
		if stage != now {
			if bar != nil {
				bar.Finish()
				fmt.Fprintln(os.Stderr)
			}
			now = stage
			if total == 0 {
				total = -1
			}
			bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(words[stage]),
				progressbar.OptionThrottle(200*time.Millisecond), progressbar.OptionShowCount(), progressbar.OptionSetWidth(30))
		}
		bar.Set(done)
		if total > 0 && done == total {
			bar.Finish()
			fmt.Fprintln(os.Stderr)
			bar = nil
		}
	}
}

func welcome(url string, r *region.Region) {
	fmt.Println()
	fmt.Println("杏林 Xinglin:", url)
	fmt.Println()
	fmt.Println("演示账号 / demo accounts, 密码 / password:", region.DemoPassword)
	for _, a := range r.Accounts {
		fmt.Printf("  %-16s %s %s / %s\n", a.Username, a.Person.At.Short, a.What, a.English)
	}
	fmt.Println()
}
