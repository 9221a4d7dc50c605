package ucum

import (
	"math/big"
	"strings"
	"testing"
)

func TestEveryUnitOfTheTableIsDefined(t *testing.T) {
	for code := range atoms() {
		if _, err := Parse(code); err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
	if n := len(atoms()); n < 230 {
		t.Errorf("got %d units; want the table whole", n)
	}
}

func TestConvert(t *testing.T) {
	for _, c := range []struct{ value, from, to, want string }{
		{"1", "g", "mg", "1000"},
		{"5.4", "mg/dL", "g/L", "0.054"},
		{"70", "kg", "g", "70000"},
		{"1", "[lb_av]", "g", "453.59237"},
		{"120", "mm[Hg]", "kPa", "15.99864"},
		{"16", "kPa", "mm[Hg]", "16000000/133322"},
		{"37", "Cel", "K", "310.15"},
		{"37", "Cel", "[degF]", "98.6"},
		{"98.6", "[degF]", "Cel", "37"},
		{"-40", "[degF]", "Cel", "-40"},
		{"0", "K", "Cel", "-273.15"},
		{"100", "m[degRe]", "Cel", ""},
		{"37000", "mCel", "Cel", "37"},
		{"5", "10*9/L", "10*3/uL", "5"},
		{"5", "10*9/L", "/nL", "5"},
		{"4.5", "10*12/L", "10*6/mm3", "4.5"},
		{"60", "/min", "Hz", "1"},
		{"72", "{beats}/min", "/min", "72"},
		{"1", "h", "min", "60"},
		{"1", "a", "d", "365.25"},
		{"1", "wk", "h", "168"},
		{"1", "mo", "d", "30.4375"},
		{"1.5", "U/L", "mU/mL", "1.5"},
		{"1", "kat", "U", "60000000"},
		{"2", "mmol/L", "umol/mL", "2"},
		{"140", "meq/L", "mmol/L", "140"},
		{"1", "m2", "cm2", "10000"},
		{"1", "kg/m2", "g/cm2", "0.1"},
		{"1", "J", "kg.m2.s-2", "1"},
		{"1", "J", "kg.m2/s2", "1"},
		{"1", "J", "kg.(m/s)2", ""}, // exponents stand after units only
		{"6", "mL/min/{1.73_m2}", "L/h", "0.36"},
		{"1", "mL/(min.kg)", "L/h/kg", "0.06"},
		{"50", "%", "1", "0.5"},
		{"1", "[iU]/L", "[IU]/L", "1"},
		{"1", "[iU]/L", "mmol/L", ""},
		{"1", "k[IU]/L", "[iU]/mL", "1"},
		{"7", "[pH]", "[pH]", "7"},
		{"7", "[pH]", "mol/L", ""},
		{"10", "dB", "B", "1"},
		{"1", "mg", "mL", ""},
		{"1", "[ft_i]", "[in_i]", "12"},
		{"1", "[foz_us]", "mL", "29.5735295625"},
		{"1", "cal", "J", "4.184"},
		{"1", "[Cal]", "kJ", "4.184"},
		{"180", "deg", "[pi].rad", "1"},
		{"1", "Gy", "RAD", "100"},
		{"1", "Ci", "GBq", "37"},
		{"1e3", "mg", "g", "1"},
		{"0.1", "g", "kg", "0.0001"},
		{"1", "2.g", "g", "2"},
		{"1", "/2.g", "g-1", ""}, // from left to right: per 2, times g
	} {
		r, err := Convert(c.value, c.from, c.to)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s %s in %s: got %s; want a refusal", c.value, c.from, c.to, r.RatString())
			}
			continue
		}
		want, _ := new(big.Rat).SetString(c.want)
		if err != nil || r.Cmp(want) != 0 {
			t.Errorf("%s %s in %s: got %v, %v; want %s exactly", c.value, c.from, c.to, r, err, c.want)
		}
	}
}

func TestWhatIsNoUnit(t *testing.T) {
	for _, code := range []string{"", "mmHg", "bpm", "mg/", "mg//L", "(mg", "mg)", "mg/dL ", " mg", "{a", "a}", "kmin", "m[degF]", "g2-", "g-", "Cel/min", "Cel2", "g.Cel", "0", "0.g", "毫克", "mg/毫升", "{毫克}", "g99", "10*999", "k", "[", "]", "[iU",
		strings.Repeat("(", 50) + "g" + strings.Repeat(")", 50), strings.Repeat("g.", 200) + "g", "1e3"} {
		if u, err := Parse(code); err == nil {
			t.Errorf("%q: got %s × %s; want a refusal", code, u.scale.RatString(), u.dims)
		}
	}
}

func TestDimension(t *testing.T) {
	for code, want := range map[string]string{"mg/dL": "g.m-3", "{RBC}": "1", "%": "1", "N": "g.m.s-2", "[iU]/L": "[iU].m-3", "Cel": "K", "J/K": "K-1.g.m2.s-2"} {
		u, err := Parse(code)
		if err != nil || u.Dimension() != want {
			t.Errorf("%s: got %s, %v; want %s", code, u.Dimension(), err, want)
		}
	}
}

func TestFloatIsTheNearestToTheExactResult(t *testing.T) {
	for _, c := range []struct {
		value    float64
		from, to string
		want     float64
	}{{5.4, "mg", "g", 0.0054}, {0.3, "L", "mL", 300}, {98.6, "[degF]", "Cel", 37}, {1.1, "mmol/L", "umol/L", 1100}} {
		u, _ := Parse(c.from)
		v, _ := Parse(c.to)
		if got, ok := Float(c.value, u, v); !ok || got != c.want {
			t.Errorf("%v %s: got %v; want %v %s", c.value, c.from, got, c.want, c.to)
		}
	}
}

func FuzzUCUM(f *testing.F) {
	for _, code := range []string{"mg/dL", "10*-6/L", "mL/min/{1.73_m2}", "kg.m2/s2", "(g.m)/(s2)", "Cel", "m[Hg]", "B[10.nV]", "YPc12", "/[HPF]", "10^3", "{a}{b}", "[m/s2/Hz^(1/2)]"} {
		f.Add(code, "12.5")
	}
	f.Fuzz(func(t *testing.T, code, value string) {
		u, err := Parse(code)
		if err != nil {
			return
		}
		if again, err := Parse(code); err != nil || !u.Comparable(again) {
			t.Fatalf("%q reads differently the second time", code)
		}
		n, ok := Decimal(value)
		if !ok {
			return
		}
		if back, ok := u.To(u, n); !ok || back.Cmp(n) != 0 {
			t.Fatalf("%s %q in itself is %v", value, code, back)
		}
		if bracketed, err := Parse("(" + code + ")"); err == nil && (!bracketed.Comparable(u) || bracketed.scale.Cmp(u.scale) != 0) {
			t.Fatalf("%q means something else in parentheses", code)
		}
	})
}

func BenchmarkFloat(b *testing.B) {
	for b.Loop() {
		u, _ := Parse("mg/dL")
		v, _ := Parse("g/L")
		Float(5.4, u, v)
	}
}
