package postgres

import (
	"context"
	"sync"
)

// gates let one unit of this process at a time ask the database for a lock, before it takes a connection: who waits keeps
// none from others.
type gates struct {
	mu  sync.Mutex
	all map[string]*gate
}

type gate struct {
	inside chan struct{} // one may be
	users  int
}

// pass goes through the gates of sorted keys; leave opens them again.
func (g *gates) pass(ctx context.Context, keys []string) (leave func(), err error) {
	passed := make([]*gate, 0, len(keys))
	leave = func() {
		for _, one := range passed {
			<-one.inside
		}
		g.drop(keys[:len(passed)])
	}
	for _, key := range keys {
		one := g.of(key)
		select {
		case one.inside <- struct{}{}:
			passed = append(passed, one)
		case <-ctx.Done():
			leave()
			g.drop([]string{key})
			return nil, ctx.Err()
		}
	}
	return leave, nil
}

func (g *gates) of(key string) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all == nil {
		g.all = map[string]*gate{}
	}
	one := g.all[key]
	if one == nil {
		one = &gate{inside: make(chan struct{}, 1)}
		g.all[key] = one
	}
	one.users++
	return one
}

func (g *gates) drop(keys []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, key := range keys {
		one := g.all[key]
		if one.users--; one.users == 0 {
			delete(g.all, key)
		}
	}
}
