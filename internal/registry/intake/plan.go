package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/registry"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Planner finds out what tables would do to the registry; it writes nothing.
type Planner struct {
	Room     *registry.Room
	Validate func(*fhir.Node) []fhir.Issue // structure of R4; nil = trusts the builders
	Reach    func(org string) bool         // may the caller write what belongs to this organisation; nil = everywhere
	Role     func(code string) bool        // is there such a role of logins; nil = any
}

// draft is a resource on its way: what stands, and what the rows have made of it.
type draft struct {
	node   *fhir.Node
	before string // JSON of what stands, "" = it is new
	vid    int64
	lines  []*Line
	half   bool // a row of it has a bad cell: it is not judged as a whole
}

type planning struct {
	*Planner
	ctx    context.Context
	tx     *store.Tx
	plan   *Plan
	drafts map[string]*draft
	order  []string
	orgs   map[string]string // code -> "Organization/…", "" = unknown
	people map[string]string // institution and staff number -> "Practitioner/…"
	seen   map[string]int    // key of a row -> its line
}

// row is one line with its cells by the code of the column.
type row struct {
	*planning
	table Table
	kind  *kind
	at    int
	cells map[string]string
	bad   map[string]bool // columns that something was said about
}

// Plan reads every row against what stands. A file with any problem would change nothing.
func (p *Planner) Plan(ctx context.Context, tx *store.Tx, tables []Table) (*Plan, error) {
	g := &planning{Planner: p, ctx: ctx, tx: tx, drafts: map[string]*draft{}, orgs: map[string]string{}, people: map[string]string{}, seen: map[string]int{},
		plan: &Plan{Problems: []Problem{}, Lines: []Line{}, Counts: map[string]int{"created": 0, "changed": 0, "unchanged": 0}, Known: map[string]int64{}}}
	for _, t := range tables {
		k := kindNamed(t.Kind)
		missing := false
		for i := range k.columns {
			if c := &k.columns[i]; c.must && !slices.ContainsFunc(t.Head, c.named) {
				g.problem(Problem{Table: t.Name, Row: 1, Column: c.zh, Code: "missing-column", En: "the column is missing", Zh: "缺少此列"})
				missing = true
			}
		}
		for i, h := range t.Head {
			known := slices.IndexFunc(k.columns, func(c column) bool { return c.named(h) })
			first := slices.IndexFunc(t.Head, func(o string) bool { return known >= 0 && k.columns[known].named(o) })
			if h != "" && known < 0 {
				g.problem(Problem{Table: t.Name, Row: 1, Column: h, Code: "unknown-column", En: "no such column in the template", Zh: "模板中没有此列"})
			} else if known >= 0 && first != i {
				g.problem(Problem{Table: t.Name, Row: 1, Column: h, Code: "column-twice", En: "the column stands here twice", Zh: "此列重复"})
			}
		}
		if missing {
			continue
		}
		for _, line := range t.Rows {
			if err := g.row(t, k, line); err != nil {
				return nil, err
			}
		}
	}
	g.finish()
	return g.plan, nil
}

func (g *planning) problem(p Problem) {
	if len(g.plan.Problems) == maxShown {
		g.plan.More++
		return
	}
	g.plan.Problems = append(g.plan.Problems, p)
}

func (g *planning) row(t Table, k *kind, line Row) error {
	r := &row{planning: g, table: t, kind: k, at: line.Number, cells: map[string]string{}, bad: map[string]bool{}}
	given := map[string]bool{}
	for i, head := range t.Head {
		if i >= len(line.Cells) {
			break
		}
		for j := range k.columns {
			if c := &k.columns[j]; c.named(head) {
				given[c.code] = given[c.code] || line.Cells[i] != ""
				if r.cells[c.code] = r.look(c, line.Cells[i]); r.bad[c.code] {
					r.cells[c.code] = ""
				}
			}
		}
	}
	for i := range k.columns {
		if c := &k.columns[i]; c.must && !given[c.code] {
			r.no(c.code, "required", "is required", "必填")
		}
	}
	if f, u := r.cells["from"], r.cells["until"]; f != "" && u != "" && u != "-" && u < f {
		r.no("until", "bad-period", "it ends before it begins", "结束早于开始")
	}
	// A bad cell is set aside and the rest of the row still looked at, so that one upload tells everything; only
	// without what the row is about, or stands under, nothing more can be said.
	for i := range k.columns {
		if c := &k.columns[i]; r.bad[c.code] && (c.wrong == badID || c.code == "from" && k.code == "roles") {
			return nil
		}
	}
	var err error
	switch k.code {
	case "institutions":
		err = r.institution()
	case "departments":
		err = r.department()
	case "people":
		err = r.person()
	case "licences":
		err = r.licence()
	case "roles":
		err = r.role()
	case "services":
		err = r.service()
	}
	return err
}

// look turns a cell into what is stored: words into codes. "-" empties what stands; an empty cell leaves it.
func (r *row) look(c *column, text string) string {
	if text == "" || text == "-" && !c.must {
		return text
	}
	one := func(text string) string {
		if c.terms != nil {
			code, ok := pick(c.terms(), text)
			if !ok {
				var may []string
				for _, t := range c.terms() {
					may = append(may, t.Zh)
				}
				r.tell(c.code, "unknown-"+c.code, "is not in the list", "不在目录中，可填："+strings.Join(may, "、"), text)
			}
			return code
		}
		if c.check != nil && !c.check(text) {
			r.tell(c.code, c.wrong[0], c.wrong[1], c.wrong[2], text)
		}
		return text
	}
	if !c.many {
		return one(text)
	}
	var all []string
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == '；' || r == '、' }) {
		all = append(all, one(strings.TrimSpace(part)))
	}
	return strings.Join(all, ";")
}

// no notes what is wrong with a cell of which nothing was said yet.
func (r *row) no(code, detail, en, zh string, value ...string) {
	if !r.bad[code] || code == "" {
		r.tell(code, detail, en, zh, value...)
	}
}

func (r *row) tell(code, detail, en, zh string, value ...string) {
	r.bad[code] = true
	p := Problem{Table: r.table.Name, Row: r.at, Code: detail, En: en, Zh: zh}
	for _, c := range r.kind.columns {
		if c.code == code {
			p.Column = c.zh
		}
	}
	if value != nil {
		p.Value = value[0]
	} else if code != "" {
		p.Value = r.cells[code]
	}
	r.problem(p)
}

// once refuses a second row about the same thing.
func (r *row) once(key string) bool {
	key = r.kind.code + " " + key
	if first, twice := r.seen[key]; twice {
		r.no("", "twice", fmt.Sprintf("the same as line %d", first), fmt.Sprintf("与第 %d 行重复", first))
		return false
	}
	r.seen[key] = r.at
	return true
}

// get opens a resource for change: as earlier rows left it, as it stands, or new.
func (g *planning) get(ref string) (*draft, error) {
	if d := g.drafts[ref]; d != nil {
		return d, nil
	}
	typ, id, _ := strings.Cut(ref, "/")
	d := &draft{}
	v, err := g.tx.Read(g.ctx, search.Everything, typ, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		d.node = fhir.New(typ, "id", id)
	case errors.Is(err, store.ErrGone):
		d.node, d.vid = fhir.New(typ, "id", id), v.VID
	case err != nil:
		return nil, err
	default:
		if d.node, err = fhir.Parse(v.JSON); err != nil {
			return nil, err
		}
		d.node.Set("meta.versionId", nil).Set("meta.lastUpdated", nil)
		if len(d.node.Get("meta").Members) == 0 {
			d.node.Set("meta", nil)
		}
		d.before, d.vid = string(d.node.JSON()), v.VID
	}
	g.drafts[ref] = d
	g.order = append(g.order, ref)
	return d, nil
}

// there says whether a resource stands or comes with this file.
func (g *planning) there(ref string) (bool, error) {
	if g.drafts[ref] != nil {
		return true, nil
	}
	typ, id, _ := strings.Cut(ref, "/")
	_, err := g.tx.Read(g.ctx, search.Everything, typ, id)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return false, nil
	}
	return err == nil, err
}

// found lists what has an identifier of this value.
func (g *planning) found(typ, value string) ([]*fhir.Node, error) {
	value = strings.NewReplacer(`\`, `\\`, ",", `\,`, "|", `\|`, "$", `\$`).Replace(value)
	if typ == "Practitioner" {
		value = registry.StaffNumber + "|" + value
	}
	q, err := search.Parse(typ, []search.Param{{Name: "identifier", Value: value}}, search.Options{})
	if err != nil {
		return nil, err
	}
	q.Query.Scope, q.Query.Count = search.Everything, 20
	page, err := g.tx.Search(g.ctx, q.Query)
	if err != nil {
		return nil, err
	}
	var list []*fhir.Node
	for _, v := range page.Matches {
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

// org finds an organisation by the code in a column: of this file, its id, or any identifier of it; "" after a problem.
func (r *row) org(column, code string) (string, error) {
	ref, known := r.orgs[code]
	if !known {
		ref = "Organization/" + code
		ok, err := r.there(ref)
		if err != nil {
			return "", err
		}
		if !ok {
			ref = ""
			list, err := r.found("Organization", code)
			if err != nil {
				return "", err
			}
			if len(list) == 1 {
				ref = "Organization/" + list[0].ID()
			}
		}
		r.orgs[code] = ref
	}
	if ref == "" {
		r.no(column, "unknown-organisation", "no such organisation here or in the registry", "没有这个机构或科室", code)
	}
	return ref, nil
}

// reaches notes a problem when the caller may not write there.
func (r *row) reaches(column, org string) bool {
	if r.Reach == nil || r.Reach(r.standing(org)) {
		return true
	}
	r.no(column, "outside-your-organisations", "lies outside your organisations", "超出您的管理范围")
	return false
}

// standing is the nearest organisation at or above org that is not new in this file.
func (g *planning) standing(org string) string {
	for range 32 {
		d := g.drafts[org]
		if d == nil || d.before != "" {
			return org
		}
		org = d.node.Str("partOf.reference")
	}
	return org
}

// note records what a row made of a resource.
func (r *row) note(d *draft, ref, name string, changes []string) {
	d.half = d.half || len(r.bad) > 0
	d.lines = append(d.lines, &Line{Table: r.table.Name, Row: r.at, Reference: ref, Name: name, Changes: changes})
}

// finish counts, checks every changed resource as a whole, and lists what is to be written.
func (g *planning) finish() {
	for _, ref := range g.order {
		d := g.drafts[ref]
		if d.half {
			continue
		}
		outcome := "changed"
		switch {
		case d.before == "":
			outcome = "created"
		case d.before == string(d.node.JSON()):
			outcome = "unchanged"
		}
		g.plan.Counts[outcome]++
		for _, l := range d.lines {
			l.Outcome = outcome
			if outcome == "changed" && len(l.Changes) == 0 {
				l.Outcome = "unchanged"
			}
			g.plan.Lines = append(g.plan.Lines, *l)
		}
		if outcome == "unchanged" {
			continue
		}
		g.plan.Resources = append(g.plan.Resources, d.node)
		g.plan.Known[ref] = d.vid
		issues := g.Room.Check(d.node)
		if g.Validate != nil {
			issues = append(issues, g.Validate(d.node)...)
		}
		for _, i := range issues {
			if (i.Severity == "error" || i.Severity == "fatal") && len(d.lines) > 0 {
				l := d.lines[len(d.lines)-1]
				g.problem(Problem{Table: l.Table, Row: l.Row, Code: i.Detail, En: i.Expression + ": " + i.Text, Zh: i.Zh})
			}
		}
	}
}
