package access

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Migrations are the tables of this room: the tree as rows, who belongs to which team, what a patient said to
// sharing, and what was opened for a reason.
var Migrations = func() []store.Migration {
	ddl := `
CREATE TABLE access_place (
  org TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, parent TEXT NOT NULL, level TEXT NOT NULL,
  network BIGINT NOT NULL, inactive BIGINT NOT NULL, vid BIGINT NOT NULL, changed BIGINT NOT NULL);
CREATE INDEX access_place_changed ON access_place (changed);
CREATE TABLE access_member (
  source TEXT NOT NULL, team TEXT NOT NULL, practitioner TEXT NOT NULL, since BIGINT NOT NULL, until BIGINT NOT NULL,
  PRIMARY KEY (practitioner, team, source, since));
CREATE INDEX access_member_source ON access_member (source);
CREATE TABLE access_consent (
  source TEXT NOT NULL, patient TEXT NOT NULL, says TEXT NOT NULL, party TEXT NOT NULL, since BIGINT NOT NULL, until BIGINT NOT NULL,
  PRIMARY KEY (patient, source, party));
CREATE INDEX access_consent_source ON access_consent (source);
CREATE TABLE access_reason (
  id TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, person TEXT NOT NULL, patient TEXT NOT NULL, org TEXT NOT NULL, keeper TEXT NOT NULL,
  code TEXT NOT NULL, opens TEXT NOT NULL, at BIGINT NOT NULL, until BIGINT NOT NULL);
CREATE INDEX access_reason_person ON access_reason (person, kind, at);
CREATE INDEX access_reason_keeper ON access_reason (keeper, kind, at);`
	// acted: 0 = a refusal that begins later and has ended nothing yet.
	refusals := func(integer, now string) string {
		return "ALTER TABLE access_consent ADD COLUMN acted " + integer + " NOT NULL DEFAULT 1;\n" +
			"UPDATE access_consent SET acted = 0 WHERE says = 'deny' AND since > " + now + ";\n" +
			"CREATE INDEX access_consent_later ON access_consent (since) WHERE acted = 0;"
	}
	return []store.Migration{
		{Name: "access/0001_relations", SQLite: strings.ReplaceAll(ddl, "BIGINT", "INTEGER"), Postgres: ddl},
		{Name: "access/0002_refusals", SQLite: refusals("INTEGER", "1000000 * strftime('%s', 'now')"), Postgres: refusals("BIGINT", "1000000 * extract(epoch FROM now())")},
	}
}()
