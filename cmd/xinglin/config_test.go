package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestFlagsComeBeforeEnvironmentBeforeFile(t *testing.T) {
	for _, c := range []struct {
		name, file, env string
		args            []string
		listen, level   string
		fails           string
	}{
		{name: "nothing said", listen: "127.0.0.1:8080", level: "info"},
		{name: "the file", file: "listen = '1.1.1.1:1'\nlog-level = 'warn'", listen: "1.1.1.1:1", level: "warn"},
		{name: "a table of the command comes before the top", file: "listen = '1.1.1.1:1'\n[serve]\nlisten = '2.2.2.2:2'", listen: "2.2.2.2:2", level: "info"},
		{name: "a table of another command does not count", file: "[demo]\nlisten = '2.2.2.2:2'", listen: "127.0.0.1:8080", level: "info"},
		{name: "environment before file", file: "listen = '1.1.1.1:1'", env: "3.3.3.3:3", listen: "3.3.3.3:3", level: "info"},
		{name: "flag before all", file: "listen = '1.1.1.1:1'", env: "3.3.3.3:3", args: []string{"--listen", "4.4.4.4:4"}, listen: "4.4.4.4:4", level: "info"},
		{name: "a setting nobody knows is a mistake", file: "listne = 'x'", fails: "listne"},
		{name: "broken file", file: "listen = ", fails: "configuration file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if c.file != "" {
				if err := os.WriteFile(filepath.Join(dir, "xinglin.toml"), []byte(c.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.env != "" {
				t.Setenv("XINGLIN_LISTEN", c.env)
			}
			root := newRoot()
			var listen, level string
			find(t, root, "serve").RunE = captured(root, &listen, &level)
			root.SetArgs(append([]string{"serve", "--data", dir}, c.args...))
			err := root.ExecuteContext(t.Context())
			if c.fails != "" {
				var coded withCode
				if err == nil || !strings.Contains(err.Error(), c.fails) || !errors.As(err, &coded) || coded.code != exitUsage {
					t.Fatalf("got %v; want a usage error about %q", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if listen != c.listen || level != c.level {
				t.Errorf("got listen %q, level %q; want %q, %q", listen, level, c.listen, c.level)
			}
		})
	}
}

// captured runs the configuration of serve and then looks instead of serving.
func captured(root *cobra.Command, listen, level *string) func(*cobra.Command, []string) error {
	known := knownSettings(root)
	return func(cmd *cobra.Command, _ []string) error {
		if err := fill(cmd, known); err != nil {
			return withCode{exitUsage, err}
		}
		*listen, _ = cmd.Flags().GetString("listen")
		*level, _ = cmd.Flags().GetString("log-level")
		return nil
	}
}

func find(t *testing.T, root *cobra.Command, name string) *cobra.Command {
	t.Helper()
	cmd, _, err := root.Find([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		args []string
		want int
	}{
		{"version", []string{"version"}, 0},
		{"no such command", []string{"sreve"}, exitUsage},
		{"no such flag", []string{"version", "--fast"}, exitUsage},
		{"no data named", []string{"serve"}, exitUsage},
		{"half of a certificate", []string{"serve", "--data", dir, "--cert", "x"}, exitUsage},
		{"a configuration that is not there", []string{"serve", "--data", dir, "--config", filepath.Join(dir, "no.toml")}, exitUsage},
		{"too many words", []string{"version", "please"}, exitUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := run(c.args); got != c.want {
				t.Errorf("xinglin %s: got exit code %d; want %d", strings.Join(c.args, " "), got, c.want)
			}
		})
	}
}

// The names are a promise: others script them.
func TestCommandNames(t *testing.T) {
	root := newRoot()
	for _, path := range []string{"serve", "demo", "import", "export", "migrate", "user add", "user list", "user disable", "user reset",
		"token", "backup", "restore", "doctor", "version", "audit verify"} {
		cmd, rest, err := root.Find(strings.Fields(path))
		if err != nil || len(rest) > 0 || "xinglin "+path != cmd.CommandPath() {
			t.Errorf("got no command %q", path)
			continue
		}
		if path != "version" {
			for _, flag := range []string{"data", "db"} {
				if cmd.Flags().Lookup(flag) == nil {
					t.Errorf("xinglin %s has no --%s", path, flag)
				}
			}
		}
	}
}
