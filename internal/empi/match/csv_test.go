package match

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"
)

func TestCSVIsRead(t *testing.T) {
	gb, _ := simplifiedchinese.GB18030.NewEncoder().String("编号,姓名,出生\n1,孟小茹,1961-05-23\n")
	for _, c := range []struct {
		name, text string
		columns    Columns
		want, bad  string
	}{
		{"as it is known", "rec_id,org,name,sex,birth,id_no,phone,address,truth_person\nR1,H1,孟 小茹,2,1961-05-23,990313196105236840,15124298289,和平里193号2314室,P1\n", nil, "R1 孟小茹 1961-05-23", ""},
		{"with a mark", "\ufeffrec_id,name,birth\r\nR1,孟小茹,1961\r\n", nil, "R1 孟小茹 1961", ""},
		{"GB18030, named columns", gb, Columns{"rec": "编号", "name": "姓名", "birth": "出生"}, "1 孟小茹 1961-05-23", ""},
		{"tabs", "rec_id\tname\tbirth\nR1\t孟小茹\t1961\n", nil, "R1 孟小茹 1961", ""},
		{"FEBRL by its headings", "rec_id, given_name, surname, street_number, address_1, date_of_birth\nrec-1-org, mary, waller, 6, tullaroop street, 19081209\n", nil, "rec-1-org wallermary 1908-12-09", ""},
		{"joined columns", "a,b,c\n1,孟,小茹\n", Columns{"rec": "a", "family": "b", "given": "c"}, "1 孟小茹 ", ""},
		{"rows that cannot be used", "rec_id,name,birth\nR1,孟小茹,1961\nR2,x\n,y,1961\nR1,z,1961\nR3,孟强,never\n", nil, "R1 孟小茹 1961;R3 孟强 ", "3 columns;4 no-id;5 double-id;6 birth"},
		{"no IDs", "name,birth\n孟小茹,1961\n", Columns{"name": "name", "birth": "birth"}, "000000002 孟小茹 1961", ""},
	} {
		var got, bad []string
		err := ReadCSV(strings.NewReader(c.text), c.columns, func(_ int, rec *Record) error {
			r := Prepare(rec)
			var both compared
			birth := r.tell(fieldBirth, &both, true)
			got = append(got, r.id+" "+r.names[0].family+r.names[0].given+" "+birth)
			return nil
		}, func(b BadRow) {
			bad = append(bad, strings.TrimPrefix(strings.Join(strings.SplitN(b.String(), ": ", 3)[:2], " "), "line "))
		})
		if err != nil || strings.Join(got, ";") != c.want || strings.Join(bad, ";") != c.bad {
			t.Errorf("%s: got %q, bad %q, %v; want %q, bad %q", c.name, got, bad, err, c.want, c.bad)
		}
	}
	for _, c := range []struct {
		text    string
		columns Columns
	}{
		{"", nil}, {"a,b\n1,2\n", nil}, {"a,b\n", Columns{"name": "c"}}, {"a,b\n", Columns{"nome": "a"}}, {"a,truth_person\n", Columns{"name": "a", "org": "truth_person"}},
		{"a,b\n", Columns{"": "nobody's"}}, {"a,b\n", Columns{"sex": "a"}},
	} {
		if err := ReadCSV(strings.NewReader(c.text), c.columns, func(int, *Record) error { return nil }, func(BadRow) {}); !errors.Is(err, ErrColumns) {
			t.Errorf("%q %v: got %v; want a refusal of the columns", c.text, c.columns, err)
		}
	}
}

func FuzzCSV(f *testing.F) {
	f.Add("rec_id,name,birth\nR1,孟小茹,1961-05-23\n")
	f.Add("rec_id\tname;birth\n\"\n\x81\x30,")
	f.Fuzz(func(t *testing.T, s string) {
		_ = ReadCSV(strings.NewReader(s), nil, func(_ int, r *Record) error {
			if got := len(Keys(r)); got > MaxKeys {
				t.Errorf("got %d keys", got)
			}
			return nil
		}, func(BadRow) {})
	})
}

func FuzzCompare(f *testing.F) {
	f.Add("孟 小茹", "孟晓茹", "990313196105236840", "990313610523684", "1961-05-23", "和平里193号2314室")
	f.Add("O'Neil, Mary", "mary oneil", "7535316", "753516", "1961", "44 forbes street")
	f.Add("李睿□", "王芳之子2", "Ｘ×", "000", "0000-00-00", "三〇二号")
	f.Fuzz(func(t *testing.T, n, m, x, y, birth, address string) {
		a := Record{ID: "a", Names: []Name{{Text: n}, {Family: m, Given: n}}, Numbers: []Number{{Value: x}, {System: ResidentID, Value: y}}, Birth: birth, Phones: []string{x}, Address: []Address{{Text: address}}}
		b := Record{ID: "b", Names: []Name{{Text: m}}, Numbers: []Number{{System: ResidentID, Value: y}}, Birth: birth, Phones: []string{y, x}, Address: []Address{{Text: address, Place: n}}, Sex: x}
		for _, s := range []string{ResidentID, Passport, HongKongMacau, Taiwan, ForeignResident, InsuranceID} {
			Check(s, x)
		}
		v, w := Default().Compare(&a, &b), Default().Compare(&b, &a)
		if v.Outcome != w.Outcome || v.Score != w.Score || v.Bar != w.Bar {
			t.Errorf("got %+v one way, %+v the other", v, w)
		}
		if v.Probability < 0 || v.Probability > 1 || v.Probability != v.Probability {
			t.Errorf("got probability %v", v.Probability)
		}
		keys := Keys(&a)
		for i, k := range keys {
			if slices.Contains(keys[:i], k) {
				t.Errorf("key %v twice", k)
			}
		}
		if len(keys) > MaxKeys {
			t.Errorf("got %d keys", len(keys))
		}
	})
}
