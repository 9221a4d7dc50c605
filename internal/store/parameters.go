package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// firstParameter is the number of the first search parameter that a hub was given, far above those of R4.
const firstParameter = 1_000_000

// parameters are the search parameters that this hub was given, as every unit sees them.
type parameters struct {
	mu  sync.Mutex // of who loads
	now atomic.Pointer[given]
	ask chan struct{} // there is something to index
}

type given struct {
	generation int64
	byType     map[string][]*index.Custom
	byID       map[int32]*index.Custom
	withheld   map[int32]progress // not to be searched by until they are complete
}

type progress struct{ done, total int64 }

// percent is below 100 as long as there is anything to do.
func (p progress) percent() int64 {
	if p.total == 0 {
		return 0
	}
	return min(99, p.done*100/p.total)
}

// loadParameters reads them anew, after a change and at the start.
func (s *Store) loadParameters(ctx context.Context) error {
	s.parameters.mu.Lock()
	defer s.parameters.mu.Unlock()
	old := s.parameters.now.Load()
	next := &given{generation: 1, byType: map[string][]*index.Custom{}, byID: map[int32]*index.Custom{}, withheld: map[int32]progress{}}
	if old != nil {
		next.generation = old.generation + 1
	}
	err := s.View(ctx, func(tx *Tx) error {
		err := tx.Query(ctx, "SELECT id, base, code, url, kind, expression, targets FROM search_parameter WHERE active = 1 ORDER BY id", nil, func(scan func(...any) error) error {
			var id, kind int64
			var targets string
			p := &spec.Param{}
			if err := scan(&id, &p.Base, &p.Code, &p.URL, &kind, &p.Expression, &targets); err != nil {
				return err
			}
			p.ID, p.Type = int32(id), spec.ParamType(kind)
			if targets != "" {
				p.Targets = strings.Split(targets, ",")
			}
			p.Sealed = identifying(p)
			c, err := index.NewCustom(p)
			if err != nil { // an older program accepted what this one does not
				return nil
			}
			next.byType[p.Base] = append(next.byType[p.Base], c)
			next.byID[p.ID] = c
			return nil
		})
		if err != nil {
			return err
		}
		return tx.Query(ctx, "SELECT param, done, total FROM reindex WHERE withhold = 1", nil, func(scan func(...any) error) error {
			var id int64
			var p progress
			err := scan(&id, &p.done, &p.total)
			next.withheld[int32(id)] = p
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("store: search parameters: %w", err)
	}
	s.parameters.now.Store(next)
	return nil
}

// identifying: what identifies or locates a person is sealed also under a parameter that a hub was given.
func identifying(p *spec.Param) bool {
	switch p.Base {
	case "Patient", "Person", "RelatedPerson", "Practitioner":
		for _, word := range []string{"identifier", "telecom", "address", "children", "descendants"} {
			if strings.Contains(p.Expression, word) {
				return true
			}
		}
	}
	return false
}

// Parameter finds a search parameter that this hub was given; nil when there is none. One that is not complete yet
// is a *fhir.Error with status 503, also where it is one of R4's.
func (s *Store) Parameter(typ, code string) (*spec.Param, error) {
	g := s.parameters.now.Load()
	p := spec.Lookup(typ, code)
	if p == nil {
		for _, c := range g.byType[typ] {
			if c.Param.Code == code {
				p = c.Param
			}
		}
	}
	if p == nil {
		return nil, nil
	}
	if w, waits := g.withheld[p.ID]; waits {
		return nil, fhir.Refuse(503, "incomplete", "parameter-not-ready",
			fmt.Sprintf("%s cannot be searched by %q yet: %d %% is indexed", typ, code, w.percent()),
			fmt.Sprintf("检索条件 %s 正在建立索引（已完成 %d%%），请稍后再试", code, w.percent()))
	}
	return p, nil
}

// Parameters lists what a type can be searched by beyond R4, incomplete ones not among them.
func (s *Store) Parameters(typ string) (list []*spec.Param) {
	g := s.parameters.now.Load()
	for _, c := range g.byType[typ] {
		if _, waits := g.withheld[c.Param.ID]; !waits {
			list = append(list, c.Param)
		}
	}
	return list
}

// ParameterGeneration changes with what Parameters lists.
func (s *Store) ParameterGeneration() int64 { return s.parameters.now.Load().generation }

// withGiven adds the entries of the parameters that this hub was given.
func (tx *Tx) withGiven(pl *plan, p *Prepared) *Prepared {
	custom := tx.s.parameters.now.Load().byType[pl.name]
	if len(custom) == 0 || p.Node == nil {
		return p
	}
	q := *p
	q.foreseen = false
	q.Entries = slices.Clip(p.Entries)
	for _, c := range custom {
		q.Entries = append(q.Entries, c.Extract(p.Node, tx.s.zone)...)
	}
	return &q
}

// noteParameter follows a write of a SearchParameter: one that is active becomes a search parameter of its types,
// any other ends. n is nil when it was deleted.
func (tx *Tx) noteParameter(ctx context.Context, id string, n *fhir.Node) error {
	source := "SearchParameter/" + id
	wanted, err := definitions(n)
	if err != nil {
		return err
	}
	var had []int64
	err = tx.Query(ctx, "SELECT id FROM search_parameter WHERE source = ? AND active = 1", []any{source}, func(scan func(...any) error) error {
		var number int64
		err := scan(&number)
		had = append(had, number)
		return err
	})
	if err != nil || len(had)+len(wanted) == 0 {
		return err
	}
	if err := tx.Lock(ctx, "store/parameters"); err != nil {
		return err
	}
	for _, p := range wanted {
		if err := tx.give(ctx, source, p); err != nil {
			return err
		}
		had = slices.DeleteFunc(had, func(number int64) bool { return number == int64(p.ID) })
	}
	for _, number := range had {
		if _, err := tx.Exec(ctx, "UPDATE search_parameter SET active = 0 WHERE id = ?", number); err != nil {
			return err
		}
		if err := tx.enqueueIndexing(ctx, int32(number), "", true, false); err != nil {
			return err
		}
	}
	tx.AfterCommit(tx.s.parametersChanged)
	return nil
}

// give makes p a parameter of this hub and sets its number.
func (tx *Tx) give(ctx context.Context, source string, p *spec.Param) error {
	var number, kind, active int64
	var expression, targets, by string
	known, err := tx.one(ctx, "SELECT id, kind, expression, targets, source, active FROM search_parameter WHERE base = ? AND code = ?", []any{p.Base, p.Code},
		&number, &kind, &expression, &targets, &by, &active)
	if err != nil {
		return err
	}
	to := strings.Join(p.Targets, ",")
	switch {
	case known && active == 1 && by != source:
		return fhir.Refuse(422, "duplicate", "parameter-exists", fmt.Sprintf("%s has a search parameter %q already, by %s", p.Base, p.Code, by), "该资源类型已有同名检索条件："+p.Code)
	case known && active == 1 && kind == int64(p.Type) && expression == p.Expression && targets == to:
		p.ID = int32(number)
		_, err = tx.Exec(ctx, "UPDATE search_parameter SET url = ? WHERE id = ?", p.URL, number)
		return err
	case known:
		_, err = tx.Exec(ctx, "UPDATE search_parameter SET url = ?, kind = ?, expression = ?, targets = ?, source = ?, active = 1 WHERE id = ?",
			p.URL, int64(p.Type), p.Expression, to, source, number)
	default:
		if _, err = tx.one(ctx, "SELECT coalesce(max(id), ?) + 1 FROM search_parameter", []any{firstParameter - 1}, &number); err == nil {
			_, err = tx.Exec(ctx, "INSERT INTO search_parameter (id, base, code, url, kind, expression, targets, source, active) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
				number, p.Base, p.Code, p.URL, int64(p.Type), p.Expression, to, source)
		}
	}
	if err != nil {
		return err
	}
	p.ID = int32(number)
	return tx.enqueueIndexing(ctx, p.ID, p.Base, known, true)
}

var kinds = map[string]spec.ParamType{"token": spec.Token, "string": spec.String, "date": spec.Date, "number": spec.Number,
	"quantity": spec.Quantity, "reference": spec.Reference, "uri": spec.URI}

// official are the addresses of HL7's own definitions: most are built in, and one that cannot be used is kept
// without being searchable by.
const official = "http://hl7.org/fhir/SearchParameter/"

// definitions are the parameters that a SearchParameter asks for: one for each of its types, none unless it is active.
func definitions(n *fhir.Node) ([]*spec.Param, error) {
	if n == nil || n.Str("status") != "active" {
		return nil, nil
	}
	refuse := func(detail, text, zh string) ([]*spec.Param, error) {
		if strings.HasPrefix(n.Str("url"), official) {
			return nil, nil
		}
		return nil, fhir.Refuse(422, "value", detail, text, zh)
	}
	kind := kinds[n.Str("type")]
	if kind == 0 {
		return refuse("parameter-type", fmt.Sprintf("a search parameter of type %q cannot be added here", n.Str("type")), "不支持增加这种类型的检索条件")
	}
	code := n.Str("code")
	if code == "" || strings.ContainsAny(code, ":.,|$\\ ") || strings.HasPrefix(code, "_") || len(code) > 64 {
		return refuse("parameter-code", "the code of a search parameter is a short word without : . , | $ and does not begin with _", "检索条件的代码不能含 : . , | $，也不能以 _ 开头")
	}
	if strings.TrimSpace(n.Str("expression")) == "" {
		return refuse("parameter-expression", "an active search parameter needs its expression", "启用的检索条件必须有表达式")
	}
	var list []*spec.Param
	for _, b := range n.All("base") {
		p := &spec.Param{Base: b.Text, Code: code, Type: kind, Expression: n.Str("expression"), URL: n.Str("url")}
		for _, t := range n.All("target") {
			p.Targets = append(p.Targets, t.Text)
		}
		if !spec.IsResource(p.Base) {
			return refuse("parameter-base", fmt.Sprintf("%q: name the resource types one by one", p.Base), "请逐一列出资源类型："+p.Base)
		}
		if built := spec.Lookup(p.Base, code); built != nil {
			if built.URL == p.URL || strings.HasPrefix(p.URL, official) {
				continue // that is the one
			}
			return refuse("parameter-exists", fmt.Sprintf("%s has a search parameter %q already, by R4", p.Base, code), "R4 已有同名检索条件："+code)
		}
		p.Sealed = identifying(p)
		if _, err := index.NewCustom(p); err != nil {
			return refuse("parameter-expression", "expression: "+err.Error(), "检索条件的表达式无法使用："+err.Error())
		}
		list = append(list, p)
	}
	return list, nil
}
