package hl7v2

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Migrations are the tables of this room. hl7v2_message keeps every message with what came of it: the body sealed as the
// store seals, code the answer (AA, AE, AR), why the stable code of a refusal. digest is keyed by the hub.
var Migrations = func() []store.Migration {
	ddl := `
CREATE TABLE hl7v2_message (
  sender TEXT NOT NULL, control TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL, at BIGINT NOT NULL, happened BIGINT NOT NULL,
  code TEXT NOT NULL, why TEXT NOT NULL, answer BYTEA NOT NULL, patient TEXT NOT NULL, encounter TEXT NOT NULL, bed TEXT NOT NULL,
  times BIGINT NOT NULL, body BYTEA, PRIMARY KEY (sender, control));
CREATE INDEX hl7v2_message_at ON hl7v2_message (at);
CREATE INDEX hl7v2_message_sender ON hl7v2_message (sender, at);`
	lite := strings.NewReplacer("BIGINT", "INTEGER", "BYTEA", "BLOB").Replace(ddl)
	return []store.Migration{{Name: "hl7v2/0001_messages", SQLite: lite, Postgres: ddl}}
}()
