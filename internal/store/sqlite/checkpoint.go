package sqlite

import (
	"context"
	"encoding/binary"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// checkpoints move the log into the database beside the writer, which only does the last short piece:
// a log that is moved wholly while nobody writes begins anew at the next write.
type checkpoints struct {
	shm    *sharedFile // index of the log
	begin  uint32      // frames at which a checkpoint begins
	full   uint32      // frames at the writer's last piece
	moved  atomic.Bool
	helper sync.WaitGroup
	busy   atomic.Bool
}

// A checkpoint begins at logFrames of the log; after so many passes the writer does the rest itself.
const (
	logFrames = 20_000
	passes    = 4
)

// How long the writer waits for readers that keep the log, once it is long.
const readersTime = 100 * time.Millisecond

// logged is how many frames the log has: mxFrame of the index of the log (https://sqlite.org/walformat.html).
func (db *DB) logged() uint32 {
	if db.log.shm == nil && db.log.open(db.path+"-shm") != nil {
		return 0
	}
	var b [4]byte
	if _, err := db.log.shm.ReadAt(b[:], 16); err != nil {
		return 0
	}
	return binary.NativeEndian.Uint32(b[:])
}

// To close any descriptor of a file gives up the process's locks on it, and SQLite locks the index of its
// log. So one descriptor serves all that are open on a path, and is closed after the last connection.
var (
	indexMu sync.Mutex
	indexes = map[string]*sharedFile{}
)

type sharedFile struct {
	*os.File
	users int
}

func (l *checkpoints) open(path string) error {
	indexMu.Lock()
	defer indexMu.Unlock()
	f := indexes[path]
	if f == nil {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		f = &sharedFile{File: file}
		indexes[path] = f
	}
	f.users++
	l.shm = f
	return nil
}

func (l *checkpoints) close(path string) {
	indexMu.Lock()
	defer indexMu.Unlock()
	if l.shm == nil {
		return
	}
	if l.shm.users--; l.shm.users == 0 {
		delete(indexes, path)
		l.shm.Close()
	}
	l.shm = nil
}

// checkpoint is called by the writer between transactions.
func (db *DB) checkpoint() {
	l := &db.log
	if l.busy.Load() {
		return
	}
	if l.moved.Swap(false) {
		if db.logged() < 2*l.begin {
			l.full, _ = moveLog(db.writer, "PASSIVE")
			return
		}
		// Readers under way keep so long a log from beginning anew; those that come now read the database.
		db.writer.c.SetBusyTimeout(readersTime)
		l.full, _ = moveLog(db.writer, "RESTART")
		db.writer.c.SetBusyTimeout(busyTime)
		return
	}
	frames, begin := db.logged(), l.begin
	if frames >= l.full {
		begin = max(begin, l.full+l.begin/4) // it did not begin anew: a reader was in the way
	}
	if frames < begin {
		return
	}
	l.busy.Store(true)
	l.helper.Add(1)
	go func() {
		defer l.helper.Done()
		defer l.busy.Store(false)
		c, err := open(db.path, false, "PRAGMA synchronous="+db.sync+"; PRAGMA cache_size=-64; PRAGMA wal_autocheckpoint=0;")
		if err != nil {
			l.moved.Store(true) // the writer does it all
			return
		}
		defer c.close()
		done := uint32(0)
		for range passes {
			all, moved := moveLog(c, "PASSIVE")
			if all < done+l.begin/10 || moved < all {
				break
			}
			done = all
		}
		l.moved.Store(true)
	}()
}

// moveLog moves what no reader needs and tells how many frames the log had and how many of them are moved.
func moveLog(c *conn, mode string) (all, moved uint32) {
	var busy, a, m int64
	err := c.Query(context.Background(), "PRAGMA wal_checkpoint("+mode+")", nil, func(scan engine.Row) error { return scan(&busy, &a, &m) })
	if err != nil {
		c.broken = nil
		return 0, 0
	}
	return uint32(max(a, 0)), uint32(max(m, 0))
}
