package main

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/transfer"
)

func exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export [DIR]",
		Short: "Write the current resources as NDJSON / 导出",
		Long: `Writes the current version of every resource as NDJSON, one file a type (DIR/Patient.ndjson …), or all of
them to stdout when no folder is given. One snapshot for all; the server may run meanwhile.
History, accounts and audit are not in it: that is what backup is for.

  xinglin export --data /var/lib/xinglin out/
  xinglin export --data /var/lib/xinglin --type Patient,Task | gzip > some.ndjson.gz

` + exitText,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f := cmd.Flags()
			types, _ := f.GetStringSlice("type")
			for _, t := range types {
				if !spec.IsResource(t) {
					return usage("--type: FHIR R4 has no resource type %q", t)
				}
			}
			if len(types) == 0 {
				types = spec.Types()
			}
			hub, err := beside(cmd)
			if err != nil {
				return err
			}
			defer hub.Close()
			out := bufio.NewWriterSize(os.Stdout, 1<<20)
			open := transfer.Stream(out)
			if len(args) == 1 {
				open = transfer.Folder(args[0])
			}
			counts, err := transfer.Export(cmd.Context(), hub.Store, types, open)
			if err != nil {
				return err
			}
			if err := out.Flush(); err != nil {
				return fmt.Errorf("export: %w", err)
			}
			if asked, _ := f.GetBool("json"); asked && len(args) == 1 {
				return printJSON(counts)
			}
			total := 0
			for _, t := range slices.Sorted(maps.Keys(counts)) {
				total += counts[t]
				if len(args) == 1 {
					fmt.Printf("%8d %s\n", counts[t], t)
				}
			}
			fmt.Fprintf(os.Stderr, "%d resources of %d types\n", total, len(counts))
			return nil
		},
	}
	place(cmd)
	cmd.Flags().StringSlice("type", nil, "only these resource types, with commas")
	cmd.Flags().Bool("json", false, "counts for programs on stdout (with a folder)")
	return cmd
}

// beside opens the hub for a short command, also while a server runs on it.
func beside(cmd *cobra.Command) (*server.Hub, error) {
	o, err := options(cmd)
	if err != nil {
		return nil, err
	}
	if o.SQLite() && !exists(o.Database()) {
		return nil, withCode{exitUnavailable, fmt.Errorf("no database at %s; `xinglin serve` or `xinglin migrate` makes one", o.Database())}
	}
	o.Beside = true
	return server.Open(cmd.Context(), o)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
