package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/server"
)

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with an installation and how to mend it / 体检",
		Long: `Looks at configuration, permissions, disk, database, migrations, accounts, audit chain, clock and page, and
says for each what to do. Changes nothing but missing migrations; the server may run meanwhile.

` + exitText,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := options(cmd)
			if err != nil {
				return err
			}
			findings := server.Examine(cmd.Context(), o)
			bad, warnings := 0, 0
			for _, f := range findings {
				switch f.State {
				case "bad":
					bad++
				case "warning":
					warnings++
				}
			}
			if asked, _ := cmd.Flags().GetBool("json"); asked {
				if err := printJSON(findings); err != nil {
					return err
				}
			} else {
				marks := map[string]string{"ok": "ok     ", "warning": "warning", "bad": "BAD    "}
				for _, f := range findings {
					fmt.Printf("%s  %-13s  %s\n", marks[f.State], f.Check, f.Text)
					if f.Mend != "" {
						fmt.Printf("         %-13s  → %s\n", "", f.Mend)
					}
				}
			}
			switch {
			case bad > 0:
				return fmt.Errorf("%d checks are bad", bad)
			case warnings > 0:
				return withCode{exitPartly, fmt.Errorf("%d warnings", warnings)}
			}
			return nil
		},
	}
	place(cmd)
	listening(cmd)
	cmd.Flags().Bool("json", false, "for programs")
	return cmd
}

func migrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Make the database, or bring it to this version / 建库、升级",
		Long: `Makes the database if there is none and runs the migrations that are missing, each in its own transaction.
` + "`serve`" + ` does the same at its start. Back up first: there is no way back but the backup.

` + exitText,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := options(cmd)
			if err != nil {
				return err
			}
			hub, err := server.Open(cmd.Context(), o)
			if err != nil {
				return err
			}
			fmt.Println(hub.Database(), "is at version", server.Version)
			return hub.Close()
		},
	}
	place(cmd)
	return cmd
}
