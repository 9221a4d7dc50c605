package identity

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Request is a role that waits for a second administrator.
type Request struct {
	ID      string
	User    string
	Role    Role
	By      string
	Created time.Time
}

var (
	notYourself    = fhir.Refuse(422, "business-rule", "not-yourself", "somebody else must change your own roles or disable you", "不能更改自己的角色或停用自己，请由其他管理员操作")
	anotherOne     = fhir.Refuse(403, "forbidden", "second-administrator", "a second administrator confirms: neither who asked nor whom it is about", "须由另一位管理员确认，申请人和当事人不能确认")
	unknownRequest = fhir.Refuse(404, "not-found", "unknown-request", "this request is over already", "该申请已处理或已过期")
	hasAccount     = fhir.Refuse(409, "duplicate", "practitioner-has-account", "this person has an account already", "该人员已有账号")
)

// Appoints refuses a role that the caller may not give at org; nobody gives himself one.
func (s *Service) Appoints(c *access.Caller, role access.Role, org, user, practitioner string) error {
	if c == nil {
		return nil
	}
	if user != "" && user == c.User || practitioner != "" && practitioner == c.Practitioner {
		return notYourself
	}
	if s.opts.MayAppoint != nil {
		return s.opts.MayAppoint(c, role, org)
	}
	return nil
}

// Guard refuses a PractitionerRole by which somebody would give himself a role, or one that he may not give; it is a
// store.Guard. Whether the organisation is his, the guard of the tree says.
func Guard(service func() *Service) store.Guard {
	return func(ctx context.Context, p store.Put, before *fhir.Node) error {
		if p.Type != "PractitionerRole" {
			return nil
		}
		s, c := service(), access.From(ctx)
		if s == nil || c == nil {
			return nil
		}
		for _, n := range []*fhir.Node{before, p.Resource.Node} {
			if n == nil {
				continue
			}
			practitioner, org := n.Str("practitioner.reference"), n.Str("organization.reference")
			if practitioner != "" && practitioner == c.Practitioner {
				return notYourself
			}
			for _, code := range n.All("code") {
				for _, coding := range code.All("coding") {
					if coding.Str("system") != RoleSystem || n == before {
						continue
					}
					if err := s.Appoints(c, access.Role(coding.Str("code")), org, "", practitioner); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
}

// administratorsOf counts the accounts that administer an institution now, but for one.
func (s *Service) administratorsOf(ctx context.Context, tx *store.Tx, org, without string) (n int, err error) {
	users, err := s.list(ctx, tx, `WHERE u.disabled = 0 AND u.id IN (SELECT user_id FROM identity_role WHERE role = 'administrator')`)
	at := s.tree.Institution(org)
	for _, u := range users {
		if u.ID != without && slices.ContainsFunc(u.Roles, func(r Role) bool {
			return r.Role == access.Administrator && r.At(tx.Now()) && s.tree.Institution(r.Org) == at
		}) {
			n++
		}
	}
	return n, err
}

// part takes out of wanted the roles that are new to the account and need a second administrator. Without a caller (the
// command line of the machine) nothing waits.
func (s *Service) part(ctx context.Context, tx *store.Tx, user string, has, wanted []Role) (now, later []Role, err error) {
	c := access.From(ctx)
	for _, r := range wanted {
		stands := slices.ContainsFunc(has, func(h Role) bool { return h.Role == r.Role && h.Org == r.Org })
		if c == nil || stands || s.rules.Confirm.From == 0 || !slices.Contains(s.rules.Confirm.Roles, r.Role) {
			now = append(now, r)
			continue
		}
		n, err := s.administratorsOf(ctx, tx, r.Org, user)
		if err != nil {
			return nil, nil, err
		}
		if n < s.rules.Confirm.From {
			now = append(now, r)
			continue
		}
		later = append(later, r)
	}
	for _, r := range later {
		_, err := tx.Exec(ctx, `DELETE FROM identity_request WHERE user_id = ? AND role = ? AND org = ?`, user, string(r.Role), r.Org)
		if err == nil {
			_, err = tx.Exec(ctx, `INSERT INTO identity_request (id, user_id, role, org, from_at, until_at, by_user, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
				newID(), user, string(r.Role), r.Org, micros(r.From), micros(r.Until), c.User, micros(s.opts.Wall.Now()))
		}
		if err == nil {
			err = s.note(ctx, tx, "C", "role-request", user)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return now, later, nil
}

// Requests lists the roles that wait for a second administrator, oldest first.
func (s *Service) Requests(ctx context.Context) (list []Request, err error) {
	err = s.store.View(ctx, func(tx *store.Tx) (err error) { list, err = s.requests(ctx, tx); return err })
	return list, err
}

func (s *Service) requests(ctx context.Context, tx *store.Tx) (list []Request, err error) {
	since := s.opts.Wall.Now().Add(-time.Duration(s.rules.Confirm.Days) * 24 * time.Hour)
	err = tx.Query(ctx, `SELECT id, user_id, role, org, from_at, until_at, by_user, created FROM identity_request WHERE created > ? ORDER BY created, id LIMIT 500`, []any{micros(since)}, func(scan func(...any) error) error {
		var q Request
		var role string
		var from, until, created int64
		err := scan(&q.ID, &q.User, &role, &q.Role.Org, &from, &until, &q.By, &created)
		q.Role.Role, q.Role.From, q.Role.Until, q.Created = access.Role(role), moment(from), moment(until), moment(created)
		list = append(list, q)
		return err
	})
	return list, err
}

// Confirm gives the role that waits, or with grant false lets it go. The caller is neither who asked nor whom it is about.
func (s *Service) Confirm(ctx context.Context, id string, grant bool) (Request, error) {
	c := access.From(ctx)
	var q Request
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		list, err := s.requests(ctx, tx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(q Request) bool { return q.ID == id })
		if i < 0 {
			return unknownRequest
		}
		q = list[i]
		if grant && (c == nil || c.User == q.By || c.User == q.User) {
			return anotherOne
		}
		if n, err := tx.Exec(ctx, `DELETE FROM identity_request WHERE id = ?`, id); err != nil || n == 0 {
			if err == nil {
				err = unknownRequest
			}
			return err
		}
		if !grant {
			return s.note(ctx, tx, "D", "role-request-refused", q.User)
		}
		_, err = tx.Exec(ctx, `INSERT INTO identity_role (id, user_id, ord, role, org, from_at, until_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			newID(), q.User, int64(1000), string(q.Role.Role), q.Role.Org, micros(q.Role.From), micros(q.Role.Until))
		if err == nil {
			_, err = tx.Exec(ctx, `DELETE FROM identity_session WHERE user_id = ?`, q.User)
		}
		if err == nil {
			err = s.note(ctx, tx, "U", "role-request-confirmed", q.User)
		}
		return err
	})
	s.forget(q.User)
	if err != nil {
		return q, fmt.Errorf("identity: confirm: %w", err)
	}
	return q, nil
}
