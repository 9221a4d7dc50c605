package agreement

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Between returns nil when an agreement in force now lets one institution ask another for a kind of service, or when
// both are one legal person; else the refusal, which says whom to ask. In a unit that writes, what it answers holds
// until the unit ends: whoever suspends or signs waits.
func (r *Room) Between(ctx context.Context, tx *store.Tx, from, to, service string) error {
	if from == "" || to == "" || r.Legal(from) == r.Legal(to) {
		return nil
	}
	if err := r.pass(ctx, tx, from, to); err != nil {
		return err
	}
	found, err := r.of(ctx, tx, from, to)
	if err != nil {
		return err
	}
	now := tx.Now()
	specialties, err := r.specialties(ctx, tx, to)
	if err != nil {
		return err
	}
	for _, x := range found {
		if x.InForce(now) && r.Lets(x.Terms, from, service) && x.within(specialties) {
			return nil
		}
	}
	return r.refuse(ctx, tx, found, from, to, service)
}

// Gives says how much of a record one institution shows another by the agreements in force: the whole, or results.
func (r *Room) Gives(ctx context.Context, tx *store.Tx, from, to string) (whole, results bool, err error) {
	if from == "" || to == "" || r.Legal(from) == r.Legal(to) {
		return false, false, nil
	}
	found, err := r.of(ctx, tx, from, to)
	for _, x := range found {
		if x.InForce(tx.Now()) {
			whole = whole || x.Sharing == Whole
			results = results || x.Sharing == Whole || x.Sharing == Results || x.covers("recognition")
		}
	}
	return whole, results, err
}

// Askable lists the parties that an institution may ask for a service now, its own legal person among them.
func (r *Room) Askable(ctx context.Context, tx *store.Tx, from, service string) ([]string, error) {
	all, err := r.List(ctx, tx, r.above(from))
	if err != nil {
		return nil, err
	}
	parties := []string{r.Legal(from)}
	for _, x := range all {
		if !x.InForce(tx.Now()) || !r.Lets(x.Terms, from, service) {
			continue
		}
		other := x.Owner
		if slices.Contains(r.above(from), x.Owner) {
			other = x.Requester
		}
		if !slices.Contains(parties, other) {
			parties = append(parties, other)
		}
	}
	return parties, nil
}

// of reads the agreements between two institutions, the newest first; drafts bind nobody.
func (r *Room) of(ctx context.Context, tx *store.Tx, one, other string) ([]Row, error) {
	a, b := r.above(one), r.above(other)
	in := func(list []string) string { return "(?" + strings.Repeat(", ?", len(list)-1) + ")" }
	args := []any{}
	for _, list := range [][]string{a, b, b, a} {
		for _, x := range list {
			args = append(args, x)
		}
	}
	return rows(ctx, tx, "WHERE ((requester IN "+in(a)+" AND owner IN "+in(b)+") OR (requester IN "+in(b)+" AND owner IN "+in(a)+")) AND state <> 'draft' ORDER BY changed DESC, contract LIMIT 200", args...)
}

// Lets says whether the terms let this side ask the other for a service.
func (r *Room) Lets(t Terms, from, service string) bool {
	if !t.covers(service) {
		return false
	}
	s, _ := ServiceOf(service)
	leads := t.Lead != "" && slices.Contains(r.above(from), t.Lead)
	switch {
	case t.Lead == "" || s.Asks == "either" || s.Asks == "":
		return true
	case s.Asks == "lead":
		return leads
	}
	return !leads
}

// within says whether terms that are limited to specialties hold for a department; an institution as a whole is asked for any of them.
func (t Terms) within(specialties []string) bool {
	return len(t.Specialties) == 0 || specialties == nil || slices.ContainsFunc(specialties, func(s string) bool { return slices.Contains(t.Specialties, s) })
}

// specialties of a department; nil for an institution.
func (r *Room) specialties(ctx context.Context, tx *store.Tx, org string) ([]string, error) {
	if r.Tree.Institution(org) == org {
		return nil, nil
	}
	v, err := tx.Read(ctx, search.Everything, "Organization", strings.TrimPrefix(org, "Organization/"))
	if err != nil {
		return nil, nil // what is not there is refused elsewhere
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return nil, err
	}
	codes := []string{}
	for _, t := range n.All("type") {
		if code := codeAt(fhir.Of(fhir.Obj{"type", t}), "type", SpecialtySystem); code != "" {
			codes = append(codes, code)
		}
	}
	return codes, nil
}

// refuse says which institutions, which service, what there is instead, and whom to ask.
func (r *Room) refuse(ctx context.Context, tx *store.Tx, found []Row, from, to, service string) error {
	s, _ := ServiceOf(service)
	now := tx.Now()
	a, b := r.Legal(from), r.Legal(to)
	en := fmt.Sprintf("no agreement in force lets %s ask %s for %s", r.name(from), r.name(to), s.En)
	zh := fmt.Sprintf("%s与%s之间没有生效的“%s”协议", r.name(a), r.name(b), s.Zh)
	day := func(t time.Time) string { return t.In(r.zone()).Format(time.DateOnly) }
	for _, x := range found { // the newest that comes near
		if !r.Lets(x.Terms, from, service) {
			if x.InForce(now) && !slices.ContainsFunc(found, func(o Row) bool { return r.Lets(o.Terms, from, service) }) {
				en += "; the agreement in force does not cover it"
				zh += "（现有协议不包含此项服务）"
				break
			}
			continue
		}
		switch {
		case x.InForce(now):
			en += "; the agreement in force is limited to other specialties"
			zh += "（现有协议限定了其他专科）"
		case x.State == Suspended:
			en += "; the agreement was suspended on " + day(x.Changed)
			zh += "（协议自 " + day(x.Changed) + " 起暂停）"
		case !x.Until.IsZero() && !now.Before(x.Until):
			en += "; the agreement expired after " + day(x.Until.AddDate(0, 0, -1))
			zh += "（协议已于 " + day(x.Until.AddDate(0, 0, -1)) + " 到期）"
		case x.State == Terminated:
			en += "; the agreement was terminated on " + day(x.Changed)
			zh += "（协议已于 " + day(x.Changed) + " 终止）"
		case x.State == Signed || x.State == Active:
			en += "; the agreement begins on " + day(x.From)
			zh += "（协议自 " + day(x.From) + " 起生效）"
		case x.State == Proposed || x.State == HalfAsker || x.State == HalfOther:
			en += "; an agreement waits to be signed"
			zh += "（协议待签署）"
		default:
			continue
		}
		break
	}
	who, phone, err := r.contact(ctx, tx, to)
	if err != nil {
		return err
	}
	en += fmt.Sprintf(". Ask %s", who)
	zh += "。请联系" + who
	if phone != "" {
		en += ", " + phone
		zh += "（" + phone + "）"
	}
	en += ". Emergencies and the patient's own choice need no agreement."
	zh += "。急诊和患者自主选择不受协议限制。"
	return fhir.Refuse(422, "business-rule", "no-agreement", en, zh)
}

// contact is whom to ask for an agreement: the medical affairs of the other side, else of its legal person, else the institution itself.
func (r *Room) contact(ctx context.Context, tx *store.Tx, to string) (who, phone string, err error) {
	institution, legal := r.Tree.Institution(to), r.Legal(to)
	for _, org := range slices.Compact([]string{legal, institution}) {
		for _, p := range r.Tree.All(org) {
			if p.Parent != org || r.Tree.Institution(p.Ref) != org {
				continue
			}
			n := r.organization(ctx, tx, p.Ref)
			for _, t := range n.All("type") {
				if codeAt(fhir.Of(fhir.Obj{"type", t}), "type", SpecialtySystem) != "affairs" {
					continue
				}
				if phone = phoneOf(n); phone == "" {
					phone = phoneOf(r.organization(ctx, tx, org))
				}
				return r.nameIn(p.Ref, org), phone, nil
			}
		}
	}
	return r.name(legal), phoneOf(r.organization(ctx, tx, legal)), nil
}

func (r *Room) organization(ctx context.Context, tx *store.Tx, ref string) *fhir.Node {
	v, err := tx.Read(ctx, search.Everything, "Organization", strings.TrimPrefix(ref, "Organization/"))
	if err != nil {
		return nil
	}
	n, _ := fhir.Parse(v.JSON)
	return n
}

func phoneOf(n *fhir.Node) string {
	for _, t := range n.All("telecom") {
		if t.Str("system") == "phone" {
			return t.Str("value")
		}
	}
	return ""
}

func (r *Room) name(ref string) string {
	if n := r.Tree.Name(ref); n != "" {
		return n
	}
	return ref
}

func (r *Room) nameIn(ref, org string) string {
	name := r.name(ref)
	if strings.Contains(name, r.name(org)) || strings.HasSuffix(name, "医务处") && name != "医务处" {
		return name
	}
	return r.name(org) + name
}
