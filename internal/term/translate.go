package term

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// mapGroup is a group of a ConceptMap: from one system to another.
type mapGroup struct{ source, sourceVersion, target, targetVersion, unmapped string }

// mapRow is one target of one code.
type mapRow struct {
	ord                                                      int64
	group                                                    int
	code, display, target, targetDisplay, equivalence, extra string
}

// mapOf reads the groups and rows of a ConceptMap. extra and unmapped are JSON, "" when there is none.
func mapOf(n *fhir.Node) (groups []mapGroup, rows []mapRow) {
	for i, g := range n.All("group") {
		unmapped := ""
		if u := g.Child("unmapped"); u != nil {
			unmapped = string(u.JSON())
		}
		groups = append(groups, mapGroup{g.Str("source"), g.Str("sourceVersion"), g.Str("target"), g.Str("targetVersion"), unmapped})
		for _, e := range g.All("element") {
			for _, t := range e.All("target") {
				extra := ""
				if t.Child("dependsOn") != nil || t.Child("product") != nil || t.Child("comment") != nil {
					extra = string(fhir.Of(fhir.Obj{"comment", t.Str("comment"), "dependsOn", nodes(t.All("dependsOn")), "product", nodes(t.All("product"))}).JSON())
				}
				rows = append(rows, mapRow{int64(len(rows)), i, e.Str("code"), e.Str("display"), t.Str("code"), t.Str("display"), firstOf(t.Str("equivalence"), "relatedto"), extra})
			}
		}
	}
	return groups, rows
}

func nodes(list []*fhir.Node) fhir.Arr {
	out := fhir.Arr{}
	for _, n := range list {
		out = append(out, n)
	}
	return out
}

// Translate asks what codes are in another system. Without a map all that lead from the code's system are tried.
type Translate struct {
	Where
	Codes        []Code
	TargetSystem string
	Source       string // value set that the map must be from
	Target       string // value set that the map must lead to
	Reverse      bool
	Dependencies map[string]string // property -> value; a row with another value of it does not count
}

// Match is one translation.
type Match struct {
	Equivalence string
	Concept     Code
	Product     []*fhir.Node
	Comment     string
	Map         string // canonical
}

// Translated is the answer: Valid when some match says that there is a counterpart.
type Translated struct {
	Valid   bool
	Matches []Match
	Message string
	Zh      string
}

// inverse is the equivalence seen from the other side.
var inverse = map[string]string{"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}

// Translate answers with all matches, in the order of the map.
func (s *Service) Translate(ctx context.Context, ask Translate) (out Translated, err error) {
	if len(ask.Codes) == 0 {
		return out, invalid("code-required", "give a code with its system, a coding or a codeableConcept", "请指定要转换的代码")
	}
	err = s.ask(ctx, func(q *session) error {
		maps, err := q.maps(ctx, &ask)
		if err != nil {
			return err
		}
		for _, m := range maps {
			for _, code := range ask.Codes {
				if err := q.through(ctx, &ask, m, code, &out, 0); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for _, m := range out.Matches {
		out.Valid = out.Valid || m.Equivalence != "unmatched" && m.Equivalence != "disjoint"
	}
	if err == nil && !out.Valid {
		out.Message, out.Zh = "no counterpart found", "没有找到对应的代码"
	}
	return out, err
}

// conceptMap is one map that a question goes through.
type conceptMap struct {
	num       int64
	canonical string
	groups    []mapGroup
	rows      []mapRow // of one that came with the question
}

// maps finds the maps of a question.
func (q *session) maps(ctx context.Context, ask *Translate) ([]*conceptMap, error) {
	var found []*entry
	switch {
	case ask.Sent != nil:
		if ask.Sent.Type() != "ConceptMap" {
			return nil, invalid("not-a-concept-map", "the parameter conceptMap holds no ConceptMap", "参数 conceptMap 不是概念映射")
		}
		m := &conceptMap{canonical: (&entry{url: ask.Sent.Str("url"), version: ask.Sent.Str("version")}).canonical()}
		m.groups, m.rows = mapOf(ask.Sent)
		return []*conceptMap{m}, nil
	case ask.ID != "":
		e, err := q.instance(ctx, "ConceptMap", ask.ID)
		if err != nil {
			return nil, err
		}
		found = []*entry{e}
	case ask.URL != "":
		e, err := q.resolve(ctx, "ConceptMap", ask.canonical())
		if err != nil {
			return nil, err
		}
		if e == nil {
			return nil, unknown("concept map", ask.canonical())
		}
		found = []*entry{e}
	default:
		var err error
		if found, err = q.mapsFrom(ctx, ask); err != nil {
			return nil, err
		}
	}
	var out []*conceptMap
	for _, e := range found {
		m := &conceptMap{num: e.num, canonical: e.canonical()}
		err := q.tx.Query(ctx, "SELECT source, source_version, target, target_version, unmapped FROM term_group WHERE book = ? ORDER BY grp", []any{e.num}, func(scan func(...any) error) error {
			var g mapGroup
			err := scan(&g.source, &g.sourceVersion, &g.target, &g.targetVersion, &g.unmapped)
			m.groups = append(m.groups, g)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("term: groups: %w", err)
		}
		out = append(out, m)
	}
	return out, nil
}

// mapsFrom finds the maps from the codes' systems, the newest version of each.
func (q *session) mapsFrom(ctx context.Context, ask *Translate) ([]*entry, error) {
	column := "source"
	if ask.Reverse {
		column = "target"
	}
	var out []*entry
	seen := map[string]bool{}
	for _, c := range ask.Codes {
		if c.System == "" {
			return nil, invalid("system-required", "name the map, or the system of the code", "请指定概念映射或代码系统")
		}
		list, err := q.entries(ctx, "kind = 'ConceptMap' AND num IN (SELECT book FROM term_group WHERE "+column+" = ?) ORDER BY url, num", c.System)
		if err != nil {
			return nil, err
		}
		byURL := map[string][]*entry{}
		for _, e := range list {
			byURL[e.url] = append(byURL[e.url], e)
		}
		for _, e := range list {
			if seen[e.url] && e.url != "" {
				continue
			}
			seen[e.url] = true
			best := e
			if e.url != "" {
				best = choose(byURL[e.url], "")
			}
			if best.status == "retired" {
				continue
			}
			if ask.Source != "" || ask.Target != "" {
				n, err := q.read(ctx, best)
				if err != nil {
					return nil, err
				}
				if !between(n, ask) {
					continue
				}
			}
			if out = append(out, best); len(out) >= 100 {
				return out, nil
			}
		}
	}
	return out, nil
}

func between(n *fhir.Node, ask *Translate) bool {
	from, to := firstOf(n.Str("sourceUri"), n.Str("sourceCanonical")), firstOf(n.Str("targetUri"), n.Str("targetCanonical"))
	if ask.Reverse {
		from, to = to, from
	}
	return (ask.Source == "" || ask.Source == from) && (ask.Target == "" || ask.Target == to)
}

// through adds what one map says of one code.
func (q *session) through(ctx context.Context, ask *Translate, m *conceptMap, code Code, out *Translated, depth int) error {
	rows, err := q.rows(ctx, m, code.Code, ask.Reverse)
	if err != nil {
		return err
	}
	mapped := map[int]bool{}
	for _, r := range rows {
		g := m.groups[r.group]
		source, target, version := g.source, g.target, g.targetVersion
		if ask.Reverse {
			source, target, version = g.target, g.source, g.sourceVersion
		}
		if code.System != "" && source != "" && source != code.System || ask.TargetSystem != "" && ask.TargetSystem != target {
			continue
		}
		mapped[r.group] = true
		match := Match{Equivalence: r.equivalence, Concept: Code{target, version, r.target, r.targetDisplay}, Map: m.canonical}
		if ask.Reverse {
			match.Concept.Code, match.Concept.Display = r.code, r.display
			if other := inverse[r.equivalence]; other != "" {
				match.Equivalence = other
			}
		}
		if r.extra != "" {
			x, err := fhir.Parse([]byte(r.extra))
			if err != nil {
				return fmt.Errorf("term: map row: %w", err)
			}
			if !depends(x, ask.Dependencies) {
				continue
			}
			match.Comment, match.Product = x.Str("comment"), x.All("product")
		}
		if match.Concept.Display == "" && match.Concept.Code != "" {
			if match.Concept.Display, err = q.displayOf(ctx, match.Concept); err != nil {
				return err
			}
		}
		out.Matches = append(out.Matches, match)
	}
	if ask.Reverse {
		return nil
	}
	for i, g := range m.groups {
		if mapped[i] || g.unmapped == "" || code.System != "" && g.source != "" && g.source != code.System || ask.TargetSystem != "" && g.target != ask.TargetSystem {
			continue
		}
		if err := q.unmapped(ctx, ask, m, g, code, out, depth); err != nil {
			return err
		}
	}
	return nil
}

func depends(x *fhir.Node, given map[string]string) bool {
	for _, d := range x.All("dependsOn") {
		if v, ok := given[d.Str("property")]; ok && v != d.Str("value") {
			return false
		}
	}
	return true
}

func (q *session) displayOf(ctx context.Context, c Code) (string, error) {
	e, err := q.system(ctx, c.System, c.Version)
	if e == nil || err != nil {
		return "", err
	}
	found, _, err := q.concept(ctx, e, c.Code)
	return found.Display, err
}

// rows are the rows of one code, in the order of the map.
func (q *session) rows(ctx context.Context, m *conceptMap, code string, reverse bool) (rows []mapRow, err error) {
	if m.rows != nil || m.num == 0 {
		for _, r := range m.rows {
			if !reverse && r.code == code || reverse && r.target == code {
				rows = append(rows, r)
			}
		}
		return rows, nil
	}
	where, args := "book = ? AND code = ?", []any{m.num, code}
	if reverse { // + 0 keeps SQLite from walking the whole map instead of the index by target
		where, args = "target = ? AND book + 0 = ?", []any{code, m.num}
	}
	err = q.tx.Query(ctx, "SELECT ord, grp, code, display, target, target_display, equivalence, extra FROM term_map WHERE "+where+" LIMIT 1000", args,
		func(scan func(...any) error) error {
			var r mapRow
			err := scan(&r.ord, &r.group, &r.code, &r.display, &r.target, &r.targetDisplay, &r.equivalence, &r.extra)
			rows = append(rows, r)
			return err
		})
	slices.SortFunc(rows, func(a, b mapRow) int { return cmp.Compare(a.ord, b.ord) })
	if err != nil {
		return nil, fmt.Errorf("term: map rows: %w", err)
	}
	return rows, nil
}

// unmapped answers for a code that a group has no row for.
func (q *session) unmapped(ctx context.Context, ask *Translate, m *conceptMap, g mapGroup, code Code, out *Translated, depth int) error {
	u, err := fhir.Parse([]byte(g.unmapped))
	if err != nil {
		return fmt.Errorf("term: unmapped: %w", err)
	}
	switch u.Str("mode") {
	case "provided":
		out.Matches = append(out.Matches, Match{Equivalence: "equal", Concept: Code{g.target, g.targetVersion, code.Code, code.Display}, Map: m.canonical})
	case "fixed":
		out.Matches = append(out.Matches, Match{Equivalence: "inexact", Concept: Code{g.target, g.targetVersion, u.Str("code"), u.Str("display")}, Map: m.canonical})
	case "other-map":
		if depth >= maxDepth {
			return invalid("cyclic-map", "concept maps refer to each other", "概念映射相互引用")
		}
		next := *ask
		next.Where = Where{URL: u.Str("url")}
		maps, err := q.maps(ctx, &next)
		if refused(err) {
			return nil // the other map is not here
		}
		if err != nil {
			return err
		}
		for _, other := range maps {
			if err := q.through(ctx, &next, other, code, out, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
