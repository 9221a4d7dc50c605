package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// put writes one resource given as JSON and returns its version.
func put(t testing.TB, s *store.Store, op store.Op, id, custodian, json string) store.Version {
	t.Helper()
	v, err := tryPut(s, store.Put{Op: op, ID: id, Custodian: custodian}, json)
	must(t, err)
	return v
}

func tryPut(s *store.Store, p store.Put, json string) (v store.Version, err error) {
	ctx := context.Background()
	if json != "" {
		n, err := fhir.Parse([]byte(json))
		if err != nil {
			return v, err
		}
		p.Type = n.Type()
		if p.Resource, err = s.Prepare(n); err != nil {
			return v, err
		}
	}
	err = s.Update(ctx, func(tx *store.Tx) error {
		v, err = tx.Put(ctx, p)
		return err
	})
	return v, err
}

// tryPutIn writes inside an open unit.
func tryPutIn(ctx context.Context, tx *store.Tx, s *store.Store, id, json string) (store.Version, error) {
	n, err := fhir.Parse([]byte(json))
	if err != nil {
		return store.Version{}, err
	}
	p, err := s.Prepare(n)
	if err != nil {
		return store.Version{}, err
	}
	return tx.Put(ctx, store.Put{Op: store.Update, Type: n.Type(), ID: id, Resource: p})
}

func read(s *store.Store, scope search.Scope, ref string) (v store.Version, err error) {
	typ, id, _ := strings.Cut(ref, "/")
	err = s.View(context.Background(), func(tx *store.Tx) error {
		v, err = tx.Read(context.Background(), scope, typ, id)
		return err
	})
	return v, err
}

func roundTrip(t *testing.T, open Open) {
	turned := clock.At(Start)
	s := open(t, store.Options{Clock: turned})
	const body = `{"resourceType":"Observation","meta":{"versionId":"77","profile":["http://x/p"],"lastUpdated":"2001-01-01T00:00:00Z"},"id":"ignored","status":"final","code":{"text":"心率 <\"\\>"},"valueQuantity":{"value":1.00,"unit":"次\n/分"}}`
	v := put(t, s, store.Create, "", "Organization/a", body)
	want := `{"resourceType":"Observation","id":"` + v.ID + `","meta":{"versionId":"1","lastUpdated":"2026-03-02T16:00:00.000+08:00","profile":["http://x/p"]},"status":"final","code":{"text":"心率 <\"\\>"},"valueQuantity":{"value":1.00,"unit":"次\n/分"}}`
	if string(v.JSON) != want {
		t.Errorf("put:\ngot  %s\nwant %s", v.JSON, want)
	}
	got, err := read(s, search.Everything, "Observation/"+v.ID)
	must(t, err)
	if string(got.JSON) != want || got.Custodian != "Organization/a" || got.VID != 1 || got.Op != store.Create || !got.Updated.Equal(Start) {
		t.Errorf("read: got %+v %s", got, got.JSON)
	}
	if len(v.ID) != 36 || strings.ToLower(v.ID) != v.ID {
		t.Errorf("id %q", v.ID)
	}
	min := put(t, s, store.Update, "only-an-id", "", `{"resourceType":"Basic"}`)
	if want := `{"resourceType":"Basic","id":"only-an-id","meta":{"versionId":"1","lastUpdated":"2026-03-02T16:00:00.000+08:00"}}`; string(min.JSON) != want || min.Op != store.Create {
		t.Errorf("got %s, op %d; want %s", min.JSON, min.Op, want)
	}
}

func versions(t *testing.T, open Open) {
	ctx := context.Background()
	turned := clock.At(Start)
	s := open(t, store.Options{Clock: turned})
	patient := func(i int) string { return fmt.Sprintf(`{"resourceType":"Patient","name":[{"text":"张%d"}]}`, i) }
	put(t, s, store.Update, "p", "Organization/a", patient(1))
	turned.Turn(time.Hour)
	if v := put(t, s, store.Update, "p", "Organization/b", patient(2)); v.VID != 2 || v.Custodian != "Organization/a" || v.Home != "Patient/p" || v.Op != store.Update {
		t.Errorf("custodian and home: got %+v", v)
	}
	for _, c := range []struct {
		name string
		put  store.Put
		json string
		want error
	}{
		{"if-match of an old version", store.Put{Op: store.Update, ID: "p", IfMatch: 1}, patient(3), store.ErrConflict},
		{"if-none-match of one that is there", store.Put{Op: store.Update, ID: "p", IfMatch: -1}, patient(3), store.ErrConflict},
		{"if-match of one that is not", store.Put{Op: store.Update, ID: "q", IfMatch: 1}, patient(3), store.ErrConflict},
		{"create of a taken id", store.Put{Op: store.Create, ID: "p"}, patient(3), store.ErrExists},
		{"delete of what was never there", store.Put{Op: store.Delete, Type: "Patient", ID: "q"}, "", store.ErrNotFound},
	} {
		if _, err := tryPut(s, c.put, c.json); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v; want %v", c.name, err, c.want)
		}
	}
	turned.Turn(time.Hour)
	_, err := tryPut(s, store.Put{Op: store.Delete, Type: "Patient", ID: "p", IfMatch: 2}, "")
	must(t, err)
	if _, err := read(s, search.Everything, "Patient/p"); !errors.Is(err, store.ErrGone) {
		t.Errorf("deleted: got %v; want ErrGone", err)
	}
	if _, err := read(s, search.Scope{Parties: []string{"Organization/x"}}, "Patient/p"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted, to a stranger: got %v; want ErrNotFound", err)
	}
	if _, err := tryPut(s, store.Put{Op: store.Delete, Type: "Patient", ID: "p"}, ""); !errors.Is(err, store.ErrGone) {
		t.Errorf("delete twice: got %v; want ErrGone", err)
	}
	if v := put(t, s, store.Update, "p", "Organization/b", patient(4)); v.VID != 4 || v.Op != store.Create || v.Custodian != "Organization/a" {
		t.Errorf("made again: got %+v; want version 4 of Organization/a", v)
	}
	must(t, s.View(ctx, func(tx *store.Tx) error {
		for vid, want := range map[int64]error{0: store.ErrNotFound, 1: nil, 2: nil, 3: store.ErrGone, 4: nil, 5: store.ErrNotFound} {
			v, err := tx.ReadVersion(ctx, search.Everything, "Patient", "p", vid)
			if !errors.Is(err, want) || err == nil && !strings.Contains(string(v.JSON), fmt.Sprintf(`张%d`, vid)) {
				t.Errorf("version %d: got %v, %s", vid, err, v.JSON)
			}
		}
		var got []string
		q := store.HistoryQuery{Type: "Patient", ID: "p", Count: 3, Scope: search.Everything}
		for {
			page, err := tx.History(ctx, q)
			if err != nil {
				return err
			}
			if page.Total != 4 {
				t.Errorf("history total: got %d; want 4", page.Total)
			}
			for _, v := range page.Matches {
				got = append(got, fmt.Sprintf("%d:%d", v.VID, v.Op))
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		if want := "[4:1 3:3 2:2 1:1]"; fmt.Sprint(got) != want {
			t.Errorf("history: got %v; want %v", got, want)
		}
		page, err := tx.History(ctx, store.HistoryQuery{Type: "Patient", At: Start.Add(90 * time.Minute), Scope: search.Everything})
		if err != nil || len(page.Matches) != 1 || page.Matches[0].VID != 2 {
			t.Errorf("history at: got %+v, %v; want version 2", page.Matches, err)
		}
		return err
	}))
	if got, want := fmt.Sprint(Log(t, s, 4)), "[Patient/p:1 Patient/p:2 Patient/p:3 Patient/p:4]"; got != want {
		t.Errorf("log: got %v; want %v", got, want)
	}
}

// Log reads the log until it has n versions: on PostgreSQL it stands still below what another
// test's transaction on the same server has begun.
func Log(t testing.TB, s *store.Store, n int) (log []string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		log = log[:0]
		must(t, s.View(t.Context(), func(tx *store.Tx) error {
			return tx.Since(t.Context(), 0, 1_000_000, func(v store.Version) error {
				log = append(log, fmt.Sprintf("%s/%s:%d", v.Type, v.ID, v.VID))
				return nil
			})
		}))
		if len(log) >= n || time.Now().After(end) {
			return log
		}
	}
}

func sameID(t *testing.T, open Open) {
	s := open(t, store.Options{})
	var wg sync.WaitGroup
	var won, lost, updated atomic.Int64
	for i := range 64 {
		wg.Add(2)
		go func() {
			defer wg.Done()
			_, err := tryPut(s, store.Put{Op: store.Create, ID: "one"}, `{"resourceType":"Patient"}`)
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, store.ErrExists):
				lost.Add(1)
			default:
				t.Error(err)
			}
		}()
		go func() {
			defer wg.Done()
			v, err := tryPut(s, store.Put{Op: store.Update, ID: "many"}, fmt.Sprintf(`{"resourceType":"Patient","name":[{"text":"%d"}]}`, i))
			if err != nil {
				t.Error(err)
			}
			updated.Add(v.VID)
		}()
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 63 {
		t.Errorf("create: got %d winners, %d losers; want 1, 63", won.Load(), lost.Load())
	}
	if updated.Load() != 64*65/2 {
		t.Errorf("update: the 64 versions are not 1 to 64, sum %d", updated.Load())
	}
}

func since(t *testing.T, open Open) {
	ctx := context.Background()
	s := open(t, store.Options{})
	const writers, each = 8, 40
	var wg sync.WaitGroup
	for w := range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range each {
				_, err := tryPut(s, store.Put{Op: store.Update, ID: fmt.Sprintf("b%d-%d", w, i%5)}, fmt.Sprintf(`{"resourceType":"Basic","code":{"text":"%d"}}`, i))
				if err != nil {
					t.Error(err)
				}
			}
		}()
	}
	done := make(chan bool)
	go func() { wg.Wait(); close(done) }()
	horizon, seen := int64(0), map[string]int64{}
	total, patience := 0, time.Now().Add(30*time.Second)
	for ended := false; ; {
		n := 0
		must(t, s.View(ctx, func(tx *store.Tx) error {
			return tx.Since(ctx, horizon, 7, func(v store.Version) error {
				if v.VID != seen[v.ID]+1 {
					t.Errorf("%s: got version %d after %d", v.ID, v.VID, seen[v.ID])
				}
				seen[v.ID] = v.VID
				horizon = v.Seq
				n++
				return nil
			})
		}))
		total += n
		if n == 0 && ended { // the log may stand still below another test's transaction: see Log
			if total >= writers*each || time.Now().After(patience) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		select {
		case <-done:
			ended = true
		default:
		}
	}
	if total != writers*each {
		t.Errorf("got %d versions from the log; want %d", total, writers*each)
	}
}

func scopeOfReads(t *testing.T, open Open) {
	ctx := context.Background()
	turned := clock.At(Start)
	s := open(t, store.Options{Clock: turned})
	put(t, s, store.Update, "org", "", `{"resourceType":"Organization","name":"某医院"}`)
	put(t, s, store.Update, "p", "Organization/a", `{"resourceType":"Patient"}`)
	put(t, s, store.Update, "o", "Organization/b", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"}}`)
	put(t, s, store.Update, "early", "Organization/b", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/later"}}`)
	put(t, s, store.Update, "ap", "Organization/z", `{"resourceType":"Appointment","status":"booked","participant":[{"actor":{"reference":"Patient/other"},"status":"accepted"},{"actor":{"reference":"Patient/p"},"status":"accepted"}]}`)
	must(t, s.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Grant(ctx, store.Grant{Patient: "Patient/p", Party: "Organization/c", Basis: "task", Class: "packet", From: Start, Until: Start.Add(time.Hour), Source: "Task/1"}); err != nil {
			return err
		}
		return tx.Grant(ctx, store.Grant{Patient: "Patient/p", Party: "Organization/d", Basis: "task", Class: "packet", Source: "Task/2"})
	}))
	check := func(scope search.Scope, ref string, want error) {
		t.Helper()
		if _, err := read(s, scope, ref); !errors.Is(err, want) {
			t.Errorf("%s to %v: got %v; want %v", ref, scope, err, want)
		}
	}
	of := func(party string) search.Scope {
		return search.Scope{Parties: []string{"Organization/none", "Organization/" + party}}
	}
	stranger := search.Scope{}
	check(stranger, "Organization/org", nil)
	check(stranger, "Patient/p", store.ErrNotFound)
	check(of("x"), "Patient/p", store.ErrNotFound)
	check(of("a"), "Patient/p", nil)
	check(of("a"), "Observation/o", store.ErrNotFound)
	check(of("b"), "Observation/o", nil)
	check(of("b"), "Patient/p", store.ErrNotFound)
	check(of("c"), "Patient/p", nil)
	check(of("c"), "Observation/o", nil)
	check(of("c"), "Observation/early", store.ErrNotFound)
	check(of("c"), "Appointment/ap", nil)
	check(search.Scope{All: true, Types: []string{"Patient"}}, "Observation/o", store.ErrNotFound)
	check(search.Everything, "Patient/later", store.ErrNotFound)
	if v, err := read(s, search.Everything, "Observation/early"); err != nil || v.Home != "Patient/later" {
		t.Errorf("home of a reference ahead: got %q, %v", v.Home, err)
	}
	turned.Turn(2 * time.Hour)
	check(of("c"), "Patient/p", store.ErrNotFound)
	check(of("d"), "Patient/p", nil)
	must(t, s.Update(ctx, func(tx *store.Tx) error { return tx.Revoke(ctx, "Task/2") }))
	check(of("d"), "Patient/p", store.ErrNotFound)
	check(of("d"), "Appointment/ap", store.ErrNotFound)
}

func deriveAndGuard(t *testing.T, open Open) {
	var trail []string
	s := open(t, store.Options{
		Derive: []store.Deriver{func(ctx context.Context, tx *store.Tx, w store.Written) error {
			before, after := "-", "-"
			if w.Before != nil {
				before = w.Before.Str("code.text")
			}
			if w.After != nil {
				after = w.After.Str("code.text")
			}
			trail = append(trail, fmt.Sprintf("%d %s>%s", w.Op, before, after))
			return tx.SetSetting(ctx, "last", after)
		}},
		Guard: []store.Guard{func(ctx context.Context, p store.Put, before *fhir.Node) error {
			if before != nil && before.Str("code.text") == "locked" && !p.ByStep {
				return fhir.Refuse(422, "business-rule", "by-step-only", "by step only", "只能按流程操作")
			}
			return nil
		}},
	})
	basic := func(text string) string { return `{"resourceType":"Basic","code":{"text":"` + text + `"}}` }
	put(t, s, store.Update, "b", "", basic("open"))
	put(t, s, store.Update, "b", "", basic("locked"))
	for _, p := range []store.Put{{Op: store.Update, ID: "b"}, {Op: store.Delete, Type: "Basic", ID: "b"}} {
		json := basic("x")
		if p.Op == store.Delete {
			json = ""
		}
		var refused *fhir.Error
		if _, err := tryPut(s, p, json); !errors.As(err, &refused) {
			t.Errorf("op %d on a locked one: got %v", p.Op, err)
		}
	}
	_, err := tryPut(s, store.Put{Op: store.Delete, Type: "Basic", ID: "b", ByStep: true}, "")
	must(t, err)
	if want := "[1 ->open 2 open>locked 3 locked>-]"; fmt.Sprint(trail) != want {
		t.Errorf("got %v; want %v", trail, want)
	}
}
