package match

import (
	"fmt"
	"strings"
)

// explain tells field by field what speaks for one person, and what for a stranger or for somebody of the household.
func explain(c *compared, a, b *Ready, athome bool, by *[fields][3]float64) []Evidence {
	other := stranger
	if athome {
		other = household
	}
	var out []Evidence
	for f := range fields {
		left, right := a.tell(f, c, true), b.tell(f, c, false)
		if left == "" && right == "" || f == fieldOrder && c.level[f] != differs {
			continue
		}
		e := Evidence{Field: fieldNames[f], Level: "missing", Left: left, Right: right}
		if l := c.level[f]; l != missing {
			e.Level, e.Bits = levelNames[f][l], by[f][person]-by[f][other]
		}
		if (f == fieldFamily || f == fieldGiven) && (c.blank || a.standIn || b.standIn) && e.Level == "missing" {
			e.Level = "stand-in"
		}
		out = append(out, e)
	}
	return out
}

// tell is what a record says in a field, normalised.
func (r *Ready) tell(f int, c *compared, left bool) string {
	at := int(c.right[f])
	n := c.b
	if left {
		at, n = int(c.left[f]), c.a
	}
	if n == nil && len(r.names) > 0 {
		n = &r.names[0]
	}
	switch f {
	case fieldNumber:
		if at < len(r.numbers) {
			return r.numbers[at].value
		}
	case fieldFamily:
		if n != nil {
			return n.family
		}
	case fieldGiven:
		if n != nil {
			return n.given
		}
	case fieldOrder:
		if n != nil {
			return strings.TrimSpace(n.family + " " + n.given)
		}
	case fieldSex:
		switch r.sex {
		case 'm':
			return "male"
		case 'f':
			return "female"
		}
	case fieldBirth:
		switch d := r.birth; {
		case d.day > 0:
			return fmt.Sprintf("%04d-%02d-%02d", d.year, d.month, d.day)
		case d.month > 0:
			return fmt.Sprintf("%04d-%02d", d.year, d.month)
		case d.year > 0:
			return fmt.Sprintf("%04d", d.year)
		}
	case fieldPhone:
		if at < len(r.phones) {
			return r.phones[at]
		}
	case fieldAddress, fieldPlace, fieldArea:
		at = int(c.right[fieldAddress])
		if left {
			at = int(c.left[fieldAddress])
		}
		if at >= len(r.addresses) {
			return ""
		}
		switch x := &r.addresses[at]; f {
		case fieldAddress:
			return strings.TrimSpace(x.road + " " + x.numbers)
		case fieldPlace:
			return x.place
		default:
			return strings.TrimSpace(x.area + " " + x.postal)
		}
	case fieldCard:
		if len(r.cards) > 0 {
			return r.cards[0].value
		}
	case fieldMother:
		if r.mother != "" && r.order > 0 {
			return fmt.Sprintf("%s #%d", r.mother, r.order)
		}
		return r.mother
	}
	return ""
}
