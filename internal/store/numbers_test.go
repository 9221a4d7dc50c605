package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// A unit whose queued statement waits for another's row keeps no numbers from that other one: the next block of them is
// drawn beside what is queued.
func TestNumbersAreDrawnWhileAUnitWaits(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := store.Open(ctx, storetest.PostgresURL(t), store.Options{Migrations: []store.Migration{{Name: "test/0001_gate",
		SQLite: "CREATE TABLE gate (id INTEGER PRIMARY KEY, n INTEGER)", Postgres: "CREATE TABLE gate (id BIGINT PRIMARY KEY, n BIGINT)"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(tx *store.Tx) error {
		p, err := s.Prepare(fhir.New("Basic"))
		if err != nil {
			return err
		}
		_, err = tx.Put(ctx, store.Put{Op: store.Create, Type: "Basic", Resource: p})
		return err
	}
	if err := s.Update(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, "INSERT INTO gate VALUES (1, 0)"); return err }); err != nil {
		t.Fatal(err)
	}
	const pass = "UPDATE gate SET n = n + 1 WHERE id = 1"
	closed, second := make(chan struct{}), make(chan error, 1)
	go func() {
		<-closed
		second <- s.Update(ctx, func(tx *store.Tx) error {
			if err := tx.Queue(ctx, pass); err != nil {
				return err
			}
			return put(tx)
		})
	}()
	err = s.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, pass); err != nil {
			return err
		}
		close(closed)
		for waits := false; !waits; {
			err := s.View(ctx, func(tx *store.Tx) error {
				return tx.Query(ctx, "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'", nil, func(scan func(...any) error) error { return scan(&waits) })
			})
			if err != nil {
				return err
			}
		}
		return put(tx)
	})
	if err != nil {
		t.Fatalf("who is waited for: %v", err)
	}
	if err := <-second; err != nil {
		t.Fatalf("who waited: %v", err)
	}
}
