CREATE TABLE setting (key text COLLATE "C" PRIMARY KEY, value text COLLATE "C" NOT NULL);
CREATE TABLE symbol (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text COLLATE "C" NOT NULL UNIQUE);

-- uniqueness of resources lives here alone; a resource of version 0 is the target of a reference that has not come yet
CREATE TABLE resource_id (type smallint NOT NULL, id text COLLATE "C" NOT NULL, rid bigint NOT NULL, home bigint NOT NULL, PRIMARY KEY (type, id));
CREATE TABLE resource (
  rid bigint PRIMARY KEY, type smallint NOT NULL, id text COLLATE "C" NOT NULL, home bigint NOT NULL, multi smallint NOT NULL, custodian bigint NOT NULL,
  vid bigint NOT NULL, seq bigint NOT NULL, updated bigint NOT NULL, deleted smallint NOT NULL, shape bigint NOT NULL, at bigint NOT NULL, till bigint NOT NULL);
CREATE INDEX resource_at ON resource (type, at, rid, till) WHERE deleted = 0;
CREATE INDEX resource_custodian ON resource (custodian, type, at, rid) WHERE deleted = 0;
CREATE INDEX resource_updated ON resource (type, updated) WHERE deleted = 0;
CREATE TABLE version (
  seq bigint PRIMARY KEY, rid bigint NOT NULL, type smallint NOT NULL, vid bigint NOT NULL, op smallint NOT NULL, updated bigint NOT NULL,
  codec smallint NOT NULL, dict smallint NOT NULL, key bigint NOT NULL, body bytea, xid xid8 NOT NULL DEFAULT pg_current_xact_id());
ALTER TABLE version ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX version_xid ON version (xid, seq);
CREATE SEQUENCE rid_seq INCREMENT 32;
CREATE SEQUENCE seq_seq INCREMENT 32;
CREATE UNIQUE INDEX version_rid ON version (rid, vid);
CREATE INDEX version_type ON version (type, seq);

CREATE TABLE compartment (patient bigint NOT NULL, type smallint NOT NULL, at bigint NOT NULL, rid bigint NOT NULL, extra smallint NOT NULL, PRIMARY KEY (patient, type, at, rid));
CREATE INDEX compartment_rid ON compartment (rid, patient) WHERE extra = 1;
CREATE TABLE access_grant (
  patient bigint NOT NULL, party bigint NOT NULL, source text COLLATE "C" NOT NULL, class text COLLATE "C" NOT NULL, since bigint NOT NULL, until bigint NOT NULL, basis text COLLATE "C" NOT NULL,
  PRIMARY KEY (patient, party, source, class, since));
CREATE INDEX access_grant_party ON access_grant (party, patient, since, until);
CREATE INDEX access_grant_source ON access_grant (source);
CREATE TABLE person_member (person bigint NOT NULL, patient bigint NOT NULL, since bigint NOT NULL, until bigint NOT NULL, source text COLLATE "C" NOT NULL, PRIMARY KEY (person, patient, since));
CREATE INDEX person_member_patient ON person_member (patient);

-- param is the parameter's number, of one type each; at is the resource's main date
CREATE TABLE ix_token (param integer NOT NULL, code bigint NOT NULL, at bigint NOT NULL, rid bigint NOT NULL, system bigint NOT NULL, PRIMARY KEY (param, code, at, rid, system));
CREATE TABLE ix_hot (param integer NOT NULL, patient bigint NOT NULL, code bigint NOT NULL, at bigint NOT NULL, rid bigint NOT NULL, system bigint NOT NULL, PRIMARY KEY (param, patient, code, at, rid, system));
CREATE TABLE ix_ident (param integer NOT NULL, code text COLLATE "C" NOT NULL, rid bigint NOT NULL, system bigint NOT NULL, PRIMARY KEY (param, code, rid, system));
CREATE TABLE ix_sealed (param integer NOT NULL, mac bytea NOT NULL, rid bigint NOT NULL, PRIMARY KEY (param, mac, rid));
CREATE TABLE ix_string (param integer NOT NULL, folded text COLLATE "C" NOT NULL, rid bigint NOT NULL, exact text COLLATE "C" NOT NULL, PRIMARY KEY (param, folded, rid, exact));
CREATE INDEX ix_string_rid ON ix_string (rid, param);
CREATE TABLE ix_date (param integer NOT NULL, low bigint NOT NULL, high bigint NOT NULL, rid bigint NOT NULL, PRIMARY KEY (param, low, high, rid));
CREATE INDEX ix_date_rid ON ix_date (rid, param);
CREATE TABLE ix_quantity (param integer NOT NULL, value double precision NOT NULL, rid bigint NOT NULL, system bigint NOT NULL, unit bigint NOT NULL, PRIMARY KEY (param, value, rid, system, unit));
CREATE INDEX ix_quantity_rid ON ix_quantity (rid, param);
CREATE TABLE ix_ref (param integer NOT NULL, target bigint NOT NULL, at bigint NOT NULL, rid bigint NOT NULL, PRIMARY KEY (param, target, at, rid));
CREATE INDEX ix_ref_rid ON ix_ref (rid, param);
CREATE TABLE ix_uri (param integer NOT NULL, uri bigint NOT NULL, rid bigint NOT NULL, PRIMARY KEY (param, uri, rid));
CREATE TABLE date_span (param integer PRIMARY KEY, span bigint NOT NULL);

CREATE TABLE claim (kind text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, holder text COLLATE "C" NOT NULL, PRIMARY KEY (kind, key));
CREATE INDEX claim_holder ON claim (holder);
CREATE TABLE idempotency (client text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, hash text COLLATE "C" NOT NULL, answer bytea, expires bigint NOT NULL, PRIMARY KEY (client, key));
CREATE INDEX idempotency_expires ON idempotency (expires);
CREATE TABLE horizon (name text COLLATE "C" PRIMARY KEY, seq bigint NOT NULL);
