package people

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rates of what goes wrong, per record unless said otherwise. A hospital's care multiplies them by 0.2 to 2.4.
type Rates struct {
	// nothing there
	NoNumber, NoNumberChild, NoPhone, NoAddress, NoBirth, NoSex float64
	// name
	Homophone, LookAlike, OtherCharacter, Swapped, Shortened, Width, EarlierName, RareLost, FamilyFirst, Traditional float64
	// number
	NumberTyped, NumberTransposed, NumberOld, NumberOfMother float64
	// birthday; Lunar is for those born before 1975
	BirthTyped, DayForMonth, Lunar, YearOnly, YearOff float64
	SexWrong                                          float64
	// telephone and address
	PhoneBefore, PhoneTyped, PhoneOfFamily, Moved, AddressShort float64
	Columns                                                     float64 // number and telephone in each other's column
	Nameless                                                    float64 // 无名氏

	// per household
	Twins, SameBirthday, Recycled, Foreigner float64
	// Visits: how many hospitals have a record, from 1; Again: a second record at one hospital
	Visits []float64
	Again  float64
}

// Usual rates: estimates for registers that are partly typed, partly read from cards.
var Usual = Rates{
	NoNumber: 0.16, NoNumberChild: 0.35, NoPhone: 0.10, NoAddress: 0.09, NoBirth: 0.008, NoSex: 0.004,
	Homophone: 0.016, LookAlike: 0.008, OtherCharacter: 0.004, Swapped: 0.004, Shortened: 0.003, Width: 0.010, EarlierName: 0.4, RareLost: 0.35, FamilyFirst: 0.25, Traditional: 0.3,
	NumberTyped: 0.010, NumberTransposed: 0.006, NumberOld: 0.03, NumberOfMother: 0.02,
	BirthTyped: 0.008, DayForMonth: 0.004, Lunar: 0.025, YearOnly: 0.008, YearOff: 0.005, SexWrong: 0.004,
	PhoneBefore: 0.13, PhoneTyped: 0.010, PhoneOfFamily: 0.08, Moved: 0.08, AddressShort: 0.25,
	Columns: 0.002, Nameless: 0.0004,
	Twins: 0.02, SameBirthday: 0.006, Recycled: 0.006, Foreigner: 0.008,
	Visits: []float64{0.42, 0.27, 0.15, 0.09, 0.05, 0.02}, Again: 0.02,
}

// records of household h at all hospitals.
func (p population) records(h int) []Row {
	var rows []Row
	family := p.household(h)
	d := newDice(p.Seed+1, uint64(h))
	for i := range family {
		a := &family[i]
		visits, x := 1, d.Float64()
		for _, rate := range p.Rates.Visits {
			if x -= rate; x < 0 {
				break
			}
			visits++
		}
		visits = min(visits, len(p.Rates.Visits), p.Hospitals)
		been := make([]int, 0, visits)
		for len(been) < visits {
			org := d.IntN(p.Hospitals)
			if d.is(0.5) {
				org = (h/perVillage + d.IntN(4)) % p.Hospitals // the near ones
			}
			if slices.Contains(been, org) {
				org = d.IntN(p.Hospitals)
			}
			if !slices.Contains(been, org) {
				been = append(been, org)
			}
		}
		if d.is(p.Rates.Again) {
			been = append(been, been[0])
		}
		for nth, org := range been {
			rows = append(rows, p.record(h, a, org, nth, d))
		}
	}
	return rows
}

// record is what one hospital writes down.
func (p population) record(h int, a *person, org, nth int, d dice) Row {
	r := Row{Org: "H" + pad(org+1, 2), Person: h*5 + a.index, Kind: strings.Join(a.kinds, "|")}
	care := []float64{0.2, 0.6, 1, 1.6, 2.4}[newDice(p.Seed+2, uint64(org)).IntN(5)]
	var wrong []string
	err := func(rate float64, code string) bool {
		if !d.is(min(0.95, rate*care)) {
			return false
		}
		wrong = append(wrong, code)
		return true
	}
	x := p.Rates
	age := p.Today.Year() - a.born.Year()

	name := a.name()
	if a.called != "" && err(x.EarlierName, "earlier-name") {
		name = a.surname + a.called
	}
	r.Number, r.Phone, r.Address = a.number, a.phone, a.address
	man, born := a.man, a.born
	birth := born.Format(time.DateOnly)

	newborn := slices.Contains(a.kinds, "newborn") && a.mother != nil && nth == 0
	switch {
	case newborn:
		wrong = append(wrong, "newborn-name")
		name = newbornName(a, d)
		r.Number, r.Phone = "", a.mother.phone
		if d.is(0.6) {
			r.Number = a.mother.number
			wrong = append(wrong, "number-of-mother")
		}
	case age < 16 && a.mother != nil && err(x.NumberOfMother, "number-of-mother"):
		r.Number = a.mother.number
	}

	if err(x.Nameless, "nameless") {
		r.Name, r.Sex, r.Birth = "无名氏", p.sex(man, org), strconv.Itoa(born.Year()/10*10)+"-01-01"
		r.Number, r.Phone, r.Address = "", "", ""
		r.Errors = strings.Join(wrong, "|")
		return r
	}

	// birthday
	switch {
	case err(x.NoBirth, "no-birth"):
		birth = ""
	case born.Year() < 1975 && err(x.Lunar, "lunar"):
		y, m, day := lunar(born)
		birth = pad(y, 4) + "-" + pad(m, 2) + "-" + pad(day, 2)
	case err(x.BirthTyped, "birth-typed"):
		birth = typed(birth, 2, 10, d) // also into days that are none
	case born.Day() <= 12 && born.Day() != int(born.Month()) && err(x.DayForMonth, "day-for-month"):
		birth = birth[:5] + birth[8:] + "-" + birth[5:7]
	case err(x.YearOnly, "year-only"):
		if birth = birth[:4]; d.is(0.7) {
			birth += "-01-01"
		}
	case err(x.YearOff, "year-off"):
		birth = pad(born.Year()+1-2*d.IntN(2), 4) + birth[4:]
	}
	if err(x.SexWrong, "sex-wrong") {
		man = !man
	}

	// name
	if !newborn {
		name = p.misspell(a, name, d, err)
	}
	if err(x.Width, "width") {
		name = widen(name, d)
	}

	// number
	none := x.NoNumber
	if age < 16 {
		none = x.NoNumberChild
	}
	switch {
	case r.Number == "":
	case err(none, "no-number"):
		r.Number = ""
	case len(r.Number) == 18 && r.Number[14:17] < "996" && born.Year() < 1999 && r.Number == a.number && err(x.NumberOld, "number-old"):
		r.Number = r.Number[:6] + r.Number[8:17]
	case err(x.NumberTyped, "number-typed"):
		r.Number = typed(r.Number, len(r.Number)/3, len(r.Number), d)
	case err(x.NumberTransposed, "number-transposed"):
		i := len(r.Number)/3 + d.IntN(len(r.Number)-len(r.Number)/3-1)
		r.Number = r.Number[:i] + r.Number[i+1:i+2] + r.Number[i:i+1] + r.Number[i+2:]
	}

	// telephone and address
	switch {
	case err(x.NoPhone, "no-phone"):
		r.Phone = ""
	case age >= 16 && err(x.PhoneBefore, "phone-before"):
		r.Phone = a.phoneBefore
	case len(a.lends) > 0 && err(x.PhoneOfFamily, "phone-of-family"):
		r.Phone = d.one(a.lends)
	case err(x.PhoneTyped, "phone-typed"):
		r.Phone = typed(r.Phone, 3, 11, d)
	}
	switch {
	case err(x.NoAddress, "no-address"):
		r.Address = ""
	case err(x.Moved, "moved"):
		r.Address = a.addressThen
	case d.is(x.AddressShort):
		r.Address = shorten(r.Address, d)
	}
	if r.Phone != "" && err(x.Columns, "columns") {
		r.Number, r.Phone = r.Phone, r.Number
	}
	r.Name, r.Sex, r.Birth = name, p.sex(man, org), p.date(birth, org)
	if err(x.NoSex, "no-sex") {
		r.Sex = ""
	}
	r.Phone = p.dialled(r.Phone, org)
	r.Errors = strings.Join(wrong, "|")
	return r
}

func newbornName(a *person, d dice) string {
	child := "女"
	if a.man {
		child = "子"
	}
	after := a.mother.name() + "之" + child
	if a.orderOfBirth > 0 {
		return d.one([]string{a.mother.name() + "之" + []string{"大", "小"}[a.orderOfBirth-1] + child, after + strconv.Itoa(a.orderOfBirth)})
	}
	return after
}

// misspell the name as a clerk would.
func (p population) misspell(a *person, name string, d dice, err func(float64, string) bool) string {
	x, of := p.Rates, []rune(name)
	last := len(of) - 1
	if a.foreign {
		switch {
		case err(x.FamilyFirst, "family-first"):
			return d.one([]string{a.surname + " " + a.given, a.surname + ", " + a.given, strings.ToUpper(a.surname + " " + a.given)})
		case err(x.OtherCharacter*3, "other-character"):
			i := 1 + d.IntN(last)
			of[i] = rune('a' + d.IntN(26))
			return string(of)
		}
		return name
	}
	if a.ethnic {
		switch {
		case err(x.Width*8, "width"):
			return strings.Replace(name, "·", d.one([]string{"•", ".", " ", "", "・"}), 1)
		case err(x.Shortened*4, "shortened"):
			return a.given
		case err(x.Swapped*3, "swapped"):
			return a.surname + "·" + a.given
		}
		return name
	}
	i := d.IntN(len(of))
	if last > 0 && d.is(0.8) {
		i = 1 + d.IntN(last) // given names are heard wrong more often than surnames
	}
	if slices.Contains(a.kinds, "rare-character") && err(x.RareLost, "rare-lost") {
		for i, r := range of {
			if say, ok := spoken[r]; ok {
				return string(of[:i]) + d.one([]string{"?", "*", say, "口", "〇"}) + string(of[i+1:])
			}
		}
	}
	if slices.Contains(a.kinds, "permit") && err(x.Traditional, "traditional") {
		return traditional.Replace(name)
	}
	switch {
	case len(sound[of[i]]) > 0 && err(x.Homophone, "homophone"):
		of[i] = d.rune(sound[of[i]])
	case len(shape[of[i]]) > 0 && err(x.LookAlike, "look-alike"):
		of[i] = d.rune(shape[of[i]])
	case i > 0 && err(x.OtherCharacter, "other-character"):
		of[i] = []rune(given(d, a.man, a.born.Year(), ""))[0]
	case last >= 2 && of[last] != of[last-1] && err(x.Swapped, "swapped"):
		of[last], of[last-1] = of[last-1], of[last]
	case last >= 2 && err(x.Shortened, "shortened"):
		of = slices.Delete(of, i, i+1)
	}
	return string(of)
}

// widen puts blanks into a name, or makes its letters full width.
func widen(name string, d dice) string {
	of := []rune(name)
	if of[0] < 128 {
		for i, r := range of {
			if r > ' ' && r < 128 {
				of[i] = r + 0xfee0
			}
		}
		return string(of)
	}
	switch d.IntN(3) {
	case 0:
		return name + " "
	case 1:
		return string(of[:1]) + "\u3000" + string(of[1:])
	}
	return string(of[:1]) + " " + string(of[1:])
}

// typed has one digit of s[from:to] wrong.
func typed(s string, from, to int, d dice) string {
	to = min(to, len(s))
	for range 20 {
		i := from + d.IntN(max(1, to-from))
		if i < len(s) && s[i] >= '0' && s[i] <= '9' {
			return s[:i] + string(d.digit(s[i])) + s[i+1:]
		}
	}
	return s
}

// shorten leaves out what everybody at the desk knows.
func shorten(address string, d dice) string {
	cut := d.one([]string{"省", "市", "区", "县"})
	if _, rest, ok := strings.Cut(address, cut); ok {
		address = rest
	}
	if d.is(0.3) {
		address = strings.NewReplacer("号", "-", "室", "", "单元", "-", "幢", "-").Replace(address)
	}
	return strings.TrimSuffix(address, "-")
}

// style of a hospital's system: most write plainly, some have their own way.
func (p population) style(org int) int {
	if p.Plain {
		return 0
	}
	return max(0, newDice(p.Seed+3, uint64(org)).IntN(10)-5)
}

func (p population) sex(man bool, org int) string {
	at := 1
	if man {
		at = 0
	}
	switch p.style(org) {
	case 1, 2:
		return []string{"男", "女"}[at]
	case 3:
		return []string{"M", "F"}[at]
	}
	return []string{"1", "2"}[at]
}

func (p population) date(s string, org int) string {
	if len(s) != 10 {
		return s
	}
	switch p.style(org) {
	case 1:
		return strings.ReplaceAll(s, "-", "")
	case 2:
		return strings.ReplaceAll(s, "-", "/")
	case 4:
		return s[:4] + "年" + s[5:7] + "月" + s[8:] + "日"
	}
	return s
}

func (p population) dialled(s string, org int) string {
	if len(s) != 11 {
		return s
	}
	switch p.style(org) {
	case 2:
		return s[:3] + "-" + s[3:7] + "-" + s[7:]
	case 3:
		return "+86" + s
	case 4:
		return s[:3] + " " + s[3:7] + " " + s[7:]
	}
	return s
}

// Times f: that much more or less goes wrong; who lives where stays.
func (x Rates) Times(f float64) Rates {
	for _, rate := range []*float64{&x.NoNumber, &x.NoNumberChild, &x.NoPhone, &x.NoAddress, &x.NoBirth, &x.NoSex,
		&x.Homophone, &x.LookAlike, &x.OtherCharacter, &x.Swapped, &x.Shortened, &x.Width, &x.EarlierName, &x.RareLost, &x.FamilyFirst, &x.Traditional,
		&x.NumberTyped, &x.NumberTransposed, &x.NumberOld, &x.NumberOfMother, &x.BirthTyped, &x.DayForMonth, &x.Lunar, &x.YearOnly, &x.YearOff, &x.SexWrong,
		&x.PhoneBefore, &x.PhoneTyped, &x.PhoneOfFamily, &x.Moved, &x.AddressShort, &x.Columns, &x.Nameless} {
		*rate = min(0.9, *rate*f)
	}
	return x
}
