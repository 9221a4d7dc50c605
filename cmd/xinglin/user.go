package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/server"
)

func userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Accounts of people / 账号",
		Long:  "Adds, lists, disables and resets accounts; the page's administrator does the same. The server may run meanwhile.\n\n" + exitText,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	add := userStep("add USERNAME", "Add an account and print its one-time password",
		`  xinglin user add admin --data DIR --name 管理员 --role administrator
  xinglin user add wang --data DIR --name 王医生 --role referring-doctor@Organization/county --role leader@Organization/county

Roles: `+strings.Join(roleNames(), ", ")+`. A role without an organisation is at the hub itself.`, addUser)
	add.Flags().String("name", "", "the person's name (default: the username)")
	add.Flags().StringSlice("role", nil, "role[@Organization/id]; repeat for more")
	add.Flags().String("practitioner", "", "Practitioner/id of the person in the register")
	add.Flags().String("lang", "zh", "zh or en")
	list := userStep("list", "List the accounts", "", listUsers)
	list.Args = cobra.NoArgs
	disable := userStep("disable USERNAME", "Close an account and end its sessions", "  --undo opens it again.", disableUser)
	disable.Flags().Bool("undo", false, "open the account again")
	reset := userStep("reset USERNAME", "Print a new one-time password and end the account's sessions", "  --factors also takes its second factors away: the phone is lost.", resetUser)
	reset.Flags().Bool("factors", false, "take the second factors away, too")
	cmd.AddCommand(add, list, disable, reset)
	place(cmd)
	return cmd
}

type userWork func(cmd *cobra.Command, hub *server.Hub, args []string) error

func userStep(use, short, more string, work userWork) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: short + ".\n\n" + more, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			hub, err := beside(cmd)
			if err != nil {
				return err
			}
			defer hub.Close()
			return missing(work(cmd, hub, args))
		},
	}
	place(cmd)
	cmd.Flags().Bool("json", false, "for programs")
	return cmd
}

// missing gives what was not found its own exit code.
func missing(err error) error {
	var refused *fhir.Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return withCode{exitUnavailable, err}
	}
	return err
}

type userLine struct {
	Username string     `json:"username"`
	Name     string     `json:"name"`
	Disabled bool       `json:"disabled"`
	Roles    []roleLine `json:"roles"`
	Created  time.Time  `json:"created"`
	Password string     `json:"password,omitempty"`
}

type roleLine struct {
	Role string `json:"role"`
	Org  string `json:"org"`
}

func lineOf(u identity.User, password string) userLine {
	l := userLine{u.Username, u.Name, u.Disabled, []roleLine{}, u.Created, password}
	for _, r := range u.Roles {
		l.Roles = append(l.Roles, roleLine{string(r.Role), r.Org})
	}
	return l
}

func roleNames() []string {
	var names []string
	for r := range maps.Keys(access.RoleNames) {
		if r != access.Program {
			names = append(names, string(r))
		}
	}
	slices.Sort(names)
	return names
}

func addUser(cmd *cobra.Command, hub *server.Hub, args []string) error {
	f := cmd.Flags()
	n := identity.NewUser{Username: args[0]}
	n.Name, _ = f.GetString("name")
	if n.Name == "" {
		n.Name = args[0]
	}
	n.Practitioner, _ = f.GetString("practitioner")
	n.Lang, _ = f.GetString("lang")
	roles, _ := f.GetStringSlice("role")
	for _, text := range roles {
		role, org, _ := strings.Cut(text, "@")
		if !slices.Contains(roleNames(), role) {
			return usage("--role: %q is none of %s", role, strings.Join(roleNames(), ", "))
		}
		n.Roles = append(n.Roles, identity.Role{Role: access.Role(role), Org: org})
	}
	u, password, err := hub.Identity.AddUser(cmd.Context(), n)
	if err != nil {
		return err
	}
	return tell(cmd, u, password)
}

func tell(cmd *cobra.Command, u identity.User, password string) error {
	if asked, _ := cmd.Flags().GetBool("json"); asked {
		return printJSON(lineOf(u, password))
	}
	if password != "" {
		fmt.Printf("%s: one-time password %s (to be changed at the first login)\n", u.Username, password)
	} else {
		fmt.Printf("%s: done\n", u.Username)
	}
	return nil
}

func listUsers(cmd *cobra.Command, hub *server.Hub, _ []string) error {
	users, err := hub.Identity.Users(cmd.Context())
	if err != nil {
		return err
	}
	if asked, _ := cmd.Flags().GetBool("json"); asked {
		all := make([]userLine, len(users))
		for i, u := range users {
			all[i] = lineOf(u, "")
		}
		return printJSON(all)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, u := range users {
		state := ""
		if u.Disabled {
			state = "disabled"
		}
		var roles []string
		for _, r := range u.Roles {
			org := hub.Tree.Name(r.Org)
			if org == "" {
				org = r.Org
			}
			roles = append(roles, strings.TrimSuffix(string(r.Role)+"@"+org, "@"))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", u.Username, u.Name, strings.Join(roles, ", "), state)
	}
	return w.Flush()
}

func disableUser(cmd *cobra.Command, hub *server.Hub, args []string) error {
	undo, _ := cmd.Flags().GetBool("undo")
	disabled := !undo
	return change(cmd, hub, args[0], identity.Change{Disabled: &disabled})
}

func resetUser(cmd *cobra.Command, hub *server.Hub, args []string) error {
	if lost, _ := cmd.Flags().GetBool("factors"); lost {
		u, err := hub.Identity.UserNamed(cmd.Context(), args[0])
		if err == nil {
			err = hub.Identity.ResetFactors(cmd.Context(), u.ID)
		}
		if err != nil {
			return err
		}
	}
	return change(cmd, hub, args[0], identity.Change{Reset: true})
}

func change(cmd *cobra.Command, hub *server.Hub, username string, c identity.Change) error {
	u, err := hub.Identity.UserNamed(cmd.Context(), username)
	if err != nil {
		return err
	}
	u, password, err := hub.Identity.ChangeUser(cmd.Context(), u.ID, c)
	if err != nil {
		return err
	}
	return tell(cmd, u, password)
}
