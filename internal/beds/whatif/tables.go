package whatif

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Migrations are the tables of this room. input is the beds and stays of an institution as they were when it was asked, kept
// while it is played and sealed where the database is; seat is the institution whose people may see it; tries counts how
// often a piece was begun since one was last saved.
var Migrations = func() []store.Migration {
	ddl := `
CREATE TABLE beds_whatif (
  id TEXT NOT NULL PRIMARY KEY, seat TEXT NOT NULL, account TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, asked BYTEA NOT NULL, zh TEXT NOT NULL, en TEXT NOT NULL,
  state TEXT NOT NULL, since BIGINT NOT NULL, ended BIGINT NOT NULL, done BIGINT NOT NULL, total BIGINT NOT NULL, step BIGINT NOT NULL, tries BIGINT NOT NULL,
  input BYTEA NOT NULL, report BYTEA NOT NULL, wrong_zh TEXT NOT NULL, wrong_en TEXT NOT NULL);
CREATE INDEX beds_whatif_seat ON beds_whatif (seat, since);
CREATE INDEX beds_whatif_open ON beds_whatif (state) WHERE ended = 0;
CREATE TABLE beds_whatif_play (
  simulation TEXT NOT NULL, n BIGINT NOT NULL, cell BYTEA NOT NULL, PRIMARY KEY (simulation, n));`
	lite := strings.NewReplacer("BIGINT", "INTEGER", "BYTEA", "BLOB").Replace(ddl)
	return []store.Migration{{Name: "beds/whatif/0001_simulations", SQLite: lite, Postgres: ddl}}
}()
