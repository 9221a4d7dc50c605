package store

import (
	"context"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// codeKey is one code of one parameter.
type codeKey struct {
	param        int32
	code, system int64
}

// codeText is the text that a code first came with, as written and as compared.
type codeText struct{ raw, folded string }

// maxCodes bounds the memory of codes; a full map starts anew.
const maxCodes = 100_000

// indexText notes the text of a token for :text. A code's usual text stands once for all resources, in ix_code;
// a resource has a row of its own only where it says something else, or has no code.
func (tx *Tx) indexText(ctx context.Context, e *index.Entry, code, system int64, add func(row)) error {
	if code == 0 && system == 0 {
		if text := fold(e.Text); text != "" {
			add(row{table: ixText, param: e.Param.ID, s: text})
		}
		return nil
	}
	if e.Text == "" && listsCodes(e.Param) {
		return nil
	}
	key := codeKey{e.Param.ID, code, system}
	known, err := tx.codeText(ctx, key, e.Text)
	if err != nil || known.raw == e.Text {
		return err
	}
	if text := fold(e.Text); text != known.folded {
		add(row{table: ixText, param: e.Param.ID, s: text, n: [5]int64{code, system}})
	}
	return nil
}

// listsCodes tells the parameters of terminology whose codes are the content of the resource, thousands of them and
// none with a text: they cost no look at ix_code.
func listsCodes(p *spec.Param) bool {
	switch p.Base {
	case "CodeSystem", "ValueSet", "ConceptMap":
		return p.Code == "code" || strings.HasSuffix(p.Code, "-code")
	}
	return false
}

// codeText returns the usual text of a code; of a new code it becomes the text given.
func (tx *Tx) codeText(ctx context.Context, key codeKey, text string) (codeText, error) {
	n := &tx.s.names
	n.mu.RLock()
	known, ok := n.codes[key]
	n.mu.RUnlock()
	if ok {
		return known, nil
	}
	if known, ok = tx.names.codes[key]; ok {
		return known, nil
	}
	const find = "SELECT folded FROM ix_code WHERE param = ? AND code = ? AND system = ?"
	args := []any{key.param, key.code, key.system}
	found, err := tx.one(ctx, find, args, &known.folded)
	if err != nil {
		return known, err
	}
	if !found {
		err = tx.s.db.Apart(ctx, tx.c, func(c engine.Conn) error {
			if _, err := c.Exec(ctx, "INSERT INTO ix_code (param, code, system, folded) VALUES (?, ?, ?, ?) ON CONFLICT (param, code, system) DO NOTHING",
				key.param, key.code, key.system, fold(text)); err != nil {
				return err
			}
			return c.Query(ctx, find, args, func(scan engine.Row) error { return scan(&known.folded) })
		})
		if err != nil {
			return known, err
		}
	}
	if known.raw = known.folded; fold(text) == known.folded {
		known.raw = strings.Clone(text)
	}
	if tx.names.codes == nil {
		tx.names.codes = map[codeKey]codeText{}
	}
	tx.names.codes[key] = known
	return known, nil
}

// sameText gives the usual text of a code a row, too, where the same resource writes another text beside the same
// code elsewhere: that other row says that the usual one does not count.
func (tx *Tx) sameText(ctx context.Context, entries []index.Entry, rows []row, add func(row)) error {
	for _, r := range rows {
		if r.table != ixText || r.n[0] == 0 && r.n[1] == 0 {
			continue
		}
		for i := range entries {
			e := &entries[i]
			if e.Param.ID != r.param {
				continue
			}
			system, code, err := tx.coded(ctx, e)
			if err != nil {
				return err
			}
			if text := fold(e.Text); code == r.n[0] && system == r.n[1] && text != r.s {
				add(row{table: ixText, param: r.param, s: text, n: r.n})
			}
		}
	}
	return nil
}
