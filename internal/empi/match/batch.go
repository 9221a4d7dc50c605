package match

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Batch compares all records of a file with one another.
type Batch struct {
	Model   *Model // to start from; nil = the one that is shipped
	Fixed   bool   // take the model as it is, learn nothing from the file
	Workers int    // 0 = one a processor
}

// Result is what a batch found.
type Result struct {
	Model    *Model
	Person   []int   // per record the place of the first of its person's records, by ID
	Persons  int     // how many there are
	Possible []Found // pairs that somebody has to look at, most likely first
	Compared int     // pairs
	Largest  int     // records that shared one key
	Refined  int     // keys shared by too many, taken apart by what else their records say
}

// Found is a pair, by places in the list.
type Found struct {
	A, B        int
	Score       float64
	Probability float64
	Bar         string
}

// Run joins the records to persons. The records' order plays no part but in the places of the answer;
// their IDs must differ.
func (b Batch) Run(ctx context.Context, given []*Ready) (*Result, error) {
	workers := b.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	model := b.Model
	if model == nil {
		model = Default()
	}
	place := make([]int, len(given)) // of the record that comes i-th by ID
	for i := range place {
		place[i] = i
	}
	slices.SortStableFunc(place, func(i, j int) int { return cmp.Compare(given[i].id, given[j].id) })
	records := make([]*Ready, len(given))
	for i, p := range place {
		records[i] = given[p]
	}

	blocks := findBlocks(records)
	res := &Result{Largest: blocks.largest, Refined: blocks.refined}
	if !b.Fixed && len(records) > 1 {
		var err error
		if model, err = b.learn(ctx, model, records, blocks, workers); err != nil {
			return nil, err
		}
	}
	res.Model = model

	type chunk struct {
		edges []Edge
		found []Found
	}
	var mu sync.Mutex
	var all chunk
	var pairs atomic.Int64
	err := blocks.each(ctx, len(records), 1, workers, func() (func(i, j int), func()) {
		var mine chunk
		n := 0
		return func(i, j int) {
				n++
				v := model.Outcome(records[i], records[j])
				switch v.Outcome {
				case Same:
					mine.edges = append(mine.edges, Edge{i, j, v.Score})
				case Possible:
					mine.found = append(mine.found, Found{i, j, v.Score, v.Probability, v.Bar})
				}
			}, func() {
				pairs.Add(int64(n))
				mu.Lock()
				defer mu.Unlock()
				all.edges = append(all.edges, mine.edges...)
				all.found = append(all.found, mine.found...)
			}
	})
	if err != nil {
		return nil, err
	}
	res.Compared = int(pairs.Load())
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = r.id
	}
	person := Cluster(ids, all.edges, func(x, y int) bool { return model.Forbids(records[x], records[y]) }, nil, nil)
	for _, e := range all.edges { // wanted, but a member of the one is barred from a member of the other
		if person[e.A] != person[e.B] {
			all.found = append(all.found, Found{e.A, e.B, e.Score, 0, "third-record"})
		}
	}
	res.Person = make([]int, len(given))
	for i, first := range person {
		res.Person[place[i]] = place[first]
		if first == i {
			res.Persons++
		}
	}
	for _, f := range all.found {
		if person[f.A] != person[f.B] {
			if f.Bar == "third-record" {
				f.Probability = model.Outcome(records[f.A], records[f.B]).Probability
			}
			f.A, f.B = place[f.A], place[f.B]
			res.Possible = append(res.Possible, f)
		}
	}
	slices.SortFunc(res.Possible, func(x, y Found) int {
		return cmp.Or(cmp.Compare(y.Score, x.Score), cmp.Compare(given[x.A].id, given[y.A].id), cmp.Compare(given[x.B].id, given[y.B].id))
	})
	return res, nil
}

// learn counts and estimates what the file says of itself.
func (b Batch) learn(ctx context.Context, model *Model, records []*Ready, blocks *blocks, workers int) (*Model, error) {
	const chosen, enough = 400_000, 3_000_000
	random := atRandom(records, chosen)
	reach := 0
	for n := range len(blocks.start) - 1 {
		size := int(blocks.start[n+1] - blocks.start[n])
		reach += size * (size - 1) / 2
	}
	every := max(1, reach/enough)
	seen := map[pattern]float64{}
	var mu sync.Mutex
	err := blocks.each(ctx, len(records), every, workers, func() (func(i, j int), func()) {
		mine := map[pattern]float64{}
		return func(i, j int) {
				c := compare(records[i], records[j])
				mine[c.pattern()]++
			}, func() {
				mu.Lock()
				defer mu.Unlock()
				for p, n := range mine {
					seen[p] += n * float64(every)
				}
			}
	})
	if err != nil {
		return nil, err
	}
	n := float64(len(records))
	learnt := model.learn(len(records), random, sortedTally(seen), n*(n-1)/2)
	learnt.counts = countTerms(records)
	learnt.keepTerms(records)
	return learnt, nil
}

// keepTerms writes the shares of common names into the model, so that it can be used without the file.
func (m *Model) keepTerms(records []*Ready) {
	const least, most = 10, 5000
	family, given := map[string]uint32{}, map[string]uint32{}
	for _, r := range records {
		for _, n := range r.names {
			if c := m.counts.names[hash(countFamily, n.family)]; c >= least && n.family != "" {
				family[n.family] = c
			}
			if c := m.counts.names[hash(countGiven, n.given)]; c >= least && n.given != "" {
				given[n.given] = c
			}
		}
	}
	keep := func(into map[string]float64, from map[string]uint32, isFamily bool) map[string]float64 {
		if into == nil {
			into = map[string]float64{}
		}
		names := slices.SortedFunc(maps.Keys(from), func(x, y string) int { return cmp.Or(cmp.Compare(from[y], from[x]), cmp.Compare(x, y)) })
		next := maps.Clone(into)
		for _, s := range names[:min(most, len(names))] {
			next[s] = m.share(s, isFamily)
		}
		return next
	}
	m.Terms.Family, m.Terms.Given = keep(m.Terms.Family, family, true), keep(m.Terms.Given, given, false)
}

// Forbids says whether two records must never be one person's, not even through others, unless a person decides.
func (m *Model) Forbids(a, b *Ready) bool {
	c := compare(a, b)
	_, firm := bar(&c, a, b)
	return firm
}

// each calls with all pairs that share a block, of every so-many-th record, in parallel.
func (b *blocks) each(ctx context.Context, records, every, workers int, start func() (with func(i, j int), done func())) error {
	const step = 512
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			with, done := start()
			defer done()
			seen := make([]uint32, records)
			dice := rand.New(rand.NewPCG(1, 2))
			for ctx.Err() == nil {
				from := int(next.Add(step)) - step
				if from >= records {
					return
				}
				if every > 1 {
					dice = rand.New(rand.NewPCG(11643, uint64(from)))
				}
				for i := from; i < min(from+step, records); i++ {
					if every == 1 || dice.IntN(every) == 0 {
						b.meet(i, seen, func(j int) { with(i, j) })
					}
				}
			}
		})
	}
	group.Wait()
	return ctx.Err()
}
