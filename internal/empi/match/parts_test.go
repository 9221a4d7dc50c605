package match

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNamesAreTakenApart(t *testing.T) {
	for _, c := range []struct {
		from Name
		want name
		ok   bool
	}{
		{Name{Text: "田 国"}, name{family: "田", given: "国"}, true},
		{Name{Text: "　欧阳　小茹 "}, name{family: "欧阳", given: "小茹"}, true},
		{Name{Text: "欧阳"}, name{family: "欧", given: "阳"}, true},
		{Name{Text: "張偉"}, name{family: "张", given: "伟"}, true},
		{Name{Text: "买买提·阿不都"}, name{family: "买买提", given: "阿不都"}, true},
		{Name{Text: "买买提•阿不都·热合曼"}, name{family: "买买提", given: "阿不都热合曼"}, true},
		{Name{Text: "王芳女士"}, name{family: "王", given: "芳"}, true},
		{Name{Text: "林某之子"}, name{family: "林", standIn: true}, true},
		{Name{Text: "王芳之女"}, name{standIn: true}, true},
		{Name{Text: "程雪雅之子2"}, name{standIn: true, order: 2}, true},
		{Name{Text: "李某某"}, name{family: "李", standIn: true}, true},
		{Name{Text: "李**"}, name{family: "李", standIn: true}, true},
		{Name{Text: "李睿□"}, name{family: "李", given: "睿〇"}, true},
		{Name{Text: "王之大双"}, name{family: "王", standIn: true, order: 1}, true},
		{Name{Text: "无名氏"}, name{}, false},
		{Name{Text: "不详"}, name{}, false},
		{Name{Text: "Unknown"}, name{}, false},
		{Name{Text: ""}, name{}, false},
		{Name{Text: "Dr. José Müller"}, name{family: "muller", given: "jose"}, true},
		{Name{Text: "O'NEIL, Mary Ann"}, name{family: "oneil", given: "maryann"}, true},
		{Name{Family: "Smith-Jones", Given: "Kim"}, name{family: "smithjones", given: "kim"}, true},
		{Name{Family: "诸葛", Given: "亮"}, name{family: "诸葛", given: "亮"}, true},
	} {
		got, ok := readName(c.from)
		if got != c.want || ok != c.ok {
			t.Errorf("%+v: got %+v, %v; want %+v, %v", c.from, got, ok, c.want, c.ok)
		}
	}
}

func TestNamesAreCompared(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want uint8
	}{
		{"小茹", "小茹", exact},
		{"玉林", "玉遴", nameSound},
		{"炅琴", "桂琴", nameSound}, // 炅 is read gui, too
		{"未", "末", nameShape},
		{"菊飞", "菊气", nameShape},
		{"霞霖", "霞玲", nameNear},
		{"宁", "林", nameNear},
		{"小茹", "茹", namePart},
		{"睿〇", "睿翀", namePart},
		{"建明", "明建", nameTurned},
		{"小茹", "小兰", nameHalf},
		{"伟", "芳", differs},
		{"伟", "", missing},
		{"伟", "wei", nameSpelt},
		{"catherine", "catherne", slip},
		{"catherine", "cahterine", slip},
		{"j", "john", namePart},
		{"chris", "christopher", namePart},
		{"jonathan", "jonathon", slip},
		{"isabella", "james", differs},
	} {
		for _, p := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			if got := compareName(p[0], p[1], false); got != c.want {
				t.Errorf("%s and %s: got level %d; want %d", p[0], p[1], got, c.want)
			}
		}
	}
}

func TestBirthdaysAreCompared(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want uint8
	}{
		{"1961-05-23", "19610523", exact},
		{"1961年5月23日", "1961/05/23", exact},
		{"23/05/1961", "1961-05-23", exact},
		{"1961-23-05", "1961-05-23", exact},
		{"1961-05-23", "1961-01-01", birthYearOnly},
		{"1961", "1961-05-23", birthYearOnly},
		{"1961-05-03", "1961-03-05", birthTransposed},
		{"1990-01-27", "1990-01-01", birthYearOnly},
		{"1991-02-15", "1991-01-01", birthYearOnly},
		{"1984-10-24", "1984-11-16", birthLunar}, // 甲子年十月廿四
		{"1977-05-11", "1977-06-11", birthMonth},
		{"1977-05-11", "1977-05-14", birthSlip},
		{"1977-05-11", "1977-00-11", birthSlip},
		{"1977-07-31", "1977-08-25", birthLunarLike},
		{"1977-05-11", "1977-10-24", birthSameYear},
		{"1977-05-11", "1985-05-11", birthSameDay},
		{"1977-05-11", "1985-10-24", differs},
		{"", "1985-10-24", missing},
	} {
		a, _ := readDate(c.a)
		b, _ := readDate(c.b)
		if got, back := compareBirth(a, b), compareBirth(b, a); got != c.want || back != got {
			t.Errorf("%s and %s: got level %d, the other way round %d; want %d", c.a, c.b, got, back, c.want)
		}
	}
}

func TestLunarNewYears(t *testing.T) {
	// first day of the first lunar month by the public almanac
	for year, solar := range map[int]string{1949: "1949-01-29", 1966: "1966-01-21", 1984: "1984-02-02", 2000: "2000-02-05", 2023: "2023-01-22", 2024: "2024-02-10"} {
		want, _ := readDate(solar)
		if got := fromLunar(date{int16(year), 1, 1}); got != want.days() {
			t.Errorf("%d: got day %d; want %s (%d)", year, got, solar, want.days())
		}
	}
}

func TestNumbersAreChecked(t *testing.T) {
	Today = func() time.Time { return time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) }
	defer func() { Today = time.Now }()
	for _, c := range []struct{ system, number, want string }{
		{ResidentID, "11010519491231002X", ""},
		{ResidentID, "11010519491231002x", ""},
		{ResidentID, "１１０１０５１９４９１２３１００２Ｘ", ""},
		{ResidentID, "440524188001010014", ""},
		{ResidentID, "110105194912310021", "check-digit"},
		{ResidentID, "11010519490231002X", "date check-digit"},
		{ResidentID, "110105491231002", "old-form"},
		{ResidentID, "1101054912310", "length"},
		{ResidentID, "", "empty"},
		{ResidentID, "111111111111111111", "dummy"},
		{ResidentID, "123456789012345678", "dummy"},
		{ResidentID, "110105A9491231002X", "characters"},
		{ResidentID, upgradeOf("510212195001011"), "area-retired"},
		{ResidentID, upgradeOf("990101195001011"), ""},
		{ResidentID, upgradeOf("180101195001011"), "area"},
		{ResidentID, upgradeOf("810000199001011"), ""},
		{ResidentID, upgradeOf("110101203001011"), "future"},
		{Passport, "E83746190", ""},
		{Passport, "E1", "dummy"},
		{Passport, "E837461908374619", "length"},
		{HongKongMacau, "H0837461901", ""},
		{HongKongMacau, "K83746190", "characters"},
		{Taiwan, "01234567", "dummy"},
		{Taiwan, "83746512", ""},
		{ForeignResident, "USA310083061022", ""},
		{ForeignResident, "US1310083061022", "characters"},
		{InsuranceID, "anything", ""},
	} {
		var got []string
		for _, f := range Check(c.system, c.number) {
			got = append(got, f.Code)
			if f.Text == "" || f.Zh == "" {
				t.Errorf("%s: finding %s says nothing", c.number, f.Code)
			}
		}
		if strings.Join(got, " ") != c.want && !(c.want == "dummy" && slices.Contains(got, "dummy")) {
			t.Errorf("%s %q: got %v; want %q", c.system, c.number, got, c.want)
		}
	}
}

// upgradeOf completes 15 characters of area, day and two of the sequence to a number with its check digit.
func upgradeOf(s string) string {
	s += "04"
	return s[:17] + string(checkDigit(s[:17]))
}

func TestNumbersInARow(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"990917196301171827", "990917196301171843", true}, {"990917196301171827", "990917196301271827", false},
		{"48273615", "48273616", true}, {"48273599", "48273604", true}, {"48273615", "48273651", false}, {"48273615", "48273615", false}, {"1", "2", false},
	} {
		if got := inRow(c.a, c.b); got != c.want || inRow(c.b, c.a) != got {
			t.Errorf("%s and %s: got %v; want %v", c.a, c.b, got, c.want)
		}
	}
}

func TestHouseholdsAreNotJoined(t *testing.T) {
	for _, c := range []struct {
		name string
		b    *Record
	}{
		{"husband on her phone", &Record{Names: []Name{{Text: "孟强"}}, Sex: "male", Birth: "1959-02-03"}},
		{"twin by one character", &Record{Names: []Name{{Text: "孟大茹"}}, Sex: "female", Birth: "1961-05-23"}},
		{"twin whose name sounds near", &Record{Names: []Name{{Text: "孟晓陆"}}, Sex: "female", Birth: "1961-05-23"}},
		{"newborn by the mother", &Record{Names: []Name{{Text: "孟小茹之子"}}, Birth: "2026-05-01", Numbers: []Number{{ResidentID, "990313196105236840", false}}}},
		{"child under her number", &Record{Names: []Name{{Text: "孟晓"}}, Birth: "1990-05-01", Numbers: []Number{{ResidentID, "990313196105236840", false}}}},
		{"somebody else's card", &Record{Names: []Name{{Text: "赵强"}}, Birth: "1961-05-23", Numbers: []Number{{ResidentID, "990313196105236840", false}}}},
		{"no name at all", &Record{Sex: "female", Numbers: []Number{{ResidentID, "990313196105236840", false}}}},
		{"nobody knows", &Record{Unknown: true, Names: []Name{{Text: "无名氏"}}, Sex: "female", Birth: "1961-05-23"}},
	} {
		a, b := person1(), c.b
		b.ID, b.Phones, b.Address = "Patient/2", a.Phones, a.Address
		if v := Default().Compare(a, b); v.Outcome == Same {
			t.Errorf("%s: got joined (%.1f bits, %v)", c.name, v.Score, v.Fields)
		}
	}
	jayden := &Record{ID: "1", Names: []Name{{Family: "Hobson", Given: "Jayden"}}, Sex: "male", Birth: "2015-03-09", Phones: []string{"0418365290"}, Address: []Address{{Text: "12 Oliver Street"}}}
	hayden := *jayden
	hayden.ID, hayden.Names = "2", []Name{{Family: "Hobson", Given: "Hayden"}}
	if v := Default().Compare(jayden, &hayden); v.Outcome == Same {
		t.Errorf("twins whose names rhyme: got joined")
	}
	jayden.Numbers, hayden.Numbers = []Number{{Value: "48273615"}}, []Number{{Value: "48273616"}}
	if v := Default().Compare(jayden, &hayden); v.Outcome == Same {
		t.Errorf("twins whose names rhyme, with numbers in a row: got joined")
	}
	brother := &Record{ID: "1", Names: []Name{{Text: "买买提·多吉"}}, Sex: "male", Birth: "2021-04-23", Phones: []string{"16446971585"}, Address: []Address{{Text: "双坝村6组224号"}}}
	other := *brother
	other.ID, other.Names = "2", []Name{{Text: "艾合买提·多吉"}}
	if v := Default().Compare(brother, &other); v.Outcome == Same || !v.Firm {
		t.Errorf("twins with their father's name: got joined or not firmly apart (%v)", v)
	}
	a, b := person1(), person1()
	b.ID, b.Apart = "Patient/2", []string{a.ID}
	if v := Default().Compare(a, b); v.Outcome != Different || v.Bar != "apart" {
		t.Errorf("known to be apart: got %d, %q; want different, apart", v.Outcome, v.Bar)
	}
}

func TestClustersDoNotDependOnOrder(t *testing.T) {
	const n = 40
	dice := rand.New(rand.NewPCG(5, 5))
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("r%02d", i)
	}
	var edges []Edge
	bars := map[[2]string]bool{}
	for range 90 {
		a, b := dice.IntN(n), dice.IntN(n)
		if a != b {
			edges = append(edges, Edge{a, b, float64(dice.IntN(6))})
		}
		if a, b := dice.IntN(n), dice.IntN(n); dice.IntN(2) == 0 {
			bars[[2]string{ids[a], ids[b]}], bars[[2]string{ids[b], ids[a]}] = true, true
		}
	}
	var want map[string]string
	for round := range 30 {
		place := dice.Perm(n)
		shuffled := make([]string, n)
		for i, p := range place {
			shuffled[p] = ids[i]
		}
		moved := make([]Edge, 0, len(edges))
		for _, e := range edges {
			e.A, e.B = place[e.A], place[e.B]
			if dice.IntN(2) == 0 {
				e.A, e.B = e.B, e.A
			}
			moved = append(moved, e)
		}
		dice.Shuffle(len(moved), func(i, j int) { moved[i], moved[j] = moved[j], moved[i] })
		out := Cluster(shuffled, moved, func(a, b int) bool { return bars[[2]string{shuffled[a], shuffled[b]}] },
			[][2]int{{place[1], place[2]}}, [][2]int{{place[3], place[4]}})
		got := map[string]string{}
		for i, first := range out {
			got[shuffled[i]] = shuffled[first]
		}
		for a := range ids {
			for b := range a {
				if got[ids[a]] == got[ids[b]] && bars[[2]string{ids[a], ids[b]}] && !(ids[b] == "r01" && ids[a] == "r02") {
					t.Fatalf("%s and %s are one though barred", ids[a], ids[b])
				}
			}
		}
		if got["r01"] != got["r02"] || got["r03"] == got["r04"] {
			t.Fatalf("people's decisions do not hold: %v", got)
		}
		if round == 0 {
			want = got
		} else if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("round %d: got %v; want %v", round, got, want)
		}
	}
}

func TestDecidedApartHoldsThroughDecidedTogether(t *testing.T) {
	out := Cluster([]string{"a", "b", "c"}, []Edge{{0, 2, 50}}, nil, [][2]int{{0, 1}, {1, 2}}, [][2]int{{0, 2}})
	if out[0] == out[2] {
		t.Errorf("got %v; want a and c apart", out)
	}
}

func TestModelIsReadAsWritten(t *testing.T) {
	var first, second bytes.Buffer
	if err := Default().Write(&first); err != nil {
		t.Fatal(err)
	}
	text := first.String()
	m, err := ReadModel(&first)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Write(&second); err != nil || second.String() != text {
		t.Errorf("got another model, %v", err)
	}
	for _, bad := range []string{"", "{}", strings.Replace(text, `"exact"`, `"exakt"`, 1), strings.Replace(text, `"same": 0.999`, `"same": 1.5`, 1), text + "{"} {
		if _, err := ReadModel(strings.NewReader(bad)); err == nil && bad != text+"{" {
			t.Errorf("a model that begins %.20q was read", bad)
		}
	}
}

func TestNumbersThatManyShareAreWorthNothing(t *testing.T) {
	var records []*Ready
	for i := range 600 {
		d := time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 37*i)
		records = append(records, Prepare(&Record{ID: fmt.Sprint("p", i), Names: []Name{{Text: string([]rune{rune("赵钱孙李周吴郑王"[3*(i%8)]), 0})}},
			Numbers: []Number{{Value: "870312"}}, Birth: d.Format("2006-01-02"), Phones: []string{"16400000012"}}))
	}
	for i, r := range records {
		r.names = []name{{family: string([]rune("赵钱孙李周吴郑王")[i%8]), given: string([]rune("伟芳娜敏静丽强磊军洋勇艳杰娟涛明超")[i%17])}}
	}
	res, err := Batch{}.Run(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	if res.Persons != len(records) {
		t.Errorf("got %d persons of %d people who share a number and a phone; want each alone", res.Persons, len(records))
	}
	if res.Refined == 0 || res.Compared > 600*120 {
		t.Errorf("got %d pairs compared, %d blocks taken apart; want the block of all taken apart", res.Compared, res.Refined)
	}
}

func TestAPhoneThatAHospitalWritesOnEverybodyIsNoHome(t *testing.T) {
	var records []*Ready
	for i := range 60 {
		records = append(records, Prepare(&Record{ID: fmt.Sprintf("p%02d", i), Names: []Name{{Text: string([]rune{'孟', rune('一' + 37*i)})}}, Birth: fmt.Sprintf("19%02d-05-23", i+20),
			Phones: []string{"16400000912"}, Address: []Address{{Text: "中山路1号"}}}))
	}
	records = append(records, Prepare(&Record{ID: "q", Names: []Name{{Text: string([]rune{'孟', '一'})}}, Birth: "1920-05-23", Phones: []string{"16400000912"}, Address: []Address{{Text: "中山路1号"}}}))
	res, err := Batch{}.Run(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	if res.Persons != len(records) || !slices.ContainsFunc(res.Possible, func(f Found) bool { return f.Bar == "namesake" }) {
		t.Errorf("got %d persons of %d records, possible %v; want p00 and q asked about as namesakes", res.Persons, len(records), res.Possible)
	}
}

func TestFiguresDoNotDependOnTheOrderOfRows(t *testing.T) {
	records := load(t, "empi-zh/pairs-6158.csv")[:2000]
	group := func(rs []*Ready) map[string]string {
		res, err := Batch{Workers: 2}.Run(t.Context(), rs)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for i, p := range res.Person {
			out[rs[i].id] = rs[p].id
		}
		return out
	}
	want := group(records)
	turned := slices.Clone(records)
	slices.Reverse(turned)
	if got := group(turned); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Error("got other persons with the rows turned round")
	}
}

func TestNoAreaInUseIsRetired(t *testing.T) {
	rows, err := csv.NewReader(outside(t, "cn-divisions/areas.csv")).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		if retired(row[0]) || !provinces[row[0][:2]] {
			t.Errorf("%s %s is in use; got retired", row[0], row[1])
		}
	}
	if len(rows) < 2000 {
		t.Errorf("got %d areas; want all", len(rows))
	}
}
