package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/bench"
	"github.com/xinglin-health/xinglin/internal/transfer"
)

func benchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench import|read|search|mixed [PATH…] | bench compare A.json B.json…",
		Short: "Measure a FHIR server over HTTP / 性能测量",
		Long: `Measures any FHIR server over HTTP: import of transaction bundles in rounds, reads by id, the searches of
worklists and patient pages with values sampled from the server, and all of them mixed.

  xinglin bench import --url http://127.0.0.1:8080/fhir --token T --clients 4 --resources 1000000 bundles.tar.xz
  xinglin bench read   --url http://127.0.0.1:8080/fhir --token T --clients 16 --time 10s
  xinglin bench search --url http://127.0.0.1:8080/fhir --token T --clients 4 --time 5s
  xinglin bench mixed  --url http://127.0.0.1:8080/fhir --token T --mix 70:20:10 --rate 500 --clients 64 --time 1m
  xinglin bench compare ours.json theirs.json

Closed loop: each of --clients begins a request when its last one has ended. With --rate N the loop is open: N requests
begin each second whatever the server does, at most --clients at once, and latency counts from when a request should
have begun, so that a stall is not hidden by the requests that it kept from being sent.

With --pid (the server's process on this machine; its children count too) each row also has CPU seconds and memory.
A search that the server refuses is shown as not measured. --as NAME=TOKEN repeats the searches as another caller;
for import NAME=TOKEN@SHARE sends SHARE per cent of the bundles with that token, so that its organisation sees so many
patients. compare puts results of --json side by side.

` + exitText,
		Args:      cobra.MinimumNArgs(1),
		ValidArgs: []string{"import", "read", "search", "mixed", "compare"},
		RunE:      runBench,
	}
	f := cmd.Flags()
	f.String("url", "http://127.0.0.1:8080/fhir", "FHIR base of the server")
	f.String("token", "", "bearer token")
	f.Int("clients", 4, "requests at once")
	f.Int("pid", 0, "process of the server on this machine")
	f.Int("resources", 0, "import: repeat the bundles until that many resources are written (0 = one round)")
	f.Duration("time", 5*time.Second, "read, search, mixed: how long each row is measured")
	f.Float64("rate", 0, "read, search, mixed: requests a second, begun whatever the server does (0 = closed loop)")
	f.String("mix", "70:20:10", "mixed: reads:searches:writes")
	f.StringArray("as", nil, "NAME=TOKEN or, for import, NAME=TOKEN@SHARE; repeat for more")
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
	as, _ := f.GetStringArray("as")
	t := bench.NewTarget(url, token, pid, clients)
	if args[0] != "import" {
		t.Rate, _ = f.GetFloat64("rate")
	}
	others, err := callers(as)
	if err != nil {
		return err
	}
	failed := 0
	report := func(row bench.Figure) {
		failed += row.Errors
		if asJSON {
			_ = json.NewEncoder(os.Stdout).Encode(row)
			return
		}
		fmt.Println(row)
	}
	switch args[0] {
	case "import":
		err = benchImport(cmd.Context(), t, clients, want, args[1:], others, report)
	case "read":
		err = t.Reads(cmd.Context(), clients, each, report)
	case "search":
		err = t.Searches(cmd.Context(), "", clients, each, report)
		for _, c := range others {
			if err == nil {
				err = t.As(c.token).Searches(cmd.Context(), c.name+": ", clients, each, report)
			}
		}
	case "mixed":
		text, _ := f.GetString("mix")
		var mix bench.Mix
		if mix, err = bench.ParseMix(text); err != nil {
			return usage("%w", err)
		}
		err = t.Mixed(cmd.Context(), mix, clients, each, report)
	case "compare":
		return compare(args[1:])
	default:
		return usage("bench what? import, read, search, mixed or compare")
	}
	if err == nil && failed > 0 {
		return withCode{exitPartly, fmt.Errorf("%d requests failed", failed)}
	}
	return err
}

// caller is another who asks, and the share of an import that is his, in per cent.
type caller struct {
	name, token string
	share       float64
}

func callers(list []string) ([]caller, error) {
	var out []caller
	for _, text := range list {
		name, rest, ok := strings.Cut(text, "=")
		token, share, _ := strings.Cut(rest, "@")
		c := caller{name: name, token: token}
		var err error
		if share != "" {
			c.share, err = strconv.ParseFloat(share, 64)
		}
		if !ok || token == "" || err != nil {
			return nil, usage("--as: %q is neither NAME=TOKEN nor NAME=TOKEN@SHARE", text)
		}
		out = append(out, c)
	}
	return out, nil
}

func benchImport(ctx context.Context, t *bench.Target, clients, want int, paths []string, others []caller, report func(bench.Figure)) error {
	bundles, err := transfer.Documents(ctx, paths)
	if err != nil {
		return err
	}
	if len(bundles) == 0 {
		return usage("import needs bundles: a file, folder or archive")
	}
	var sent atomic.Int64
	pick := func() string {
		// spread evenly: n of 1000 bundles where the share is n/10 per cent
		at := float64((sent.Add(1)-1)*377%1000) / 10
		for _, c := range others {
			if at < c.share {
				return c.token
			}
			at -= c.share
		}
		return ""
	}
	for round, written := 1, 0; round == 1 || written < want; round++ {
		row := t.Import(ctx, fmt.Sprintf("import: round %d, from %d resources", round, written), clients, bundles, pick)
		report(row)
		if row.Resources == 0 || ctx.Err() != nil {
			break
		}
		written += row.Resources
	}
	return nil
}

func compare(paths []string) error {
	if len(paths) < 2 {
		return usage("compare needs two files or more that bench --json has written")
	}
	var runs []bench.Run
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		figures, err := bench.ReadFigures(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		runs = append(runs, bench.Run{Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), Figures: figures})
	}
	return bench.Compare(os.Stdout, runs...)
}
