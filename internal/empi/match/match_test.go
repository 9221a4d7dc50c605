package match

import (
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

var another = fhir.ResidentNumber("990211", time.Date(1961, 5, 23, 0, 0, 0, 0, time.UTC), 102)

func person1() *Record {
	return &Record{ID: "Patient/1", Names: []Name{{Text: "孟小茹"}}, Sex: "female", Birth: "1961-05-23", Numbers: []Number{{System: ResidentID, Value: "990313196105236840"}},
		Phones: []string{"15124298289"}, Address: []Address{{Text: "和平里193号2314室"}}}
}

func TestWhatIsDecided(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(a, b *Record)
		want   Outcome
		bar    string
	}{
		{"the same twice", func(a, b *Record) {}, Same, ""},
		{"homophone, no number", func(a, b *Record) { b.Names[0].Text = "孟晓茹"; b.Numbers = nil }, Same, ""},
		{"no number, moved, new phone", func(a, b *Record) {
			b.Numbers, b.Phones, b.Address = nil, []string{"13912345670"}, []Address{{Text: "中山路2号"}}
		}, Possible, "namesake"},
		{"same name and birthday, two right numbers", func(a, b *Record) { b.Numbers[0].Value = another }, Possible, "number"},
		{"old number", func(a, b *Record) { b.Numbers[0].Value = "990313610523684" }, Same, ""},
		{"twin sister", func(a, b *Record) { b.Names[0].Text, b.Numbers[0].Value = "孟小兰", "990313196105236867" }, Different, "twin"},
		{"twin sister without number", func(a, b *Record) { b.Names[0].Text, b.Numbers = "孟大兰", nil }, Possible, "twin"},
		{"twin with a dot in the name", func(a, b *Record) {
			a.Names[0].Text, b.Names[0].Text, b.Numbers = "萨仁·阿卜杜", "努尔比娅·阿卜杜", nil
		}, Possible, "twin"},
		{"name with a dot, no number", func(a, b *Record) {
			a.Names[0].Text, b.Names[0].Text, b.Numbers = "萨仁·阿卜杜", "萨仁•阿卜杜", nil
		}, Same, ""},
		{"daughter", func(a, b *Record) { b.Names[0].Text, b.Birth, b.Numbers = "孟小兰", "1985-03-02", nil }, Different, "parent-child"},
		{"daughter under the mother's number", func(a, b *Record) { b.Names[0].Text, b.Birth = "孟兰", "1985-03-02" }, Different, "parent-child"},
		{"blank in the name, month and day exchanged", func(a, b *Record) { b.Names[0].Text = "孟 小茹"; b.Birth = "1961-23-05" }, Same, ""},
	} {
		a, b := person1(), person1()
		b.ID = "Patient/2"
		c.change(a, b)
		v, w := Default().Compare(a, b), Default().Compare(b, a)
		if v.Outcome != c.want || v.Bar != c.bar {
			t.Errorf("%s: got %d (bar %q, P %.5f, %.1f bits); want %d (bar %q)\n%v", c.name, v.Outcome, v.Bar, v.Probability, v.Score, c.want, c.bar, v.Fields)
		}
		if v.Outcome != w.Outcome || v.Score != w.Score {
			t.Errorf("%s: got %v one way and %v the other; want one answer", c.name, v, w)
		}
		if v.Outcome != Different && len(shared(Keys(a), Keys(b))) == 0 {
			t.Errorf("%s: no key in common", c.name)
		}
	}
}

func shared(a, b []Key) (out []Key) {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				out = append(out, x)
			}
		}
	}
	return out
}
