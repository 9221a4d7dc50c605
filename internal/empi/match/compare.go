package match

import (
	"strings"
	"unicode/utf8"
)

// Fields that are compared, in the order in which evidence is told.
const (
	fieldNumber = iota
	fieldFamily
	fieldGiven
	fieldOrder
	fieldSex
	fieldBirth
	fieldPhone
	fieldAddress
	fieldPlace
	fieldArea
	fieldCard
	fieldMother
	fields
)

var fieldNames = [fields]string{"number", "family", "given", "order", "sex", "birth", "phone", "address", "place", "area", "card", "mother"}

// Levels of agreement. The first three are everywhere; what follows depends on the field.
const (
	exact uint8 = iota
	slip        // one mistake of the hand
	differs
	levels  = 12
	missing = 15 // one of the two does not say
)

const (
	nameSound  = 3 + iota // characters that are read alike
	nameShape             // characters that look alike
	nameNear              // read alike by those who do not tell n from l, zh from z
	namePart              // a character or the rest of the name is missing; an initial
	nameHalf              // one of two characters is another, or much of a Latin name
	nameSpelt             // one in characters, one in pinyin
	nameTurned            // 明建 for 建明
)

const (
	birthSaid       = 3 + iota // the same, as the same number says already
	birthYearOnly              // 1 January, or only a year
	birthTransposed            // month and day in each other's place
	birthLunar                 // one is the other by the lunar calendar
	birthMonth                 // next month, same day
	birthSlip                  // one digit
	birthLunarLike             // two to eight weeks apart, as lunar dates are
	birthSameYear
	birthSameDay // of another year
)

const (
	numberTyped = 3 + iota // the same, but the check digit is wrong
	numberOld              // 15 digits of the same 18
	numberTwo              // two mistakes of the hand
	numberOther            // both are right and they differ: two persons
)

const (
	addressHouse  = 3 + iota // the room is missing
	addressRoad              // another number on the same road
	addressNumber            // the same numbers on another road
)

const (
	areaOne  = 3 + iota // suburb or postal code
	areaNear            // one of them nearly
)

const motherOrder = 3 // the same mother, other child of the same birth

var levelNames = [fields][levels]string{
	fieldNumber:  {"exact", "slip", "differs", "typed", "old-form", "two-slips", "other-person"},
	fieldFamily:  {"exact", "typo", "differs", "homophone", "look-alike", "near-sound", "part", "similar", "pinyin", "turned"},
	fieldGiven:   {"exact", "typo", "differs", "homophone", "look-alike", "near-sound", "part", "similar", "pinyin", "turned"},
	fieldOrder:   {"straight", "", "swapped"},
	fieldSex:     {"exact", "", "differs"},
	fieldBirth:   {"exact", "", "differs", "as-number-says", "year-only", "transposed", "lunar", "month", "slip", "lunar-like", "same-year", "same-day"},
	fieldPhone:   {"exact", "slip", "differs"},
	fieldAddress: {"exact", "slip", "differs", "house", "road", "number-only"},
	fieldPlace:   {"exact", "slip", "differs"},
	fieldArea:    {"exact", "slip", "differs", "one", "near"},
	fieldCard:    {"exact", "slip", "differs"},
	fieldMother:  {"exact", "", "differs", "other-child"},
}

// Ready is a record normalised for comparison; it does not change any more.
type Ready struct {
	id        string
	names     []name
	numbers   []number
	phones    []string
	addresses []address
	*more     // what few records have
	birth     date
	sex       byte
	order     uint8
	unknown   bool
	standIn   bool // no name but 某之子
}

type more struct {
	cards  []card
	apart  []string
	mother string
}

var nothingMore = &more{}

// card is a number that means something together with its assigner only.
type card struct{ system, value string }

// ID is the record's.
func (r *Ready) ID() string { return r.id }

const most = 12 // names, numbers, phones and addresses of a record that are looked at, each

// Prepare normalises a record once, so that it can be compared many times.
func Prepare(r *Record) *Ready {
	out := &Ready{id: r.ID, more: nothingMore, order: uint8(max(0, min(r.Order, 20))), unknown: r.Unknown}
	if r.Mother != "" || len(r.Apart) > 0 {
		out.more = &more{mother: r.Mother, apart: r.Apart}
	}
	for _, n := range r.Names[:min(most, len(r.Names))] {
		read, ok := readName(n)
		if !ok || read.empty() && !read.standIn {
			continue
		}
		if read.order > 0 && out.order == 0 {
			out.order = read.order
		}
		out.names = add(out.names, read)
	}
	named := 0
	for _, n := range out.names {
		if !n.standIn {
			named++
		}
	}
	out.standIn = named == 0 && len(out.names) > 0
	if named > 0 && named < len(out.names) { // a name beside 某之子 is what counts
		kept := out.names[:0]
		for _, n := range out.names {
			if !n.standIn {
				kept = append(kept, n)
			}
		}
		out.names = kept
	}
	switch strings.ToLower(strings.TrimSpace(r.Sex)) {
	case "male", "m", "1", "男", "男性":
		out.sex = 'm'
	case "female", "f", "2", "女", "女性":
		out.sex = 'f'
	}
	if d, ok := readDate(r.Birth); ok {
		out.birth = d
	}
	for _, n := range r.Numbers[:min(most, len(r.Numbers))] {
		switch n.System {
		case ResidentID, Passport, HongKongMacau, Taiwan, ForeignResident, NationalID, "":
			if n.System == "" {
				n.System = GuessSystem(n.Value)
			}
			if read, ok := readNumber(n.System, n.Value); ok {
				read.lend(out.birth)
				out.numbers = add(out.numbers, read)
			}
		default:
			if v := foldNumber(n.Value); v != "" && !(dummy(v) && len(v) > 5) {
				if out.more == nothingMore {
					out.more = &more{}
				}
				out.cards = add(out.cards, card{n.System, v})
			}
		}
	}
	for _, p := range r.Phones[:min(most, len(r.Phones))] {
		if p = foldPhone(p); p != "" {
			out.phones = add(out.phones, p)
		}
	}
	for _, a := range r.Address[:min(most, len(r.Address))] {
		if read := readAddress(a); read != (address{}) {
			out.addresses = add(out.addresses, read)
		}
	}
	return out
}

func add[T comparable](list []T, v T) []T {
	for _, x := range list {
		if x == v {
			return list
		}
	}
	if list == nil {
		list = make([]T, 0, 1)
	}
	return append(list, v)
}

// foldPhone leaves the digits that are dialled within the country; "" for none and dummies.
func foldPhone(s string) string {
	s = foldNumber(s)
	if s = s[:digits(s)]; len(s) > 11 {
		s = strings.TrimPrefix(strings.TrimPrefix(s, "00"), "86")
	}
	if len(s) == 12 && strings.HasPrefix(s, "01") { // 0 dialled before a mobile
		s = s[1:]
	}
	if len(s) < 6 || dummy(s) {
		return ""
	}
	return s
}

// compared is what a pair agrees on.
type compared struct {
	level [fields]uint8
	a, b  *name // the names that were compared; nil where one has none
	// of what is exact: whose share counts
	familyText, givenText string
	number                string
	phone                 string
	left                  [fields]int16 // which of several was compared
	right                 [fields]int16
	inRow                 bool // the numbers differ at their ends only, as those of twins and of families do
	dated                 bool // the number that was compared holds a birthday
	address               *address
	common                bool // so many share the phone or the address that it is nobody's home
	parent                bool // the one's own number stands on the other, a child of his
	lent                  bool // both have a parent's number, and it is the same
	conflict              bool // two right numbers of one kind that differ
	sibling               bool // two right numbers of one area and day
	blank                 bool // one is 某之子 or nobody
}

func compare(a, b *Ready) (c compared) {
	for i := range c.level {
		c.level[i] = missing
	}
	compareNames(&c, a, b)
	if a.sex != 0 && b.sex != 0 {
		c.level[fieldSex] = differs
		if a.sex == b.sex {
			c.level[fieldSex] = exact
		}
	}
	compareNumbers(&c, a, b)
	c.level[fieldBirth] = compareBirth(a.birth, b.birth)
	if n := c.level[fieldNumber]; c.level[fieldBirth] == exact && (n == exact || n == numberOld) && c.dated {
		c.level[fieldBirth] = birthSaid
	}
	comparePhones(&c, a, b)
	compareAddresses(&c, a, b)
	for _, x := range a.cards {
		for _, y := range b.cards {
			if x.system != y.system {
				continue
			}
			level := differs
			if x.value == y.value {
				level = exact
			} else if len(x.value) >= 8 && edits(x.value, y.value) == 1 {
				level = slip
			}
			c.level[fieldCard] = min(c.level[fieldCard], level)
		}
	}
	if c.lent {
		c.level[fieldMother] = exact
	}
	if a.mother != "" && b.mother != "" {
		switch {
		case a.mother != b.mother:
			c.level[fieldMother] = differs
		case a.order > 0 && b.order > 0 && a.order != b.order:
			c.level[fieldMother] = motherOrder
		default:
			c.level[fieldMother] = exact
		}
	}
	return c
}

// rank orders levels from agreement to difference; it only chooses among several names, numbers, addresses.
var rank = [16]int{exact: 0, slip: 2, differs: 9, missing: 10, nameSound: 1, nameShape: 3, nameNear: 4, namePart: 5, nameHalf: 6, nameSpelt: 2, nameTurned: 3}

func compareNames(c *compared, a, b *Ready) {
	best := 1 << 30
	for i := range a.names {
		for j := range b.names {
			x, y := &a.names[i], &b.names[j]
			if x.standIn || y.standIn {
				c.blank = true
			}
			family, given := compareName(x.family, y.family, true), compareName(x.given, y.given, false)
			familyText, givenText := x.family, x.given
			if family|given != exact && sameWhole(x, y) {
				family, given = exact, exact
				if len(y.family) < len(x.family) {
					familyText, givenText = y.family, y.given
				}
			}
			crossed := false
			score := rank[family] + rank[given]
			if score > 8 && x.given != "" && y.given != "" && x.family != "" && y.family != "" {
				f, g := compareName(x.family, y.given, false), compareName(x.given, y.family, false)
				if s := rank[f] + rank[g]; s+4 < score {
					familyText, givenText = x.given, x.family
					if rank[f] < rank[g] || f == g && x.family > x.given { // the better one counts as given, either way round
						f, g = g, f
						familyText, givenText = givenText, familyText
					}
					family, given, crossed, score = f, g, true, s+2
				}
			}
			if score = score<<8 | int(family)<<4 | int(given); score >= best {
				continue
			}
			best = score
			c.a, c.b, c.familyText, c.givenText = x, y, familyText, givenText
			c.level[fieldFamily], c.level[fieldGiven] = family, given
			c.left[fieldFamily], c.right[fieldFamily] = int16(i), int16(j)
			switch {
			case crossed:
				c.level[fieldOrder] = differs
			case family != missing && given != missing:
				c.level[fieldOrder] = exact
			}
		}
	}
	c.blank = c.blank && (a.standIn || b.standIn) || a.unknown || b.unknown
}

// sameWhole says whether two Chinese names are one that was taken apart at different places.
func sameWhole(x, y *name) bool {
	n := len(x.family) + len(x.given)
	if n != len(y.family)+len(y.given) || len(x.family) == len(y.family) || x.family == "" || y.family == "" || x.family[0] != y.family[0] {
		return false
	}
	whole := x.family + x.given
	return whole == y.family+y.given && hasHan(whole)
}

func compareName(a, b string, family bool) uint8 {
	if a == "" || b == "" {
		return missing
	}
	if a == b {
		return exact
	}
	hanA, hanB := a[0] >= utf8.RuneSelf && hasHan(a), b[0] >= utf8.RuneSelf && hasHan(b)
	switch {
	case hanA && hanB:
		return compareHan(a, b)
	case hanA || hanB:
		x, y := spelt(a, family), spelt(b, family)
		if x == y {
			return nameSpelt
		}
		if min(len(x), len(y)) > 4 && edits(x, y) == 1 {
			return nameNear
		}
		return differs
	}
	return compareLatin(a, b)
}

func compareHan(a, b string) uint8 {
	var x, y [maxName]rune
	n, m := 0, 0
	for _, r := range a {
		if n < maxName {
			x[n] = r
			n++
		}
	}
	for _, r := range b {
		if m < maxName {
			y[m] = r
			m++
		}
	}
	if n != m {
		if n > m {
			x, y, n, m = y, x, m, n
		}
		// what is left must stand in the same order in the longer one
		i := 0
		for j := 0; j < m && i < n; j++ {
			if x[i] == y[j] || sameSound(glyphOf(x[i]), glyphOf(y[j])) {
				i++
			}
		}
		if i == n && m-n <= 2 {
			return namePart
		}
		return differs
	}
	worst, other, lost := exact, 0, 0
	for i := range n {
		p, q := x[i], y[i]
		if p == q {
			continue
		}
		if p == anyone || q == anyone {
			lost++
			continue
		}
		g, h := glyphOf(p), glyphOf(q)
		level := nameSound
		switch {
		case sameSound(g, h):
		case looksAlike(p, q):
			level = nameShape
		case nearSound(g, h):
			level = nameNear
		default:
			other++
			level = nameHalf
		}
		worst = max(worst, uint8(level))
	}
	if other > 0 {
		if n == 2 && x[0] == y[1] && x[1] == y[0] {
			return nameTurned
		}
		if other < n-lost && n > 1 {
			return nameHalf
		}
		return differs
	}
	if lost > 0 {
		return namePart
	}
	return worst
}

func compareLatin(a, b string) uint8 {
	if len(a) > len(b) {
		a, b = b, a
	}
	n := edits(a, b)
	switch {
	case n == 1 && len(b) >= 4:
		return slip
	case len(a) <= 1:
		if a[0] == b[0] {
			return namePart
		}
		return differs
	case len(a) >= 3 && strings.HasPrefix(b, a):
		return namePart
	case n == 2 && len(a) >= 5, n == 1:
		return nameNear
	}
	switch s := similar(a, b); {
	case s >= 0.9, n == 2 && s >= 0.8:
		return nameNear
	case s >= 0.8:
		return nameHalf
	}
	if len(a) >= 4 && strings.HasSuffix(b, a) {
		return namePart
	}
	return differs
}

// numberRank orders levels from the strongest for one person.
var numberRank = [16]int{exact: 0, numberOld: 1, numberTyped: 2, slip: 3, numberTwo: 4, numberOther: 5, differs: 6, missing: 9}

func compareNumbers(c *compared, a, b *Ready) {
	for i := range a.numbers {
		for j := range b.numbers {
			x, y := &a.numbers[i], &b.numbers[j]
			if x.lent || y.lent { // what a parent's number says of a child is who the parent is
				if x.value == y.value {
					c.parent, c.lent = c.parent || x.lent != y.lent, c.lent || x.lent && y.lent
				}
				continue
			}
			level := compareNumber(x, y)
			if level == numberOther {
				c.conflict = true
				c.sibling = c.sibling || x.kind == residentNumber && len(x.value) == 18 && len(y.value) == 18 && x.value[6:14] == y.value[6:14]
			}
			best := numberRank[c.level[fieldNumber]]
			if numberRank[level] < best || numberRank[level] == best && level <= numberTyped && x.value < c.number {
				c.level[fieldNumber] = level
				c.left[fieldNumber], c.right[fieldNumber] = int16(i), int16(j)
				c.inRow = inRow(x.value, y.value)
				c.number, c.dated = x.value, len(x.value) == 18 && (x.kind == residentNumber || x.kind == foreignNumber || y.kind == residentNumber || y.kind == foreignNumber)
			}
		}
	}
}

// inRow says whether two numbers may have been given out together: resident numbers that differ in sequence and check digit
// only, other numbers that are at most nine apart.
func inRow(a, b string) bool {
	if a == b || len(a) != len(b) || len(a) < 5 {
		return false
	}
	if len(a) == 18 {
		return a[:14] == b[:14]
	}
	end := len(a) - 3
	if a[:end] != b[:end] {
		return false
	}
	apart := 0
	for i := end; i < len(a); i++ {
		apart = 10*apart + int(a[i]) - int(b[i])
	}
	return apart >= -9 && apart <= 9
}

func compareNumber(x, y *number) uint8 {
	if x.value == y.value {
		switch {
		case x.old != y.old:
			return numberOld
		case (x.kind == residentNumber || y.kind == residentNumber) && !x.valid && !y.valid:
			return numberTyped
		}
		return exact
	}
	if x.kind != y.kind {
		if x.kind == plainNumber || y.kind == plainNumber {
			return differs
		}
		return missing // a passport says nothing about a resident number
	}
	if x.kind == residentNumber && len(x.value) == 18 && len(y.value) == 18 {
		p, q := x.value, y.value
		if x.old || y.old {
			if p[:17] == q[:17] {
				return numberOld
			}
			p, q = p[:17], q[:17]
		}
		n, old := edits(p, q), x.old || y.old
		near := p[:14] == q[:14] // an old number has no check digit, and all of one area and day are near
		switch {
		case x.valid && y.valid && (!old || n > 2 || n == 2 && near):
			return numberOther
		case n == 1 && old && near:
			return numberTwo
		case n == 1:
			return slip
		case n == 2:
			return numberTwo
		}
		return differs
	}
	if x.kind == foreignNumber && x.valid && y.valid && len(x.value) == len(y.value) {
		return numberOther
	}
	if min(len(x.value), len(y.value)) >= 6 {
		switch edits(x.value, y.value) {
		case 1:
			return slip
		case 2:
			return numberTwo
		}
	}
	return differs
}

func comparePhones(c *compared, a, b *Ready) {
	for i, x := range a.phones {
		for j, y := range b.phones {
			level := differs
			if x == y || len(x) != len(y) && min(len(x), len(y)) >= 7 && (strings.HasSuffix(x, y) || strings.HasSuffix(y, x)) {
				level = exact
			} else if min(len(x), len(y)) >= 8 && edits(x, y) == 1 {
				level = slip
			}
			if old := c.level[fieldPhone]; level < old || level == exact && old == exact && min(x, y) < c.phone {
				c.level[fieldPhone], c.phone = level, min(x, y)
				c.left[fieldPhone], c.right[fieldPhone] = int16(i), int16(j)
			}
		}
	}
}

// addressRank orders levels from the strongest.
var addressRank = [16]int{exact: 0, slip: 1, addressHouse: 2, addressRoad: 3, addressNumber: 4, differs: 5, missing: 9}

func compareAddresses(c *compared, a, b *Ready) {
	best := 1 << 30
	for i := range a.addresses {
		for j := range b.addresses {
			x, y := &a.addresses[i], &b.addresses[j]
			line, place, area := compareAddress(x, y), comparePlace(x.place, y.place), compareArea(x, y)
			if score := (addressRank[line]*20+rank[place]+rank[area])<<8 | int(place)<<4 | int(area); score < best {
				best = score
				c.level[fieldAddress], c.level[fieldPlace], c.level[fieldArea] = line, place, area
				c.left[fieldAddress], c.right[fieldAddress] = int16(i), int16(j)
				if c.address = x; y.road < x.road { // with and without the city: one of the two, either way round
					c.address = y
				}
			}
		}
	}
}
