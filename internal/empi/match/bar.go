package match

// bar names the rule that forbids joining two records without a person's decision; firm rules also forbid that others join them.
func bar(c *compared, a, b *Ready) (code string, firm bool) {
	for _, id := range a.apart {
		if id == b.id && id != "" {
			return "apart", true
		}
	}
	for _, id := range b.apart {
		if id == a.id && id != "" {
			return "apart", true
		}
	}
	number := c.level[fieldNumber]
	sameNumber := number == exact || number == numberOld || number == numberTyped
	nearNumber := sameNumber || (number == slip || number == numberTwo) && !c.inRow
	family, given := c.level[fieldFamily], c.level[fieldGiven]
	phone, address := c.level[fieldPhone], c.level[fieldAddress]
	sameBirth := c.level[fieldBirth] == exact || c.level[fieldBirth] == birthSaid
	home := phone == exact || address == exact || address == addressHouse || c.level[fieldMother] == exact || c.level[fieldMother] == motherOrder
	sameGiven := given == exact || given == nameSound || given == nameSpelt || given == nameTurned
	if sameGiven && hasHan(c.givenText) && (family == differs || family == nameHalf || family == namePart) {
		sameGiven = false // 买买提·多吉 and 艾合买提·多吉: brothers, whose father's name stands last
	}
	sameCard := c.level[fieldCard] == exact

	switch {
	case c.conflict && c.sibling && !sameGiven:
		return "twin", true
	case c.conflict:
		return "number", true
	case c.level[fieldMother] == motherOrder:
		return "twin", true
	case c.parent:
		return "parent-child", true
	case yearsApart(a, b) >= 14 && (home || sameNumber) && !(nearNumber && sameName(c)) && !(c.level[fieldBirth] == birthSlip && given == exact && hasHan(c.a.given)):
		return "parent-child", given != missing
	case c.blank:
		if a.unknown || b.unknown {
			if number == exact || sameCard {
				return "", false
			}
			return "unknown", false
		}
		if number == exact && sameBirth || c.level[fieldMother] == exact && a.order > 0 && a.order == b.order {
			return "", false
		}
		return "newborn", false
	case nearNumber && c.a != nil && family == differs && given == differs && !(sameNumber && !c.dated && sameBirth):
		return "name", false // somebody else's card, or the mother's
	case home && !sameNumber && perhapsSameDay(c.level[fieldBirth]) && given != missing && !sameGiven && !nearNumber:
		return "twin", given != namePart && given != slip
	case home && !sameNumber && perhapsSameDay(c.level[fieldBirth]) && family == differs && !nearNumber && dotted(c.a) && dotted(c.b):
		return "twin", true // the own name stands before the dot, the father's after it
	case c.level[fieldSex] == differs && !nearNumber && (phone == exact || address == exact) && !sameGiven:
		return "spouse", true
	case !nearNumber && number != slip && !sameCard && (!home || c.common) && c.level[fieldPhone] != slip && address != slip && address != addressNumber && c.level[fieldPlace] > slip && c.level[fieldMother] != exact:
		return "namesake", false // nothing but name and birthday
	case family == missing && given == missing && !(sameNumber && sameBirth):
		return "thin", false
	}
	return "", false
}

// dotted says whether a name has two parts with a dot between them, of two characters at least; compound surnames look like one.
func dotted(n *name) bool {
	return n != nil && len(n.family) > 3 && len(n.given) > 3 && hasHan(n.family)
}

// perhapsSameDay says whether two birthdays may be one, with a mistake.
func perhapsSameDay(level uint8) bool {
	return level != differs && level != missing && level != birthSameYear && level != birthSameDay
}

// sameName says whether two names are one, written with a mistake at most.
func sameName(c *compared) bool {
	one := func(l uint8) bool { return l == exact || l == slip || l == missing || l >= nameSound && l != nameHalf }
	family, given := c.level[fieldFamily], c.level[fieldGiven]
	return one(given) && given != missing && (one(family) || given == exact) || given == nameHalf && family == exact && !hasHan(c.a.given)
}

func yearsApart(a, b *Ready) int {
	if a.birth.year == 0 || b.birth.year == 0 {
		return 0
	}
	n := int(a.birth.year) - int(b.birth.year)
	return max(n, -n)
}
