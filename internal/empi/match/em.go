package match

import (
	"cmp"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// counts are how often names, numbers and phones stand in the file at hand.
type counts struct {
	people float64
	names  map[uint64]uint32
	shared map[uint64]uint32
}

const (
	countFamily = 200 + iota
	countGiven
	countNumber
	countPhone
	countAddress
)

func (c *counts) share(s string, family bool, known float64) float64 {
	const trust = 500 // people for whom the model's own share stands
	kind := byte(countGiven)
	if family {
		kind = countFamily
	}
	return (float64(c.names[hash(kind, s)]) + trust*known) / (c.people + trust)
}

// often is the share of people with a number, phone or address, when it is too many for one household; else 0.
func (c *counts) often(kind byte, parts ...string) float64 {
	return float64(c.shared[hash(kind, parts...)]) / c.people
}

// How many people may share something and still be one household; an address without its room is a whole house.
const (
	sharedPhone   = 8
	sharedAddress = 40
)

// countTerms counts names once for each name and birthday, so that a person's many records do not make a name common.
func countTerms(records []*Ready) *counts {
	c := &counts{names: map[uint64]uint32{}, shared: map[uint64]uint32{}}
	who := make([]uint64, len(records))
	for i, r := range records {
		if len(r.names) > 0 {
			n := &r.names[0]
			d := r.birth.number()
			who[i] = hash(1, n.family, n.given, string([]byte{byte(d), byte(d >> 8), byte(d >> 16), byte(d >> 24)}))
		} else {
			who[i] = hash(2, r.id)
		}
	}
	order := make([]posting, len(records))
	for i := range records {
		order[i] = posting{who[i], uint32(i)}
	}
	byHash := func(x, y posting) int { return cmp.Or(cmp.Compare(x.hash, y.hash), cmp.Compare(x.at, y.at)) }
	slices.SortFunc(order, byHash)
	for i, p := range order {
		if i > 0 && order[i-1].hash == p.hash {
			continue
		}
		c.people++
		if r := records[p.at]; len(r.names) > 0 {
			if n := &r.names[0]; n.family != "" {
				c.names[hash(countFamily, n.family)]++
			}
			if n := &r.names[0]; n.given != "" {
				c.names[hash(countGiven, n.given)]++
			}
		}
	}
	type held struct{ value, who uint64 }
	var list []held
	count := func(limit uint32) {
		slices.SortFunc(list, func(x, y held) int { return cmp.Or(cmp.Compare(x.value, y.value), cmp.Compare(x.who, y.who)) })
		for from := 0; from < len(list); {
			n, to := uint32(1), from+1
			for ; to < len(list) && list[to].value == list[from].value; to++ {
				if list[to].who != list[to-1].who {
					n++
				}
			}
			if n > limit {
				c.shared[list[from].value] = n
			}
			from = to
		}
		list = list[:0]
	}
	for i, r := range records {
		for _, n := range r.numbers {
			list = append(list, held{hash(countNumber, n.value), who[i]})
		}
	}
	count(sharedPhone)
	for i, r := range records {
		for _, p := range r.phones {
			list = append(list, held{hash(countPhone, p), who[i]})
		}
	}
	count(sharedPhone)
	for i, r := range records {
		for _, a := range r.addresses {
			list = append(list, held{hash(countAddress, a.road, a.numbers), who[i]})
		}
	}
	count(sharedAddress)
	return c
}

// pattern is the levels of all fields, four bits each.
type pattern uint64

func (c *compared) pattern() pattern {
	var p pattern
	for f := range fields {
		p |= pattern(c.level[f]&15) << (4 * f)
	}
	return p
}

type tally struct {
	pattern pattern
	pairs   float64
}

func sortedTally(m map[pattern]float64) []tally {
	out := make([]tally, 0, len(m))
	for _, p := range slices.Sorted(maps.Keys(m)) {
		out = append(out, tally{p, m[p]})
	}
	return out
}

// How much the model that was given weighs against the file, in pairs of each class.
const (
	trustPerson    = 60
	trustHousehold = 2000
	trustStranger  = 2000
	rounds         = 25
)

// told are levels that a file cannot teach, by class: two right numbers of one person would be learnt from namesakes
// of one birthday, relatives of one given name from children who are written under their mother's number.
var told = func() (t [fields][levels]uint8) {
	t[fieldNumber][numberOther] = 1 << person
	for _, l := range []uint8{exact, nameSound, nameSpelt, slip} {
		t[fieldGiven][l] = 1 << household
	}
	return t
}()

// learn estimates the model from a file without knowing who is who (expectation and maximisation): how strangers agree
// from pairs at random, how records of one person agree from all pairs that share a block. Pairs that share none are
// taken for strangers. random and met are what was seen; total is the number of all pairs of the records.
func (m *Model) learn(records int, random, met []tally, total float64) *Model {
	next := m.copy()
	start := *next.table()
	now := start
	n := float64(records)
	same, near := m.Duplicates*n/2/total, m.Relatives*n/2/total
	for range rounds {
		var logs [fields][levels + 4][3]float64
		for f := range fields {
			for l := range levels {
				for class := range 3 {
					logs[f][l][class] = math.Log(max(now[f][l][class], 1e-300))
				}
			}
		}
		var seen [fields][levels + 4][3]float64
		var found [3]float64
		gather := func(list []tally, classes ...int) {
			prior := [3]float64{math.Log(same), math.Log(near), math.Log(max(1-same-near, 1e-9))}
			for _, t := range list {
				sum := prior
				for f := range fields {
					if l := t.pattern >> (4 * f) & 15; l != missing {
						for class := range sum {
							sum[class] += logs[f][l][class]
						}
					}
				}
				top := max(sum[0], sum[1], sum[2])
				var all float64
				for class := range sum {
					sum[class] = math.Exp(sum[class] - top)
					all += sum[class]
				}
				for _, class := range classes {
					share := t.pairs * sum[class] / all
					found[class] += share
					for f := range fields {
						if l := t.pattern >> (4 * f) & 15; l != missing {
							seen[f][l][class] += share
						}
					}
				}
			}
		}
		gather(met, person, household)
		gather(random, stranger)
		for f := range fields {
			for class, trust := range [3]float64{trustPerson, trustHousehold, trustStranger} {
				conditional := f == fieldBirth
				var all float64
				for l := range levels {
					if levelNames[f][l] != "" && (!conditional || l != birthSaid) {
						all += seen[f][l][class] + trust*start[f][l][class]
					}
				}
				for l := range levels {
					if levelNames[f][l] == "" || conditional && l == birthSaid {
						continue
					}
					p := (seen[f][l][class] + trust*start[f][l][class]) / all
					if told[f][l]&(1<<class) != 0 {
						p = start[f][l][class]
					}
					if class == stranger {
						p = max(p, start[f][l][class]/4)
					}
					now[f][l][class] = p
				}
			}
		}
		same = (found[person] + 5) / total
		near = (found[household] + 5 + 0.01*n) / total
		same, near = min(same, 0.3), min(near, 0.3)
	}
	next.Duplicates = max(2*same*total/n, 0.01)
	next.Relatives = 2 * near * total / n
	next.Population = max(1, int(n/(1+next.Duplicates)))
	for f, name := range fieldNames {
		for l, level := range levelNames[f] {
			if level != "" {
				next.Fields[name][level] = now[f][l]
			}
		}
	}
	return next
}

type table [fields][levels + 4][3]float64

func (m *Model) table() *table {
	var t table
	for f, name := range fieldNames {
		for l, level := range levelNames[f] {
			if level != "" {
				t[f][l] = m.Fields[name][level]
			}
		}
	}
	return &t
}

// copy makes a model that may be changed.
func (m *Model) copy() *Model {
	next := &Model{Source: m.Source, Verified: m.Verified, Population: m.Population, Duplicates: m.Duplicates, Relatives: m.Relatives, Same: m.Same, Possible: m.Possible,
		Rare: m.Rare, Terms: Terms{maps.Clone(m.Terms.Family), maps.Clone(m.Terms.Given)}, Fields: map[string]map[string][3]float64{}}
	for name, f := range m.Fields {
		next.Fields[name] = maps.Clone(f)
	}
	return next
}

// atRandom tallies pairs of records that nobody chose; the same for the same records.
func atRandom(records []*Ready, pairs int) []tally {
	seen := map[pattern]float64{}
	n := len(records)
	if n < 2 {
		return nil
	}
	if n*(n-1)/2 <= pairs {
		for i := range records {
			for j := i + 1; j < n; j++ {
				c := compare(records[i], records[j])
				seen[c.pattern()]++
			}
		}
		return sortedTally(seen)
	}
	dice := rand.New(rand.NewPCG(11643, uint64(n)))
	for range pairs {
		i, j := dice.IntN(n), dice.IntN(n-1)
		if j >= i {
			j++
		}
		c := compare(records[i], records[j])
		seen[c.pattern()]++
	}
	return sortedTally(seen)
}
