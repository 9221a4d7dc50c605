package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/bundle"
	"github.com/xinglin-health/xinglin/internal/fhir/profile"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Conformance checks what R4's structure does not say: invariants, profiles, bindings, references. References are
// looked up within scope; what was read for them comes back, for the audit entry.
type Conformance interface {
	Check(ctx context.Context, scope search.Scope, n *fhir.Node, o profile.Options) (issues []fhir.Issue, seen []store.Version, err error)
}

// validation offers Type/$validate and Type/{id}/$validate. Nothing is stored.
func (s *server) validation() []Operation {
	doc := "Checks a resource against R4's structure and invariants and against profiles: those of meta.profile and of the parameter profile. mode is create, update or delete. Nothing is stored."
	return []Operation{
		{Type: "*", Name: "validate", Safe: true, Doc: doc, Handle: s.validate},
		{Type: "*", Name: "validate", Instance: true, Safe: true, Doc: doc, Handle: s.validate},
	}
}

// most profiles that one call may ask for.
const mostProfiles = 20

func (s *server) validate(ctx context.Context, c Call) (Answer, error) {
	caller := access.From(ctx)
	mode := ""
	if modes := wanted(c, "mode"); len(modes) > 0 {
		mode = modes[0]
	}
	switch mode {
	case "", "create", "update", "delete", "profile":
	default:
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "value", "bad-mode", "mode is create, update, delete or profile", "mode 只能是 create、update、delete 或 profile")
	}
	ask := profile.Options{Rules: true, References: "warning", Profiles: wanted(c, "profile")}
	if len(ask.Profiles) > mostProfiles {
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "too-costly", "too-many-profiles", fmt.Sprintf("at most %d profiles", mostProfiles), "一次检查的规范过多")
	}
	n := c.Body
	if n.Type() == "Parameters" && (c.Type != "Parameters" || n.Get("parameter") != nil && c.Value("resource") != nil) {
		n = c.Value("resource")
	}
	entry := auditEntry(caller, c.Request)
	entry.Action, entry.What, entry.Target = "E", "validate", target(c.Type, c.ID)

	var stored *store.Version
	if c.ID != "" {
		if err := caller.May(mayRead, c.Type); err != nil {
			return Answer{}, err
		}
		err := s.Store.View(ctx, func(tx *store.Tx) error {
			found, err := tx.Read(ctx, c.Scope, c.Type, c.ID)
			if err == nil {
				stored = &found
			}
			return err
		})
		if err != nil && (n == nil || mode == "delete" || !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrGone)) {
			return Answer{}, err
		}
		if stored != nil {
			entry.Patients = patients(*stored)
		}
	}
	var issues []fhir.Issue
	switch {
	case mode == "delete":
		issues = s.deletion(caller, c, stored)
	case n == nil && stored == nil:
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "required", "resource-missing", "send the resource, or Parameters with a parameter named resource", "请提交要检查的资源，或含 resource 参数的 Parameters")
	default:
		if n == nil {
			var err error
			if n, err = fhir.Parse(stored.JSON); err != nil {
				return Answer{}, fmt.Errorf("rest: %w", err)
			}
		}
		var seen []store.Version
		var err error
		issues, seen, err = s.look(ctx, caller, c, n, mode, stored, ask)
		if err != nil {
			return Answer{}, err
		}
		entry.Patients = appendNew(entry.Patients, patients(seen...))
	}
	if len(issues) == 0 {
		issues = []fhir.Issue{{Severity: "information", Code: "informational", Detail: "valid", Text: "nothing is wrong", Zh: "检查通过"}}
	}
	return Answer{Body: outcome(issues, c.Lang, c.Request), Audit: &entry}, nil
}

// look checks a resource that would be created or updated.
func (s *server) look(ctx context.Context, caller *access.Caller, c Call, n *fhir.Node, mode string, stored *store.Version, ask profile.Options) (issues []fhir.Issue, seen []store.Version, err error) {
	add := func(code, detail, text, zh string) {
		issues = append(issues, fhir.Issue{Severity: "error", Code: code, Detail: detail, Text: text, Zh: zh, Expression: n.Type()})
	}
	if n.Type() != c.Type {
		add("invalid", "type-mismatch", fmt.Sprintf("the address says %s, the resource says %q", c.Type, n.Type()), "地址与内容的资源类型不一致")
	}
	letter := byte(0)
	switch mode {
	case "create":
		letter = mayCreate
	case "update":
		letter = mayUpdate
		switch {
		case c.ID != "" && n.ID() != c.ID:
			add("invalid", "id-mismatch", fmt.Sprintf("the address says id %q, the resource says %q", c.ID, n.ID()), "地址与内容中的 id 不一致")
		case c.ID == "" && n.ID() == "":
			add("required", "id-mismatch", "an update needs the id of what is updated", "更新必须有 id")
		}
		if stored != nil {
			if before, err := fhir.Parse(stored.JSON); err == nil {
				ask.Standing = map[string]bool{}
				for _, ref := range bundle.References(before) {
					ask.Standing[ref.Text] = true
				}
			}
			if why := s.writer.mayChange(caller, c.Type, stored.Custodian); why != nil {
				issues = append(issues, explain(why).Issues...)
			}
		}
	}
	if letter != 0 {
		ask.References = "error"
		if why := caller.May(letter, c.Type); why != nil {
			issues = append(issues, explain(why).Issues...)
		}
		for _, tag := range n.All("meta.tag") {
			if tag.Str("code") == "SUBSETTED" {
				add("business-rule", "subsetted", "a part of a resource (SUBSETTED) cannot be written back", "不能用不完整的内容（SUBSETTED）覆盖记录")
			}
		}
	}
	if s.AllowDangling {
		ask.References = ""
	}
	structure := validate.Resource(n)
	issues = append(issues, structure...)
	if len(structure) >= 100 || s.Conformance == nil {
		return issues, nil, nil
	}
	more, seen, err := s.Conformance.Check(ctx, c.Scope, n, ask)
	if err != nil {
		return nil, nil, fmt.Errorf("rest: validate: %w", err)
	}
	said := map[string]bool{}
	for _, i := range structure {
		said[i.Code+" "+i.Expression] = true
	}
	for _, i := range more {
		if i.Detail == "profile-min" && said["required "+i.Expression] {
			continue // R4 itself asks for it, too
		}
		issues = append(issues, i)
	}
	return issues, seen, nil
}

// deletion says whether a delete would be let through.
func (s *server) deletion(caller *access.Caller, c Call, stored *store.Version) (issues []fhir.Issue) {
	if stored == nil {
		return []fhir.Issue{{Severity: "error", Code: "required", Detail: "id-missing", Text: "mode=delete needs the id in the address", Zh: "mode=delete 需要在地址中给出 id"}}
	}
	for _, why := range []error{caller.May(mayDelete, c.Type), s.writer.mayChange(caller, c.Type, stored.Custodian)} {
		if why != nil {
			issues = append(issues, explain(why).Issues...)
		}
	}
	return issues
}

// wanted lists the values of a parameter, of Parameters and of the query. A resource that is sent by itself has none,
// though it may have an element of that name.
func wanted(c Call, name string) (list []string) {
	if c.Body.Type() == "Parameters" {
		for _, p := range c.Body.All("parameter") {
			if p.Str("name") != name {
				continue
			}
			for _, field := range []string{"valueUri", "valueCanonical", "valueUrl", "valueCode", "valueString"} {
				if s := p.Str(field); s != "" {
					list = append(list, s)
				}
			}
		}
	}
	for _, q := range c.Query {
		if q.Name == name && q.Value != "" {
			list = append(list, q.Value)
		}
	}
	return list
}

func appendNew(to, more []string) []string {
	have := map[string]bool{}
	for _, one := range to {
		have[one] = true
	}
	for _, one := range more {
		if !have[one] {
			have[one] = true
			to = append(to, one)
		}
	}
	return to
}
