package sqlite

import (
	"context"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// conn is one connection with its prepared statements.
type conn struct {
	c        *sqlite.Conn
	stmts    map[string]*stmt
	readOnly bool
	broken   error // first failed statement of the unit
	wrote    bool  // the unit has changed something
	waiting  []*batch
	batches  []*batch        // to use again
	rows     int             // in waiting
	db       *DB             // of the writer
	reads    context.Context // of the view that has it; nil on the writer
}

type stmt struct {
	*sqlite.Stmt
	busy bool
}

// maxStmts bounds the statements kept per connection; searches come in many shapes.
const maxStmts = 400

func (c *conn) begin(ctx context.Context) {
	c.broken, c.wrote = nil, false
	c.drop()
}

func (c *conn) close() error {
	for _, s := range c.stmts {
		s.Finalize()
	}
	return c.c.Close()
}

// prepare returns an idle statement for query and what to do with it afterwards.
func (c *conn) prepare(query string) (*stmt, error) {
	if s := c.stmts[query]; s != nil && !s.busy {
		s.busy = true
		return s, nil
	} else if s == nil && len(c.stmts) >= maxStmts {
		for q, old := range c.stmts {
			if !old.busy {
				old.Finalize()
				delete(c.stmts, q)
				if len(c.stmts) < maxStmts*3/4 {
					break
				}
			}
		}
	}
	raw, trailing, err := c.c.PrepareTransient(query)
	if err != nil {
		return nil, err
	}
	if trailing > 0 {
		raw.Finalize()
		return nil, fmt.Errorf("more than one statement")
	}
	s := &stmt{raw, true}
	if c.stmts[query] == nil {
		c.stmts[query] = s
	}
	return s, nil
}

func (c *conn) release(query string, s *stmt) {
	if c.stmts[query] != s {
		s.Finalize()
		return
	}
	s.Reset()
	s.busy = false
}

func bind(s *stmt, args []any) error {
	if n := s.BindParamCount(); n != len(args) {
		return fmt.Errorf("%d arguments for %d placeholders", len(args), n)
	}
	for i, arg := range args {
		arg, err := engine.Plain(arg)
		if err != nil {
			return err
		}
		switch v := arg.(type) {
		case nil:
			s.BindNull(i + 1)
		case int64:
			s.BindInt64(i+1, v)
		case string:
			s.BindText(i+1, v)
		case []byte:
			if v == nil {
				s.BindNull(i + 1)
			} else if len(v) == 0 {
				s.BindZeroBlob(i+1, 0)
			} else {
				s.BindBytes(i+1, v)
			}
		case float64:
			s.BindFloat(i+1, v)
		}
	}
	return nil
}

// run executes one of our own short statements.
func (c *conn) run(query string) error {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	defer c.release(query, s)
	_, err = s.Step()
	return err
}

// fail names the error alike on both databases and ends the unit.
func (c *conn) fail(err error) error {
	switch sqlite.ErrCode(err) {
	case sqlite.ResultConstraintPrimaryKey, sqlite.ResultConstraintUnique, sqlite.ResultConstraintRowID, sqlite.ResultConstraintTrigger:
		err = fmt.Errorf("%w: %v", engine.ErrUnique, err)
	case sqlite.ResultReadOnly:
		err = fmt.Errorf("%w: %v", engine.ErrReadOnly, err)
	case sqlite.ResultInterrupt: // the view was called off
		if c.reads != nil && c.reads.Err() != nil {
			err = fmt.Errorf("%w: %v", c.reads.Err(), err)
		}
	}
	if c.broken == nil {
		c.broken = err
	}
	return err
}

func (c *conn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := c.flushFor(query); err != nil {
		return 0, err
	}
	s, err := c.prepare(query)
	if err != nil {
		return 0, c.fail(err)
	}
	c.wrote = true
	defer c.release(query, s)
	if err := bind(s, args); err != nil {
		return 0, c.fail(err)
	}
	for {
		more, err := s.Step()
		if err != nil {
			return 0, c.fail(err)
		}
		if !more {
			return int64(c.c.Changes()), nil
		}
	}
}

// Queue gathers plain inserts and runs everything else.
func (c *conn) Queue(ctx context.Context, query string, args ...any) error {
	if is := engine.Gathers(query); is != nil && !c.readOnly && len(args) == is.Width {
		return c.gather(query, is, args)
	}
	_, err := c.Exec(ctx, query, args...)
	return err
}

func (c *conn) Query(ctx context.Context, query string, args []any, row func(engine.Row) error) error {
	if err := c.flushFor(query); err != nil {
		return err
	}
	s, err := c.prepare(query)
	if err != nil {
		return c.fail(err)
	}
	c.wrote = c.wrote || !strings.HasPrefix(query, "SELECT ")
	defer c.release(query, s)
	if err := bind(s, args); err != nil {
		return c.fail(err)
	}
	scan := func(dest ...any) error { return read(s.Stmt, dest) }
	for {
		more, err := s.Step()
		if err != nil {
			return c.fail(err)
		}
		if !more {
			return nil
		}
		if err := row(scan); err != nil {
			return err
		}
	}
}

func read(s *sqlite.Stmt, dest []any) error {
	for i, d := range dest {
		if i >= s.ColumnCount() {
			return fmt.Errorf("scan of %d values from %d columns", len(dest), s.ColumnCount())
		}
		null := s.ColumnType(i) == sqlite.TypeNull
		switch d := d.(type) {
		case *int64:
			*d = s.ColumnInt64(i)
		case *int:
			*d = int(s.ColumnInt64(i))
		case *int32:
			*d = int32(s.ColumnInt64(i))
		case *int16:
			*d = int16(s.ColumnInt64(i))
		case *string:
			*d = s.ColumnText(i)
		case *[]byte:
			if null {
				*d = nil
				continue
			}
			*d = make([]byte, s.ColumnLen(i))
			s.ColumnBytes(i, *d)
		case *float64:
			*d = s.ColumnFloat(i)
		case *bool:
			*d = s.ColumnInt64(i) != 0
		case **int64:
			*d = nil
			if !null {
				v := s.ColumnInt64(i)
				*d = &v
			}
		case **string:
			*d = nil
			if !null {
				v := s.ColumnText(i)
				*d = &v
			}
		default:
			return fmt.Errorf("scan into %T is not supported", d)
		}
	}
	return nil
}

// Next is given out of memory; the group's commit writes the counters down.
func (c *conn) Next(ctx context.Context, counter string) (int64, error) {
	if c.readOnly {
		return 0, engine.ErrReadOnly
	}
	c.db.dirty = true
	c.db.counters[counter]++
	return c.db.counters[counter], nil
}

// Lock has nothing to wait for: there is one writer.
func (c *conn) Lock(ctx context.Context, key string) error { return nil }

// Share has nothing to wait for either.
func (c *conn) Share(ctx context.Context, key string) error { return nil }

// statements splits a script at semicolons outside of quotes, comments and trigger bodies.
func statements(script string) []string {
	var out []string
	start, depth, quote := 0, 0, byte(0)
	word := ""
	flushWord := func() {
		switch word {
		case "BEGIN", "begin", "CASE", "case":
			depth++
		case "END", "end":
			if depth > 0 {
				depth--
			}
		}
		word = ""
	}
	for i := 0; i < len(script); i++ {
		ch := script[i]
		if quote != 0 {
			if ch == quote {
				quote = 0
			}
			continue
		}
		if ch == '-' && i+1 < len(script) && script[i+1] == '-' {
			flushWord()
			for i < len(script) && script[i] != '\n' {
				i++
			}
			continue
		}
		if ch == '_' || ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch >= '0' && ch <= '9' {
			word += string(ch)
			continue
		}
		flushWord()
		switch {
		case ch == '\'' || ch == '"':
			quote = ch
		case ch == ';' && depth == 0:
			if s := script[start:i]; !blank(s) {
				out = append(out, s)
			}
			start = i + 1
		}
	}
	if s := script[start:]; !blank(s) {
		out = append(out, s)
	}
	return out
}

// blank tells whether s holds nothing but space and comments.
func blank(s string) bool {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r':
		case s[i] == '-' && i+1 < len(s) && s[i+1] == '-':
			for i < len(s) && s[i] != '\n' {
				i++
			}
		default:
			return false
		}
	}
	return true
}
