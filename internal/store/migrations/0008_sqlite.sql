-- keys under which bodies (data) and values of sealed parameters (index) are hidden, each wrapped by the master key
CREATE TABLE data_key (
  id INTEGER PRIMARY KEY, purpose TEXT NOT NULL, algorithm TEXT NOT NULL, created INTEGER NOT NULL, retired INTEGER NOT NULL, master TEXT NOT NULL, wrapped BLOB NOT NULL,
  bytes INTEGER NOT NULL, times INTEGER NOT NULL);
