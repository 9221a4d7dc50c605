-- what of a patient is granted now, however much once was
CREATE INDEX access_grant_now ON access_grant (patient, until, party, since);
