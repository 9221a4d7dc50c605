package store

import (
	"slices"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// codeGroup is a range of ix_token: codes of one parameter and one system, or of any.
type codeGroup struct {
	param  int32
	system int64 // anySystem = not asked
	codes  []any
}

const anySystem = -1

// once tells whether every resource stands at most once in the range.
func (g *codeGroup) once() bool { return g.system != anySystem && len(g.codes) == 1 }

func (f *finder) group(q *sql, g *codeGroup, t string) {
	q.add(t+".param = ? AND ", g.param)
	f.in(q, t+".code", g.codes)
	if g.system != anySystem {
		q.add(" AND "+t+".system = ?", g.system)
	}
}

// codeGroups looks up which of the codes asked for are in use, and where: what no resource has costs nothing.
func (f *finder) codeGroups(params []*spec.Param, c *search.Clause) ([]codeGroup, error) {
	if known, ok := f.groups[c]; ok {
		return known, nil
	}
	type pair struct{ code, system int64 }
	found := map[int32][]pair{} // by parameter
	have := map[codeKey]bool{}
	note := func(param int32, code, system int64) {
		if key := (codeKey{param, code, system}); !have[key] {
			have[key] = true
			found[param] = append(found[param], pair{code, system})
		}
	}
	in := ids(params)
	look := func(v *search.Value) error {
		q := &sql{}
		q.add("SELECT param, code, system FROM ix_code WHERE ")
		f.in(q, "param", in)
		var code, system int64 = anySystem, anySystem
		if v.Code != "" {
			id, ok, err := f.tx.findSymbol(f.ctx, clip(v.Code))
			if err != nil || !ok {
				return err
			}
			code = id
			q.add(" AND code = ?", id)
		} else if v.System == nil || *v.System == "" {
			return nil
		}
		if v.System != nil {
			id, ok, err := f.tx.findSymbol(f.ctx, clip(*v.System))
			if err != nil || !ok {
				return err
			}
			system = id
			q.add(" AND system = ?", id)
		}
		for key := range f.tx.names.codes { // made in this unit
			for _, p := range params {
				if p.ID == key.param && (code == anySystem || code == key.code) && (system == anySystem || system == key.system) {
					note(key.param, key.code, key.system)
				}
			}
		}
		return f.tx.Query(f.ctx, q.String(), q.args, func(scan func(...any) error) error {
			var param int32
			var code, system int64
			err := scan(&param, &code, &system)
			note(param, code, system)
			return err
		})
	}
	const many = 40
	if len(c.Values) <= many {
		for i := range c.Values {
			if err := look(&c.Values[i]); err != nil {
				return nil, err
			}
		}
	} else if err := f.manyCodes(in, c.Values, note, look); err != nil {
		return nil, err
	}
	if err := f.listedCodes(params, c.Values, note); err != nil {
		return nil, err
	}
	var groups []codeGroup
	for _, p := range params {
		if v := &c.Values[0]; len(c.Values) == 1 && v.System == nil && len(found[p.ID]) > 1 {
			groups = append(groups, codeGroup{param: p.ID, system: anySystem, codes: []any{found[p.ID][0].code}})
			continue
		}
		bySystem := map[int64]int{}
		for _, x := range found[p.ID] {
			i, ok := bySystem[x.system]
			if !ok {
				i = len(groups)
				bySystem[x.system] = i
				groups = append(groups, codeGroup{param: p.ID, system: x.system})
			}
			groups[i].codes = append(groups[i].codes, x.code)
		}
	}
	if f.groups == nil {
		f.groups = map[*search.Clause][]codeGroup{}
	}
	f.groups[c] = groups
	return groups, nil
}

// listedCodes notes the codes asked for of parameters that keep no list of the codes in use: they have no system.
func (f *finder) listedCodes(params []*spec.Param, values []search.Value, note func(param int32, code, system int64)) error {
	for _, p := range params {
		for i := range values {
			v := &values[i]
			if !listsCodes(p) || v.Code == "" || v.System != nil && *v.System != "" {
				continue
			}
			code, ok, err := f.tx.findSymbol(f.ctx, clip(v.Code))
			if err != nil {
				return err
			}
			if ok {
				note(p.ID, code, 0)
			}
		}
	}
	return nil
}

// manyCodes answers a long list, such as a value set, by going through the codes in use instead of those asked for.
func (f *finder) manyCodes(params []any, values []search.Value, note func(param int32, code, system int64), look func(*search.Value) error) error {
	type name struct{ code, system string }
	wanted := map[name]bool{}     // in one system
	anywhere := map[string]bool{} // in any
	for i := range values {
		switch v := &values[i]; {
		case v.Code == "":
			if err := look(v); err != nil {
				return err
			}
		case v.System == nil:
			anywhere[clip(v.Code)] = true
		default:
			wanted[name{clip(v.Code), clip(*v.System)}] = true
		}
	}
	take := func(param int32, code, system int64, text, systemText string) {
		if anywhere[text] || wanted[name{text, systemText}] {
			note(param, code, system)
		}
	}
	for key := range f.tx.names.codes {
		text, err := f.tx.text(f.ctx, key.code)
		if err != nil {
			return err
		}
		system, err := f.tx.text(f.ctx, key.system)
		if err != nil {
			return err
		}
		for _, p := range params {
			if p == key.param {
				take(key.param, key.code, key.system, text, system)
			}
		}
	}
	q := &sql{}
	q.add("SELECT c.param, c.code, c.system, y.text, coalesce(s.text, '') FROM ix_code c JOIN symbol y ON y.id = c.code LEFT JOIN symbol s ON s.id = c.system WHERE ")
	f.in(q, "c.param", params)
	return f.tx.Query(f.ctx, q.String(), q.args, func(scan func(...any) error) error {
		var param int32
		var code, system int64
		var text, systemText string
		if err := scan(&param, &code, &system, &text, &systemText); err != nil {
			return err
		}
		take(param, code, system, text, systemText)
		return nil
	})
}

// tokensAt is the condition that r has one of the codes.
func (f *finder) tokensAt(q *sql, params []*spec.Param, c *search.Clause, r string) error {
	if byText(c.Param) {
		return f.identsAt(q, params, c, r)
	}
	groups, err := f.codeGroups(params, c)
	if err != nil {
		return err
	}
	for i := range groups {
		if i > 0 {
			q.add(" OR ")
		}
		q.add("EXISTS (SELECT 1 FROM ix_token t WHERE t.at = " + r + ".at AND t.rid = " + r + ".rid AND ")
		f.group(q, &groups[i], "t")
		q.add(")")
	}
	if len(groups) == 0 {
		q.add(nothing)
	}
	return nil
}

// ident is the condition on a row of ix_ident: any of the values.
func (f *finder) ident(q *sql, params []*spec.Param, values []search.Value, t string) error {
	codes := map[int64][]any{} // by system
	var order []int64
	for i := range values {
		v := &values[i]
		if v.Code == "" && (v.System == nil || *v.System == "") {
			continue
		}
		system := int64(anySystem)
		if v.System != nil {
			id, ok, err := f.tx.findSymbol(f.ctx, clip(*v.System))
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			system = id
		}
		if _, ok := codes[system]; !ok {
			order = append(order, system)
		}
		codes[system] = append(codes[system], clip(v.Code)) // "" = any
	}
	f.in(q, t+".param", ids(params))
	q.add(" AND (" + nothing)
	for _, system := range order {
		list := codes[system]
		q.add(" OR (" + everything)
		if !slices.Contains(list, any("")) {
			q.add(" AND "+t+".code IN ("+marks(len(list))+")", list...)
		}
		if system != anySystem {
			q.add(" AND "+t+".system = ?", system)
		}
		q.add(")")
	}
	q.add(")")
	return nil
}

func (f *finder) identsAt(q *sql, params []*spec.Param, c *search.Clause, r string) error {
	q.add("EXISTS (SELECT 1 FROM ix_ident t WHERE t.rid = " + r + ".rid AND ")
	err := f.ident(q, params, c.Values, "t")
	q.add(")")
	return err
}

// mac is the seal under which a value of a sealed parameter is found.
func (f *finder) mac(p *spec.Param, v *search.Value) ([]byte, error) {
	code := v.Code
	if p.Type == spec.String {
		code = v.Text
	}
	code = fold(code)
	if code == "" {
		return nil, fhir.Refuse(400, "value", "sealed-needs-value", p.Code+" is sealed: it is found by its whole value only", p.Code+" 已加密保存，只能按完整的值检索")
	}
	if v.System != nil && p.Type != spec.String {
		code = sealedValue(*v.System, code)
	}
	return f.tx.s.seal.mac(p.Code, code), nil
}

// sealed is the condition on a row of ix_sealed: sealed parameters, identifiers of references and by type.
func (f *finder) sealed(q *sql, c *search.Clause, s string) error {
	if index.ByWords(c.Param) && c.Modifier != "exact" {
		return f.sealedWords(q, c, s)
	}
	macs := make([]any, len(c.Values))
	for i := range c.Values {
		mac, err := f.sealOf(c.Param, c.Modifier, &c.Values[i])
		if err != nil {
			return err
		}
		macs[i] = mac
	}
	q.add(s+".param = ? AND "+s+".mac IN ("+marks(len(macs))+")", append([]any{c.Param.ID}, macs...)...)
	return nil
}

// sealedWords is the condition on a row of ix_sealed that it is of one word of a value, and the resource has all others, too.
func (f *finder) sealedWords(q *sql, c *search.Clause, s string) error {
	p := c.Param
	q.add(s+".param = ? AND (", p.ID)
	for i := range c.Values {
		words := index.AddressWords(c.Values[i].Text)
		if len(words) == 0 {
			return fhir.Refuse(400, "value", "sealed-needs-words", p.Code+" is sealed: it is found by words of at least two characters", p.Code+" 已加密保存，请至少输入两个字检索")
		}
		if i > 0 {
			q.add(" OR ")
		}
		last := len(words) - 1 // the last words of an address say most
		q.add("("+s+".mac = ?", f.tx.s.seal.mac(p.Code, wordForm(words[last])))
		for _, w := range words[:last] {
			q.add(" AND EXISTS (SELECT 1 FROM ix_sealed w WHERE w.param = ? AND w.mac = ? AND w.rid = "+s+".rid)", p.ID, f.tx.s.seal.mac(p.Code, wordForm(w)))
		}
		q.add(")")
	}
	q.add(")")
	return nil
}

func (f *finder) sealOf(p *spec.Param, modifier string, v *search.Value) ([]byte, error) {
	if modifier == "of-type" {
		return f.tx.s.seal.mac(p.Code, typedValue(v)), nil
	}
	return f.mac(p, v)
}

// typedValue is what stands in a seal for system|code|value of an identifier's type.
func typedValue(v *search.Value) string {
	system := ""
	if v.System != nil {
		system = *v.System
	}
	return typed(system, v.Code, v.Text)
}

func typed(system, code, value string) string {
	return "type\x00" + system + "\x00" + code + "\x00" + fold(value)
}

// indexTypes keeps what :of-type asks for: a seal over the type of an identifier and its value, with the type's system and without.
func (tx *Tx) indexTypes(e *index.Entry, add func(row)) {
	for _, t := range e.Types {
		add(row{table: ixSealed, param: e.Param.ID, s: string(tx.s.seal.mac(e.Param.Code, typed(t.System, t.Code, e.Code)))})
		if t.System != "" {
			add(row{table: ixSealed, param: e.Param.ID, s: string(tx.s.seal.mac(e.Param.Code, typed("", t.Code, e.Code)))})
		}
	}
}

// codedText is the condition on rows c of ix_code whose usual text has the words asked for.
func (f *finder) codedText(q *sql, params []*spec.Param, v *search.Value, c string) {
	f.in(q, c+".param", ids(params))
	q.add(" AND ")
	f.contains(q, c+".folded", v.Text+v.Code)
}

// contains is the condition that a folded column holds a text.
func (f *finder) contains(q *sql, column, text string) {
	text = fold(text)
	switch {
	case text == "":
		q.add(nothing)
	case f.tx.s.db.Dialect() == engine.Postgres:
		q.add("strpos("+column+", ?) > 0", text)
	default:
		q.add("instr("+column+", ?) > 0", text)
	}
}

// textAt is :text on a token: the usual text of a code where the resource says nothing else, or what it says.
func (f *finder) textAt(q *sql, pl *plan, c *search.Clause, r string) error {
	params := f.params(pl, c.Param)
	return each(q, c.Values, func(v *search.Value) error {
		q.add("EXISTS (SELECT 1 FROM ix_text o WHERE o.rid = " + r + ".rid AND ")
		f.in(q, "o.param", ids(params))
		q.add(" AND ")
		f.contains(q, "o.folded", v.Text+v.Code)
		q.add(") OR EXISTS (SELECT 1 FROM ix_code c CROSS JOIN ix_token t WHERE ")
		f.codedText(q, params, v, "c")
		q.add(" AND t.param = c.param AND t.code = c.code AND t.at = " + r + ".at AND t.rid = " + r + ".rid AND t.system = c.system AND " + otherText + ")")
		return nil
	})
}

// otherText excludes resources that write another text beside the code.
const otherText = "NOT EXISTS (SELECT 1 FROM ix_text x WHERE x.rid = t.rid AND x.param = t.param AND x.code = t.code AND x.system = t.system)"

// textSet selects the resources that :text finds.
func (f *finder) textSet(q *sql, params []*spec.Param, v *search.Value) {
	q.add("SELECT o.rid FROM ix_text o WHERE ")
	f.in(q, "o.param", ids(params))
	q.add(" AND ")
	f.contains(q, "o.folded", v.Text+v.Code)
	q.add(" UNION ALL SELECT t.rid FROM ix_code c CROSS JOIN ix_token t WHERE ")
	f.codedText(q, params, v, "c")
	q.add(" AND t.param = c.param AND t.code = c.code AND t.system = c.system AND " + otherText)
}
