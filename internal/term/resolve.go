package term

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

var everything = search.Everything

func allOf(kind, cursor string) search.Query {
	return search.Query{Type: kind, Count: 20, Cursor: cursor, Scope: everything, Sort: []search.SortKey{{Special: "_id"}}}
}

// resolve finds the stored resource of a canonical; without a version the newest active one. nil when there is none.
func (q *session) resolve(ctx context.Context, kind, canonical string) (*entry, error) {
	key := kind + " " + canonical
	q.known.mu.Lock()
	e, ok := q.known.entries[key]
	q.known.mu.Unlock()
	if ok {
		return e, nil
	}
	url, version, _ := strings.Cut(canonical, "|")
	list, err := q.entries(ctx, "kind = ? AND url = ?", kind, url)
	if err != nil {
		return nil, err
	}
	e = choose(list, version)
	q.known.mu.Lock()
	defer q.known.mu.Unlock()
	if len(q.known.entries) >= maxAliases {
		clear(q.known.entries)
	}
	q.known.entries[key] = e
	return e, nil
}

func (q *session) entries(ctx context.Context, where string, args ...any) (list []*entry, err error) {
	err = q.tx.Query(ctx, `SELECT num, vid, updated, kind, id, url, version, status, date, name, title, content, language, folds, concepts FROM term_book WHERE `+where,
		args, func(scan func(...any) error) error {
			e := &entry{}
			list = append(list, e)
			return scan(&e.num, &e.vid, &e.updated, &e.kind, &e.id, &e.url, &e.version, &e.status, &e.date, &e.name, &e.title, &e.content, &e.language, &e.folds, &e.concepts)
		})
	if err != nil {
		return nil, fmt.Errorf("term: resolve: %w", err)
	}
	return list, nil
}

// choose takes the version asked for, else the newest: active before draft before the rest, then by version, date and time of writing.
func choose(list []*entry, version string) *entry {
	var best *entry
	for _, e := range list {
		if version != "" && e.version != version || e.content == "supplement" {
			continue
		}
		if best == nil || newer(e, best) > 0 {
			best = e
		}
	}
	return best
}

func newer(a, b *entry) int {
	rank := func(status string) int {
		return slices.Index([]string{"retired", "unknown", "draft", "active"}, status)
	}
	return cmp.Or(cmp.Compare(rank(a.status), rank(b.status)), natural(a.version, b.version), cmp.Compare(a.date, b.date),
		cmp.Compare(a.updated, b.updated), cmp.Compare(a.num, b.num))
}

// natural compares 2.10 as later than 2.9.
func natural(a, b string) int {
	digits := func(s string) int {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return n
	}
	for a != "" && b != "" {
		if m, n := digits(a), digits(b); m > 0 && n > 0 {
			x, y := strings.TrimLeft(a[:m], "0"), strings.TrimLeft(b[:n], "0")
			if c := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); c != 0 {
				return c
			}
			a, b = a[m:], b[n:]
			continue
		}
		if c := cmp.Compare(a[0], b[0]); c != 0 {
			return c
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

// system finds a code system; nil when it is not known here. version "" = that which the question pins, else the newest.
func (q *session) system(ctx context.Context, url, version string) (*entry, error) {
	if given, v, ok := strings.Cut(url, "|"); ok && version == "" {
		url, version = given, v
	}
	if q.given != nil && q.given.Str("url") == url {
		return givenEntry(q.given), nil
	}
	if version == "" {
		version = q.pins[url]
	}
	canonical := url
	if version != "" {
		canonical += "|" + version
	}
	e, err := q.resolve(ctx, "CodeSystem", canonical)
	if err != nil || e != nil {
		return e, err
	}
	if version == "" || version == "4.0.1" {
		if own := ownSystems()[url]; own != nil {
			return &own.entry, nil
		}
	}
	return nil, nil
}

// numbers of books that are not stored
const (
	ownNumber   = -1 // R4's own
	givenNumber = -2 // came with the question
)

func givenEntry(n *fhir.Node) *entry {
	return &entry{num: givenNumber, kind: "CodeSystem", url: n.Str("url"), version: n.Str("version"), status: n.Str("status"), name: n.Str("name"), title: n.Str("title"),
		content: n.Str("content"), language: n.Str("language"), folds: n.Str("caseSensitive") == "false"}
}

func (q *session) bookOf(ctx context.Context, e *entry) (*book, error) {
	if e.url != "" {
		q.used[e.canonical()] = true
	}
	switch e.num {
	case ownNumber:
		return ownSystems()[e.url], nil
	case givenNumber:
		concepts, err := conceptsOf(q.given)
		if err != nil {
			return nil, err
		}
		if len(concepts) > maxHeld {
			return nil, tooCostly("this code system is too large", "代码系统过大")
		}
		return newBook(*e, concepts, q.Service.sounds), nil
	}
	return q.load(ctx, e)
}

// ownSystems are the code systems that R4 itself requires somewhere, as far as the tables of definitions list them.
var ownSystems = sync.OnceValue(func() map[string]*book {
	codes := map[string]map[string]bool{}
	for _, vs := range spec.ValueSets() {
		for system, list := range spec.CodesBySystem(vs) {
			if codes[system] == nil {
				codes[system] = map[string]bool{}
			}
			for _, code := range list {
				codes[system][code] = true
			}
		}
	}
	books := map[string]*book{}
	for system, list := range codes {
		books[system] = newBook(entry{num: ownNumber, kind: "CodeSystem", url: system, version: "4.0.1", status: "active", content: "fragment"}, conceptsIn(slices.Sorted(maps.Keys(list))), newSounds())
	}
	return books
})

func conceptsIn(codes []string) []Concept {
	list := make([]Concept, len(codes))
	for i, code := range codes {
		list[i] = Concept{Code: code}
	}
	return list
}

// valueSet is the definition of a value set, from wherever it comes.
type valueSet struct {
	num       int64  // of a stored one, 0 otherwise
	canonical string // as it names itself
	url       string
	version   string
	node      *fhir.Node // its compose, or else its expansion, counts
}

// valueSetOf finds a value set by canonical: stored, that of a whole code system, url?fhir_vs, or R4's own. nil = unknown.
func (q *session) valueSetOf(ctx context.Context, canonical string) (*valueSet, error) {
	e, err := q.resolve(ctx, "ValueSet", canonical)
	if err != nil {
		return nil, err
	}
	if e != nil {
		return q.storedSet(ctx, e)
	}
	url, version, _ := strings.Cut(canonical, "|")
	include := func(o fhir.Obj) *valueSet {
		return &valueSet{canonical: canonical, url: url, version: version, node: fhir.New("ValueSet", "url", url, "version", version, "status", "active",
			"compose", fhir.Obj{"include", fhir.Arr{o}})}
	}
	if system, rest, ok := strings.Cut(url, "?fhir_vs"); ok {
		if e, err := q.system(ctx, system, version); err != nil || e == nil {
			return nil, err
		}
		switch code, isA := strings.CutPrefix(rest, "=isa/"); {
		case rest == "":
			return include(fhir.Obj{"system", system, "version", version}), nil
		case isA && code != "":
			return include(fhir.Obj{"system", system, "version", version, "filter", fhir.Arr{fhir.Obj{"property", "concept", "op", "is-a", "value", code}}}), nil
		}
		return nil, nil
	}
	if url == "" {
		return nil, nil
	}
	list, err := q.entries(ctx, "whole = ? AND kind = 'CodeSystem'", url)
	if err != nil {
		return nil, err
	}
	if e := choose(list, version); e != nil {
		return include(fhir.Obj{"system", e.url, "version", e.version}), nil
	}
	if own := spec.CodesBySystem(url); own != nil && (version == "" || version == "4.0.1") {
		includes := fhir.Arr{}
		for _, system := range slices.Sorted(maps.Keys(own)) {
			concepts := fhir.Arr{}
			for _, code := range own[system] {
				concepts = append(concepts, fhir.Obj{"code", code})
			}
			includes = append(includes, fhir.Obj{"system", system, "concept", concepts})
		}
		return &valueSet{canonical: url + "|4.0.1", url: url, version: "4.0.1", node: fhir.New("ValueSet", "url", url, "version", "4.0.1", "status", "active",
			"compose", fhir.Obj{"include", includes})}, nil
	}
	return nil, nil
}

func (q *session) storedSet(ctx context.Context, e *entry) (*valueSet, error) {
	n, err := q.read(ctx, e)
	if err != nil {
		return nil, err
	}
	return &valueSet{num: e.num, canonical: e.canonical(), url: e.url, version: e.version, node: n}, nil
}

// instance finds the stored resource of an operation on an instance.
func (q *session) instance(ctx context.Context, kind, id string) (*entry, error) {
	list, err := q.entries(ctx, "kind = ? AND id = ?", kind, id)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		_, err := q.tx.Read(ctx, everything, kind, id) // says whether it is gone
		if err == nil {
			err = store.ErrNotFound
		}
		return nil, err
	}
	return list[0], nil
}

func absent(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone)
}
