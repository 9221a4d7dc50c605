package simulate

import (
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

// outside reads a table of the data that stands beside the repository, or says that it is not there.
func outside(t *testing.T, name string) []map[string]string {
	t.Helper()
	file, err := os.Open(filepath.Join(cmp.Or(os.Getenv("XINGLIN_DATA"), "../../../../shared/data"), name))
	if err != nil {
		t.Skipf("skipped: %s is not here (XINGLIN_DATA)", name)
	}
	defer file.Close()
	in, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(in).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, head := range rows[0] {
			m[head] = row[i]
		}
		out = append(out, m)
	}
	return out
}

func spreadOver(key string, n int) int {
	h := fnv.New32a()
	h.Write([]byte(key))
	return int(h.Sum32() % uint32(n))
}

// mimic are the unit and ward stays of MIMIC-III. Its dates are moved by person into other centuries; here each admission is
// moved by whole weeks into the same four, so that weekday, hour and all spans stay what they were.
func mimic(t *testing.T) (stays []Stay, called map[string]time.Time) {
	first, called := map[string]time.Time{}, map[string]time.Time{}
	rows := outside(t, "mimic3-demo/transfers.csv.gz")
	start := time.Date(2100, 1, 4, 0, 0, 0, 0, time.UTC)
	parse := func(s string) time.Time {
		at, err := time.Parse(time.DateTime, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	fold := func(hadm string, at time.Time) time.Time {
		weeks := first[hadm].Sub(start) / (7 * 24 * time.Hour)
		return at.Add((time.Duration(spreadOver(hadm, 4)) - weeks) * 7 * 24 * time.Hour)
	}
	for _, r := range rows {
		if r["eventtype"] != "discharge" && r["outtime"] != "" {
			if at := parse(r["intime"]); first[r["hadm_id"]].IsZero() || at.Before(first[r["hadm_id"]]) {
				first[r["hadm_id"]] = at
			}
		}
	}
	for _, r := range rows {
		if r["eventtype"] == "discharge" || r["outtime"] == "" {
			continue
		}
		in, out := parse(r["intime"]), parse(r["outtime"])
		s := Stay{Patient: r["hadm_id"], From: fold(r["hadm_id"], in), Hours: out.Sub(in).Hours(), Ward: "ward " + r["curr_wardid"]}
		s.Request = allocate.Request{Specialty: cmp.Or(r["curr_careunit"], "ward"), Urgency: allocate.Urgent, Sex: allocate.Female, Level: allocate.General, Age: 60}
		stays = append(stays, s)
	}
	for _, r := range outside(t, "mimic3-demo/callout.csv.gz") {
		if r["callout_outcome"] == "Discharged" && !first[r["hadm_id"]].IsZero() {
			called[r["hadm_id"]] = fold(r["hadm_id"], parse(r["createtime"]))
		}
	}
	slices.SortStableFunc(stays, func(a, b Stay) int { return a.From.Compare(b.From) })
	return stays, called
}

// eicu are the unit stays of 99 hospitals. The demo gives hours of the day but no dates: each stay begins at its hour on one
// of four days, so that units have several patients at once.
func eicu(t *testing.T) (stays []Stay) {
	start := time.Date(2100, 1, 4, 0, 0, 0, 0, time.UTC)
	for _, r := range outside(t, "eicu-demo/patient.csv.gz") {
		hour, err := time.Parse(time.TimeOnly, r["unitadmittime24"])
		minutes, err2 := strconv.Atoi(r["unitdischargeoffset"])
		if err != nil || err2 != nil || minutes < 0 {
			t.Fatalf("unit stay %s: %v %v", r["patientunitstayid"], err, err2)
		}
		at := start.AddDate(0, 0, spreadOver(r["patientunitstayid"], 4)).Add(hour.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)))
		s := Stay{Patient: r["patientunitstayid"], From: at, Hours: float64(minutes) / 60, Ward: r["hospitalid"] + " " + r["wardid"]}
		s.Request = allocate.Request{Specialty: r["unittype"], Urgency: allocate.Urgent, Sex: allocate.Female, Level: allocate.General, Age: 60, Campuses: []string{"Location/" + r["hospitalid"]}}
		stays = append(stays, s)
	}
	slices.SortStableFunc(stays, func(a, b Stay) int { return a.From.Compare(b.From) })
	return stays
}

// each lets every stay stand for itself.
func each(stays []Stay) []Stay {
	out := slices.Clone(stays)
	for i := range out {
		out[i].Patient = strconv.Itoa(i)
		out[i].Request.Campuses = nil
	}
	return out
}

func TestAReplayGivesTheRecordedOccupancyExactly(t *testing.T) {
	for name, read := range map[string]func(*testing.T) []Stay{
		"mimic3": func(t *testing.T) []Stay { s, _ := mimic(t); return s },
		"eicu":   eicu,
	} {
		t.Run(name, func(t *testing.T) {
			stays := each(read(t))
			recorded, err := NewRecorded(stays, nil)
			if err != nil {
				t.Fatal(err)
			}
			w, _ := recorded.World(0)
			want := curveOf(stays, w.Start)
			for _, p := range []Policy{AsRecorded, Policies[0]} {
				got := map[time.Duration]int{}
				r := run(t, w, p, Options{Curve: func(at time.Duration, n int) { got[at.Round(time.Second)] = n }})
				if r.Refused != 0 || r.Waiting != 0 {
					t.Errorf("%s: %d refused, %d wait, %v; want everybody where he lay", p.Name, r.Refused, r.Waiting, r.Why)
				}
				wrong, most := 0, 0
				for at, n := range want {
					most = max(most, n)
					if got[at] != n {
						wrong++
					}
				}
				if wrong > 0 || len(got) != len(want) {
					t.Errorf("%s: %d of %d points differ, %d were played", p.Name, wrong, len(want), len(got))
				}
				t.Logf("%s: %d stays in %d wards, %d changes of the curve, at most %d at once: all as recorded", p.Name, len(stays), len(w.Pool.Wards), len(want), most)
			}
		})
	}
}

// curveOf is the record's own occupancy after each moment at which it changes.
func curveOf(stays []Stay, start time.Time) map[time.Duration]int {
	by := map[time.Duration]int{}
	for _, s := range stays {
		from := s.From.Sub(start)
		by[from.Round(time.Second)]++
		by[(from+time.Duration(math.Round(s.Hours*3600))*time.Second).Round(time.Second)]--
	}
	at := make([]time.Duration, 0, len(by))
	for t := range by {
		at = append(at, t)
	}
	slices.Sort(at)
	out, n := map[time.Duration]int{}, 0
	for _, t := range at {
		n += by[t]
		out[t] = n
	}
	return out
}

// short keeps that share of each ward's beds, at least one.
func short(p allocate.Pool, share float64) *allocate.Pool {
	beds := bedsByWard(&p)
	kept := make([]int, len(beds))
	out := p
	out.Beds = nil
	for _, b := range p.Beds {
		if kept[b.Ward] < max(1, int(math.Ceil(share*float64(beds[b.Ward])))) {
			kept[b.Ward]++
			out.Beds = append(out.Beds, b)
		}
	}
	return &out
}

// plainRules are beds and nothing else: nobody lends by half, no night.
func plainRules() *allocate.Rules {
	r := allocate.Default()
	r.Limits.WardLent, r.Limits.TeamInWard = 0, 0
	return r
}

func TestAReplayWithFewerBedsSaysWhatPoolingWouldHaveChanged(t *testing.T) {
	t.Run("mimic3", func(t *testing.T) {
		stays, called := mimic(t)
		var recordedWait, n float64
		for i := range stays { // ready to leave the unit when he was called out, not when he left
			s := &stays[i]
			at, ok := called[s.Patient]
			if end := s.From.Add(time.Duration(s.Hours * float64(time.Hour))); ok && s.Request.Specialty != "ward" && at.After(s.From) && at.Before(end) {
				recordedWait += end.Sub(at).Hours()
				n++
				s.Hours = at.Sub(s.From).Hours()
			}
		}
		t.Logf("%.0f call-outs waited %.1f h on average as recorded", n, recordedWait/n)
		compare(t, stays, 0.7)
	})
	t.Run("eicu", func(t *testing.T) { compare(t, eicu(t), 0.8) })
}

func compare(t *testing.T, stays []Stay, share float64) {
	t.Helper()
	lain, err := NewRecorded(each(stays), nil)
	if err != nil {
		t.Fatal(err)
	}
	pool := short(lain.world.Pool, share)
	for i := range pool.Wards {
		if hospital := pool.Wards[i].Name; len(stays[0].Request.Campuses) > 0 {
			pool.Wards[i].Campus = "Location/" + hospital[:slices.Index([]byte(hospital), ' ')]
		}
	}
	w, err := NewRecorded(stays, pool)
	if err != nil || w.Unknown > 0 {
		t.Fatalf("%v, %d unknown", err, w.Unknown)
	}
	var waits []float64
	for _, p := range []Policy{Policies[0], Policies[2], Policies[3]} {
		r := run(t, w.world, p, Options{Rules: plainRules()})
		f := r.Figures()
		if r.Refused != 0 || r.Waiting != 0 {
			t.Errorf("%s: %d refused %v, %d wait", p.Name, r.Refused, r.Why, r.Waiting)
		}
		waits = append(waits, f["wait.mean"])
		t.Logf("%s, %d of %d beds: wait %.2f h, 90th percentile %.2f h; between units %.2f h; %.1f %% in another's ward", p.Name, len(pool.Beds), len(lain.world.Pool.Beds),
			f["wait.mean"], f["wait.p90"], f["wait.transfer.mean"], 100*f["crossward"])
	}
	if waits[1] >= waits[0] || waits[2] >= waits[0] {
		t.Errorf("waits: own %.2f, pool %.2f, weighted %.2f; want fewer in a pool", waits[0], waits[1], waits[2])
	}
}
