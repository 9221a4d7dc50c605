package term_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/internal/term"
)

const (
	clinical  = "urn:oid:2.16.156.10011.2.3.3.11"
	insurance = "https://code.nhsa.gov.cn/icd10"
	procedure = "https://code.nhsa.gov.cn/icd9"
)

// real loads the tables of the state: 35,862 clinical and 33,304 insurance diagnoses, 13,686 operations, 35,591 pairs.
func real(t testing.TB, h *hub) {
	folder := fhirtest.Folder(t)
	read := func(name string, wanted ...string) *term.Table {
		paths, _ := filepath.Glob(filepath.Join(folder, name))
		if len(paths) != 1 {
			t.Skipf("no outside data: %s", name)
		}
		f, err := os.Open(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		table, err := term.ReadTable(f, term.Reading{Wanted: wanted})
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	began := time.Now()
	load := func(table *term.Table, made term.Made, err error, codes int) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if made.Codes != codes || len(table.Bad) != 0 {
			t.Errorf("%s: got %d codes, bad %v; want %d and none", made.Resource.Str("url"), made.Codes, table.Bad, codes)
		}
		h.put(made.Resource)
		t.Logf("%s: %d codes, %v since the beginning", made.Resource.Str("url"), made.Codes, time.Since(began).Round(time.Millisecond))
	}
	for _, s := range []struct {
		file, url, kind string
		codes           int
	}{{"icd10-clinical2/国家临床版*.csv", clinical, "icd10", 35862}, {"chs-drg-1.1/icd/ZD_INFO.dat", insurance, "icd10", 33304}, {"chs-drg-1.1/icd/SS_INFO.dat", procedure, "icd9", 13686}} {
		table := read(s.file, "code", "display")
		made, err := table.CodeSystem(term.SystemOf{URL: s.url, Version: "2.0", Name: "ICD"})
		load(table, made, err, s.codes)
		if made.Hierarchy != s.kind {
			t.Errorf("%s: got hierarchy %q; want %s", s.url, made.Hierarchy, s.kind)
		}
	}
	table := read("chs-drg-1.1/icd/ZD_MAP.dat", "source", "target")
	made, err := table.ConceptMap(term.MapOf{URL: "http://x/clinical-to-insurance", Name: "Map", Source: clinical, Target: insurance})
	load(table, made, err, 35591)
	h.put(term.Selectable(term.Diagnosis, "2.0", "Diagnosis", "诊断", clinical, "2.0"))
}

// typed is what doctors type, letter by letter and by pasting.
var typed = []string{"高血压", "gxy", "g", "gx", "i10", "I10.x00x002", "脑梗", "ngs", "糖尿病", "tnb", "2xtnb", "冠状动脉", "gzdmzy", "肺 exzl", "a", "骨折", "gz", "zhongliu", "S72.0", "不存在的病"}

func TestTheTablesOfTheStateAnswerInTime(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		began := time.Now()
		real(t, h)
		if took := time.Since(began); took > 60*time.Second {
			t.Errorf("loading took %v", took)
		}
		diagnosis := term.Where{URL: term.Diagnosis}
		out, err := h.Expand(ctx, term.Expand{Where: diagnosis, Count: 0})
		if err != nil || out.Str("expansion.total") != "35862" {
			t.Fatalf("total: got %s, %v; want 35862", out.Str("expansion.total"), err)
		}
		for filter, want := range map[string]string{"gxy": "高血压", "高血压": "高血压", "I10.x00x002": "高血压", "jxxjgs": "急性心肌梗死"} {
			out, err := h.Expand(ctx, term.Expand{Where: diagnosis, Filter: filter, Count: 10})
			var names []string
			for _, c := range out.All("expansion.contains") {
				names = append(names, c.Str("display"))
			}
			if err != nil || !slices.Contains(names, want) {
				t.Errorf("%s: got %v, %v; want %s among the first", filter, names, err, want)
			}
		}
		var times []time.Duration
		for range 10 {
			for _, filter := range typed {
				began := time.Now()
				if _, err := h.Expand(ctx, term.Expand{Where: diagnosis, Filter: filter, Count: 12}); err != nil {
					t.Fatal(err)
				}
				times = append(times, time.Since(began))
			}
		}
		within(t, "$expand with a filter", times, 50*time.Millisecond)
		times = times[:0]
		for range 200 {
			began := time.Now()
			f, err := h.Lookup(ctx, term.Code{System: clinical, Code: "I10.x00x002"}, "")
			if err != nil || f.Display != "高血压" {
				t.Fatalf("got %+v, %v", f, err)
			}
			times = append(times, time.Since(began))
		}
		within(t, "$lookup", times, 5*time.Millisecond)
		times = times[:0]
		for range 200 {
			began := time.Now()
			r, err := h.Translate(ctx, term.Translate{Where: term.Where{URL: "http://x/clinical-to-insurance"}, Codes: []term.Code{{System: clinical, Code: "I10.x00x002"}}})
			if err != nil || !r.Valid {
				t.Fatalf("got %+v, %v", r, err)
			}
			times = append(times, time.Since(began))
			began = time.Now()
			back, err := h.Translate(ctx, term.Translate{Where: term.Where{URL: "http://x/clinical-to-insurance"}, Codes: []term.Code{{System: insurance, Code: r.Matches[0].Concept.Code}}, Reverse: true})
			if err != nil || !slices.ContainsFunc(back.Matches, func(m term.Match) bool { return m.Concept.Code == "I10.x00x002" }) {
				t.Fatalf("back: got %+v, %v", back, err)
			}
			times = append(times, time.Since(began))
		}
		within(t, "$translate, there and back", times, 5*time.Millisecond)
		times = times[:0]
		for range 200 {
			began := time.Now()
			if has, known, err := h.Has(ctx, term.Diagnosis, clinical, "I10.x00x002"); err != nil || !known || !has {
				t.Fatalf("got %v, %v, %v", has, known, err)
			}
			times = append(times, time.Since(began))
		}
		within(t, "membership", times, 5*time.Millisecond)
		below, err := h.Below(ctx, clinical, "I10", 1000)
		if err != nil || len(below) < 10 {
			t.Errorf("below I10: got %d codes, %v", len(below), err)
		}
	})
}

func within(t *testing.T, what string, times []time.Duration, limit time.Duration) {
	t.Helper()
	slices.Sort(times)
	p50, p99 := times[len(times)/2], times[len(times)*99/100]
	t.Logf("%s: p50 %v, p99 %v, longest %v", what, p50.Round(time.Microsecond), p99.Round(time.Microsecond), times[len(times)-1].Round(time.Microsecond))
	if p50 > limit {
		t.Errorf("%s: p50 %v; want at most %v", what, p50, limit)
	}
}
