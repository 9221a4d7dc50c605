package empi_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/empi/people"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/keys"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// population is n records of fewer persons, each as a one.
func population(n int) (list []one) {
	i := 0
	for r := range people.Make(people.Options{Records: n, Seed: 7, Hospitals: 4, Today: storetest.Start}) {
		i++
		id := fmt.Sprint("p", i)
		list = append(list, one{id: id, org: "Organization/" + r.Org, whole: r.Patient(id, "Organization/"+r.Org)})
	}
	return list
}

// putAll writes records in a few units.
func putAll(s *store.Store, list []one) error {
	for some := range slices.Chunk(list, 50) {
		err := s.Update(ctx, func(tx *store.Tx) error {
			for _, p := range some {
				if _, err := tx.Put(ctx, store.Put{Op: store.Update, Type: "Patient", ID: p.id, Custodian: p.org, Resource: store.Prepared{Node: p.node()}}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// spoken is what somebody says in the middle of it all.
type spoken struct{ left, right, what string }

// TestTheOrderDoesNotMatter: the same records, corrections and decisions in any order, matched at any moment, by an index that
// is killed in between, give the same persons and the same questions.
func TestTheOrderDoesNotMatter(t *testing.T) {
	rounds := 4
	if os.Getenv("XINGLIN_ALL") != "" {
		rounds = 60
	}
	records := population(150)
	// some are wrong first and corrected later
	first := map[string]one{}
	for i := 0; i < len(records); i += 9 {
		wrong := records[i]
		wrong.whole = records[(i+40)%len(records)].node().Set("id", wrong.id)
		first[wrong.id] = wrong
	}
	base := newWorld(t, storetest.Memory)
	base.put(records...)
	var said []spoken
	dice := rand.New(rand.NewPCG(1, 2))
	for i, p := range base.pairs(empi.PairFilter{Count: 500}) {
		switch i % 5 {
		case 0:
			said = append(said, spoken{p.Left.Patient, p.Right.Patient, empi.Different})
		case 1:
			said = append(said, spoken{p.Left.Patient, p.Right.Patient, empi.Same})
		}
	}
	for range 6 {
		a, b := dice.IntN(len(records)), dice.IntN(len(records))
		if a != b {
			said = append(said, spoken{"Patient/" + records[a].id, "Patient/" + records[b].id, empi.Same})
		}
	}
	if len(said) < 12 || base.together() == "" || base.asked() == "" {
		t.Fatalf("got %d decisions, %q, %q; want a world with something of everything", len(said), base.together(), base.asked())
	}
	want, wanted := "", ""
	for round := range rounds {
		dice := rand.New(rand.NewPCG(uint64(round), 3))
		w := newWorld(t, storetest.Memory)
		type act func()
		var acts []act
		known := map[string]bool{}
		ready := map[string]bool{}
		var wait []spoken
		try := func() {
			wait = slices.DeleteFunc(wait, func(s spoken) bool {
				if !ready[s.left] || !ready[s.right] {
					return false
				}
				w.settle()
				w.update(func(tx *store.Tx) error { return ruled(w.x, tx, s) })
				return true
			})
		}
		for _, p := range records {
			acts = append(acts, func() {
				if wrong, ok := first[p.id]; ok && !known[p.id] {
					known[p.id] = true
					if err := put(w.s, wrong); err != nil {
						t.Fatal(err)
					}
					return
				}
				known[p.id], ready["Patient/"+p.id] = true, true
				if err := put(w.s, p); err != nil {
					t.Fatal(err)
				}
				try()
			})
			if _, twice := first[p.id]; twice {
				acts = append(acts, acts[len(acts)-1])
			}
		}
		for _, s := range said {
			acts = append(acts, func() { wait = append(wait, s); try() })
		}
		dice.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
		for _, a := range acts {
			a()
			switch dice.IntN(12) {
			case 0:
				w.settle()
			case 1:
				w.begin() // killed and started again
			case 2:
				some, stop := context.WithCancel(ctx) // killed in the midst of it
				time.AfterFunc(time.Duration(dice.IntN(3000))*time.Microsecond, stop)
				w.x.Settle(some)
				stop()
			}
		}
		w.settle()
		together, asked := w.together(), w.questions()
		if round == 0 {
			want, wanted = together, asked
		}
		if together != want {
			t.Fatalf("round %d: %s", round, differ(together, want))
		}
		if asked != wanted {
			t.Fatalf("round %d: questions: %s", round, differ(asked, wanted))
		}
	}
}

func ruled(x *empi.Index, tx *store.Tx, s spoken) error {
	if s.what == empi.Same {
		_, err := x.Link(ctx, tx, s.left, s.right, "同一人", clerk)
		return err
	}
	_, err := x.Part(ctx, tx, s.left, s.right, "不同人", clerk)
	return err
}

// questions are the open pairs, without why: a conflict depends on when the record was corrected.
func (w *world) questions() string {
	var all []string
	for _, p := range w.pairs(empi.PairFilter{State: empi.Open, Count: 500}) {
		if p.Why != empi.WhyConflict {
			all = append(all, p.Left.Patient+"?"+p.Right.Patient)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func differ(got, want string) string {
	g, w := strings.Fields(got), strings.Fields(want)
	var b strings.Builder
	for _, x := range g {
		if !slices.Contains(w, x) {
			b.WriteString("\n\t+ " + x)
		}
	}
	for _, x := range w {
		if !slices.Contains(g, x) {
			b.WriteString("\n\t- " + x)
		}
	}
	return b.String()
}

// TestManyClientsAsOne: 32 clients who send records of the same persons at once give the persons that one client gives.
func TestManyClientsAsOne(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		records := population(320)
		alone := newWorld(t, storetest.Memory)
		if err := putAll(alone.s, records); err != nil {
			t.Fatal(err)
		}
		alone.settle()
		want, asked := alone.together(), alone.questions()

		w := newWorld(t, open)
		running, stop := context.WithCancel(ctx)
		var follower, clients sync.WaitGroup
		for range 2 { // two processes, killed and started again all the time
			follower.Go(func() {
				for running.Err() == nil {
					x := empi.New(empi.Options{Clock: w.clock})
					if err := x.Open(ctx, w.s, nil, nil); err != nil {
						t.Error(err)
						return
					}
					some, end := context.WithTimeout(running, 30*time.Millisecond)
					x.Settle(some)
					end()
				}
			})
		}
		for c := range 32 {
			clients.Go(func() {
				for i := c; i < len(records); i += 32 {
					if err := put(w.s, records[i]); err != nil {
						t.Error(err)
					}
				}
			})
		}
		clients.Wait()
		stop()
		follower.Wait()
		w.settle()
		if got := w.together(); got != want {
			t.Errorf("%s", differ(got, want))
		}
		if got := w.questions(); got != asked {
			t.Errorf("questions: %s", differ(got, asked))
		}
	})
}

// TestNothingLiesInPlain: whoever steals the file reads no name, number, phone or address in it.
func TestNothingLiesInPlain(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprint("sealed=", sealed), func(t *testing.T) {
			dir := t.TempDir()
			o := store.Options{Migrations: slices.Concat(event.Migrations, empi.Migrations)}
			if sealed {
				file := filepath.Join(t.TempDir(), "master.key")
				if err := keys.MakeFile(file); err != nil {
					t.Fatal(err)
				}
				o.Sealing = &store.Sealing{Algorithm: keys.SM4, Master: func(context.Context, bool) (keys.Master, error) { return keys.OpenMaster("file:"+file, keys.SM4) }}
			}
			s, err := store.Open(ctx, "file:"+dir, o)
			if err != nil {
				t.Fatal(err)
			}
			x := empi.New(empi.Options{})
			if err := x.Open(ctx, s, nil, nil); err != nil {
				t.Fatal(err)
			}
			second := changed(meng("2", centre), func(p *one) { p.number = other })
			for _, p := range []one{meng("1", county), second, meng("3", centre)} {
				if err := put(s, p); err != nil {
					t.Fatal(err)
				}
			}
			if err := x.Settle(ctx); err != nil {
				t.Fatal(err)
			}
			var kept []byte
			n := 0
			err = s.View(ctx, func(tx *store.Tx) error {
				for _, query := range []string{`SELECT patient, org, keys, body FROM empi_record`, `SELECT state, why, bar, bar FROM empi_pair`, `SELECT patient, other, what, why FROM empi_log`} {
					err := tx.Query(ctx, query, nil, func(scan func(...any) error) error {
						var a, b string
						var c, d []byte
						n++
						err := scan(&a, &b, &c, &d)
						kept = slices.Concat(kept, []byte(a), []byte(b), c, d)
						return err
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil || n < 7 {
				t.Fatalf("got %d rows, %v; want records, pairs and a link", n, err)
			}
			s.Close()
			files := kept
			if sealed { // names are searched by their letters, and stand in the store's index of them
				for _, name := range []string{"xinglin.db", "xinglin.db-wal"} {
					file, _ := os.ReadFile(filepath.Join(dir, name))
					files = slices.Concat(files, file)
				}
			}
			for _, plain := range []string{number, other, number[6:14], "15124298289", "和平里"} {
				if bytes.Contains(files, []byte(plain)) {
					t.Errorf("the database holds %s", plain)
				}
			}
			for _, plain := range []string{"孟小茹", "孟", "mengxiaoru", "1961"} {
				if bytes.Contains(kept, []byte(plain)) {
					t.Errorf("the index keeps %s in plain", plain)
				}
			}
		})
	}
}

// TestKeptRecordsComeBackWhole: every field that is compared survives being kept.
func TestKeptRecordsComeBackWhole(t *testing.T) {
	empi.RoundTrip(t)
}

// TestCrowdsDoNotDependOnWhoCameFirst: what shares a key with too many is not compared by it, whether it came before or after them.
func TestCrowdsDoNotDependOnWhoCameFirst(t *testing.T) {
	empi.Bounds(t, 4, 9)
	records := population(150)
	for i := range 14 { // one name and birthday, little else
		records = append(records, one{id: fmt.Sprint("n", i), org: county, name: "李伟", sex: "male", birth: "1980-01-01", phone: fmt.Sprint("1390000000", i%3)})
	}
	at, at2 := newWorld(t, storetest.Memory), ""
	if err := putAll(at.s, records); err != nil {
		t.Fatal(err)
	}
	at.settle()
	at2 = at.together() + " | " + at.questions()
	for round := range 4 {
		dice := rand.New(rand.NewPCG(uint64(round), 5))
		w := newWorld(t, storetest.Memory)
		order := dice.Perm(len(records))
		for _, i := range order {
			w.put(records[i])
		}
		if got := w.together() + " | " + w.questions(); got != at2 {
			t.Fatalf("round %d: %s", round, differ(got, at2))
		}
		// many more come and go again
		for i := range 12 {
			w.put(one{id: fmt.Sprint("x", i), org: county, name: "李伟", sex: "male", birth: "1980-01-01"})
		}
		for i := range 12 {
			w.delete(fmt.Sprint("x", i))
		}
		if got := w.together() + " | " + w.questions(); got != at2 {
			t.Fatalf("round %d, after many had come and gone: %s", round, differ(got, at2))
		}
	}
}

// TestTheLiveIndexDecidesAsABatch: what follows the log gives the persons that one look at the whole file gives.
func TestTheLiveIndexDecidesAsABatch(t *testing.T) {
	records := population(1500)
	w := newWorld(t, storetest.Memory)
	if err := putAll(w.s, records); err != nil {
		t.Fatal(err)
	}
	w.settle()
	var ready []*match.Ready
	for _, p := range records {
		r := empi.FromPatient(p.node(), p.org)
		ready = append(ready, match.Prepare(&r))
	}
	res, err := match.Batch{Fixed: true}.Run(ctx, ready)
	if err != nil {
		t.Fatal(err)
	}
	by := map[int][]string{}
	for i, first := range res.Person {
		by[first] = append(by[first], records[i].id)
	}
	var all []string
	for _, list := range by {
		if len(list) > 1 {
			slices.Sort(list)
			all = append(all, strings.Join(list, "+"))
		}
	}
	slices.Sort(all)
	if got, want := w.together(), strings.Join(all, " "); got != want {
		t.Errorf("%s", differ(got, want))
	}
}
