package empi

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

//go:embed golden.json
var goldenText []byte

// survivorship: per field what decides, in order: the first that tells two values apart.
var survivorship = func() (r struct {
	Fields map[string][]string `json:"fields"`
}) {
	if err := json.Unmarshal(goldenText, &r); err != nil {
		panic(err)
	}
	return r
}()

// value is one value that a record says.
type value struct {
	field, kind, value string
	from               string
	at                 time.Time
	verified           bool // the number itself was verified
	document           bool // the record has a verified number
	valid              bool // the number is well formed
	number             bool // a valid resident number of the record says the same
	most               int  // records that say so
}

// better compares two values by one rule; above 0 = a is better.
var better = map[string]func(a, b *value) int{
	"verified": func(a, b *value) int { return truth(a.verified, b.verified) },
	"document": func(a, b *value) int { return truth(a.document, b.document) },
	"valid":    func(a, b *value) int { return truth(a.valid, b.valid) },
	"number":   func(a, b *value) int { return truth(a.number, b.number) },
	"most":     func(a, b *value) int { return a.most - b.most },
	"newest":   func(a, b *value) int { return a.at.Compare(b.at) },
	"longest":  func(a, b *value) int { return len([]rune(a.value)) - len([]rune(b.value)) },
}

func truth(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// goldenMost is how many records a golden record is made of.
const goldenMost = 500

// Golden chooses what survives of these records: for callers who see only some.
func (x *Index) Golden(ctx context.Context, tx *store.Tx, patients []string) ([]Field, error) {
	var ids []string
	for _, p := range patients[:min(len(patients), goldenMost)] {
		ids = append(ids, strings.TrimPrefix(p, "Patient/"))
	}
	found, err := tx.ReadMany(ctx, search.Everything, "Patient", ids)
	if err != nil {
		return nil, err
	}
	var all []value
	for _, id := range ids {
		v, ok := found[id]
		if !ok {
			continue
		}
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return nil, err
		}
		all = append(all, valuesOf(n, &v)...)
	}
	return survivors(all), nil
}

// valuesOf is what a record says, each value once.
func valuesOf(n *fhir.Node, v *store.Version) (all []value) {
	r := FromPatient(n, keeper(n, v))
	base := value{from: "Patient/" + v.ID, at: v.Updated}
	birth, sex := "", ""
	for _, num := range r.Numbers {
		one := base
		one.field, one.kind, one.value, one.verified = "number", num.System, num.Value, num.Verified
		base.document = base.document || num.Verified
		one.valid = sound(num)
		if one.valid && num.System == match.ResidentID && len(num.Value) == 18 {
			birth = num.Value[6:10] + "-" + num.Value[10:12] + "-" + num.Value[12:14]
			sex = "female"
			if (num.Value[16]-'0')%2 == 1 {
				sex = "male"
			}
		}
		all = append(all, one)
	}
	for i := range all {
		all[i].document = base.document
	}
	add := func(field, text string) {
		if text = strings.TrimSpace(text); text == "" {
			return
		}
		one := base
		one.field, one.value = field, text
		one.number = field == "birth" && text == birth || field == "sex" && text == sex
		for _, old := range all {
			if old.field == field && old.value == text {
				return
			}
		}
		all = append(all, one)
	}
	for _, name := range r.Names[:min(len(r.Names), 1)] {
		text := name.Text
		if text == "" && ascii(name.Family+name.Given) {
			text = strings.TrimSpace(name.Given + " " + name.Family)
		} else if text == "" {
			text = name.Family + name.Given
		}
		add("name", text)
	}
	if r.Sex != "unknown" {
		add("sex", r.Sex)
	}
	add("birth", r.Birth)
	for _, p := range r.Phones[:min(len(r.Phones), 1)] {
		add("phone", p)
	}
	for _, a := range r.Address[:min(len(r.Address), 1)] {
		text := a.Text
		if text == "" {
			text = strings.TrimSpace(a.City + " " + a.Area)
		}
		add("address", text)
	}
	if d := n.Str("deceasedDateTime"); d != "" {
		add("deceased", d)
	} else if n.Str("deceasedBoolean") == "true" {
		add("deceased", "true")
	}
	return all
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x2E80 }) < 0
}

// sound: nothing is wrong with the number that is more than worth telling.
func sound(n match.Number) bool {
	return !slices.ContainsFunc(match.Check(n.System, n.Value), func(f match.Finding) bool { return !f.Warn })
}

// survivors takes the best value of every field, and of every kind of number.
func survivors(all []value) (golden []Field) {
	type slot struct{ field, kind string }
	bySlot := map[slot][]*value{}
	var order []slot
	for i := range all {
		v := &all[i]
		s := slot{v.field, v.kind}
		if bySlot[s] == nil {
			order = append(order, s)
		}
		bySlot[s] = append(bySlot[s], v)
	}
	fields := []string{"name", "sex", "birth", "number", "phone", "address", "deceased"}
	slices.SortFunc(order, func(a, b slot) int {
		return cmp.Or(slices.Index(fields, a.field)-slices.Index(fields, b.field), cmp.Compare(a.kind, b.kind))
	})
	for _, s := range order {
		values := bySlot[s]
		count := map[string]int{}
		for _, v := range values {
			count[v.value]++
		}
		for _, v := range values {
			v.most = count[v.value]
		}
		rules := survivorship.Fields[s.field]
		why := func(a, b *value) (rule string, by int) {
			for _, rule := range rules {
				if by := better[rule](a, b); by != 0 {
					return rule, by
				}
			}
			return "only", 0
		}
		best := values[0]
		for _, v := range values[1:] {
			if _, by := why(v, best); by > 0 || by == 0 && v.from < best.from {
				best = v
			}
		}
		rule := "only"
		if len(count) > 1 {
			rule = "none" // of the rules decides
		}
		for _, v := range values {
			if v.value != best.value {
				if r, by := why(best, v); by > 0 {
					rule = r
					break
				}
			}
		}
		golden = append(golden, Field{Field: s.field, Kind: s.kind, Value: best.value, From: best.from, At: best.at, Rule: rule, Other: len(count) - 1})
	}
	return golden
}
