package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/server"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "The record of who touched what / 审计",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	place(cmd)
	cmd.AddCommand(auditVerifyCommand(), auditKeyCommand(), auditReanchorCommand(), auditArchiveCommand(), auditCheckExportCommand())
	return cmd
}

func auditVerifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check the chain for changed, removed or moved entries / 校验审计链",
		Long: `Recomputes the hash chain of the audit, entry by entry, and compares it with the signed checkpoints in the
database, beside the journal and wherever copies were kept. Run it daily, on another machine if you can, with the
public key and copies of the checkpoints from there: whoever holds the data folder with its key can rewrite both.

` + exitText,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hub, err := beside(cmd)
			if err != nil {
				return err
			}
			defer hub.Close()
			a, err := against(cmd, hub)
			if err != nil {
				return err
			}
			if err := hub.Audit.Seal(cmd.Context()); err != nil {
				return err
			}
			report, err := audit.Verify(cmd.Context(), hub.Store, a)
			if err != nil {
				return err
			}
			if asked, _ := cmd.Flags().GetBool("json"); asked {
				if err := printJSON(report); err != nil {
					return err
				}
			} else {
				for _, f := range report.Findings {
					fmt.Println("broken:", f)
				}
				for _, f := range report.Alarms {
					fmt.Println("alarm:", f)
				}
				fmt.Printf("%d entries, %d archived, head %s (%s)\n", report.Entries, report.Archived, report.Head, report.Algorithm)
				fmt.Printf("%d checkpoints, signed up to entry %d, %d entries since\n", report.Checkpoints, report.Signed, report.Unsigned)
			}
			switch {
			case !report.OK():
				return fmt.Errorf("the audit chain is broken")
			case len(report.Alarms) > 0:
				return withCode{exitPartly, fmt.Errorf("the chain is whole, but something was changed before it was sealed")}
			}
			return nil
		},
	}
	place(cmd)
	cmd.Flags().Bool("json", false, "for programs")
	cmd.Flags().StringSlice("public-key", nil, "file of a public key whose checkpoints count, beside the hub's own; repeat for more")
	cmd.Flags().Bool("only-public-key", false, "only the keys given by --public-key count, not the one that lies here")
	cmd.Flags().StringSlice("copy", nil, "file or folder of checkpoints that was kept elsewhere; repeat for more")
	cmd.Flags().StringSlice("archives", nil, "folder of archived entries, if it is not where they were written; repeat for more")
	cmd.Flags().Bool("without-archives", false, "believe archives that are not here by their signature")
	return cmd
}

// against reads what the chain is to be held against.
func against(cmd *cobra.Command, hub *server.Hub) (audit.Against, error) {
	a := hub.Audit.Against()
	f := cmd.Flags()
	if only, _ := f.GetBool("only-public-key"); only {
		a.Trusted = nil
	}
	keys, _ := f.GetStringSlice("public-key")
	for _, path := range keys {
		k, err := audit.LoadPublic(path)
		if err != nil {
			return a, err
		}
		a.Trusted = append(a.Trusted, k)
	}
	copies, _ := f.GetStringSlice("copy")
	a.Copies = append(a.Copies, copies...)
	a.Archives, _ = f.GetStringSlice("archives")
	a.Absent, _ = f.GetBool("without-archives")
	return a, nil
}

func auditKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Print the public key that verifies the checkpoints / 输出校验公钥",
		Long: `Prints the public half of the key that signs the audit's checkpoints. Keep it where the hub's administrators cannot
change it, and verify with it there.

` + exitText,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hub, err := beside(cmd)
			if err != nil {
				return err
			}
			defer hub.Close()
			fmt.Print(hub.Audit.Key().PEM())
			return nil
		},
	}
	place(cmd)
	return cmd
}

func auditReanchorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reanchor sha256|sm3",
		Short: "Let the chain go on with another hash / 更换摘要算法",
		Long: `Binds all that stands by the new hash, says so in the chain, and goes on with it. Old entries stay bound by the hash
of their time as well. Reads the whole chain once; changes wait meanwhile (about a second for 200 thousand entries).

` + exitText,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			hub, err := beside(cmd)
			if err != nil {
				return err
			}
			defer hub.Close()
			began := time.Now()
			if err := hub.Audit.Reanchor(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Printf("the chain goes on with %s (%v)\n", args[0], time.Since(began).Round(time.Millisecond))
			return nil
		},
	}
	place(cmd)
	return cmd
}

func auditArchiveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "archive --to DIR",
		Short: "Move old entries into signed files / 归档旧记录",
		Long: fmt.Sprintf(`Moves sealed entries older than --keep-months (default %d) into compressed, signed files of 50 thousand, and removes
them from the database. The chain goes on: verify walks the files and then the database, so keep them, and copies of
them, as long as the trail has to be kept. Nothing younger than %d months is ever moved. What was moved is no longer
found by the page and as AuditEvents.

`, audit.Rules.KeepMonths, audit.Rules.LeastMonths) + exitText,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, _ := cmd.Flags().GetString("to")
			months, _ := cmd.Flags().GetInt("keep-months")
			if dir == "" {
				return usage("name the folder for the files with --to DIR")
			}
			if months < audit.Rules.LeastMonths {
				return usage("--keep-months: the trail is kept at least %d months", audit.Rules.LeastMonths)
			}
			hub, err := beside(cmd)
			if err != nil {
				return err
			}
			defer hub.Close()
			made, err := hub.Audit.Archive(cmd.Context(), time.Now().AddDate(0, -months, 0), dir)
			for _, a := range made {
				fmt.Printf("%s: entries %d to %d, %s to %s\n", a.File, a.First, a.Last, a.From.Format(time.DateOnly), a.Until.Format(time.DateOnly))
			}
			if err == nil && len(made) == 0 {
				fmt.Println("nothing is that old")
			}
			return err
		},
	}
	place(cmd)
	cmd.Flags().String("to", "", "folder for the files")
	cmd.Flags().Int("keep-months", audit.Rules.KeepMonths, "months that stay in the database")
	return cmd
}

func auditCheckExportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check-export FILE",
		Short: "Check a file of exported entries against its signature / 校验导出文件",
		Long: `Reads signed JSON lines that the page has exported, and says whether they are as they were sent.

` + exitText,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, _ := cmd.Flags().GetString("public-key")
			if path == "" {
				return usage("give the hub's public key with --public-key FILE; `xinglin audit key` prints it")
			}
			key, err := audit.LoadPublic(path)
			if err != nil {
				return err
			}
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			if err := audit.VerifyExport(f, key); err != nil {
				return err
			}
			fmt.Println("as it was sent, signed by", key.ID)
			return nil
		},
	}
	cmd.Flags().String("public-key", "", "file of the hub's public key")
	return cmd
}
