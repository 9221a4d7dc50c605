package simulate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

var china = time.FixedZone("CST", 8*3600)

const chinese = `编号,申请时间,科室,性别,紧急程度,特殊需求,病区,住院小时,护理级别,承诺时间
1,2026-03-01 08:30,cardiology,女,急诊,监护仪 吸氧,,72,一级,
2,2026/3/1 09:00,cardiology,男,择期,,,48.5,,2026-03-08
2,2026-03-03 10:00,cardiology,男,择期,重症,,24,特级,
3,明天,cardiology,男,择期,,,48,,
4,2026-03-01 09:00,cardiology,男,择期,,,很久,,
5,2026-03-01 09:00,cardiology,男,不急,,,1,,
6,2026-03-01 09:00,cardiology,男,择期,沙发,,1,,
7,2026-03-01 09:00,,男,择期,,,1,,
`

func TestAdmissionsAreReadInChineseAndEnglishWithErrorsByRow(t *testing.T) {
	gb, err := simplifiedchinese.GB18030.NewEncoder().String(chinese)
	if err != nil {
		t.Fatal(err)
	}
	english := "ID;Arrival;Department;Sex;Priority;Needs;Ward;Stay (hours)\n" +
		"1;2026-03-01T08:30;cardiology;F;emergency;monitor+oxygen;;72\n2;2026-03-01 09:00;cardiology;m;elective;;;48.5\n2;2026-03-03 10:00;cardiology;m;elective;icu;;24\n"
	for name, text := range map[string]string{"UTF-8": chinese, "with its mark": "\xef\xbb\xbf" + chinese, "GB18030": gb, "English": english} {
		var bad []string
		stays, err := ReadStays(strings.NewReader(text), china, func(b BadRow) { bad = append(bad, fmt.Sprint(b.Line, " ", b.Code)) })
		if err != nil || len(stays) != 3 {
			t.Fatalf("%s: got %d stays, %v, %v; want 3", name, len(stays), bad, err)
		}
		if want := []string{"5 arrival", "6 stay", "7 urgency", "8 needs", "9 ward"}; name != "English" && !slices.Equal(bad, want) {
			t.Errorf("%s: got bad rows %v; want %v", name, bad, want)
		}
		one := stays[0]
		if r := one.Request; r.Urgency != allocate.Emergency || r.Sex != allocate.Female || r.Equipment != allocate.Monitor|allocate.Oxygen || r.Level != allocate.General ||
			one.Hours != 72 || !one.From.Equal(time.Date(2026, 3, 1, 8, 30, 0, 0, china)) {
			t.Errorf("%s: got %+v", name, one)
		}
		if stays[2].Request.Level != allocate.ICU || stays[1].Patient != stays[2].Patient {
			t.Errorf("%s: the second part is %+v", name, stays[2])
		}
	}
	for text, want := range map[string]string{"a,b\n1,2\n": "arrival", "arrival,stay\n2026-01-01,3\n": "specialty", "": "no headings"} {
		if _, err := ReadStays(strings.NewReader(text), china, func(BadRow) {}); !errors.Is(err, ErrColumns) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v; want %v about %s", text, err, ErrColumns, want)
		}
	}
}

const beds = `病区,院区,病室,床位级别,病室性别,设备,床数,科室,邻近科室,可借床,护理能力
心内一,东院,301,,男,供氧,3,cardiology,respiratory,是,12
心内一,东院,302,,女,供氧,3,cardiology,,,12
重症,东院,,重症,单间,监护仪 呼吸机,4,icu,,否,
`

func TestBedsAreReadAndEveryRowMustBeGood(t *testing.T) {
	p, err := ReadBeds(strings.NewReader(beds))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Beds) != 10 || len(p.Wards) != 2 || len(p.Rooms) != 6 {
		t.Fatalf("got %d beds, %d wards, %d rooms; want 10, 2, 6", len(p.Beds), len(p.Wards), len(p.Rooms))
	}
	w := p.Wards[0]
	if w.Capacity != 24 || !w.Lends || !slices.Equal(w.Neighbours, []string{"respiratory"}) || p.Wards[1].Lends || p.Wards[1].Capacity < 1e6 {
		t.Errorf("got %+v and %+v", w, p.Wards[1])
	}
	if r := p.Rooms[p.Beds[4].Room]; r.Rule != allocate.Female || p.Beds[9].Level != allocate.ICU || p.Beds[9].Equipment != allocate.Monitor|allocate.Ventilator {
		t.Errorf("got %+v, %+v", r, p.Beds[9])
	}
	for row, code := range map[string]string{"w,,,,,,0": "count", "w,,,zeppelin,,,1": "level", "w,,,,pink,,1": "sex", "w,,,,,anvil,1": "equipment", ",,,,,,1": "count", "w,,,,,,60000": "count"} {
		if _, err := ReadBeds(strings.NewReader("ward,campus,room,level,sex rule,equipment,count\n" + row + "\n")); err == nil || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: got %v; want %s", row, err, code)
		}
	}
	if _, err := ReadBeds(strings.NewReader("ward,count\n")); err == nil {
		t.Error("no beds at all: got no error")
	}
}

func TestWhatWasReadIsPlayed(t *testing.T) {
	stays, err := ReadStays(strings.NewReader(chinese), china, func(BadRow) {})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := ReadBeds(strings.NewReader(beds))
	if err != nil {
		t.Fatal(err)
	}
	stays[0].Request.Equipment = allocate.Oxygen
	recorded, err := NewRecorded(stays, pool)
	if err != nil || recorded.Unknown != 0 {
		t.Fatal(err, recorded)
	}
	w, _ := recorded.World(0)
	if w.Arrivals != 2 || len(w.Admissions) != 3 || w.Admissions[1].Next != 2 {
		t.Fatalf("got %+v", w.Admissions)
	}
	w.Until = 200 * time.Hour
	r := run(t, w, Policies[3], Options{})
	if r.Arrived != 3 || r.Admitted != 3 || len(r.Waits[transfer]) != 1 || r.Promises != 1 || r.Kept != 1 {
		t.Errorf("got %+v", r)
	}
	if _, err := NewRecorded([]Stay{{Ward: "elsewhere"}}, pool); err == nil {
		t.Error("a ward without beds: got no error")
	}
}

// Drawn again, a record keeps its span, its order and the parts of each stay.
func TestOtherSeedsDrawTheWeeksAgain(t *testing.T) {
	var stays []Stay
	start := time.Date(2026, 1, 5, 0, 0, 0, 0, china)
	for day := range 70 {
		for n := range 3 + day/7 {
			s := Stay{Patient: fmt.Sprint(day, "-", n), From: start.AddDate(0, 0, day).Add(time.Duration(n) * time.Hour), Hours: 30, Ward: "w", Request: allocate.Request{Specialty: "s", Level: allocate.General}}
			stays = append(stays, s)
			if n == 0 {
				s.From = s.From.Add(30 * time.Hour)
				stays = append(stays, s)
			}
		}
	}
	recorded, err := NewRecorded(stays, nil)
	if err != nil {
		t.Fatal(err)
	}
	as, _ := recorded.World(0)
	seen := map[int]bool{}
	for seed := uint64(1); seed < 6; seed++ {
		w, err := recorded.World(seed)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.check(); err != nil {
			t.Fatal(err)
		}
		seen[w.Arrivals] = true
		parts := 0
		for i := range w.Arrivals {
			if w.Admissions[i].At > as.Admissions[as.Arrivals-1].At {
				t.Fatalf("seed %d goes on after the record", seed)
			}
			if w.Admissions[i].Next != 0 {
				parts++
			}
		}
		if parts != len(w.Admissions)-w.Arrivals || parts < 50 || parts > 90 {
			t.Errorf("seed %d: %d arrivals have a second part, of %d", seed, parts, len(w.Admissions)-w.Arrivals)
		}
		run(t, w, Policies[3], Options{})
	}
	if len(seen) < 3 {
		t.Errorf("the seeds drew %v arrivals; want them to differ", seen)
	}
}

func FuzzWhatIsReadCanBePlayed(f *testing.F) {
	f.Add(chinese, beds)
	f.Add("arrival,stay,ward\n2026-01-01,1,w\n", "ward,count\nw,1\n")
	f.Fuzz(func(t *testing.T, admissions, wards string) {
		if len(admissions)+len(wards) > 1<<14 {
			return
		}
		stays, err := ReadStays(strings.NewReader(admissions), china, func(BadRow) {})
		if err != nil || len(stays) == 0 {
			return
		}
		pool, err := ReadBeds(strings.NewReader(wards))
		if err != nil || len(pool.Beds) > 500 {
			return
		}
		recorded, err := NewRecorded(stays, pool)
		if err != nil {
			return
		}
		w, _ := recorded.World(0)
		if w.Admissions[w.Arrivals-1].At > 20*365*24*time.Hour {
			return
		}
		for _, p := range Policies {
			run(t, w, p, Options{Cleaning: time.Hour})
		}
	})
}
