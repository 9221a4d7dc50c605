package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// configure lets every flag of every command also be given by environment and file, and says so in its help.
func configure(root *cobra.Command) {
	known := knownSettings(root)
	each(root, func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && configurable(f) && !strings.Contains(f.Usage, "XINGLIN_") {
				f.Usage += " [" + environment(f.Name) + "]"
			}
		})
		run := cmd.RunE
		if run == nil {
			return
		}
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := fill(cmd, known); err != nil {
				return withCode{exitUsage, err}
			}
			return run(cmd, args)
		}
		if check := cmd.Args; check != nil {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if err := check(cmd, args); err != nil {
					return usage("%w; see: %s --help", err, cmd.CommandPath())
				}
				return nil
			}
		}
	})
}

// knownSettings are the keys that a configuration file may have.
func knownSettings(root *cobra.Command) map[string]bool {
	known := map[string]bool{}
	each(root, func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known[f.Name] = known[f.Name] || configurable(f) })
		known[cmd.Name()] = true
	})
	return known
}

func each(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, sub := range cmd.Commands() {
		each(sub, do)
	}
}

// settings are the flags that are configuration; the others say what to do now.
var settings = []string{"config", "data", "db", "blob", "seal", "master", "log-level", "log-format", "test-clock", "memory",
	"listen", "cert", "key", "tls", "redirect", "base-url", "proxy", "enforce-profiles", "full-text", "notify-host", "hooks", "audit-hash", "audit-key", "audit-signature", "audit-checkpoints", "url", "token", "workers"}

func configurable(f *pflag.Flag) bool { return slices.Contains(settings, f.Name) }

func environment(flag string) string {
	if flag == "data" {
		return "XINGLIN_DATA_DIR" // XINGLIN_DATA names the outside test data
	}
	return "XINGLIN_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fill sets what the command line left open: from the environment, then from the file.
// In the file a key is a flag's name; a table with the command's name comes before the top level.
func fill(cmd *cobra.Command, known map[string]bool) error {
	var all error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if value, ok := os.LookupEnv(environment(f.Name)); ok && !f.Changed && configurable(f) && value != "" {
			if err := cmd.Flags().Set(f.Name, value); err != nil {
				all = errors.Join(all, fmt.Errorf("%s: %w", environment(f.Name), err))
			}
		}
	})
	if all != nil {
		return all
	}
	file, err := readConfig(cmd)
	if err != nil || file == nil {
		return err
	}
	for key := range file {
		if !known[key] {
			return fmt.Errorf("configuration file: unknown setting %q", key)
		}
	}
	section := cmd.Name()
	if section == "doctor" {
		section = "serve" // it examines what serve would do
	}
	table, _ := file[section].(map[string]any)
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || !configurable(f) || f.Name == "config" {
			return
		}
		value, ok := table[f.Name]
		if !ok {
			value, ok = file[f.Name]
		}
		if !ok {
			return
		}
		values, list := value.([]any)
		if !list {
			values = []any{value}
		}
		for _, v := range values {
			if err := cmd.Flags().Set(f.Name, fmt.Sprint(v)); err != nil {
				all = errors.Join(all, fmt.Errorf("configuration file: %s: %w", f.Name, err))
			}
		}
	})
	return all
}

// readConfig reads the file that was named, or the one in the data folder if it is there.
func readConfig(cmd *cobra.Command) (map[string]any, error) {
	path, _ := cmd.Flags().GetString("config")
	named := path != ""
	if !named {
		dir, err := cmd.Flags().GetString("data")
		if err != nil || dir == "" {
			return nil, nil
		}
		path = filepath.Join(dir, "xinglin.toml")
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && !named {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	var file map[string]any
	if err := toml.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("configuration file %s: %w", path, err)
	}
	return file, nil
}
