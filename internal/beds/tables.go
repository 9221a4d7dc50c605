package beds

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Migrations are the tables of this room: beds_place follows from the Locations, beds_use from the bookings, beds_case from
// what the lines say that a case needs; beds_state, beds_shift and beds_rule are what people and time set.
var Migrations = func() []store.Migration {
	ddl := `
CREATE TABLE beds_register (id BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL);
INSERT INTO beds_register (id, version) VALUES (1, 1);
CREATE TABLE beds_place (
  id TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, parent TEXT NOT NULL, org TEXT NOT NULL, name TEXT NOT NULL, says TEXT NOT NULL, told BIGINT NOT NULL);
CREATE INDEX beds_place_told ON beds_place (id) WHERE kind = 'bd' AND told = 0;
CREATE TABLE beds_state (
  bed TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL, since BIGINT NOT NULL, until BIGINT NOT NULL, confirm BIGINT NOT NULL,
  reason TEXT NOT NULL, account TEXT NOT NULL);
CREATE INDEX beds_state_until ON beds_state (until) WHERE state = 'cleaning' AND confirm = 0;
CREATE TABLE beds_case (
  holder TEXT NOT NULL PRIMARY KEY, patient TEXT NOT NULL, needs TEXT NOT NULL, since BIGINT NOT NULL, changed BIGINT NOT NULL,
  line TEXT NOT NULL, flow TEXT NOT NULL, vid BIGINT NOT NULL, arrival BIGINT NOT NULL, flagged BIGINT NOT NULL DEFAULT 0);
CREATE INDEX beds_case_flagged ON beds_case (flagged) WHERE flagged > 0;
CREATE TABLE beds_use (
  booking TEXT NOT NULL, bed TEXT NOT NULL, began BIGINT NOT NULL, holder TEXT NOT NULL, patient TEXT NOT NULL,
  pool TEXT NOT NULL, campus TEXT NOT NULL, ward TEXT NOT NULL, host TEXT NOT NULL, level TEXT NOT NULL,
  home TEXT NOT NULL, specialty TEXT NOT NULL, team TEXT NOT NULL, sex TEXT NOT NULL, nursing TEXT NOT NULL, isolation TEXT NOT NULL,
  urgency TEXT NOT NULL, lent BIGINT NOT NULL, waited BIGINT NOT NULL,
  state TEXT NOT NULL, since BIGINT NOT NULL, expires BIGINT NOT NULL, frees BIGINT NOT NULL, likely DOUBLE PRECISION NOT NULL,
  ended BIGINT NOT NULL, ending TEXT NOT NULL, seq BIGINT NOT NULL,
  PRIMARY KEY (booking, seq));
CREATE INDEX beds_use_now ON beds_use (pool, ward) WHERE ended = 0;
CREATE INDEX beds_use_holder ON beds_use (holder);
CREATE INDEX beds_use_patient ON beds_use (patient, ended);
CREATE INDEX beds_use_past ON beds_use (pool, ended);
CREATE INDEX beds_use_since ON beds_use (pool, since);
CREATE TABLE beds_shift (
  ward TEXT NOT NULL, starts BIGINT NOT NULL, ends BIGINT NOT NULL, shift TEXT NOT NULL, nurses DOUBLE PRECISION NOT NULL, points DOUBLE PRECISION NOT NULL,
  source TEXT NOT NULL, account TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (ward, starts));
CREATE TABLE beds_rule (
  pool TEXT NOT NULL, code TEXT NOT NULL, at BIGINT NOT NULL, value TEXT NOT NULL, reason TEXT NOT NULL, account TEXT NOT NULL,
  PRIMARY KEY (pool, code, at));
CREATE TABLE beds_refusal (
  pool TEXT NOT NULL, day TEXT NOT NULL, ward TEXT NOT NULL, code TEXT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (pool, day, ward, code));
CREATE TABLE beds_change (bed TEXT NOT NULL PRIMARY KEY, at BIGINT NOT NULL);
CREATE INDEX beds_change_at ON beds_change (at);
CREATE TABLE beds_away (
  bed TEXT NOT NULL, since BIGINT NOT NULL, holder TEXT NOT NULL, back BIGINT NOT NULL, PRIMARY KEY (holder, since));
CREATE INDEX beds_away_open ON beds_away (back) WHERE back = 0;`
	lite := strings.NewReplacer("BIGINT", "INTEGER", "DOUBLE PRECISION", "REAL").Replace(ddl)
	// a rule is in force from when it is said, or, where starts is set, from then; name is of who set it
	dated := `
ALTER TABLE beds_rule ADD COLUMN starts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE beds_rule ADD COLUMN name TEXT NOT NULL DEFAULT '';`
	return []store.Migration{{Name: "beds/0001_register", SQLite: lite, Postgres: ddl}, {Name: "beds/0002_dated_rules", SQLite: strings.ReplaceAll(dated, "BIGINT", "INTEGER"), Postgres: dated}}
}()
