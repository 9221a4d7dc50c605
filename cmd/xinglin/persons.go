package main

import (
	"fmt"
	"os"
	"os/user"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/store"
)

func personsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "persons",
		Short: "The patient index of a hub: how it stands, other weights / 患者主索引",
		Long: `Looks after the index of which records are of one person (docs/persons.md). All of it works beside a running server.

  xinglin persons status --data DIR
  xinglin persons reindex --data DIR
  xinglin persons estimate --data DIR --save weights.json       learn weights from the hub's own records; changes nothing
  xinglin persons reweigh --data DIR --dry-run --model weights.json
  xinglin persons reweigh --data DIR --model weights.json
  xinglin persons reweigh --data DIR --version 0                back to the weights that are shipped
  xinglin persons weights --data DIR

` + exitText,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	status := &cobra.Command{Use: "status", Short: "How many records, persons, open pairs; what is still to be done / 状态", Args: cobra.NoArgs, RunE: personsStatus}
	reindex := &cobra.Command{Use: "reindex", Short: "Read every Patient again; links stay until they are decided anew / 重建索引", Args: cobra.NoArgs, RunE: personsReindex}
	reindex.Flags().Bool("wait", false, "do the work here and now instead of leaving it to the server")
	estimate := &cobra.Command{Use: "estimate", Short: "Learn weights from the hub's own records, without labels / 估计匹配权重", Args: cobra.NoArgs, RunE: personsEstimate}
	estimate.Flags().String("save", "", "file for the weights (default: stdout)")
	estimate.Flags().Int("records", 0, "how many records at most (default and most: 1,000,000)")
	reweigh := &cobra.Command{Use: "reweigh", Short: "Put other weights in force and look at every record again / 启用新的匹配权重", Args: cobra.NoArgs, RunE: personsReweigh}
	reweigh.Flags().String("model", "", "file with the weights")
	reweigh.Flags().Int64("version", -1, "or a version that the hub has had; 0 = as shipped")
	reweigh.Flags().Bool("dry-run", false, "say what would be joined, parted and asked, and change nothing")
	reweigh.Flags().Bool("wait", false, "do the work here and now instead of leaving it to the server")
	weights := &cobra.Command{Use: "weights", Short: "List the weights that the hub has had / 匹配权重的版本", Args: cobra.NoArgs, RunE: personsWeights}
	for _, c := range []*cobra.Command{status, reindex, estimate, reweigh, weights} {
		place(c)
		c.Flags().Bool("json", false, "for programs")
		cmd.AddCommand(c)
	}
	return cmd
}

// commander is who runs a command, for the log of the index.
func commander() empi.By {
	by := empi.By{User: "command", Name: "命令行 command line"}
	if u, err := user.Current(); err == nil {
		by.Name += " (" + u.Username + ")"
	}
	return by
}

func personsStatus(cmd *cobra.Command, _ []string) error {
	hub, err := beside(cmd)
	if err != nil {
		return err
	}
	defer hub.Close()
	var st empi.Status
	err = hub.Store.View(cmd.Context(), func(tx *store.Tx) error { st, err = hub.Index.Status(cmd.Context(), tx); return err })
	if err != nil {
		return err
	}
	if asked, _ := cmd.Flags().GetBool("json"); asked {
		return printJSON(st)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "records 档案\t%d\nlinked 已关联档案\t%d\npersons of several records 多档案的人\t%d\nopen pairs 待核对\t%d\nwaiting to be compared 待比对\t%d\n", st.Records, st.Linked, st.Persons, st.Open, st.Waiting)
	if st.Behind {
		fmt.Fprintf(w, "the log 日志\tmore Patients are to be read\n")
	}
	if st.Swept >= 0 {
		fmt.Fprintf(w, "looked at again 重新比对\t%d of %d\n", st.Swept, st.Records)
	}
	fmt.Fprintf(w, "weights 匹配权重\tversion %d, %s\n", st.Weights.ID, st.Weights.Origin)
	return w.Flush()
}

func personsReindex(cmd *cobra.Command, _ []string) error {
	hub, err := beside(cmd)
	if err != nil {
		return err
	}
	defer hub.Close()
	if err := hub.Store.Update(cmd.Context(), func(tx *store.Tx) error { return hub.Index.Reindex(cmd.Context(), tx) }); err != nil {
		return err
	}
	return personsWait(cmd, hub)
}

func personsWait(cmd *cobra.Command, hub *server.Hub) error {
	if wait, _ := cmd.Flags().GetBool("wait"); !wait {
		fmt.Fprintln(os.Stderr, "the server does the rest; `xinglin persons status` says how far it is / 其余由服务进程完成，可用 persons status 查看进度")
		return nil
	}
	last := time.Now()
	return hub.Index.Drain(cmd.Context(), func(st empi.Status) {
		if time.Since(last) > 5*time.Second {
			last = time.Now()
			fmt.Fprintf(os.Stderr, "%d records, %d waiting, %d persons\n", st.Records, st.Waiting, st.Persons)
		}
	})
}

func personsEstimate(cmd *cobra.Command, _ []string) error {
	save, _ := cmd.Flags().GetString("save")
	limit, _ := cmd.Flags().GetInt("records")
	hub, err := beside(cmd)
	if err != nil {
		return err
	}
	defer hub.Close()
	m, n, err := hub.Index.Estimate(cmd.Context(), limit)
	if err != nil {
		return err
	}
	out := os.Stdout
	if save != "" {
		if out, err = os.OpenFile(save, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
			return err
		}
	}
	if err := m.Write(out); err != nil {
		return err
	}
	if save != "" {
		if err := out.Close(); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "learned from %d records; nothing has changed: see what it would do with `xinglin persons reweigh --dry-run`\n", n)
	return nil
}

func personsReweigh(cmd *cobra.Command, _ []string) error {
	f := cmd.Flags()
	file, _ := f.GetString("model")
	version, _ := f.GetInt64("version")
	dry, _ := f.GetBool("dry-run")
	asJSON, _ := f.GetBool("json")
	if (file == "") == (version < 0) {
		return usage("name the weights: --model FILE or --version N")
	}
	hub, err := beside(cmd)
	if err != nil {
		return err
	}
	defer hub.Close()
	ctx := cmd.Context()
	var m *match.Model
	if file != "" {
		in, err := os.Open(file)
		if err != nil {
			return usage("--model: %w", err)
		}
		m, err = empi.ReadWeights(in)
		in.Close()
		if err != nil {
			return usage("--model %s: %w", file, err)
		}
	} else if err := hub.Store.View(ctx, func(tx *store.Tx) error { m, err = hub.Index.Model(ctx, tx, version); return err }); err != nil {
		return missing(err)
	}
	if dry {
		last := time.Now()
		report, err := hub.Index.Compare(ctx, m, func(done, total int) {
			if time.Since(last) > 5*time.Second {
				last = time.Now()
				fmt.Fprintf(os.Stderr, "%d of %d records\n", done, total)
			}
		})
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(report)
		}
		return printTrial(report)
	}
	by := commander()
	err = hub.Store.Update(ctx, func(tx *store.Tx) (err error) {
		id := version
		if file != "" {
			if id, err = hub.Index.Keep(ctx, tx, m, file, by); err != nil {
				return err
			}
		}
		version = id
		return hub.Index.Reweigh(ctx, tx, id, by)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "weights version %d are in force\n", version)
	return personsWait(cmd, hub)
}

func printTrial(r *empi.Report) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "records 档案\t%d\npersons of several records 多档案的人\t%d → %d\npairs joined 将关联\t%d\npairs parted 将拆开\t%d\npairs to be asked 将新增待核对\t%d\npairs asked no more 将不再询问\t%d\n",
		r.Records, r.PersonsAt, r.Persons, r.Joined, r.Parted, r.Asked, r.Answered)
	for _, c := range r.Changes {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f bits\t%s\n", c.What, c.Left, c.Right, c.Would, c.Bar)
	}
	return w.Flush()
}

func personsWeights(cmd *cobra.Command, _ []string) error {
	hub, err := beside(cmd)
	if err != nil {
		return err
	}
	defer hub.Close()
	var list []empi.Version
	err = hub.Store.View(cmd.Context(), func(tx *store.Tx) error { list, err = hub.Index.Versions(cmd.Context(), tx); return err })
	if err != nil {
		return err
	}
	if asked, _ := cmd.Flags().GetBool("json"); asked {
		return printJSON(list)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, v := range list {
		state := ""
		if v.Active {
			state = "in force 使用中"
		}
		at := ""
		if !v.At.IsZero() {
			at = v.At.Format(time.DateTime)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", v.ID, v.Origin, at, v.By.Name, state)
	}
	return w.Flush()
}
