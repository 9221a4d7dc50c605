package allocate

import (
	"math/rand/v2"
	"testing"
)

func BenchmarkPropose(b *testing.B) {
	for _, c := range []struct {
		name          string
		waiting, beds int
		taken         float64
	}{
		{"500 waiting, 2000 beds, 90% taken", 500, 2000, 0.9},
		{"500 waiting, 2000 beds, 70% taken", 500, 2000, 0.7},
		{"500 waiting, 2000 beds, all free", 500, 2000, 0},
		{"5000 waiting, 10000 beds, 90% taken", 5000, 10000, 0.9},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := rand.New(rand.NewPCG(1, 2))
			p := hospital(d, c.beds/40, c.beds, c.taken)
			waiting := patients(d, c.waiting, c.beds/40)
			rules := Default()
			b.ReportAllocs()
			for b.Loop() {
				Propose(p, waiting, rules)
			}
		})
	}
}

func BenchmarkOne(b *testing.B) {
	d := rand.New(rand.NewPCG(1, 2))
	p := hospital(d, 50, 2000, 0.9)
	waiting := patients(d, 500, 50)
	e := NewEngine(p, Default())
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		r := &waiting[i%len(waiting)]
		if bed, ok := e.One(r); ok {
			e.Place(bed, r)
			e.Free(bed, Free)
		}
		i++
	}
}

func BenchmarkObjections(b *testing.B) {
	d := rand.New(rand.NewPCG(1, 2))
	p := hospital(d, 50, 2000, 0.9)
	waiting := patients(d, 500, 50)
	rules := Default()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		Objections(p, i%len(p.Beds), &waiting[i%len(waiting)], rules)
		i++
	}
}
