package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/match"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// containedType is the search parameter by which containers are found: one row for each type within.
const containedType = "contained-type"

// containers bounds a search in contained resources, which are decided in memory. Tests make it small.
var containers = struct {
	page  int // looked at by one page: it ends there, and the next goes on
	total int // by a total
	once  int // at once
}{2000, ExactTotal, 100}

// containedValues bounds the values asked for in one search of contained resources.
const containedValues = 500

// within is where a page of matches in containers ended. Containers come by type, each type the newest first.
type within struct {
	Type  string `json:"y"` // the containers under way; "" = before the first
	After string `json:"a"` // cursor behind the last one that is done
	Top   int64  `json:"t"` // the newest resource when the first page was made
	ID    string `json:"i"` // of this container
	Shown int    `json:"n"` // as many matches have been shown
}

const withinMark = "within." // tells its cursors from those of other searches

func (w *within) text() string {
	b, _ := json.Marshal(w) // numbers and texts
	return withinMark + base64.RawURLEncoding.EncodeToString(b)
}

// searchContained answers _contained=true and both: what matches by itself, then what is within others.
func (tx *Tx) searchContained(ctx context.Context, q search.Query) (Page, error) {
	page := Page{Total: -1}
	if err := decidable(&q); err != nil {
		return page, err
	}
	itself := q
	itself.Contained, itself.Container = "", false
	both := q.Contained == "both"
	if q.Total != search.TotalNone || q.Count <= 0 {
		n := &inner{tx: tx, ctx: ctx, q: &q, limit: containers.total, room: math.MaxInt}
		if err := n.gather(within{}); err != nil {
			return page, err
		}
		if page.Total = int64(n.found); n.stopped && q.Total != search.TotalEstimate {
			return page, fhir.Refuse(400, "too-costly", "too-many-containers", fmt.Sprintf("_contained: a total over more than %d resources with a contained %s is not counted", containers.total, q.Type),
				fmt.Sprintf("内含 %s 的资源超过 %d 份，不计总数", q.Type, containers.total))
		}
		if both {
			itself.Count = 0
			direct, err := tx.Search(ctx, itself)
			if err != nil {
				return page, err
			}
			page.Total += direct.Total
		}
	}
	if q.Count <= 0 || page.Total == 0 {
		return page, nil
	}
	at, room := within{}, min(q.Count, MaxCount)
	text, inside := strings.CutPrefix(q.Cursor, withinMark)
	switch {
	case inside:
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || json.Unmarshal(b, &at) != nil || at.Shown < 0 {
			return page, badCursor()
		}
	case both:
		itself.Count, itself.Total = room, search.TotalNone
		direct, err := tx.Search(ctx, itself)
		if err != nil {
			return page, err
		}
		page.Matches = direct.Matches
		if page.Next = direct.Next; page.Next != "" {
			return page, nil
		}
		room -= len(direct.Matches)
	case q.Cursor != "":
		return page, badCursor()
	}
	n := &inner{tx: tx, ctx: ctx, q: &q, limit: containers.page, room: room, keep: true}
	if err := n.gather(at); err != nil {
		return page, err
	}
	page.Matches = append(page.Matches, n.matches...)
	if n.stopped {
		page.Next = n.at.text()
	}
	return page, nil
}

// decidable refuses what cannot be asked of resources that stand within others.
func decidable(q *search.Query) error {
	if q.Type == "" || len(q.Sort)+len(q.Include)+len(q.RevInclude) > 0 || q.Compartment != nil {
		return search.NotWithin("this")
	}
	values := 0
	for i := range q.Where {
		c := &q.Where[i]
		if c.Special != "" && c.Special != "_id" || !match.Decides(q.Type, c) {
			return search.NotWithin(nameOf(c))
		}
		values += len(c.Values)
	}
	if values > containedValues {
		return fhir.Refuse(400, "too-costly", "too-many-values", fmt.Sprintf("more than %d values in one search of contained resources", containedValues), fmt.Sprintf("检索内含资源时，一次检索的值不能超过 %d 个", containedValues))
	}
	return nil
}

func nameOf(c *search.Clause) string {
	name := c.Special
	switch {
	case c.Has != nil:
		return "_has"
	case c.Filter != nil:
		return "_filter"
	case c.Param != nil:
		name = c.Param.Code
	}
	if c.Chain != nil {
		return name + ".…"
	}
	if c.Modifier != "" {
		name += ":" + c.Modifier
	}
	return name
}

// inner goes over containers and decides on what they contain.
type inner struct {
	tx  *Tx
	ctx context.Context
	q   *search.Query

	limit   int  // containers looked at
	room    int  // matches
	keep    bool // else they are only counted
	seen    int
	found   int
	matches []Version
	stopped bool // at a bound: there may be more
	at      within
}

// gather begins at a place.
func (n *inner) gather(at within) error {
	n.at = at
	f := &finder{tx: n.tx, ctx: n.ctx}
	var err error
	if f.see, err = n.tx.sight(n.ctx, n.q.Scope); err != nil {
		return err
	}
	if !f.see.reads(spec.TypeID(n.q.Type)) {
		return nil
	}
	if n.at.Top == 0 {
		if _, err := n.tx.one(n.ctx, "SELECT coalesce(max(rid), 0) FROM resource", nil, &n.at.Top); err != nil {
			return err
		}
	}
	var params []*spec.Param
	for _, t := range spec.Types() {
		p := spec.Lookup(t, containedType)
		if p == nil || t < n.at.Type || !f.see.reads(spec.TypeID(t)) {
			continue
		}
		if _, err := n.tx.s.Parameter(t, containedType); err != nil {
			return err // not complete yet
		}
		params = append(params, p)
	}
	used := map[int32]bool{}
	groups, err := f.codeGroups(params, &search.Clause{Values: []search.Value{{Code: n.q.Type}}})
	if err != nil {
		return err
	}
	for _, g := range groups {
		used[g.param] = true
	}
	for _, p := range params {
		if !used[p.ID] {
			continue
		}
		if p.Base != n.at.Type {
			n.at = within{Type: p.Base, Top: n.at.Top}
		}
		if err := n.over(p); err != nil || n.stopped {
			return err
		}
	}
	return nil
}

// over goes over the containers of one type.
func (n *inner) over(p *spec.Param) error {
	f := &finder{tx: n.tx, ctx: n.ctx, pl: planOf(p.Base), q: search.Query{Type: p.Base, Scope: n.q.Scope,
		Where: []search.Clause{{Param: p, Values: []search.Value{{Code: n.q.Type}}}}, Count: containers.once}}
	var err error
	if f.see, err = n.tx.sight(n.ctx, n.q.Scope); err != nil {
		return err
	}
	drive, err := f.plan(false)
	if err != nil || f.none {
		return err
	}
	for {
		if f.q.Cursor = n.at.After; f.q.Cursor == "" { // before all, yet under the same top
			f.q.Cursor = (&cursor{Keys: []any{int64(math.MaxInt64)}, RID: math.MaxInt64, Top: n.at.Top}).text()
		}
		var page Page
		rids, err := f.page(drive, &page)
		if err != nil {
			return err
		}
		ends := f.ends
		found, err := n.tx.fetch(n.ctx, rids)
		if err != nil {
			return err
		}
		if len(found) != len(rids) {
			return fmt.Errorf("store: %d of %d containers have a current version", len(found), len(rids))
		}
		for i := range found {
			if n.seen == n.limit {
				n.stopped = true
				return nil
			}
			n.seen++
			if err := n.look(&found[i]); err != nil || n.stopped {
				return err
			}
			n.at.After, n.at.ID, n.at.Shown = ends[i].text(), "", 0
		}
		if page.Next == "" {
			return nil
		}
	}
}

// look decides on what one container contains.
func (n *inner) look(v *Version) error {
	if err := n.ctx.Err(); err != nil {
		return err
	}
	whole, err := fhir.Parse(v.JSON)
	if err != nil {
		return fmt.Errorf("store: %s/%s as stored: %w", v.Type, v.ID, err)
	}
	if n.q.Container && n.q.Contained == "both" && v.Type == n.q.Type {
		if met, err := n.meets(whole, v); met || err != nil {
			return err // it stands among the matches by itself
		}
	}
	skip := 0
	if n.at.ID == v.ID {
		skip = n.at.Shown
	}
	n.at.ID, n.at.Shown = v.ID, 0
	for _, c := range whole.All("contained") {
		if c.Type() != n.q.Type {
			continue
		}
		met, err := n.meets(c, v)
		if err != nil {
			return err
		}
		if !met {
			continue
		}
		if n.at.Shown < skip {
			n.at.Shown++
			continue
		}
		if n.found == n.room {
			n.stopped = true
			return nil
		}
		n.found++
		n.at.Shown++
		if n.keep {
			hit := *v
			if !n.q.Container {
				hit.JSON, hit.Inside = c.JSON(), c.ID()
			}
			n.matches = append(n.matches, hit)
		}
		if n.q.Container {
			return nil
		}
	}
	return nil
}

func (n *inner) meets(r *fhir.Node, v *Version) (bool, error) {
	ok, known := match.Of(r, n.tx.s.zone, v.Updated).Meets(n.q.Where, n.tx.now)
	if !known {
		return false, search.NotWithin("a range of numbers")
	}
	return ok, nil
}
