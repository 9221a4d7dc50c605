package empi

import (
	"reflect"
	"testing"

	"github.com/xinglin-health/xinglin/internal/empi/match"
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
