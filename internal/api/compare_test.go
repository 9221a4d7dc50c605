package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// told writes pieces as text: what differs stands in brackets with its mark.
func told(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		if p.Mark == "" {
			b.WriteString(p.Text)
		} else {
			b.WriteString("[" + p.Text + " " + p.Mark + "]")
		}
	}
	return b.String()
}

func TestDifferencesAreNamedByCharacter(t *testing.T) {
	for _, c := range []struct{ name, left, right, level, wantLeft, wantRight string }{
		{"the same", "张伟", "张伟", "exact", "张伟", "张伟"},
		{"a homophone", "张伟", "张玮", "homophone", "张[伟 homophone]", "张[玮 homophone]"},
		{"a look-alike", "李未", "李末", "look-alike", "李[未 look-alike]", "李[末 look-alike]"},
		{"another character", "李强", "李刚", "differs", "李[强 typed]", "李[刚 typed]"},
		{"order", "王小明", "王明小", "order", "王[小明 transposed]", "王[明小 transposed]"},
		{"a character left out", "欧阳建国", "欧阳国", "", "欧阳[建 extra]国", "欧阳国"},
		{"digits swapped", "1987-12-05", "1987-21-05", "transposed", "1987-[12 transposed]-05", "1987-[21 transposed]-05"},
		{"one digit", "13800001234", "13800001284", "", "138000012[3 typed]4", "138000012[8 typed]4"},
		{"nothing on one side", "", "张伟", "missing", "", "张伟"},
		{"all of it", "male", "female", "whole", "[male differs]", "[female differs]"},
		{"too different for slips", "13800001234", "15977778888", "", "[13800001234 differs]", "[15977778888 differs]"},
	} {
		l, r := differences(c.left, c.right, c.level)
		if told(l) != c.wantLeft || told(r) != c.wantRight {
			t.Errorf("%s: %s, %s: got %s, %s; want %s, %s", c.name, c.left, c.right, told(l), told(r), c.wantLeft, c.wantRight)
		}
	}
}

func TestNumbersShowNoMoreThanWhereTheyDiffer(t *testing.T) {
	for _, c := range []struct{ name, left, right, wantLeft, wantRight string }{
		{"the same", "990101199001011234", "990101199001011234", "990***********1234", "990***********1234"},
		{"one digit", "990101199001011234", "990101199007011234", "990********[1 typed]**1234", "990********[7 typed]**1234"},
		{"another person's", "990101199001011234", "992233198512314321", "[990***********1234 differs]", "[992***********4321 differs]"},
		{"short ones are hidden whole", "12345", "12345", "*****", "*****"},
	} {
		l, r := differences(c.left, c.right, "")
		if l, r = veil(l, 3, 4), veil(r, 3, 4); told(l) != c.wantLeft || told(r) != c.wantRight {
			t.Errorf("%s: got %s, %s; want %s, %s", c.name, told(l), told(r), c.wantLeft, c.wantRight)
		}
	}
}

func TestRecordsStandSideBySide(t *testing.T) {
	parse := func(text string) *fhir.Node {
		n, err := fhir.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	left := parse(`{"resourceType":"Patient","name":[{"text":"张伟"}],"gender":"male","birthDate":"1990-01-01","identifier":[{"system":"https://xinglin.health/fhir/sid/resident-id","value":"990101199001011234"},{"system":"https://xinglin.health/fhir/sid/record-number","value":"A1"}],"telecom":[{"system":"phone","value":"13800001234"},{"system":"phone","value":"13911112222"}]}`)
	right := parse(`{"resourceType":"Patient","name":[{"text":"张玮"}],"gender":"male","birthDate":"1990-01-01","identifier":[{"system":"https://xinglin.health/fhir/sid/record-number/centre","value":"B7"}],"telecom":[{"system":"phone","value":"13911112222"}]}`)
	got := compare(left, right, []match.Evidence{{Field: "family", Level: "exact", Bits: 6}, {Field: "given", Level: "homophone", Bits: 4}, {Field: "number", Level: "missing"}, {Field: "birth", Level: "exact", Bits: 8}, {Field: "mother", Level: "differs", Bits: -3}})
	var lines []string
	for _, x := range got {
		line := x.Field + ": " + told(x.Left) + " | " + told(x.Right)
		if x.Evidence != nil {
			line += fmt.Sprintf(" %s %+.0f", x.Evidence.Level, x.Evidence.Bits)
		}
		lines = append(lines, line)
	}
	want := []string{"name: 张[伟 homophone] | 张[玮 homophone] homophone +10", "sex: male | male", "birth: 1990-01-01 | 1990-01-01 exact +8",
		"number: 990***********1234 | ", "phone: 139****2222 | 139****2222", "phone: 138****1234 | ", "record-number: A1 | B7", "mother:  |  differs -3"}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(strings.Join(lines, "\n"), "19900101") {
		t.Error("the middle of a number is shown")
	}
	if len(compare(left, nil, nil)) == 0 {
		t.Error("one record alone shows nothing")
	}
}
