package people

import (
	"math"
	"strings"
	"testing"
)

func TestScoreCountsPairs(t *testing.T) {
	const truth = "rec_id,truth_person,truth_kind,truth_errors\na1,A,,\na2,A,,lunar\na3,A,,lunar|no-phone\nb1,B,twin,\nb2,B,twin,\nc1,C,twin,\n"
	read, err := ReadTruth(strings.NewReader(truth))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, clusters, pairs          string
		precision, recall, with, after float64
		twins                          int
	}{
		{"all right", "a1,1\na2,1\na3,1\nb1,2\nb2,2\nc1,3\n", "", 1, 1, 1, 1, 0},
		{"nothing joined", "", "", 1, 0, 0, 0, 0},
		{"one pair of three, the rest asked by one question", "a1,1\na2,1\na3,2\nb1,3\nb2,3\nc1,4\n", "a2,a3\n", 1, .5, .75, 1, 0},
		{"twins joined", "a1,1\na2,1\na3,1\nb1,2\nb2,2\nc1,2\n", "", 4.0 / 6, 1, 1, 1, 2},
		{"a wrong question finds nothing", "b1,2\nb2,2\n", "a1,c1\n", 1, .25, .25, .25, 0},
		{"the same question twice counts once", "b1,2\nb2,2\n", "a1,a2\na2,a1\n", 1, .25, .5, .5, 0},
	} {
		r, err := read.Score(strings.NewReader("rec_id,person\n"+c.clusters), strings.NewReader("a,b\n"+c.pairs))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, x := range []struct {
			what      string
			got, want float64
		}{{"precision", r.Precision(), c.precision}, {"recall", r.Recall(), c.recall}, {"with queue", r.RecallWithQueue(), c.with}, {"after queue", r.RecallAfterQueue(), c.after}, {"twins", float64(r.Twins), float64(c.twins)}} {
			if math.Abs(x.got-x.want) > 1e-9 {
				t.Errorf("%s: %s %v; want %v", c.name, x.what, x.got, x.want)
			}
		}
	}
	r, _ := read.Score(strings.NewReader("rec_id,person\na2,1\na3,1\n"), nil)
	for _, p := range r.ByError {
		if p.Name == "lunar" && (p.Pairs != 3 || p.Found != 1) {
			t.Errorf("lunar %+v; want 1 of 3", p)
		}
	}
}

func TestScoreReadsFEBRL(t *testing.T) {
	read, err := ReadTruth(strings.NewReader("rec_id, given_name\nrec-1-org, anna\nrec-1-dup-0, ana\nrec-11-org, bo\n"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := read.Score(strings.NewReader("rec_id,person\r\nrec-1-org,1\r\nrec-1-dup-0,1\r\nrec-11-org,1\r\n"), nil)
	if err != nil || r.True != 1 || r.Right != 1 || r.Joined != 3 || r.F1() != .5 {
		t.Errorf("got %+v, %v; want one of three right", r, err)
	}
}

func TestScoreRefusesWhatItCannotJudge(t *testing.T) {
	for name, c := range map[string][2]string{
		"unknown record": {"rec_id,truth_person\na,A\n", "rec_id,person\nx,1\n"},
		"record twice":   {"rec_id,truth_person\na,A\n", "rec_id,person\na,1\na,2\n"},
		"truth twice":    {"rec_id,truth_person\na,A\na,B\n", ""},
		"no truth":       {"rec_id,name\na,A\n", ""},
		"nothing":        {"rec_id,truth_person\n", ""},
	} {
		read, err := ReadTruth(strings.NewReader(c[0]))
		if err == nil {
			_, err = read.Score(strings.NewReader(c[1]), nil)
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
