package simulate

import (
	"context"
	"testing"
)

// BenchmarkYear plays a year of the shipped hospital under each policy.
func BenchmarkYear(b *testing.B) {
	g := &Generated{Hospital: Shipped(), Days: 365, Warmup: 90}
	w, err := g.World(1)
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range Policies {
		b.Run(p.Name, func(b *testing.B) {
			o, err := g.Hospital.Options()
			if err != nil {
				b.Fatal(err)
			}
			o.Reserve = 10
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Play(context.Background(), w, p, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
