// Package sqlite runs the store on one SQLite file: one writer with group commit, a pool of readers.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// DB is one open file.
type DB struct {
	path    string
	private string // folder that ends with the database; "" = it stays
	sync    string // PRAGMA synchronous
	memory  int64
	writer  *conn
	units   chan *unit
	readers chan struct{} // a place per reader that may be open at once

	idleMu sync.Mutex
	idle   []*conn // last used on top, so that no more are opened than are wanted at once

	mu     sync.RWMutex // held for reading while a unit is handed in
	closed bool
	done   chan struct{}

	counters map[string]int64 // last given
	dirty    bool
	version  int64 // data_version at the last look
	members  []*unit

	log checkpoints
}

// unit is one Update on its way through the writer.
type unit struct {
	ctx   context.Context
	fn    func(engine.Conn) error
	err   error
	panic any
	done  chan struct{}
}

// The longest that a group takes in more units before it commits, in number and time.
const (
	groupUnits = 512
	groupTime  = 100 * time.Millisecond
)

// busyTime is how long a connection waits for the lock of another process.
const busyTime = 30 * time.Second

// ErrClosed is the answer after Close.
var ErrClosed = errors.New("database is closed")

// Open opens or makes the file at path; path ":memory:" makes a private database that ends with Close.
// memory is the program's, in bytes: the writer's cache takes a third of it, each reader's a 64th.
func Open(ctx context.Context, path string, memory int64) (*DB, error) {
	db := &DB{path: path, memory: memory, sync: "FULL", units: make(chan *unit, 1024), done: make(chan struct{})}
	if path == ":memory:" {
		// A file in memory behaves exactly as one on disk: snapshots, WAL, many readers.
		root := "/dev/shm"
		if info, err := os.Stat(root); err != nil || !info.IsDir() {
			root = ""
		}
		dir, err := os.MkdirTemp(root, "xinglin-memory-")
		if err != nil {
			return nil, fmt.Errorf("sqlite: %w", err)
		}
		db.private, db.path, db.sync = dir, filepath.Join(dir, "xinglin.db"), "OFF"
	}
	// SQLite gives its -wal and -shm the mode of the database.
	f, err := os.OpenFile(db.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	f.Close()
	w, err := open(db.path, false, fmt.Sprintf(`
		PRAGMA page_size=4096;
		PRAGMA journal_mode=WAL;
		PRAGMA synchronous=%s;
		PRAGMA cache_size=-%d;
		PRAGMA wal_autocheckpoint=0;
		PRAGMA journal_size_limit=268435456;
		PRAGMA temp_store=MEMORY;
		PRAGMA foreign_keys=OFF;
		CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;`, db.sync, memory/3>>10))
	if err != nil {
		db.remove()
		return nil, fmt.Errorf("sqlite: open %s: %w", db.path, err)
	}
	db.writer = w
	db.log.begin = logFrames
	db.readers = make(chan struct{}, max(16, 4*runtime.GOMAXPROCS(0)))
	go db.write()
	return db, nil
}

func open(path string, readOnly bool, pragmas string) (*conn, error) {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		return nil, err
	}
	c.SetBusyTimeout(busyTime)
	// Pragmas do not run inside a transaction, so one by one.
	for _, stmt := range statements(pragmas) {
		if err := sqlitex.ExecuteTransient(c, stmt, nil); err != nil {
			c.Close()
			return nil, err
		}
	}
	return &conn{c: c, stmts: map[string]*stmt{}, readOnly: readOnly}, nil
}

// Dialect is engine.SQLite.
func (db *DB) Dialect() engine.Dialect { return engine.SQLite }

// Path is the file.
func (db *DB) Path() string { return db.path }

// View runs fn on a snapshot.
func (db *DB) View(ctx context.Context, fn func(engine.Conn) error) (err error) {
	select {
	case db.readers <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-db.readers }()
	db.mu.RLock()
	closed := db.closed
	db.mu.RUnlock()
	if closed {
		return ErrClosed
	}
	var c *conn
	db.idleMu.Lock()
	if n := len(db.idle); n > 0 {
		c, db.idle = db.idle[n-1], db.idle[:n-1]
	}
	db.idleMu.Unlock()
	if c == nil {
		if c, err = open(db.path, true, fmt.Sprintf("PRAGMA query_only=ON; PRAGMA cache_size=-%d; PRAGMA temp_store=MEMORY;", db.memory/64>>10)); err != nil {
			return fmt.Errorf("sqlite: reader: %w", err)
		}
	}
	defer func() {
		db.idleMu.Lock()
		db.idle = append(db.idle, c)
		db.idleMu.Unlock()
	}()
	c.begin(ctx)
	if err := c.run("BEGIN"); err != nil {
		return err
	}
	defer func() {
		c.c.SetInterrupt(nil)
		c.reads = nil
		if err2 := c.run("ROLLBACK"); err == nil && err2 != nil {
			err = err2
		}
	}()
	c.reads = ctx
	c.c.SetInterrupt(ctx.Done())
	return fn(c)
}

// Update hands fn to the writer and waits until its group is durable.
func (db *DB) Update(ctx context.Context, fn func(engine.Conn) error) error {
	u := &unit{ctx: ctx, fn: fn, done: make(chan struct{})}
	db.mu.RLock()
	if db.closed {
		db.mu.RUnlock()
		return ErrClosed
	}
	select {
	case db.units <- u:
		db.mu.RUnlock()
	case <-ctx.Done():
		db.mu.RUnlock()
		return ctx.Err()
	}
	<-u.done // the outcome must be known, so no way out by ctx here
	if u.panic != nil {
		panic(u.panic)
	}
	return u.err
}

// Apart on SQLite is the calling unit itself.
func (db *DB) Apart(ctx context.Context, inside engine.Conn, fn func(engine.Conn) error) error {
	return fn(inside)
}

// Script runs many statements as one transaction, then record.
func (db *DB) Script(ctx context.Context, script, record string, args ...any) error {
	return db.Update(ctx, func(c engine.Conn) error {
		for _, stmt := range statements(script) {
			if err := sqlitex.ExecuteTransient(c.(*conn).c, stmt, nil); err != nil {
				return c.(*conn).fail(err)
			}
		}
		_, err := c.Exec(ctx, record, args...)
		return err
	})
}

// Close ends the writer after the units handed in, then every connection.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	close(db.units)
	db.mu.Unlock()
	<-db.done
	db.log.helper.Wait()
	for range cap(db.readers) {
		db.readers <- struct{}{} // waits for the open views
	}
	for _, c := range db.idle {
		c.close()
	}
	for range cap(db.readers) {
		<-db.readers // late views find the door closed, not a hang
	}
	if db.private == "" {
		// Leave one file behind: the log goes into the database.
		sqlitex.ExecuteTransient(db.writer.c, "PRAGMA wal_checkpoint(TRUNCATE)", nil)
	}
	err := db.writer.close()
	db.log.close(db.path + "-shm")
	db.remove()
	return err
}

func (db *DB) remove() {
	if db.private != "" {
		os.RemoveAll(db.private)
	}
}

// write is the one writer: it opens a transaction, runs units in it while there are any, and commits once for all.
func (db *DB) write() {
	defer close(db.done)
	for first := range db.units {
		db.group(first)
	}
}

// group runs the units that wait, from first on, and commits them together. They run without
// savepoints, which would cost a copy of every page that they change; when one fails after it
// has written, all is undone and those before it run again, now each in its savepoint.
func (db *DB) group(first *unit) {
	units := append(db.members[:0], first)
	defer func() { clear(units); db.members = units[:0] }()
	finish := func(err error) {
		for _, u := range units {
			if u.err == nil {
				u.err = err
			}
			close(u.done)
		}
	}
	if err := db.begin(); err != nil {
		finish(err)
		return
	}
	start := time.Now()
	careful := false
	db.perform(first, false)
	for at := 0; ; {
		u := units[at]
		if u.err != nil && !careful && db.writer.wrote {
			db.rollback()
			if at == 0 && len(units) == 1 {
				finish(nil)
				return
			}
			if err := db.begin(); err != nil {
				finish(err)
				return
			}
			careful = true
			for _, before := range units[:at] {
				if before.err == nil {
					db.perform(before, true)
				}
			}
		}
		if at++; at >= groupUnits || time.Since(start) > groupTime {
			break
		}
		var more bool
		select {
		case u, ok := <-db.units:
			if more = ok; ok {
				units = append(units, u)
				db.perform(u, careful)
			}
		default:
		}
		if !more {
			break
		}
	}
	finish(db.commit())
	db.checkpoint()
}

// rollback undoes the whole transaction and forgets the numbers given in it.
func (db *DB) rollback() {
	db.writer.run("ROLLBACK")
	db.counters = nil
}

func (db *DB) begin() error {
	w := db.writer
	w.begin(context.Background())
	w.db = db
	if err := w.run("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("sqlite: begin: %w", err)
	}
	// Another process may have written since; its numbers are taken.
	var version int64
	err := w.Query(context.Background(), "PRAGMA data_version", nil, func(scan engine.Row) error { return scan(&version) })
	if err == nil && (db.counters == nil || version != db.version) {
		db.counters, db.version = map[string]int64{}, version
		err = w.Query(context.Background(), "SELECT name, value FROM counter", nil, func(scan engine.Row) error {
			var name string
			var value int64
			err := scan(&name, &value)
			db.counters[name] = value
			return err
		})
	}
	if err != nil {
		w.run("ROLLBACK")
		return fmt.Errorf("sqlite: begin: %w", err)
	}
	return nil
}

func (db *DB) commit() error {
	w := db.writer
	if db.dirty {
		for name, value := range db.counters {
			if _, err := w.Exec(context.Background(), "INSERT INTO counter (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value); err != nil {
				db.rollback()
				return fmt.Errorf("sqlite: commit: %w", err)
			}
		}
		db.dirty = false
	}
	if err := w.run("COMMIT"); err != nil {
		db.rollback()
		return fmt.Errorf("sqlite: commit: %w", err)
	}
	return nil
}

// perform runs one unit; in a savepoint its error or panic undoes only itself.
func (db *DB) perform(u *unit, savepoint bool) {
	w := db.writer
	w.wrote = false
	w.drop()
	if u.err = u.ctx.Err(); u.err != nil {
		return
	}
	if savepoint {
		if u.err = w.run("SAVEPOINT unit"); u.err != nil {
			return
		}
	}
	defer func() {
		if p := recover(); p != nil {
			u.panic = p
			u.err = fmt.Errorf("sqlite: unit panicked: %v", p)
		}
		if u.err == nil {
			u.err = w.flush()
		}
		w.drop()
		w.broken = nil
		if !savepoint {
			return
		}
		if u.err != nil {
			w.run("ROLLBACK TO unit")
		}
		if err := w.run("RELEASE unit"); err != nil && u.err == nil {
			u.err = err
		}
	}()
	u.err = u.fn(w)
}
