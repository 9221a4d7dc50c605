package term

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Where names the resource that a question is about: stored by canonical or id, or sent along.
type Where struct {
	ID      string     // of a stored one
	URL     string     // canonical, with or without |version
	Version string     // of URL
	Sent    *fhir.Node // the resource itself
}

func (w Where) canonical() string {
	if w.Version != "" && !strings.Contains(w.URL, "|") {
		return w.URL + "|" + w.Version
	}
	return w.URL
}

// Expand asks for the codes of a value set.
type Expand struct {
	Where
	Filter         string
	Offset, Count  int // Count < 0 = all
	Designations   bool
	Definition     bool // show the definition, too
	ActiveOnly     bool
	Nested         bool // children within parents, where neither filtered nor paged
	Language       string
	ExcludeSystems []string          // canonicals
	SystemVersions map[string]string // system -> version, where the value set says none
}

// Expand answers with a ValueSet that has an expansion.
func (s *Service) Expand(ctx context.Context, ask Expand) (out *fhir.Node, err error) {
	if len(ask.Filter) > maxFilter {
		return nil, invalid("filter-too-long", "the filter is too long", "检索词过长")
	}
	err = s.ask(ctx, func(q *session) error {
		if ask.SystemVersions != nil {
			q.pins = ask.SystemVersions
		}
		v, err := q.set(ctx, ask.Where)
		if err != nil {
			return err
		}
		set, err := q.evaluate(ctx, v)
		if err != nil {
			return err
		}
		out, err = q.expansion(ctx, v, set, &ask)
		return err
	})
	return out, err
}

// set finds the value set of a question.
func (q *session) set(ctx context.Context, w Where) (*valueSet, error) {
	switch {
	case w.Sent != nil:
		if w.Sent.Type() != "ValueSet" {
			return nil, invalid("not-a-value-set", "the parameter valueSet holds no ValueSet", "参数 valueSet 不是值集")
		}
		url, version := w.Sent.Str("url"), w.Sent.Str("version")
		return &valueSet{canonical: (&entry{url: url, version: version}).canonical(), url: url, version: version, node: w.Sent}, nil
	case w.ID != "":
		e, err := q.instance(ctx, "ValueSet", w.ID)
		if err != nil {
			return nil, err
		}
		return q.storedSet(ctx, e)
	case w.URL == "":
		return nil, invalid("value-set-required", "name a value set: url, or valueSet", "请指定值集（url 或 valueSet）")
	}
	v, err := q.valueSetOf(ctx, w.canonical())
	if err == nil && v == nil {
		err = unknown("value set", w.canonical())
	}
	return v, err
}

// choice is what of a set is shown, in its order.
type choice struct {
	total int
	list  []hit
}

func (q *session) expansion(ctx context.Context, v *valueSet, set *Set, ask *Expand) (*fhir.Node, error) {
	chosen, err := q.choose(ctx, set, ask)
	if err != nil {
		return nil, err
	}
	params := fhir.Arr{}
	param := func(name, kind string, value any) { params = append(params, fhir.Obj{"name", name, kind, value}) }
	if ask.Filter != "" {
		param("filter", "valueString", ask.Filter)
	}
	if ask.Count >= 0 {
		param("count", "valueInteger", ask.Count)
		param("offset", "valueInteger", ask.Offset)
	}
	if ask.ActiveOnly {
		param("activeOnly", "valueBoolean", true)
	}
	if ask.Designations {
		param("includeDesignations", "valueBoolean", true)
	}
	if ask.Language != "" {
		param("displayLanguage", "valueCode", ask.Language)
	}
	used := make([]string, 0, len(q.used))
	for u := range q.used {
		used = append(used, u)
	}
	slices.Sort(used)
	for _, u := range used {
		param("version", "valueUri", u)
	}
	expansion := fhir.Obj{"identifier", "urn:uuid:" + uuid(), "timestamp", q.tx.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "total", chosen.total}
	if ask.Count >= 0 {
		expansion = append(expansion, "offset", ask.Offset)
	}
	expansion = append(expansion, "parameter", params)
	contains := make([]*fhir.Node, len(chosen.list))
	for i := range chosen.list {
		contains[i] = shown(&chosen.list[i], ask)
	}
	if ask.Nested && ask.Filter == "" && ask.Count < 0 {
		contains = nest(chosen.list, contains)
	}
	out := fhir.New("ValueSet")
	for _, name := range []string{"url", "identifier", "version", "name", "title"} {
		if m := v.node.Child(name); m != nil && !(m.Kind == fhir.String && m.Text == "") {
			out.Set(name, m)
		}
	}
	status := v.node.Str("status")
	if status == "" {
		status = "active"
	}
	out.Set("status", status)
	if c := v.node.Child("compose"); ask.Definition && c != nil {
		out.Set("compose", c)
	}
	out.Set("expansion", expansion)
	if len(contains) > 0 {
		out.Child("expansion").Members = append(out.Child("expansion").Members, fhir.Member{Name: "contains", Value: &fhir.Node{Kind: fhir.Array, Items: contains}})
	}
	return out, nil
}

// choose takes the page that was asked for; with a filter the best first.
func (q *session) choose(ctx context.Context, set *Set, ask *Expand) (choice, error) {
	var out choice
	var m *matcher
	if strings.TrimSpace(ask.Filter) != "" {
		m = q.sounds.matcher(ask.Filter)
	}
	from, until := ask.Offset, ask.Offset+ask.Count
	if ask.Count < 0 {
		from, until = 0, MaxCount
	}
	for _, p := range set.parts {
		if slices.ContainsFunc(ask.ExcludeSystems, func(x string) bool {
			url, version, _ := strings.Cut(x, "|")
			return url == p.system && (version == "" || version == p.version)
		}) {
			continue
		}
		if m == nil && !ask.ActiveOnly { // whole parts are counted, not walked
			n := p.len()
			for i := max(from-out.total, 0); i < n && out.total+i < until; i++ {
				out.list = append(out.list, hit{part: p, i: i})
			}
			out.total += n
			continue
		}
		for i := range p.len() {
			if i%4096 == 4095 && ctx.Err() != nil {
				return out, ctx.Err()
			}
			c, own := p.concept(i)
			if ask.ActiveOnly && c.inactive() {
				continue
			}
			if m == nil {
				if out.total >= from && out.total < until {
					out.list = append(out.list, hit{part: p, i: i})
				}
				out.total++
				continue
			}
			var w *words
			if p.book != nil && own == nil {
				w = &p.book.words[p.idx[i]]
			} else {
				c := merged(c, own)
				fresh := wordsOf(&c, q.sounds)
				w = &fresh
			}
			if rank := m.rank(w); rank >= 0 {
				out.list = append(out.list, hit{p, i, rank, w.length})
				out.total++
			}
		}
	}
	if ask.Count < 0 && out.total > MaxCount {
		return out, tooCostly(fmt.Sprintf("the value set has %d codes; ask for a page by count and offset, or by a filter", out.total),
			fmt.Sprintf("该值集有 %d 个代码，请用 count、offset 分页或用 filter 检索", out.total))
	}
	if m != nil {
		sortHits(out.list)
		out.list = out.list[min(from, len(out.list)):min(until, len(out.list))]
	}
	return out, nil
}

func shown(h *hit, ask *Expand) *fhir.Node {
	c, own := h.part.concept(h.i)
	language := ""
	if h.part.book != nil {
		language = h.part.book.language
	}
	all := merged(c, own)
	display := all.In(ask.Language, language)
	n := &fhir.Node{Kind: fhir.Object, Members: make([]fhir.Member, 0, 6)}
	add := func(name string, value any) {
		n.Members = append(n.Members, fhir.Member{Name: name, Value: fhir.Of(value)})
	}
	if h.part.system != "" {
		add("system", h.part.system)
	}
	if c.abstract() {
		add("abstract", true)
	}
	if c.inactive() {
		add("inactive", true)
	}
	if h.part.version != "" {
		add("version", h.part.version)
	}
	add("code", c.Code)
	if display != "" {
		add("display", display)
	}
	if ask.Designations && all.Extra != nil && len(all.Designations) > 0 {
		add("designation", designations(all.Designations))
	}
	return n
}

func designations(list []Designation) fhir.Arr {
	out := fhir.Arr{}
	for _, d := range list {
		o := fhir.Obj{"language", d.Language}
		if d.Use != nil {
			o = append(o, "use", d.Use)
		}
		out = append(out, append(o, "value", d.Value))
	}
	return out
}

// nest puts each code under the first of its parents that is shown, too.
func nest(list []hit, nodes []*fhir.Node) []*fhir.Node {
	type place struct {
		part *part
		i    int32
	}
	at := map[place]int{}
	for n, h := range list {
		if h.part.book != nil {
			at[place{h.part, h.part.idx[h.i]}] = n
		}
	}
	over := make([]int, len(list)) // the parent's number + 1
	for n, h := range list {
		if h.part.book == nil {
			continue
		}
		for _, p := range h.part.book.parents[h.part.idx[h.i]] {
			if up, ok := at[place{h.part, p}]; ok && !ringed(over, n, up) {
				over[n] = up + 1
				break
			}
		}
	}
	var roots []*fhir.Node
	for n, node := range nodes {
		if over[n] == 0 {
			roots = append(roots, node)
			continue
		}
		parent := nodes[over[n]-1]
		if kids := parent.Child("contains"); kids != nil {
			kids.Items = append(kids.Items, node)
		} else {
			parent.Members = append(parent.Members, fhir.Member{Name: "contains", Value: &fhir.Node{Kind: fhir.Array, Items: []*fhir.Node{node}}})
		}
	}
	return roots
}

// ringed says whether n stands above up already; a chain of more than 100 counts as such.
func ringed(over []int, n, up int) bool {
	for range 100 {
		if up == n {
			return true
		}
		if over[up] == 0 {
			return false
		}
		up = over[up] - 1
	}
	return true
}

func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
