package api

import (
	"cmp"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/index"
)

// piece is some characters of a value, and how they differ from the other side's.
type piece struct {
	Text string `json:"text"`
	Mark string `json:"mark,omitempty"` // homophone, look-alike, transposed, typed, extra, differs; "" = the same
}

// compared is one line of two records side by side.
type compared struct {
	Field    string    `json:"field"` // name, sex, birth, number, phone, address, order, record-number
	System   string    `json:"system,omitempty"`
	Left     []piece   `json:"left"`
	Right    []piece   `json:"right"`
	Same     bool      `json:"same"`
	Masked   bool      `json:"masked,omitempty"`
	Evidence *evidence `json:"evidence,omitempty"`
}

// evidence is what a line says for or against one person, in bits; the level is that of its part that agrees least.
type evidence struct {
	Level string  `json:"level"`
	Bits  float64 `json:"bits"`
	Parts []part  `json:"parts,omitempty"`
}

type part struct {
	Field string  `json:"field"`
	Level string  `json:"level"`
	Bits  float64 `json:"bits"`
}

// lines says on which line a part of the comparison is told.
var lines = map[string]string{"family": "name", "given": "name", "place": "address", "area": "address", "card": "record-number"}

// many is how many values of a field are put side by side, and how long they may be.
const (
	many    = 6
	longest = 200
)

// compare puts two records side by side. Numbers and telephones are masked but where they differ; a side that is nil is
// shown as absent.
func compare(left, right *fhir.Node, fields []match.Evidence) []compared {
	var all []compared
	put := func(field, system string, l, r []string, first, last int, level string) {
		for _, pair := range aligned(l, r) {
			a, b := differences(pair[0], pair[1], level)
			x := compared{Field: field, System: system, Same: pair[0] == pair[1], Masked: first > 0}
			if x.Masked {
				a, b = veil(a, first, last), veil(b, first, last)
			}
			x.Left, x.Right = a, b
			all = append(all, x)
		}
	}
	level := func(line string) string {
		var said []string
		for _, e := range fields {
			if lineOf(e.Field) == line {
				said = append(said, e.Level)
			}
		}
		return strings.Join(said, " ")
	}
	one := func(s string) []string { return some(s) }
	put("name", "", names(left), names(right), 0, 0, level("name"))
	put("sex", "", one(left.Str("gender")), one(right.Str("gender")), 0, 0, "whole")
	put("birth", "", one(left.Str("birthDate")), one(right.Str("birthDate")), 0, 0, level("birth"))
	systems := slices.Compact(slices.Sorted(slices.Values(slices.Concat(systemsOf(left), systemsOf(right)))))
	slices.SortStableFunc(systems, func(a, b string) int {
		return rankOf(!strings.HasSuffix(a, "/resident-id")) - rankOf(!strings.HasSuffix(b, "/resident-id"))
	})
	for _, s := range systems[:min(len(systems), many)] {
		put("number", s, numbersOf(left, s), numbersOf(right, s), 3, 4, level("number"))
	}
	put("phone", "", phones(left), phones(right), 3, 4, level("phone"))
	put("address", "", addresses(left), addresses(right), 0, 0, level("address"))
	put("record-number", "", recordNumbers(left), recordNumbers(right), 0, 0, "apart")
	put("order", "", one(left.Str("multipleBirthInteger")), one(right.Str("multipleBirthInteger")), 0, 0, "whole")
	for _, e := range fields {
		if e.Level == "missing" && e.Bits == 0 {
			continue
		}
		i := slices.IndexFunc(all, func(x compared) bool { return x.Field == lineOf(e.Field) })
		if i < 0 {
			all = append(all, compared{Field: lineOf(e.Field), Left: []piece{}, Right: []piece{}})
			i = len(all) - 1
		}
		if all[i].Evidence == nil {
			all[i].Evidence = &evidence{}
		}
		all[i].Evidence.add(e)
	}
	return all
}

// lineOf: that family and given name stand in each other's place is told with the name, the order of birth by itself.
func lineOf(field string) string {
	if field == "order" {
		return "name"
	}
	if l, ok := lines[field]; ok {
		return l
	}
	return field
}

func (x *evidence) add(e match.Evidence) {
	x.Bits += e.Bits
	x.Parts = append(x.Parts, part{e.Field, e.Level, e.Bits})
	least := slices.MinFunc(x.Parts, func(a, b part) int { return cmp.Compare(a.Bits, b.Bits) })
	x.Level = least.Level
}

func some(s ...string) []string {
	s = slices.DeleteFunc(s, func(x string) bool { return x == "" })
	var list []string
	for _, x := range s {
		if r := []rune(x); len(r) > longest {
			x = string(r[:longest])
		}
		if !slices.Contains(list, x) && len(list) < many {
			list = append(list, x)
		}
	}
	return list
}

// names in the order of the record, the usual one first.
func names(n *fhir.Node) []string {
	if n == nil || len(n.All("name")) == 0 {
		return nil
	}
	list := []string{nameOf(n)}
	for _, x := range n.All("name") {
		list = append(list, nameOf(fhir.New("Patient", "name", fhir.Arr{x.Copy()})))
	}
	return some(list...)
}

func systemsOf(n *fhir.Node) (list []string) {
	for _, id := range n.All("identifier") {
		if s := id.Str("system"); id.Str("value") != "" && !ofHospital(s) {
			list = append(list, s)
		}
	}
	return list
}

// ofHospital tells the numbers that each hospital gives for itself.
func ofHospital(system string) bool { return strings.Contains(system, "/record-number") }

func recordNumbers(n *fhir.Node) []string {
	var list []string
	for _, id := range n.All("identifier") {
		if ofHospital(id.Str("system")) {
			list = append(list, id.Str("value"))
		}
	}
	return some(list...)
}

func numbersOf(n *fhir.Node, system string) []string {
	var list []string
	for _, id := range n.All("identifier") {
		if id.Str("system") == system {
			list = append(list, id.Str("value"))
		}
	}
	return some(list...)
}

func phones(n *fhir.Node) []string {
	var list []string
	for _, t := range n.All("telecom") {
		if s := t.Str("system"); s == "phone" || s == "sms" {
			list = append(list, t.Str("value"))
		}
	}
	return some(list...)
}

func addresses(n *fhir.Node) []string {
	var list []string
	for _, a := range n.All("address") {
		text := a.Str("text")
		if text == "" {
			for _, part := range []string{"state", "city", "district"} {
				text += a.Str(part)
			}
			for _, l := range a.All("line") {
				text += l.Text
			}
		}
		list = append(list, text)
	}
	return some(list...)
}

// aligned pairs the values of two sides: equal ones, then the closest, then what one side has alone.
func aligned(left, right []string) (pairs [][2]string) {
	left, right = slices.Clone(left), slices.Clone(right)
	for len(left) > 0 && len(right) > 0 {
		at, best := [2]int{}, -1.0
		for i, l := range left {
			for j, r := range right {
				if c := closeness(l, r); c > best {
					at, best = [2]int{i, j}, c
				}
			}
		}
		pairs = append(pairs, [2]string{left[at[0]], right[at[1]]})
		left, right = slices.Delete(left, at[0], at[0]+1), slices.Delete(right, at[1], at[1]+1)
	}
	for _, l := range left {
		pairs = append(pairs, [2]string{l, ""})
	}
	for _, r := range right {
		pairs = append(pairs, [2]string{"", r})
	}
	return pairs
}

func closeness(a, b string) float64 {
	x, y := []rune(a), []rune(b)
	return 1 - float64(distances(x, y)[len(x)][len(y)])/float64(max(len(x), len(y), 1))
}

// distances counts the slips of every two beginnings: a character changed, added, left out, or two neighbours swapped.
func distances(a, b []rune) [][]int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+change)
			if swapped(a, b, i, j) {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d
}

func swapped(a, b []rune, i, j int) bool {
	return i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] && a[i-1] != a[i-2]
}

// differences marks where two values differ, and how; level is what the comparison said of the field.
func differences(left, right, level string) (l, r []piece) {
	l, r = []piece{}, []piece{}
	a, b := []rune(left), []rune(right)
	switch {
	case left == right && left == "":
		return l, r
	case left == right:
		return []piece{{Text: left}}, []piece{{Text: right}}
	case left == "":
		return l, []piece{{Text: right}}
	case right == "":
		return []piece{{Text: left}}, r
	case level == "apart": // two hospitals number their patients each for itself
		return []piece{{Text: left}}, []piece{{Text: right}}
	}
	d := distances(a, b)
	if level == "whole" || len(a) > 2 && 2*d[len(a)][len(b)] > max(len(a), len(b)) {
		return []piece{{left, "differs"}}, []piece{{right, "differs"}}
	}
	add := func(list *[]piece, text, mark string) {
		if n := len(*list); n > 0 && (*list)[n-1].Mark == mark {
			(*list)[n-1].Text = text + (*list)[n-1].Text
			return
		}
		*list = append(*list, piece{text, mark})
	}
	for i, j := len(a), len(b); i > 0 || j > 0; {
		switch {
		case i > 0 && j > 0 && a[i-1] == b[j-1] && d[i][j] == d[i-1][j-1]:
			add(&l, string(a[i-1]), "")
			add(&r, string(b[j-1]), "")
			i, j = i-1, j-1
		case swapped(a, b, i, j) && d[i][j] == d[i-2][j-2]+1:
			add(&l, string(a[i-2:i]), "transposed")
			add(&r, string(b[j-2:j]), "transposed")
			i, j = i-2, j-2
		case i > 0 && j > 0 && d[i][j] == d[i-1][j-1]+1:
			mark := slip(a[i-1], b[j-1], level)
			add(&l, string(a[i-1]), mark)
			add(&r, string(b[j-1]), mark)
			i, j = i-1, j-1
		case i > 0 && d[i][j] == d[i-1][j]+1:
			add(&l, string(a[i-1]), "extra")
			i--
		default:
			add(&r, string(b[j-1]), "extra")
			j--
		}
	}
	slices.Reverse(l)
	slices.Reverse(r)
	return l, r
}

// slip names one changed character.
func slip(a, b rune, level string) string {
	if isHan(string(a)) && isHan(string(b)) {
		sounds := index.Sounds(string(b))
		if slices.ContainsFunc(index.Sounds(string(a)), func(s string) bool { return len(s) > 1 && slices.Contains(sounds, s) }) {
			return "homophone"
		}
		if strings.Contains(level, "look-alike") || strings.Contains(level, "shape") {
			return "look-alike"
		}
	}
	return "typed"
}

// veil hides what is the same on both sides, but for the first and last characters.
func veil(pieces []piece, first, last int) []piece {
	total := 0
	for _, p := range pieces {
		total += len([]rune(p.Text))
	}
	if total < first+last+3 {
		first, last = 0, 0
	}
	out, at := make([]piece, 0, len(pieces)), 0
	for _, p := range pieces {
		text := []rune(p.Text)
		for i := range text {
			if n := at + i; n >= first && n < total-last && (p.Mark == "" || p.Mark == "differs") {
				text[i] = '*'
			}
		}
		at += len(text)
		out = append(out, piece{string(text), p.Mark})
	}
	return out
}
