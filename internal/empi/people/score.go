package people

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Truth says who each record is. Kind and errors are empty where the file does not tell.
type Truth struct {
	index  map[string]int32
	person []int32
	kind   []int32 // into words
	errors []int32
	words  []string
	count  int // persons
}

// febrl tells the person in rec_id: rec-12-org, rec-12-dup-0.
var febrl = regexp.MustCompile(`^rec-(\d+)-(?:org|dup-\d+)$`)

// ReadTruth reads truth_person (and truth_kind, truth_errors) beside rec_id, or a FEBRL file.
func ReadTruth(r io.Reader) (*Truth, error) {
	t := &Truth{index: map[string]int32{}, words: []string{""}}
	words, persons := map[string]int32{"": 0}, map[string]int32{}
	intern := func(s string) int32 {
		i, ok := words[s]
		if !ok {
			i = int32(len(t.words))
			s = strings.Clone(s)
			words[s], t.words = i, append(t.words, s)
		}
		return i
	}
	err := table(r, func(col map[string]int, row []string) error {
		id, person := cell(col, row, "rec_id"), cell(col, row, "truth_person")
		if _, ok := col["truth_person"]; !ok {
			m := febrl.FindStringSubmatch(id)
			if m == nil {
				return fmt.Errorf("no column truth_person and %q is not of FEBRL", id)
			}
			person = m[1]
		}
		if _, twice := t.index[id]; twice || id == "" || person == "" {
			return fmt.Errorf("rec_id %q: empty, twice or without a person", id)
		}
		p, ok := persons[person]
		if !ok {
			p = int32(len(persons))
			persons[strings.Clone(person)] = p
		}
		t.index[strings.Clone(id)] = int32(len(t.person))
		t.person = append(t.person, p)
		t.kind = append(t.kind, intern(cell(col, row, "truth_kind")))
		t.errors = append(t.errors, intern(cell(col, row, "truth_errors")))
		return nil
	})
	t.count = len(persons)
	if err == nil && len(t.person) == 0 {
		err = errors.New("no records")
	}
	if err != nil {
		return nil, fmt.Errorf("people: truth: %w", err)
	}
	return t, nil
}

// Report on pairs of records.
type Report struct {
	Records, Persons, Clusters int
	True, Joined, Right        int // pairs of one person; pairs joined; those joined rightly

	Queue      int // pairs somebody is asked about
	QueueRight int // of these, pairs of one person
	QueueFound int // pairs of one person that are not joined and are asked about
	AfterQueue int // pairs of one person together once every question has been answered rightly

	ByKind  []Part // pairs of one person, by what the person is
	ByError []Part // by what is wrong in either record
	Wrong   []Part // wrongly joined pairs by the kinds of both; Found is 0
	Twins   int    // of the wrongly joined pairs, those with a twin
	Largest int    // records in the largest cluster
}

// Part of the pairs.
type Part struct {
	Name                     string
	Pairs, Found, WithQueues int
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 1
	}
	return float64(a) / float64(b)
}

// Precision of the automatic joins.
func (r *Report) Precision() float64 { return ratio(r.Right, r.Joined) }

// Recall of the automatic joins.
func (r *Report) Recall() float64 { return ratio(r.Right, r.True) }

// F1 of the automatic joins.
func (r *Report) F1() float64 {
	p, q := r.Precision(), r.Recall()
	if p+q == 0 {
		return 0
	}
	return 2 * p * q / (p + q)
}

// RecallWithQueue counts a pair as found when it is joined or asked about itself.
func (r *Report) RecallWithQueue() float64 { return ratio(r.Right+r.QueueFound, r.True) }

// RecallAfterQueue counts a pair as found when it is joined once all questions have been answered rightly.
func (r *Report) RecallAfterQueue() float64 { return ratio(r.AfterQueue, r.True) }

// Score clusters (rec_id, person) and possible pairs (the first two columns, or rec_id_a and rec_id_b) against the truth.
// A record that clusters does not name stands alone. pairs may be nil.
func (t *Truth) Score(clusters, pairs io.Reader) (*Report, error) {
	cluster, err := t.clusters(clusters)
	if err != nil {
		return nil, fmt.Errorf("people: clusters: %w", err)
	}
	queue, err := t.pairs(pairs)
	if err != nil {
		return nil, fmt.Errorf("people: pairs: %w", err)
	}
	n := len(t.person)
	r := &Report{Records: n, Persons: t.count, Queue: len(queue)}
	asked := make(map[[2]int32]bool, len(queue))
	answered := newSets(n) // who is together after the queue, within one person
	for _, p := range queue {
		asked[p] = true
		if t.person[p[0]] == t.person[p[1]] {
			r.QueueRight++
			answered.join(p[0], p[1])
			if cluster[p[0]] != cluster[p[1]] {
				r.QueueFound++
			}
		}
	}
	byKind, byError, wrong := map[string]*Part{}, map[string]*Part{}, map[string]*Part{}

	byCluster := groups(cluster)
	r.Clusters = len(byCluster)
	for _, g := range byCluster {
		r.Largest = max(r.Largest, len(g))
		r.Joined += choose(len(g))
		slices.SortFunc(g, func(a, b int32) int { return cmp.Compare(t.person[a], t.person[b]) })
		for i := 0; i < len(g); {
			j := i
			for ; j < len(g) && t.person[g[j]] == t.person[g[i]]; j++ {
				answered.join(g[i], g[j])
			}
			r.Right += choose(j - i)
			i = j
		}
		t.mistakes(r, wrong, g)
	}
	for _, g := range groups(t.person) {
		r.True += choose(len(g))
		for i, a := range g {
			for _, b := range g[:i] {
				found := cluster[a] == cluster[b]
				with := found || asked[ordered(a, b)]
				if answered.of(a) == answered.of(b) {
					r.AfterQueue++
				}
				tally(byKind, t.words[t.kind[a]]+"|"+t.words[t.kind[b]], "plain", found, with)
				tally(byError, t.words[t.errors[a]]+"|"+t.words[t.errors[b]], "none", found, with)
			}
		}
	}
	r.ByKind, r.ByError, r.Wrong = parts(byKind), parts(byError), parts(wrong)
	return r, nil
}

// mistakes in one cluster; of a very large one only the first thousand records are looked at by kind.
func (t *Truth) mistakes(r *Report, wrong map[string]*Part, g []int32) {
	g = g[:min(len(g), 1000)]
	for i, a := range g {
		for _, b := range g[:i] {
			if t.person[a] == t.person[b] {
				continue
			}
			x, y := t.words[t.kind[a]], t.words[t.kind[b]]
			if strings.Contains(x, "twin") || strings.Contains(y, "twin") {
				r.Twins++
			}
			name := strings.Join(slices.Sorted(slices.Values([]string{cmp.Or(x, "plain"), cmp.Or(y, "plain")})), " + ")
			if wrong[name] == nil {
				wrong[name] = &Part{Name: name}
			}
			wrong[name].Pairs++
		}
	}
}

// tally counts a pair once under each of the names.
func tally(in map[string]*Part, names, none string, found, with bool) {
	seen := make([]string, 0, 4)
	for name := range strings.SplitSeq(names, "|") {
		if name != "" && !slices.Contains(seen, name) {
			seen = append(seen, name)
		}
	}
	if len(seen) == 0 {
		seen = append(seen, none)
	}
	for _, name := range seen {
		p := in[name]
		if p == nil {
			p = &Part{Name: strings.Clone(name)}
			in[p.Name] = p
		}
		p.Pairs++
		if found {
			p.Found++
		}
		if with {
			p.WithQueues++
		}
	}
}

func (t *Truth) clusters(r io.Reader) ([]int32, error) {
	of := make([]int32, len(t.person))
	for i := range of {
		of[i] = -1
	}
	names := map[string]int32{}
	err := table(r, func(col map[string]int, row []string) error {
		id, person := cell(col, row, "rec_id"), cell(col, row, "person")
		i, ok := t.index[id]
		if !ok {
			return fmt.Errorf("rec_id %q is not in the truth", id)
		}
		if of[i] >= 0 {
			return fmt.Errorf("rec_id %q twice", id)
		}
		c, ok := names[person]
		if !ok {
			c = int32(len(names))
			names[strings.Clone(person)] = c
		}
		of[i] = c
		return nil
	})
	next := int32(len(names))
	for i := range of {
		if of[i] < 0 {
			of[i] = next
			next++
		}
	}
	return of, err
}

func (t *Truth) pairs(r io.Reader) ([][2]int32, error) {
	if r == nil {
		return nil, nil
	}
	var all [][2]int32
	err := table(r, func(col map[string]int, row []string) error {
		if len(row) < 2 {
			return errors.New("a pair needs two columns")
		}
		x, y := row[0], row[1]
		if _, ok := col["rec_id_a"]; ok {
			x, y = cell(col, row, "rec_id_a"), cell(col, row, "rec_id_b")
		}
		a, ok := t.index[x]
		b, ok2 := t.index[y]
		if !ok || !ok2 || a == b {
			return fmt.Errorf("pair %q, %q is not of two records of the truth", x, y)
		}
		all = append(all, ordered(a, b))
		return nil
	})
	slices.SortFunc(all, func(x, y [2]int32) int { return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1])) })
	return slices.Compact(all), err
}

func ordered(a, b int32) [2]int32 { return [2]int32{min(a, b), max(a, b)} }

func choose(n int) int { return n * (n - 1) / 2 }

// groups of the places which have the same number.
func groups(of []int32) [][]int32 {
	all := map[int32][]int32{}
	for i, g := range of {
		all[g] = append(all[g], int32(i))
	}
	list := make([][]int32, 0, len(all))
	for _, g := range all {
		list = append(list, g)
	}
	return list
}

func parts(m map[string]*Part) []Part {
	list := make([]Part, 0, len(m))
	for _, p := range m {
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b Part) int { return cmp.Or(cmp.Compare(b.Pairs, a.Pairs), cmp.Compare(a.Name, b.Name)) })
	return list
}

// table calls row for each line under a header whose names are trimmed and in lower case.
func table(r io.Reader, row func(col map[string]int, row []string) error) error {
	c := csv.NewReader(r)
	c.FieldsPerRecord, c.ReuseRecord, c.LazyQuotes, c.TrimLeadingSpace = -1, true, true, true
	head, err := c.Read()
	if err != nil {
		return err
	}
	col := map[string]int{}
	for i, name := range head {
		col[strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))] = i
	}
	for {
		line, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = row(col, line)
		}
		if err != nil {
			return err
		}
	}
}

func cell(col map[string]int, row []string, name string) string {
	i, ok := col[name]
	if !ok || i >= len(row) {
		return ""
	}
	return strings.TrimSpace(row[i])
}

// sets that grow together.
type sets []int32

func newSets(n int) sets {
	s := make(sets, n)
	for i := range s {
		s[i] = int32(i)
	}
	return s
}

func (s sets) of(a int32) int32 {
	for s[a] != a {
		s[a] = s[s[a]]
		a = s[a]
	}
	return a
}

func (s sets) join(a, b int32) { s[s.of(a)] = s.of(b) }
