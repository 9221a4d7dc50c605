package server

import (
	"context"
	"strings"

	"github.com/xinglin-health/xinglin/internal/audit"
)

// trail is where the audit is read, by the page and as AuditEvents alike.
func (h *Hub) trail() *audit.Desk {
	return &audit.Desk{Store: h.Store, Tree: h.Tree, Book: h.Audit, Accounts: func(ctx context.Context, practitioner, name string) (ids []string, err error) {
		users, err := h.Identity.Users(ctx)
		for _, u := range users {
			if practitioner != "" && u.Practitioner == practitioner || name != "" && strings.HasPrefix(strings.ToLower(u.Name), strings.ToLower(name)) {
				ids = append(ids, u.ID)
			}
		}
		return ids, err
	}}
}
