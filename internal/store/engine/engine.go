// Package engine is what the store asks of a database, so that its queries are written once.
package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Errors that both databases report alike.
var (
	ErrUnique   = errors.New("unique row is taken")
	ErrReadOnly = errors.New("write in a view")
)

// Dialect tells the two databases apart where one text cannot serve both.
type Dialect uint8

const (
	SQLite Dialect = iota + 1
	Postgres
)

// Row reads the columns of the current row: *int64, *int, *int32, *int16, *string, *[]byte, *float64,
// *bool, **int64, **string.
type Row func(dest ...any) error

// Conn is one open transaction. Text has ? for arguments.
type Conn interface {
	Exec(ctx context.Context, query string, args ...any) (affected int64, err error)
	// Query calls row for each row; row may use the Conn itself.
	Query(ctx context.Context, query string, args []any, row func(scan Row) error) error
	// Queue is Exec whose outcome nobody waits for: it runs before the next Exec, Query or commit.
	Queue(ctx context.Context, query string, args ...any) error
	// Next gives the next number of a counter: CounterRID or CounterSeq.
	Next(ctx context.Context, counter string) (int64, error)
	// Lock waits until no other unit holds key and keeps it until this unit ends.
	Lock(ctx context.Context, key string) error
	// Share waits, at the latest with the next statement, while another unit holds key by Lock, and keeps others from it until this unit ends.
	Share(ctx context.Context, key string) error
}

// Counters.
const (
	CounterRID = "rid"
	CounterSeq = "seq"
)

type locked struct{}

// Locking has the Updates of a context begin with these locks.
func Locking(ctx context.Context, keys ...string) context.Context {
	return context.WithValue(ctx, locked{}, keys)
}

// Locked are the keys of Locking, sorted.
func Locked(ctx context.Context) []string {
	keys, _ := ctx.Value(locked{}).([]string)
	keys = slices.Clone(keys)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// DB is one database.
type DB interface {
	Dialect() Dialect
	View(ctx context.Context, fn func(Conn) error) error
	Update(ctx context.Context, fn func(Conn) error) error
	// Apart runs fn in a transaction of its own that is kept even if the calling unit fails;
	// inside is the calling unit, which SQLite uses instead, having one writer.
	Apart(ctx context.Context, inside Conn, fn func(Conn) error) error
	// Script runs many statements as one transaction, then record.
	Script(ctx context.Context, script, record string, args ...any) error
	Close() error
}

// Broken is the end of a unit in which a statement failed: PostgreSQL cannot go on after that, so neither does SQLite.
func Broken(err error) error { return fmt.Errorf("unit ended by an earlier error: %w", err) }

var dollars sync.Map // query with ? -> query with $1, $2, …

// Dollars rewrites a query for PostgreSQL: ? to $1, $2, … outside of quoted text, and each EXISTS so that it is asked row by
// row. Left alone, PostgreSQL answers one that stands beside an OR by reading the whole of its table first, or joins it
// in an order of its own.
func Dollars(query string) string {
	if q, ok := dollars.Load(query); ok {
		return q.(string)
	}
	const ask = "EXISTS (SELECT"
	var b strings.Builder
	n, depth, quote := 0, 0, byte(0)
	var asked []int // depths at which an EXISTS ends
	for i := 0; i < len(query); i++ {
		c := query[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '?':
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
			continue
		case c == 'E' && strings.HasPrefix(query[i:], ask):
			asked = append(asked, depth)
			depth++
			b.WriteString(ask)
			i += len(ask) - 1
			continue
		case c == '(':
			depth++
		case c == ')':
			depth--
			if last := len(asked) - 1; last >= 0 && asked[last] == depth {
				asked = asked[:last]
				b.WriteString(" OFFSET 0")
			}
		}
		b.WriteByte(c)
	}
	dollars.Store(query, b.String())
	return b.String()
}

// Plain turns the argument types that callers like into the few that drivers bind.
func Plain(arg any) (any, error) {
	switch v := arg.(type) {
	case nil, int64, string, []byte, float64:
		return v, nil
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case int16:
		return int64(v), nil
	case uint8:
		return int64(v), nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case *int64:
		if v == nil {
			return nil, nil
		}
		return *v, nil
	case *string:
		if v == nil {
			return nil, nil
		}
		return *v, nil
	}
	return nil, fmt.Errorf("argument of type %T is not supported", arg)
}
