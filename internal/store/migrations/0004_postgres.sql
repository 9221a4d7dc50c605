-- full text, kept behind the log where it is switched on: kind 1 = narrative, 2 = everything else; word is a seal of the word
CREATE TABLE ix_word (kind smallint NOT NULL, word bigint NOT NULL, rid bigint NOT NULL, PRIMARY KEY (kind, word, rid));
CREATE TABLE word_version (rid bigint PRIMARY KEY, seq bigint NOT NULL);
