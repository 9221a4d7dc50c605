-- what each version tells by itself, as in resource.guarded; bit 62 = it is about another patient than the newest
ALTER TABLE version ADD COLUMN guarded bigint NOT NULL DEFAULT 0;
-- what an institution keeps that is about nobody
CREATE INDEX resource_nobody ON resource (custodian, type, at, rid) WHERE home = 0 AND deleted = 0;
-- who keeps anything in a patient's record
CREATE INDEX custody_patient ON custody (patient, custodian);
