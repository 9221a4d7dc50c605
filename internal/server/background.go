package server

import (
	"context"
	"errors"
	"time"
)

// background runs work until the hub closes, which waits for it.
func (h *Hub) background(ctx context.Context, what string, work func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := work(ctx); err != nil && !errors.Is(err, context.Canceled) {
				h.Log.Error("background", "what", what, "error", err)
			}
			select { // what ended early is begun again
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}()
	h.onClose(what, func() error {
		cancel()
		select {
		case <-done:
			return nil
		case <-time.After(patience):
			return errors.New("still at work")
		}
	})
}

// every repeats work; an error ends it, so that background reports it and begins again.
func every(pause time.Duration, work func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			if err := work(ctx); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	}
}
