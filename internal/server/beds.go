package server

import (
	"context"

	"github.com/xinglin-health/xinglin/internal/api"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/store"
)

// raiseOfBeds tells the boards of an institution what moves its beds, by the hundred a day. Only that somebody's turn has
// come is also a notice for people.
func raiseOfBeds(ctx context.Context, tx *store.Tx, e event.Event) error {
	boards := make([]string, 0, 2*len(e.Parties))
	for _, p := range e.Parties {
		boards = append(boards, api.BedParty(p))
	}
	if e.Kind == "booking.turn" {
		boards = append(boards, e.Parties...)
	}
	e.Parties = boards
	return event.Raise(ctx, tx, e)
}

var bedNotices = []event.Template{
	{Kind: "booking.turn", Zh: "有床位可安排：候床名单中有合适的患者", En: "A bed can be given: somebody on the waiting list fits"},
}
