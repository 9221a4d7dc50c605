package smart

import (
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

const tables = `
CREATE TABLE smart_app (
  id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, secret BLOB NOT NULL, jwks TEXT NOT NULL, jwks_url TEXT NOT NULL,
  redirects TEXT NOT NULL, launch TEXT NOT NULL, scopes TEXT NOT NULL, org TEXT NOT NULL, introspects INTEGER NOT NULL, disabled INTEGER NOT NULL, created INTEGER NOT NULL) {};
CREATE TABLE smart_token (
  hash BLOB NOT NULL, kind INTEGER NOT NULL, family TEXT NOT NULL, app TEXT NOT NULL, user_id TEXT NOT NULL,
  active INTEGER NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL, data TEXT NOT NULL, PRIMARY KEY (hash, kind)) {};
CREATE INDEX smart_token_family ON smart_token (family);
CREATE INDEX smart_token_user ON smart_token (user_id, app);
CREATE INDEX smart_token_expires ON smart_token (expires);
CREATE TABLE smart_consent (
  user_id TEXT NOT NULL, app TEXT NOT NULL, scopes TEXT NOT NULL, since INTEGER NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (user_id, app)) {};
CREATE TABLE smart_launch (
  hash BLOB NOT NULL PRIMARY KEY, session BLOB NOT NULL, user_id TEXT NOT NULL, app TEXT NOT NULL, patient TEXT NOT NULL, encounter TEXT NOT NULL, expires INTEGER NOT NULL) {};
CREATE TABLE smart_assertion (app TEXT NOT NULL, jti TEXT NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (app, jti)) {};
CREATE TABLE smart_key (kid TEXT NOT NULL PRIMARY KEY, sealed BLOB NOT NULL, created INTEGER NOT NULL) {};`

// Migrations are the tables of this room. Tokens, codes and secrets stand here only as hashes, signing keys sealed.
var Migrations = []store.Migration{{
	Name:     "smart/0001_apps",
	SQLite:   strings.ReplaceAll(tables, " {}", " WITHOUT ROWID"),
	Postgres: strings.NewReplacer(" {}", "", "BLOB", "BYTEA", "INTEGER", "BIGINT").Replace(tables),
}, {
	Name:     "smart/0002_second_administrator",
	SQLite:   `ALTER TABLE smart_app ADD COLUMN made_by TEXT NOT NULL DEFAULT ''`,
	Postgres: `ALTER TABLE smart_app ADD COLUMN made_by TEXT NOT NULL DEFAULT ''`,
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

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
