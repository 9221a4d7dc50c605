package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// conn is one transaction. It begins with its first statement, in the same round trip.
type conn struct {
	db       *DB
	c        *pgx.Conn
	first    []statement // not sent yet: what begins it
	batch    *pgx.Batch
	rows     []*rows // inserts gathered since the last other statement, by text
	gathered int
	inserted int64 // rows of all gathered inserts
	readOnly bool
	broken   error
	over     bool     // committed
	locks    []string // held since before the snapshot
	wanted   []string // asked for without being held
}

type statement struct {
	query string
	args  []any
}

var errLockWanted = errors.New("unit starts again with its lock")

// name says the same of an error as SQLite does.
func (c *conn) name(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "23505", "23P01":
			return fmt.Errorf("%w: %w", engine.ErrUnique, err)
		case "25006":
			return fmt.Errorf("%w: %w", engine.ErrReadOnly, err)
		}
	}
	return err
}

func (c *conn) fail(err error) error {
	err = c.name(err)
	if c.broken == nil {
		c.broken = err
	}
	return err
}

func plain(args []any) ([]any, error) {
	out := make([]any, len(args))
	for i, arg := range args {
		v, err := engine.Plain(arg)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// flush sends what was queued, in one round trip.
func (c *conn) flush(ctx context.Context) error {
	if c.broken != nil {
		return engine.Broken(c.broken)
	}
	if b := c.take(); b.Len() > 0 {
		if err := c.c.SendBatch(ctx, b).Close(); err != nil {
			return c.fail(err)
		}
	}
	return nil
}

// take is what waits to be sent, behind the beginning of the transaction where it has not begun.
func (c *conn) take() *pgx.Batch {
	c.settle()
	b := &pgx.Batch{}
	for _, s := range c.first {
		b.Queue(s.query, s.args...)
	}
	if c.batch != nil {
		b.QueuedQueries = append(b.QueuedQueries, c.batch.QueuedQueries...)
	}
	c.first, c.batch = nil, nil
	return b
}

// commit ends the transaction together with what was queued, and gives its locks back.
func (c *conn) commit(ctx context.Context) error {
	c.settle()
	if c.first != nil && (c.batch == nil || c.batch.Len() == 0) {
		return nil // nothing was said
	}
	b := c.take()
	b.Queue("COMMIT")
	if len(c.locks) > 0 {
		b.Queue(unlock)
	}
	if err := c.c.SendBatch(ctx, b).Close(); err != nil {
		return c.fail(err)
	}
	c.over = true
	return nil
}

// abandon undoes what commit has not ended.
func (c *conn) abandon(ctx context.Context) {
	if c.over || c.c.IsClosed() {
		return
	}
	undo := ""
	if c.c.PgConn().TxStatus() != 'I' {
		undo = "ROLLBACK;"
	}
	if len(c.locks) > 0 && c.first == nil {
		undo += unlock
	}
	if undo == "" {
		return
	}
	if _, err := c.c.Exec(context.WithoutCancel(ctx), undo); err != nil {
		c.c.Close(context.WithoutCancel(ctx)) // and with it goes what it holds
	}
}

const unlock = "SELECT pg_advisory_unlock_all()"

// settle puts the gathered inserts into the batch, before a statement that may depend on them.
func (c *conn) settle() {
	for _, r := range c.rows {
		if c.batch == nil {
			c.batch = &pgx.Batch{}
		}
		c.inserted += int64(r.n)
		query, args := r.statement(engine.Gathers(r.query))
		c.batch.Queue(query, args...)
	}
	c.rows, c.gathered = nil, 0
}

func (c *conn) Queue(ctx context.Context, query string, args ...any) error {
	if c.broken != nil {
		return engine.Broken(c.broken)
	}
	args, err := plain(args)
	if err != nil {
		return c.fail(err)
	}
	if engine.Gathers(query) != nil && c.gather(query, args) {
		if c.gathered++; c.gathered >= 5000 {
			return c.flush(ctx)
		}
		return nil
	}
	c.settle()
	if c.batch == nil {
		c.batch = &pgx.Batch{}
	}
	c.batch.Queue(engine.Dollars(query), args...)
	if c.batch.Len() >= 2000 {
		return c.flush(ctx)
	}
	return nil
}

func (c *conn) gather(query string, args []any) bool {
	for _, r := range c.rows {
		if r.query == query {
			return r.add(args)
		}
	}
	r := &rows{query: query}
	if !r.add(args) {
		return false
	}
	c.rows = append(c.rows, r)
	return true
}

func (c *conn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if c.broken != nil {
		return 0, engine.Broken(c.broken)
	}
	args, err := plain(args)
	if err != nil {
		return 0, c.fail(err)
	}
	b := c.take()
	b.Queue(engine.Dollars(query), args...)
	affected := int64(0)
	b.QueuedQueries[b.Len()-1].Exec(func(tag pgconn.CommandTag) error {
		affected = tag.RowsAffected()
		return nil
	})
	if err := c.c.SendBatch(ctx, b).Close(); err != nil {
		return 0, c.fail(err)
	}
	return affected, nil
}

// Query reads all rows before it calls row, so that row may use the connection.
func (c *conn) Query(ctx context.Context, query string, args []any, row func(engine.Row) error) error {
	if c.broken != nil {
		return engine.Broken(c.broken)
	}
	args, err := plain(args)
	if err != nil {
		return c.fail(err)
	}
	b := c.take()
	b.Queue(engine.Dollars(query), args...)
	var fields []pgconn.FieldDescription
	var all [][][]byte
	b.QueuedQueries[b.Len()-1].Query(func(rows pgx.Rows) error {
		if rows.Err() == nil {
			fields = slices.Clone(rows.FieldDescriptions())
		}
		for rows.Next() {
			all = append(all, kept(rows.RawValues()))
		}
		return rows.Err()
	})
	if err := c.c.SendBatch(ctx, b).Close(); err != nil {
		return c.fail(err)
	}
	types := c.c.TypeMap()
	for _, raw := range all {
		scan := func(dest ...any) error {
			if len(dest) > len(raw) {
				return fmt.Errorf("scan of %d values from %d columns", len(dest), len(raw))
			}
			for i, d := range dest {
				if err := scanOne(types, fields[i], raw[i], d); err != nil {
					return fmt.Errorf("column %s: %w", fields[i].Name, err)
				}
			}
			return nil
		}
		if err := row(scan); err != nil {
			return err
		}
	}
	return nil
}

// kept copies a row out of the connection's buffer.
func kept(raw [][]byte) [][]byte {
	n := 0
	for _, v := range raw {
		n += len(v)
	}
	buf := make([]byte, 0, n)
	out := make([][]byte, len(raw))
	for i, v := range raw {
		if v == nil {
			continue
		}
		buf = append(buf, v...)
		out[i] = buf[len(buf)-len(v) : len(buf) : len(buf)]
	}
	return out
}

// scanOne reads NULL as the zero value and integers as booleans, as SQLite does.
func scanOne(types *pgtype.Map, f pgconn.FieldDescription, raw []byte, dest any) error {
	switch d := dest.(type) {
	case *[]byte:
		if raw == nil {
			*d = nil
			return nil
		}
	case **int64:
		*d = nil
		if raw == nil {
			return nil
		}
		*d = new(int64)
		dest = *d
	case **string:
		*d = nil
		if raw == nil {
			return nil
		}
		*d = new(string)
		dest = *d
	case *bool:
		if f.DataTypeOID != pgtype.BoolOID {
			var n int64
			if err := scanOne(types, f, raw, &n); err != nil {
				return err
			}
			*d = n != 0
			return nil
		}
	}
	if raw == nil {
		switch d := dest.(type) {
		case *int64:
			*d = 0
		case *int:
			*d = 0
		case *int32:
			*d = 0
		case *int16:
			*d = 0
		case *string:
			*d = ""
		case *float64:
			*d = 0
		case *bool:
			*d = false
		}
		return nil
	}
	if f.DataTypeOID == pgtype.NumericOID {
		switch d := dest.(type) {
		case *int64: // sum() of bigint is numeric
			var n pgtype.Numeric
			if err := types.Scan(f.DataTypeOID, f.Format, raw, &n); err != nil {
				return err
			}
			v, err := n.Int64Value()
			*d = v.Int64
			return err
		}
	}
	return types.Scan(f.DataTypeOID, f.Format, raw, dest)
}

func (c *conn) Next(ctx context.Context, counter string) (int64, error) {
	if c.readOnly {
		return 0, engine.ErrReadOnly
	}
	return c.db.next(ctx, counter, c)
}

// Share is taken within the snapshot, with the next statement: what its holder goes by it must read FOR SHARE.
func (c *conn) Share(ctx context.Context, key string) error {
	return c.Queue(ctx, "SELECT pg_advisory_xact_lock_shared(?)", lockID(key))
}

// Lock must be held before the snapshot is taken, else what the last holder wrote stays unseen.
// So a unit that asks for a new lock is ended and started again with it.
func (c *conn) Lock(ctx context.Context, key string) error {
	if slices.Contains(c.locks, key) {
		return nil
	}
	c.wanted = append(c.wanted, key)
	if c.broken == nil {
		c.broken = errLockWanted
	}
	return errLockWanted
}
