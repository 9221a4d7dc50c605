package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/api"
	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// reviewer is the hub itself where it opens and closes cases of lines/personreview.
func reviewer(institution string) *access.Caller {
	return &access.Caller{User: "hub", Name: "系统", Role: "system", Org: institution, Institution: institution, Scope: search.Everything}
}

// deciding is a store.Deriver: what a desk decides of a pair is told to the index in the same unit, so that of two who
// decide one wins and the other is refused.
func (h *Hub) deciding(ctx context.Context, tx *store.Tx, w store.Written) error {
	if w.Type != "Task" || w.Before == nil || w.After == nil {
		return nil
	}
	if slug, code := line.LineOf(w.After); slug != api.Review || code != "pair" {
		return nil
	}
	state := line.StateOf(w.After)
	what := map[string]string{"accepted": empi.Same, "rejected": empi.Different}[state]
	if what == "" || line.StateOf(w.Before) == state {
		return nil
	}
	id, err := strconv.ParseInt(line.FactText(w.After, "pair"), 10, 64)
	if err != nil {
		return fmt.Errorf("server: Task/%s is about no pair: %w", w.ID, err)
	}
	version, err := strconv.ParseInt(line.FactText(w.After, "seen"), 10, 64)
	if err != nil { // decided without looking at the page: about the pair as it is
		pair, err := h.Index.Pair(ctx, tx, id)
		if err != nil {
			return err
		}
		version = pair.Version
	}
	_, err = h.Index.Decide(ctx, tx, id, version, what, line.FactText(w.After, "words"), empi.Caller(ctx))
	return err
}

// review keeps the cases in step with the pairs: what the index asks gets a case, and a case whose question is gone ends.
// It looks at all of them once, and then at those of which events tell.
func (h *Hub) review(ctx context.Context) error {
	if err := event.Sequence(ctx, h.Store); err != nil {
		return fmt.Errorf("server: review: %w", err)
	}
	if h.reviewed == 0 {
		var last int64
		err := h.Store.View(ctx, func(tx *store.Tx) (err error) { last, err = event.Last(ctx, tx); return err })
		if err != nil {
			return fmt.Errorf("server: review: %w", err)
		}
		if err := h.Review(ctx); err != nil {
			return err
		}
		h.reviewed = max(last, 1)
	}
	for {
		var events []event.Event
		err := h.Store.View(ctx, func(tx *store.Tx) (err error) { events, err = event.After(ctx, tx, "", h.reviewed, 500); return err })
		if err != nil {
			return fmt.Errorf("server: review: %w", err)
		}
		for _, e := range events {
			if id, err := strconv.ParseInt(e.Data["pair"], 10, 64); err == nil && (e.Kind == "person.possible" || e.Kind == "person.decided") {
				if err := h.reviewPair(ctx, id); err != nil {
					return err
				}
			}
			h.reviewed = e.Seq
		}
		if len(events) < 500 {
			return nil
		}
	}
}

// reviewPair opens or ends the case of one pair, as the pair stands now.
func (h *Hub) reviewPair(ctx context.Context, id int64) error {
	var pair empi.Pair
	var task, reason string
	err := h.Store.View(ctx, func(tx *store.Tx) (err error) {
		if task, _, err = tx.Claimed(ctx, claimOfPair, strconv.FormatInt(id, 10)); err != nil {
			return err
		}
		pair, err = h.Index.Pair(ctx, tx, id)
		var no *fhir.Error
		if errors.As(err, &no) && no.Status == 404 {
			pair, err = empi.Pair{}, nil
		}
		reason = why[pair.State]
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("server: review of pair %d: %w", id, err)
	case pair.State == empi.Open && task == "":
		return h.openReview(ctx, pair)
	case pair.State != empi.Open && task != "":
		return h.closeReview(ctx, task, reason)
	}
	return nil
}

// claimOfPair is what the open case of a pair holds.
const claimOfPair = "person-pair"

func (h *Hub) closeReview(ctx context.Context, task, reason string) error {
	params := fhir.New("Parameters", "parameter", fhir.Arr{fhir.Obj{"name", "reason", "valueString", reason}})
	_, err := h.Runner.Do(access.With(ctx, reviewer("")), line.DoCall{Task: task, Step: "obsolete", Params: params})
	var no *fhir.Error
	if err != nil && !errors.As(err, &no) { // else somebody has decided meanwhile
		return fmt.Errorf("server: review of %s: %w", task, err)
	}
	return nil
}

// Review is one whole round of review.
func (h *Hub) Review(ctx context.Context) error {
	if err := h.closeReviews(ctx); err != nil {
		return err
	}
	cursor := ""
	for {
		var pairs []empi.Pair
		next := ""
		err := h.Store.View(ctx, func(tx *store.Tx) error {
			list, more, err := h.Index.Pairs(ctx, tx, empi.PairFilter{State: empi.Open, Cursor: cursor, Count: 200})
			if err != nil {
				return err
			}
			pairs, next = pairs[:0], more
			for _, p := range list {
				task, _, err := tx.Claimed(ctx, claimOfPair, strconv.FormatInt(p.ID, 10))
				if err != nil {
					return err
				}
				if task == "" {
					pairs = append(pairs, p)
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("server: review: %w", err)
		}
		for _, p := range pairs {
			if err := h.openReview(ctx, p); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// openReview lays a pair before the desk that can compare both records: their own where one desk keeps both, that of their
// legal person, else the centre's.
func (h *Hub) openReview(ctx context.Context, p empi.Pair) error {
	var desks []string
	for _, c := range p.Custodians() {
		if d := h.Tree.Desk(c); d != "" && !slices.Contains(desks, d) {
			desks = append(desks, d)
		}
	}
	if len(desks) == 0 {
		return nil // nobody keeps them who could look
	}
	owner := desks[0]
	if len(desks) > 1 {
		if legal := h.Tree.Legal(desks[0]); legal == h.Tree.Legal(desks[1]) && h.Tree.Departments(legal) {
			owner = legal
		} else if centre := h.Tree.Level("centre"); centre != "" {
			owner = centre
		}
	}
	params := fhir.New("Parameters")
	say := func(name, value string) {
		if value != "" {
			params.Add("parameter", fhir.Obj{"name", name, "valueString", value})
		}
	}
	say("pair", strconv.FormatInt(p.ID, 10))
	say("score", strconv.FormatFloat(p.Score, 'f', 1, 64))
	say("bar", p.Bar)
	params.Add("parameter", fhir.Obj{"name", "owner", "valueReference", fhir.Ref(owner, "")})
	for _, d := range desks {
		params.Add("parameter", fhir.Obj{"name", "hospital", "valueReference", fhir.Ref(d, "")})
	}
	_, err := h.Runner.Start(access.With(ctx, reviewer(owner)), line.StartCall{Line: api.Review, Flow: "pair", Params: params})
	var no *fhir.Error
	if errors.As(err, &no) { // 409: another process was faster; else one pair must not hold up the others
		if no.Status != 409 {
			h.Log.Error("review", "pair", p.ID, "error", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("server: review of pair %d: %w", p.ID, err)
	}
	return nil
}

// closeReviews ends the cases whose question is gone.
func (h *Hub) closeReviews(ctx context.Context) error {
	hub := reviewer("")
	cursor := ""
	for {
		type ended struct{ task, why string }
		var over []ended
		next := ""
		err := h.Store.View(ctx, func(tx *store.Tx) error {
			over = over[:0]
			list, err := h.Runner.Worklist(ctx, tx, hub, line.Filter{View: line.In, Line: api.Review, Flow: "pair", Count: 200, Cursor: cursor})
			if err != nil {
				return err
			}
			next = list.Next
			for _, c := range list.Cases {
				if c.Kind != flow.Open {
					continue
				}
				v, err := tx.Read(ctx, search.Everything, "Task", c.Task[len("Task/"):])
				if err != nil {
					return err
				}
				task, err := fhir.Parse(v.JSON)
				if err != nil {
					return err
				}
				id, err := strconv.ParseInt(line.FactText(task, "pair"), 10, 64)
				if err != nil {
					continue
				}
				pair, err := h.Index.Pair(ctx, tx, id)
				var no *fhir.Error
				if errors.As(err, &no) && no.Status == 404 {
					over = append(over, ended{c.Task, why[""]})
				} else if err != nil {
					return err
				} else if pair.State != empi.Open {
					over = append(over, ended{c.Task, why[pair.State]})
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("server: review: %w", err)
		}
		for _, o := range over {
			if err := h.closeReview(ctx, o.task, o.why); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		if len(over) == 0 { // what has ended has left the list
			cursor = next
		}
	}
}

// why a case ends without anybody's decision, by the state of its pair.
var why = map[string]string{
	empi.Linked:   "记录已更正，主索引已确认为同一人",
	empi.Settled:  "已在别处作出决定",
	empi.Obsolete: "记录已更正，不再疑似",
	empi.Covered:  "同两人的另一对记录正在核对或已核对",
	"":            "记录已不存在",
}

// personNotices: who read two records as one person's, and they were none, is told himself.
var personNotices = []event.Template{
	{Kind: "person.unlinked", Zh: "您看过的两份合并记录已被分开：它们不是同一人，请核对您据此作出的判断", En: "Two records that you read as one person's were taken apart; please look again at what you concluded"},
}
