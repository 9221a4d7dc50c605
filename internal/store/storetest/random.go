package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// random makes small hospitals and searches of every shape.
type random struct {
	*rand.Rand
	w *naive
}

func (r random) one(of ...string) string { return of[r.IntN(len(of))] }

// maybe gives v in p of ten cases, else nothing.
func (r random) maybe(p int, v string) string {
	if r.IntN(10) < p {
		return v
	}
	return ""
}

func (r random) coding() string {
	system := r.one(`"system":"urn:a",`, `"system":"urn:a",`, `"system":"urn:b",`, "")
	display := r.one(`,"display":"心率"`, `,"display":"Heart Rate"`, `,"display":"血压"`, "")
	return fmt.Sprintf(`{%s"code":"c%d"%s}`, system, r.IntN(5), display)
}

func (r random) concept() string {
	text := r.maybe(3, `"text":"`+r.one("心率", "体温 temp", "其他")+`",`)
	codings := r.coding()
	if r.IntN(3) == 0 {
		codings += "," + r.coding()
	}
	if text != "" && r.IntN(4) == 0 {
		return "{" + strings.TrimSuffix(text, ",") + "}"
	}
	return "{" + text + `"coding":[` + codings + "]}"
}

func (r random) quantity() string {
	unit := r.one(`"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"`, `"unit":"g","system":"http://unitsofmeasure.org","code":"g"`, `"unit":"片"`, `"unit":"mg"`)
	comparator := r.maybe(1, `"comparator":"`+r.one("<", ">=")+`",`)
	return fmt.Sprintf(`{"value":%s,%s%s}`, r.one("1", "2", "2.0", "5.4", "10", "-3", "100"), comparator, unit)
}

func (r random) when() string {
	day := fmt.Sprintf("2026-%02d-%02d", 1+r.IntN(3), 1+r.IntN(28))
	return r.one(day, day, day+"T08:30:00+08:00", day[:7], "2026", day+"T23:00:00Z")
}

func (r random) value() string {
	switch r.IntN(7) {
	case 0, 1, 2:
		return `,"valueQuantity":` + r.quantity()
	case 3:
		return `,"valueString":"` + r.one("阳性", "阴性", "Positive ++", "positive") + `"`
	case 4:
		return `,"valueCodeableConcept":` + r.concept()
	case 5:
		return `,"valueDateTime":"` + r.when() + `"`
	}
	return ""
}

func (r random) ref(typ string, n int) string {
	return fmt.Sprintf(`{"reference":"%s/%s%d"}`, typ, strings.ToLower(typ[:3]), r.IntN(n))
}

// resource writes a resource of a type and its number.
func (r random) resource(typ string, i int) string {
	id := fmt.Sprintf("%s%d", strings.ToLower(typ[:3]), i)
	head := fmt.Sprintf(`{"resourceType":"%s","id":"%s"`, typ, id)
	switch typ {
	case "Organization":
		return head + fmt.Sprintf(`,"name":"医院%d","partOf":%s}`, i, r.ref("Organization", 3))
	case "Patient":
		return head + fmt.Sprintf(`,"name":[{"family":"%s","given":["%s"]}],"gender":"%s","birthDate":"%s","managingOrganization":%s%s%s}`, r.one("张", "李", "Wang"), r.one("三", "四", "Xiao Ming"),
			r.one("male", "female"), r.one("1980", "1990-05", "1990-05-06"), r.ref("Organization", 4),
			r.one("", fmt.Sprintf(`,"identifier":[{"system":"urn:id","value":"99%d"}]`, r.IntN(3)), `,"identifier":[{"value":"991"}]`), "")
	case "Observation":
		subject := r.one(r.ref("Patient", 5), r.ref("Patient", 5), r.ref("Patient", 5), `{"reference":"Device/d1"}`, "")
		if subject != "" {
			subject = `,"subject":` + subject
		}
		component := ""
		if r.IntN(3) == 0 {
			component = `,"component":[{"code":` + r.concept() + r.value() + `},{"code":` + r.concept() + r.value() + `}]`
		}
		return head + fmt.Sprintf(`,"status":"%s","code":%s%s%s%s%s%s%s%s}`, r.one("final", "amended"), r.concept(), subject, r.maybe(8, `,"effectiveDateTime":"`+r.when()+`"`), r.value(), component,
			r.maybe(3, `,"performer":[`+r.one(r.ref("Patient", 5), r.ref("Organization", 3), `{"identifier":{"system":"urn:staff","value":"7"}}`)+`]`),
			r.maybe(4, `,"hasMember":[`+r.ref("Observation", 30)+`,`+r.ref("Observation", 30)+`]`), r.maybe(2, `,"derivedFrom":[`+r.ref("DocumentReference", 4)+`]`))
	case "Condition":
		onset := r.one(`,"onsetAge":{"value":30,"unit":"a","system":"http://unitsofmeasure.org","code":"a"}`, `,"onsetRange":{"low":{"value":20,"unit":"a"},"high":{"value":40,"unit":"a"}}`, `,"onsetDateTime":"`+r.when()+`"`, `,"onsetPeriod":{"start":"2026-01-10","end":"2026-02-10"}`, `,"onsetString":"儿童期"`)
		return head + fmt.Sprintf(`,"code":%s,"subject":%s%s%s}`, r.concept(), r.ref("Patient", 5), onset, r.maybe(4, `,"recordedDate":"`+r.when()+`"`))
	case "DocumentReference":
		return head + fmt.Sprintf(`,"status":"current","subject":%s,"relatesTo":[{"code":"%s","target":%s},{"code":"%s","target":%s}],"content":[{"attachment":{"url":"http://x/%d"}}]}`, r.ref("Patient", 5),
			r.one("replaces", "appends"), r.ref("DocumentReference", 4), r.one("replaces", "signs"), r.ref("DocumentReference", 4), i)
	case "List":
		return head + fmt.Sprintf(`,"status":"current","mode":"working","subject":%s,"entry":[{"item":%s},{"item":%s},{"item":%s}]}`, r.ref("Patient", 5), r.ref("Observation", 30), r.ref("Condition", 8), r.ref("Patient", 5))
	case "ValueSet":
		return head + fmt.Sprintf(`,"status":"active","url":"http://x/%s","date":"%s","useContext":[{"code":%s,"valueCodeableConcept":%s},{"code":%s,"valueQuantity":%s}]}`, r.one("a", "a/b", "a/bc", "a/b/c", "ab"), r.when(), r.coding(), r.concept(), r.coding(), r.quantity())
	}
	return ""
}

// population and how many there are of each.
var population = []struct {
	typ string
	n   int
}{{"Organization", 4}, {"Patient", 6}, {"Observation", 30}, {"Condition", 8}, {"DocumentReference", 4}, {"List", 3}, {"ValueSet", 6}}

// clause asks for what some resource of the type has, or nearly.
func (r random) clause(typ string, depth int) search.Clause {
	if depth > 0 && r.IntN(4) == 0 {
		switch r.IntN(3) {
		case 0:
			return search.Clause{Filter: r.filter(typ, depth-1)}
		case 1:
			if h := r.has(typ, depth-1); h != nil {
				return search.Clause{Special: "_has", Has: h}
			}
		case 2:
			if c, ok := r.chained(typ, depth-1); ok {
				return c
			}
		}
	}
	if r.IntN(25) == 0 {
		return search.Clause{Special: "_list", Values: []search.Value{{Raw: "lis1", Text: fmt.Sprintf("lis%d", r.IntN(4))}}}
	}
	for {
		e := r.entry(typ)
		if e == nil {
			return search.Clause{Special: "_id", Values: []search.Value{{Raw: "x", Text: "x"}}}
		}
		c := search.Clause{Param: e.Param, Values: []search.Value{r.near(e)}}
		if r.IntN(4) == 0 {
			if other := r.entryOf(typ, e.Param); other != nil {
				c.Values = append(c.Values, r.near(other))
			}
		}
		switch n := r.IntN(10); {
		case n == 0 && e.Param.Type != spec.Special:
			return search.Clause{Param: e.Param, Modifier: "missing", Missing: r.IntN(2) == 0}
		case e.Param.Type == spec.Token && n == 1:
			c.Modifier = "not"
		case e.Param.Type == spec.Token && n < 4 && !e.Param.Sealed:
			c.Modifier, c.Values = "text", []search.Value{{Text: r.one("心", "heart", "RATE", "压", "temp")}}
		case e.Param.Type == spec.String && !e.Param.Sealed && n < 6:
			c.Modifier = r.one("exact", "contains")
		case e.Param.Type == spec.Reference && e.RefType == "" && e.URI == "":
			c.Modifier = "identifier"
		case e.Param.Type == spec.URI && n < 4:
			c.Modifier = "below"
		}
		if e.Param.Type == spec.Reference && c.Modifier != "identifier" && slices.ContainsFunc(c.Values, func(v search.Value) bool { return v.RefID == "" && v.URL == "" }) {
			continue
		}
		if c.Modifier == "identifier" && slices.ContainsFunc(c.Values, func(v search.Value) bool { return v.Code == "" }) || e.Param.Sealed && slices.ContainsFunc(c.Values, func(v search.Value) bool {
			return v.Code+v.Text == "" || index.ByWords(e.Param) && len(index.AddressWords(v.Text)) == 0
		}) {
			continue
		}
		return c
	}
}

func (r random) entry(typ string) *index.Entry {
	var all []*item
	for _, it := range r.w.items {
		if it.typ == typ && len(it.entries) > 0 {
			all = append(all, it)
		}
	}
	if len(all) == 0 {
		return nil
	}
	it := all[r.IntN(len(all))]
	return &it.entries[r.IntN(len(it.entries))]
}

func (r random) entryOf(typ string, p *spec.Param) *index.Entry {
	for range 40 {
		if e := r.entry(typ); e != nil && e.Param.ID == p.ID {
			return e
		}
	}
	return nil
}

var allPrefixes = []search.Prefix{search.Eq, search.Eq, search.Eq, search.Ne, search.Gt, search.Lt, search.Ge, search.Le, search.Sa, search.Eb, search.Ap}

// near is a value that finds an entry, or something beside it.
func (r random) near(e *index.Entry) search.Value {
	v := search.Value{}
	token := func() {
		v.Code = e.Code
		switch r.IntN(4) {
		case 0:
			v.System = &e.System
		case 1:
			none := ""
			v.System = &none
		case 2:
			if e.System != "" && !e.Param.Sealed {
				v.System, v.Code = &e.System, ""
			}
		}
	}
	switch e.Param.Type {
	case spec.Token:
		token()
	case spec.String:
		text := []rune(e.Text)
		from := 0
		if !e.Param.Sealed && r.IntN(3) == 0 {
			text = text[:1+r.IntN(len(text))]
		}
		v.Text = strings.TrimSpace(string(text[from:]))
	case spec.Date:
		v.Prefix = allPrefixes[r.IntN(len(allPrefixes))]
		v.Low, v.High = e.Low, e.High
		if v.Low < -1<<60 || v.High > 1<<60 || r.IntN(3) == 0 {
			at := time.UnixMicro(max(min(e.Low, e.High-1), 0)).UTC()
			if e.Low < -1<<60 {
				at = time.UnixMicro(e.High).UTC()
			}
			v.Low = time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC).UnixMicro()
			v.High = time.Date(at.Year(), at.Month()+1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
		}
	case spec.Number, spec.Quantity:
		v.Prefix = allPrefixes[r.IntN(len(allPrefixes))]
		v.Number = e.Value + float64(r.IntN(3)-1)*[]float64{0, 0, 0.04, 5}[r.IntN(4)]
		v.Number = rounded(v.Number)
		v.NumLow, v.NumHi = rounded(v.Number-0.05), rounded(v.Number+0.05)
		switch r.IntN(3) {
		case 0:
			v.System, v.Code = &e.System, e.Code
		case 1:
			v.Code = e.Code
		case 2:
			if v.Code = r.one("", "mg", "g"); v.Code != "" && e.Code == "mg" && v.Code == "g" {
				v.Number, v.NumLow, v.NumHi = rounded(v.Number/1000), rounded(v.NumLow/1000), rounded(v.NumHi/1000)
			}
		}
		if e.Param.Type == spec.Number {
			v.System, v.Code = nil, ""
		}
	case spec.Reference:
		if e.RefType == "" && e.URI == "" {
			v.Code = e.Code
			if r.IntN(2) == 0 {
				v.System = &e.System
			}
			break
		}
		v.RefType, v.RefID, v.URL = e.RefType, e.RefID, e.URI
		if r.IntN(3) == 0 && v.RefID != "" {
			v.RefType = ""
		}
	case spec.URI:
		v.Text = e.URI
	case spec.Composite:
		for i := range e.Parts {
			part := e.Parts[i]
			part.Param = e.Param.Components[i]
			v.Parts = append(v.Parts, r.near(&part))
		}
	}
	return v
}

func (r random) filter(typ string, depth int) *search.Filter {
	n := r.IntN(4)
	if depth <= 0 || n == 0 {
		c := r.clause(typ, depth)
		return &search.Filter{Clause: &c}
	}
	if n == 1 {
		return &search.Filter{Op: "not", Parts: []search.Filter{*r.filter(typ, depth-1)}}
	}
	return &search.Filter{Op: []string{"and", "or"}[n-2], Parts: []search.Filter{*r.filter(typ, depth-1), *r.filter(typ, depth-1)}}
}

// links lists the references of the population: who, by which parameter, to which type.
func (r random) links() (out []search.Include) {
	seen := map[string]bool{}
	for _, it := range r.w.items {
		for _, e := range it.entries {
			if e.RefType != "" && r.w.find(e.RefType, e.RefID) != nil && e.Param.Type == spec.Reference {
				key := fmt.Sprint(e.Param.ID, e.RefType)
				if !seen[key] {
					seen[key] = true
					out = append(out, search.Include{Source: it.typ, Param: e.Param, Target: e.RefType})
				}
			}
		}
	}
	return out
}

func (r random) has(typ string, depth int) *search.Has {
	links := slices.DeleteFunc(r.links(), func(l search.Include) bool { return l.Target != typ })
	if len(links) == 0 {
		return nil
	}
	l := links[r.IntN(len(links))]
	return &search.Has{Type: l.Source, Param: l.Param, Where: r.clause(l.Source, depth)}
}

func (r random) chained(typ string, depth int) (search.Clause, bool) {
	links := slices.DeleteFunc(r.links(), func(l search.Include) bool { return l.Source != typ })
	if len(links) == 0 {
		return search.Clause{}, false
	}
	l := links[r.IntN(len(links))]
	return search.Clause{Param: l.Param, Chain: &search.Chain{Types: []string{l.Target}, Where: map[string]search.Clause{l.Target: r.clause(l.Target, depth)}}}, true
}

func (r random) query() search.Query {
	q := search.Query{Type: r.one("Observation", "Observation", "Observation", "Patient", "Condition", "DocumentReference", "ValueSet", "List", "Organization"), Count: 100}
	for range r.IntN(4) {
		q.Where = append(q.Where, r.clause(q.Type, 2))
	}
	if r.IntN(8) == 0 {
		q.Compartment = &search.Compartment{Type: "Patient", ID: fmt.Sprintf("pat%d", r.IntN(7))}
	}
	q.Scope = r.scope(q.Type)
	links := r.links()
	for range r.IntN(3) {
		l := links[r.IntN(len(links))]
		l.Iterate = r.IntN(2) == 0
		if r.IntN(2) == 0 {
			l.Target = ""
		}
		if r.IntN(2) == 0 {
			q.Include = append(q.Include, l)
		} else {
			q.RevInclude = append(q.RevInclude, l)
		}
	}
	for range r.IntN(3) {
		e := r.entry(q.Type)
		if e == nil || e.Param.Sealed || slices.ContainsFunc(q.Sort, func(s search.SortKey) bool { return s.Param.ID == e.Param.ID }) {
			continue
		}
		switch e.Param.Type {
		case spec.String, spec.Date, spec.Number, spec.Quantity:
			q.Sort = append(q.Sort, search.SortKey{Param: e.Param, Descending: r.IntN(2) == 0})
		case spec.Token:
			if !strings.Contains(e.Param.Code, "identifier") && !strings.HasPrefix(e.Param.Code, "_") {
				q.Sort = append(q.Sort, search.SortKey{Param: e.Param, Descending: r.IntN(2) == 0})
			}
		}
	}
	return q
}

// AgainstNaive compares the store with the plain reading of R4, on small hospitals and searches of every shape.
func AgainstNaive(t *testing.T, open Open) {
	rounds, searches := 3, 250
	if os.Getenv("XINGLIN_ALL") != "" {
		rounds, searches = 20, 1000
	}
	for seed := range uint64(rounds) {
		turned := clock.At(Start)
		options := store.Options{Clock: turned, Alone: seed%3 == 0}
		if seed%2 == 0 {
			options.Kinds, options.Guarded = testKinds, guardedBy
		}
		s := open(t, options)
		r := random{rand.New(rand.NewPCG(seed, 1)), &naive{kinds: map[string][]string{}, now: Start}}
		custodians := map[string]string{}
		write := func(typ string, i int) {
			json := r.resource(typ, i)
			n, err := fhir.Parse([]byte(json))
			if err != nil {
				t.Fatal(json, err)
			}
			it := &item{typ: typ, id: n.ID(), node: n}
			if options.Guarded != nil {
				it.kinds = guardedBy(n)
			}
			var known bool // the first one stays, also after a delete
			if it.custodian, known = custodians[typ+it.id]; !known {
				it.custodian = r.one("", "Organization/a", "Organization/b", "Organization/c")
				custodians[typ+it.id] = it.custodian
			}
			put(t, s, store.Update, it.id, it.custodian, json)
			r.w.put(it)
		}
		for _, p := range population {
			for i := range p.n {
				write(p.typ, i)
			}
		}
		r.give(t, s)
		for n := range searches {
			if n == searches/2 { // the same on what has been changed and deleted
				for i := range 15 {
					write("Observation", r.IntN(30))
					write("Condition", r.IntN(8))
					if i < 4 {
						id := fmt.Sprintf("obs%d", 20+i)
						_, err := tryPut(s, store.Put{Op: store.Delete, Type: "Observation", ID: id}, "")
						if err == nil {
							r.w.remove("Observation", id)
						}
					}
				}
				write("Patient", 1)
				write("Patient", 2)
				write("List", 1)
				if _, err := tryPut(s, store.Put{Op: store.Delete, Type: "Patient", ID: "pat4"}, ""); err == nil {
					r.w.remove("Patient", "pat4")
				}
				r.change(t, s, turned)
			}
			compare(t, s, r.w, r.query(), seed, n)
			if n%25 == 0 {
				compareReads(t, s, r.w, r.scope("Observation"), seed, n)
			}
			if t.Failed() && os.Getenv("XINGLIN_ALL") == "" {
				return
			}
		}
	}
}

// compare asks the store for all pages of a search and holds them against the naive answer.
func compare(t *testing.T, s *store.Store, w *naive, q search.Query, seed uint64, n int) {
	t.Helper()
	ctx := context.Background()
	want := w.search(q)
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("seed %d, search %d: %s\n%s", seed, n, fmt.Sprintf(format, args...), describe(q))
	}
	ask := func(q search.Query) (page store.Page, err error) {
		err = s.View(ctx, func(tx *store.Tx) error { page, err = tx.Search(ctx, q); return err })
		return page, err
	}
	q.Total = search.TotalAccurate
	page, err := ask(q)
	if err != nil {
		fail("%v", err)
		return
	}
	var got, wanted []string
	for _, v := range page.Matches {
		got = append(got, v.ID)
	}
	for _, it := range want {
		wanted = append(wanted, it.id)
	}
	if page.Total != int64(len(want)) {
		fail("got total %d; want %d", page.Total, len(want))
	}
	inOrder := slices.Clone(got)
	sort.Strings(got)
	sort.Strings(wanted)
	if !slices.Equal(got, wanted) {
		fail("got %v; want %v", got, wanted)
		return
	}
	for i := 1; i < len(inOrder); i++ {
		if a, b := w.find(q.Type, inOrder[i-1]), w.find(q.Type, inOrder[i]); !ordered(a, b, q.Sort) {
			fail("%s stands before %s: %v", a.id, b.id, inOrder)
		}
	}
	var included []string
	for _, v := range page.Includes {
		included = append(included, v.Type+"/"+v.ID)
	}
	sort.Strings(included)
	if wantIncluded := w.includes(q, want); !slices.Equal(included, wantIncluded) {
		fail("includes: got %v; want %v", included, wantIncluded)
	}
	q.Count, q.Total, q.Include, q.RevInclude = 3, search.TotalNone, nil, nil
	var paged []string
	for range 40 {
		page, err := ask(q)
		if err != nil {
			fail("page: %v", err)
			return
		}
		for _, v := range page.Matches {
			paged = append(paged, v.ID)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if !slices.Equal(paged, inOrder) {
		fail("pages %v\nwhole %v", paged, inOrder)
	}
}

var zeros = regexp.MustCompile(`"[A-Za-z]+":("",?|0,?|null,?)`)

// describe writes a query so that a person can read it.
func describe(q search.Query) string {
	var clause func(c *search.Clause) any
	var filter func(f *search.Filter) any
	filter = func(f *search.Filter) any {
		if f.Op == "" {
			return clause(f.Clause)
		}
		out := []any{f.Op}
		for i := range f.Parts {
			out = append(out, filter(&f.Parts[i]))
		}
		return out
	}
	clause = func(c *search.Clause) any {
		name := c.Special
		if c.Param != nil {
			name = c.Param.Base + "." + c.Param.Code
		}
		if c.Modifier != "" {
			name += ":" + c.Modifier
		}
		switch {
		case c.Filter != nil:
			return filter(c.Filter)
		case c.Has != nil:
			return map[string]any{"has " + c.Has.Param.Base + "." + c.Has.Param.Code: clause(&c.Has.Where)}
		case c.Chain != nil:
			inner := map[string]any{}
			for typ, c := range c.Chain.Where {
				inner[typ] = clause(&c)
			}
			return map[string]any{"chain " + name: inner}
		case c.Modifier == "missing":
			return map[string]any{name: c.Missing}
		}
		var values []string
		for _, v := range c.Values {
			b, _ := json.Marshal(v)
			values = append(values, zeros.ReplaceAllString(string(b), ""))
		}
		return map[string]any{name: values}
	}
	var where []any
	for i := range q.Where {
		where = append(where, clause(&q.Where[i]))
	}
	b, _ := json.Marshal(map[string]any{"type": q.Type, "where": where, "compartment": q.Compartment, "scope": q.Scope})
	for _, s := range q.Sort {
		b = fmt.Appendf(b, "\nsort %s %v", s.Param.Code, s.Descending)
	}
	for _, i := range q.Include {
		b = fmt.Appendf(b, "\ninclude %s:%s:%s iterate %v", i.Source, i.Param.Code, i.Target, i.Iterate)
	}
	for _, i := range q.RevInclude {
		b = fmt.Appendf(b, "\nrevinclude %s:%s:%s iterate %v", i.Source, i.Param.Code, i.Target, i.Iterate)
	}
	return string(b)
}
