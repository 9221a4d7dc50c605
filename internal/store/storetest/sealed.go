package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
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

// sealedAddress: an address is found by its words, never by less, and a number in either of its forms.
func sealedAddress(t *testing.T, open Open) {
	s, _ := fixture(t, open)
	put(t, s, store.Update, "chen", "", `{"resourceType":"Patient","identifier":[{"system":"urn:id","value":"990101900101001"}],"telecom":[{"system":"phone","value":"+86 199-8765-0001"}],
		"address":[{"text":"白水县青龙街道向阳路 12 号 3 栋","city":"白水县","line":["Sunny Road 12"],"postalCode":"990102"}]}`)
	put(t, s, store.Update, "lin", "", `{"resourceType":"Patient","address":[{"text":"白水县红旗街道和平路 12 号"}]}`)
	for _, c := range []struct{ query, want string }{
		{"address=向阳路", "chen"},
		{"address:contains=青龙街道", "chen"},
		{"address=白水县 12 号", "lin chen"},
		{"address=sunny road", "chen"},
		{"address=road,和平", "lin chen"},
		{"address=龙青", ""},
		{"address=向阳大道", ""},
		{"address:exact=白水县", "chen"},
		{"address:exact=白水", ""},
		{"address-city=白水县", "chen"},
		{"address-postalcode=990102", "chen"},
		{"address-area=990102", "chen"},
		{"phone=19987650001", "chen"},
		{"phone-last4=0001", "chen"},
		{"identifier=990101900101001", "chen"},
		{"identifier=urn:id|990101190001010011", ""},
	} {
		if got := ids(t, s, Query(t, "Patient?"+c.query, search.Everything)); got != c.want {
			t.Errorf("%s: got %q; want %q", c.query, got, c.want)
		}
	}
	long := "99010119900101001"
	r, ok := fhir.ParseResident("990101900101001")
	if !ok || !strings.HasPrefix(r.Number, long) {
		t.Fatalf("got %+v, %v", r, ok)
	}
	if got := ids(t, s, Query(t, "Patient?identifier=urn:id|"+strings.ToLower(r.Number), search.Everything)); got != "chen" {
		t.Errorf("by the number of 18 digits: got %q; want chen", got)
	}
	q := Query(t, "Patient?address=县", search.Everything)
	if err := s.View(t.Context(), func(tx *store.Tx) error { _, err := tx.Search(t.Context(), q); return err }); err == nil {
		t.Error("one character was taken")
	}
}
