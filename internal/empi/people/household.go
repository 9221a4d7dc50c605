package people

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// person as he truly is, with what was true of him before.
type person struct {
	index                int // 1 to 5 in the household
	surname, given       string
	called               string // earlier name
	man                  bool
	born                 time.Time
	number               string // "" = has none yet
	phone, phoneBefore   string
	address, addressThen string
	foreign, ethnic      bool
	rural                bool
	orderOfBirth         int // of twins, from 1
	mother               *person
	lends                []string // telephones of the family that may be given instead
	kinds                []string
}

func (p *person) name() string {
	switch {
	case p.foreign:
		return p.given + " " + p.surname
	case p.ethnic:
		return p.given + "·" + p.surname
	}
	return p.surname + p.given
}

func (p *person) is(kind string) {
	if !slices.Contains(p.kinds, kind) {
		p.kinds = append(p.kinds, kind)
	}
}

type population struct {
	Options
	households int // about as many as the rows need; villages have a hundred
}

const perVillage = 100

// spread visits the households in an order in which no village comes in one piece.
func (p population) spread(h int) int {
	const step = 15_485_863 // a prime; households is a multiple of 100 and smaller
	return h/p.households*p.households + int(uint64(h%p.households)*step%uint64(p.households))
}

// household h and who lives there; what happened to its neighbours in the order of h touches it at given rates.
func (p population) household(h int) []person {
	d := newDice(p.Seed, uint64(h))
	all := p.family(h, d)
	if h > perVillage {
		p.coincide(h, d, all)
	}
	return all
}

// coincide gives somebody the name and birthday of a stranger, or a telephone number which a stranger had before.
func (p population) coincide(h int, d dice, all []person) {
	twin := d.is(p.Rates.SameBirthday)
	recycled := d.is(p.Rates.Recycled)
	if !twin && !recycled {
		return
	}
	other := d.IntN(h) // most live elsewhere
	if d.is(0.2) {
		other = h - 1 // or next door
	}
	one := p.family(other, newDice(p.Seed, uint64(other)))
	a, b := &all[0], &one[0]
	if recycled {
		a.phone = b.phone
		a.is("recycled-phone")
	}
	if twin && a.number != "" && !a.foreign && !b.foreign && !a.ethnic && !b.ethnic && len(a.number) == 18 {
		a.surname, a.given, a.born, a.man, a.called = b.surname, b.given, b.born, b.man, ""
		a.number = p.resident(h, a.index, a.man, a.born)
		a.is("same-birthday")
	}
}

// resident number on the unassigned prefix 99, its own for the first million households.
func (p population) resident(h, index int, man bool, born time.Time) string {
	village, house := h/perVillage, h%perVillage
	area := village * 7919
	if index == 2 {
		area += 3571 // who married in has the number of another county
	}
	seq := (((house*37+village*13)%perVillage)*5 + index - 1) * 2
	if man {
		seq++
	}
	return fhir.ResidentNumber("99"+pad(area%10_000, 4), born, seq)
}

// family of household h by itself.
func (p population) family(h int, d dice) []person {
	village := h / perVillage
	place := newDice(p.Seed^0x9e3779b97f4a7c15, uint64(village))
	rural := place.is(0.5)
	minority := rural && place.is(0.05)
	home, before := p.address(village, rural, d), p.address(village+1+d.IntN(50), d.is(0.4), d)
	year := func(from, to int) time.Time {
		day := time.Date(from, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, d.IntN((to-from+1)*365))
		if day.After(p.Today) {
			day = p.Today.AddDate(0, 0, -d.IntN(300))
		}
		if rural && day.Year() < 1960 && d.is(0.06) {
			day = time.Date(day.Year(), 1, 1, 0, 0, 0, 0, time.UTC) // nobody knew the day when the books were made
		}
		return day
	}
	phone := func() string {
		return []string{"154", "160", "161", "163", "164", "168", "169", "179"}[d.IntN(8)] + pad(d.IntN(100_000_000), 8)
	}
	line := phone()
	var all []person
	add := func(sn, gn string, man bool, born time.Time) *person {
		all = append(all, person{index: len(all) + 1, surname: sn, given: gn, man: man, born: born, address: home, addressThen: before, rural: rural, phone: phone(), phoneBefore: phone()})
		a := &all[len(all)-1]
		a.number = p.resident(h, a.index, man, born)
		if strings.ContainsAny(gn, string(rare)) {
			a.is("rare-character")
		}
		if len([]rune(sn)) > 1 && !minority {
			a.is("compound-surname")
		}
		return a
	}
	grown := func(man bool, born time.Time) *person {
		if minority {
			names := ethnicWomen
			if man {
				names = ethnicMen
			}
			a := add(d.one(ethnicFathers), d.one(names), man, born)
			a.ethnic = true
			a.is("ethnic-name")
			return a
		}
		a := add(surname(d), given(d, man, born.Year(), ""), man, born)
		if d.is(0.01) {
			a.called = given(d, man, born.Year(), "")
		}
		return a
	}
	all = make([]person, 0, 5)

	if d.is(p.Rates.Foreigner) {
		return p.visitor(h, d, home, year(1950, 2005), phone())
	}
	switch x := d.Float64(); {
	case x < 0.16: // alone
		grown(d.is(0.5), year(1932, 2004))
		return all
	case x < 0.34: // an old couple
		at := 1930 + d.IntN(32)
		grown(true, year(at, at+2))
		grown(false, year(at, at+4))
		if d.is(0.5) {
			p.oneLine(all, line)
		}
		return all
	}
	at := 1950 + d.IntN(48)
	father, mother := grown(true, year(at, at+2)), grown(false, year(at, at+4))
	shared := ""
	if d.is(0.35) {
		shared = given(d, true, at+26, "")
		shared = string([]rune(shared)[:1])
	}
	bornYear := at + 22 + d.IntN(9)
	children := 1 + d.IntN(2)
	if at < 1960 || rural && d.is(0.3) {
		children++
	}
	twins := d.is(p.Rates.Twins)
	if twins {
		children = max(2, children)
	}
	var last time.Time
	for i := range min(children, 3) {
		born := year(bornYear, bornYear+1)
		man := d.is(0.52)
		second := twins && i == 1
		if second {
			born = last
			if d.is(0.65) {
				man = all[len(all)-1].man
			}
		}
		if born.After(p.Today) || born.Year() < mother.born.Year()+16 || !second && born.Sub(last).Abs() < 280*24*time.Hour {
			break
		}
		last = born
		var a *person
		switch {
		case minority:
			names := map[bool][]string{true: ethnicMen, false: ethnicWomen}[man]
			name := d.one(names)
			for slices.ContainsFunc(all, func(b person) bool { return b.given == name }) {
				name = d.one(names)
			}
			a = add(father.given, name, man, born)
			a.ethnic = true
			a.is("ethnic-name")
		default:
			with := shared
			if of := []rune(all[len(all)-1].given); second && len(of) == 2 && d.is(0.7) {
				with = string(of[:1])
			}
			a = add(father.surname, given(d, man, born.Year(), with), man, born)
			for tries := 0; tries < 9 && slices.ContainsFunc(all[:len(all)-1], func(b person) bool { return alike(a.given, b.given) }); tries++ {
				a.given = given(d, man, born.Year(), with)
			}
		}
		a.mother = mother
		if second {
			before := &all[len(all)-2]
			before.orderOfBirth, a.orderOfBirth = 1, 2
			before.is("twin")
			a.is("twin")
		}
		age := p.Today.Year() - born.Year()
		if age < 16 {
			a.phone = all[d.IntN(2)].phone
			a.is("child")
		}
		if age < 3 {
			a.is("newborn")
			if age < 1 && d.is(0.5) {
				a.number = "" // not registered yet
			}
		}
		bornYear += 1 + d.IntN(5)
	}
	if d.is(0.15) {
		p.oneLine(all[:2], line)
	}
	for i := range all {
		for j := range all {
			if i != j {
				all[i].lends = append(all[i].lends, all[j].phone)
			}
		}
	}
	return all
}

// alike: names that sound the same, which parents do not give to two children.
func alike(a, b string) bool {
	x, y := []rune(a), []rune(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i] != y[i] && !slices.Contains(sound[x[i]], y[i]) {
			return false
		}
	}
	return true
}

// oneLine: they share a telephone.
func (p population) oneLine(all []person, line string) {
	for i := range all {
		all[i].phone = line
		all[i].is("spouse-phone")
	}
}

// visitor from abroad with a passport or a permanent residence card, or from Hong Kong, Macao or Taiwan with a permit.
func (p population) visitor(h int, d dice, home string, born time.Time, phone string) []person {
	man := d.is(0.55)
	a := person{index: 1, man: man, born: born, address: home, addressThen: home, phone: phone, phoneBefore: phone}
	if d.is(0.35) {
		a.surname, a.given = surname(d), given(d, man, born.Year(), "")
		a.number = d.one([]string{"H", "M", ""}) + pad(d.IntN(100_000_000), 8)
		a.is("permit")
		return []person{a}
	}
	at := 0
	if man {
		at = 1
	}
	a.surname, a.given, a.foreign = d.one(foreignSurnames), d.one(foreignGiven[at]), true
	a.number = string(rune('A'+d.IntN(26))) + string(rune('A'+d.IntN(26))) + pad(d.IntN(10_000_000), 7)
	a.is("foreigner")
	return []person{a}
}

var (
	provinces = strings.Fields("东岭省 南屿省 云川省 北原省 西泽省")
	heads     = strings.Split("青白清石龙凤金银安平永长新高大双柳桃梅松", "")
	tails     = strings.Split("山河水溪湖泉桥滩坪岭塘沟湾泽源坝寨集庄店", "")
	streets   = strings.Fields("人民路 解放路 中山路 建设路 文化路 朝阳街 和平街 新华街 胜利路 学府路 滨河路 工农街 育才路 团结巷 东风路 西环路 迎宾大道 站前街 杏花巷 梧桐路")
	estates   = strings.Fields("阳光花园 锦绣家园 翠湖小区 金桂苑 书香名邸 幸福里 丽景城 康宁小区 东方新城 春晓苑")
)

// address in a made-up place: county by village, then house.
func (p population) address(village int, rural bool, d dice) string {
	place := func(n int) string {
		return heads[(n*7+n/20)%len(heads)] + tails[(n*3+n/len(tails)*11)%len(tails)]
	}
	city := provinces[village/400%len(provinces)] + place(village/100+17) + "市"
	house := strconv.Itoa(1 + d.IntN(260))
	if rural {
		return city + place(village/10+5) + "县" + place(village/4+3) + "镇" + place(village) + "村" + strconv.Itoa(1+d.IntN(9)) + "组" + house + "号"
	}
	city += place(village/20+9) + "区"
	room := strconv.Itoa(1+d.IntN(28)) + pad(1+d.IntN(4), 2)
	if d.is(0.5) {
		return city + d.one(streets) + house + "号" + room + "室"
	}
	return city + d.one(streets) + house + "号" + d.one(estates) + strconv.Itoa(1+d.IntN(30)) + "幢" + strconv.Itoa(1+d.IntN(4)) + "单元" + room + "室"
}
