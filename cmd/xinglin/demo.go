package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func demoCommand() *cobra.Command {
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
			return serve(cmd, o, func(url string) {
				fmt.Println("杏林 Xinglin:", url)
			})
		},
	}
	place(cmd)
	listening(cmd)
	return cmd
}
