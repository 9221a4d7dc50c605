package audit

import "context"

type heldKey struct{}

// Held keeps entries of reads back until it is known what was shown.
type Held struct{ entries []Entry }

// Hold lets Book.Read keep entries back in the context given; whoever holds them must Record or forget them before
// the answer leaves.
func Hold(ctx context.Context) (context.Context, *Held) {
	h := &Held{}
	return context.WithValue(ctx, heldKey{}, h), h
}

// Record writes what was held back.
func (h *Held) Record(ctx context.Context, log Log) error {
	ctx = context.WithValue(context.WithoutCancel(ctx), heldKey{}, (*Held)(nil))
	for _, e := range h.entries {
		if err := log.Read(ctx, e); err != nil {
			return err
		}
	}
	h.entries = nil
	return nil
}

// Plain says whether all that is held back are reads that went well.
func (h *Held) Plain() bool {
	for _, e := range h.entries {
		if e.Action != "R" || e.Outcome != "0" || e.Marked() {
			return false
		}
	}
	return true
}
