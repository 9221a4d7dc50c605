-- a record is of one person now, however many it was of
CREATE UNIQUE INDEX person_member_now ON person_member (patient) WHERE until = 2305843009213693952;
