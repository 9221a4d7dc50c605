package booking

import "github.com/xinglin-health/xinglin/internal/store"

// Migrations are the tables of this room. booking_row is the truth; its guards let no two live rows of one thing overlap,
// whoever writes. booking_free lists what is open to be
// given: offer names the waiter who was told of it; fresh counts what happened to it, seen how much of that was looked at.
var Migrations = []store.Migration{{
	Name: "booking/0001_rows",
	SQLite: `
CREATE TABLE booking_row (
  id TEXT NOT NULL PRIMARY KEY, thing TEXT NOT NULL, base TEXT NOT NULL, pool TEXT NOT NULL, holder TEXT NOT NULL, patient TEXT NOT NULL,
  state TEXT NOT NULL, live INTEGER NOT NULL, from_at INTEGER NOT NULL, until_at INTEGER, planned INTEGER NOT NULL, expires INTEGER NOT NULL,
  since INTEGER NOT NULL, by_who TEXT NOT NULL, reason TEXT NOT NULL, version INTEGER NOT NULL, inform_at INTEGER NOT NULL,
  CHECK (until_at IS NULL OR until_at > from_at)) WITHOUT ROWID;
CREATE UNIQUE INDEX booking_open ON booking_row (thing) WHERE live = 1 AND until_at IS NULL;
CREATE UNIQUE INDEX booking_holder ON booking_row (holder) WHERE live = 1;
CREATE INDEX booking_thing ON booking_row (thing, from_at) WHERE live = 1;
CREATE INDEX booking_base ON booking_row (base, from_at) WHERE live = 1;
CREATE INDEX booking_pool ON booking_row (pool, from_at) WHERE live = 1;
CREATE INDEX booking_expires ON booking_row (expires) WHERE state = 'held' AND expires > 0;
CREATE INDEX booking_inform ON booking_row (inform_at) WHERE inform_at > 0;
CREATE INDEX booking_past ON booking_row (thing, since);
CREATE TRIGGER booking_insert BEFORE INSERT ON booking_row WHEN NEW.live = 1 BEGIN
  SELECT RAISE(ABORT, 'booking: taken') WHERE EXISTS (SELECT 1 FROM booking_row b WHERE b.thing = NEW.thing AND b.live = 1 AND b.id <> NEW.id
    AND (NEW.until_at IS NULL OR b.from_at < NEW.until_at) AND (b.until_at IS NULL OR b.until_at > NEW.from_at));
END;
CREATE TRIGGER booking_update BEFORE UPDATE ON booking_row WHEN NEW.live = 1 BEGIN
  SELECT RAISE(ABORT, 'booking: taken') WHERE EXISTS (SELECT 1 FROM booking_row b WHERE b.thing = NEW.thing AND b.live = 1 AND b.id <> NEW.id
    AND (NEW.until_at IS NULL OR b.from_at < NEW.until_at) AND (b.until_at IS NULL OR b.until_at > NEW.from_at));
END;
CREATE TABLE booking_log (
  id TEXT NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, thing TEXT NOT NULL, holder TEXT NOT NULL, from_at INTEGER NOT NULL,
  until_at INTEGER NOT NULL, expires INTEGER NOT NULL, by_who TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (id, version)) WITHOUT ROWID;
CREATE TABLE booking_wait (
  holder TEXT NOT NULL PRIMARY KEY, patient TEXT NOT NULL, pool TEXT NOT NULL, rank INTEGER NOT NULL, since INTEGER NOT NULL, promised INTEGER NOT NULL,
  reason TEXT NOT NULL, needs BLOB NOT NULL, told INTEGER NOT NULL, offer TEXT NOT NULL, fresh INTEGER NOT NULL, seen INTEGER NOT NULL, live INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX booking_wait_order ON booking_wait (pool, rank, since, holder) WHERE live = 1;
CREATE INDEX booking_wait_fresh ON booking_wait (pool) WHERE live = 1 AND fresh > seen;
CREATE TABLE booking_free (
  thing TEXT NOT NULL PRIMARY KEY, pool TEXT NOT NULL, open INTEGER NOT NULL, since INTEGER NOT NULL, offer TEXT NOT NULL, fresh INTEGER NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX booking_free_pool ON booking_free (pool, since) WHERE open = 1;
CREATE INDEX booking_free_fresh ON booking_free (pool) WHERE open = 1 AND fresh > seen;`,
	Postgres: `
DO $$ BEGIN
  CREATE EXTENSION IF NOT EXISTS btree_gist;
EXCEPTION WHEN OTHERS THEN
  RAISE EXCEPTION 'booking needs the extension btree_gist, which ships with PostgreSQL (postgresql-contrib); let its administrator run CREATE EXTENSION btree_gist in this database: %', SQLERRM;
END $$;
CREATE TABLE booking_row (
  id TEXT NOT NULL PRIMARY KEY, thing TEXT NOT NULL, base TEXT NOT NULL, pool TEXT NOT NULL, holder TEXT NOT NULL, patient TEXT NOT NULL,
  state TEXT NOT NULL, live BIGINT NOT NULL, from_at BIGINT NOT NULL, until_at BIGINT, planned BIGINT NOT NULL, expires BIGINT NOT NULL,
  since BIGINT NOT NULL, by_who TEXT NOT NULL, reason TEXT NOT NULL, version BIGINT NOT NULL, inform_at BIGINT NOT NULL,
  CHECK (until_at IS NULL OR until_at > from_at),
  CONSTRAINT booking_never_twice EXCLUDE USING gist (thing WITH =, int8range(from_at, until_at) WITH &&) WHERE (live = 1));
CREATE UNIQUE INDEX booking_open ON booking_row (thing) WHERE live = 1 AND until_at IS NULL;
CREATE UNIQUE INDEX booking_holder ON booking_row (holder) WHERE live = 1;
CREATE INDEX booking_thing ON booking_row (thing, from_at) WHERE live = 1;
CREATE INDEX booking_base ON booking_row (base, from_at) WHERE live = 1;
CREATE INDEX booking_pool ON booking_row (pool, from_at) WHERE live = 1;
CREATE INDEX booking_expires ON booking_row (expires) WHERE state = 'held' AND expires > 0;
CREATE INDEX booking_inform ON booking_row (inform_at) WHERE inform_at > 0;
CREATE INDEX booking_past ON booking_row (thing, since);
CREATE TABLE booking_log (
  id TEXT NOT NULL, version BIGINT NOT NULL, at BIGINT NOT NULL, state TEXT NOT NULL, thing TEXT NOT NULL, holder TEXT NOT NULL, from_at BIGINT NOT NULL,
  until_at BIGINT NOT NULL, expires BIGINT NOT NULL, by_who TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (id, version));
CREATE TABLE booking_wait (
  holder TEXT NOT NULL PRIMARY KEY, patient TEXT NOT NULL, pool TEXT NOT NULL, rank BIGINT NOT NULL, since BIGINT NOT NULL, promised BIGINT NOT NULL,
  reason TEXT NOT NULL, needs BYTEA NOT NULL, told BIGINT NOT NULL, offer TEXT NOT NULL, fresh BIGINT NOT NULL, seen BIGINT NOT NULL, live BIGINT NOT NULL);
CREATE INDEX booking_wait_order ON booking_wait (pool, rank, since, holder) WHERE live = 1;
CREATE INDEX booking_wait_fresh ON booking_wait (pool) WHERE live = 1 AND fresh > seen;
CREATE TABLE booking_free (
  thing TEXT NOT NULL PRIMARY KEY, pool TEXT NOT NULL, open BIGINT NOT NULL, since BIGINT NOT NULL, offer TEXT NOT NULL, fresh BIGINT NOT NULL, seen BIGINT NOT NULL);
CREATE INDEX booking_free_pool ON booking_free (pool, since) WHERE open = 1;
CREATE INDEX booking_free_fresh ON booking_free (pool) WHERE open = 1 AND fresh > seen;`,
}}
