package fhir

import (
	"testing"
	"time"
)

func micro(t *testing.T, s string) int64 {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return v.UnixMicro()
}

func TestParseDate(t *testing.T) {
	shanghai := time.FixedZone("UTC+8", 8*3600)
	for _, c := range []struct{ in, low, high string }{
		{"2026", "2026-01-01T00:00:00+08:00", "2027-01-01T00:00:00+08:00"},
		{"2026-12", "2026-12-01T00:00:00+08:00", "2027-01-01T00:00:00+08:00"},
		{"2024-02-29", "2024-02-29T00:00:00+08:00", "2024-03-01T00:00:00+08:00"},
		{"2026-12-31", "2026-12-31T00:00:00+08:00", "2027-01-01T00:00:00+08:00"},
		{"2026-03-01T10:15", "2026-03-01T10:15:00+08:00", "2026-03-01T10:16:00+08:00"},
		{"2026-03-01T10:15Z", "2026-03-01T10:15:00Z", "2026-03-01T10:16:00Z"},
		{"2026-03-01T10:15:30", "2026-03-01T10:15:30+08:00", "2026-03-01T10:15:31+08:00"},
		{"2026-03-01T10:15:30.5-05:00", "2026-03-01T10:15:30.5-05:00", "2026-03-01T10:15:30.6-05:00"},
		{"2026-03-01T10:15:30.123456789Z", "2026-03-01T10:15:30.123456Z", "2026-03-01T10:15:30.123457Z"},
		{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", "2017-01-01T00:00:01Z"},
		{"1900-03-01T00:00:00+14:00", "1900-03-01T00:00:00+14:00", "1900-03-01T00:00:01+14:00"},
		{"2015-02-07T13:28:17.239+02:00", "2015-02-07T13:28:17.239+02:00", "2015-02-07T13:28:17.24+02:00"},
	} {
		d, err := ParseDate(c.in, shanghai)
		if err != nil || d.Low != micro(t, c.low) || d.High != micro(t, c.high) {
			t.Errorf("ParseDate(%q): got [%v, %v) %v; want [%s, %s)", c.in, time.UnixMicro(d.Low).UTC(), time.UnixMicro(d.High).UTC(), err, c.low, c.high)
		}
	}
	for _, in := range []string{"", "26", "0000", "2026-", "2026-13", "2026-00", "2026-2-1", "2026-02-31", "2026-02-29", "1900-02-29", "2026-04-31", "2026-01-00",
		"2026-01-01T", "2026-01-01T24:00:00Z", "2026-01-01T24:00", "2026-01-01T10", "2026-01-01T10:60:00Z", "2026-01-01T10:00:61Z", "2026-01-01T10:00:00.Z",
		"2026-01-01T10:00:00+1400", "2026-01-01T10:00:00+14:01", "2026-01-01T10:00:00+15:00", "2026-01-01T10:00:00z", "2026-01-01 10:00:00Z", "2026-01-01Z", "２０２６", "2026/01/01"} {
		if d, err := ParseDate(in, shanghai); err == nil {
			t.Errorf("ParseDate(%q): got %+v; want an error", in, d)
		}
	}
}

func TestDateAgreesWithCalendar(t *testing.T) {
	for d := time.Date(1895, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() < 2105; d = d.AddDate(0, 0, 13) {
		got, err := ParseDate(d.Format("2006-01-02"), nil)
		if err != nil || got.Low != d.UnixMicro() || got.High != d.AddDate(0, 0, 1).UnixMicro() {
			t.Fatalf("%s: got %+v %v", d.Format("2006-01-02"), got, err)
		}
	}
}

func TestPrimitiveFormats(t *testing.T) {
	for _, c := range []struct {
		datatype, text string
		want           bool
	}{
		{"date", "2026-02-31", false}, {"date", "2026-02-28", true}, {"date", "2026-02-28T10:00:00Z", false}, {"date", "2026", true},
		{"dateTime", "2026-02-28T10:00:00", false}, {"dateTime", "2026-02-28T10:00Z", false}, {"dateTime", "2026-02-28T10:00:00+08:00", true}, {"dateTime", "2026-02", true},
		{"dateTime", "2026-02-28T24:00:00Z", false}, {"instant", "2026-02-28", false}, {"instant", "2026-02-28T10:00:00.123Z", true}, {"instant", "2015-06-30T23:59:60Z", true},
		{"time", "10:00:00", true}, {"time", "24:00:00", false}, {"time", "10:00", false}, {"time", "10:00:00.5", true}, {"time", "10:00:00Z", false},
		{"code", "a b", true}, {"code", "a  b", false}, {"code", " a", false}, {"code", "", false}, {"code", "男", true},
		{"string", "  ", false}, {"string", "张 三\n", true}, {"string", "a\x07", false},
		{"uri", "http://a b", false}, {"uri", "urn:oid:1.2", true}, {"id", "a_b", false}, {"id", "a.b-C9", true},
		{"oid", "urn:oid:1.2.840", true}, {"oid", "urn:oid:1.02", false}, {"oid", "1.2.3", false}, {"uuid", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", true}, {"uuid", "urn:uuid:c757", false},
		{"integer", "-1", true}, {"integer", "1.0", false}, {"integer", "2147483648", false}, {"unsignedInt", "-1", false}, {"unsignedInt", "0", true}, {"positiveInt", "0", false},
		{"decimal", "1.00", true}, {"decimal", "01", false}, {"decimal", "1.", false}, {"decimal", "1e5", true}, {"decimal", "-0.5E-3", true}, {"decimal", "+1", false},
		{"base64Binary", "AAAA", true}, {"base64Binary", "AAA=", true}, {"base64Binary", "AAA", false}, {"base64Binary", "A=AA", false}, {"base64Binary", "A A\nAA", true},
	} {
		if got := IsPrimitive(c.datatype, c.text); got != c.want {
			t.Errorf("IsPrimitive(%s, %q): got %v; want %v", c.datatype, c.text, got, c.want)
		}
	}
}

func TestDecimalRange(t *testing.T) {
	for _, c := range []struct {
		in        string
		low, high float64
	}{
		{"100", 99.5, 100.5}, {"100.00", 99.995, 100.005}, {"1e2", 95, 105}, {"5.4", 5.35, 5.45}, {"0.0", -0.05, 0.05}, {"-7", -7.5, -6.5},
		{"5.40e-3", 0.005395, 0.005405}, {"12e2", 1150, 1250}, {"0", -0.5, 0.5},
	} {
		d, ok := ParseDecimal(c.in)
		if !ok || d.Low != c.low || d.High != c.high {
			t.Errorf("ParseDecimal(%s): got [%v, %v) %v; want [%v, %v)", c.in, d.Low, d.High, ok, c.low, c.high)
		}
	}
	for _, in := range []string{"66.89999999999999", "1000000000000000000", "0.12345678901234567890123456789", "-123456789012345678"} {
		if d, ok := ParseDecimal(in); !ok || d.Low > d.Value || d.High <= d.Value {
			t.Errorf("ParseDecimal(%s): %+v does not hold its own value", in, d)
		}
	}
	for _, in := range []string{"", "-", "NaN", "Infinity", "01", "1.", ".5", "1e", "0x1", "1e999", "1_000"} {
		if _, ok := ParseDecimal(in); ok {
			t.Errorf("ParseDecimal(%q): accepted; want refused", in)
		}
	}
}

func TestParseReference(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Reference
		ok   bool
	}{
		{"Patient/1", Reference{Type: "Patient", ID: "1"}, true},
		{"Patient/1/_history/3", Reference{Type: "Patient", ID: "1", Version: "3"}, true},
		{"https://a.example/fhir/Patient/1", Reference{Base: "https://a.example/fhir", Type: "Patient", ID: "1"}, true},
		{"https://a.example/fhir/Patient/1/_history/2", Reference{Base: "https://a.example/fhir", Type: "Patient", ID: "1", Version: "2"}, true},
		{"http://Patient/1", Reference{URL: "http://Patient/1"}, true},
		{"http://a.example/x?y=1", Reference{URL: "http://a.example/x?y=1"}, true},
		{"#p1", Reference{Contained: true, Fragment: "p1"}, true},
		{"#", Reference{Contained: true}, true},
		{"urn:uuid:c757873d-ec9a-4326-a141-556f43239520", Reference{URL: "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}, true},
		{"urn:uuid:c757", Reference{URL: "urn:uuid:c757"}, false},
		{"urn:oid:1.2.3", Reference{URL: "urn:oid:1.2.3"}, true},
		{"Patient", Reference{}, false}, {"Patient/", Reference{}, false}, {"/Patient/1", Reference{}, false}, {"Patient/a b", Reference{}, false},
		{"patient/1", Reference{}, false}, {"Patient/1/2", Reference{}, false}, {"", Reference{}, false}, {"Patient/1_", Reference{}, false},
		{"../Patient/1", Reference{}, false},
	} {
		got, ok := ParseReference(c.in)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("ParseReference(%q): got %+v %v; want %+v %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

func TestResident(t *testing.T) {
	for _, c := range []struct {
		in, number string
		male       bool
	}{
		{"11010519491231002X", "11010519491231002X", false},
		{"11010519491231002x", "11010519491231002X", false},
		{"440524188001010014", "440524188001010014", true},
		{"110105491231002", "11010519491231002X", false},
		{"440524800101999", "44052418800101999X", true},
	} {
		got, ok := ParseResident(c.in)
		if c.in == "440524800101999" {
			if !ok || got.Born != "1880-01-01" {
				t.Errorf("ParseResident(%s): got %+v %v; want born 1880", c.in, got, ok)
			}
			continue
		}
		if !ok || got.Number != c.number || got.Male != c.male {
			t.Errorf("ParseResident(%s): got %+v %v; want %s male=%v", c.in, got, ok, c.number, c.male)
		}
	}
	for _, in := range []string{"", "110105194912310021", "11010519490231002X", "1101051949123100", "110105194912310O2X"} {
		if got, ok := ParseResident(in); ok {
			t.Errorf("ParseResident(%q): got %+v; want refused", in, got)
		}
	}
	n := ResidentNumber("990101", time.Date(1980, 2, 29, 0, 0, 0, 0, time.UTC), 17)
	if r, ok := ParseResident(n); !ok || !r.Male || r.Born != "1980-02-29" || r.Area != "990101" {
		t.Errorf("ResidentNumber: %s does not read back: %+v %v", n, r, ok)
	}
}

func TestCreditCode(t *testing.T) {
	for in, want := range map[string]bool{"91350100M000100Y43": true, "91350100M000100Y44": false, "91350100M000100Y4": false, "9135010OM000100Y43": false, "": false} {
		if got := IsCreditCode(in); got != want {
			t.Errorf("IsCreditCode(%q): got %v; want %v", in, got, want)
		}
	}
}

func TestPhoneDigits(t *testing.T) {
	for in, want := range map[string]string{"+86 138-0013-8000": "13800138000", "8613800138000": "13800138000", "0086 10 8888 7777": "1088887777",
		"(0731) 8888-7777": "073188887777", "１３８00138000": "13800138000", "86123456": "86123456", "555-0100": "5550100"} {
		if got := PhoneDigits(in); got != want {
			t.Errorf("PhoneDigits(%q): got %q; want %q", in, got, want)
		}
	}
}

func FuzzParseDate(f *testing.F) {
	for _, s := range []string{"2026", "2026-02-31", "2026-01-01T10:00:00.123+08:00", "2016-12-31T23:59:60Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDate(s, nil); err == nil && d.Low >= d.High {
			t.Errorf("ParseDate(%q): empty interval %+v", s, d)
		}
		ParseReference(s)
		ParseDecimal(s)
		ParseResident(s)
		IsCreditCode(s)
		for _, p := range []string{"string", "code", "uri", "oid", "uuid", "base64Binary", "time", "instant"} {
			IsPrimitive(p, s)
		}
	})
}
