-- one range for a code and its value: a = code or target, b = unit or second code, [x, y] = value or interval;
-- rows whose value is an interval stand under -param, so that plain numbers need no look at y
CREATE TABLE ix_pair (param INTEGER NOT NULL, a INTEGER NOT NULL, b INTEGER NOT NULL, x REAL NOT NULL, at INTEGER NOT NULL, rid INTEGER NOT NULL, y REAL NOT NULL,
  a_system INTEGER NOT NULL, b_system INTEGER NOT NULL, PRIMARY KEY (param, a, b, x, at, rid, y, a_system, b_system)) WITHOUT ROWID;
CREATE INDEX ix_pair_rid ON ix_pair (rid, param);
CREATE TABLE ix_pair_text (param INTEGER NOT NULL, a INTEGER NOT NULL, folded TEXT NOT NULL, at INTEGER NOT NULL, rid INTEGER NOT NULL, a_system INTEGER NOT NULL, exact TEXT NOT NULL,
  PRIMARY KEY (param, a, folded, at, rid, a_system, exact)) WITHOUT ROWID;
CREATE INDEX ix_pair_text_rid ON ix_pair_text (rid, param);

-- by unit, so that a value has one range in each unit that it is written in; intervals (ranges, "< 5") apart
CREATE TABLE ix_number (param INTEGER NOT NULL, unit INTEGER NOT NULL, value REAL NOT NULL, rid INTEGER NOT NULL, system INTEGER NOT NULL, PRIMARY KEY (param, unit, value, rid, system)) WITHOUT ROWID;
INSERT INTO ix_number (param, unit, value, rid, system) SELECT param, unit, value, rid, system FROM ix_quantity ORDER BY param, unit, value;
DROP TABLE ix_quantity;
ALTER TABLE ix_number RENAME TO ix_quantity;
CREATE INDEX ix_quantity_rid ON ix_quantity (rid, param);
CREATE TABLE ix_range (param INTEGER NOT NULL, unit INTEGER NOT NULL, low REAL NOT NULL, high REAL NOT NULL, rid INTEGER NOT NULL, system INTEGER NOT NULL, PRIMARY KEY (param, unit, low, high, rid, system)) WITHOUT ROWID;
CREATE INDEX ix_range_rid ON ix_range (rid, param);

-- every code that a parameter has ever had, with the first text that it came with; ix_text is what else was written
CREATE TABLE ix_code (param INTEGER NOT NULL, code INTEGER NOT NULL, system INTEGER NOT NULL, folded TEXT NOT NULL, PRIMARY KEY (param, code, system)) WITHOUT ROWID;
INSERT INTO ix_code (param, code, system, folded) SELECT DISTINCT param, code, system, '' FROM ix_token;
CREATE TABLE ix_text (param INTEGER NOT NULL, folded TEXT NOT NULL, rid INTEGER NOT NULL, code INTEGER NOT NULL, system INTEGER NOT NULL, PRIMARY KEY (param, folded, rid, code, system)) WITHOUT ROWID;
CREATE INDEX ix_text_rid ON ix_text (rid, param);

-- in whose records an institution has ever been custodian of anything; minus a type = of that type, about nobody
CREATE TABLE custody (custodian INTEGER NOT NULL, patient INTEGER NOT NULL, PRIMARY KEY (custodian, patient)) WITHOUT ROWID;
INSERT INTO custody (custodian, patient) SELECT DISTINCT custodian, CASE WHEN home = 0 THEN -type ELSE home END FROM resource WHERE vid > 0;

CREATE INDEX compartment_extra ON compartment (patient, type, rid) WHERE extra = 1;
