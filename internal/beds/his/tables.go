package his

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Migrations are the tables of this room. They hold references, never names. beds_difference.resolved and beds_shadow.ended
// are 0 while the row is open.
var Migrations = func() []store.Migration {
	ddl := `
CREATE TABLE beds_source (
  ward TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, shadow BIGINT NOT NULL, since BIGINT NOT NULL, account TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE beds_difference (
  id TEXT NOT NULL PRIMARY KEY, pool TEXT NOT NULL, ward TEXT NOT NULL, kind TEXT NOT NULL, bed TEXT NOT NULL, named TEXT NOT NULL, had TEXT NOT NULL,
  patient TEXT NOT NULL, holder TEXT NOT NULL, said TEXT NOT NULL, since BIGINT NOT NULL, source TEXT NOT NULL, times BIGINT NOT NULL,
  resolved BIGINT NOT NULL, how TEXT NOT NULL, account TEXT NOT NULL, note TEXT NOT NULL);
CREATE UNIQUE INDEX beds_difference_open ON beds_difference (pool, kind, bed, named, patient) WHERE resolved = 0;
CREATE INDEX beds_difference_pool ON beds_difference (pool, resolved, since);
CREATE INDEX beds_difference_patient ON beds_difference (patient) WHERE resolved = 0;
CREATE TABLE beds_shadow (
  id TEXT NOT NULL PRIMARY KEY, pool TEXT NOT NULL, ward TEXT NOT NULL, bed TEXT NOT NULL, holder TEXT NOT NULL, patient TEXT NOT NULL,
  cost DOUBLE PRECISION NOT NULL, terms TEXT NOT NULL, zh TEXT NOT NULL, en TEXT NOT NULL, at BIGINT NOT NULL, first BIGINT NOT NULL, ended BIGINT NOT NULL,
  actual_bed TEXT NOT NULL, actual_ward TEXT NOT NULL, actual_at BIGINT NOT NULL);
CREATE INDEX beds_shadow_open ON beds_shadow (pool, holder) WHERE ended = 0;
CREATE INDEX beds_shadow_patient ON beds_shadow (patient) WHERE ended = 0;
CREATE INDEX beds_shadow_actual ON beds_shadow (pool, actual_at);`
	lite := strings.NewReplacer("BIGINT", "INTEGER", "DOUBLE PRECISION", "REAL").Replace(ddl)
	return []store.Migration{{Name: "beds/his/0001_source", SQLite: lite, Postgres: ddl}}
}()
