package rest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

func (s *server) history(c *call) (*answer, error) {
	letter := byte(maySearch)
	if c.id != "" {
		letter = mayRead
	}
	of := c.typ
	if of == "" {
		of = "*"
	}
	if err := c.may(letter, of); err != nil {
		return nil, err
	}
	q := store.HistoryQuery{Type: c.typ, ID: c.id, Count: s.DefaultCount, Scope: c.scope}
	var applied []search.Param
	list := ""
	for _, p := range c.query {
		var err error
		switch p.Name {
		case "_count":
			q.Count, err = strconv.Atoi(p.Value)
			if q.Count < 1 {
				q.Count = 1
			}
			q.Count = min(q.Count, s.MaxCount)
		case "_since":
			q.Since, err = s.instant(p.Value)
		case "_at":
			q.At, err = s.instant(p.Value)
		case "_cursor":
			q.Cursor = p.Value
			continue
		case "_list":
			if list = p.Value; c.id != "" || !validID(list) {
				err = strconv.ErrSyntax
			}
		case "_format", "_pretty":
		default:
			if c.prefer.strict {
				return nil, fhir.Refuse(http.StatusBadRequest, "not-supported", "unknown-parameter", "history knows _count, _since, _at and _list", "历史查询只支持 _count、_since、_at、_list")
			}
			continue
		}
		if err != nil {
			return nil, fhir.Refuse(http.StatusBadRequest, "value", "bad-value", p.Name+": the value is not valid", p.Name+"：值不正确")
		}
		applied = append(applied, p)
	}
	var page store.Page
	err := s.Store.View(c.ctx, func(tx *store.Tx) (err error) {
		if list != "" {
			page, err = s.listed(c, tx, q, list)
			return err
		}
		if page, err = tx.History(c.ctx, q); err != nil {
			return err
		}
		if c.id != "" && len(page.Matches) == 0 && q.Cursor == "" {
			if q.Since.IsZero() && q.At.IsZero() {
				return store.ErrNotFound
			}
			all := store.HistoryQuery{Type: c.typ, ID: c.id, Count: 1, Scope: c.scope}
			if any, err := tx.History(c.ctx, all); err != nil || len(any.Matches) == 0 {
				return store.ErrNotFound
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	entry := c.entry("R", target(c.typ, c.id))
	entry.Patients, entry.Count = patients(page.Matches...), len(page.Matches)
	return &answer{status: http.StatusOK, body: c.historyBundle(page, applied, s.Clock.Now()), audit: &entry}, nil
}

// listed gathers the versions of what a List names, newest first, on one page.
func (s *server) listed(c *call, tx *store.Tx, q store.HistoryQuery, id string) (store.Page, error) {
	page := store.Page{Total: -1}
	v, err := tx.Read(c.ctx, c.scope, "List", id)
	if err != nil {
		return page, err
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return page, err
	}
	q.Count, q.Cursor = s.MaxCount, ""
	seen := map[string]bool{}
	for _, entry := range n.All("entry") {
		typ, of, ok := localReference(entry.Str("item.reference"))
		if !ok || c.typ != "" && typ != c.typ || seen[typ+"/"+of] {
			continue
		}
		if seen[typ+"/"+of] = true; len(seen) > s.MaxCount {
			break
		}
		q.Type, q.ID = typ, of
		some, err := tx.History(c.ctx, q)
		if err != nil {
			return page, err
		}
		if page.Matches = append(page.Matches, some.Matches...); len(page.Matches) > s.MaxCount || some.Next != "" {
			return page, fhir.Refuse(http.StatusUnprocessableEntity, "too-costly", "too-many-results", fmt.Sprintf("the list names more than %d versions; narrow it by _since", s.MaxCount), "结果过多，请用 _since 缩小范围")
		}
	}
	slices.SortStableFunc(page.Matches, func(a, b store.Version) int { return cmp.Or(b.Updated.Compare(a.Updated), cmp.Compare(b.Seq, a.Seq)) })
	return page, nil
}

// instant reads a point in time; a shorter date is its beginning.
func (s *server) instant(text string) (time.Time, error) {
	r, err := search.Parse("", []search.Param{{Name: "_lastUpdated", Value: text}}, search.Options{Zone: s.Zone})
	if err != nil {
		return time.Time{}, err
	}
	return time.UnixMicro(r.Where[0].Values[0].Low), nil
}

func (c *call) historyBundle(page store.Page, applied []search.Param, now time.Time) []byte {
	path := c.base
	for _, part := range []string{c.typ, c.id, "_history"} {
		if part != "" {
			path += "/" + part
		}
	}
	b := newBundleWriter("history", now)
	if page.Total >= 0 {
		b.total(page.Total)
	}
	b.link("self", path, applied)
	if page.Next != "" {
		b.link("next", path, append(applied[:len(applied):len(applied)], search.Param{Name: "_cursor", Value: page.Next}))
	}
	for _, v := range page.Matches {
		b.open(c.base + "/" + v.Type + "/" + v.ID)
		if v.Op != store.Delete && v.JSON != nil {
			b.raw("resource", v.JSON)
		}
		method, url, status := "PUT", v.Type+"/"+v.ID, "200 OK"
		switch v.Op {
		case store.Create:
			method, url, status = "POST", v.Type, "201 Created"
		case store.Delete:
			method, status = "DELETE", "204 No Content"
		}
		b.raw("request", fhir.Of(fhir.Obj{"method", method, "url", url}).JSON())
		b.raw("response", fhir.Of(fhir.Obj{"status", status, "etag", etag(v.VID), "lastModified", instantText(v.Updated)}).JSON())
		b.close()
	}
	return b.done()
}

func instantText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// bundleWriter puts stored bytes into a Bundle without decoding them.
type bundleWriter struct {
	b              []byte
	links, entries int
}

func newBundleWriter(kind string, now time.Time) *bundleWriter {
	w := &bundleWriter{b: make([]byte, 0, 16<<10)}
	w.b = append(w.b, `{"resourceType":"Bundle","id":"`...)
	w.b = append(w.b, newID(now)...)
	w.b = append(w.b, `","meta":{"lastUpdated":"`...)
	w.b = append(w.b, instantText(now)...)
	w.b = append(w.b, `"},"type":"`...)
	w.b = append(w.b, kind...)
	w.b = append(w.b, '"')
	return w
}

func (w *bundleWriter) total(n int64) {
	w.b = append(w.b, `,"total":`...)
	w.b = strconv.AppendInt(w.b, n, 10)
}

// link comes before the first entry.
func (w *bundleWriter) link(relation, path string, params []search.Param) {
	if w.links == 0 {
		w.b = append(w.b, `,"link":[`...)
	} else {
		w.b = append(w.b, ',')
	}
	w.links++
	if len(params) > 0 {
		path += "?" + search.Encode(params)
	}
	w.b = append(w.b, `{"relation":"`...)
	w.b = append(w.b, relation...)
	w.b = append(w.b, `","url":`...)
	w.b, _ = jsontext.AppendQuote(w.b, path)
	w.b = append(w.b, '}')
}

func (w *bundleWriter) closeLinks() {
	if w.links > 0 {
		w.b = append(w.b, ']')
		w.links = 0
	}
}

// open begins an entry; fullURL may be "".
func (w *bundleWriter) open(fullURL string) {
	if w.entries == 0 {
		w.closeLinks()
		w.b = append(w.b, `,"entry":[`...)
	} else {
		w.b = append(w.b, ',')
	}
	w.entries++
	w.b = append(w.b, '{')
	if fullURL != "" {
		w.b = append(w.b, `"fullUrl":`...)
		w.b, _ = jsontext.AppendQuote(w.b, fullURL)
	}
}

func (w *bundleWriter) raw(name string, value []byte) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
	w.b = append(w.b, value...)
}

func (w *bundleWriter) close() { w.b = append(w.b, '}') }

func (w *bundleWriter) done() []byte {
	w.closeLinks()
	if w.entries > 0 {
		w.b = append(w.b, ']')
	}
	return append(w.b, '}')
}
