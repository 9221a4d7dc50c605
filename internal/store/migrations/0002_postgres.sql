-- one range for a code and its value: a = code or target, b = unit or second code, [x, y] = value or interval;
-- rows whose value is an interval stand under -param, so that plain numbers need no look at y
CREATE TABLE ix_pair (param integer NOT NULL, a bigint NOT NULL, b bigint NOT NULL, x double precision NOT NULL, at bigint NOT NULL, rid bigint NOT NULL, y double precision NOT NULL,
  a_system bigint NOT NULL, b_system bigint NOT NULL, PRIMARY KEY (param, a, b, x, at, rid, y, a_system, b_system));
CREATE INDEX ix_pair_rid ON ix_pair (rid, param);
CREATE TABLE ix_pair_text (param integer NOT NULL, a bigint NOT NULL, folded text COLLATE "C" NOT NULL, at bigint NOT NULL, rid bigint NOT NULL, a_system bigint NOT NULL, exact text COLLATE "C" NOT NULL,
  PRIMARY KEY (param, a, folded, at, rid, a_system, exact));
CREATE INDEX ix_pair_text_rid ON ix_pair_text (rid, param);

-- by unit, so that a value has one range in each unit that it is written in; intervals (ranges, "< 5") apart
CREATE TABLE ix_number (param integer NOT NULL, unit bigint NOT NULL, value double precision NOT NULL, rid bigint NOT NULL, system bigint NOT NULL, PRIMARY KEY (param, unit, value, rid, system));
INSERT INTO ix_number (param, unit, value, rid, system) SELECT param, unit, value, rid, system FROM ix_quantity ORDER BY param, unit, value;
DROP TABLE ix_quantity;
ALTER TABLE ix_number RENAME TO ix_quantity;
ALTER INDEX ix_number_pkey RENAME TO ix_quantity_pkey;
CREATE INDEX ix_quantity_rid ON ix_quantity (rid, param);
CREATE TABLE ix_range (param integer NOT NULL, unit bigint NOT NULL, low double precision NOT NULL, high double precision NOT NULL, rid bigint NOT NULL, system bigint NOT NULL, PRIMARY KEY (param, unit, low, high, rid, system));
CREATE INDEX ix_range_rid ON ix_range (rid, param);

-- every code that a parameter has ever had, with the first text that it came with; ix_text is what else was written
CREATE TABLE ix_code (param integer NOT NULL, code bigint NOT NULL, system bigint NOT NULL, folded text COLLATE "C" NOT NULL, PRIMARY KEY (param, code, system));
INSERT INTO ix_code (param, code, system, folded) SELECT DISTINCT param, code, system, '' FROM ix_token;
CREATE TABLE ix_text (param integer NOT NULL, folded text COLLATE "C" NOT NULL, rid bigint NOT NULL, code bigint NOT NULL, system bigint NOT NULL, PRIMARY KEY (param, folded, rid, code, system));
CREATE INDEX ix_text_rid ON ix_text (rid, param);

-- in whose records an institution has ever been custodian of anything; minus a type = of that type, about nobody
CREATE TABLE custody (custodian bigint NOT NULL, patient bigint NOT NULL, PRIMARY KEY (custodian, patient));
INSERT INTO custody (custodian, patient) SELECT DISTINCT custodian, CASE WHEN home = 0 THEN -type ELSE home END FROM resource WHERE vid > 0;

CREATE INDEX compartment_extra ON compartment (patient, type, rid) WHERE extra = 1;
