package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/keys"
)

const keysManual = `Records, answers and files are sealed under data keys; each data key is wrapped by the master key. A new data key
is made every 90 days or 64 GB; old ones stay for reading. All of this works while the server runs.

  xinglin keys make /etc/xinglin/master.key          a new master key in a file of its own
  xinglin keys list      --data DIR                  which keys there are, and what they seal
  xinglin keys rotate    --data DIR                  a new data key now
  xinglin keys rewrap    --data DIR --to env:NAME    another master key: only the wrapping changes
  xinglin keys reencrypt --data DIR                  seal everything under the newest data key; can be stopped and run again

`

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Keys under which records are sealed / 密钥管理",
		Long:  keysManual + exitText,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	make := &cobra.Command{
		Use:   "make FILE",
		Short: "Make a new master key in a file / 生成主密钥",
		Long:  "Makes a new master key of 256 random bits in a file that only its owner can read.\n\n" + exitText,
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := os.Stat(args[0]); !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("%s is there already", args[0])
			}
			return keys.MakeFile(args[0])
		},
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "Which keys there are / 列出密钥",
		Long:  "Lists the data keys with the master key that wraps each. It shows no key. It reads the whole log to count.\n\n" + exitText,
		Args:  cobra.NoArgs,
		RunE:  listKeys,
	}
	list.Flags().Bool("json", false, "for programs")
	rotate := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new data key now / 轮换数据密钥",
		Long:  "What is written from now on is sealed under a new key; a running server takes it within a minute.\n\n" + exitText,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hub, err := beside(cmd)
			if err != nil {
				return err
			}
			defer hub.Close()
			if err := hub.Store.RotateKey(cmd.Context()); err != nil {
				return err
			}
			fmt.Printf("data key %d seals from now on\n", hub.Store.Ring().Now().ID)
			return nil
		},
	}
	rewrap := &cobra.Command{
		Use:   "rewrap",
		Short: "Wrap all data keys by another master key / 更换主密钥",
		Long: `Unwraps every data key with the master key of today (--master) and wraps it with another (--to). No record changes.
Restart the server with the new master key afterwards. Keep the former one as long as backups need it.

` + exitText,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, _ := cmd.Flags().GetString("to")
			if address == "" {
				return usage("name the new master key with --to file:PATH, env:NAME, exec:PROGRAM or https://…")
			}
			hub, err := beside(cmd)
			if err != nil {
				return err
			}
			defer hub.Close()
			to, err := hub.OpenMaster(address)
			if err != nil {
				return err
			}
			if err := hub.Store.Rewrap(cmd.Context(), to); err != nil {
				return err
			}
			fmt.Printf("all data keys are wrapped by the new master key; start the server with --master %s\n", address)
			return nil
		},
	}
	rewrap.Flags().String("to", "", "the new master key: file:PATH, env:NAME, exec:PROGRAM or https://…")
	reencrypt := &cobra.Command{
		Use:   "reencrypt",
		Short: "Seal everything under the newest data key / 重新加密",
		Long: `Goes through all versions and files while the server runs, and seals anew what lies in plain or under an older key. Stopped, it
goes on where it was. On SQLite the space of what was replaced is used again, not given back; a copy of the old file still holds it.

` + exitText,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hub, err := beside(cmd)
			if err != nil {
				return err
			}
			defer hub.Close()
			shown := int64(-1)
			err = hub.Reencrypt(cmd.Context(), func(done, total int64) {
				if part := done * 100 / max(total, 1); part != shown {
					shown = part
					fmt.Fprintf(os.Stderr, "\r%d %% of %d versions", part, total)
				}
			})
			if shown >= 0 {
				fmt.Fprintln(os.Stderr)
			}
			if err != nil {
				return err
			}
			fmt.Println("everything is sealed under the newest key")
			return nil
		},
	}
	for _, sub := range []*cobra.Command{list, rotate, rewrap, reencrypt} {
		place(sub)
	}
	cmd.AddCommand(make, list, rotate, rewrap, reencrypt)
	return cmd
}

func listKeys(cmd *cobra.Command, _ []string) error {
	hub, err := beside(cmd)
	if err != nil {
		return err
	}
	defer hub.Close()
	all, err := hub.Store.Keys(cmd.Context())
	if err != nil {
		return err
	}
	plain, err := hub.Store.Unsealed(cmd.Context())
	if err != nil {
		return err
	}
	if asked, _ := cmd.Flags().GetBool("json"); asked {
		return printJSON(map[string]any{"keys": all, "plain": plain})
	}
	for _, k := range all {
		state := "seals"
		if k.Retired != nil {
			state = "retired " + k.Retired.Format("2006-01-02")
		}
		fmt.Printf("%4d  %-5s  %-12s  made %s  %-18s  wrapped by %s  %d bodies, %.1f MB\n", k.ID, k.Purpose, k.Algorithm, k.Created.Format("2006-01-02"), state, k.Master, k.Bodies, float64(k.Bytes)/1e6)
	}
	fmt.Printf("in plain: %d bodies\n", plain)
	return nil
}
