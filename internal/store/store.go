package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/keys"
	"github.com/xinglin-health/xinglin/internal/store/engine"
	"github.com/xinglin-health/xinglin/internal/store/migrations"
	"github.com/xinglin-health/xinglin/internal/store/postgres"
	"github.com/xinglin-health/xinglin/internal/store/sqlite"
)

// Store is one hub's database.
type Store struct {
	opts  Options
	db    engine.DB
	dir   string // of SQLite, "" otherwise
	clock clock.Clock
	zone  *time.Location
	seal  sealer
	names names
	ring  keys.Ring
	keep  keeping
	cache cache

	parameters parameters
}

// Open opens or makes the database. dsn is "file:DIR" (SQLite in DIR/xinglin.db), ":memory:"
// (a private SQLite for tests) or postgres://…; it runs the migrations that are missing.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	s := &Store{opts: o, clock: o.Clock}
	if s.clock == nil {
		s.clock = clock.System
	}
	if s.opts.Memory == 0 {
		s.opts.Memory = DefaultMemory
	}
	var err error
	switch {
	case dsn == ":memory:":
		s.db, err = sqlite.Open(ctx, dsn, s.opts.Memory)
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		s.db, err = postgres.Open(ctx, dsn)
	default:
		s.dir = strings.TrimPrefix(dsn, "file:")
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		s.db, err = sqlite.Open(ctx, filepath.Join(s.dir, "xinglin.db"), s.opts.Memory)
	}
	if err != nil {
		return nil, fmt.Errorf("store: open: %w", err)
	}
	if err := s.start(ctx); err != nil {
		s.db.Close()
		return nil, fmt.Errorf("store: open: %w", err)
	}
	return s, nil
}

func (s *Store) start(ctx context.Context) error {
	if err := s.migrate(ctx); err != nil {
		return err
	}
	s.names.init()
	if s.opts.Cache == 0 {
		s.opts.Cache = s.opts.Memory / 8
	}
	s.cache.init(s.opts.Cache)
	if err := s.openKeys(ctx); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	if s.keep.index != nil {
		if err := s.forgetRoot(ctx); err != nil {
			return err
		}
	}
	s.parameters.ask = make(chan struct{}, 1)
	s.parameters.now.Store(&given{})
	if err := s.followExtraction(ctx); err != nil {
		return err
	}
	return s.loadParameters(ctx)
}

// Close finishes what was acknowledged and closes the database.
func (s *Store) Close() error { return s.db.Close() }

// Zone is the zone of zoneless dates, fixed when the database was made.
func (s *Store) Zone() *time.Location { return s.zone }

// Clock is the business clock of this hub.
func (s *Store) Clock() clock.Clock { return s.clock }

// Database names the kind of database: "sqlite" or "postgres".
func (s *Store) Database() string {
	if s.db.Dialect() == engine.Postgres {
		return "postgres"
	}
	return "sqlite"
}

// migrate runs what is missing, one transaction each, in the order given.
func (s *Store) migrate(ctx context.Context) error {
	pg := s.db.Dialect() == engine.Postgres
	text := "TEXT"
	if pg {
		text = `text COLLATE "C"`
	}
	const lock = "store/migrate"
	create := fmt.Sprintf("CREATE TABLE IF NOT EXISTS migration (name %s PRIMARY KEY, applied bigint NOT NULL)", text)
	done := map[string]bool{}
	err := s.db.Update(ctx, func(c engine.Conn) error {
		if err := c.Lock(ctx, lock); err != nil {
			return err
		}
		if _, err := c.Exec(ctx, create); err != nil {
			return err
		}
		clear(done)
		return c.Query(ctx, "SELECT name FROM migration", nil, func(scan engine.Row) error {
			var name string
			err := scan(&name)
			done[name] = true
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	all := make([]Migration, 0, len(migrations.All)+len(s.opts.Migrations))
	for _, m := range migrations.All {
		all = append(all, Migration{m.Name, m.SQLite, m.Postgres})
	}
	all = append(all, s.opts.Migrations...)
	seen := map[string]bool{}
	for _, m := range all {
		if seen[m.Name] {
			return fmt.Errorf("migrate: two migrations are named %s", m.Name)
		}
		seen[m.Name] = true
		if done[m.Name] {
			continue
		}
		script := m.SQLite
		if pg {
			script = m.Postgres
		}
		err := s.db.Script(ctx, script, "INSERT INTO migration (name, applied) VALUES (?, ?)", m.Name, s.clock.Now().UnixMicro())
		if errors.Is(err, engine.ErrUnique) && pg {
			continue // another program has just run it
		}
		if err != nil {
			return fmt.Errorf("migrate %s: %w", m.Name, err)
		}
	}
	return nil
}

// settle reads the settings that never change, making them with a new database.
func (s *Store) settle(ctx context.Context) error {
	zone := "Asia/Shanghai"
	if s.opts.Zone != nil {
		zone = s.opts.Zone.String()
	}
	kept := map[string]string{}
	err := s.db.Update(ctx, func(c engine.Conn) error {
		if _, err := c.Exec(ctx, "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING", "zone", zone); err != nil {
			return err
		}
		if _, err := c.Exec(ctx, "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING", "created", s.clock.Now().UTC().Format(time.RFC3339)); err != nil {
			return err
		}
		clear(kept)
		return c.Query(ctx, "SELECT key, value FROM setting", nil, func(scan engine.Row) error {
			var k, v string
			err := scan(&k, &v)
			kept[k] = v
			return err
		})
	})
	if err != nil {
		return err
	}
	if s.opts.Zone != nil && kept["zone"] != zone {
		return fmt.Errorf("this database was made for the zone %s, not %s", kept["zone"], zone)
	}
	if s.zone, err = time.LoadLocation(kept["zone"]); err != nil {
		if kept["zone"] != "Asia/Shanghai" {
			return err
		}
		s.zone = time.FixedZone("Asia/Shanghai", 8*3600)
	}
	key, wrapped := s.opts.Key, s.keep.index != nil
	switch {
	case key != nil:
	case wrapped:
		key = s.keep.index
	default:
		if key, err = s.hubKey(ctx, kept["key"]); err != nil {
			return fmt.Errorf("hub key: %w", err)
		}
	}
	suite, known := kept["index-suite"]
	if _, old := kept["key-mark"]; !known && !old {
		suite = string(keys.AES)
		if s.opts.Sealing != nil && s.opts.Sealing.Algorithm != "" {
			suite = string(s.opts.Sealing.Algorithm)
		}
	}
	s.seal = newSealer(key, keys.Algorithm(suite))
	// A wrong key would silently find nobody, so it is recognised by what it makes of a fixed word.
	mark := hex.EncodeToString(s.seal.mac("key", "check"))
	return s.Update(ctx, func(tx *Tx) error {
		if old, ok := kept["key-mark"]; ok {
			if old != mark {
				return errors.New("the hub key does not belong to this database")
			}
			return nil
		}
		if err := tx.SetSetting(ctx, "index-suite", suite); err != nil {
			return err
		}
		return tx.SetSetting(ctx, "key-mark", mark)
	})
}

// hubKey reads or makes the key of sealed parameters: beside SQLite in hub.key; on PostgreSQL, where
// no folder is known, in the settings.
func (s *Store) hubKey(ctx context.Context, kept string) ([]byte, error) {
	fresh := make([]byte, 32)
	rand.Read(fresh)
	if s.dir != "" {
		path := filepath.Join(s.dir, "hub.key")
		data, err := os.ReadFile(path)
		if err == nil {
			key, err := hex.DecodeString(strings.TrimSpace(string(data)))
			if err == nil && len(key) < 16 {
				err = errors.New("too short")
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			return key, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		_, err = fmt.Fprintln(f, hex.EncodeToString(fresh))
		if err == nil {
			err = f.Sync()
		}
		return fresh, errors.Join(err, f.Close())
	}
	if s.db.Dialect() == engine.SQLite {
		return fresh, nil
	}
	if kept == "" {
		err := s.Update(ctx, func(tx *Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO setting (key, value) VALUES ('key', ?) ON CONFLICT (key) DO NOTHING", hex.EncodeToString(fresh)); err != nil {
				return err
			}
			var err error
			kept, _, err = tx.Setting(ctx, "key")
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return hex.DecodeString(kept)
}
