package people

import (
	"math/rand/v2"
	"sort"
	"strings"
)

type dice struct {
	*rand.Rand
	source *rand.PCG
}

func newDice(seed, which uint64) dice {
	s := rand.NewPCG(seed, which)
	return dice{rand.New(s), s}
}

func (d dice) is(p float64) bool { return p > 0 && d.Float64() < p }

func (d dice) one(of []string) string { return of[d.IntN(len(of))] }

func (d dice) rune(of []rune) rune { return of[d.IntN(len(of))] }

// digit other than not.
func (d dice) digit(not byte) byte {
	for {
		if b := byte('0' + d.IntN(10)); b != not {
			return b
		}
	}
}

// weighted words: the earlier the likelier.
type weighted struct {
	words []string
	upTo  []float64
}

func (w weighted) one(d dice) string {
	x := d.Float64() * w.upTo[len(w.upTo)-1]
	return w.words[sort.SearchFloat64s(w.upTo, x)]
}

func weigh(words []string, of func(rank int) float64) weighted {
	w := weighted{words: words}
	sum := 0.0
	for i := range words {
		sum += of(i)
		w.upTo = append(w.upTo, sum)
	}
	return w
}

// ranked words by a Zipf curve that is flat at the head, as characters of given names are.
func ranked(words []string) weighted {
	return weigh(words, func(i int) float64 { return 1 / float64(i+8) })
}

func letters(s string) weighted { return ranked(strings.Split(s, "")) }
