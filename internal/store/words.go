package store

import (
	"context"
	"encoding/binary"
	"html"
	"slices"
	"strings"
	"unicode"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// Bounds of full text: the words kept of one resource and asked for in one value, the versions indexed in one unit,
// and how many the index may be behind before searches say that it is not ready.
const (
	maxWords      = 4000
	maxAsked      = 16
	wordsAtOnce   = 40
	wordsBehind   = 5000
	wordsHorizon  = "full-text"
	narrative     = 1
	elsewhere     = 2
	longestSpoken = 64 // runes of a word
	longestText   = 100_000
)

// fullText names the parameters that search all that is written.
func fullText(name string) bool { return name == "_text" || name == "_content" }

// spoken splits a text into words as they are compared: Latin words and numbers whole, Chinese by twos and one by one.
func spoken(text string, word func(string)) {
	var run []rune
	han := false
	flush := func() {
		switch {
		case len(run) == 0:
		case !han:
			word(string(run[:min(len(run), longestSpoken)]))
		default:
			for i := range run {
				word(string(run[i : i+1]))
				if i+1 < len(run) {
					word(string(run[i : i+2]))
				}
			}
		}
		run = run[:0]
	}
	for _, r := range index.FoldTo(text, longestText) {
		isHan := unicode.Is(unicode.Han, r)
		if !isHan && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			flush()
			continue
		}
		if isHan != han {
			flush()
			han = isHan
		}
		run = append(run, r)
	}
	flush()
}

// wordsOf are the words of a resource: those of its narrative, and those of all other text. Keys, links and codes of
// systems are no text.
func wordsOf(n *fhir.Node) (told, rest map[string]bool) {
	told, rest = map[string]bool{}, map[string]bool{}
	into := func(set map[string]bool) func(string) {
		return func(w string) {
			if len(told)+len(rest) < maxWords {
				set[w] = true
			}
		}
	}
	if text := n.Child("text"); text != nil {
		spoken(untagged(text.Str("div")), into(told))
	}
	var walk func(n *fhir.Node)
	walk = func(n *fhir.Node) {
		for i := range n.Members {
			switch m := &n.Members[i]; m.Name {
			default:
				if m.Value.Kind == fhir.String {
					spoken(m.Value.Text, into(rest))
				} else {
					walk(m.Value)
				}
			case "resourceType", "id", "meta", "reference", "system", "url", "div", "data", "contentType", "fullUrl", "extension":
			}
		}
		for _, item := range n.Items {
			if item.Kind == fhir.String {
				spoken(item.Text, into(rest))
			} else {
				walk(item)
			}
		}
	}
	walk(n)
	return told, rest
}

// untagged is the text of XHTML.
func untagged(div string) string {
	var b strings.Builder
	for {
		text, rest, tagged := strings.Cut(div, "<")
		b.WriteString(text)
		if !tagged {
			return html.UnescapeString(b.String())
		}
		b.WriteByte(' ')
		_, div, _ = strings.Cut(rest, ">")
	}
}

// wordID is the number under which a word is kept: part of a seal, so that no name or number can be read back.
func (s *Store) wordID(word string) int64 {
	return int64(binary.BigEndian.Uint64(s.seal.mac("word", word)))
}

// wordRow is a row of ix_word without its rid.
type wordRow struct{ kind, word int64 }

func (s *Store) wordRows(json []byte) (map[wordRow]bool, error) {
	n, err := fhir.Parse(json)
	if err != nil {
		return nil, err
	}
	told, rest := wordsOf(n)
	rows := make(map[wordRow]bool, len(told)+len(rest))
	for w := range told {
		rows[wordRow{narrative, s.wordID(w)}] = true
	}
	for w := range rest {
		rows[wordRow{elsewhere, s.wordID(w)}] = true
	}
	return rows, nil
}

// IndexWords brings the full-text index on by some versions of the log; more says that others wait. It reads and
// takes words apart outside the writer, and keeps its horizon in the unit that writes.
func (s *Store) IndexWords(ctx context.Context) (more bool, err error) {
	var from, to int64
	type change struct {
		rid, seq  int64
		was, want map[wordRow]bool
	}
	var changes []change
	err = s.View(ctx, func(tx *Tx) error {
		if from, err = tx.Horizon(ctx, wordsHorizon); err != nil {
			return err
		}
		to = from
		var versions []Version
		if err := tx.Since(ctx, from, wordsAtOnce, func(v Version) error { versions = append(versions, v); return nil }); err != nil {
			return err
		}
		more = len(versions) == wordsAtOnce
		for i, v := range versions {
			to = v.Seq
			if slices.ContainsFunc(versions[i+1:], func(w Version) bool { return w.Type == v.Type && w.ID == v.ID }) {
				continue // a later one of the same batch will do
			}
			c := change{seq: v.Seq}
			if c.rid, err = tx.rid(ctx, planOf(v.Type).id, v.ID); err != nil {
				return err
			}
			var seq int64
			if _, err := tx.one(ctx, "SELECT seq FROM word_version WHERE rid = ?", []any{c.rid}, &seq); err != nil {
				return err
			}
			if seq != 0 {
				plain, err := tx.plain(ctx, seq)
				if err != nil {
					return err
				}
				if c.was, err = s.wordRows(splice(plain, v.Type, v.ID, 1, tx.now)); err != nil {
					return err
				}
			}
			if v.Op != Delete {
				if c.want, err = s.wordRows(v.JSON); err != nil {
					return err
				}
			}
			changes = append(changes, c)
		}
		return nil
	})
	if err != nil || to == from {
		return false, err
	}
	err = s.Update(ctx, func(tx *Tx) error {
		now, err := tx.Horizon(ctx, wordsHorizon)
		if err != nil {
			return err
		}
		if now != from {
			return nil // another program was faster
		}
		for _, c := range changes {
			for r := range c.was {
				if !c.want[r] {
					if err := tx.Queue(ctx, "DELETE FROM ix_word WHERE kind = ? AND word = ? AND rid = ?", r.kind, r.word, c.rid); err != nil {
						return err
					}
				}
			}
			for r := range c.want {
				if !c.was[r] {
					if err := tx.Queue(ctx, "INSERT INTO ix_word (kind, word, rid) VALUES (?, ?, ?)", r.kind, r.word, c.rid); err != nil {
						return err
					}
				}
			}
			query := "INSERT INTO word_version (seq, rid) VALUES (?, ?) ON CONFLICT (rid) DO UPDATE SET seq = excluded.seq"
			if c.want == nil {
				query = "DELETE FROM word_version WHERE seq <> ? AND rid = ?"
			}
			if err := tx.Queue(ctx, query, c.seq, c.rid); err != nil {
				return err
			}
		}
		return tx.SetHorizon(ctx, wordsHorizon, to)
	})
	return more, err
}

// wordsReady refuses a search of words that would silently miss what was written.
func (f *finder) wordsReady(name string) error {
	if !f.tx.s.opts.FullText {
		return fhir.Refuse(400, "not-supported", "full-text-off", name+" needs the full-text index, which is off", name+" 需要全文索引，本系统未启用")
	}
	var last, done int64
	if _, err := f.tx.one(f.ctx, "SELECT coalesce(max(seq), 0) FROM version", nil, &last); err != nil {
		return err
	}
	done, err := f.tx.Horizon(f.ctx, wordsHorizon)
	if err == nil && last-done > wordsBehind {
		err = fhir.Refuse(503, "transient", "full-text-behind", "the full-text index is being made; try again later", "全文索引正在建立，请稍后再试")
	}
	return err
}

// wordCondition is that a resource has all words of one of the values; rid is its column.
func (f *finder) wordCondition(q *sql, c *search.Clause, rid string) error {
	name := special(c)
	if err := f.wordsReady(name); err != nil {
		return err
	}
	return each(q, c.Values, func(v *search.Value) error {
		words, err := f.askedWords(name, v.Text)
		if err != nil {
			return err
		}
		for i, w := range words {
			if i > 0 {
				q.add(" AND ")
			}
			f.hasWord(q, name, w, rid)
		}
		return nil
	})
}

func (f *finder) hasWord(q *sql, name string, word int64, rid string) {
	kinds := "w.kind = 1"
	if name == "_content" {
		kinds = "w.kind IN (1, 2)"
	}
	q.add("EXISTS (SELECT 1 FROM ix_word w WHERE "+kinds+" AND w.word = ? AND w.rid = "+rid+")", word)
}

// askedWords are the words of a value, the rarest first. Of Chinese only the pairs are asked for where there are any.
func (f *finder) askedWords(name, text string) ([]int64, error) {
	var words []string
	pairs := false
	spoken(text, func(w string) {
		if len(words) < maxAsked && !slices.Contains(words, w) {
			words = append(words, w)
		}
		pairs = pairs || isPair(w)
	})
	if len(words) == 0 {
		return nil, fhir.Refuse(400, "value", "bad-value", name+" needs a word", name+" 需要检索词")
	}
	if pairs {
		words = slices.DeleteFunc(words, func(w string) bool {
			return slices.ContainsFunc(words, func(other string) bool { return other != w && isPair(other) && strings.Contains(other, w) })
		})
	}
	type counted struct{ id, n int64 }
	list := make([]counted, len(words))
	for i, w := range words {
		list[i].id = f.tx.s.wordID(w)
		if len(words) == 1 {
			break
		}
		for kind := range 2 {
			var n int64
			if _, err := f.tx.one(f.ctx, "SELECT count(*) FROM (SELECT 1 FROM ix_word WHERE kind = ? AND word = ? LIMIT ? + 0) n", []any{kind + 1, list[i].id, probing.rows}, &n); err != nil {
				return nil, err
			}
			list[i].n += n
		}
	}
	slices.SortStableFunc(list, func(a, b counted) int { return int(a.n - b.n) })
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].id
	}
	return ids, nil
}

func isPair(w string) bool {
	r := []rune(w)
	return len(r) == 2 && unicode.Is(unicode.Han, r[0])
}

// wordSet selects the resources that full text finds.
func (f *finder) wordSet(c *search.Clause) (*sql, bool, error) {
	name := special(c)
	if err := f.wordsReady(name); err != nil {
		return nil, false, err
	}
	if err := few(c); err != nil {
		return nil, false, err
	}
	q := &sql{}
	for i := range c.Values {
		words, err := f.askedWords(name, c.Values[i].Text)
		if err != nil {
			return nil, false, err
		}
		if i > 0 {
			q.add(" UNION ALL ")
		}
		kinds := "a.kind = 1"
		if name == "_content" {
			kinds = "a.kind IN (1, 2)"
		}
		q.add("SELECT a.rid FROM ix_word a WHERE "+kinds+" AND a.word = ?", words[0])
		for _, w := range words[1:] {
			q.add(" AND ")
			f.hasWord(q, name, w, "a.rid")
		}
	}
	return q, false, nil
}
