package match

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sync"
	"unicode/utf8"
)

// Model says how likely fields agree in records of one person, of two people of one household, and of strangers.
// It does not change once it is used.
type Model struct {
	Source     string  `json:"source"`
	Verified   string  `json:"verified"`   // when and by whom; "" = not yet
	Population int     `json:"population"` // people whom the records are about
	Duplicates float64 `json:"duplicates"` // other records of the same person, per record
	Relatives  float64 `json:"relatives"`  // records of people of the same household, per record
	Same       float64 `json:"same"`       // probability from which two records are joined without asking
	Possible   float64 `json:"possible"`   // probability from which somebody is asked

	// Fields: per field and level how often it is seen among [one person, one household, strangers], where both say something.
	Fields map[string]map[string][3]float64 `json:"fields"`
	Rare   Rare                             `json:"rare"`
	Terms  Terms                            `json:"terms"`

	ready  sync.Once
	bits   [fields][levels + 4][3]float64 // log2
	prior  [3]float64                     // log2
	counts *counts
}

// Rare is the share of a name that the model has no share of.
type Rare struct {
	Family float64 `json:"family"`
	Given  float64 `json:"given"`  // two characters or more
	Given1 float64 `json:"given1"` // one character
}

// Terms are the shares of names among people.
type Terms struct {
	Family map[string]float64 `json:"family"`
	Given  map[string]float64 `json:"given"`
}

const (
	person = iota
	household
	stranger
)

//go:embed default.json
var shipped []byte

var shippedModel = sync.OnceValue(func() *Model {
	m, err := ReadModel(bytes.NewReader(shipped))
	if err != nil {
		panic(err)
	}
	return m
})

// Default is the model that is shipped.
func Default() *Model { return shippedModel() }

// ReadModel reads what Write wrote.
func ReadModel(r io.Reader) (*Model, error) {
	m := &Model{}
	d := json.NewDecoder(io.LimitReader(r, 64<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("match: read model: %w", err)
	}
	return m, m.check()
}

func (m *Model) check() error {
	if m.Population < 1 || !(m.Duplicates > 0) || !(m.Relatives >= 0) {
		return fmt.Errorf("match: model: population, duplicates and relatives must be said")
	}
	if !(m.Same > m.Possible && m.Same < 1 && m.Possible > 0) {
		return fmt.Errorf("match: model: same must be under 1 and above possible, possible above 0")
	}
	if !(m.Rare.Family > 0 && m.Rare.Given > 0 && m.Rare.Given1 > 0) {
		return fmt.Errorf("match: model: the share of rare names must be said")
	}
	for f, name := range fieldNames {
		for l, level := range levelNames[f] {
			if level == "" {
				continue
			}
			for _, p := range m.Fields[name][level] {
				if !(p > 0 && p <= 1) {
					return fmt.Errorf("match: model: %s %s must have three shares above 0", name, levelNames[f][l])
				}
			}
			if _, ok := m.Fields[name][level]; !ok {
				return fmt.Errorf("match: model: %s %s is missing", name, level)
			}
		}
	}
	return nil
}

// Write writes the model as JSON.
func (m *Model) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(m)
}

func (m *Model) prepare() {
	m.ready.Do(func() {
		for f := range fields {
			for l, level := range levelNames[f] {
				if level == "" {
					continue
				}
				for class, p := range m.Fields[fieldNames[f]][level] {
					m.bits[f][l][class] = math.Log2(p)
				}
			}
		}
		n := float64(m.Population) * (1 + m.Duplicates)
		same, near := m.Duplicates/n, m.Relatives/n
		same, near = min(same, 0.3), min(near, 0.3)
		m.prior = [3]float64{math.Log2(same), math.Log2(max(near, 1e-12)), math.Log2(1 - same - near)}
	})
}

// share is how much of the people have a family or given name.
func (m *Model) share(s string, family bool) float64 {
	rare, terms := m.Rare.Family, m.Terms.Family
	if !family {
		rare, terms = m.Rare.Given, m.Terms.Given
		if hasHan(s) && utf8.RuneCountInString(s) == 1 {
			rare = m.Rare.Given1
		}
	}
	known, ok := terms[s]
	if !ok {
		known = rare
	}
	if m.counts != nil {
		return m.counts.share(s, family, known)
	}
	return known
}

// weigh adds up what the fields say: log2 of the likelihood in each class, and per field.
func (m *Model) weigh(c *compared) (sum [3]float64, by [fields][3]float64) {
	m.prepare()
	sum = m.prior
	for f := range fields {
		l := c.level[f]
		if l == missing {
			continue
		}
		w := m.bits[f][l]
		switch {
		case f == fieldFamily && l == exact && c.a != nil:
			w[stranger] = math.Log2(m.share(c.familyText, true))
		case f == fieldGiven && l == exact && c.a != nil:
			share := m.share(c.givenText, false)
			w[stranger] = math.Log2(share)
			w[household] = math.Log2(max(math.Exp2(w[household]), share))
		case m.counts != nil && (l == exact || l == numberTyped && f == fieldNumber):
			w = m.often(c, f, w)
		}
		by[f] = w
		for class := range sum {
			sum[class] += w[class]
		}
	}
	return sum, by
}

// often takes from a number, phone or address what it is worth when many share it.
func (m *Model) often(c *compared, f int, w [3]float64) [3]float64 {
	if m.counts == nil {
		return w
	}
	share := 0.0
	switch f {
	case fieldNumber:
		share = m.counts.often(countNumber, c.number)
	case fieldPhone:
		share = m.counts.often(countPhone, c.phone)
	case fieldAddress:
		share = m.counts.often(countAddress, c.address.road, c.address.numbers)
	}
	if share > 0 {
		w[stranger] = max(w[stranger], math.Log2(share))
		w[household] = max(w[household], math.Log2(share))
		c.common = c.common || f != fieldNumber
	}
	return w
}

// posterior gives the probability of one person and its score in bits.
func posterior(sum [3]float64) (p, score float64) {
	other := max(sum[household], sum[stranger])
	other += math.Log2(math.Exp2(sum[household]-other) + math.Exp2(sum[stranger]-other))
	score = sum[person] - other
	switch {
	case score > 60:
		return 1, score
	case score < -60:
		return 0, score
	}
	odds := math.Exp2(score)
	return odds / (1 + odds), score
}

// Compare judges two records as they came.
func (m *Model) Compare(a, b *Record) Verdict { return m.Judge(Prepare(a), Prepare(b)) }

// Judge judges two prepared records; the order does not matter, but for Left and Right.
func (m *Model) Judge(a, b *Ready) Verdict {
	c := compare(a, b)
	v, by := m.decide(&c, a, b)
	v.Fields = explain(&c, a, b, v.Against == "household", &by)
	return v
}

// Outcome is the verdict without its evidence: quicker, for many pairs.
func (m *Model) Outcome(a, b *Ready) Verdict {
	c := compare(a, b)
	v, _ := m.decide(&c, a, b)
	return v
}

func (m *Model) decide(c *compared, a, b *Ready) (v Verdict, by [fields][3]float64) {
	sum, by := m.weigh(c)
	v.Probability, v.Score = posterior(sum)
	v.Against = "stranger"
	if sum[household] > sum[stranger] {
		v.Against = "household"
	}
	v.Bar, v.Firm = bar(c, a, b)
	switch {
	case v.Probability < m.Possible || v.Bar == "apart":
		v.Outcome = Different
	case v.Probability >= m.Same && v.Bar == "":
		v.Outcome = Same
	default:
		v.Outcome = Possible
	}
	return v, by
}
