package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/term"
)

func TestTerminologyImport(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good.csv", "编码,名称\nI10.x00,特发性高血压\nI10.x00x002,高血压\n")
	bad := file("bad.csv", "编码,名称\nI10.x00,特发性高血压\nI10.x00x002,血压高\n,无编码\n")
	pairs := file("pairs.dat", "I10.x00x002 I10.x00\n")
	data := filepath.Join(dir, "data")
	load := func(want int, args ...string) {
		t.Helper()
		if got := run(append([]string{"terminology", "import", "--data", data, "--log-level", "error"}, args...)); got != want {
			t.Errorf("%v: got exit code %d; want %d", args, got, want)
		}
	}
	found := func(version string) string {
		t.Helper()
		hub, err := server.Open(context.Background(), server.Options{Data: data})
		if err != nil {
			t.Fatal(err)
		}
		defer hub.Close()
		f, err := hub.Terms.Lookup(context.Background(), term.Code{System: "urn:icd", Version: version, Code: "I10.x00x002"}, "")
		if err != nil {
			return "-"
		}
		return f.Display
	}
	of := func(file string, more ...string) []string {
		return append([]string{"--system", "urn:icd", "--title", "ICD", file}, more...)
	}
	load(exitUsage, good)
	load(exitUnavailable, of(filepath.Join(dir, "none.csv"))...)
	load(0, of(good, "--version", "1", "--dry-run")...)
	if got := found("1"); got != "-" {
		t.Errorf("after a dry run: got %s; want nothing stored", got)
	}
	load(0, of(good, "--version", "1", "--diagnosis")...)
	load(0, of(good, "--version", "1")...) // again comes to the same place
	load(exitPartly, of(bad, "--version", "2")...)
	if got := found("2"); got != "-" {
		t.Errorf("bad rows without --skip-bad: got %s; want nothing stored", got)
	}
	load(exitPartly, of(bad, "--version", "2", "--skip-bad")...)
	if one, two, newest := found("1"), found("2"), found(""); one != "高血压" || two != "血压高" || newest != "血压高" {
		t.Errorf("got %s in 1, %s in 2, %s in the newest", one, two, newest)
	}
	load(exitUsage, "--concept-map", "--system", "urn:map", pairs)
	load(0, "--concept-map", "--system", "urn:map", "--source", "urn:icd", "--target", "urn:nhsa", pairs)
	hub, err := server.Open(context.Background(), server.Options{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	m, err := hub.Terms.Translate(context.Background(), term.Translate{Codes: []term.Code{{System: "urn:icd", Code: "I10.x00x002"}}})
	if err != nil || !m.Valid || m.Matches[0].Concept.Code != "I10.x00" || m.Matches[0].Equivalence != "relatedto" {
		t.Errorf("map: got %+v, %v", m, err)
	}
	if has, known, err := hub.Terms.Has(context.Background(), term.Diagnosis, "urn:icd", "I10"); err != nil || !known || has {
		t.Errorf("the diagnosis set: got %v, %v, %v; want known without the class I10", has, known, err)
	}
}
