-- what a resource tells that needs a further reason to be seen: bits of its own kinds, and from bit 31 those of its patient
ALTER TABLE resource ADD COLUMN guarded INTEGER NOT NULL DEFAULT 0;
CREATE INDEX resource_guarded ON resource (type, rid) WHERE guarded <> 0;

-- single resources that a party sees: a packet
CREATE TABLE access_item (rid INTEGER NOT NULL, party INTEGER NOT NULL, source TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, basis TEXT NOT NULL,
  PRIMARY KEY (rid, party, source, since)) WITHOUT ROWID;
CREATE INDEX access_item_party ON access_item (party, rid, since, until);
CREATE INDEX access_item_source ON access_item (source);
