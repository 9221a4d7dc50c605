package match

import (
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// outside opens a file of the test data that is not part of the repository.
func outside(t testing.TB, name string) *os.File {
	t.Helper()
	dir := os.Getenv("XINGLIN_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Skipf("no test data: %v", err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// truths reads who is who: by truth_person, or of FEBRL by the record's own ID.
func truths(t testing.TB, name string) map[string][2]string {
	t.Helper()
	r := csv.NewReader(outside(t, name))
	r.TrimLeadingSpace = true
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	who := map[string][2]string{}
	for _, row := range rows[1:] {
		if len(row) == 11 && rows[0][8] == "truth_person" {
			who[row[0]] = [2]string{row[8], row[9]}
		} else {
			who[row[0]] = [2]string{strings.Join(strings.Split(row[0], "-")[:2], "-"), ""}
		}
	}
	return who
}

func load(t testing.TB, name string) []*Ready {
	t.Helper()
	var records []*Ready
	err := ReadCSV(outside(t, name), nil, func(_ int, r *Record) error {
		records = append(records, Prepare(r))
		return nil
	}, func(b BadRow) {
		if !b.Kept {
			t.Error(b)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

type figures struct{ precision, recall, f1, withPossible, reachable float64 }

func measure(records []*Ready, res *Result, who map[string][2]string) (f figures) {
	people := map[string][]int{}
	for i, r := range records {
		people[who[r.id][0]] = append(people[who[r.id][0]], i)
	}
	var truth, joined, right, asked, met int
	waiting := map[[2]int]bool{}
	for _, p := range res.Possible {
		waiting[[2]int{min(p.A, p.B), max(p.A, p.B)}] = true
	}
	keys := make([]map[Key]bool, len(records))
	for i, r := range records {
		keys[i] = map[Key]bool{}
		for _, k := range r.Keys() {
			keys[i][k] = true
		}
	}
	for _, list := range people {
		for x, i := range list {
			for _, j := range list[x+1:] {
				truth++
				switch {
				case res.Person[i] == res.Person[j]:
					right++
				case waiting[[2]int{min(i, j), max(i, j)}]:
					asked++
				}
				for k := range keys[i] {
					if keys[j][k] {
						met++
						break
					}
				}
			}
		}
	}
	persons := map[int]int{}
	for _, p := range res.Person {
		persons[p]++
	}
	for _, n := range persons {
		joined += n * (n - 1) / 2
	}
	f.precision, f.recall = float64(right)/float64(joined), float64(right)/float64(truth)
	f.f1 = 2 * f.precision * f.recall / (f.precision + f.recall)
	f.withPossible, f.reachable = float64(right+asked)/float64(truth), float64(met)/float64(truth)
	return f
}

func TestFiguresOnOutsideData(t *testing.T) {
	for _, c := range []struct {
		file string
		want figures
	}{
		{"empi-zh/pairs-6158.csv", figures{0.999, 0.85, 0, 0.97, 0.995}},
		{"febrl/dataset1.csv", figures{0.99, 0, 0.99, 0, 0.995}},
		{"febrl/dataset2.csv", figures{0.99, 0, 0.98, 0, 0.995}},
		{"febrl/dataset3.csv", figures{0.99, 0, 0.97, 0, 0.995}},
	} {
		t.Run(c.file, func(t *testing.T) {
			who, records := truths(t, c.file), load(t, c.file)
			res, err := Batch{}.Run(context.Background(), records)
			if err != nil {
				t.Fatal(err)
			}
			got := measure(records, res, who)
			t.Logf("%d records, %d persons, %d pairs compared, %d to ask; precision %.5f recall %.4f F1 %.4f with possible %.4f, keys reach %.4f; %.3f duplicates, %.2f relatives a record", len(records), res.Persons, res.Compared, len(res.Possible),
				got.precision, got.recall, got.f1, got.withPossible, got.reachable, res.Model.Duplicates, res.Model.Relatives)
			if got.precision < c.want.precision || got.recall < c.want.recall || got.f1 < c.want.f1 || got.withPossible < c.want.withPossible || got.reachable < c.want.reachable {
				t.Errorf("got %+v; want at least %+v", got, c.want)
			}
		})
	}
}
