package whatif

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/beds/simulate"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Job is the kind of this room's jobs; the key is simulation/step.
const Job = "beds-whatif"

const (
	tries  = 6
	breaks = 5 // pieces begun in a row and never saved: it brings the program down, or outlasts it
)

// Work is how the jobs are done: a piece at a time, so that those of others have their turn between. A piece is
// saved when it ends; one that was cut off is played again, here or by another process, and comes out the same.
func (r *Room) Work() job.Work {
	return job.Work{Call: r.piece, Tries: tries, Wait: 5 * time.Second, Lease: 20 * time.Second}
}

func (r *Room) piece(ctx context.Context, j job.Job) error {
	id, step, _ := strings.Cut(j.Key, "/")
	var one *Simulation
	err := r.Store.Update(ctx, func(tx *store.Tx) error {
		one = nil
		all, err := list(ctx, tx, `WHERE id = ? AND ended = 0`, id)
		if err != nil || len(all) == 0 || fmt.Sprint(all[0].step) != step {
			return err // ended, or done by another
		}
		one = all[0]
		_, err = tx.Exec(ctx, `UPDATE beds_whatif SET state = ?, tries = tries + 1 WHERE id = ? AND ended = 0`, Running, id)
		return err
	})
	if err != nil || one == nil {
		return err
	}
	if one.tries >= breaks {
		return r.fail(ctx, one, "计算多次中断，已停止", "it broke off several times and was stopped")
	}
	err = r.advance(ctx, one)
	if err == nil || ctx.Err() != nil || j.Attempts+1 < tries && !errors.Is(err, errPlay) {
		return err
	}
	r.Log.Error("beds/whatif: failed", "simulation", id, "error", err)
	return r.fail(ctx, one, "计算失败", "it failed")
}

// errPlay: it would fail again in the same way.
var errPlay = errors.New("beds/whatif: cannot be played")

// advance plays for a while and saves what came out.
func (r *Room) advance(around context.Context, one *Simulation) (err error) {
	ctx, stop := context.WithCancel(around)
	defer stop()
	r.mu.Lock()
	r.stops[one.ID] = stop
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.stops, one.ID)
		r.mu.Unlock()
	}()
	h, err := r.atHand(ctx, one)
	if err != nil {
		return err
	}
	begun := time.Now()
	var cells [][]byte
	at := one.Done
	for ; at < one.Of && (at == one.Done || time.Since(begun) < r.Slice); at++ {
		cell, err := h.playOne(ctx, at)
		if err != nil && ctx.Err() != nil && around.Err() == nil {
			return nil // its asker has stopped it
		}
		if err != nil {
			return err
		}
		cells = append(cells, cell)
	}
	return r.save(around, one, h, at, cells)
}

// playOne plays one; what brings the simulation down does not bring the hub down.
func (h *hand) playOne(ctx context.Context, play int) (cell []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPlay, p)
		}
	}()
	if h.world == nil || !h.experiment.Shared(h.play, play) {
		if h.world, err = h.experiment.World(play); err != nil {
			return nil, fmt.Errorf("%w: %w", errPlay, err)
		}
		h.play = play
	}
	c, err := h.experiment.Play(ctx, h.world, play)
	if err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", errPlay, err)
		}
		return nil, err
	}
	if cell, err = json.Marshal(c); err != nil {
		return nil, fmt.Errorf("%w: %w", errPlay, err)
	}
	return cell, nil
}

// atHand gives what the simulation is played with, made again where another process has been at it.
func (r *Room) atHand(ctx context.Context, one *Simulation) (*hand, error) {
	r.mu.Lock()
	h := r.table[one.ID]
	r.mu.Unlock()
	if h != nil {
		h.used = time.Now()
		return h, nil
	}
	h = &hand{used: time.Now()}
	var past *beds.Past
	if one.Asked.Source == "history" {
		var input []byte
		err := r.Store.View(ctx, func(tx *store.Tx) error {
			var box []byte
			err := tx.Query(ctx, `SELECT input FROM beds_whatif WHERE id = ?`, []any{one.ID}, func(scan func(...any) error) error { return scan(&box) })
			if err != nil || len(box) == 0 {
				return err
			}
			input, err = tx.OpenBox(ctx, box, about(one.ID))
			return err
		})
		if err != nil || len(input) == 0 {
			return nil, err
		}
		past = &beds.Past{}
		if err := unpack(input, past); err != nil {
			return nil, fmt.Errorf("%w: %w", errPlay, err)
		}
	}
	var err error
	if h.experiment, _, _, err = one.Asked.experiment(past); err != nil {
		return nil, fmt.Errorf("%w: %w", errPlay, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.table) >= mostAtHand {
		oldest := ""
		for id, x := range r.table {
			if oldest == "" || x.used.Before(r.table[oldest].used) {
				oldest = id
			}
		}
		delete(r.table, oldest)
	}
	r.table[one.ID] = h
	return h, nil
}

// save keeps what was played and goes on, or puts the report together. What somebody else has saved, or stopped, stays.
func (r *Room) save(ctx context.Context, one *Simulation, h *hand, at int, cells [][]byte) error {
	over := at == one.Of
	var report []byte
	if over {
		var err error
		if report, err = r.report(ctx, one, h, cells); err != nil {
			return err
		}
	}
	err := r.Store.Update(ctx, func(tx *store.Tx) error {
		state, ended := Running, int64(0)
		if over {
			state, ended = Done, tx.Now().UnixMicro()
		}
		n, err := tx.Exec(ctx, `UPDATE beds_whatif SET state = ?, ended = ?, done = ?, step = step + 1, tries = 0 WHERE id = ? AND step = ? AND ended = 0`,
			state, ended, int64(at), one.ID, one.step)
		if err != nil || n == 0 {
			return err
		}
		if over {
			if _, err := tx.Exec(ctx, `UPDATE beds_whatif SET report = ?, input = ? WHERE id = ?`, report, []byte{}, one.ID); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `DELETE FROM beds_whatif_play WHERE simulation = ?`, one.ID)
			return err
		}
		for i, cell := range cells {
			if _, err := tx.Exec(ctx, `INSERT INTO beds_whatif_play (simulation, n, cell) VALUES (?, ?, ?)`, one.ID, int64(one.Done+i), cell); err != nil {
				return err
			}
		}
		return job.Enqueue(ctx, tx, Job, fmt.Sprintf("%s/%d", one.ID, one.step+1), time.Time{}, nil)
	})
	if err != nil {
		return fmt.Errorf("beds/whatif: save: %w", err)
	}
	if over {
		r.drop(one.ID)
	}
	return nil
}

// report puts together what was saved and what was played last.
func (r *Room) report(ctx context.Context, one *Simulation, h *hand, last [][]byte) ([]byte, error) {
	boxes := make([][]byte, 0, one.Of)
	err := r.Store.View(ctx, func(tx *store.Tx) error {
		boxes = boxes[:0]
		return tx.Query(ctx, `SELECT cell FROM beds_whatif_play WHERE simulation = ? ORDER BY n`, []any{one.ID}, func(scan func(...any) error) error {
			var b []byte
			err := scan(&b)
			boxes = append(boxes, append([]byte(nil), b...))
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("beds/whatif: report: %w", err)
	}
	if boxes = append(boxes, last...); len(boxes) != one.Of {
		return nil, fmt.Errorf("%w: %d of %d plays are here", errPlay, len(boxes), one.Of)
	}
	cells := make([]*simulate.Cell, one.Of)
	for i, b := range boxes {
		if err := json.Unmarshal(b, &cells[i]); err != nil {
			return nil, fmt.Errorf("%w: %w", errPlay, err)
		}
	}
	first := h.world
	if !h.experiment.Shared(h.play, 0) {
		if first, err = h.experiment.World(0); err != nil {
			return nil, fmt.Errorf("%w: %w", errPlay, err)
		}
	}
	return pack(h.experiment.Report(first, cells))
}

func (r *Room) fail(ctx context.Context, one *Simulation, zh, en string) error {
	err := r.Store.Update(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE beds_whatif SET state = ?, ended = ?, wrong_zh = ?, wrong_en = ?, input = ? WHERE id = ? AND ended = 0`, Failed, tx.Now().UnixMicro(), zh, en, []byte{}, one.ID)
		if err != nil || n == 0 {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM beds_whatif_play WHERE simulation = ?`, one.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("beds/whatif: fail: %w", err)
	}
	r.drop(one.ID)
	return nil
}
