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
}, {
	// posts: what the register says that people are; attempts: failed logins, by hashed key; ceremony: logins under way.
	Name: "identity/0002_proofs",
	SQLite: `
ALTER TABLE identity_user ADD COLUMN password_at INTEGER NOT NULL DEFAULT 0;
UPDATE identity_user SET password_at = created;
ALTER TABLE identity_session ADD COLUMN proved INTEGER NOT NULL DEFAULT 0;
ALTER TABLE identity_session ADD COLUMN strong INTEGER NOT NULL DEFAULT 0;
ALTER TABLE identity_session ADD COLUMN how TEXT NOT NULL DEFAULT 'password';
ALTER TABLE identity_session ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE identity_session ADD COLUMN device BLOB;
CREATE TABLE identity_post (
  source TEXT NOT NULL, role TEXT NOT NULL, org TEXT NOT NULL, practitioner TEXT NOT NULL, from_at INTEGER NOT NULL, until_at INTEGER NOT NULL, PRIMARY KEY (source, role)) WITHOUT ROWID;
CREATE INDEX identity_post_practitioner ON identity_post (practitioner);
CREATE INDEX identity_user_practitioner ON identity_user (practitioner);
CREATE TABLE identity_factor (
  id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL, step INTEGER NOT NULL,
  confirmed INTEGER NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX identity_factor_user ON identity_factor (user_id);
CREATE TABLE identity_recovery (user_id TEXT NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (user_id, hash)) WITHOUT ROWID;
CREATE TABLE identity_password (user_id TEXT NOT NULL, since INTEGER NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (user_id, since)) WITHOUT ROWID;
CREATE TABLE identity_attempt (key BLOB NOT NULL PRIMARY KEY, count INTEGER NOT NULL, last INTEGER NOT NULL, until_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE identity_device (
  user_id TEXT NOT NULL, hash BLOB NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, agent TEXT NOT NULL, remote TEXT NOT NULL, told INTEGER NOT NULL, PRIMARY KEY (user_id, hash)) WITHOUT ROWID;
CREATE TABLE identity_ceremony (
  hash BLOB NOT NULL PRIMARY KEY, kind TEXT NOT NULL, user_id TEXT NOT NULL, data BLOB NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE identity_link (issuer TEXT NOT NULL, subject TEXT NOT NULL, user_id TEXT NOT NULL, created INTEGER NOT NULL, PRIMARY KEY (issuer, subject)) WITHOUT ROWID;
CREATE INDEX identity_link_user ON identity_link (user_id);
CREATE TABLE identity_request (
  id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, role TEXT NOT NULL, org TEXT NOT NULL, from_at INTEGER NOT NULL, until_at INTEGER NOT NULL,
  by_user TEXT NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX identity_request_user ON identity_request (user_id);`,
	Postgres: `
ALTER TABLE identity_user ADD COLUMN password_at BIGINT NOT NULL DEFAULT 0;
UPDATE identity_user SET password_at = created;
ALTER TABLE identity_session ADD COLUMN proved BIGINT NOT NULL DEFAULT 0;
ALTER TABLE identity_session ADD COLUMN strong BIGINT NOT NULL DEFAULT 0;
ALTER TABLE identity_session ADD COLUMN how TEXT NOT NULL DEFAULT 'password';
ALTER TABLE identity_session ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE identity_session ADD COLUMN device BYTEA;
CREATE TABLE identity_post (
  source TEXT NOT NULL, role TEXT NOT NULL, org TEXT NOT NULL, practitioner TEXT NOT NULL, from_at BIGINT NOT NULL, until_at BIGINT NOT NULL, PRIMARY KEY (source, role));
CREATE INDEX identity_post_practitioner ON identity_post (practitioner);
CREATE INDEX identity_user_practitioner ON identity_user (practitioner);
CREATE TABLE identity_factor (
  id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, data BYTEA NOT NULL, step BIGINT NOT NULL,
  confirmed BIGINT NOT NULL, created BIGINT NOT NULL, used BIGINT NOT NULL);
CREATE INDEX identity_factor_user ON identity_factor (user_id);
CREATE TABLE identity_recovery (user_id TEXT NOT NULL, hash BYTEA NOT NULL, PRIMARY KEY (user_id, hash));
CREATE TABLE identity_password (user_id TEXT NOT NULL, since BIGINT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (user_id, since));
CREATE TABLE identity_attempt (key BYTEA NOT NULL PRIMARY KEY, count BIGINT NOT NULL, last BIGINT NOT NULL, until_at BIGINT NOT NULL);
CREATE TABLE identity_device (
  user_id TEXT NOT NULL, hash BYTEA NOT NULL, first BIGINT NOT NULL, last BIGINT NOT NULL, agent TEXT NOT NULL, remote TEXT NOT NULL, told BIGINT NOT NULL, PRIMARY KEY (user_id, hash));
CREATE TABLE identity_ceremony (
  hash BYTEA NOT NULL PRIMARY KEY, kind TEXT NOT NULL, user_id TEXT NOT NULL, data BYTEA NOT NULL, expires BIGINT NOT NULL);
CREATE TABLE identity_link (issuer TEXT NOT NULL, subject TEXT NOT NULL, user_id TEXT NOT NULL, created BIGINT NOT NULL, PRIMARY KEY (issuer, subject));
CREATE INDEX identity_link_user ON identity_link (user_id);
CREATE TABLE identity_request (
  id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, role TEXT NOT NULL, org TEXT NOT NULL, from_at BIGINT NOT NULL, until_at BIGINT NOT NULL,
  by_user TEXT NOT NULL, created BIGINT NOT NULL);
CREATE INDEX identity_request_user ON identity_request (user_id);`,
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
