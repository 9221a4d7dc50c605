// Package migrations holds the store's own tables, once for each database.
package migrations

import _ "embed"

//go:embed 0001_sqlite.sql
var sqlite0001 string

//go:embed 0001_postgres.sql
var postgres0001 string

//go:embed 0002_sqlite.sql
var sqlite0002 string

//go:embed 0002_postgres.sql
var postgres0002 string

//go:embed 0003_sqlite.sql
var sqlite0003 string

//go:embed 0003_postgres.sql
var postgres0003 string

//go:embed 0004_sqlite.sql
var sqlite0004 string

//go:embed 0004_postgres.sql
var postgres0004 string

//go:embed 0005_sqlite.sql
var sqlite0005 string

//go:embed 0005_postgres.sql
var postgres0005 string

//go:embed 0006_sqlite.sql
var sqlite0006 string

//go:embed 0006_postgres.sql
var postgres0006 string

//go:embed 0007_sqlite.sql
var sqlite0007 string

//go:embed 0007_postgres.sql
var postgres0007 string

//go:embed 0008_sqlite.sql
var sqlite0008 string

//go:embed 0008_postgres.sql
var postgres0008 string

//go:embed 0009_sqlite.sql
var sqlite0009 string

//go:embed 0009_postgres.sql
var postgres0009 string

//go:embed 0010_sqlite.sql
var sqlite0010 string

//go:embed 0010_postgres.sql
var postgres0010 string

// Step is one change of the tables, for both databases.
type Step struct{ Name, SQLite, Postgres string }

// All stand in the order in which they run.
var All = []Step{{"store/0001_resources", sqlite0001, postgres0001}, {"store/0002_search", sqlite0002, postgres0002}, {"store/0003_counts", sqlite0003, postgres0003},
	{"store/0004_words", sqlite0004, postgres0004}, {"store/0005_parameters", sqlite0005, postgres0005}, {"store/0006_sights", sqlite0006, postgres0006},
	{"store/0007_versions", sqlite0007, postgres0007},
	{"store/0008_keys", sqlite0008, postgres0008},
	{"store/0009_grants", sqlite0009, postgres0009},
	{"store/0010_persons", sqlite0010, postgres0010}}
