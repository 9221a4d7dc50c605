package engine_test

import (
	"testing"

	"github.com/xinglin-health/xinglin/internal/store/engine"
)

func TestDollars(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"SELECT 1 FROM a WHERE x = ? AND y = '?' AND z = ?", "SELECT 1 FROM a WHERE x = $1 AND y = '?' AND z = $2"},
		{"SELECT CASE WHEN EXISTS (SELECT 1 FROM g WHERE g.p = (?)) THEN 1 ELSE 0 END, EXISTS (SELECT 1 FROM i)", "SELECT CASE WHEN EXISTS (SELECT 1 FROM g WHERE g.p = ($1) OFFSET 0) THEN 1 ELSE 0 END, EXISTS (SELECT 1 FROM i OFFSET 0)"},
		{"(NOT EXISTS (SELECT 1 FROM a WHERE ')' <> ? AND (x OR EXISTS (SELECT 1 FROM b WHERE b.y IN (?, ?)))))", "(NOT EXISTS (SELECT 1 FROM a WHERE ')' <> $1 AND (x OR EXISTS (SELECT 1 FROM b WHERE b.y IN ($2, $3) OFFSET 0)) OFFSET 0))"},
		{"CREATE TABLE IF NOT EXISTS a (b)", "CREATE TABLE IF NOT EXISTS a (b)"},
	} {
		if got := engine.Dollars(c.query); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.query, got, c.want)
		}
	}
}
