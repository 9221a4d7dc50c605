package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "The record of who touched what / 审计",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	verify := &cobra.Command{
		Use:   "verify",
		Short: "Check the chain for changed, removed or moved entries",
		Long: `Recomputes the hash chain of the audit and compares it with the noted ends of earlier days. Run it daily and
keep its output elsewhere: whoever can change the database cannot change that.

` + exitText,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hub, err := beside(cmd)
			if err != nil {
				return err
			}
			defer hub.Close()
			report, err := hub.Audit.Verify(cmd.Context())
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
				fmt.Printf("%d entries, head %s\n", report.Entries, report.Head)
			}
			if !report.OK() {
				return fmt.Errorf("the audit chain is broken")
			}
			return nil
		},
	}
	place(verify)
	verify.Flags().Bool("json", false, "for programs")
	place(cmd)
	cmd.AddCommand(verify)
	return cmd
}
