CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE symbol (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);

-- uniqueness of resources lives here alone; a resource of version 0 is the target of a reference that has not come yet
CREATE TABLE resource_id (type INTEGER NOT NULL, id TEXT NOT NULL, rid INTEGER NOT NULL, home INTEGER NOT NULL, PRIMARY KEY (type, id)) WITHOUT ROWID;
CREATE TABLE resource (
  rid INTEGER PRIMARY KEY, type INTEGER NOT NULL, id TEXT NOT NULL, home INTEGER NOT NULL, multi INTEGER NOT NULL, custodian INTEGER NOT NULL,
  vid INTEGER NOT NULL, seq INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER NOT NULL, shape INTEGER NOT NULL, at INTEGER NOT NULL, till INTEGER NOT NULL);
CREATE INDEX resource_at ON resource (type, at, rid, till) WHERE deleted = 0;
CREATE INDEX resource_custodian ON resource (custodian, type, at, rid) WHERE deleted = 0;
CREATE INDEX resource_updated ON resource (type, updated) WHERE deleted = 0;
CREATE TABLE version (
  seq INTEGER PRIMARY KEY, rid INTEGER NOT NULL, type INTEGER NOT NULL, vid INTEGER NOT NULL, op INTEGER NOT NULL, updated INTEGER NOT NULL,
  codec INTEGER NOT NULL, dict INTEGER NOT NULL, key INTEGER NOT NULL, body BLOB);
CREATE UNIQUE INDEX version_rid ON version (rid, vid);
CREATE INDEX version_type ON version (type, seq);

CREATE TABLE compartment (patient INTEGER NOT NULL, type INTEGER NOT NULL, at INTEGER NOT NULL, rid INTEGER NOT NULL, extra INTEGER NOT NULL, PRIMARY KEY (patient, type, at, rid)) WITHOUT ROWID;
CREATE INDEX compartment_rid ON compartment (rid, patient) WHERE extra = 1;
CREATE TABLE access_grant (
  patient INTEGER NOT NULL, party INTEGER NOT NULL, source TEXT NOT NULL, class TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, basis TEXT NOT NULL,
  PRIMARY KEY (patient, party, source, class, since)) WITHOUT ROWID;
CREATE INDEX access_grant_party ON access_grant (party, patient, since, until);
CREATE INDEX access_grant_source ON access_grant (source);
CREATE TABLE person_member (person INTEGER NOT NULL, patient INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, source TEXT NOT NULL, PRIMARY KEY (person, patient, since)) WITHOUT ROWID;
CREATE INDEX person_member_patient ON person_member (patient);

-- param is the parameter's number, of one type each; at is the resource's main date
CREATE TABLE ix_token (param INTEGER NOT NULL, code INTEGER NOT NULL, at INTEGER NOT NULL, rid INTEGER NOT NULL, system INTEGER NOT NULL, PRIMARY KEY (param, code, at, rid, system)) WITHOUT ROWID;
CREATE TABLE ix_hot (param INTEGER NOT NULL, patient INTEGER NOT NULL, code INTEGER NOT NULL, at INTEGER NOT NULL, rid INTEGER NOT NULL, system INTEGER NOT NULL, PRIMARY KEY (param, patient, code, at, rid, system)) WITHOUT ROWID;
CREATE TABLE ix_ident (param INTEGER NOT NULL, code TEXT NOT NULL, rid INTEGER NOT NULL, system INTEGER NOT NULL, PRIMARY KEY (param, code, rid, system)) WITHOUT ROWID;
CREATE TABLE ix_sealed (param INTEGER NOT NULL, mac BLOB NOT NULL, rid INTEGER NOT NULL, PRIMARY KEY (param, mac, rid)) WITHOUT ROWID;
CREATE TABLE ix_string (param INTEGER NOT NULL, folded TEXT NOT NULL, rid INTEGER NOT NULL, exact TEXT NOT NULL, PRIMARY KEY (param, folded, rid, exact)) WITHOUT ROWID;
CREATE INDEX ix_string_rid ON ix_string (rid, param);
CREATE TABLE ix_date (param INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL, rid INTEGER NOT NULL, PRIMARY KEY (param, low, high, rid)) WITHOUT ROWID;
CREATE INDEX ix_date_rid ON ix_date (rid, param);
CREATE TABLE ix_quantity (param INTEGER NOT NULL, value REAL NOT NULL, rid INTEGER NOT NULL, system INTEGER NOT NULL, unit INTEGER NOT NULL, PRIMARY KEY (param, value, rid, system, unit)) WITHOUT ROWID;
CREATE INDEX ix_quantity_rid ON ix_quantity (rid, param);
CREATE TABLE ix_ref (param INTEGER NOT NULL, target INTEGER NOT NULL, at INTEGER NOT NULL, rid INTEGER NOT NULL, PRIMARY KEY (param, target, at, rid)) WITHOUT ROWID;
CREATE INDEX ix_ref_rid ON ix_ref (rid, param);
CREATE TABLE ix_uri (param INTEGER NOT NULL, uri INTEGER NOT NULL, rid INTEGER NOT NULL, PRIMARY KEY (param, uri, rid)) WITHOUT ROWID;
CREATE TABLE date_span (param INTEGER PRIMARY KEY, span INTEGER NOT NULL);

CREATE TABLE claim (kind TEXT NOT NULL, key TEXT NOT NULL, holder TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE INDEX claim_holder ON claim (holder);
CREATE TABLE idempotency (client TEXT NOT NULL, key TEXT NOT NULL, hash TEXT NOT NULL, answer BLOB, expires INTEGER NOT NULL, PRIMARY KEY (client, key)) WITHOUT ROWID;
CREATE INDEX idempotency_expires ON idempotency (expires);
CREATE TABLE horizon (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
