package sqlite

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// batch is the rows of one plain insert since the last other statement. They go in by the order of
// their keys, so that rows of one page come together.
type batch struct {
	query string
	is    *engine.Insert
	cells []cell
	order []int32
}

// cell is one argument: text and bytes in s, a number in n.
type cell struct {
	kind cellKind
	n    int64
	s    string
}

type cellKind uint8

const (
	isNull cellKind = iota
	isInt
	isFloat
	isText
	isBytes
)

// What one connection gathers before it writes, and the rows of one statement.
const (
	maxGathered = 8_000
	wide        = 24
)

func (c *conn) gather(query string, is *engine.Insert, args []any) error {
	if c.broken != nil {
		return engine.Broken(c.broken)
	}
	var b *batch
	for _, w := range c.waiting {
		if w.query == query {
			b = w
			break
		}
	}
	if b == nil {
		if n := len(c.batches); n > 0 {
			b, c.batches = c.batches[n-1], c.batches[:n-1]
		} else {
			b = &batch{}
		}
		b.query, b.is = query, is
		c.waiting = append(c.waiting, b)
	}
	for _, arg := range args {
		arg, err := engine.Plain(arg)
		if err != nil {
			return c.fail(err)
		}
		switch v := arg.(type) {
		case int64:
			b.cells = append(b.cells, cell{kind: isInt, n: v})
		case string:
			b.cells = append(b.cells, cell{kind: isText, s: v})
		case []byte:
			if v == nil {
				b.cells = append(b.cells, cell{})
			} else {
				b.cells = append(b.cells, cell{kind: isBytes, s: unsafe.String(unsafe.SliceData(v), len(v))})
			}
		case float64:
			b.cells = append(b.cells, cell{kind: isFloat, n: int64(math.Float64bits(v))})
		default:
			b.cells = append(b.cells, cell{})
		}
	}
	if c.rows++; c.rows >= maxGathered {
		return c.flush()
	}
	return nil
}

// drop forgets what was gathered by a unit that failed.
func (c *conn) drop() {
	for _, b := range c.waiting {
		c.reuse(b)
	}
	c.waiting, c.rows = c.waiting[:0], 0
}

func (c *conn) reuse(b *batch) {
	clear(b.cells) // they hold the bodies
	if cap(b.cells) > 16*maxGathered {
		b.cells = nil
	}
	b.cells = b.cells[:0]
	c.batches = append(c.batches, b)
}

// flushFor writes what was gathered if query names one of its tables; there are no views and no triggers on them.
func (c *conn) flushFor(query string) error {
	if c.broken != nil {
		return engine.Broken(c.broken)
	}
	for _, b := range c.waiting {
		if strings.Contains(query, b.is.Table) {
			return c.flush()
		}
	}
	return nil
}

// flush writes what was gathered.
func (c *conn) flush() error {
	if c.broken != nil {
		return engine.Broken(c.broken)
	}
	if len(c.waiting) == 0 {
		return nil
	}
	defer c.drop()
	for _, b := range c.waiting {
		if err := c.insert(b); err != nil {
			return c.fail(err)
		}
	}
	return nil
}

func (c *conn) insert(b *batch) error {
	c.wrote = true
	w := b.is.Width
	n := len(b.cells) / w
	b.order = b.order[:0]
	for i := range n {
		b.order = append(b.order, int32(i))
	}
	slices.SortFunc(b.order, func(x, y int32) int {
		for i := range w {
			if d := b.cells[int(x)*w+i].compare(&b.cells[int(y)*w+i]); d != 0 {
				return d
			}
		}
		return cmp.Compare(x, y)
	})
	for at := 0; at < n; {
		rows := 1
		if n-at >= wide {
			rows = wide
		}
		query := b.query
		if rows > 1 {
			query = many(b.query, b.is)
		}
		s, err := c.prepare(query)
		if err != nil {
			return err
		}
		param := 0
		for _, row := range b.order[at : at+rows] {
			for i := range w {
				param++
				v := &b.cells[int(row)*w+i]
				switch v.kind {
				case isNull:
					s.BindNull(param)
				case isInt:
					s.BindInt64(param, v.n)
				case isFloat:
					s.BindFloat(param, math.Float64frombits(uint64(v.n)))
				case isText:
					s.BindText(param, v.s)
				case isBytes:
					if len(v.s) == 0 {
						s.BindZeroBlob(param, 0)
					} else {
						s.BindBytes(param, unsafe.Slice(unsafe.StringData(v.s), len(v.s)))
					}
				}
			}
		}
		_, err = s.Step()
		c.release(query, s)
		if err != nil {
			return err
		}
		at += rows
	}
	return nil
}

var manyKnown sync.Map // query -> text for wide rows

// many is the insert of wide rows. OR FAIL, because the unit is undone as a whole and so the statement
// needs no journal of its own.
func many(query string, is *engine.Insert) string {
	if text, ok := manyKnown.Load(query); ok {
		return text.(string)
	}
	row := "(" + strings.Repeat("?, ", is.Width-1) + "?)"
	text := "INSERT OR FAIL" + strings.TrimPrefix(is.Head, "INSERT") + " VALUES " + strings.Repeat(row+", ", wide-1) + row + " " + is.Tail
	manyKnown.Store(query, text)
	return text
}

func (a *cell) compare(b *cell) int {
	switch {
	case a.kind != b.kind:
		return cmp.Compare(a.kind, b.kind)
	case a.kind == isInt:
		return cmp.Compare(a.n, b.n)
	case a.kind == isFloat:
		return cmp.Compare(math.Float64frombits(uint64(a.n)), math.Float64frombits(uint64(b.n)))
	}
	return strings.Compare(a.s, b.s)
}
