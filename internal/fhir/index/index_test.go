package index

import (
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

func TestEveryParameterCompiles(t *testing.T) {
	var odd []string
	for _, typ := range spec.Types() {
		for _, s := range programOf(typ).skipped {
			if !strings.HasSuffix(s, "no rows here") && !strings.HasSuffix(s, "kept by the store itself") {
				odd = append(odd, typ+"."+s)
			}
		}
	}
	sort.Strings(odd)
	for _, s := range odd {
		t.Error(s)
	}
}

var shanghai = time.FixedZone("UTC+8", 8*3600)

func TestCompositesJoinWhatStandsTogether(t *testing.T) {
	for _, c := range []struct {
		name, json, param string
		want              string
	}{
		{"code and quantity", `{"resourceType":"Observation","code":{"coding":[{"system":"l","code":"a"},{"system":"z","code":"b"}],"text":"x"},"valueQuantity":{"value":5.4,"code":"mmol/L","system":"u"}}`,
			"code-value-quantity", "code=l|a & value-quantity=5.35…5.45 u|mmol/L; code=z|b & value-quantity=5.35…5.45 u|mmol/L"},
		{"a code without a value gives nothing", `{"resourceType":"Observation","code":{"coding":[{"code":"a"}]}}`, "code-value-quantity", ""},
		{"a code that is text only gives nothing", `{"resourceType":"Observation","code":{"text":"a"},"valueString":"x"}`, "code-value-string", ""},
		{"components stay apart", `{"resourceType":"Observation","component":[{"code":{"coding":[{"code":"sys"}]},"valueQuantity":{"value":120}},{"code":{"coding":[{"code":"dia"}]},"valueQuantity":{"value":80}}]}`,
			"component-code-value-quantity", "component-code=|sys & component-value-quantity=119.5…120.5 |; component-code=|dia & component-value-quantity=79.5…80.5 |"},
		{"combo takes both", `{"resourceType":"Observation","code":{"coding":[{"code":"bp"}]},"valueCodeableConcept":{"coding":[{"code":"h"}]},"component":[{"code":{"coding":[{"code":"sys"}]},"valueCodeableConcept":{"coding":[{"code":"n"}]}}]}`,
			"combo-code-value-concept", "combo-code=|bp & combo-value-concept=|h; combo-code=|sys & combo-value-concept=|n"},
		{"code and date", `{"resourceType":"Observation","code":{"coding":[{"code":"a"}]},"valueDateTime":"2026-03"}`, "code-value-date", "code=|a & value-date=2026-03-01T00:00:00+08:00…2026-04-01T00:00:00+08:00"},
		{"code and period", `{"resourceType":"Observation","code":{"coding":[{"code":"a"}]},"valuePeriod":{"start":"2026-03-01","end":"2026-03-02"}}`, "code-value-date", "code=|a & value-date=2026-03-01T00:00:00+08:00…2026-03-03T00:00:00+08:00"},
		{"code and text", `{"resourceType":"Observation","code":{"coding":[{"code":"a"}]},"valueString":"阴性"}`, "code-value-string", "code=|a & value-string=阴性"},
		{"token and reference", `{"resourceType":"DocumentReference","relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/1"}},{"code":"signs","target":{"reference":"DocumentReference/2"}}]}`,
			"relationship", "relatesto=DocumentReference/1 & relation=http://hl7.org/fhir/document-relationship-type|replaces; relatesto=DocumentReference/2 & relation=http://hl7.org/fhir/document-relationship-type|signs"},
		{"group's yes or no", `{"resourceType":"Group","characteristic":[{"code":{"coding":[{"code":"smoker"}]},"valueBoolean":true}]}`, "characteristic-value", "characteristic=|smoker & value=|true"},
		{"three parts, one from the whole resource", `{"resourceType":"MolecularSequence","referenceSeq":{"chromosome":{"coding":[{"code":"3"}]}},"variant":[{"start":5,"end":6},{"start":7,"end":9}]}`,
			"chromosome-variant-coordinate", "chromosome=|3 & variant-start=4.5…5.5 | & variant-end=5.5…6.5 |; chromosome=|3 & variant-start=6.5…7.5 | & variant-end=8.5…9.5 |"},
		{"context and range", `{"resourceType":"ValueSet","useContext":[{"code":{"system":"s","code":"age"},"valueRange":{"low":{"value":1,"code":"a"},"high":{"value":3}}}]}`, "context-type-quantity", "context-type=s|age & context-quantity=1…3 |a"},
	} {
		n, err := fhir.Parse([]byte(c.json))
		if err != nil {
			t.Fatal(c.name, err)
		}
		var got []string
		for _, e := range Extract(n, shanghai) {
			if e.Param.Code == c.param {
				got = append(got, strings.Join(lines(e.Parts), " & "))
			}
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: got %s; want %s", c.name, strings.Join(got, "; "), c.want)
		}
	}
}

func TestCompositesOfOneElementAreBounded(t *testing.T) {
	coding := strings.TrimSuffix(strings.Repeat(`{"code":"x"},`, 500), ",")
	n, err := fhir.Parse([]byte(`{"resourceType":"Observation","code":{"coding":[` + coding + `]},"valueCodeableConcept":{"coding":[` + coding + `]}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for _, e := range Extract(n, nil) {
		if e.Param.Code == "code-value-concept" {
			got++
		}
	}
	if got != maxTogether {
		t.Errorf("got %d pairs; want %d", got, maxTogether)
	}
}

// lines writes entries as code=value, readable in a table.
func lines(entries []Entry) []string {
	var r []string
	for _, e := range entries {
		var v string
		switch e.Param.Type {
		case spec.Token:
			v = e.System + "|" + e.Code
		case spec.String:
			v = e.Text
		case spec.Date:
			v = time.UnixMicro(e.Low).In(shanghai).Format(time.RFC3339) + "…" + time.UnixMicro(e.High).In(shanghai).Format(time.RFC3339)
		case spec.Number, spec.Quantity:
			v = fmt.Sprintf("%v…%v %s|%s", e.NumLow, e.NumHi, e.System, e.Code)
		case spec.Reference:
			switch {
			case e.RefType != "":
				v = e.RefType + "/" + e.RefID
			case e.URI != "":
				v = e.URI
			default:
				v = e.System + "|" + e.Code
			}
		case spec.URI:
			v = e.URI
		}
		r = append(r, e.Param.Code+"="+v)
	}
	return r
}

func TestExtract(t *testing.T) {
	for _, c := range []struct {
		name, json string
		want, not  []string
	}{
		{"patient", `{"resourceType":"Patient","id":"p","meta":{"tag":[{"system":"s","code":"t"}],"profile":["http://x|2"]},
			"identifier":[{"system":"urn:oid:1.2.156.10011.1.3","value":"99010519491231001x"}],
			"active":true,"name":[{"text":"单三","family":"单","given":["三"]}],"gender":"male","birthDate":"1949-12-31",
			"telecom":[{"system":"phone","value":"+86 138-0013-8000"},{"system":"email","value":"A@B.cn"}],
			"address":[{"line":["中山路1号"],"city":"长沙","postalCode":"410000"}],"deceasedBoolean":false,
			"link":[{"other":{"reference":"Patient/q"},"type":"seealso"}],"managingOrganization":{"reference":"Organization/o","display":"医院"}}`,
			[]string{"_tag=s|t", "_profile=http://x|2", "_profile=http://x", "active=|true", "name=单三", "name=单", "family=单", "phonetic=shansan", "phonetic=ss",
				"gender=http://hl7.org/fhir/administrative-gender|male", "birthdate=1949-12-31T00:00:00+08:00…1950-01-01T00:00:00+08:00",
				"phone=phone|13800138000", "telecom=phone|13800138000", "telecom=email|a@b.cn", "email=email|a@b.cn", "phone-last4=phone|8000", "address=中山路1号", "address=长沙",
				"address-city=长沙", "address-area=|410000", "deceased=|false", "link=Patient/q", "organization=Organization/o"},
			[]string{"phone=email|a@b.cn"}},
		{"observation", `{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/p"},"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}],"text":"收缩压"},
			"effectiveDateTime":"2026-03","valueQuantity":{"value":120.0,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"},
			"performer":[{"reference":"https://other.example/fhir/Practitioner/9"},{"identifier":{"system":"s","value":"v"}}],
			"component":[{"code":{"text":"x"},"valueCodeableConcept":{"coding":[{"code":"c"}]}}]}`,
			[]string{"status=http://hl7.org/fhir/observation-status|final", "patient=Patient/p", "subject=Patient/p", "code=http://loinc.org|8480-6", "date=2026-03-01T00:00:00+08:00…2026-04-01T00:00:00+08:00",
				"value-quantity=119.95…120.05 http://unitsofmeasure.org|mm[Hg]", "combo-code=http://loinc.org|8480-6", "performer=https://other.example/fhir/Practitioner/9", "performer=s|v", "component-value-concept=|c", "combo-value-concept=|c"},
			nil},
		{"subject that is no patient", `{"resourceType":"Observation","subject":{"reference":"Group/g"}}`, []string{"subject=Group/g"}, []string{"patient=Group/g"}},
		{"period", `{"resourceType":"Encounter","period":{"start":"2026-01-01T08:00:00+08:00","end":"2026-01-02"},"participant":[{"individual":{"reference":"Practitioner/d"}}]}`,
			[]string{"date=2026-01-01T08:00:00+08:00…2026-01-03T00:00:00+08:00", "participant=Practitioner/d", "practitioner=Practitioner/d"}, nil},
		{"filter by child", `{"resourceType":"Library","relatedArtifact":[{"type":"depends-on","resource":"http://a|1"},{"type":"citation","resource":"http://b"}]}`,
			[]string{"depends-on=http://a|1", "depends-on=http://a"}, []string{"composed-of=http://a", "depends-on=http://b"}},
		{"range", `{"resourceType":"Condition","onsetRange":{"low":{"value":10,"unit":"a"},"high":{"value":20}}}`, []string{"onset-age=10…20 |a"}, nil},
		{"dead by date", `{"resourceType":"Patient","deceasedDateTime":"2020-01-01"}`, []string{"deceased=|true", "death-date=2020-01-01T00:00:00+08:00…2020-01-02T00:00:00+08:00"}, nil},
		{"area of an ID number", `{"resourceType":"Patient","identifier":[{"system":"x","value":"11010519491231002x"}]}`, []string{"identifier=x|11010519491231002X", "address-area=|110105"}, nil},
		{"document", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Composition","id":"c"}}]}`, []string{"composition=Composition/c"}, []string{"message=Composition/c"}},
		{"contained reference", `{"resourceType":"Observation","subject":{"reference":"#p"}}`, nil, []string{"subject=/p"}},
		{"concept text", `{"resourceType":"Observation","valueCodeableConcept":{"text":"阴性"}}`, []string{"value-string=阴性", "value-concept=|"}, nil},
	} {
		n, err := fhir.Parse([]byte(c.json))
		if err != nil {
			t.Fatal(c.name, err)
		}
		got := lines(Extract(n, shanghai))
		have := map[string]bool{}
		for _, l := range got {
			have[l] = true
		}
		for _, w := range c.want {
			if !have[w] {
				t.Errorf("%s: %s is missing; got\n  %s", c.name, w, strings.Join(got, "\n  "))
			}
		}
		for _, w := range c.not {
			if have[w] {
				t.Errorf("%s: %s must not be there", c.name, w)
			}
		}
	}
}

func TestCompartments(t *testing.T) {
	for _, c := range []struct{ name, json, home, all string }{
		{"a patient is its own", `{"resourceType":"Patient","id":"p","link":[{"other":{"reference":"Patient/q"}}]}`, "Patient/p", "Patient/p"},
		{"subject", `{"resourceType":"Observation","subject":{"reference":"Patient/p"},"performer":[{"reference":"Patient/q"}]}`, "Patient/p", "Patient/p Patient/q"},
		{"task", `{"resourceType":"Task","for":{"reference":"Patient/p/_history/2"}}`, "Patient/p", "Patient/p"},
		{"mother and newborn", `{"resourceType":"Appointment","participant":[{"actor":{"reference":"Patient/p"}},{"actor":{"reference":"Patient/q"}},{"actor":{"reference":"Practitioner/d"}}]}`, "", "Patient/p Patient/q"},
		{"one participant", `{"resourceType":"Appointment","participant":[{"actor":{"reference":"Patient/p"}}]}`, "Patient/p", "Patient/p"},
		{"device", `{"resourceType":"Device","patient":{"reference":"Patient/p"}}`, "Patient/p", "Patient/p"},
		{"register", `{"resourceType":"Organization","id":"o"}`, "", ""},
		{"another server's patient", `{"resourceType":"Observation","subject":{"reference":"https://x.example/fhir/Patient/p"}}`, "", ""},
		{"coverage", `{"resourceType":"Coverage","beneficiary":{"reference":"Patient/p"},"payor":[{"reference":"Patient/q"}]}`, "Patient/p", "Patient/p Patient/q"},
		{"unknown type", `{"resourceType":"Nothing","id":"x"}`, "", ""},
	} {
		n, err := fhir.Parse([]byte(c.json))
		if err != nil {
			t.Fatal(c.name, err)
		}
		if got := Home(n); got != c.home {
			t.Errorf("%s: home is %q; want %q", c.name, got, c.home)
		}
		if got := strings.Join(Compartments(n), " "); got != c.all {
			t.Errorf("%s: compartments are %q; want %q", c.name, got, c.all)
		}
	}
}

func TestSounds(t *testing.T) {
	for in, want := range map[string]string{"张三": "zhangsan zs", "单雄信": "shanxiongxin sxx", "曾国": "zengguo zg", "解放": "xiefang xf", "仇英": "qiuying qy", "区志": "ouzhi oz",
		"查良镛": "zhaliangyong zly", "尉迟恭": "yuchigong ycg", "Smith": "smith", "阿依古丽·买买提": "ayigulimaimaiti ayglmmt", "": "", "欧阳修": "ouyangxiu oyx", "覃丽": "qinli ql tanli tl", "万俟卨": "moqixie mqx", "乐": "le l", "沈阳": "shenyang sy", "ＡＢ张": "ａｂzhang ａｂz",
		"John O’Neil-Smith": "johnoneilsmith", "吕布": "lvbu lb"} {
		if got := strings.Join(Sounds(in), " "); got != want {
			t.Errorf("Sounds(%s): got %q; want %q", in, got, want)
		}
	}
}

func TestHeardIsWhatPeopleType(t *testing.T) {
	for in, want := range map[string]string{"Zhang San": "zhangsan", "zhangsan": "zhangsan", "zs": "zs", "ZHANG,san": "zhang,san", "张三": "zhangsan", "覃丽": "qinli tanli", "lü bu": "lvbu", "Lyu Bu": "lyubu lvbu", "lv": "lv",
		"xi'an": "xian", "O’Neil": "oneil", "": "", "  ": "", "单": "dan"} {
		if got := strings.Join(Heard(in), " "); got != want {
			t.Errorf("Heard(%s): got %q; want %q", in, got, want)
		}
	}
}

func TestIdentifiersKnowTheirTypes(t *testing.T) {
	n, _ := fhir.Parse([]byte(`{"resourceType":"Patient","identifier":[{"system":"h","value":"1","type":{"coding":[{"system":"v2","code":"MR"},{"code":"X"}],"text":"病案号"}},{"value":"2"}]}`))
	got := ""
	for _, e := range Extract(n, nil) {
		if e.Param.Code == "identifier" {
			got += fmt.Sprintf("%s %v %s;", e.Code, e.Types, e.Text)
		}
	}
	if want := "1 [{v2 MR} { X}] 病案号;2 [] ;"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

func TestTextOfAConceptIsFoundBesideItsDisplays(t *testing.T) {
	n, _ := fhir.Parse([]byte(`{"resourceType":"Observation","code":{"coding":[{"code":"a","display":"Glucose"},{"code":"b"}],"text":"血糖"},"category":[{"coding":[{"code":"c","display":"Lab"}],"text":"检验"}]}`))
	got := ""
	for _, e := range Extract(n, nil) {
		if e.Param.Code == "code" || e.Param.Code == "category" {
			got += e.Code + "=" + e.Text + ";"
		}
	}
	if want := "a=Glucose;b=血糖;c=Lab;=检验;"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

func FuzzExtract(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Patient","name":[{"text":"张三"}],"telecom":[{"system":"phone","value":"1"}]}`))
	f.Add([]byte(`{"resourceType":"Observation","valueQuantity":7,"effectivePeriod":[1],"code":[[{}]]}`))
	f.Add([]byte(`{"resourceType":"Bundle","entry":{"resource":null}}`))
	f.Add([]byte(`{"resourceType":"Observation","code":{"coding":[{"code":"a"},7]},"valueQuantity":{"value":1},"component":[{"code":[{}],"valuePeriod":{"start":"2026"}}]}`))
	f.Add([]byte(`{"resourceType":"MolecularSequence","referenceSeq":[null],"variant":{"start":1,"end":[2,3]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := fhir.Parse(data)
		if err != nil {
			return
		}
		for _, e := range Extract(n, shanghai) {
			if e.Param == nil || len(e.Parts) != len(e.Param.Components) {
				t.Fatalf("an entry that is not whole: %+v", e)
			}
		}
		Home(n)
		Compartments(n)
	})
}
