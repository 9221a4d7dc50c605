package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good.csv", "rec_id,org,name,sex,birth,id_no,phone,address,truth_person\n"+
		"R1,H1,孟小茹,2,1961-05-23,990313196105236840,15124298289,和平里193号2314室,P1\n"+
		"R2,H2,孟晓茹,2,1961-05-23,,15124298289,和平里193号2314室,P1\n"+
		"R3,H2,孟小兰,2,1961-05-23,990313196105236867,15124298289,和平里193号2314室,P2\n"+
		"R4,H3,孟小茹,2,1961-05-23,,,,P1\n")
	bad := file("bad.csv", "rec_id,name,birth\nR1,孟小茹,1961-05-23\nR2,孟小茹\n")
	other := file("other.csv", "编号;姓名\n1;孟小茹\n")
	review, model := filepath.Join(dir, "pairs.csv"), filepath.Join(dir, "model.json")
	for _, c := range []struct {
		name      string
		args      []string
		code      int
		out, errs string
	}{
		{"persons of a file", []string{good, "--fixed", "--review", review, "--save-model", model}, 0, "rec_id,person\nR1,R1\nR2,R1\nR3,R3\nR4,R4\n", "4 records"},
		{"with a model", []string{good, "--fixed", "--quiet", "--model", model}, 0, "rec_id,person\nR1,R1\nR2,R1\nR3,R3\nR4,R4\n", ""},
		{"a row is left out", []string{bad}, exitPartly, "rec_id,person\nR1,R1\n", "line 3: columns"},
		{"columns unknown", []string{other}, exitUsage, "", ""},
		{"columns named", []string{other, "--quiet", "--map", "rec=编号,name=姓名"}, 0, "rec_id,person\n1,1\n", ""},
		{"a mapping that nobody ships", []string{good, "--map", "febrl2"}, exitUsage, "", ""},
		{"an answer as a column", []string{good, "--map", "rec=rec_id,name=name,org=truth_person"}, exitUsage, "", ""},
		{"no file", []string{filepath.Join(dir, "none.csv")}, exitUnavailable, "", ""},
		{"no model", []string{good, "--model", bad}, exitUsage, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			root := newRoot()
			root.SetOut(&out)
			root.SetErr(&errs)
			root.SetArgs(append([]string{"match"}, c.args...))
			if got := codeOf(root.ExecuteContext(t.Context())); got != c.code || c.code != exitUsage && out.String() != c.out || !strings.Contains(errs.String(), c.errs) {
				t.Errorf("got code %d, %q, %q; want %d, %q, %q", got, out.String(), errs.String(), c.code, c.out, c.errs)
			}
		})
	}
	pairs, err := os.ReadFile(review)
	if err != nil || !strings.Contains(string(pairs), "R1,R4,") || !strings.Contains(string(pairs), ",namesake,") || strings.Contains(string(pairs), "P1") {
		t.Errorf("got pairs %s, %v; want R1 and R4, namesakes", pairs, err)
	}
}
