package subscription

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Migrations are the tables of this room. Times are UTC microseconds, 0 = never; of subscription_event
// only ids stand here, never a body. state: see the constants in queue.go.
var Migrations = []store.Migration{{
	Name: "subscription/0001_queue",
	SQLite: `
CREATE TABLE subscription_head (id INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
INSERT INTO subscription_head (id, generation) VALUES (1, 1);
CREATE TABLE subscription_state (
  id TEXT NOT NULL PRIMARY KEY, status TEXT NOT NULL, def TEXT NOT NULL, channel TEXT NOT NULL,
  owner_user TEXT NOT NULL, owner_name TEXT NOT NULL, owner_role TEXT NOT NULL, owner_org TEXT NOT NULL, custodian TEXT NOT NULL,
  vid INTEGER NOT NULL, active_vid INTEGER NOT NULL, started INTEGER NOT NULL, last INTEGER NOT NULL, missed INTEGER NOT NULL,
  attempts INTEGER NOT NULL, due INTEGER NOT NULL, lease INTEGER NOT NULL, beat INTEGER NOT NULL, ends INTEGER NOT NULL,
  sent INTEGER NOT NULL, error TEXT NOT NULL, error_at INTEGER NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX subscription_state_due ON subscription_state (status, due);
CREATE INDEX subscription_state_custodian ON subscription_state (custodian);
CREATE TABLE subscription_event (
  sub TEXT NOT NULL, number INTEGER NOT NULL, type TEXT NOT NULL, rid TEXT NOT NULL, vid INTEGER NOT NULL, op INTEGER NOT NULL,
  at INTEGER NOT NULL, state INTEGER NOT NULL, changed INTEGER NOT NULL, PRIMARY KEY (sub, number)) WITHOUT ROWID;
CREATE INDEX subscription_event_state ON subscription_event (sub, state, number);
CREATE INDEX subscription_event_old ON subscription_event (state, changed);
CREATE TABLE subscription_trouble (
  sub TEXT NOT NULL, at INTEGER NOT NULL, attempt INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (sub, at)) WITHOUT ROWID;`,
	Postgres: `
CREATE TABLE subscription_head (id BIGINT PRIMARY KEY, generation BIGINT NOT NULL);
INSERT INTO subscription_head (id, generation) VALUES (1, 1);
CREATE TABLE subscription_state (
  id TEXT NOT NULL PRIMARY KEY, status TEXT NOT NULL, def TEXT NOT NULL, channel TEXT NOT NULL,
  owner_user TEXT NOT NULL, owner_name TEXT NOT NULL, owner_role TEXT NOT NULL, owner_org TEXT NOT NULL, custodian TEXT NOT NULL,
  vid BIGINT NOT NULL, active_vid BIGINT NOT NULL, started BIGINT NOT NULL, last BIGINT NOT NULL, missed BIGINT NOT NULL,
  attempts BIGINT NOT NULL, due BIGINT NOT NULL, lease BIGINT NOT NULL, beat BIGINT NOT NULL, ends BIGINT NOT NULL,
  sent BIGINT NOT NULL, error TEXT NOT NULL, error_at BIGINT NOT NULL, created BIGINT NOT NULL);
CREATE INDEX subscription_state_due ON subscription_state (status, due);
CREATE INDEX subscription_state_custodian ON subscription_state (custodian);
CREATE TABLE subscription_event (
  sub TEXT NOT NULL, number BIGINT NOT NULL, type TEXT NOT NULL, rid TEXT NOT NULL, vid BIGINT NOT NULL, op BIGINT NOT NULL,
  at BIGINT NOT NULL, state BIGINT NOT NULL, changed BIGINT NOT NULL, PRIMARY KEY (sub, number));
CREATE INDEX subscription_event_state ON subscription_event (sub, state, number);
CREATE INDEX subscription_event_old ON subscription_event (state, changed);
CREATE TABLE subscription_trouble (
  sub TEXT NOT NULL, at BIGINT NOT NULL, attempt BIGINT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (sub, at));`,
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
