package server

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/store"
)

// madeUp marks a database that holds a made-up region: it stays a demo whatever command serves it.
const madeUp = "made-up"

// openLogins reads how people prove who they are: the operator's rules, the hospitals' own logins, and whether nobody here is real.
func (h *Hub) openLogins(ctx context.Context) error {
	made := false
	err := h.Store.View(ctx, func(tx *store.Tx) (err error) { _, made, err = tx.Setting(ctx, madeUp); return err })
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	h.Demo = h.Demo || made
	h.Lenient = h.Lenient || h.Demo
	rules, err := identity.ReadRules(filepath.Join(h.Data, "login-rules.json"))
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	h.rules = &rules
	if h.Logins != "" {
		if h.issuers, err = identity.ReadIssuers(h.Logins); err != nil {
			return fmt.Errorf("server: %w", err)
		}
	}
	return nil
}

// markMadeUp says in the database that nobody in it exists.
func (h *Hub) markMadeUp(ctx context.Context) error {
	err := h.Store.Update(ctx, func(tx *store.Tx) error { return tx.SetSetting(ctx, madeUp, "1") })
	if err != nil {
		return fmt.Errorf("server: demo: %w", err)
	}
	return nil
}

// origin is the address of the page as people reach it, "" when it is not configured.
func (h *Hub) origin() string {
	u, err := url.Parse(h.BaseURL)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// mayAppoint says which role gives which; where, the tree says.
func mayAppoint(c *access.Caller, role access.Role, _ string) error {
	if c.Role == access.Program || access.MayAppoint(c.Role, role) {
		return nil
	}
	return fhir.Refuse(403, "forbidden", "may-not-appoint", "your role does not give this role to people", "您的角色无权任命该角色")
}

func (h *Hub) who() *identity.Service { return h.Identity }
