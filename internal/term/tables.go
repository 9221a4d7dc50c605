package term

import (
	"fmt"
	"strings"

	"github.com/xinglin-health/xinglin/internal/store"
)

// shards spread the count of changes over rows, so that writers of different resources seldom meet.
const shards = 64

// Migrations are the tables of this room. A book is a CodeSystem, ValueSet or ConceptMap as it is now; its number
// is that of the version that created it.
var Migrations = []store.Migration{{
	Name:     "term/0001_books",
	SQLite:   strings.NewReplacer("BIGINT", "INTEGER", "END_OF_TABLE", "WITHOUT ROWID").Replace(tables) + stamps(),
	Postgres: strings.NewReplacer("TEXT", `text COLLATE "C"`, "END_OF_TABLE", "").Replace(tables) + stamps(),
}}

const tables = `
CREATE TABLE term_stamp (shard BIGINT NOT NULL PRIMARY KEY, n BIGINT NOT NULL) END_OF_TABLE;
CREATE TABLE term_book (
  num BIGINT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, vid BIGINT NOT NULL, updated BIGINT NOT NULL,
  url TEXT NOT NULL, version TEXT NOT NULL, status TEXT NOT NULL, date TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL,
  content TEXT NOT NULL, language TEXT NOT NULL, whole TEXT NOT NULL, folds BIGINT NOT NULL, concepts BIGINT NOT NULL) END_OF_TABLE;
CREATE UNIQUE INDEX term_book_id ON term_book (kind, id);
CREATE INDEX term_book_url ON term_book (url);
CREATE INDEX term_book_whole ON term_book (whole);
CREATE TABLE term_concept (
  book BIGINT NOT NULL, code TEXT NOT NULL, ord BIGINT NOT NULL, display TEXT NOT NULL, parents TEXT NOT NULL, extra TEXT NOT NULL,
  PRIMARY KEY (book, code)) END_OF_TABLE;
CREATE TABLE term_group (
  book BIGINT NOT NULL, grp BIGINT NOT NULL, source TEXT NOT NULL, source_version TEXT NOT NULL, target TEXT NOT NULL,
  target_version TEXT NOT NULL, unmapped TEXT NOT NULL, PRIMARY KEY (book, grp)) END_OF_TABLE;
CREATE INDEX term_group_source ON term_group (source);
CREATE INDEX term_group_target ON term_group (target);
CREATE TABLE term_map (
  book BIGINT NOT NULL, ord BIGINT NOT NULL, grp BIGINT NOT NULL, code TEXT NOT NULL, display TEXT NOT NULL, target TEXT NOT NULL,
  target_display TEXT NOT NULL, equivalence TEXT NOT NULL, extra TEXT NOT NULL, PRIMARY KEY (book, code, ord)) END_OF_TABLE;
CREATE INDEX term_map_target ON term_map (target);
`

func stamps() string {
	var b strings.Builder
	b.WriteString("INSERT INTO term_stamp (shard, n) VALUES (0, 0)")
	for i := 1; i < shards; i++ {
		fmt.Fprintf(&b, ", (%d, 0)", i)
	}
	b.WriteString(";\n")
	return b.String()
}
