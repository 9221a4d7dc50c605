-- search parameters that this hub was given; the number stands in index rows and is never given again
CREATE TABLE search_parameter (
  id INTEGER PRIMARY KEY, base TEXT NOT NULL, code TEXT NOT NULL, url TEXT NOT NULL, kind INTEGER NOT NULL, expression TEXT NOT NULL,
  targets TEXT NOT NULL, source TEXT NOT NULL, active INTEGER NOT NULL, UNIQUE (base, code));
CREATE INDEX search_parameter_source ON search_parameter (source);
-- indexing that is under way: first what stands under the parameter is cleared, then the resources are walked by id
CREATE TABLE reindex (
  param INTEGER PRIMARY KEY, type TEXT NOT NULL, clear INTEGER NOT NULL, withhold INTEGER NOT NULL, phase INTEGER NOT NULL,
  after TEXT NOT NULL, seq INTEGER NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL, asked INTEGER NOT NULL);
