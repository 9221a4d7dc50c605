// Package bulk gives out and takes in whole sets of resources as files, in the background.
package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Migrations are the tables of this room.
var Migrations = []store.Migration{{
	Name: "bulk/0001_tasks",
	SQLite: `
CREATE TABLE bulk_task (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, owner TEXT NOT NULL, caller BLOB NOT NULL, request BLOB NOT NULL, state INTEGER NOT NULL, step INTEGER NOT NULL,
  cursor BLOB NOT NULL, moment TEXT NOT NULL, began INTEGER NOT NULL, shown INTEGER NOT NULL, expires INTEGER NOT NULL, error BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX bulk_task_owner ON bulk_task (owner, state);
CREATE INDEX bulk_task_expires ON bulk_task (expires);
CREATE TABLE bulk_part (
  task TEXT NOT NULL, n INTEGER NOT NULL, kind TEXT NOT NULL, type TEXT NOT NULL, source TEXT NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (task, n)) WITHOUT ROWID;`,
	Postgres: `
CREATE TABLE bulk_task (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, owner TEXT NOT NULL, caller BYTEA NOT NULL, request BYTEA NOT NULL, state BIGINT NOT NULL, step BIGINT NOT NULL,
  cursor BYTEA NOT NULL, moment TEXT NOT NULL, began BIGINT NOT NULL, shown BIGINT NOT NULL, expires BIGINT NOT NULL, error BYTEA NOT NULL);
CREATE INDEX bulk_task_owner ON bulk_task (owner, state);
CREATE INDEX bulk_task_expires ON bulk_task (expires);
CREATE TABLE bulk_part (
  task TEXT NOT NULL, n BIGINT NOT NULL, kind TEXT NOT NULL, type TEXT NOT NULL, source TEXT NOT NULL, name TEXT NOT NULL, count BIGINT NOT NULL, PRIMARY KEY (task, n));`,
}}

// Keeper holds the files; *blob.Files is one.
type Keeper interface {
	Keep(ctx context.Context, name string, data []byte) error
	Kept(ctx context.Context, name string) (io.ReadCloser, error)
	Drop(ctx context.Context, prefix string) error
}

// Options of New. Store, Files, Audit and Renew must be given, Write for imports.
type Options struct {
	Store *store.Store
	Files Keeper
	Audit audit.Log
	Zone  *time.Location // of zoneless dates in _typeFilter; nil = that of the store

	// Renew is the caller as he stands now; an error when he may no longer act.
	Renew func(context.Context, access.Caller) (*access.Caller, error)
	// Uploaded opens an uploaded file by its hash.
	Uploaded func(ctx context.Context, hash string) (io.ReadSeekCloser, error)
	// Write stores resources as the caller in ctx would by updates, all or nothing.
	Write func(ctx context.Context, resources []*fhir.Node) error
	// Subset cuts a resource to some elements.
	Subset func(resource []byte, elements []string) ([]byte, error)

	PartSize   int           // resources of one step, so at most of one file; 0 = 10,000
	Keep       time.Duration // how long files stay; 0 = 24 h
	MaxRunning int           // tasks of one caller at a time; 0 = 3
}

// Room does the work.
type Room struct{ Options }

// New returns the room; Handle hangs its work into the job runner.
func New(o Options) *Room {
	if o.Zone == nil {
		o.Zone = o.Store.Zone()
	}
	if o.PartSize <= 0 {
		o.PartSize = 10_000
	}
	if o.Keep <= 0 {
		o.Keep = 24 * time.Hour
	}
	if o.MaxRunning <= 0 {
		o.MaxRunning = 3
	}
	return &Room{o}
}

// Job is the kind of this room's jobs; the key is task/step.
const Job = "bulk"

const tries = 8

// Work is how the jobs are done: one bounded step each, so that others have their turn between.
func (r *Room) Work() job.Work {
	return job.Work{Call: r.step, Tries: tries, Wait: 5 * time.Second, Lease: 20 * time.Second}
}

// State of a task.
type State int64

const (
	Running State = iota
	Complete
	Failed
)

// Task is an export or import of one caller.
type Task struct {
	ID      string
	Kind    string // "export", "import"
	State   State
	Began   time.Time // of an export: it shows what stood then
	Shown   int64     // resources given out or taken in so far
	Expires time.Time // of the files, once complete
	Error   *fhir.Error
	Parts   []Part // once complete

	Request Request
	step    int64
	moment  string
	cursor  cursor
	caller  access.Caller
}

// Request is what was asked for.
type Request struct {
	URL      string              // as called
	Personal bool                // only what belongs to patients
	Patients []string            // only what belongs to these; nil = no limit
	Types    []string            // in the order of the files
	Since    time.Time           // zero = all
	Filters  map[string][]string // type -> searches, any of which must match
	Elements []string
	Inputs   []Input // of an import
}

// Part is one file.
type Part struct {
	N      int64
	Kind   string // output, deleted, error
	Type   string // resource type in it
	Source string // of an import: the input that it is about
	Count  int64
	name   string
}

// cursor is how far a task has come: all that a later step needs.
type cursor struct {
	At     int    // type of Request.Types, or input
	After  string // id within the type
	Offset int64  // bytes within the input
	Line   int64
}

var notFound = fhir.Refuse(http.StatusNotFound, "not-found", "unknown-task", "no such task, or its files have expired", "没有这个任务，或文件已过期")

// begin records a task and its first step.
func (r *Room) begin(ctx context.Context, kind string, caller *access.Caller, request Request) (id string, err error) {
	if caller.Role != access.Program {
		return "", fhir.Refuse(http.StatusForbidden, "forbidden", "programs-only", "bulk data is for programs with a token", "批量数据接口只对持令牌的程序开放")
	}
	kept := *caller
	kept.Scope, kept.Scopes = search.Scope{}, nil // looked up anew at each step
	who, err := json.Marshal(kept)
	if err != nil {
		return "", fmt.Errorf("bulk: %w", err)
	}
	what, err := json.Marshal(request)
	if err != nil {
		return "", fmt.Errorf("bulk: %w", err)
	}
	start, _ := json.Marshal(cursor{})
	id = store.NewID(r.Store.Clock().Now())
	err = r.Store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "bulk "+caller.User); err != nil {
			return err
		}
		running := int64(0)
		err := tx.Query(ctx, `SELECT count(*) FROM bulk_task WHERE owner = ? AND state = 0`, []any{caller.User}, func(scan func(...any) error) error { return scan(&running) })
		if err != nil {
			return err
		}
		if running >= int64(r.MaxRunning) {
			return fhir.Refuse(http.StatusTooManyRequests, "throttled", "too-many-tasks", fmt.Sprintf("%d tasks of yours are running; wait for one or delete it", running), "您正在运行的批量任务过多，请等待或先取消")
		}
		moment, err := tx.Moment(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO bulk_task (id, kind, owner, caller, request, state, step, cursor, moment, began, shown, expires, error) VALUES (?, ?, ?, ?, ?, 0, 0, ?, ?, ?, 0, ?, ?)`,
			id, kind, caller.User, who, what, start, moment, tx.Now().UnixMicro(), int64(1<<62), []byte{})
		if err != nil {
			return err
		}
		if err := job.Enqueue(ctx, tx, Job, id+"/0", time.Time{}, nil); err != nil {
			return err
		}
		e := audit.Of(ctx, "E", kind, "Task/"+id)
		return r.Audit.Write(ctx, tx, e)
	})
	if err != nil {
		return "", fmt.Errorf("bulk: begin %s: %w", kind, err)
	}
	return id, nil
}

// Find returns a task of this caller, with its files when it is complete.
func (r *Room) Find(ctx context.Context, caller *access.Caller, id string) (t Task, err error) {
	err = r.Store.View(ctx, func(tx *store.Tx) error {
		var owner string
		if t, owner, err = r.read(ctx, tx, id); err != nil {
			return err
		}
		if owner != caller.User || !tx.Now().Before(t.Expires) {
			return notFound
		}
		if t.State != Complete {
			return nil
		}
		return tx.Query(ctx, `SELECT n, kind, type, source, name, count FROM bulk_part WHERE task = ? ORDER BY n`, []any{id}, func(scan func(...any) error) error {
			var p Part
			err := scan(&p.N, &p.Kind, &p.Type, &p.Source, &p.name, &p.Count)
			t.Parts = append(t.Parts, p)
			return err
		})
	})
	if err != nil {
		return t, fmt.Errorf("bulk: %w", err)
	}
	return t, nil
}

func (r *Room) read(ctx context.Context, tx *store.Tx, id string) (t Task, owner string, err error) {
	found := false
	err = tx.Query(ctx, `SELECT kind, owner, caller, request, state, step, cursor, moment, began, shown, expires, error FROM bulk_task WHERE id = ?`, []any{id}, func(scan func(...any) error) error {
		found = true
		var who, what, at, wrong []byte
		var state, began, expires int64
		if err := scan(&t.Kind, &owner, &who, &what, &state, &t.step, &at, &t.moment, &began, &t.Shown, &expires, &wrong); err != nil {
			return err
		}
		t.ID, t.State, t.Began, t.Expires = id, State(state), time.UnixMicro(began), time.UnixMicro(expires)
		if len(wrong) > 0 {
			t.Error = &fhir.Error{}
			if err := json.Unmarshal(wrong, t.Error); err != nil {
				return err
			}
		}
		return errors.Join(json.Unmarshal(who, &t.caller), json.Unmarshal(what, &t.Request), json.Unmarshal(at, &t.cursor))
	})
	if err == nil && !found {
		err = notFound
	}
	return t, owner, err
}

// Delete stops a task and removes its files.
func (r *Room) Delete(ctx context.Context, caller *access.Caller, id string) error {
	if _, err := r.Find(ctx, caller, id); err != nil {
		return err
	}
	return r.remove(ctx, id, func(tx *store.Tx) error {
		return r.Audit.Write(ctx, tx, audit.Of(ctx, "D", "bulk-delete", "Task/"+id))
	})
}

func (r *Room) remove(ctx context.Context, id string, also func(*store.Tx) error) error {
	err := r.Store.Update(ctx, func(tx *store.Tx) error {
		for _, query := range []string{`DELETE FROM bulk_task WHERE id = ?`, `DELETE FROM bulk_part WHERE task = ?`} {
			if _, err := tx.Exec(ctx, query, id); err != nil {
				return err
			}
		}
		return also(tx)
	})
	if err != nil {
		return fmt.Errorf("bulk: delete: %w", err)
	}
	return r.Files.Drop(ctx, folder(id))
}

func folder(task string) string { return "bulk/" + task + "/" }

// Sweep removes what has expired.
func (r *Room) Sweep(ctx context.Context) error {
	var ids []string
	err := r.Store.View(ctx, func(tx *store.Tx) error {
		return tx.Query(ctx, `SELECT id FROM bulk_task WHERE expires <= ?`, []any{tx.Now().UnixMicro()}, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	for _, id := range ids {
		if err == nil {
			err = r.remove(ctx, id, func(*store.Tx) error { return nil })
		}
	}
	if err != nil {
		return fmt.Errorf("bulk: sweep: %w", err)
	}
	return nil
}
