package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/bench"
	"github.com/xinglin-health/xinglin/internal/transfer"
)

func benchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench import|read|search [PATH…]",
		Short: "Measure a FHIR server over HTTP / 性能测量",
		Long: `Measures any FHIR server over HTTP, closed loop: import of transaction bundles in rounds, reads by id,
and the searches of worklists and patient pages with values sampled from the server.

  xinglin bench import --url http://127.0.0.1:8080/fhir --token T --clients 4 --resources 1000000 bundles.tar.xz
  xinglin bench read   --url http://127.0.0.1:8080/fhir --token T --clients 16 --time 10s
  xinglin bench search --url http://127.0.0.1:8080/fhir --token T --clients 4 --time 5s

With --pid (the server's process on this machine) each row also has its CPU seconds and resident memory.

` + exitText,
		Args:      cobra.MinimumNArgs(1),
		ValidArgs: []string{"import", "read", "search"},
		RunE:      runBench,
	}
	f := cmd.Flags()
	f.String("url", "http://127.0.0.1:8080/fhir", "FHIR base of the server")
	f.String("token", "", "bearer token")
	f.Int("clients", 4, "requests at once")
	f.Int("pid", 0, "process of the server on this machine")
	f.Int("resources", 0, "import: repeat the bundles until that many resources are written (0 = one round)")
	f.Duration("time", 5*time.Second, "read, search: how long each row is measured")
	f.Bool("json", false, "for programs: one object a line")
	return cmd
}

func runBench(cmd *cobra.Command, args []string) error {
	f := cmd.Flags()
	url, _ := f.GetString("url")
	token, _ := f.GetString("token")
	clients, _ := f.GetInt("clients")
	pid, _ := f.GetInt("pid")
	want, _ := f.GetInt("resources")
	each, _ := f.GetDuration("time")
	asJSON, _ := f.GetBool("json")
	t := bench.NewTarget(url, token, pid, clients)
	failed := 0
	report := func(row bench.Figure) {
		failed += row.Errors
		if asJSON {
			_ = json.NewEncoder(os.Stdout).Encode(row)
			return
		}
		fmt.Println(row)
	}
	var err error
	switch args[0] {
	case "import":
		var bundles [][]byte
		if bundles, err = transfer.Documents(cmd.Context(), args[1:]); err != nil {
			break
		}
		if len(bundles) == 0 {
			return usage("import needs bundles: a file, folder or archive")
		}
		for round, written := 1, 0; round == 1 || written < want; round++ {
			row := t.Import(cmd.Context(), fmt.Sprintf("import: round %d, from %d resources", round, written), clients, bundles)
			report(row)
			if row.Resources == 0 || cmd.Context().Err() != nil {
				break
			}
			written += row.Resources
		}
	case "read":
		err = t.Reads(cmd.Context(), clients, each, report)
	case "search":
		err = t.Searches(cmd.Context(), clients, each, report)
	default:
		return usage("bench what? import, read or search")
	}
	if err == nil && failed > 0 {
		return withCode{exitPartly, fmt.Errorf("%d requests failed", failed)}
	}
	return err
}
