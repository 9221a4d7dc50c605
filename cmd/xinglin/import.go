package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/transfer"
)

func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import PATH…",
		Short: "Store FHIR bundles, resources and NDJSON from files / 导入",
		Long: `Stores what is in the files and folders: transaction and batch bundles as they say, other bundles and single
resources under their own ids, NDJSON line by line. Reads .json .ndjson, each also as .gz .xz .zst, and
.tar archives of them. Every bundle is all or nothing and remembered by its hash, so that a broken
import is simply started again and doubles nothing. A bad file is named and does not stop the others.

On SQLite the server must not run on the same folder; beside a running server give its address
(a server remembers a bundle for seven days):

  xinglin import --data /var/lib/xinglin bundles.tar.xz
  xinglin import --db postgres://xinglin@db/xinglin --org Organization/county ndjson/
  XINGLIN_TOKEN=$(xinglin token --data DIR --client loader --scope 'system/*.cruds') \
    xinglin import --url http://127.0.0.1:8080 bundles/

` + exitText,
		Args: cobra.MinimumNArgs(1),
		RunE: runImport,
	}
	place(cmd)
	f := cmd.Flags()
	f.String("org", "", "custodian of what is created, Organization/id (default: the hub itself)")
	f.String("url", "", "send to a running server at this address instead of opening the database")
	f.String("token", "", "bearer token for --url")
	f.Int("workers", 0, "bundles prepared at once (default: by the machine)")
	f.Bool("json", false, "report for programs on stdout")
	return cmd
}

func runImport(cmd *cobra.Command, paths []string) error {
	f := cmd.Flags()
	org, _ := f.GetString("org")
	im := transfer.Import{Progress: progress()}
	im.Workers, _ = f.GetInt("workers")
	if url, _ := f.GetString("url"); url != "" {
		token, _ := f.GetString("token")
		if token == "" {
			return usage("--url needs a token: --token or XINGLIN_TOKEN; `xinglin token` makes one")
		}
		if org != "" {
			return usage("--org belongs to the token when sending to a server: xinglin token --org")
		}
		im.Apply = sendTo(url, token)
	} else {
		o, err := options(cmd)
		if err != nil {
			return err
		}
		hub, err := server.Open(cmd.Context(), o)
		if err != nil {
			return fmt.Errorf("%w\nbeside a running server use: xinglin import --url http://… --token …", err)
		}
		defer hub.Close()
		if im.Apply, err = hub.Import(org); err != nil {
			return err
		}
	}
	report, err := im.Run(cmd.Context(), paths)
	if err != nil {
		return err
	}
	if asked, _ := f.GetBool("json"); asked {
		if err := printJSON(report); err != nil {
			return err
		}
	} else {
		for _, b := range report.Bad {
			fmt.Fprintf(os.Stderr, "bad: %s: %s\n", b.Path, b.Reason)
		}
		rate := 0.0
		if report.Seconds > 0 {
			rate = float64(report.Resources) / report.Seconds
		}
		fmt.Printf("%d files: %d bundles with %d resources stored in %s (%.0f resources/s), %d stored before, %d bad\n",
			report.Files, report.Bundles, report.Resources, report.Took.Round(10*time.Millisecond), rate, report.Again, len(report.Bad))
	}
	if len(report.Bad) > 0 {
		return withCode{exitPartly, fmt.Errorf("%d of the inputs were bad; the rest is stored", len(report.Bad))}
	}
	return nil
}

// progress draws a bar on a terminal, nil elsewhere.
func progress() func(read, total int64) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return nil
	}
	var once sync.Once
	var bar *progressbar.ProgressBar
	return func(read, total int64) {
		once.Do(func() {
			bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowBytes(true),
				progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(200*time.Millisecond),
				progressbar.OptionSetDescription("import"), progressbar.OptionClearOnFinish())
		})
		bar.Set64(read)
	}
}

// sendTo posts bundles to a running server; the hash is the Idempotency-Key.
func sendTo(url, token string) transfer.Apply {
	client := &http.Client{Timeout: 10 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	url = strings.TrimSuffix(strings.TrimSuffix(url, "/"), "/fhir") + "/fhir"
	return func(ctx context.Context, bundle *fhir.Node, key string) (bool, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(bundle.JSON())))
		if err != nil {
			return false, transfer.Fatal{Err: err}
		}
		r.Header.Set("Content-Type", "application/fhir+json")
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Idempotency-Key", key)
		r.Header.Set("Prefer", "return=minimal")
		res, err := client.Do(r)
		if err != nil {
			return false, transfer.Fatal{Err: withCode{exitUnavailable, err}}
		}
		defer res.Body.Close()
		body, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
		if err != nil {
			return false, transfer.Fatal{Err: err}
		}
		if res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden {
			return false, transfer.Fatal{Err: fmt.Errorf("%s: %s", res.Status, said(body))}
		}
		if res.StatusCode/100 != 2 {
			return false, fmt.Errorf("%s: %s", res.Status, said(body))
		}
		return res.Header.Get("Idempotent-Replayed") == "true", nil
	}
}

// said is what an OperationOutcome says, in short.
func said(body []byte) string {
	n, err := fhir.Parse(body)
	if err != nil {
		return "no OperationOutcome"
	}
	var texts []string
	for i, is := range n.All("issue") {
		if i == 5 {
			texts = append(texts, "…")
			break
		}
		text := is.Str("diagnostics")
		if text == "" {
			text = is.Str("details.text")
		}
		if at := is.Str("expression[0]"); at != "" && !strings.Contains(text, at) {
			text = at + ": " + text
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}
