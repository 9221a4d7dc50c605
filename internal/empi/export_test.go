package empi

import (
	"context"
	"reflect"
	"testing"

	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/store"
)

// RoundTrip fills every field of a record by its type, so that a new field cannot be forgotten.
func RoundTrip(t *testing.T) {
	var r match.Record
	n := 0
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		n++
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				fill(v.Field(i))
			}
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			fill(v.Index(0))
			fill(v.Index(1))
		case reflect.String:
			v.SetString("文本" + string(rune('a'+n%26)))
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Int:
			v.SetInt(int64(n))
		default:
			t.Fatalf("no form to keep %s", v.Type())
		}
	}
	fill(reflect.ValueOf(&r).Elem())
	got, err := decode(encode(&r))
	if err != nil {
		t.Fatal(err)
	}
	got.ID, got.Org = r.ID, r.Org
	if !reflect.DeepEqual(*got, r) {
		t.Errorf("got %+v; want %+v", *got, r)
	}
	whole := encode(&r)
	for i := range whole {
		if _, err := decode(whole[:i]); err == nil {
			t.Errorf("%d of %d bytes were read without an error", i, len(whole))
		}
	}
}

// FuzzDecode: what is read never makes the program fall.
func FuzzDecode(f *testing.F) {
	f.Add(encode(&match.Record{Sex: "female", Phones: []string{"1"}}))
	f.Fuzz(func(t *testing.T, b []byte) { decode(b) })
}

// Take brings records into the index that no Patient stands behind, for measuring.
func (x *Index) Take(ctx context.Context, records []match.Record) error {
	list := make([]news, len(records))
	for i := range records {
		r := &records[i]
		list[i] = news{patient: r.ID, org: r.Org, vid: 1, keys: x.keys.hashes(match.Prepare(r)), box: x.keys.seal(r)}
	}
	return x.store.Update(ctx, func(tx *store.Tx) error { return x.keep(ctx, tx, list) })
}

// Size is how many records are kept.
func (x *Index) Size(ctx context.Context) (n int) {
	x.store.View(ctx, func(tx *store.Tx) error {
		return tx.Query(ctx, `SELECT count(*) FROM empi_record`, nil, func(scan func(...any) error) error { return scan(&n) })
	})
	return n
}

// Bounds sets how many records may share a key, for the time of a test.
func Bounds(t *testing.T, most, all int) {
	c, g := crowd, throng
	crowd, throng = most, all
	t.Cleanup(func() { crowd, throng = c, g })
}
