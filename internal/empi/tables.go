package empi

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Migrations are the tables of this room. Times are UTC microseconds, 0 = never. body of empi_record is sealed, keys are
// keyed hashes: neither shows a name, a number, a phone or an address. a and b of empi_pair are numbers of records, a < b;
// those of empi_decision are "Patient/…", so that they outlive the record.
var Migrations = []store.Migration{{
	Name: "empi/0001_index",
	SQLite: `
CREATE TABLE empi_record (
  rec INTEGER PRIMARY KEY, patient TEXT NOT NULL UNIQUE, org TEXT NOT NULL, vid INTEGER NOT NULL, rev INTEGER NOT NULL,
  person INTEGER NOT NULL, updated INTEGER NOT NULL, keys BLOB NOT NULL, body BLOB NOT NULL);
CREATE INDEX empi_record_person ON empi_record (person) WHERE person > 0;
CREATE TABLE empi_key (key INTEGER NOT NULL, rec INTEGER NOT NULL, PRIMARY KEY (key, rec)) WITHOUT ROWID;
CREATE TABLE empi_due (rec INTEGER PRIMARY KEY, rev INTEGER NOT NULL, later INTEGER NOT NULL, why TEXT NOT NULL);
CREATE INDEX empi_due_order ON empi_due (later, rec);
CREATE TABLE empi_pair (
  id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER NOT NULL, outcome INTEGER NOT NULL, score REAL NOT NULL, probability REAL NOT NULL,
  bar TEXT NOT NULL, firm INTEGER NOT NULL, model INTEGER NOT NULL, state TEXT NOT NULL, why TEXT NOT NULL,
  since INTEGER NOT NULL, changed INTEGER NOT NULL, version INTEGER NOT NULL, UNIQUE (a, b));
CREATE INDEX empi_pair_b ON empi_pair (b, a);
CREATE INDEX empi_pair_state ON empi_pair (state, id);
CREATE TABLE empi_decision (
  id INTEGER PRIMARY KEY, a TEXT NOT NULL, b TEXT NOT NULL, what TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL,
  by_user TEXT NOT NULL, by_name TEXT NOT NULL, by_org TEXT NOT NULL,
  back_at INTEGER NOT NULL, back_user TEXT NOT NULL, back_name TEXT NOT NULL, back_org TEXT NOT NULL, back_why TEXT NOT NULL, undo TEXT NOT NULL);
CREATE INDEX empi_decision_a ON empi_decision (a, id);
CREATE INDEX empi_decision_b ON empi_decision (b, id);
CREATE TABLE empi_head (name TEXT NOT NULL PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE empi_person (id INTEGER PRIMARY KEY, since INTEGER NOT NULL, until INTEGER NOT NULL);
CREATE TABLE empi_log (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, person INTEGER NOT NULL, patient TEXT NOT NULL, what TEXT NOT NULL, source TEXT NOT NULL,
  other TEXT NOT NULL, decision INTEGER NOT NULL, by_user TEXT NOT NULL, by_name TEXT NOT NULL, by_org TEXT NOT NULL, why TEXT NOT NULL, model INTEGER NOT NULL);
CREATE INDEX empi_log_person ON empi_log (person, id);
CREATE INDEX empi_log_patient ON empi_log (patient, id);
CREATE TABLE empi_model (
  id INTEGER PRIMARY KEY, json BLOB NOT NULL, origin TEXT NOT NULL, at INTEGER NOT NULL, by_user TEXT NOT NULL, by_name TEXT NOT NULL, by_org TEXT NOT NULL, active INTEGER NOT NULL);
CREATE TABLE empi_undone (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, since INTEGER NOT NULL, person INTEGER NOT NULL, patient TEXT NOT NULL, others TEXT NOT NULL);
CREATE TABLE empi_told (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, by_user TEXT NOT NULL, org TEXT NOT NULL, person INTEGER NOT NULL, patient TEXT NOT NULL,
  opened TEXT NOT NULL, opened_at INTEGER NOT NULL, noticed INTEGER NOT NULL);
CREATE INDEX empi_told_user ON empi_told (by_user, id);`,
	Postgres: `
CREATE TABLE empi_record (
  rec BIGINT PRIMARY KEY, patient TEXT COLLATE "C" NOT NULL UNIQUE, org TEXT NOT NULL, vid BIGINT NOT NULL, rev BIGINT NOT NULL,
  person BIGINT NOT NULL, updated BIGINT NOT NULL, keys BYTEA NOT NULL, body BYTEA NOT NULL);
CREATE INDEX empi_record_person ON empi_record (person) WHERE person > 0;
CREATE TABLE empi_key (key BIGINT NOT NULL, rec BIGINT NOT NULL, PRIMARY KEY (key, rec));
CREATE TABLE empi_due (rec BIGINT PRIMARY KEY, rev BIGINT NOT NULL, later BIGINT NOT NULL, why TEXT NOT NULL);
CREATE INDEX empi_due_order ON empi_due (later, rec);
CREATE TABLE empi_pair (
  id BIGINT PRIMARY KEY, a BIGINT NOT NULL, b BIGINT NOT NULL, outcome BIGINT NOT NULL, score DOUBLE PRECISION NOT NULL, probability DOUBLE PRECISION NOT NULL,
  bar TEXT NOT NULL, firm BIGINT NOT NULL, model BIGINT NOT NULL, state TEXT NOT NULL, why TEXT NOT NULL,
  since BIGINT NOT NULL, changed BIGINT NOT NULL, version BIGINT NOT NULL, UNIQUE (a, b));
CREATE INDEX empi_pair_b ON empi_pair (b, a);
CREATE INDEX empi_pair_state ON empi_pair (state, id);
CREATE TABLE empi_decision (
  id BIGINT PRIMARY KEY, a TEXT COLLATE "C" NOT NULL, b TEXT COLLATE "C" NOT NULL, what TEXT NOT NULL, reason TEXT NOT NULL, at BIGINT NOT NULL,
  by_user TEXT NOT NULL, by_name TEXT NOT NULL, by_org TEXT NOT NULL,
  back_at BIGINT NOT NULL, back_user TEXT NOT NULL, back_name TEXT NOT NULL, back_org TEXT NOT NULL, back_why TEXT NOT NULL, undo TEXT NOT NULL);
CREATE INDEX empi_decision_a ON empi_decision (a, id);
CREATE INDEX empi_decision_b ON empi_decision (b, id);
CREATE TABLE empi_head (name TEXT NOT NULL PRIMARY KEY, last BIGINT NOT NULL);
CREATE TABLE empi_person (id BIGINT PRIMARY KEY, since BIGINT NOT NULL, until BIGINT NOT NULL);
CREATE TABLE empi_log (
  id BIGINT PRIMARY KEY, at BIGINT NOT NULL, person BIGINT NOT NULL, patient TEXT COLLATE "C" NOT NULL, what TEXT NOT NULL, source TEXT NOT NULL,
  other TEXT NOT NULL, decision BIGINT NOT NULL, by_user TEXT NOT NULL, by_name TEXT NOT NULL, by_org TEXT NOT NULL, why TEXT NOT NULL, model BIGINT NOT NULL);
CREATE INDEX empi_log_person ON empi_log (person, id);
CREATE INDEX empi_log_patient ON empi_log (patient, id);
CREATE TABLE empi_model (
  id BIGINT PRIMARY KEY, json BYTEA NOT NULL, origin TEXT NOT NULL, at BIGINT NOT NULL, by_user TEXT NOT NULL, by_name TEXT NOT NULL, by_org TEXT NOT NULL, active BIGINT NOT NULL);
CREATE TABLE empi_undone (
  id BIGINT PRIMARY KEY, at BIGINT NOT NULL, since BIGINT NOT NULL, person BIGINT NOT NULL, patient TEXT NOT NULL, others TEXT NOT NULL);
CREATE TABLE empi_told (
  id BIGINT PRIMARY KEY, at BIGINT NOT NULL, by_user TEXT COLLATE "C" NOT NULL, org TEXT NOT NULL, person BIGINT NOT NULL, patient TEXT NOT NULL,
  opened TEXT NOT NULL, opened_at BIGINT NOT NULL, noticed BIGINT NOT NULL);
CREATE INDEX empi_told_user ON empi_told (by_user, id);`,
}}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
