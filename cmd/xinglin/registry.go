package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/registry/intake"
	"github.com/xinglin-health/xinglin/internal/server"
)

func registryCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "registry", Short: "Institutions and people from spreadsheets / 机构与人员", RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	take := &cobra.Command{
		Use:   "import FILE…",
		Short: "Take institutions, departments, people, licences, roles and capabilities from .xlsx or .csv / 导入机构与人员",
		Long: `Reads workbooks (.xlsx) and CSV files with the heads of the template (xinglin registry template). A dry run
shows every error by row and column and what would be created or changed; without it each file is
taken whole or not at all. The same file again changes nothing.

On SQLite the server must not run on the same folder; beside a running server use the page (机构管理 → 导入).

  xinglin registry template > registry.xlsx
  xinglin registry import --data /var/lib/xinglin --dry-run registry.xlsx

` + exitText,
		Args: cobra.MinimumNArgs(1),
		RunE: runRegistryImport,
	}
	place(take)
	take.Flags().Bool("dry-run", false, "say what would be done and change nothing")
	take.Flags().String("org", "", "only within this part of the tree, Organization/id (default: everywhere)")
	take.Flags().Bool("json", false, "report for programs on stdout")
	template := &cobra.Command{
		Use: "template [TABLE]", Short: "Write the template as .xlsx, or one table as .csv, to stdout / 模板", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				b, ok := intake.TemplateCSV(args[0])
				if !ok {
					return usage("no table %q; there are institutions, departments, people, licences, roles, services", args[0])
				}
				_, err := os.Stdout.Write(b)
				return err
			}
			b, err := intake.Template()
			if err == nil {
				_, err = os.Stdout.Write(b)
			}
			return err
		},
	}
	cmd.AddCommand(take, template)
	return cmd
}

func runRegistryImport(cmd *cobra.Command, files []string) error {
	f := cmd.Flags()
	dry, _ := f.GetBool("dry-run")
	org, _ := f.GetString("org")
	asJSON, _ := f.GetBool("json")
	o, err := options(cmd)
	if err != nil {
		return err
	}
	hub, err := server.Open(cmd.Context(), o)
	if err != nil {
		return err
	}
	defer hub.Close()
	bad := 0
	for _, name := range files {
		in, err := os.Open(name)
		if err != nil {
			return err
		}
		data, err := io.ReadAll(io.LimitReader(in, intake.MaxFile+1))
		in.Close()
		if err != nil {
			return err
		}
		plan, err := hub.Intake(cmd.Context(), filepath.Base(name), data, org, !dry)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if asJSON {
			if err := printJSON(plan); err != nil {
				return err
			}
		} else {
			for _, p := range plan.Problems {
				fmt.Fprintf(os.Stderr, "%s: %s 第 %d 行 %s：%s（%s: %s） %s\n", name, p.Table, p.Row, p.Column, p.Zh, p.Code, p.En, p.Value)
			}
			if plan.More > 0 {
				fmt.Fprintf(os.Stderr, "%s: and %d more\n", name, plan.More)
			}
			what := map[bool]string{true: "would be ", false: ""}[dry || len(plan.Problems) > 0]
			fmt.Printf("%s: %d %screated, %d %schanged, %d unchanged, %d errors\n", name, plan.Counts["created"], what, plan.Counts["changed"], what, plan.Counts["unchanged"], len(plan.Problems)+plan.More)
		}
		if len(plan.Problems) > 0 {
			bad++
		}
	}
	if bad > 0 {
		return withCode{exitPartly, fmt.Errorf("%d of %d files have errors and were not taken", bad, len(files))}
	}
	return nil
}
