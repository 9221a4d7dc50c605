-- search parameters that this hub was given; the number stands in index rows and is never given again
CREATE TABLE search_parameter (
  id integer PRIMARY KEY, base text COLLATE "C" NOT NULL, code text COLLATE "C" NOT NULL, url text COLLATE "C" NOT NULL, kind integer NOT NULL, expression text COLLATE "C" NOT NULL,
  targets text COLLATE "C" NOT NULL, source text COLLATE "C" NOT NULL, active integer NOT NULL, UNIQUE (base, code));
CREATE INDEX search_parameter_source ON search_parameter (source);
-- indexing that is under way: first what stands under the parameter is cleared, then the resources are walked by id
CREATE TABLE reindex (
  param integer PRIMARY KEY, type text COLLATE "C" NOT NULL, clear integer NOT NULL, withhold integer NOT NULL, phase integer NOT NULL,
  after text COLLATE "C" NOT NULL, seq bigint NOT NULL, done bigint NOT NULL, total bigint NOT NULL, asked bigint NOT NULL);
