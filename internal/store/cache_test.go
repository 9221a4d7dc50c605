package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

func openAlone(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	o.Alone = true
	s, err := store.Open(context.Background(), ":memory:", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t testing.TB, s *store.Store, op store.Op, id, family string) {
	t.Helper()
	p := store.Put{Op: op, Type: "Patient", ID: id, Custodian: "Organization/a"}
	if op != store.Delete {
		r, err := s.Prepare(fhir.New("Patient", "id", id, "name", fhir.Arr{fhir.Obj{"family", family}}))
		if err != nil {
			t.Fatal(err)
		}
		p.Resource = r
	}
	if err := s.Update(context.Background(), func(tx *store.Tx) error { _, err := tx.Put(context.Background(), p); return err }); err != nil {
		t.Error(err)
	}
}

// A read answered from memory is never older than the last write that was acknowledged before it began.
func TestReadFromMemoryIsNeverStale(t *testing.T) {
	s := openAlone(t, store.Options{})
	ctx := context.Background()
	put(t, s, store.Create, "p", "v1")
	var acknowledged atomic.Int64
	acknowledged.Store(1)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			last := int64(0)
			for {
				select {
				case <-stop:
					return
				default:
				}
				least := acknowledged.Load()
				v, err := s.Read(ctx, search.Everything, "Patient", "p")
				if err != nil {
					t.Error(err)
					return
				}
				if v.VID < least || v.VID < last {
					t.Errorf("got version %d; want at least %d, seen %d before", v.VID, least, last)
					return
				}
				if !strings.Contains(string(v.JSON), fmt.Sprintf("%q", fmt.Sprint("v", v.VID))) {
					t.Errorf("version %d shows another body: %s", v.VID, v.JSON)
					return
				}
				last = v.VID
			}
		}()
	}
	for n := int64(2); n < 400; n++ {
		put(t, s, store.Update, "p", fmt.Sprint("v", n))
		acknowledged.Store(n)
	}
	close(stop)
	readers.Wait()
	if hits, _, _ := s.Kept(); hits == 0 {
		t.Error("no read was answered from memory; the test says nothing")
	}
}

func TestMemoryDoesNotShowADeletedResource(t *testing.T) {
	s := openAlone(t, store.Options{})
	ctx := context.Background()
	put(t, s, store.Create, "p", "a")
	for range 2 {
		if _, err := s.Read(ctx, search.Everything, "Patient", "p"); err != nil {
			t.Fatal(err)
		}
	}
	put(t, s, store.Delete, "p", "")
	if _, err := s.Read(ctx, search.Everything, "Patient", "p"); !errors.Is(err, store.ErrGone) {
		t.Errorf("got %v; want %v", err, store.ErrGone)
	}
}

// What one caller has brought into memory is not shown to another who may not see it, nor after his right has ended.
func TestMemoryDoesNotDecideWhoMaySee(t *testing.T) {
	s := openAlone(t, store.Options{})
	ctx := context.Background()
	put(t, s, store.Create, "p", "a")
	if _, err := s.Read(ctx, search.Everything, "Patient", "p"); err != nil {
		t.Fatal(err)
	}
	granted := search.Scope{Parties: []string{"Organization/b"}}
	if _, err := s.Read(ctx, granted, "Patient", "p"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a stranger: got %v; want %v", err, store.ErrNotFound)
	}
	if _, err := s.Read(ctx, search.Scope{All: true, Types: []string{"Observation"}}, "Patient", "p"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a token for another type: got %v; want %v", err, store.ErrNotFound)
	}
	must := func(fn func(tx *store.Tx) error) {
		t.Helper()
		if err := s.Update(ctx, fn); err != nil {
			t.Fatal(err)
		}
	}
	must(func(tx *store.Tx) error {
		return tx.Grant(ctx, store.Grant{Patient: "Patient/p", Party: "Organization/b", Source: "Task/1"})
	})
	hits, _, _ := s.Kept()
	if _, err := s.Read(ctx, granted, "Patient", "p"); err != nil {
		t.Errorf("with a grant: got %v; want the patient", err)
	}
	if now, _, _ := s.Kept(); now != hits+1 {
		t.Error("the read with a grant was not answered from memory")
	}
	must(func(tx *store.Tx) error { return tx.Revoke(ctx, "Task/1") })
	if _, err := s.Read(ctx, granted, "Patient", "p"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after the grant has ended: got %v; want %v", err, store.ErrNotFound)
	}
}

func TestMemoryStaysWithinItsBytes(t *testing.T) {
	const limit = 64 << 10
	s := openAlone(t, store.Options{Cache: limit})
	for i := range 300 {
		id := fmt.Sprint("p", i)
		put(t, s, store.Create, id, strings.Repeat("x", 500))
		if _, err := s.Read(context.Background(), search.Everything, "Patient", id); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, bytes := s.Kept(); bytes == 0 || bytes > limit {
		t.Errorf("got %d bytes held; want some, at most %d", bytes, limit)
	}
}
