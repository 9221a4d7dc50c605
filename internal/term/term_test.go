package term_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/internal/term"
)

var ctx = context.Background()

type hub struct {
	*store.Store
	*term.Service
	t testing.TB
}

func open(t *testing.T, with storetest.Open) *hub {
	s := with(t, store.Options{Migrations: term.Migrations, Derive: []store.Deriver{term.Derive}})
	return &hub{s, term.New(s), t}
}

func (h *hub) put(n *fhir.Node) {
	h.t.Helper()
	if err := h.tryPut(n); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hub) tryPut(n *fhir.Node) error {
	p, err := store.Prepare(n.Copy())
	if err != nil {
		return err
	}
	return h.Update(ctx, func(tx *store.Tx) error {
		puts := []store.Put{{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: p}}
		if err := tx.Foresee(ctx, puts); err != nil {
			return err
		}
		_, err := tx.Put(ctx, puts[0])
		return err
	})
}

func (h *hub) remove(typ, id string) {
	h.t.Helper()
	err := h.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Put(ctx, store.Put{Op: store.Delete, Type: typ, ID: id})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func parse(t testing.TB, text string) *fhir.Node {
	t.Helper()
	n, err := fhir.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return n
}

// animals is a small hierarchy: nested concepts, a second parent, an abstract and an inactive one.
const animals = `{"resourceType":"CodeSystem","id":"animals","url":"http://x/animals","version":"1","name":"Animals","status":"active","content":"complete","language":"en",
"valueSet":"http://x/animals/all","caseSensitive":true,"property":[{"code":"legs","type":"integer"},{"code":"diet","type":"code"}],
"concept":[{"code":"animal","display":"Animal","property":[{"code":"notSelectable","valueBoolean":true}],"concept":[
 {"code":"mammal","display":"Mammal","concept":[
  {"code":"cat","display":"Cat","definition":"purrs","designation":[{"language":"zh","value":"猫"},{"language":"de","value":"Katze"}],"property":[{"code":"legs","valueInteger":4},{"code":"diet","valueCode":"meat"}]},
  {"code":"bat","display":"Bat","property":[{"code":"legs","valueInteger":2},{"code":"parent","valueCode":"flyer"}]},
  {"code":"dodo-rat","display":"Dodo rat","property":[{"code":"inactive","valueBoolean":true},{"code":"legs","valueInteger":4}]}]},
 {"code":"flyer","display":"Flyer","concept":[{"code":"crow","display":"Crow","property":[{"code":"legs","valueInteger":2},{"code":"diet","valueCode":"all"}]}]}]}]}`

func set(include string, rest ...string) string {
	return `{"resourceType":"ValueSet","url":"http://x/vs/sent","status":"active","compose":{"include":[` + include + `]` + strings.Join(rest, "") + `}}`
}

func expanded(t testing.TB, n *fhir.Node) (codes []string) {
	for _, c := range n.All("expansion.contains") {
		codes = append(codes, c.Str("code"))
	}
	return codes
}

func detail(err error) string {
	var e *fhir.Error
	if errors.As(err, &e) {
		return e.Issues[0].Detail
	}
	return fmt.Sprint(err)
}

func TestComposeMeansWhatItSays(t *testing.T) {
	sys := func(more string) string { return `{"system":"http://x/animals"` + more + `}` }
	filter := func(p, op, v string) string {
		return sys(`,"filter":[{"property":"` + p + `","op":"` + op + `","value":"` + v + `"}]`)
	}
	all := "animal mammal cat bat dodo-rat flyer crow"
	cases := []struct{ name, set, want string }{
		{"a whole system in its order", set(sys("")), all},
		{"listed codes in the order listed, unknown ones left out", set(sys(`,"concept":[{"code":"crow"},{"code":"unicorn"},{"code":"cat"},{"code":"crow"}]`)), "crow cat"},
		{"codes of a system that is not loaded stand as listed", set(`{"system":"http://x/none","concept":[{"code":"a"},{"code":"b"}]}`), "a b"},
		{"is-a takes the code itself", set(filter("concept", "is-a", "mammal")), "mammal cat bat dodo-rat"},
		{"descendent-of leaves it out", set(filter("concept", "descendent-of", "mammal")), "cat bat dodo-rat"},
		{"a second parent counts", set(filter("concept", "is-a", "flyer")), "bat flyer crow"},
		{"is-not-a is the rest", set(filter("concept", "is-not-a", "mammal")), "animal flyer crow"},
		{"generalizes goes up, by every parent", set(filter("concept", "generalizes", "bat")), "animal mammal bat flyer"},
		{"= on a property", set(filter("legs", "=", "2")), "bat crow"},
		{"= on a code of a property", set(filter("diet", "=", "meat")), "cat"},
		{"= on notSelectable false means not said, too", set(filter("notSelectable", "=", "false")), "mammal cat bat dodo-rat flyer crow"},
		{"in lists values", set(filter("diet", "in", "meat, all")), "cat crow"},
		{"not-in", set(filter("code", "not-in", "animal,mammal,flyer")), "cat bat dodo-rat crow"},
		{"regex matches all of the value", set(filter("code", "regex", "[bc]at")), "cat bat"},
		{"regex on display", set(filter("display", "regex", ".*at")), "cat bat dodo-rat"},
		{"exists", set(filter("diet", "exists", "true")), "cat crow"},
		{"exists false", set(filter("legs", "exists", "false")), "animal mammal flyer"},
		{"child", set(filter("child", "=", "bat")), "mammal flyer"},
		{"parent", set(filter("parent", "=", "flyer")), "bat crow"},
		{"filters of one include must all hold", set(sys(`,"filter":[{"property":"concept","op":"is-a","value":"mammal"},{"property":"legs","op":"=","value":"2"}]`)), "bat"},
		{"includes add up, each code once", set(filter("legs", "=", "2") + "," + filter("concept", "is-a", "flyer")), "bat crow flyer"},
		{"exclude takes away", set(sys(""), `,"exclude":[`+filter("concept", "is-a", "mammal")+`]`), "animal flyer crow"},
		{"exclude by list", set(sys(""), `,"exclude":[`+sys(`,"concept":[{"code":"animal"}]`)+`]`), "mammal cat bat dodo-rat flyer crow"},
		{"inactive false leaves inactive ones out", set(sys(""), `,"inactive":false`), "animal mammal cat bat flyer crow"},
		{"a value set within", set(`{"valueSet":["http://x/vs/twolegs"]}`), "bat crow"},
		{"value sets of one include must all hold it", set(`{"valueSet":["http://x/vs/twolegs","http://x/vs/mammals"]}`), "bat"},
		{"system and value set must both hold it", set(sys(`,"concept":[{"code":"cat"},{"code":"bat"}],"valueSet":["http://x/vs/twolegs"]`)), "bat"},
		{"the set of a whole system by its own name", set(`{"valueSet":["http://x/animals/all"]}`), all},
		{"?fhir_vs", set(`{"valueSet":["http://x/animals?fhir_vs"]}`), all},
		{"?fhir_vs=isa", set(`{"valueSet":["http://x/animals?fhir_vs=isa/flyer"]}`), "bat flyer crow"},
		{"R4's own", set(`{"valueSet":["http://hl7.org/fhir/ValueSet/administrative-gender"]}`), "female male other unknown"},
		{"R4's own system", set(`{"system":"http://hl7.org/fhir/administrative-gender"}`), "female male other unknown"},
		{"in a value set", set(filter("concept", "in", "http://x/vs/twolegs")), "bat crow"},
		{"cycle", set(`{"valueSet":["http://x/vs/ring-a"]}`), "!cyclic-value-set"},
		{"unknown system", set(`{"system":"http://x/none"}`), "!unknown-code-system"},
		{"unknown value set", set(`{"valueSet":["http://x/vs/none"]}`), "!unknown-value-set"},
		{"unknown version", set(sys(`,"version":"7"`)), "!unknown-code-system"},
		{"bad regex", set(filter("code", "regex", "(")), "!filter-regex"},
		{"unknown operator", set(filter("code", "child-of", "cat")), "!filter-op"},
		{"unknown code in a filter", set(filter("concept", "is-a", "unicorn")), "!unknown-code"},
	}
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.put(parse(t, animals))
		for id, s := range map[string]string{"twolegs": set(filter("legs", "=", "2")), "mammals": set(filter("concept", "is-a", "mammal")),
			"ring-a": set(`{"valueSet":["http://x/vs/ring-b"]}`), "ring-b": set(`{"valueSet":["http://x/vs/ring-a"]}`)} {
			h.put(parse(t, s).Set("url", "http://x/vs/"+id).Set("id", id))
		}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				out, err := h.Expand(ctx, term.Expand{Where: term.Where{Sent: parse(t, c.set)}, Count: -1})
				if want, bad := strings.CutPrefix(c.want, "!"); bad {
					if detail(err) != want {
						t.Errorf("got %v; want %s", err, want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(expanded(t, out), " "); got != c.want {
					t.Errorf("got %s; want %s", got, c.want)
				}
				if got, want := out.Str("expansion.total"), fmt.Sprint(len(strings.Fields(c.want))); got != want {
					t.Errorf("total: got %s; want %s", got, want)
				}
			})
		}
	})
}

func TestExpansionIsPagedFilteredAndNamed(t *testing.T) {
	h := open(t, storetest.Memory)
	h.put(parse(t, animals))
	whole := term.Where{URL: "http://x/animals?fhir_vs"}
	ask := func(e term.Expand) *fhir.Node {
		t.Helper()
		e.Where = whole
		out, err := h.Expand(ctx, e)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := ask(term.Expand{Offset: 2, Count: 2}); strings.Join(expanded(t, out), " ") != "cat bat" || out.Str("expansion.total") != "7" || out.Str("expansion.offset") != "2" {
		t.Errorf("page: got %s", out.JSON())
	}
	if out := ask(term.Expand{Count: 0}); expanded(t, out) != nil || out.Str("expansion.total") != "7" {
		t.Errorf("count 0: got %s; want the total only", out.JSON())
	}
	if out := ask(term.Expand{Offset: 9, Count: 2}); expanded(t, out) != nil || out.Str("expansion.total") != "7" {
		t.Errorf("beyond the end: got %s", out.JSON())
	}
	if out := ask(term.Expand{Count: -1, ActiveOnly: true}); strings.Contains(string(out.JSON()), "dodo") || out.Str("expansion.total") != "6" {
		t.Errorf("activeOnly: got %s", out.JSON())
	}
	if out := ask(term.Expand{Count: -1, Filter: "at"}); strings.Join(expanded(t, out), " ") != "bat cat dodo-rat" && strings.Join(expanded(t, out), " ") != "cat bat dodo-rat" {
		t.Errorf("filter: got %v", expanded(t, out))
	}
	if out := ask(term.Expand{Count: -1, Filter: "猫"}); strings.Join(expanded(t, out), " ") != "cat" || out.Str("expansion.contains[0].display") != "Cat" {
		t.Errorf("filter on a designation: got %s", out.JSON())
	}
	if out := ask(term.Expand{Count: -1, Language: "zh-CN", Filter: "cat", Designations: true}); out.Str("expansion.contains[0].display") != "猫" || len(out.All("expansion.contains[0].designation")) != 2 {
		t.Errorf("language: got %s", out.JSON())
	}
	out := ask(term.Expand{Count: -1, Nested: true})
	if expanded(t, out)[0] != "animal" || len(expanded(t, out)) != 1 || out.Str("expansion.contains[0].contains[0].contains[1].code") != "bat" {
		t.Errorf("nested: got %s", out.JSON())
	}
	if out.Str("expansion.contains[0].abstract") != "true" || out.Str("expansion.contains[0].contains[0].contains[2].inactive") != "true" {
		t.Errorf("abstract and inactive are marked: got %s", out.JSON())
	}
	if !strings.Contains(string(out.JSON()), `{"name":"version","valueUri":"http://x/animals|1"}`) {
		t.Errorf("the version used is named: got %s", out.JSON())
	}
}

func TestALargeSetIsRefusedUnlessPaged(t *testing.T) {
	h := open(t, storetest.Memory)
	concepts := fhir.Arr{}
	for i := range term.MaxCount + 1 {
		concepts = append(concepts, fhir.Obj{"code", fmt.Sprint("c", i)})
	}
	h.put(fhir.New("CodeSystem", "id", "big", "url", "http://x/big", "status", "active", "content", "complete", "concept", concepts))
	w := term.Where{URL: "http://x/big?fhir_vs"}
	if _, err := h.Expand(ctx, term.Expand{Where: w, Count: -1}); detail(err) != "too-costly" {
		t.Errorf("got %v; want too-costly", err)
	}
	out, err := h.Expand(ctx, term.Expand{Where: w, Count: 5, Offset: term.MaxCount})
	if err != nil || len(expanded(t, out)) != 1 {
		t.Errorf("last page: got %v, %v; want one code", expanded(t, out), err)
	}
	if out, err = h.Expand(ctx, term.Expand{Where: w, Count: -1, Filter: "c777"}); err != nil || len(expanded(t, out)) != 11 {
		t.Errorf("filter: got %v, %v; want 11 codes", expanded(t, out), err)
	}
}

func TestChangesCountAtOnceAndVersionsStayApart(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		beside := term.New(h.Store) // another program on the same database
		display := func(s *term.Service, version, code string) string {
			f, err := s.Lookup(ctx, term.Code{System: "http://x/s", Version: version, Code: code}, "")
			if err != nil {
				return "!" + detail(err)
			}
			return f.Display
		}
		system := func(id, version, status string, pairs ...string) {
			concepts := fhir.Arr{}
			for i := 0; i < len(pairs); i += 2 {
				concepts = append(concepts, fhir.Obj{"code", pairs[i], "display", pairs[i+1]})
			}
			h.put(fhir.New("CodeSystem", "id", id, "url", "http://x/s", "version", version, "status", status, "content", "complete", "concept", concepts))
		}
		expect := func(what, version, code, want string) {
			t.Helper()
			for i, s := range []*term.Service{h.Service, beside} {
				if got := display(s, version, code); got != want {
					t.Errorf("%s (program %d): %s|%s is called %q; want %q", what, i+1, code, version, got, want)
				}
			}
		}
		expect("nothing", "", "a", "!unknown-code-system")
		system("one", "2.9", "active", "a", "A", "b", "B", "c", "C")
		expect("created", "", "a", "A")
		system("one", "2.9", "active", "a", "A", "c", "C2", "d", "D")
		expect("changed", "", "a", "A")
		expect("changed", "", "b", "!unknown-code")
		expect("changed", "", "c", "C2")
		expect("changed", "", "d", "D")
		system("two", "2.10", "active", "a", "A of 2.10")
		expect("a later version", "", "a", "A of 2.10")
		expect("the earlier by name", "2.9", "a", "A")
		system("three", "3", "draft", "a", "A of 3")
		expect("a draft does not win", "", "a", "A of 2.10")
		expect("but is there", "3", "a", "A of 3")
		h.remove("CodeSystem", "two")
		expect("deleted", "", "a", "A")
		expect("deleted", "2.10", "a", "!unknown-code-system")
		system("two", "2.10", "active", "a", "again")
		expect("created again", "", "a", "again")
	})
}

func TestACodeStandsOnceInASystem(t *testing.T) {
	h := open(t, storetest.Memory)
	err := h.tryPut(fhir.New("CodeSystem", "id", "twice", "url", "http://x/t", "status", "active", "content", "complete",
		"concept", fhir.Arr{fhir.Obj{"code", "a"}, fhir.Obj{"code", "b", "concept", fhir.Arr{fhir.Obj{"code", "a"}}}}))
	if detail(err) != "duplicate-code" {
		t.Errorf("got %v; want duplicate-code", err)
	}
}

func TestLookupSubsumesAndValidate(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.put(parse(t, animals))
		f, err := h.Lookup(ctx, term.Code{System: "http://x/animals", Code: "cat"}, "de")
		if err != nil || f.Display != "Katze" || f.Concept.Definition != "purrs" || !slices.Equal(f.Concept.Parents, []string{"mammal"}) || f.Version != "1" || len(f.Concept.Properties) != 2 {
			t.Errorf("lookup: got %+v, %v", f, err)
		}
		if f, _ = h.Lookup(ctx, term.Code{System: "http://x/animals", Code: "flyer"}, ""); !slices.Equal(f.Children, []string{"bat", "crow"}) {
			t.Errorf("children: got %v", f.Children)
		}
		for _, c := range []struct{ a, b, want string }{{"mammal", "cat", "subsumes"}, {"cat", "animal", "subsumed-by"}, {"cat", "cat", "equivalent"},
			{"cat", "crow", "not-subsumed"}, {"flyer", "bat", "subsumes"}, {"cat", "unicorn", "!unknown-code"}} {
			got, err := h.Subsumes(ctx, term.Where{URL: "http://x/animals"}, term.Code{Code: c.a}, term.Code{Code: c.b})
			if err != nil {
				got = "!" + detail(err)
			}
			if got != c.want {
				t.Errorf("%s and %s: got %s; want %s", c.a, c.b, got, c.want)
			}
		}
		code := func(c, display string) []term.Code {
			return []term.Code{{System: "http://x/animals", Code: c, Display: display}}
		}
		for _, c := range []struct {
			name     string
			codes    []term.Code
			abstract bool
			want     bool
		}{
			{"a code", code("cat", ""), false, true},
			{"under its name", code("cat", "Cat"), false, true},
			{"case and spaces of a name do not matter", code("dodo-rat", "dodo  RAT"), false, true},
			{"under a designation", code("cat", "猫"), false, true},
			{"under a wrong name", code("cat", "Dog"), false, false},
			{"no such code", code("dog", ""), false, false},
			{"case matters where the system says so", code("Cat", ""), false, false},
			{"a grouper", code("animal", ""), false, false},
			{"a grouper where that is fine", code("animal", ""), true, true},
			{"any coding of a concept", append(code("dog", ""), code("cat", "")...), false, true},
		} {
			v, err := h.ValidateCode(ctx, term.Where{}, c.codes, c.abstract, "")
			if err != nil || v.Valid != c.want || v.Valid == (v.Message != "") || (v.Message != "") != (v.Zh != "") {
				t.Errorf("%s in the system: got %+v, %v; want %v", c.name, v, err, c.want)
			}
			v, err = h.ValidateIn(ctx, term.Where{URL: "http://x/animals/all"}, c.codes, c.abstract, false, "")
			if err != nil || v.Valid != c.want {
				t.Errorf("%s in the set: got %+v, %v; want %v", c.name, v, err, c.want)
			}
		}
		if v, err := h.ValidateIn(ctx, term.Where{URL: "http://x/animals/all"}, []term.Code{{Code: "cat"}}, false, false, ""); err != nil || v.Valid {
			t.Errorf("without a system: got %+v, %v; want not valid", v, err)
		}
		if v, err := h.ValidateIn(ctx, term.Where{URL: "http://x/animals/all"}, []term.Code{{Code: "cat"}}, false, true, ""); err != nil || !v.Valid {
			t.Errorf("inferred system: got %+v, %v; want valid", v, err)
		}
	})
}

func TestOthersAskWhatIsInASet(t *testing.T) {
	h := open(t, storetest.Memory)
	h.put(parse(t, animals))
	h.put(parse(t, set(`{"system":"http://x/animals","filter":[{"property":"legs","op":"=","value":"2"}]}`)).Set("id", "two"))
	for _, c := range []struct {
		set, system, code string
		has, known        bool
	}{
		{"http://x/vs/sent", "http://x/animals", "bat", true, true},
		{"http://x/vs/sent", "", "bat", true, true},
		{"http://x/vs/sent", "http://x/animals", "cat", false, true},
		{"http://x/vs/sent", "http://x/other", "bat", false, true},
		{"http://x/vs/none", "http://x/animals", "bat", false, false},
		{"http://hl7.org/fhir/ValueSet/administrative-gender", "http://hl7.org/fhir/administrative-gender", "male", true, true},
	} {
		has, known, err := h.Has(ctx, c.set, c.system, c.code)
		if err != nil || has != c.has || known != c.known {
			t.Errorf("%s in %s: got %v, %v, %v; want %v, %v", c.code, c.set, has, known, err, c.has, c.known)
		}
	}
	list := func(codes []search.Coding, err error) string {
		if err != nil {
			return err.Error()
		}
		var s []string
		for _, c := range codes {
			s = append(s, c.Code)
		}
		return strings.Join(s, " ")
	}
	for _, c := range []struct{ name, got, want string }{
		{"codes", list(h.Codes(ctx, "http://x/vs/sent", 10)), "bat crow"},
		{"codes by id", list(h.Codes(ctx, "ValueSet/two", 10)), "bat crow"},
		{"too many", list(h.Codes(ctx, "http://x/vs/sent", 1)), search.ErrTooMany.Error()},
		{"unknown", list(h.Codes(ctx, "http://x/vs/none", 10)), search.ErrUnknownTerms.Error()},
		{"below", list(h.Below(ctx, "http://x/animals", "flyer", 10)), "bat flyer crow"},
		{"above", list(h.Above(ctx, "http://x/animals", "cat", 10)), "animal mammal cat"},
		{"below nothing", list(h.Below(ctx, "http://x/animals", "unicorn", 10)), search.ErrUnknownTerms.Error()},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s; want %s", c.name, c.got, c.want)
		}
	}
}

func TestWhatWasStoredBeforeIsTakenOver(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		s := with(t, store.Options{Migrations: term.Migrations})
		h := &hub{s, term.New(s), t}
		h.put(parse(t, animals))
		if _, err := h.Lookup(ctx, term.Code{System: "http://x/animals", Code: "cat"}, ""); detail(err) != "unknown-code-system" {
			t.Fatalf("before: got %v", err)
		}
		for range 2 {
			if err := term.Build(ctx, s); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Lookup(ctx, term.Code{System: "http://x/animals", Code: "cat"}, ""); err != nil {
				t.Errorf("after: got %v", err)
			}
		}
	})
}

const strays = `{"resourceType":"ConceptMap","id":"m","url":"http://x/map","version":"1","status":"active","sourceUri":"http://x/vs/a","targetUri":"http://x/vs/b","group":[
{"source":"http://x/animals","target":"http://x/food","element":[
 {"code":"cat","target":[{"code":"fish","display":"Fish","equivalence":"wider"},{"code":"milk","equivalence":"equivalent","comment":"if small","dependsOn":[{"property":"http://x/age","value":"young"}]}]},
 {"code":"bat","target":[{"equivalence":"unmatched"}]}],
 "unmapped":{"mode":"fixed","code":"any","display":"Anything"}},
{"source":"http://x/animals","target":"http://x/other","element":[{"code":"cat","target":[{"code":"c1","equivalence":"equal"}]}]}]}`

func TestTranslate(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.put(parse(t, strays))
		cat := []term.Code{{System: "http://x/animals", Code: "cat"}}
		for _, c := range []struct {
			name  string
			ask   term.Translate
			want  string
			valid bool
		}{
			{"by url", term.Translate{Where: term.Where{URL: "http://x/map"}, Codes: cat}, "wider fish, equivalent milk, equal c1", true},
			{"by version", term.Translate{Where: term.Where{URL: "http://x/map", Version: "1"}, Codes: cat, TargetSystem: "http://x/other"}, "equal c1", true},
			{"by id", term.Translate{Where: term.Where{ID: "m"}, Codes: cat, TargetSystem: "http://x/other"}, "equal c1", true},
			{"by the map sent along", term.Translate{Where: term.Where{Sent: parse(t, strays)}, Codes: cat, TargetSystem: "http://x/other"}, "equal c1", true},
			{"by the code's system", term.Translate{Codes: cat, TargetSystem: "http://x/other"}, "equal c1", true},
			{"by source and target", term.Translate{Codes: cat, Source: "http://x/vs/a", Target: "http://x/vs/b", TargetSystem: "http://x/other"}, "equal c1", true},
			{"no map leads there", term.Translate{Codes: cat, Target: "http://x/vs/none"}, "", false},
			{"a dependency that does not hold", term.Translate{Codes: cat, TargetSystem: "http://x/food", Dependencies: map[string]string{"http://x/age": "old"}}, "wider fish", true},
			{"unmatched is no counterpart", term.Translate{Codes: []term.Code{{System: "http://x/animals", Code: "bat"}}, TargetSystem: "http://x/food"}, "unmatched ", false},
			{"what has no row takes the fixed code", term.Translate{Codes: []term.Code{{System: "http://x/animals", Code: "crow"}}}, "inexact any", true},
			{"another system", term.Translate{Where: term.Where{URL: "http://x/map"}, Codes: []term.Code{{System: "http://x/none", Code: "cat"}}}, "", false},
			{"backwards, seen from the other side", term.Translate{Codes: []term.Code{{System: "http://x/food", Code: "fish"}}, Reverse: true}, "narrower cat", true},
			{"unknown map", term.Translate{Where: term.Where{URL: "http://x/none"}, Codes: cat}, "!unknown-concept-map", false},
		} {
			out, err := h.Translate(ctx, c.ask)
			var got []string
			for _, m := range out.Matches {
				got = append(got, m.Equivalence+" "+m.Concept.Code)
			}
			text := strings.Join(got, ", ")
			if err != nil {
				text = "!" + detail(err)
			}
			if text != c.want || out.Valid != c.valid {
				t.Errorf("%s: got %q %v; want %q %v", c.name, text, out.Valid, c.want, c.valid)
			}
		}
		n := parse(t, strays)
		n.Get("group[1].element[0].target[0]").Set("code", "c2")
		h.put(n)
		if out, err := h.Translate(ctx, term.Translate{Codes: cat, TargetSystem: "http://x/other"}); err != nil || len(out.Matches) != 1 || out.Matches[0].Concept.Code != "c2" {
			t.Errorf("changed: got %+v, %v", out, err)
		}
		h.remove("ConceptMap", "m")
		if out, err := h.Translate(ctx, term.Translate{Codes: cat}); err != nil || out.Valid {
			t.Errorf("deleted: got %+v, %v", out, err)
		}
	})
}
