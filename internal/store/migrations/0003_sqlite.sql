CREATE INDEX resource_gone ON resource (type, home, at) WHERE deleted = 1;
