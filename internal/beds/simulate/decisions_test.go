package simulate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

// decisions of a play, in their order, as one hash.
func decisions(t *testing.T, w *World, p Policy, o Options) (sum string, n int) {
	t.Helper()
	h := sha256.New()
	o.Each = func(at time.Duration, what string, who, bed int) {
		n++
		fmt.Fprintln(h, int64(at), what, who, bed)
	}
	if _, err := Play(context.Background(), w, p, o); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), n
}

// Whoever makes the simulation faster changes no decision: who gets which bed, and when, is what it was when these were
// written down. A rule, a weight or the shipped hospital that is changed on purpose changes them: -v prints the new ones.
func TestDecisionsAreWhatTheyWere(t *testing.T) {
	check := func(name string, w *World, p Policy, o Options, want string) {
		t.Helper()
		got, n := decisions(t, w, p, o)
		t.Logf("%q: %q, // %d", name, got, n)
		if got != want {
			t.Errorf("%s: %d decisions, %s; want %s", name, n, got, want)
		}
	}
	g := &Generated{Hospital: Shipped(), Days: 120, Warmup: 20}
	for _, c := range []struct {
		name   string
		change func(*Options)
	}{
		{"as shipped", func(*Options) {}},
		{"home again, own ward first, reserve", func(o *Options) { o.Home, o.OwnFirst, o.Reserve = true, 6*time.Hour, 10 }},
		{"few wait", func(o *Options) {
			o.Patience, o.Most = map[allocate.Urgency]time.Duration{allocate.Elective: 0, allocate.Urgent: 12 * time.Hour}, 20
		}},
	} {
		w, err := g.World(11)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range Policies {
			o, err := g.Hospital.Options()
			if err != nil {
				t.Fatal(err)
			}
			c.change(&o)
			name := c.name + ", " + p.Name
			check(name, w, p, o, decided[name])
		}
	}
	mimic, _ := mimic(t) // skips where the data are not here
	for _, set := range []struct {
		name  string
		stays []Stay
	}{{"mimic3", mimic}, {"eicu", eicu(t)}} {
		rec, err := NewRecorded(set.stays, nil)
		if err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(3) {
			w, err := rec.World(seed)
			if err != nil {
				t.Fatal(err)
			}
			few := *w
			few.Pool.Beds = append([]allocate.Bed(nil), w.Pool.Beds...)
			for b := range few.Pool.Beds { // a third of the beds is gone, so that some have to wait
				if b%3 == 0 {
					few.Pool.Beds[b].State = allocate.Closed
				}
			}
			for _, p := range Policies {
				name := fmt.Sprint(set.name, " ", seed, ", ", p.Name)
				check(name, &few, p, Options{Cleaning: 45 * time.Minute, Home: seed == 1}, decided[name])
			}
		}
	}
}

// decided: the decisions of the first version of the simulation.
var decided = map[string]string{
	"as shipped, own":                                 "a03033d39c8a373def4a8afa", // 10944
	"as shipped, neighbours":                          "ff92a26f4d1423a8d88a10a4", // 10944
	"as shipped, pool":                                "fe9406963874420989328e93", // 10944
	"as shipped, weighted":                            "a2f32b1c669715370721dcbb", // 10944
	"home again, own ward first, reserve, own":        "26482ce5cb7cd83ab8500026", // 10944
	"home again, own ward first, reserve, neighbours": "25697a552da2e88e367b7e03", // 15092
	"home again, own ward first, reserve, pool":       "5ceef5b56996ec0443865b32", // 16216
	"home again, own ward first, reserve, weighted":   "11f1f794a5ae056355d36890", // 14762
	"few wait, own":                                   "752ba715e3d95180928a326d", // 10943
	"few wait, neighbours":                            "8ce57436d0856fb0aff139a2", // 10943
	"few wait, pool":                                  "24a6704f243fb92eabc050c3", // 10943
	"few wait, weighted":                              "7725d0aa157fd553ba2be2c5", // 10943
	"mimic3 0, own":                                   "025b3f8d27dd2a330d147800", // 212
	"mimic3 0, neighbours":                            "fe0e707030ea69548525b819", // 215
	"mimic3 0, pool":                                  "3a2d2bb43c2ca3ac3ba98076", // 215
	"mimic3 0, weighted":                              "4b137a852f12f62e12a0786d", // 215
	"mimic3 1, own":                                   "5720864f023191ac266d3460", // 247
	"mimic3 1, neighbours":                            "fdd1822d3be6aaeac9d12edc", // 327
	"mimic3 1, pool":                                  "a531dd18945559711a2d2457", // 338
	"mimic3 1, weighted":                              "90693b083ad1f87b4b9083c8", // 337
	"mimic3 2, own":                                   "4b3190d8c730e6b560450506", // 183
	"mimic3 2, neighbours":                            "4228e4442f6b832737f2f792", // 186
	"mimic3 2, pool":                                  "863a17b3c1a2769a749c675c", // 186
	"mimic3 2, weighted":                              "5875845b5a74c8e2ce760a3b", // 186
	"eicu 0, own":                                     "579b1a9d66aa7a34173e3a62", // 1319
	"eicu 0, neighbours":                              "579b1a9d66aa7a34173e3a62", // 1319
	"eicu 0, pool":                                    "579b1a9d66aa7a34173e3a62", // 1319
	"eicu 0, weighted":                                "579b1a9d66aa7a34173e3a62", // 1319
	"eicu 1, own":                                     "48ecf79c602f41d3ab5ca946", // 1318
	"eicu 1, neighbours":                              "48ecf79c602f41d3ab5ca946", // 1318
	"eicu 1, pool":                                    "48ecf79c602f41d3ab5ca946", // 1318
	"eicu 1, weighted":                                "48ecf79c602f41d3ab5ca946", // 1318
	"eicu 2, own":                                     "6e461a705ec677373333a177", // 1304
	"eicu 2, neighbours":                              "6e461a705ec677373333a177", // 1304
	"eicu 2, pool":                                    "6e461a705ec677373333a177", // 1304
	"eicu 2, weighted":                                "6e461a705ec677373333a177", // 1304
}
