package registry

import "github.com/xinglin-health/xinglin/internal/store"

// Migrations are the tables of this room, derived from Practitioner and PractitionerRole. Times are UTC microseconds.
// A post is kept with what was known when: a row holds from known until superseded.
var Migrations = []store.Migration{{
	Name: "registry/0001_posts",
	SQLite: `
CREATE TABLE registry_post (
  role TEXT NOT NULL, vid INTEGER NOT NULL, code TEXT NOT NULL, person TEXT NOT NULL, org TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,
  known INTEGER NOT NULL, superseded INTEGER NOT NULL, stands_for TEXT NOT NULL, more TEXT NOT NULL, PRIMARY KEY (role, vid, code)) WITHOUT ROWID;
CREATE INDEX registry_post_org ON registry_post (org, code);
CREATE INDEX registry_post_person ON registry_post (person);
CREATE INDEX registry_post_until ON registry_post (until, superseded);
CREATE TABLE registry_licence (
  person TEXT NOT NULL, ord INTEGER NOT NULL, kind TEXT NOT NULL, number TEXT NOT NULL, scope TEXT NOT NULL, places TEXT NOT NULL,
  since INTEGER NOT NULL, until INTEGER NOT NULL, suspended INTEGER NOT NULL, PRIMARY KEY (person, ord)) WITHOUT ROWID;
CREATE INDEX registry_licence_until ON registry_licence (until);
CREATE TABLE registry_told (
  key TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;`,
	Postgres: `
CREATE TABLE registry_post (
  role TEXT NOT NULL, vid BIGINT NOT NULL, code TEXT NOT NULL, person TEXT NOT NULL, org TEXT NOT NULL, since BIGINT NOT NULL, until BIGINT NOT NULL,
  known BIGINT NOT NULL, superseded BIGINT NOT NULL, stands_for TEXT NOT NULL, more TEXT NOT NULL, PRIMARY KEY (role, vid, code));
CREATE INDEX registry_post_org ON registry_post (org, code);
CREATE INDEX registry_post_person ON registry_post (person);
CREATE INDEX registry_post_until ON registry_post (until, superseded);
CREATE TABLE registry_licence (
  person TEXT NOT NULL, ord BIGINT NOT NULL, kind TEXT NOT NULL, number TEXT NOT NULL, scope TEXT NOT NULL, places TEXT NOT NULL,
  since BIGINT NOT NULL, until BIGINT NOT NULL, suspended BIGINT NOT NULL, PRIMARY KEY (person, ord));
CREATE INDEX registry_licence_until ON registry_licence (until);
CREATE TABLE registry_told (
  key TEXT NOT NULL PRIMARY KEY, at BIGINT NOT NULL);`,
}}
