package registry

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Licence is a person's right by law to practise, as the registry has it.
type Licence struct {
	Kind      string
	Number    string   // as read from the table its last four characters only
	Scope     string   // 执业范围
	Places    []string // "Organization/…" of registration
	Suspended bool
	Span
}

// Licences lists a person's licences.
func (r *Room) Licences(ctx context.Context, tx *store.Tx, person string) (list []Licence, err error) {
	err = tx.Query(ctx, "SELECT kind, number, scope, places, since, until, suspended FROM registry_licence WHERE person = ? ORDER BY ord", []any{person},
		func(scan func(...any) error) error {
			var l Licence
			var places string
			var since, until, suspended int64
			if err := scan(&l.Kind, &l.Number, &l.Scope, &places, &since, &until, &suspended); err != nil {
				return err
			}
			l.Places, l.From, l.Until, l.Suspended = strings.Fields(places), moment(since), moment(until), suspended != 0
			list = append(list, l)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("registry: licences: %w", err)
	}
	return list, nil
}

// Allowed refuses an act to which the caller has no right at this moment: no role in force, no licence of a kind that
// the act needs, none that covers this place and no basis for it, or a right that the institution has not granted.
// It answers with the reason and whom to ask. Emergencies are not its business: they do not ask.
func (r *Room) Allowed(ctx context.Context, tx *store.Tx, by *access.Caller, act string) error {
	rule, known := Rules.Act(act)
	if !known {
		return fmt.Errorf("registry: unknown act %q", act)
	}
	if by == nil || by.Role == "system" {
		return nil
	}
	no := func(code, en, zh string) error {
		ask, err := r.whomToAsk(ctx, tx, by.Institution)
		if err != nil {
			return err
		}
		return fhir.Refuse(403, "forbidden", code, rule.En+": "+en+"; ask "+ask.En, rule.Zh+"："+zh+"。请联系"+ask.Zh)
	}
	if by.Practitioner == "" {
		if len(rule.Licences) == 0 {
			return nil
		}
		return no("no-licence", "no person with a licence stands behind this login", "当前登录身份没有对应的执业人员")
	}
	posts, err := r.PostsOf(ctx, tx, by.Practitioner)
	if err != nil {
		return err
	}
	now := tx.Now()
	here := slices.DeleteFunc(slices.Clone(posts), func(h Held) bool { return r.Tree.Institution(h.Org) != by.Institution })
	inForce := slices.DeleteFunc(slices.Clone(here), func(h Held) bool { return !h.Span.At(now) })
	if len(inForce) == 0 {
		if len(here) > 0 {
			last := slices.MaxFunc(here, func(a, b Held) int { return a.Until.Compare(b.Until) })
			if last.Until.IsZero() || last.Until.After(now) { // begins later
				return no("role-over", "your role here has not begun", "您在本单位的任职尚未开始")
			}
			return no("role-over", "your role here ended on "+r.Day(last.Until.Add(-1)), "您在本单位的任职已于 "+r.Day(last.Until.Add(-1))+" 结束")
		}
		if len(rule.Licences) == 0 && len(posts) == 0 {
			return nil // known by the account alone, and the act asks for nothing
		}
		return no("role-over", "you hold no role here", "您在本单位没有任职")
	}
	if len(rule.Licences) == 0 {
		return nil
	}
	return r.licensed(ctx, tx, rule, by, inForce, no)
}

func (r *Room) licensed(ctx context.Context, tx *store.Tx, rule Act, by *access.Caller, posts []Held, no func(code, en, zh string) error) error {
	licences, err := r.Licences(ctx, tx, by.Practitioner)
	if err != nil {
		return err
	}
	now := tx.Now()
	level := r.level(by.Institution)
	fits := func(l Licence) bool {
		return slices.ContainsFunc(rule.Licences, func(n Needed) bool { return n.Kind == l.Kind && (n.Levels == nil || slices.Contains(n.Levels, level)) })
	}
	licences = slices.DeleteFunc(licences, func(l Licence) bool { return !fits(l) })
	if len(licences) == 0 {
		var kinds [2][]string
		for _, n := range rule.Licences {
			if n.Levels == nil || slices.Contains(n.Levels, level) {
				t, _ := find(Rules.Kinds, n.Kind)
				kinds[0], kinds[1] = append(kinds[0], t.En), append(kinds[1], t.Zh)
			}
		}
		return no("no-licence", "needs the licence of a "+strings.Join(kinds[0], " or "), "须具有"+strings.Join(kinds[1], "或")+"资格")
	}
	valid := slices.DeleteFunc(slices.Clone(licences), func(l Licence) bool { return !l.At(now) || l.Suspended })
	if len(valid) == 0 {
		l := slices.MaxFunc(licences, func(a, b Licence) int { return micros2(a.Until, b.Until) })
		switch {
		case l.Suspended:
			return no("licence-suspended", "your licence is suspended", "您的执业证书处于暂停状态")
		case !l.From.IsZero() && l.From.After(now):
			return no("licence-expired", "your licence is valid from "+r.Day(l.From), "您的执业证书自 "+r.Day(l.From)+" 起有效")
		}
		return no("licence-expired", "your licence ended on "+r.Day(l.Until.Add(-1)), "您的执业证书有效期已于 "+r.Day(l.Until.Add(-1))+" 届满")
	}
	host := !slices.ContainsFunc(valid, func(l Licence) bool {
		return slices.ContainsFunc(l.Places, func(p string) bool { return r.covers(p, by.Institution) })
	})
	if host {
		i := slices.IndexFunc(posts, func(h Held) bool { return h.Basis != "" && slices.Contains(rule.Bases, h.Basis) })
		if i < 0 {
			for _, h := range posts {
				if h.Basis != "" {
					t, _ := find(Rules.Bases, h.Basis)
					return no("no-basis-here", "your basis here ("+t.En+") does not cover it", "您在本单位的执业依据（"+t.Zh+"）不包含此项")
				}
			}
			return no("no-basis-here", "your licence is registered elsewhere and no basis for this place is on file", "您的执业地点不含本单位，且没有登记执业依据")
		}
	}
	if rule.Right == "" || rule.Granted != "always" && !host {
		return nil
	}
	for _, h := range posts {
		for _, g := range h.Rights {
			if gives(g.Code, rule.Right) && g.At(now) {
				return nil
			}
		}
	}
	t, _ := find(Rules.Rights, rule.Right)
	return no("not-granted-here", "this institution has not granted you: "+t.En, "本单位尚未授予您"+t.Zh)
}

// NeedsCountersign says whether what the caller records now is looked at by a doctor above: he works where the rules say
// so and holds no licence in force.
func (r *Room) NeedsCountersign(ctx context.Context, tx *store.Tx, by *access.Caller) (bool, error) {
	if by == nil || by.Practitioner == "" || !slices.Contains(Rules.Countersigned.Levels, r.level(by.Institution)) {
		return false, nil
	}
	licences, err := r.Licences(ctx, tx, by.Practitioner)
	now := tx.Now()
	return !slices.ContainsFunc(licences, func(l Licence) bool {
		return slices.Contains(Rules.Countersigned.Unless, l.Kind) && l.At(now) && !l.Suspended
	}), err
}

func micros2(a, b time.Time) int {
	x, y := micros(a, forever), micros(b, forever)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// Day is a moment as the day on which it lies here.
func (r *Room) Day(t time.Time) string { return t.In(r.zone()).Format(time.DateOnly) }

// whomToAsk names who at an institution can mend a missing licence, basis or right: its medical affairs, else its administrator.
func (r *Room) whomToAsk(ctx context.Context, tx *store.Tx, institution string) (Term, error) {
	name := r.Tree.Name(institution)
	now := tx.Now().UnixMicro()
	for _, role := range []Term{{Code: "medical-affairs", Zh: "医务处", En: "medical affairs"}, {Code: "administrator", Zh: "管理员", En: "the administrator"}} {
		var org string
		err := tx.Query(ctx, "SELECT org FROM registry_post WHERE code = ? AND superseded = ? AND since <= ? AND until > ? ORDER BY org LIMIT 5000", []any{"role/" + role.Code, int64(math.MaxInt64), now, now},
			func(scan func(...any) error) error {
				var at string
				if err := scan(&at); err != nil {
					return err
				}
				if org == "" && r.Tree.Institution(at) == institution {
					org = at
				}
				return nil
			})
		if err != nil {
			return Term{}, fmt.Errorf("registry: whom to ask: %w", err)
		}
		if org != "" {
			return Term{Zh: name + role.Zh, En: role.En + " of " + name}, nil
		}
	}
	return Term{Zh: name + "管理部门", En: "the administration of " + name}, nil
}
