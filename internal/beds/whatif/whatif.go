// Package whatif plays the simulations that people asked for, piece by piece in the background, so that none is lost.
package whatif

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/beds/simulate"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Options of New. Store and Past must be given.
type Options struct {
	Store *store.Store
	Past  Past
	Audit audit.Log // nil = none, for tests
	Log   *slog.Logger
	Clock clock.Clock   // nil = the machine's
	Slice time.Duration // how long one piece is played, at least one play; 0 = 2 s
}

// Room keeps what was asked and what came out.
type Room struct {
	Options
	mu    sync.Mutex
	table map[string]*hand  // what this process has at hand of simulations that go on
	stops map[string]func() // of those that are being played here
}

// New makes the room. Give Work to the jobs, Sweep to the hourly work.
func New(o Options) *Room {
	if o.Slice <= 0 {
		o.Slice = 2 * time.Second
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Room{Options: o, table: map[string]*hand{}, stops: map[string]func(){}}
}

// Bounds of all simulations together.
const (
	mostOpen = 8 // at once
	keptEach = 60
	keptFor  = 180 * 24 * time.Hour
)

// States of a simulation.
const (
	Waiting   = "waiting"
	Running   = "running"
	Done      = "done"
	Failed    = "failed"
	Cancelled = "cancelled"
)

// Simulation is one that was asked for.
type Simulation struct {
	ID             string
	Seat           string // whose people may see it: the institution of the history, else that of who asked
	By, Name, Role string
	Asked          Wish
	Zh, En         string // what was played
	State          string
	Since, Ended   time.Time
	Done, Of       int
	Report         json.RawMessage // of Show, once done
	WrongZh        string
	WrongEn        string

	step, tries int64
}

// Ask keeps a wish; it begins as soon as it is its turn.
func (r *Room) Ask(ctx context.Context, by *access.Caller, seat string, asked Wish) (*Simulation, error) {
	if err := asked.Check(); err != nil {
		return nil, err
	}
	var past *beds.Past
	var err error
	if asked.Source == "history" {
		if past, err = r.Past(ctx, asked.Pool, asked.since(r.Clock.Now())); err != nil {
			return nil, err
		}
	}
	_, zh, en, err := asked.experiment(past)
	if err != nil {
		return nil, err
	}
	one := &Simulation{ID: rand.Text(), Seat: seat, By: by.User, Name: by.Name, Role: string(by.Role), Asked: asked, Zh: zh, En: en, State: Waiting, Of: asked.Of()}
	wish, err := json.Marshal(asked)
	if err != nil {
		return nil, err
	}
	input := []byte{}
	if past != nil {
		if input, err = pack(past); err != nil {
			return nil, err
		}
	}
	err = r.Store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "beds-whatif"); err != nil {
			return err
		}
		open, mine := 0, false
		err := tx.Query(ctx, `SELECT account FROM beds_whatif WHERE ended = 0`, nil, func(scan func(...any) error) error {
			var account string
			err := scan(&account)
			open++
			mine = mine || account == by.User
			return err
		})
		switch {
		case err != nil:
			return err
		case mine:
			return fhir.Refuse(409, "conflict", "simulation-running", "one of yours is still running; wait for it or stop it", "您有一个模拟仍在进行，请等待或停止后再试")
		case open >= mostOpen:
			return fhir.Refuse(429, "throttled", "too-many-simulations", "many simulations are waiting; try later", "排队的模拟较多，请稍后再试")
		}
		if err := r.sweep(ctx, tx, seat); err != nil {
			return err
		}
		one.Since = tx.Now()
		box := input
		if len(input) > 0 {
			box = r.Store.Ring().Seal(input, about(one.ID))
		}
		_, err = tx.Exec(ctx, `INSERT INTO beds_whatif (id, seat, account, name, role, asked, zh, en, state, since, ended, done, total, step, tries, input, report, wrong_zh, wrong_en)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, 0, 0, ?, ?, '', '')`,
			one.ID, seat, one.By, one.Name, one.Role, wish, zh, en, Waiting, one.Since.UnixMicro(), int64(one.Of), box, []byte{})
		if err != nil {
			return err
		}
		if r.Audit != nil {
			target := asked.Pool
			if target == "" {
				target = "region"
			}
			if err := r.Audit.Write(ctx, tx, audit.Of(ctx, "E", "beds-simulate", target)); err != nil {
				return err
			}
		}
		return job.Enqueue(ctx, tx, Job, one.ID+"/0", time.Time{}, nil)
	})
	if err != nil {
		return nil, err
	}
	return one, nil
}

func about(id string) string { return "beds/whatif/" + id }

const columns = `SELECT id, seat, account, name, role, asked, zh, en, state, since, ended, done, total, step, tries, wrong_zh, wrong_en FROM beds_whatif `

func list(ctx context.Context, tx *store.Tx, where string, args ...any) (all []*Simulation, err error) {
	err = tx.Query(ctx, columns+where, args, func(scan func(...any) error) error {
		s := &Simulation{}
		var asked []byte
		var since, ended, done, of int64
		if err := scan(&s.ID, &s.Seat, &s.By, &s.Name, &s.Role, &asked, &s.Zh, &s.En, &s.State, &since, &ended, &done, &of, &s.step, &s.tries, &s.WrongZh, &s.WrongEn); err != nil {
			return err
		}
		s.Since, s.Done, s.Of = time.UnixMicro(since).UTC(), int(done), int(of)
		if ended > 0 {
			s.Ended = time.UnixMicro(ended).UTC()
		}
		all = append(all, s)
		return json.Unmarshal(asked, &s.Asked)
	})
	if err != nil {
		return nil, fmt.Errorf("beds/whatif: %w", err)
	}
	return all, nil
}

// List gives the simulations of some seats, the latest first, without their reports.
func (r *Room) List(ctx context.Context, tx *store.Tx, seats []string, limit int) ([]*Simulation, error) {
	if len(seats) == 0 {
		return nil, nil
	}
	args := make([]any, 0, len(seats)+1)
	for _, s := range seats {
		args = append(args, s)
	}
	return list(ctx, tx, `WHERE seat IN (`+strings.TrimSuffix(strings.Repeat("?, ", len(seats)), ", ")+`) ORDER BY since DESC, id LIMIT ?`, append(args, int64(limit))...)
}

// Seats are all that have simulations.
func (r *Room) Seats(ctx context.Context, tx *store.Tx) (seats []string, err error) {
	err = tx.Query(ctx, `SELECT DISTINCT seat FROM beds_whatif`, nil, func(scan func(...any) error) error {
		var s string
		err := scan(&s)
		seats = append(seats, s)
		return err
	})
	return seats, err
}

// Show gives one with its report; nil = there is none.
func (r *Room) Show(ctx context.Context, tx *store.Tx, id string) (*Simulation, error) {
	all, err := list(ctx, tx, `WHERE id = ?`, id)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	one := all[0]
	if one.State != Done {
		return one, nil
	}
	var packed []byte
	if err := tx.Query(ctx, `SELECT report FROM beds_whatif WHERE id = ?`, []any{id}, func(scan func(...any) error) error { return scan(&packed) }); err != nil {
		return nil, fmt.Errorf("beds/whatif: %w", err)
	}
	return one, unpack(packed, &one.Report)
}

// Cancel stops one for its asker; one that has ended stays as it is.
func (r *Room) Cancel(ctx context.Context, id, account string) error {
	err := r.Store.Update(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE beds_whatif SET state = ?, ended = ?, input = ? WHERE id = ? AND account = ? AND ended = 0`, Cancelled, tx.Now().UnixMicro(), []byte{}, id, account)
		if err != nil || n == 0 {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM beds_whatif_play WHERE simulation = ?`, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("beds/whatif: cancel: %w", err)
	}
	r.drop(id)
	return nil
}

// Sweep forgets what is old.
func (r *Room) Sweep(ctx context.Context) error {
	return r.Store.Update(ctx, func(tx *store.Tx) error {
		seats, err := r.Seats(ctx, tx)
		if err != nil {
			return err
		}
		for _, seat := range seats {
			if err := r.sweep(ctx, tx, seat); err != nil {
				return err
			}
		}
		return nil
	})
}

// sweep keeps the latest of a seat, for a while.
func (r *Room) sweep(ctx context.Context, tx *store.Tx, seat string) error {
	_, err := tx.Exec(ctx, `DELETE FROM beds_whatif WHERE seat = ? AND ended > 0 AND (since < ? OR id IN (SELECT id FROM beds_whatif WHERE seat = ? AND ended > 0 ORDER BY since DESC, id LIMIT ? OFFSET ?))`,
		seat, tx.Now().Add(-keptFor).UnixMicro(), seat, int64(1<<20), int64(keptEach))
	if err != nil {
		return fmt.Errorf("beds/whatif: sweep: %w", err)
	}
	return nil
}

// pack and unpack keep what is large small.
func pack(v any) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(v); err != nil {
		return nil, fmt.Errorf("beds/whatif: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("beds/whatif: %w", err)
	}
	return b.Bytes(), nil
}

// mostUnpacked bounds what is made of a kept box.
const mostUnpacked = 1 << 30

func unpack(box []byte, v any) error {
	z, err := gzip.NewReader(bytes.NewReader(box))
	if err != nil {
		return fmt.Errorf("beds/whatif: %w", err)
	}
	if err := json.NewDecoder(io.LimitReader(z, mostUnpacked)).Decode(v); err != nil {
		return fmt.Errorf("beds/whatif: %w", err)
	}
	return nil
}

// hand is what one process has made of a simulation: its experiment and the world of the seed that it is at.
type hand struct {
	experiment *simulate.Experiment
	world      *simulate.World
	play       int // whose world it is
	used       time.Time
}

// mostAtHand bounds the memory; what is not at hand is made again.
const mostAtHand = 3

func (r *Room) drop(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.table, id)
	if stop := r.stops[id]; stop != nil {
		stop()
	}
}
