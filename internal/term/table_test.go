package term_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/internal/term"
)

var codesAndNames = term.Reading{Wanted: []string{"code", "display"}}

func TestTablesAreReadAsHospitalsKeepThem(t *testing.T) {
	gbk, err := simplifiedchinese.GBK.NewEncoder().String("疾病诊断编码,疾病诊断名称\r\nI10.x00,高血压\r\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		how        term.Reading
		want       string // code=display, …; or ! and a part of the error
		bad        string // line:reason, …
	}{
		{"headings are known", "疾病诊断编码,疾病诊断名称\nI10.x00,高血压\n", codesAndNames, "I10.x00=高血压", ""},
		{"with a mark of UTF-8", "\ufeff编码,名称\nI10.x00,高血压\n", codesAndNames, "I10.x00=高血压", ""},
		{"GBK", gbk, codesAndNames, "I10.x00=高血压", ""},
		{"no headings: the first columns", "I10.x00,高血压\nI21.900,心梗\n", codesAndNames, "I10.x00=高血压, I21.900=心梗", ""},
		{"code and name apart by a space", "A00.000 霍乱，由于O1群 所致\nA00.900 霍乱\n", codesAndNames, "A00.000=霍乱，由于O1群 所致, A00.900=霍乱", ""},
		{"tabs", "code\tname\nA\tx, y\n", codesAndNames, "A=x, y", ""},
		{"columns by name", "序号,甲,乙\n1,A,名\n", term.Reading{Columns: map[string]string{"code": "甲", "display": "乙"}, Wanted: codesAndNames.Wanted}, "A=名", ""},
		{"columns by number", "1,A,名\n2,B,字\n", term.Reading{Columns: map[string]string{"code": "2", "display": "3"}, Wanted: codesAndNames.Wanted}, "A=名, B=字", ""},
		{"quotes", "code,name\nA,\"x, \"\"y\"\"\"\n", codesAndNames, `A=x, "y"`, ""},
		{"outer spaces are cut", "code,name\n A , x　\n", codesAndNames, "A=x", ""},
		{"bad rows are named with their line", "code,name\nA,x\n,y\nB,\nA,x\nA,z\nC  D,w\nE,ok\n", codesAndNames, "A=x, E=ok",
			"3:no code, 4:no name, 5:the same line stands at 2 already, 6:the code stands at line 2 already, as x, 7:a code has no line ends and no double or outer spaces"},
		{"a broken quote is one bad row", "code,name\nA,x\nB,y\"z\nC,w\n", codesAndNames, "A=x, C=w", `3:the quotes do not match (bare " in non-quoted-field)`},
		{"no such column", "code,name\nA,x\n", term.Reading{Columns: map[string]string{"code": "nope"}, Wanted: codesAndNames.Wanted}, `!no column is called "nope"`, ""},
		{"a needed column is missing", "code,other\nA,x\n", codesAndNames, "!say which column is display", ""},
		{"empty", "\n\n", codesAndNames, "!empty", ""},
		{"a workbook", "PK\x03\x04xx", codesAndNames, "!save it as CSV", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			table, err := term.ReadTable(strings.NewReader(c.text), c.how)
			if want, wrong := strings.CutPrefix(c.want, "!"); wrong {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v; want %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			made, err := table.CodeSystem(term.SystemOf{URL: "http://x/s", Hierarchy: "none"})
			if err != nil {
				t.Fatal(err)
			}
			var got, bad []string
			for _, n := range made.Resource.All("concept") {
				got = append(got, n.Str("code")+"="+n.Str("display"))
			}
			for _, b := range table.Bad {
				bad = append(bad, fmt.Sprintf("%d:%s", b.Line, b.Reason))
				if b.Zh == "" {
					t.Errorf("%s has no Chinese", b.Reason)
				}
			}
			if strings.Join(got, ", ") != c.want || strings.Join(bad, ", ") != c.bad {
				t.Errorf("got %s; bad %s\nwant %s; bad %s", strings.Join(got, ", "), strings.Join(bad, ", "), c.want, c.bad)
			}
		})
	}
}

// outline writes a hierarchy as code(children).
func outline(list []*fhir.Node) string {
	var s []string
	for _, n := range list {
		text := n.Str("code")
		for _, p := range n.All("property") {
			if p.Str("code") == "parent" {
				text += "^" + p.Str("valueCode")
			}
		}
		if kids := n.All("concept"); len(kids) > 0 {
			text += "(" + outline(kids) + ")"
		}
		s = append(s, text)
	}
	return strings.Join(s, " ")
}

func TestParentsFollowFromTheCodesOrTheTable(t *testing.T) {
	for _, c := range []struct{ name, text, kind, want, bad string }{
		{"ICD-10", "A00.000 a\nA00.000x001 b\nA00.001 c\nA00.100 d\nI10.x00 e\nI10.x00x002 f\nI10.x05 g\nG01* h\nA01.000x003+G01* i\n", "",
			"A00-B99(A00(A00.000(A00.000x001 A00.001) A00.100) A01(A01.000x003+G01*^G01*)) I00-I99(I10(I10.x00(I10.x00x002 I10.x05))) G00-G99(G01(G01*))", ""},
		{"ICD-9-CM-3", "00.0100 a\n00.0101 b\n00.0101x001 c\n38.9301 d\n", "", "00(00.0100(00.0101(00.0101x001))) 38(38.9301)", ""},
		{"none", "A00.000 a\nA00.000x001 b\n", "none", "A00.000 A00.000x001", ""},
		{"a column of parents", "code,name,parent\nc,C,b\nb,B,a\na,A,\n", "", "a(b(c))", ""},
		{"bad parents", "code,name,parent\na,A,a\nb,B,x\nc,C,d\nd,D,c\ne,E,\n", "", "e",
			"2:the code is its own parent, 3:the parent is not in the table: x, 4:the parents go round in a ring, 5:the parents go round in a ring"},
	} {
		t.Run(c.name, func(t *testing.T) {
			table, err := term.ReadTable(strings.NewReader(c.text), codesAndNames)
			if err != nil {
				t.Fatal(err)
			}
			made, err := table.CodeSystem(term.SystemOf{URL: "http://x/s", Version: "1", Name: "S", Hierarchy: c.kind})
			if err != nil {
				t.Fatal(err)
			}
			var bad []string
			for _, b := range table.Bad {
				bad = append(bad, fmt.Sprintf("%d:%s", b.Line, b.Reason))
			}
			if got := outline(made.Resource.All("concept")); got != c.want || strings.Join(bad, ", ") != c.bad {
				t.Errorf("got %s; bad %s\nwant %s; bad %s", got, strings.Join(bad, ", "), c.want, c.bad)
			}
			for _, is := range validate.Resource(made.Resource) {
				if is.Severity == "error" {
					t.Errorf("not valid: %s %s", is.Expression, is.Text)
				}
			}
		})
	}
}

func TestPairsBecomeAConceptMap(t *testing.T) {
	table, err := term.ReadTable(strings.NewReader("临床版编码,医保版编码,等价关系\nA,a,equal\nA,b,\nB,,unmatched\nC,,\nD,d,like\nA,a,\n"), term.Reading{Wanted: []string{"source", "target"}})
	if err != nil {
		t.Fatal(err)
	}
	made, err := table.ConceptMap(term.MapOf{URL: "http://x/m", Name: "M", Source: "http://x/s", Target: "http://x/t"})
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"source":"http://x/s","target":"http://x/t","element":[{"code":"A","target":[{"code":"a","equivalence":"equal"},{"code":"b","equivalence":"relatedto"}]},{"code":"B","target":[{"equivalence":"unmatched"}]}]}]`
	if got := string(made.Resource.Child("group").JSON()); got != want {
		t.Errorf("got %s; want %s", got, want)
	}
	if len(table.Bad) != 3 || table.Bad[0].Line != 5 || table.Bad[1].Line != 6 || table.Bad[2].Line != 7 {
		t.Errorf("bad: got %v; want lines 5, 6 and 7", table.Bad)
	}
	for _, is := range validate.Resource(made.Resource) {
		if is.Severity == "error" {
			t.Errorf("not valid: %s %s", is.Expression, is.Text)
		}
	}
}

func TestTheSameTableComesToTheSamePlace(t *testing.T) {
	a, b, c := term.ID("urn:oid:2.16", "2.0"), term.ID("urn:oid:2.16", "2.0"), term.ID("urn:oid:2.16", "2.1")
	if a != b || a == c || !fhir.IsID(a) || !fhir.IsID(term.ID("http://例子/"+strings.Repeat("长x", 80), "第 3 版")) || !fhir.IsID(term.ID("", "")) {
		t.Errorf("got %s, %s, %s", a, b, c)
	}
}

func FuzzReadTable(f *testing.F) {
	for _, s := range []string{"code,name\nA,x\n", "A00.000 霍乱\n", "\xef\xbb\xbf编码\t名称\nA\tb\n", "a;b;c\n\"x;y\n", "\xb8\xdf\xd1\xaa\xd1\xb9,1\n", "code,name,parent\na,A,b\nb,B,a\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := term.ReadTable(bytes.NewReader(data), codesAndNames)
		if err != nil {
			return
		}
		made, err := table.CodeSystem(term.SystemOf{URL: "http://x/s"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fhir.Parse(made.Resource.JSON()); err != nil {
			t.Errorf("what was made cannot be read: %v", err)
		}
		if _, err := table.ConceptMap(term.MapOf{URL: "http://x/m"}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestFindingByChineseCodeAndPinyin(t *testing.T) {
	h := open(t, storetest.Memory)
	table, err := term.ReadTable(strings.NewReader(`I10.x00 特发性(原发性)高血压
I10.x00x002 高血压
I10.x00x023 高血压1级
I11.900 高血压性心脏病
R03.000 血压读数升高，未诊断为高血压
I27.000 原发性肺动脉高压
L50.900 荨麻疹
C67.900 膀胱恶性肿瘤
R04.200 咯血
E11.900 2型糖尿病
C34.900 支气管或肺恶性肿瘤
`), codesAndNames)
	if err != nil {
		t.Fatal(err)
	}
	made, err := table.CodeSystem(term.SystemOf{URL: "http://x/icd", Version: "1", Name: "ICD", Hierarchy: "none"})
	if err != nil {
		t.Fatal(err)
	}
	h.put(made.Resource)
	for _, c := range []struct{ name, filter, want string }{
		{"the whole name, the beginning, the beginning of a word, somewhere", "高血压", "I10.x00x002 I10.x00x023 I11.900 I10.x00 R03.000"},
		{"initials in the same order", "gxy", "I10.x00x002 I10.x00x023 I11.900 I10.x00 R03.000"},
		{"capitals", "GXY", "I10.x00x002 I10.x00x023 I11.900 I10.x00 R03.000"},
		{"syllables", "gaoxueya", "I10.x00x002 I10.x00x023 I11.900 I10.x00 R03.000"},
		{"a mixture, the last syllable begun", "gxuey", "I10.x00x002 I10.x00x023 I11.900 I10.x00 R03.000"},
		{"zh as two letters", "exzhongliu", "C67.900 C34.900"},
		{"brackets are not spoken", "tfxyfx", "I10.x00"},
		{"the beginning of a code", "i10", "I10.x00x002 I10.x00x023 I10.x00"},
		{"a code before what contains it", "I10.x00", "I10.x00 I10.x00x002 I10.x00x023"},
		{"two words must both be there", "高血压 心", "I11.900"},
		{"a word and initials", "肺 exzl", "C34.900"},
		{"either reading of 荨: xun", "xmz", "L50.900"},
		{"either reading of 荨: qian", "qmz", "L50.900"},
		{"膀 is read pang", "pangguang", "C67.900"},
		{"咯 is read ka", "kx", "R04.200"},
		{"digits among letters", "2xtnb", "E11.900"},
		{"full width", "２型", "E11.900"},
		{"nothing", "zzz", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := h.Expand(ctx, term.Expand{Where: term.Where{URL: "http://x/icd?fhir_vs"}, Filter: c.filter, Count: 20})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(expanded(t, out), " "); got != c.want {
				t.Errorf("got %s; want %s", got, c.want)
			}
		})
	}
}
