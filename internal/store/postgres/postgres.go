// Package postgres runs the store on PostgreSQL: every unit is its own transaction, tried again when it collides.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// DB is a pool of connections to one database.
type DB struct {
	pool  *pgxpool.Pool
	apart *pgxpool.Pool // for short transactions beside an open one, so that neither waits for the other's connection

	gates  gates
	mu     sync.Mutex
	blocks map[string]*block

	written atomic.Int64 // rows inserted since Open
	due     atomic.Int64 // how many of them bring the next ANALYZE
	ctx     context.Context
	stop    context.CancelFunc
	helpers sync.WaitGroup
}

// firstAnalyze rows bring the first ANALYZE; each later one waits for four times as many, until
// autovacuum is quick enough. Without it a bulk load leaves plans that were made for empty tables.
const firstAnalyze = 20_000

// block is a range of numbers taken from a sequence at once.
type block struct{ next, end int64 }

const blockSize = 32 // INCREMENT of the sequences

// Open connects to url.
func Open(ctx context.Context, url string) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	set := func(name, value string) {
		if _, ok := cfg.ConnConfig.RuntimeParams[name]; !ok {
			cfg.ConnConfig.RuntimeParams[name] = value
		}
	}
	set("application_name", "xinglin")
	set("timezone", "UTC")
	set("synchronous_commit", "on")
	set("jit", "off")
	set("plan_cache_mode", "force_custom_plan")
	set("random_page_cost", "1.1")
	// Tables are joined as written, by seeks, as SQLite does it: of the lists that searches walk down PostgreSQL knows too
	// little, and would rather read a whole type first.
	set("join_collapse_limit", "1")
	set("enable_hashjoin", "off")
	set("enable_mergejoin", "off")
	set("default_transaction_isolation", "repeatable read")
	cfg.ConnConfig.StatementCacheCapacity = 512
	cfg.MaxConns = max(cfg.MaxConns, int32(4*runtime.GOMAXPROCS(0)), 16)
	apart := cfg.Copy()
	apart.MaxConns = 2
	// What is written apart is flushed with the next commit that depends on it.
	apart.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	db := &DB{blocks: map[string]*block{}}
	db.due.Store(firstAnalyze)
	db.ctx, db.stop = context.WithCancel(context.Background())
	if db.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if err := db.pool.Ping(ctx); err != nil {
		db.pool.Close()
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if db.apart, err = pgxpool.NewWithConfig(ctx, apart); err != nil {
		db.pool.Close()
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return db, nil
}

// Dialect is engine.Postgres.
func (db *DB) Dialect() engine.Dialect { return engine.Postgres }

// Pool is for bulk copies.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// Close waits for the open units.
func (db *DB) Close() error {
	db.stop()
	db.helpers.Wait()
	db.apart.Close()
	db.pool.Close()
	return nil
}

// View runs fn in a read-only snapshot.
func (db *DB) View(ctx context.Context, fn func(engine.Conn) error) error {
	c, err := db.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer c.Release()
	view := &conn{db: db, c: c.Conn(), first: []statement{{query: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}}, readOnly: true}
	defer view.abandon(ctx)
	return fn(view)
}

// The tries of one unit before its collision is given back.
const tries = 60

// Update runs fn in a transaction, again when it collided with another.
func (db *DB) Update(ctx context.Context, fn func(engine.Conn) error) error {
	return db.update(ctx, db.pool, engine.Locked(ctx), fn)
}

// Apart runs fn in a short transaction of its own.
func (db *DB) Apart(ctx context.Context, inside engine.Conn, fn func(engine.Conn) error) error {
	return db.update(ctx, db.apart, nil, fn)
}

func (db *DB) update(ctx context.Context, pool *pgxpool.Pool, locks []string, fn func(engine.Conn) error) error {
	for try := 0; ; try++ {
		more, err := db.once(ctx, pool, locks, fn)
		if len(more) > 0 {
			locks = append(locks, more...)
			slices.Sort(locks)
			if locks = slices.Compact(locks); len(locks) > maxLocks {
				return fmt.Errorf("postgres: a unit asked for more than %d locks", maxLocks)
			}
			continue
		}
		if err == nil || try >= tries || !collided(err) {
			return err
		}
		pause := time.Duration(rand.Int64N(int64(time.Millisecond) << min(try, 5)))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const maxLocks = 5000 // of one unit: with one more it would ask for ever others

// once tries the unit, holding locks from before its snapshot; more names locks that it asked for in vain.
func (db *DB) once(ctx context.Context, pool *pgxpool.Pool, locks []string, fn func(engine.Conn) error) (more []string, err error) {
	leave, err := db.gates.pass(ctx, locks)
	if err != nil {
		return nil, err
	}
	defer leave()
	p, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	defer p.Release()
	c := &conn{db: db, c: p.Conn(), locks: locks}
	if len(locks) > 0 {
		c.first = append(c.first, statement{query: "BEGIN"})
		for _, key := range locks {
			c.first = append(c.first, statement{"SELECT pg_advisory_lock($1)", []any{lockID(key)}})
		}
		c.first = append(c.first, statement{query: "COMMIT"}) // the snapshot comes after the locks
	}
	c.first = append(c.first, statement{query: "BEGIN ISOLATION LEVEL REPEATABLE READ"})
	defer c.abandon(ctx)
	err = fn(c)
	if len(c.wanted) > 0 {
		return c.wanted, nil
	}
	if c.broken != nil && (err == nil || collided(c.broken)) {
		return nil, engine.Broken(c.broken)
	}
	if err != nil {
		return nil, err
	}
	if err := c.commit(ctx); err != nil {
		return nil, fmt.Errorf("postgres: commit: %w", err)
	}
	db.note(c.inserted)
	return nil, nil
}

// note counts inserted rows and has the planner look at the tables when they have grown much.
func (db *DB) note(rows int64) {
	due := db.due.Load()
	if rows == 0 || db.written.Add(rows) < due || !db.due.CompareAndSwap(due, due*4) || db.ctx.Err() != nil {
		return
	}
	db.helpers.Add(1)
	go func() {
		defer db.helpers.Done()
		db.pool.Exec(db.ctx, "ANALYZE") // only a help: autovacuum comes later in any case
	}()
}

func lockID(key string) int64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	return int64(h.Sum64())
}

// collided tells whether err means that the same unit may succeed when run again.
func collided(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	return pg.Code == "40001" || pg.Code == "40P01"
}

// Script runs many statements as one transaction, then record.
func (db *DB) Script(ctx context.Context, script, record string, args ...any) error {
	return db.Update(ctx, func(ec engine.Conn) error {
		c := ec.(*conn)
		if err := c.flush(ctx); err != nil {
			return err
		}
		if _, err := c.c.PgConn().Exec(ctx, script).ReadAll(); err != nil {
			return c.fail(err)
		}
		_, err := c.Exec(ctx, record, args...)
		return err
	})
}

func (db *DB) next(ctx context.Context, counter string, c *conn) (int64, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	b := db.blocks[counter]
	if b == nil || b.next >= b.end {
		var last int64
		// Beside what is queued, which might wait for a unit that waits for this mutex.
		if err := c.c.QueryRow(ctx, "SELECT nextval($1::text::regclass)", counter+"_seq").Scan(&last); err != nil {
			return 0, c.fail(err)
		}
		b = &block{next: last, end: last + blockSize}
		db.blocks[counter] = b
	}
	b.next++
	return b.next - 1, nil
}
