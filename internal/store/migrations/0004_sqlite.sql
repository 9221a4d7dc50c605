-- full text, kept behind the log where it is switched on: kind 1 = narrative, 2 = everything else; word is a seal of the word
CREATE TABLE ix_word (kind INTEGER NOT NULL, word INTEGER NOT NULL, rid INTEGER NOT NULL, PRIMARY KEY (kind, word, rid)) WITHOUT ROWID;
CREATE TABLE word_version (rid INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
