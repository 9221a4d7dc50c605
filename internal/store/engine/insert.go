package engine

import (
	"strings"
	"sync"
)

// Insert is a plain insert of one row of arguments, of which many can go as one statement.
type Insert struct {
	Table string
	Head  string // INSERT INTO t (a, b)
	Tail  string // ON CONFLICT … DO NOTHING, or ""
	Width int    // arguments of a row
}

var inserts sync.Map // query -> *Insert, nil = no such text

// Gathers tells whether rows of a text may be gathered: INSERT INTO t (…) VALUES (?, …) [ON CONFLICT … DO NOTHING].
func Gathers(query string) *Insert {
	if v, ok := inserts.Load(query); ok {
		return v.(*Insert)
	}
	var is *Insert
	head, rest, ok := strings.Cut(query, " VALUES (")
	if ok && strings.HasPrefix(head, "INSERT INTO ") {
		values, tail, _ := strings.Cut(rest, ")")
		tail = strings.TrimSpace(tail)
		plain := strings.Trim(values, "?, ") == ""
		if plain && (tail == "" || strings.HasPrefix(tail, "ON CONFLICT") && strings.HasSuffix(tail, "DO NOTHING")) && !strings.Contains(tail, "?") {
			table, _, _ := strings.Cut(strings.TrimPrefix(head, "INSERT INTO "), " ")
			is = &Insert{table, head, tail, strings.Count(values, "?")}
		}
	}
	inserts.Store(query, is)
	return is
}
