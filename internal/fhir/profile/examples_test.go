package profile_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
	"github.com/xinglin-health/xinglin/internal/fhir/profile"
)

var update = flag.Bool("update", false, "rewrite testdata/*.tsv")

// shelf is definitions in memory: what a test gives, and HL7's own.
type shelf struct {
	*profile.Library
	definitions map[string]*fhir.Node
	sets        map[string]map[string]bool // value set → system|code
	targets     map[string]*fhir.Node
}

func newShelf(definitions ...*fhir.Node) *shelf {
	s := &shelf{definitions: map[string]*fhir.Node{}, sets: map[string]map[string]bool{}, targets: map[string]*fhir.Node{}}
	for _, n := range definitions {
		s.definitions[n.Str("url")] = n
	}
	s.Library = profile.NewLibrary(func(canonical string) (*fhir.Node, error) {
		url, version, _ := fhir.SplitCanonical(canonical)
		n := s.definitions[url]
		if n == nil || version != "" && n.Str("version") != version {
			return nil, nil
		}
		return n, nil
	})
	return s
}

func (s *shelf) Has(set, system, code string) (has, known bool) {
	codes, known := s.sets[set]
	if system == "" {
		for c := range codes {
			if strings.HasSuffix(c, "|"+code) {
				return true, known
			}
		}
	}
	return codes[system+"|"+code], known
}

func (s *shelf) Resolve(ref string) *fhir.Node { return s.targets[ref] }

type example struct {
	name string
	data []byte
}

var published []example // read once

func examples(t testing.TB) (all []example) {
	if published != nil {
		return published
	}
	defer func() { published = all }()
	fhirtest.Each(t, fhirtest.Examples, 0, func(name string, data []byte) {
		if bytes.Contains(data, []byte(`"resourceType"`)) {
			all = append(all, example{name[strings.LastIndexByte(name, '/')+1:], data})
		}
	})
	return all
}

const brokenFile = "testdata/broken.tsv"

// Every published example keeps R4's invariants and the published profiles that it claims, or is listed with what it breaks.
func TestExamples(t *testing.T) {
	all := examples(t)
	s := newShelf()
	for _, e := range all {
		if strings.HasPrefix(e.name, "StructureDefinition-") {
			if n, err := fhir.Parse(e.data); err == nil && n.Str("fhirVersion") == "4.0.1" {
				s.definitions[n.Str("url")] = n
			}
		}
	}
	known := map[string]bool{}
	table, _ := os.ReadFile(brokenFile)
	for line := range strings.Lines(string(table)) {
		known[strings.TrimSuffix(line, "\n")] = true
	}
	var broken []string
	began, slowest, slow := time.Now(), "", time.Duration(0)
	for _, e := range all {
		n, err := fhir.Parse(e.data)
		if err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
		one := time.Now()
		issues := profile.Check(n, s, profile.Options{Rules: true, Now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)})
		if took := time.Since(one); took > slow {
			slow, slowest = took, e.name
		}
		for _, i := range issues {
			if i.Text == "" || i.Zh == "" || i.Detail == "" || i.Code == "" {
				t.Errorf("%s: an issue without words: %+v", e.name, i)
			}
			if i.Severity != "error" && i.Code != "too-costly" && i.Detail != "invariant-unevaluated" {
				continue
			}
			line := fmt.Sprintf("%s\t%s\t%s\t%s", e.name, i.Detail, i.Expression, strings.ReplaceAll(i.Text, "\t", " "))
			broken = append(broken, line)
			if !*update && !known[line] {
				t.Errorf("got %s", line)
			}
			delete(known, line)
		}
	}
	if !*update {
		for line := range known {
			t.Errorf("listed and not found: %s", line)
		}
	}
	t.Logf("%d examples in %v, the slowest %s in %v; %d faults", len(all), time.Since(began).Round(time.Millisecond), slowest, slow, len(broken))
	if *update {
		sort.Strings(broken)
		os.MkdirAll("testdata", 0o755)
		if err := os.WriteFile(brokenFile, []byte(strings.Join(broken, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
