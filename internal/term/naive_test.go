package term_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/internal/term"
)

// naive is a system as lists that are walked: no index, no bits, no closure.
type naive struct {
	codes   []string
	parents map[string][]string
	colour  map[string]string
}

func (n *naive) isA(code, ancestor string) bool {
	if code == ancestor {
		return true
	}
	return slices.ContainsFunc(n.parents[code], func(p string) bool { return n.isA(p, ancestor) })
}

func (n *naive) allows(f *fhir.Node, code string) bool {
	value := f.Str("value")
	switch f.Str("op") {
	case "is-a":
		return n.isA(code, value)
	case "descendent-of":
		return code != value && n.isA(code, value)
	case "is-not-a":
		return !n.isA(code, value)
	case "generalizes":
		return n.isA(value, code)
	case "=":
		return n.colour[code] == value
	case "in":
		return slices.Contains(strings.Split(value, ","), n.colour[code])
	case "exists":
		return (n.colour[code] != "") == (value == "true")
	case "regex":
		return strings.HasPrefix(code, value[:1]) // only "x.*" is drawn
	}
	panic("no such op")
}

func (n *naive) selected(inc *fhir.Node, sets map[string]*fhir.Node) (codes []string) {
	for _, code := range n.codes {
		ok := true
		if inc.Str("system") != "" {
			if listed := inc.All("concept"); len(listed) > 0 {
				ok = slices.ContainsFunc(listed, func(c *fhir.Node) bool { return c.Str("code") == code })
			}
			for _, f := range inc.All("filter") {
				ok = ok && n.allows(f, code)
			}
		}
		for _, v := range inc.All("valueSet") {
			ok = ok && slices.Contains(n.expand(sets[v.Text], sets), code)
		}
		if ok {
			codes = append(codes, code)
		}
	}
	return codes
}

func (n *naive) expand(set *fhir.Node, sets map[string]*fhir.Node) []string {
	in := map[string]bool{}
	for _, inc := range set.All("compose.include") {
		for _, c := range n.selected(inc, sets) {
			in[c] = true
		}
	}
	for _, exc := range set.All("compose.exclude") {
		for _, c := range n.selected(exc, sets) {
			delete(in, c)
		}
	}
	var out []string
	for _, c := range n.codes {
		if in[c] {
			out = append(out, c)
		}
	}
	return out
}

func TestExpansionsAreWhatANaiveReaderFinds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := open(t, storetest.Memory)
		defer h.Store.Close()
		n := &naive{parents: map[string][]string{}, colour: map[string]string{}}
		concepts := fhir.Arr{}
		for i := range rapid.IntRange(1, 14).Draw(r, "codes") {
			code := fmt.Sprintf("%c%d", 'a'+i%3, i)
			properties := fhir.Arr{}
			if i > 0 {
				for _, p := range rapid.SliceOfNDistinct(rapid.IntRange(0, i-1), 0, min(2, i), func(x int) int { return x }).Draw(r, "parents") {
					n.parents[code] = append(n.parents[code], n.codes[p])
					properties = append(properties, fhir.Obj{"code", "parent", "valueCode", n.codes[p]})
				}
			}
			if c := rapid.SampledFrom([]string{"", "red", "blue"}).Draw(r, "colour"); c != "" {
				n.colour[code] = c
				properties = append(properties, fhir.Obj{"code", "colour", "valueCode", c})
			}
			n.codes = append(n.codes, code)
			concepts = append(concepts, fhir.Obj{"code", code, "property", properties})
		}
		h.put(fhir.New("CodeSystem", "id", "s", "url", "http://x/s", "status", "active", "content", "complete", "concept", concepts))
		code := rapid.SampledFrom(n.codes)
		sets := map[string]*fhir.Node{}
		part := func(deep int) fhir.Obj {
			o := fhir.Obj{}
			kind := rapid.IntRange(0, 3).Draw(r, "kind")
			if kind < 3 || deep == 0 {
				o = append(o, "system", "http://x/s")
			}
			switch {
			case kind == 1:
				list := fhir.Arr{}
				for _, c := range rapid.SliceOfN(code, 1, 4).Draw(r, "listed") {
					list = append(list, fhir.Obj{"code", c})
				}
				o = append(o, "concept", list)
			case kind == 2:
				list := fhir.Arr{}
				for range rapid.IntRange(1, 2).Draw(r, "filters") {
					op := rapid.SampledFrom([]string{"is-a", "descendent-of", "is-not-a", "generalizes", "=", "in", "exists", "regex"}).Draw(r, "op")
					property, value := "concept", code.Draw(r, "value")
					switch op {
					case "=", "in":
						property, value = "colour", rapid.SampledFrom([]string{"red", "blue", "red,blue"}).Draw(r, "colours")
						if op == "=" {
							value = value[:min(4, len(value))]
						}
					case "exists":
						property, value = "colour", rapid.SampledFrom([]string{"true", "false"}).Draw(r, "exists")
					case "regex":
						property, value = "code", value[:1]+".*"
					}
					list = append(list, fhir.Obj{"property", property, "op", op, "value", value})
				}
				o = append(o, "filter", list)
			}
			if deep > 0 && (kind == 3 || rapid.Bool().Draw(r, "within")) {
				var list []string
				for range rapid.IntRange(1, 2).Draw(r, "sets") {
					list = append(list, fmt.Sprint("http://x/vs/", rapid.IntRange(0, deep-1).Draw(r, "set")))
				}
				o = append(o, "valueSet", list)
			}
			return o
		}
		for deep := range 3 {
			include, exclude := fhir.Arr{}, fhir.Arr{}
			for range rapid.IntRange(1, 3).Draw(r, "includes") {
				include = append(include, part(deep))
			}
			for range rapid.IntRange(0, 2).Draw(r, "excludes") {
				exclude = append(exclude, part(deep))
			}
			url := fmt.Sprint("http://x/vs/", deep)
			sets[url] = fhir.New("ValueSet", "id", fmt.Sprint("v", deep), "url", url, "status", "active", "compose", fhir.Obj{"include", include, "exclude", exclude})
			h.put(sets[url])
		}
		for url, set := range sets {
			out, err := h.Expand(ctx, term.Expand{Where: term.Where{URL: url}, Count: -1})
			if err != nil {
				r.Fatal(err)
			}
			got, want := expanded(t, out), n.expand(set, sets)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				r.Fatalf("%s: got %v; want %v\n%s", set.JSON(), got, want, concepts)
			}
			for _, c := range n.codes {
				if has, known, err := h.Has(ctx, url, "http://x/s", c); err != nil || !known || has != slices.Contains(want, c) {
					r.Fatalf("%s in %s: got %v, %v, %v", c, url, has, known, err)
				}
			}
		}
	})
}
