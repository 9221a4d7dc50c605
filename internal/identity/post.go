package identity

import (
	"context"
	"fmt"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// RoleSystem is the code system of the roles in PractitionerRole.code.
const RoleSystem = spec.Canonical + "/CodeSystem/role"

// fromRegister says whether the register may give a role: who runs or audits the hub is named with his account only, so
// that nobody becomes an administrator by the write of a resource.
func fromRegister(r access.Role) bool {
	_, known := access.RoleNames[r]
	switch r {
	case access.Administrator, access.Auditor, access.Program, access.Patient, access.Guardian:
		return false
	}
	return known
}

// Derive keeps identity_post in step with the register: what a PractitionerRole says, its person may log in as, from when
// until when it says so. It is a store.Deriver; changed is called after the commit.
func (s *Service) derive(ctx context.Context, tx *store.Tx, w store.Written) error {
	source := "PractitionerRole/" + w.ID
	if _, err := tx.Exec(ctx, `DELETE FROM identity_post WHERE source = ?`, source); err != nil {
		return fmt.Errorf("identity: %s: %w", source, err)
	}
	if err := s.writePost(ctx, tx, source, w.After); err != nil {
		return fmt.Errorf("identity: %s: %w", source, err)
	}
	tx.AfterCommit(func() { s.forget("") })
	return nil
}

// Derive is the store.Deriver of a service that is made after its store is open.
func Derive(service func() *Service) store.Deriver {
	return func(ctx context.Context, tx *store.Tx, w store.Written) error {
		if w.Type != "PractitionerRole" {
			return nil
		}
		if s := service(); s != nil {
			return s.derive(ctx, tx, w)
		}
		return nil
	}
}

func (s *Service) writePost(ctx context.Context, tx *store.Tx, source string, n *fhir.Node) error {
	if n == nil || n.Str("active") == "false" {
		return nil
	}
	practitioner, org := n.Str("practitioner.reference"), n.Str("organization.reference")
	if !strings.HasPrefix(practitioner, "Practitioner/") || !strings.HasPrefix(org, "Organization/") {
		return nil
	}
	var from, until int64
	if text := n.Str("period.start"); text != "" {
		d, err := fhir.ParseDate(text, s.opts.Zone)
		if err != nil {
			return nil // the resource was validated; what cannot be read opens nothing
		}
		from = d.Low
	}
	if text := n.Str("period.end"); text != "" {
		d, err := fhir.ParseDate(text, s.opts.Zone)
		if err != nil {
			return nil
		}
		until = d.High // the last day counts whole
	}
	done := map[string]bool{}
	for _, code := range n.All("code") {
		for _, c := range code.All("coding") {
			role := c.Str("code")
			if c.Str("system") != RoleSystem || done[role] || !fromRegister(access.Role(role)) {
				continue
			}
			done[role] = true
			_, err := tx.Exec(ctx, `INSERT INTO identity_post (source, role, org, practitioner, from_at, until_at) VALUES (?, ?, ?, ?, ?, ?)`, source, role, org, practitioner, from, until)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// posts adds what the register says to accounts. What an account has been given itself is not said twice.
func posts(ctx context.Context, tx *store.Tx, users []User, at map[string]int, where string, args []any) error {
	return tx.Query(ctx, `SELECT u.id, p.source, p.role, p.org, p.from_at, p.until_at FROM identity_user u JOIN identity_post p ON p.practitioner = u.practitioner AND u.practitioner <> '' `+where+` ORDER BY u.id, p.from_at, p.source, p.role`, args,
		func(scan func(...any) error) error {
			var user, source, role, org string
			var from, until int64
			if err := scan(&user, &source, &role, &org, &from, &until); err != nil {
				return err
			}
			i, ok := at[user]
			if !ok {
				return nil
			}
			for _, r := range users[i].Roles {
				if string(r.Role) == role && r.Org == org && r.Source == "" && r.From.IsZero() && r.Until.IsZero() {
					return nil
				}
			}
			users[i].Roles = append(users[i].Roles, Role{ID: source + "#" + role, Role: access.Role(role), Org: org, From: moment(from), Until: moment(until), Source: source})
			return nil
		})
}

const postsRead = "identity/posts-read"

// Build reads the register of a database that was made before its roles opened the door; once.
func (s *Service) Build(ctx context.Context) error {
	done := false
	err := s.store.View(ctx, func(tx *store.Tx) (err error) { _, done, err = tx.Setting(ctx, postsRead); return err })
	if err != nil || done {
		return err
	}
	q := search.Query{Type: "PractitionerRole", Count: 500, Scope: search.Everything}
	for {
		var page store.Page
		err := s.store.View(ctx, func(tx *store.Tx) (err error) { page, err = tx.Search(ctx, q); return err })
		if err != nil {
			return fmt.Errorf("identity: read the register: %w", err)
		}
		err = s.store.Update(ctx, func(tx *store.Tx) error {
			for _, v := range page.Matches {
				n, err := fhir.Parse(v.JSON)
				if err != nil {
					return err
				}
				source := "PractitionerRole/" + v.ID
				if _, err := tx.Exec(ctx, `DELETE FROM identity_post WHERE source = ?`, source); err != nil {
					return err
				}
				if err := s.writePost(ctx, tx, source, n); err != nil {
					return err
				}
			}
			if page.Next == "" {
				return tx.SetSetting(ctx, postsRead, "1")
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("identity: read the register: %w", err)
		}
		if page.Next == "" {
			s.forget("")
			return nil
		}
		q.Cursor = page.Next
	}
}

// PostsAt are the organisations at which the register has a post for a practitioner that is not over.
func (s *Service) PostsAt(ctx context.Context, practitioner string) (orgs []string, err error) {
	err = s.store.View(ctx, func(tx *store.Tx) error {
		orgs = nil
		return tx.Query(ctx, `SELECT DISTINCT org FROM identity_post WHERE practitioner = ? AND (until_at = 0 OR until_at > ?)`, []any{practitioner, micros(tx.Now())}, func(scan func(...any) error) error {
			var org string
			err := scan(&org)
			orgs = append(orgs, org)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("identity: posts: %w", err)
	}
	return orgs, nil
}
