package identity

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Migrations are the tables of this room. Secrets stand here only as hashes; until 0 = open, expires 0 = never.
var Migrations = []store.Migration{{
	Name: "identity/0001_accounts",
	SQLite: `
CREATE TABLE identity_user (
  id TEXT NOT NULL PRIMARY KEY, username TEXT NOT NULL UNIQUE, name TEXT NOT NULL, practitioner TEXT NOT NULL, lang TEXT NOT NULL,
  password TEXT NOT NULL, must_change INTEGER NOT NULL, disabled INTEGER NOT NULL, created INTEGER NOT NULL, home_org TEXT NOT NULL, last_login INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE identity_role (
  id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, ord INTEGER NOT NULL, role TEXT NOT NULL, org TEXT NOT NULL, from_at INTEGER NOT NULL, until_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX identity_role_user ON identity_role (user_id);
CREATE INDEX identity_role_org ON identity_role (org);
CREATE TABLE identity_session (
  hash BLOB NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, role_id TEXT NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL, remote TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX identity_session_user ON identity_session (user_id);
CREATE TABLE identity_token (
  id TEXT NOT NULL PRIMARY KEY, hash BLOB NOT NULL UNIQUE, client TEXT NOT NULL, scopes TEXT NOT NULL, org TEXT NOT NULL,
  created INTEGER NOT NULL, expires INTEGER NOT NULL, revoked INTEGER NOT NULL) WITHOUT ROWID;`,
	Postgres: `
CREATE TABLE identity_user (
  id TEXT NOT NULL PRIMARY KEY, username TEXT NOT NULL UNIQUE, name TEXT NOT NULL, practitioner TEXT NOT NULL, lang TEXT NOT NULL,
  password TEXT NOT NULL, must_change BIGINT NOT NULL, disabled BIGINT NOT NULL, created BIGINT NOT NULL, home_org TEXT NOT NULL, last_login BIGINT NOT NULL);
CREATE TABLE identity_role (
  id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, ord BIGINT NOT NULL, role TEXT NOT NULL, org TEXT NOT NULL, from_at BIGINT NOT NULL, until_at BIGINT NOT NULL);
CREATE INDEX identity_role_user ON identity_role (user_id);
CREATE INDEX identity_role_org ON identity_role (org);
CREATE TABLE identity_session (
  hash BYTEA NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, role_id TEXT NOT NULL, created BIGINT NOT NULL, used BIGINT NOT NULL, remote TEXT NOT NULL);
CREATE INDEX identity_session_user ON identity_session (user_id);
CREATE TABLE identity_token (
  id TEXT NOT NULL PRIMARY KEY, hash BYTEA NOT NULL UNIQUE, client TEXT NOT NULL, scopes TEXT NOT NULL, org TEXT NOT NULL,
  created BIGINT NOT NULL, expires BIGINT NOT NULL, revoked BIGINT NOT NULL);`,
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
	return time.UnixMicro(us)
}
