package store

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/xinglin-health/xinglin/internal/store/engine"
	"github.com/xinglin-health/xinglin/internal/store/postgres"
	sqlitedb "github.com/xinglin-health/xinglin/internal/store/sqlite"
)

// Manifest says what a backup holds; it is the last entry of the archive.
type Manifest struct {
	Format     int               `json:"format"`
	Database   string            `json:"database"` // sqlite or postgres: a backup goes back to its own kind
	Made       time.Time         `json:"made"`
	Migrations []string          `json:"migrations"`
	Rows       map[string]int64  `json:"rows"`   // by table
	Hashes     map[string]string `json:"sha256"` // by archive entry
}

const (
	manifestName = "manifest.json"
	keyName      = "hub.key"
	sqliteName   = "xinglin.db"
)

// Backup writes a consistent copy while the store serves: a zstd-compressed tar with the database, the hub's key
// where this store keeps it, and a manifest of counts and hashes. It holds patients' records: keep it as safe as them.
func (s *Store) Backup(ctx context.Context, w io.Writer) (Manifest, error) {
	m := Manifest{Format: 1, Database: s.Database(), Made: s.clock.Now().UTC().Truncate(time.Second), Rows: map[string]int64{}, Hashes: map[string]string{}}
	work, err := os.MkdirTemp(s.dir, "backup-") // beside the data: there is room, and nobody else reads there
	if err != nil {
		return m, fmt.Errorf("store: backup: %w", err)
	}
	defer os.RemoveAll(work)
	z, err := zstd.NewWriter(w)
	if err != nil {
		return m, err
	}
	a := &archive{tar: tar.NewWriter(z), m: &m}
	if s.db.Dialect() == engine.Postgres {
		err = s.backupPostgres(ctx, a, work)
	} else {
		err = s.backupSQLite(ctx, a, work)
	}
	if err == nil && s.dir != "" {
		if err = a.file(keyName, filepath.Join(s.dir, keyName)); errors.Is(err, os.ErrNotExist) {
			err = nil // the key was given by the operator, who keeps it
		}
	}
	if err == nil {
		var b []byte
		if b, err = json.MarshalIndent(&m, "", "  "); err == nil {
			err = a.bytes(manifestName, b)
		}
	}
	if err == nil {
		err = a.tar.Close()
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return m, fmt.Errorf("store: backup: %w", err)
	}
	return m, nil
}

type archive struct {
	tar *tar.Writer
	m   *Manifest
}

func (a *archive) bytes(name string, b []byte) error {
	if err := a.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(b)), ModTime: a.m.Made}); err != nil {
		return err
	}
	_, err := a.tar.Write(b)
	return err
}

func (a *archive) file(name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := a.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: info.Size(), ModTime: a.m.Made}); err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(a.tar, h), f); err != nil {
		return err
	}
	a.m.Hashes[name] = hex.EncodeToString(h.Sum(nil))
	return nil
}

func (s *Store) backupSQLite(ctx context.Context, a *archive, work string) error {
	copied := filepath.Join(work, sqliteName)
	c, err := sqlite.OpenConn(s.db.(*sqlitedb.DB).Path(), sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	c.SetBusyTimeout(time.Minute)
	c.SetInterrupt(ctx.Done())
	err = sqlitex.ExecuteTransient(c, "VACUUM INTO ?", &sqlitex.ExecOptions{Args: []any{copied}})
	c.Close()
	if err != nil {
		return err
	}
	if err := countSQLite(copied, a.m); err != nil {
		return err
	}
	return a.file(sqliteName, copied)
}

// countSQLite fills in the rows and migrations of a database that nobody else has open.
func countSQLite(path string, m *Manifest) error {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return err
	}
	defer c.Close()
	var tables []string
	text := func(list *[]string) *sqlitex.ExecOptions {
		return &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error { *list = append(*list, s.ColumnText(0)); return nil }}
	}
	if err := sqlitex.ExecuteTransient(c, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name", text(&tables)); err != nil {
		return err
	}
	for _, t := range tables {
		err := sqlitex.ExecuteTransient(c, "SELECT count(*) FROM \""+t+"\"", &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			m.Rows[t] = s.ColumnInt64(0)
			return nil
		}})
		if err != nil {
			return err
		}
	}
	m.Migrations = nil
	return sqlitex.ExecuteTransient(c, "SELECT name FROM migration ORDER BY name", text(&m.Migrations))
}

const pgTables = `SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name`

// pgColumns lists what is copied of a table; transaction numbers belong to the old server and start anew.
func pgColumns(ctx context.Context, tx pgx.Tx, table string) (names, values []string, err error) {
	rows, err := tx.Query(ctx, `SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position`, table)
	if err != nil {
		return nil, nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range all {
		quoted := pgx.Identifier{name}.Sanitize()
		names, values = append(names, quoted), append(values, quoted)
		if name == "xid" {
			values[len(values)-1] = "'0'::xid8"
		}
	}
	return names, values, err
}

func (s *Store) backupPostgres(ctx context.Context, a *archive, work string) error {
	c, err := s.db.(*postgres.DB).Pool().Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	tx, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	rows, err := tx.Query(ctx, pgTables)
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, t := range tables {
		_, values, err := pgColumns(ctx, tx, t)
		if err != nil {
			return err
		}
		path := filepath.Join(work, "table")
		f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		buf := bufio.NewWriterSize(f, 1<<20)
		tag, err := tx.Conn().PgConn().CopyTo(ctx, buf, fmt.Sprintf("COPY (SELECT %s FROM %s) TO STDOUT (FORMAT binary)", strings.Join(values, ", "), pgx.Identifier{t}.Sanitize()))
		err = errors.Join(err, buf.Flush(), f.Close())
		if err == nil {
			a.m.Rows[t] = tag.RowsAffected()
			err = a.file("tables/"+t, path)
		}
		if err != nil {
			return fmt.Errorf("table %s: %w", t, err)
		}
	}
	rows, err = tx.Query(ctx, "SELECT name::text FROM migration ORDER BY name")
	if err != nil {
		return err
	}
	a.m.Migrations, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return err
}

// Restore puts a backup into an empty place, after it has verified every hash, and counts what arrived.
// dsn is as for Open; o names the same migrations as the program that made the backup.
func Restore(ctx context.Context, dsn string, o Options, r io.Reader) (Manifest, error) {
	m, err := restore(ctx, dsn, o, r)
	if err != nil {
		return m, fmt.Errorf("store: restore: %w", err)
	}
	return m, nil
}

func restore(ctx context.Context, dsn string, o Options, r io.Reader) (m Manifest, err error) {
	pg := strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
	if dsn == ":memory:" {
		return m, errors.New("a backup goes into a folder or a PostgreSQL database")
	}
	dir := strings.TrimPrefix(dsn, "file:")
	if pg {
		dir = os.TempDir()
	} else {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return m, err
		}
		for _, name := range []string{sqliteName, sqliteName + "-wal", keyName} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				return m, fmt.Errorf("%s holds a database already: restore goes into an empty folder", dir)
			}
		}
	}
	work, err := os.MkdirTemp(dir, "restore-")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(work)
	if err := unpackArchive(r, work, &m); err != nil {
		return m, err
	}
	if pg != (m.Database == "postgres") {
		return m, fmt.Errorf("this backup is of %s and goes back to %s", m.Database, m.Database)
	}
	if pg {
		return m, restorePostgres(ctx, dsn, o, work, &m)
	}
	path := filepath.Join(work, sqliteName)
	got := Manifest{Rows: map[string]int64{}}
	if err := countSQLite(path, &got); err != nil {
		return m, err
	}
	if err := sameRows(m.Rows, got.Rows); err != nil {
		return m, err
	}
	if _, err := os.Stat(filepath.Join(work, keyName)); err == nil {
		if err := os.Rename(filepath.Join(work, keyName), filepath.Join(dir, keyName)); err != nil {
			return m, err
		}
	}
	if err := os.Rename(path, filepath.Join(dir, sqliteName)); err != nil {
		return m, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return m, err
	}
	return m, errors.Join(d.Sync(), d.Close())
}

// unpackArchive writes the entries into work and compares their hashes with the manifest.
func unpackArchive(r io.Reader, work string, m *Manifest) error {
	z, err := zstd.NewReader(r)
	if err != nil {
		return err
	}
	defer z.Close()
	hashes := map[string]string{}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("the archive is damaged: %w", err)
		}
		if h.Name == manifestName {
			if err := json.NewDecoder(t).Decode(m); err != nil {
				return fmt.Errorf("manifest: %w", err)
			}
			continue
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("the archive names %q", h.Name)
		}
		path := filepath.Join(work, h.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		sum := sha256.New()
		_, err = io.Copy(io.MultiWriter(f, sum), t)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("the archive is damaged: %w", err)
		}
		hashes[h.Name] = hex.EncodeToString(sum.Sum(nil))
	}
	if m.Format != 1 {
		return fmt.Errorf("the archive has no manifest of a format that we know")
	}
	for name, want := range m.Hashes {
		if hashes[name] != want {
			return fmt.Errorf("%s is damaged or missing: hash %s, want %s", name, hashes[name], want)
		}
		delete(hashes, name)
	}
	for name := range hashes {
		return fmt.Errorf("%s stands in no manifest", name)
	}
	return nil
}

func sameRows(want, got map[string]int64) error {
	var names []string
	for t := range want {
		names = append(names, t)
	}
	sort.Strings(names)
	for _, t := range names {
		if got[t] != want[t] {
			return fmt.Errorf("table %s: %d rows arrived of %d", t, got[t], want[t])
		}
	}
	return nil
}

func restorePostgres(ctx context.Context, dsn string, o Options, work string, m *Manifest) error {
	if o.Key == nil {
		o.Key = make([]byte, 32) // only to make the tables; the backup brings the settings
	}
	s, err := Open(ctx, dsn, o)
	if err != nil {
		return err
	}
	defer s.Close()
	c, err := s.db.(*postgres.DB).Pool().Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	tx, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	var held int64
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM version").Scan(&held); err != nil {
		return err
	}
	if held > 0 {
		return fmt.Errorf("the database holds %d versions already: restore goes into an empty one", held)
	}
	rows, err := tx.Query(ctx, "SELECT name::text FROM migration ORDER BY name")
	if err != nil {
		return err
	}
	have, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	if strings.Join(have, " ") != strings.Join(m.Migrations, " ") {
		return fmt.Errorf("this program makes other tables than the backup has: restore with the release that made it, then upgrade; have %v, backup %v", have, m.Migrations)
	}
	got := map[string]int64{}
	for t := range m.Rows {
		name := pgx.Identifier{t}.Sanitize()
		if _, err := tx.Exec(ctx, "TRUNCATE "+name); err != nil {
			return err
		}
		names, _, err := pgColumns(ctx, tx, t)
		if err != nil {
			return err
		}
		f, err := os.Open(filepath.Join(work, "tables", t))
		if err != nil {
			return err
		}
		tag, err := tx.Conn().PgConn().CopyFrom(ctx, bufio.NewReaderSize(f, 1<<20), fmt.Sprintf("COPY %s (%s) FROM STDIN (FORMAT binary)", name, strings.Join(names, ", ")))
		f.Close()
		if err != nil {
			return fmt.Errorf("table %s: %w", t, err)
		}
		got[t] = tag.RowsAffected()
	}
	if err := sameRows(m.Rows, got); err != nil {
		return err
	}
	// Numbers go on behind the highest; consumers look at the last thousand versions again, because the
	// order of transactions is gone and each of them takes a version at least once.
	for _, q := range []string{
		"SELECT setval('rid_seq', (SELECT coalesce(max(rid), 0) + 64 FROM resource_id))",
		"SELECT setval('seq_seq', (SELECT coalesce(max(seq), 0) + 64 FROM version))",
		"UPDATE horizon SET seq = greatest(0, seq - 1000)",
		`DO $$ DECLARE r record; BEGIN
			FOR r IN SELECT table_name::text AS t, column_name::text AS c FROM information_schema.columns WHERE table_schema = current_schema()
				AND (is_identity = 'YES' OR column_default LIKE 'nextval(%') LOOP
				EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, %L), (SELECT coalesce(max(%I), 0) + 1 FROM %I))', quote_ident(r.t), r.c, r.c, r.t);
			END LOOP; END $$`,
	} {
		if _, err := tx.Exec(ctx, q); err != nil {
			return err
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	_, err = s.db.(*postgres.DB).Pool().Exec(ctx, "ANALYZE")
	return err
}
