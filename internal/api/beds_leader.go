package api

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/agreement"
	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// leader answers numbers of a pool over some days; it names nobody.
func (a *Beds) leader(w http.ResponseWriter, r *http.Request) {
	c, pool := a.pool(w, r)
	if c == nil {
		return
	}
	var f beds.Figures
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		to, err := a.dayOf(r, "to", tx.Now())
		if err != nil {
			return err
		}
		from, err := a.dayOf(r, "from", to.AddDate(0, 0, -29))
		if err != nil {
			return err
		}
		if to.Before(from) || to.After(from.AddDate(0, 0, beds.MostDays-1)) {
			return fhir.Refuse(400, "value", "bad-period", fmt.Sprintf("from is not after to, and they are at most %d days apart", beds.MostDays), "起止日期不正确，最长一年")
		}
		f, err = a.Room.Figures(r.Context(), tx, pool, from, to)
		return err
	})
	if err != nil {
		Refuse(w, r, err)
		return
	}
	packed(w, r, f)
}

type flagView struct {
	Kind    string     `json:"kind"` // absence, readmission
	Task    string     `json:"task"`
	Line    string     `json:"line"`
	Patient waiterFace `json:"patient"`
	Bed     string     `json:"bed"`
	BedName string     `json:"bedName"`
	Ward    string     `json:"ward"`
	Since   string     `json:"since"`
	Until   string     `json:"until,omitempty"`
	Reason  flow.Name  `json:"reason"`
}

// flags lists what is looked at before settlement, of the caller's cases alone.
func (a *Beds) flags(w http.ResponseWriter, r *http.Request) {
	c, pool := a.pool(w, r)
	if c == nil {
		return
	}
	var rows []flagView
	var shown []string
	limits := struct {
		Absence     int `json:"absence"`     // hours
		Readmission int `json:"readmission"` // days
	}{}
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		list, u, err := a.Room.Flags(r.Context(), tx, pool)
		if err != nil {
			return err
		}
		limits.Absence, limits.Readmission = u.Flags.Absence, u.Flags.Readmission
		rows, shown, err = a.flagged(r.Context(), tx, c, pool, list, u)
		return err
	})
	if err == nil && len(shown) > 0 {
		err = a.Audit.Read(r.Context(), touch(w, r, "R", "bed-flags", pool, shown...))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	packed(w, r, struct {
		Rows  []flagView `json:"rows"`
		Rules any        `json:"rules"`
	}{rows, limits})
}

func (a *Beds) flagged(ctx context.Context, tx *store.Tx, c *access.Caller, pool string, list []beds.Flag, u *beds.Rules) ([]flagView, []string, error) {
	rows, shown := []flagView{}, []string{}
	names := map[string]string{}
	wards, err := a.Room.Wards(ctx, tx, pool)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range wards {
		for _, b := range w.Beds {
			names[b.ID] = w.Name + " " + b.Name
		}
	}
	tasks, patients := []string{}, []string{}
	for _, f := range list {
		tasks, patients = append(tasks, strings.TrimPrefix(f.Holder, "Task/")), append(patients, strings.TrimPrefix(f.Patient, "Patient/"))
	}
	seen, err := tx.ReadMany(ctx, c.Scope, "Task", tasks)
	if err != nil {
		return nil, nil, err
	}
	sees, err := tx.Sees(ctx, c.Scope, "Patient", patients)
	if err != nil {
		return nil, nil, err
	}
	faces, err := a.facesOf(ctx, tx, sees)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range list {
		v, visible := seen[strings.TrimPrefix(f.Holder, "Task/")]
		face, known := faces[f.Patient]
		if !visible || !known {
			continue
		}
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return nil, nil, err
		}
		x := flagView{Kind: f.Kind, Task: f.Holder, Patient: waiterFace{f.Patient, face.name, face.sex, face.age(tx.Now())}, Bed: f.Bed, BedName: names[f.Bed], Ward: f.Ward, Since: line.Stamp(f.Since), Until: stampOf(f.Until)}
		x.Line, _ = line.LineOf(n)
		if f.Kind == "absence" {
			x.Reason = flow.Name{Zh: fmt.Sprintf("离床超过 %d 小时，床位仍按占用计（挂床核查）", u.Flags.Absence), En: fmt.Sprintf("away from an occupied bed for more than %d hours", u.Flags.Absence)}
		} else {
			x.Reason = flow.Name{Zh: fmt.Sprintf("%d 日内因同一疾病再入院（分解住院核查）", u.Flags.Readmission), En: fmt.Sprintf("admitted again for the same disease within %d days", u.Flags.Readmission)}
		}
		rows, shown = append(rows, x), append(shown, f.Patient)
	}
	return rows, shown, nil
}

type directoryRow struct {
	Institution   string         `json:"institution"`
	Name          string         `json:"name"`
	Specialty     string         `json:"specialty"`
	SpecialtyName string         `json:"specialtyName,omitempty"`
	Level         allocate.Level `json:"level"`
	Beds          int            `json:"beds"`
	Free          int            `json:"free"`
	Today         int            `json:"today"`
	P50           *float64       `json:"p50,omitempty"`
	P90           *float64       `json:"p90,omitempty"`
	Distance      *float64       `json:"distance,omitempty"` // km, as the crow flies
	Agreed        bool           `json:"agreed"`
	Own           bool           `json:"own,omitempty"`
	At            string         `json:"at"`
	Reasons       []flow.Name    `json:"reasons"`
	rank          float64
}

type specialtyView struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

// directory lists what each hospital of the network can take now, in the order in which to ask, with reasons. It reads
// the MeasureReports that any partner can read by FHIR.
func (a *Beds) directory(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	if !staff(c) {
		Refuse(w, r, fhir.Refuse(403, "forbidden", "not-your-beds", "the beds of hospitals are shown to their staff", "床位信息仅供机构工作人员查看"))
		return
	}
	q := r.URL.Query()
	out := struct {
		Rows        []directoryRow  `json:"rows"`
		Specialties []specialtyView `json:"specialties"`
	}{[]directoryRow{}, []specialtyView{}}
	err := a.Store.View(r.Context(), func(tx *store.Tx) error {
		rows, err := a.rowsOfDirectory(r.Context(), tx, c, q.Get("near"))
		if err != nil {
			return err
		}
		out.Rows, out.Specialties = out.Rows[:0], out.Specialties[:0]
		for _, x := range rows {
			if !slices.ContainsFunc(out.Specialties, func(s specialtyView) bool { return s.Code == x.Specialty }) {
				out.Specialties = append(out.Specialties, specialtyView{x.Specialty, x.SpecialtyName})
			}
			if (q.Get("specialty") == "" || q.Get("specialty") == x.Specialty) && (q.Get("level") == "" || q.Get("level") == string(x.Level)) {
				out.Rows = append(out.Rows, x)
			}
		}
		return nil
	})
	if err != nil {
		Refuse(w, r, err)
		return
	}
	slices.SortFunc(out.Rows, func(x, y directoryRow) int {
		if x.Own != y.Own { // whoever asks here looks for another hospital
			return map[bool]int{true: 1, false: -1}[x.Own]
		}
		return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.Institution, y.Institution), cmp.Compare(x.Specialty, y.Specialty), cmp.Compare(x.Level, y.Level))
	})
	slices.SortFunc(out.Specialties, func(x, y specialtyView) int { return cmp.Compare(x.Code, y.Code) })
	packed(w, r, out)
}

// mostReports bounds how many hospitals a directory lists.
const mostReports = 1000

func (a *Beds) rowsOfDirectory(ctx context.Context, tx *store.Tx, c *access.Caller, near string) ([]directoryRow, error) {
	q, err := search.Parse("MeasureReport", []search.Param{{Name: "measure", Value: beds.CapacityMeasure}}, search.Options{Zone: a.Zone, MaxCount: mostReports})
	if err != nil {
		return nil, err
	}
	scope := c.Scope
	if scope.Types != nil { // a role's minimum names what it reads of patients; the directory is none of that
		scope.Types = slices.Concat(scope.Types, []string{"MeasureReport"})
	}
	q.Count, q.Scope = mostReports, scope
	page, err := tx.Search(ctx, q.Query)
	if err != nil {
		return nil, err
	}
	campuses, err := a.Room.Campuses(ctx, tx)
	if err != nil {
		return nil, err
	}
	here, known := point(near)
	if !known {
		here, known = a.placed(campuses, c.Institution)
	}
	var rows []directoryRow
	for _, v := range page.Matches {
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return nil, err
		}
		org := n.Str("reporter.reference")
		if v.Custodian != org { // only what the hub keeps for an institution speaks for it
			continue
		}
		x := directoryRow{Institution: org, Name: a.Tree.Name(org), At: n.Str("date"), Own: org == c.Institution, Agreed: org == c.Institution}
		if !x.Own && a.Agreed != nil {
			x.Agreed = a.Agreed(ctx, tx, c.Institution, org, "up-referral") == nil || a.Agreed(ctx, tx, c.Institution, org, "down-referral") == nil
		}
		if there, is := a.placed(campuses, org); is && known && !x.Own {
			km := math.Round(distance(here, there)*10) / 10
			x.Distance = &km
		}
		rows = append(rows, rowsOf(x, n)...)
	}
	return rows, nil
}

// rowsOf takes a MeasureReport apart: one row a specialty and level.
func rowsOf(x directoryRow, n *fhir.Node) (rows []directoryRow) {
	for _, g := range n.All("group") {
		x.Specialty = g.Str("code.coding[0].code")
		x.SpecialtyName = agreement.Specialty(x.Specialty).Zh
		x.P50, x.P90 = number(g.Str("measureScore.value")), nil
		for _, e := range g.All("measureScore.extension") {
			if e.Str("url") == beds.WaitP90 {
				x.P90 = number(e.Str("valueQuantity.value"))
			}
		}
		for _, s := range g.Get("stratifier[0]").All("stratum") {
			x.Level = allocate.Level(s.Str("value.coding[0].code"))
			counts := map[string]int{}
			for _, p := range s.All("population") {
				counts[p.Str("code.coding[0].code")], _ = strconv.Atoi(p.Str("count"))
			}
			x.Beds, x.Free, x.Today = counts["beds"], counts["free"], counts["today"]
			row := x
			row.weigh()
			rows = append(rows, row)
		}
	}
	return rows
}

func number(s string) *float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil
	}
	return &v
}

// weigh says in which order to ask: where a bed is free, where an agreement is in force, where it is near, where one does
// not wait long. The points are our own.
func (x *directoryRow) weigh() {
	say := func(points float64, zh, en string, args ...any) {
		x.rank += points
		x.Reasons = append(x.Reasons, flow.Name{Zh: fmt.Sprintf(zh, args...), En: fmt.Sprintf(en, args...)})
	}
	x.Reasons = nil
	switch {
	case x.Free > 0:
		say(-float64(min(x.Free, 10)), "现有空床 %d 张", "%d beds free now", x.Free)
	case x.Today > 0:
		say(60-float64(min(x.Today, 10)), "今日预计空出 %d 张", "%d expected to become free today", x.Today)
	default:
		say(200, "现无空床", "no bed free now")
	}
	switch {
	case x.Own:
		say(0, "本院", "own hospital")
	case x.Agreed:
		say(0, "有转诊协议", "an agreement is in force")
	default:
		say(500, "无生效的转诊协议", "no agreement in force")
	}
	if x.Distance != nil {
		say(*x.Distance/4, "相距 %.0f 公里", "%.0f km away", *x.Distance)
	}
	if x.P50 != nil {
		say(min(*x.P50, 240)/4, "近期等候中位数 %.0f 小时", "half are admitted within %.0f hours", *x.P50)
	}
}

type where struct{ lat, long float64 }

// point reads "43.8,87.6".
func point(s string) (where, bool) {
	lat, long, ok := strings.Cut(s, ",")
	x, err := strconv.ParseFloat(lat, 64)
	y, err2 := strconv.ParseFloat(long, 64)
	return where{x, y}, ok && err == nil && err2 == nil && math.Abs(x) <= 90 && math.Abs(y) <= 180
}

// placed is where the first campus of an institution with a known place stands.
func (a *Beds) placed(campuses map[string]beds.Campus, org string) (where, bool) {
	best := ""
	for id, c := range campuses {
		if (c.Lat != 0 || c.Long != 0) && a.Tree.Institution(c.Org) == org && (best == "" || id < best) {
			best = id
		}
	}
	return where{campuses[best].Lat, campuses[best].Long}, best != ""
}

// distance on a sphere, in kilometres.
func distance(a, b where) float64 {
	rad := math.Pi / 180
	h := math.Pow(math.Sin((b.lat-a.lat)*rad/2), 2) + math.Cos(a.lat*rad)*math.Cos(b.lat*rad)*math.Pow(math.Sin((b.long-a.long)*rad/2), 2)
	return 2 * 6371 * math.Asin(math.Min(1, math.Sqrt(h)))
}
