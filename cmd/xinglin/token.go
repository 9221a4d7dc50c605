package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print a bearer token for a program / 程序令牌",
		Long: `Makes a bearer token for a program and prints it, and nothing else, on stdout. It is told only once.

  xinglin token --data DIR --client laboratory --scope 'system/Observation.cruds system/Patient.rs' --org Organization/county
  curl -H "Authorization: Bearer $(xinglin token --data DIR --client probe --scope 'system/*.rs')" http://127.0.0.1:8080/fhir/Patient

Scopes are SMART's: system/TYPE.LETTERS with TYPE a resource type or *, LETTERS of c r u d s.
The organisation is the custodian of what the program writes, and says whose records it reads; without
one it is the hub itself, which reads everything.

  xinglin token --data DIR --list
  xinglin token --data DIR --revoke ID

` + exitText,
		Args: cobra.NoArgs,
		RunE: runToken,
	}
	place(cmd)
	f := cmd.Flags()
	f.String("client", "", "name of the program")
	f.StringSlice("scope", nil, "what it may do, such as 'system/*.rs'")
	f.String("org", "", "Organization/id that it belongs to (default: the hub itself)")
	f.Duration("life", 90*24*time.Hour, "how long it is valid; negative = without end")
	f.Bool("list", false, "list the tokens instead")
	f.String("revoke", "", "end the token with this id instead")
	f.Bool("json", false, "for programs")
	return cmd
}

func runToken(cmd *cobra.Command, _ []string) error {
	f := cmd.Flags()
	client, _ := f.GetString("client")
	list, _ := f.GetBool("list")
	revoke, _ := f.GetString("revoke")
	given, _ := f.GetStringSlice("scope")
	scopes := strings.Fields(strings.Join(given, " "))
	if !list && revoke == "" && (client == "" || len(scopes) == 0) {
		return usage("a token needs --client NAME and --scope 'system/*.rs'")
	}
	hub, err := beside(cmd)
	if err != nil {
		return err
	}
	defer hub.Close()
	asked, _ := f.GetBool("json")
	switch {
	case revoke != "":
		return missing(hub.Identity.RevokeToken(cmd.Context(), revoke))
	case list:
		tokens, err := hub.Identity.Tokens(cmd.Context())
		if err != nil {
			return err
		}
		if asked {
			return printJSON(tokens)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		for _, t := range tokens {
			state := "until " + t.Expires.Format(time.DateOnly)
			switch {
			case t.Revoked:
				state = "revoked"
			case t.Expires.IsZero():
				state = "without end"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.ID, t.Client, strings.Join(t.Scopes, " "), t.Org, state)
		}
		return w.Flush()
	}
	org, _ := f.GetString("org")
	if org != "" {
		if _, ok := hub.Tree.Place(org); !ok {
			return withCode{exitUnavailable, fmt.Errorf("no organisation %s", org)}
		}
	}
	life, _ := f.GetDuration("life")
	t, secret, err := hub.Identity.NewToken(cmd.Context(), client, scopes, org, life)
	if err != nil {
		return err
	}
	if asked {
		return printJSON(map[string]any{"id": t.ID, "token": secret, "expires": t.Expires})
	}
	fmt.Println(secret)
	return nil
}
