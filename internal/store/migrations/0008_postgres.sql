-- keys under which bodies (data) and values of sealed parameters (index) are hidden, each wrapped by the master key
CREATE TABLE data_key (
  id bigint PRIMARY KEY, purpose text COLLATE "C" NOT NULL, algorithm text COLLATE "C" NOT NULL, created bigint NOT NULL, retired bigint NOT NULL, master text COLLATE "C" NOT NULL, wrapped bytea NOT NULL,
  bytes bigint NOT NULL, times bigint NOT NULL);
