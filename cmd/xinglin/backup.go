package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/server"
)

func backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup DIR",
		Short: "Copy everything into a new folder while the server runs / 备份",
		Long: `Writes the database as it is at one moment, and the files, into a new folder with a note of counts and hashes.
The server may run meanwhile. It holds patients' records: keep it as safe as them.

  xinglin backup --data /var/lib/xinglin /backup/xinglin-2026-11-01

` + exitText,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			hub, err := beside(cmd)
			if err != nil {
				return err
			}
			defer hub.Close()
			note, err := hub.Backup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return tellNote(cmd, "backed up to "+args[0], note)
		},
	}
	place(cmd)
	cmd.Flags().Bool("json", false, "for programs")
	return cmd
}

func restoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore DIR",
		Short: "Put a backup into an empty place and verify it / 恢复",
		Long: `Puts a backup into an empty data folder or database and verifies it: hashes, counts, every file, the audit chain.
What is there already is never overwritten: restore beside it, look, then move the folders.

  xinglin restore --data /var/lib/xinglin-new /backup/xinglin-2026-11-01

` + exitText,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := options(cmd)
			if err != nil {
				return err
			}
			note, err := server.Restore(cmd.Context(), o, args[0])
			if err != nil {
				return err
			}
			return tellNote(cmd, "restored and verified "+args[0], note)
		},
	}
	place(cmd)
	cmd.Flags().Bool("json", false, "for programs")
	return cmd
}

func tellNote(cmd *cobra.Command, what string, note server.BackupNote) error {
	if asked, _ := cmd.Flags().GetBool("json"); asked {
		return printJSON(note)
	}
	var rows int64
	for _, n := range note.Rows {
		rows += n
	}
	fmt.Printf("%s: %d rows in %d tables, %d files, made %s\n", what, rows, len(note.Rows), note.Files, note.Made.Format("2006-01-02 15:04:05 MST"))
	return nil
}
