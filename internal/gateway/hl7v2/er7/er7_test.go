package er7

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/fhirtest"
	"golang.org/x/text/encoding/simplifiedchinese"
)

const admit = "MSH|^~\\&|HIS|中心医院|XL|HUB|20261123153000+0800||ADT^A01^ADT_A01|M1|P|2.5|||AL|NE||UNICODE UTF-8\r" +
	"EVN|A01|20261123153000\r" +
	"PID|1||ZY001^^^HIS&1.2.3&ISO^MR~99010119800101001X^^^CN^NI||张^三||19800101|M\r" +
	"PV1|1|I|W1^101^03^C1||||||||||||||||V9^^^HIS|||||||||||||||||||||||||20261123152500\r" +
	"ZBE|1|a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f\\.br\\g\\X41\\\r"

func TestPlacesAreFoundAsTheStandardCountsThem(t *testing.T) {
	m, err := Parse([]byte(admit))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"MSH-1": "|", "MSH-2": `^~\&`, "MSH-3": "HIS", "MSH-4": "中心医院", "MSH-9.2": "A01", "MSH-9.3": "ADT_A01", "MSH-10": "M1", "MSH-18": "UNICODE UTF-8",
		"PID-3": "ZY001", "PID-3.4": "HIS", "PID-3.4.2": "1.2.3", "PID-3[2].5": "NI", "PID-3[2]": "99010119800101001X", "PID-3[3]": "", "PID-5.2": "三",
		"PV1-3.3": "03", "PV1-19": "V9", "PV1-44": "20261123152500", "PV1-99": "", "PV1-0": "", "NK1-1": "", "PID": "", "PID-x": "", "PID-3[": "",
		"ZBE-2": "a|b^c&d~e\\f\ngA", "MSH-1.2": "",
	} {
		if got := m.Get(path); got != want {
			t.Errorf("%s: got %q; want %q", path, got, want)
		}
	}
	if got := len(m.First("PID").Repeats(3)); got != 2 {
		t.Errorf("repetitions: got %d; want 2", got)
	}
	if got := m.String(); got != admit {
		t.Errorf("written again: got %q; want %q", got, admit)
	}
}

func TestDelimitersComeFromTheMessage(t *testing.T) {
	m, err := Parse([]byte("MSH#*!%$#HIS#F\rPID#1##A*B!C%F%D$E\r"))
	if err != nil {
		t.Fatal(err)
	}
	if got := []string{m.Get("PID-3.1"), m.Get("PID-3[2].1"), m.Get("PID-3[2].1.2"), m.Get("PID-3.2")}; strings.Join(got, ",") != "A,C#D,E,B" {
		t.Errorf("got %q; want A, C#D, E, B", got)
	}
}

func TestCharsets(t *testing.T) {
	gb := func(s string) []byte {
		b, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	// 亅 and 鈂 have a vertical bar and a circumflex as their second byte
	text := "MSH|^~\\&|HIS|亅院|||20261123||ADT^A01|M1|P|2.5||||||CS\rPID|1||Z1||鈂亅^三\r"
	for name, c := range map[string]struct {
		raw  []byte
		fail bool
	}{
		"GB 18030-2000 by name":          {raw: gb(strings.Replace(text, "CS", "GB 18030-2000", 1))},
		"GBK by name":                    {raw: gb(strings.Replace(text, "CS", "GBK", 1))},
		"not named, not UTF-8":           {raw: gb(strings.Replace(text, "CS", "", 1))},
		"ASCII named, Chinese sent":      {raw: gb(strings.Replace(text, "CS", "ASCII", 1))},
		"UTF-8 by name":                  {raw: []byte(strings.Replace(text, "CS", "UNICODE UTF-8", 1))},
		"not named, UTF-8":               {raw: []byte(strings.Replace(text, "CS", "", 1))},
		"UTF-8 with its mark":            {raw: []byte("\ufeff" + strings.Replace(text, "CS", "UTF-8", 1))},
		"named UTF-8, not UTF-8":         {raw: gb(strings.Replace(text, "CS", "UTF-8", 1)), fail: true},
		"a charset that nobody knows":    {raw: []byte(strings.Replace(text, "CS", "EBCDIC", 1)), fail: true},
		"neither UTF-8 nor GB 18030":     {raw: []byte(strings.Replace(text, "CS", "", 1) + "NTE|\xff\xff\xff\r"), fail: true},
		"a NUL":                          {raw: []byte(strings.Replace(text, "CS", "", 1) + "NTE|\x00\r"), fail: true},
		"a frame of the lower protocol":  {raw: []byte(strings.Replace(text, "CS", "", 1) + "NTE|\x1c\r"), fail: true},
		"half a character at the end":    {raw: append(gb(strings.Replace(text, "CS", "GB18030", 1)), 0x81), fail: true},
		"UTF-16, which has bars of NULs": {raw: []byte("M\x00S\x00H\x00|\x00"), fail: true},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Parse(c.raw)
			if c.fail {
				if err == nil {
					t.Fatalf("got %q; want a refusal", m.String())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if m.Get("PID-5.1") != "鈂亅" || m.Get("PID-5.2") != "三" || m.Get("MSH-4") != "亅院" {
				t.Errorf("got %q", m.String())
			}
			if again, err := Parse(m.Bytes()); err != nil || again.String() != m.String() {
				t.Errorf("written and read again: got %v, %v; want %q", again, err, m.String())
			}
		})
	}
}

func TestWhatIsRefused(t *testing.T) {
	for name, raw := range map[string]string{
		"empty":                      "",
		"no MSH":                     "PID|1\r",
		"delimiters missing":         "MSH|\r",
		"two delimiters alike":       "MSH|^^\\&|A\r",
		"a letter as delimiter":      "MSH|^~\\A|A\r",
		"a second message":           "MSH|^~\\&|A\rMSH|^~\\&|B\r",
		"a segment without a name":   "MSH|^~\\&|A\r|x\r",
		"a name in small letters":    "MSH|^~\\&|A\rpid|x\r",
		"fields without end":         "MSH|^~\\&|A\rPID" + strings.Repeat("|", MaxFields+1) + "\r",
		"segments without end":       "MSH|^~\\&|A\r" + strings.Repeat("NTE|1\r", MaxSegments),
		"bytes without end":          "MSH|^~\\&|" + strings.Repeat("A", MaxBytes),
		"a line feed within a line?": "MSH|^~\\&|A\r\nPI\nD|1\r\n",
	} {
		if m, err := Parse([]byte(raw)); err == nil {
			t.Errorf("%s: got %.80q; want a refusal", name, m.String())
		}
	}
	if _, err := Parse(make([]byte, MaxBytes+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: got %v; want %v", err, ErrTooLarge)
	}
}

func TestWhatIsWrittenIsEscaped(t *testing.T) {
	m := New(Usual, "UTF-8")
	m.Add("MSH", "XL", "HUB").Add("ERR", "", Components{"PV1", "1", "3"}, "a|b^c~d\\e&f\r\ng", Repeated{{"x^", "y"}, {"z"}}, "", "")
	if want := "MSH|^~\\&|XL|HUB\rERR||PV1^1^3|a\\F\\b\\S\\c\\R\\d\\E\\e\\T\\f\\.br\\g|x\\S\\^y~z\r"; m.String() != want {
		t.Errorf("got %q; want %q", m.String(), want)
	}
	again, err := Parse(m.Bytes())
	if err != nil || again.Get("ERR-3") != "a|b^c~d\\e&f\ng" || again.Get("ERR-4.1") != "x^" {
		t.Errorf("read again: got %v, %v", again, err)
	}
}

func TestTimes(t *testing.T) {
	shanghai := time.FixedZone("CST", 8*3600)
	for text, want := range map[string]string{
		"20261123153000+0800": "2026-11-23T07:30:00Z", "20261123153000": "2026-11-23T07:30:00Z", "202611231530": "2026-11-23T07:30:00Z", "20261123": "2026-11-22T16:00:00Z",
		"20261123153000.1234-0500": "2026-11-23T20:30:00Z", "2026": "2025-12-31T16:00:00Z",
		"": "", "2026112": "", "20261323": "", "yesterday": "", "20261123153000+8": "", "+0800": "", "２０２６": "",
	} {
		got, err := Time(text, shanghai)
		if want == "" {
			if err == nil {
				t.Errorf("%q: got %v; want a refusal", text, got)
			}
			continue
		}
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: got %v, %v; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{"19890118000000": "1989-01-18", "198901": "1989-01", "1989": "1989", "x": ""} {
		if got := Date(text); got != want {
			t.Errorf("day of %q: got %q; want %q", text, got, want)
		}
	}
}

// outside gives the messages of the outside test data.
func outside(t testing.TB) map[string][]byte {
	dir := filepath.Join(fhirtest.Folder(t), "hl7v2")
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*.hl7"))
	if len(files) == 0 {
		t.Skipf("no outside data in %s", dir)
	}
	all := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(f)] = b
	}
	many, err := os.ReadFile(filepath.Join(dir, "simhospital.hl7"))
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range strings.Split(string(many), "\nMSH") {
		if i > 0 {
			one = "MSH" + one
		}
		all["simhospital "+strings.SplitN(one, "|", 11)[9]] = []byte(one)
	}
	return all
}

func TestOutsideMessagesAreReadAndWrittenAgain(t *testing.T) {
	all, read := outside(t), 0
	for name, raw := range all {
		m, err := Parse(raw)
		if name == "sample_unix.hl7" { // its MSH-2 has two backslashes, as a shell left them
			if err == nil {
				t.Errorf("%s: got %v; want a refusal", name, m.Delimiters)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		read++
		if m.Get("MSH-10") == "" && m.Get("MSH-9.1") == "" {
			t.Errorf("%s: no kind and no id in %.100q", name, raw)
		}
		again, err := Parse([]byte(m.String()))
		if err != nil || again.String() != m.String() {
			t.Errorf("%s: read again: %v", name, err)
		}
	}
	if read < 800 {
		t.Errorf("got %d messages; want over 800", read)
	}
	t.Logf("%d messages", read)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(admit))
	f.Add([]byte("MSH|^~\\&#|||||||||||||||||GBK\rPID|\\X\\|\\X41|\\\\|~~&&^^\r"))
	f.Add([]byte("MSH|^~\\&|\x81\x7c\rPID|1\r"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(raw)
		if err != nil {
			return
		}
		for i := range m.Segments {
			s := &m.Segments[i]
			for n := range s.Fields {
				for _, v := range s.Repeats(n) {
					v.Text()
					v.Whole()
					v.Sub(2, 3)
				}
			}
		}
		m.Get("PID-3[2].4.1")
		again, err := Parse([]byte(strings.Replace(m.String(), "\ufeff", "", 1)))
		if err != nil && !errors.Is(err, ErrCharset) && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("%q, written %q: %v", raw, m.String(), err)
		}
		if err == nil && m.Charset == "" && again.String() != m.String() {
			t.Fatalf("got %q; want %q", again.String(), m.String())
		}
		Time(m.Get("MSH-7"), time.UTC)
	})
}
