package event

import "github.com/xinglin-health/xinglin/internal/store"

// Migrations are the tables of this room. event_head holds the last seq: taking the next one locks
// the row until commit, so that the order of seq is the order of commits.
var Migrations = []store.Migration{{
	Name: "event/0001_log",
	SQLite: `
CREATE TABLE event_head (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, sent INTEGER NOT NULL);
INSERT INTO event_head (id, seq, sent) VALUES (1, 0, 0);
CREATE TABLE event_log (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, focus TEXT NOT NULL, patient TEXT NOT NULL,
  parties TEXT NOT NULL, act_by INTEGER NOT NULL, actor TEXT NOT NULL, data TEXT NOT NULL);
CREATE INDEX event_log_focus ON event_log (focus, seq);
CREATE INDEX event_log_at ON event_log (at, seq);
CREATE TABLE event_party (party TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (party, seq)) WITHOUT ROWID;
CREATE TABLE event_read (reader TEXT NOT NULL PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE event_channel (
  id TEXT NOT NULL PRIMARY KEY, org TEXT NOT NULL, kind TEXT NOT NULL, url TEXT NOT NULL, secret TEXT NOT NULL,
  enabled INTEGER NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX event_channel_org ON event_channel (org);`,
	Postgres: `
CREATE TABLE event_head (id BIGINT PRIMARY KEY, seq BIGINT NOT NULL, sent BIGINT NOT NULL);
INSERT INTO event_head (id, seq, sent) VALUES (1, 0, 0);
CREATE TABLE event_log (
  seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, kind TEXT NOT NULL, focus TEXT NOT NULL, patient TEXT NOT NULL,
  parties TEXT NOT NULL, act_by BIGINT NOT NULL, actor TEXT NOT NULL, data TEXT NOT NULL);
CREATE INDEX event_log_focus ON event_log (focus, seq);
CREATE INDEX event_log_at ON event_log (at, seq);
CREATE TABLE event_party (party TEXT NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (party, seq));
CREATE TABLE event_read (reader TEXT NOT NULL PRIMARY KEY, seq BIGINT NOT NULL);
CREATE TABLE event_channel (
  id TEXT NOT NULL PRIMARY KEY, org TEXT NOT NULL, kind TEXT NOT NULL, url TEXT NOT NULL, secret TEXT NOT NULL,
  enabled BIGINT NOT NULL, created BIGINT NOT NULL);
CREATE INDEX event_channel_org ON event_channel (org);`,
}}
