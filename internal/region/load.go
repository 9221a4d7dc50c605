package region

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/store"
)

// unit is how many resources are written in one durable unit.
const unit = 400

// Load writes registers and records; progress is called with the resources written so far and may be nil.
// The database must be new: the resources keep their own ids.
func (r *Region) Load(ctx context.Context, s *store.Store, progress func(written int)) error {
	written := 0
	g, ctx := errgroup.WithContext(ctx)
	raw, ready := make(chan []Record, 4), make(chan chan []store.Put, 4)
	g.Go(func() error {
		defer close(raw)
		var batch []Record
		send := func(all bool) error {
			if len(batch) == 0 || len(batch) < unit && !all {
				return nil
			}
			select {
			case raw <- batch:
				batch = nil
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := r.Registers(func(rec Record) error { batch = append(batch, rec); return nil }); err != nil {
			return err
		}
		if err := send(true); err != nil { // organisations are there before what belongs to them
			return err
		}
		if err := r.Records(func(_ *Patient, recs []Record) error { batch = append(batch, recs...); return send(false) }); err != nil {
			return err
		}
		return send(true)
	})
	g.Go(func() error { // two batches are made ready while one is written, in order
		defer close(ready)
		for batch := range raw {
			done := make(chan []store.Put, 1)
			select {
			case ready <- done:
			case <-ctx.Done():
				return ctx.Err()
			}
			g.Go(func() error {
				puts := make([]store.Put, 0, len(batch))
				for _, rec := range batch {
					prepared, err := store.Prepare(rec.Node)
					if err != nil {
						close(done)
						return fmt.Errorf("region: prepare %s/%s: %w", rec.Node.Type(), rec.Node.ID(), err)
					}
					puts = append(puts, store.Put{Op: store.Update, Type: rec.Node.Type(), ID: rec.Node.ID(), Resource: prepared, IfMatch: -1, Custodian: rec.Custodian})
				}
				done <- puts
				return nil
			})
		}
		return nil
	})
	g.Go(func() error {
		for done := range ready {
			puts, ok := <-done
			if !ok {
				return nil
			}
			err := s.Update(ctx, func(tx *store.Tx) error {
				for _, p := range puts {
					if _, err := tx.Put(ctx, p); err != nil {
						return fmt.Errorf("region: write %s/%s: %w", p.Type, p.ID, err)
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			written += len(puts)
			if progress != nil {
				progress(written)
			}
		}
		return nil
	})
	return g.Wait()
}

// AddAccounts gives the demo accounts their password, and every other person of the staff an account that
// nobody can log in to yet: an administrator resets it.
func (r *Region) AddAccounts(ctx context.Context, s *identity.Service) error {
	known := map[*Person]bool{}
	var users []identity.NewUser
	add := func(username, hash string, p *Person) {
		n := identity.NewUser{ID: p.ID, Username: username, Name: p.Name, Practitioner: p.Ref(), Hash: hash}
		if p.Role == access.Administrator || p.Role == access.Auditor { // all other roles follow from the register
			n.Roles = []identity.Role{{Role: p.Role, Org: p.Org()}}
		}
		users = append(users, n)
	}
	hash := s.Hash(DemoPassword)
	for _, a := range r.Accounts {
		known[a.Person] = true
		add(a.Username, hash, a.Person)
	}
	for _, p := range r.Staff {
		if !known[p] {
			add(p.ID, "!", p)
		}
	}
	return s.AddUsers(ctx, users)
}
