package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/smart"
)

func appCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "app",
		Short: "Register SMART apps / 登记 SMART 应用",
		Long: `Registers the apps that people and programs may use with this hub (SMART on FHIR).

  xinglin app add --data DIR --name 儿童生长曲线 --redirect https://growth.example/back --launch https://growth.example/launch \
      --scope 'launch openid fhirUser patient/Patient.rs patient/Observation.rs'
  xinglin app add --data DIR --name 数据平台 --kind key --jwks keys.json --scope 'system/*.rs' --org Organization/county
  xinglin app list --data DIR
  xinglin app disable --data DIR ID

An app of kind secret gets a secret, which is printed once.

` + exitText,
	}
	add := &cobra.Command{Use: "add", Short: "Register an app", Args: cobra.NoArgs, RunE: addApp}
	f := add.Flags()
	f.String("name", "", "what people read when they let it in")
	f.String("kind", smart.Public, "public (in a browser or on a phone), secret (a server), key (a server with a key of its own)")
	f.StringSlice("redirect", nil, "address to which people come back, exactly; repeat for more")
	f.String("launch", "", "address where our page starts it")
	f.StringSlice("scope", nil, "all that it may ever have")
	f.String("org", "", "Organization/id whose people may use it, custodian of what it writes by itself (default: the hub itself)")
	f.String("jwks", "", "file with its public keys (JSON Web Key Set)")
	f.String("jwks-url", "", "or the https address where it shows them; its host must be in --app-hosts")
	f.StringSlice("app-hosts", nil, "as for serve")
	f.Bool("introspects", false, "a resource server: may ask about the tokens of other apps")
	list := &cobra.Command{Use: "list", Short: "List the apps", Args: cobra.NoArgs, RunE: listApps}
	disable := &cobra.Command{Use: "disable ID", Short: "End an app and all its tokens", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error { return switchApp(cmd, args[0], true) }}
	enable := &cobra.Command{Use: "enable ID", Short: "Let a disabled app in again", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error { return switchApp(cmd, args[0], false) }}
	for _, c := range []*cobra.Command{add, list, disable, enable} {
		place(c)
		c.Flags().Bool("json", false, "for programs")
		cmd.AddCommand(c)
	}
	return cmd
}

func addApp(cmd *cobra.Command, _ []string) error {
	f := cmd.Flags()
	var a smart.App
	a.Name, _ = f.GetString("name")
	a.Kind, _ = f.GetString("kind")
	a.Redirects, _ = f.GetStringSlice("redirect")
	a.Launch, _ = f.GetString("launch")
	a.Org, _ = f.GetString("org")
	a.JWKSURL, _ = f.GetString("jwks-url")
	a.Introspects, _ = f.GetBool("introspects")
	scopes, _ := f.GetStringSlice("scope")
	a.Scopes = strings.Fields(strings.Join(scopes, " "))
	if file, _ := f.GetString("jwks"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return usage("--jwks: %w", err)
		}
		a.JWKS = string(text)
	}
	if a.Name == "" || len(a.Scopes) == 0 {
		return usage("an app needs --name NAME and --scope 'patient/*.rs'")
	}
	hub, err := beside(cmd)
	if err != nil {
		return err
	}
	defer hub.Close()
	if _, ok := hub.Tree.Place(a.Org); a.Org != "" && !ok {
		return withCode{exitUnavailable, fmt.Errorf("no organisation %s", a.Org)}
	}
	a, secret, err := hub.Smart.Add(cmd.Context(), a)
	if err != nil {
		return err
	}
	if asked, _ := f.GetBool("json"); asked {
		return printJSON(map[string]any{"id": a.ID, "secret": secret})
	}
	fmt.Println(a.ID)
	if secret != "" {
		fmt.Println(secret)
	}
	return nil
}

func listApps(cmd *cobra.Command, _ []string) error {
	hub, err := beside(cmd)
	if err != nil {
		return err
	}
	defer hub.Close()
	all, err := hub.Smart.Apps(cmd.Context())
	if err != nil {
		return err
	}
	if asked, _ := cmd.Flags().GetBool("json"); asked {
		return printJSON(all)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, a := range all {
		state := "on"
		if a.Disabled {
			state = "disabled"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", a.ID, a.Name, a.Kind, state, a.Org, strings.Join(a.Scopes, " "))
	}
	return w.Flush()
}

func switchApp(cmd *cobra.Command, id string, off bool) error {
	hub, err := beside(cmd)
	if err != nil {
		return err
	}
	defer hub.Close()
	_, _, err = hub.Smart.ChangeApp(cmd.Context(), id, smart.AppChange{Disabled: &off})
	return missing(err)
}
