package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/store"
)

// sealed looks through every table but that of the bodies for what must not stand there.
func sealed(t *testing.T, open Open) {
	ctx := context.Background()
	s, _ := fixture(t, open)
	put(t, s, store.Update, "zhang", "", `{"resourceType":"Patient","identifier":[{"system":"urn:id","value":"990101199001010022"}],"telecom":[{"system":"phone","value":"19987654321"}],"address":[{"text":"杏林市白水县","line":["白水村 7 号"]}]}`)
	tables, dump := "SELECT name FROM sqlite_master WHERE type = 'table'", func(table string) string {
		var columns []string
		must(t, s.View(ctx, func(tx *store.Tx) error {
			return tx.Query(ctx, "SELECT name FROM pragma_table_info(?)", []any{table}, func(scan func(...any) error) error {
				var name string
				err := scan(&name)
				columns = append(columns, `quote("`+name+`") || ' ' || CAST("`+name+`" AS TEXT)`)
				return err
			})
		}))
		return "SELECT " + strings.Join(columns, " || ' ' || ") + ` FROM "` + table + `"`
	}
	if s.Database() == "postgres" {
		tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()"
		dump = func(table string) string { return fmt.Sprintf(`SELECT t::text FROM "%s" t`, table) }
	}
	var names []string
	must(t, s.View(ctx, func(tx *store.Tx) error {
		return tx.Query(ctx, tables, nil, func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			names = append(names, name)
			return err
		})
	}))
	rows := 0
	for _, table := range names {
		if table == "version" {
			continue
		}
		must(t, s.View(ctx, func(tx *store.Tx) error {
			return tx.Query(ctx, dump(table), nil, func(scan func(...any) error) error {
				var row string
				if err := scan(&row); err != nil {
					return err
				}
				rows++
				for _, secret := range []string{"990101199001010011", "99010119900101", "990101199001010022", "19912345678", "19987654321", "5678", "青山县", "杏林市", "白水"} {
					if strings.Contains(row, secret) && !strings.Contains(row, "人民医院") {
						t.Errorf("table %s holds %q: %s", table, secret, row)
					}
				}
				return nil
			})
		}))
	}
	if rows < 100 || len(names) < 20 {
		t.Errorf("looked at %d rows of %d tables only", rows, len(names))
	}
}
