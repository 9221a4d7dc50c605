// Command xinglin runs a regional medical centre's network: server, import, accounts, backup.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/server"
)

// Exit codes; they stand in every help text.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitPartly      = 3 // some of many went wrong; the rest is done
	exitUnavailable = 4 // something named is not there, is held, or does not answer
)

const exitText = `Exit codes
  0  done
  1  failed
  2  wrong usage or configuration
  3  partly: some files or checks were bad, the rest is done
  4  not found, in use, or not reachable (data folder, database, server, account)`

// withCode carries an exit code up to main.
type withCode struct {
	code int
	error
}

func (e withCode) Unwrap() error { return e.error }

func usage(format string, args ...any) error {
	return withCode{exitUsage, fmt.Errorf(format, args...)}
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintln(os.Stderr, "xinglin:", msg)
	}
	return codeOf(err)
}

// codeOf is the exit code that an error ends with.
func codeOf(err error) int {
	var coded withCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, server.ErrBusy), errors.Is(err, server.ErrUnavailable), errors.Is(err, os.ErrNotExist):
		return exitUnavailable
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "xinglin",
		Short:         "杏林 Xinglin: a regional medical centre and its network",
		Long:          "杏林 Xinglin runs a regional medical centre and its network: one program, one page, open standards.\n\n" + exitText,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w; see: %s --help", err, cmd.CommandPath())
	})
	root.PersistentFlags().String("config", "", "configuration file (default DATA/xinglin.toml)")
	root.AddCommand(serveCommand(), demoCommand(), importCommand(), exportCommand(), migrateCommand(), userCommand(), tokenCommand(), appCommand(),
		terminologyCommand(), auditCommand(), registryCommand(), matchCommand(), personsCommand(), simulateCommand(), backupCommand(), restoreCommand(), keysCommand(), benchCommand(), doctorCommand(), versionCommand())
	configure(root)
	return root
}
