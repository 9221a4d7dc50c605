package allocate

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed rules.json
var defaults []byte

// Rules is what an institution has decided about its beds, as data. Default is a start; each may be changed.
type Rules struct {
	Source   string `json:"source"`
	Verified bool   `json:"verified"`
	Zone     string `json:"zone"` // in which night hours are meant

	// hard rules
	Nursing    map[string]float64          `json:"nursing"`    // points a shift by nursing level; "" = not said
	Ladder     map[Level]map[Level]float64 `json:"ladder"`     // who may lie in which bed, at what cost; absent = nobody
	Isolation  map[string]IsolationRule    `json:"isolation"`  // by contact, droplet, airborne
	KindOf     map[string]string           `json:"kindOf"`     // protected kind by specialty, where a request says none
	Protected  map[string]Protection       `json:"protected"`  // by kind; a kind that is absent is not protected
	ChildUnder int                         `json:"childUnder"` // years under which a patient lies at home or with children only
	Lends      Lending                     `json:"lends"`
	Night      Night                       `json:"night"`
	Limits     Limits                      `json:"limits"`
	Licence    map[string][]string         `json:"licence"`  // by specialty: a ward must be at home in one of these
	Override   map[string][]string         `json:"override"` // roles that may set an objection aside, by its code; absent = nobody

	// soft preferences, in points; the least sum wins
	Leave       map[Urgency]float64 `json:"leave"`    // to let somebody wait on
	Reserve     map[Urgency]float64 `json:"reserve"`  // each bed taken out of the reserve
	Cleaning    map[Urgency]float64 `json:"cleaning"` // each hour until the bed is clean
	Fairness    map[Urgency]float64 `json:"fairness"` // gained by each day of waiting
	FairnessCap float64             `json:"fairnessCap"`
	Promise     float64             `json:"promise"` // gained by each day from the day before the promised one
	PromiseCap  float64             `json:"promiseCap"`
	Weights     Weights             `json:"weights"`
	Near        int                 `json:"near"`       // beds above the reserve from which it begins to count
	AheadHours  float64             `json:"aheadHours"` // how far ahead a planned discharge is offered as an expectation
}

// Weights of the soft preferences that do not depend on urgency.
type Weights struct {
	SameSpecialty float64 `json:"sameSpecialty"` // another ward of the own specialty, or the protected ward of the need
	Neighbour     float64 `json:"neighbour"`
	OtherWard     float64 `json:"otherWard"`
	Campus        float64 `json:"campus"`      // not on the campus of the own ward
	Team          float64 `json:"team"`        // one more ward on the team's round
	Moves         float64 `json:"moves"`       // each time that the patient has been moved, when he would have to move again
	NearReserve   float64 `json:"nearReserve"` // each bed nearer to the reserve than Near
	Equipment     float64 `json:"equipment"`   // each piece that stands there without need
	Blocks        float64 `json:"blocks"`      // each other bed of the room that nobody can use then
	OpensRoom     float64 `json:"opensRoom"`   // the first one in a mixed room
	Single        float64 `json:"single"`      // a single room without need
	Nursing       float64 `json:"nursing"`     // a ward whose nurses have little left
}

// Lending says to whom wards lend at all; each ward may say no for itself.
type Lending string

const (
	ToAll        Lending = "all"
	ToNeighbours Lending = "neighbours"
	ToNone       Lending = "none"
)

// IsolationRule is what one kind of isolation asks of bed and room.
type IsolationRule struct {
	Alone     bool     `json:"alone"`  // nobody else in the room
	Cohort    bool     `json:"cohort"` // except patients of the same isolation
	Single    bool     `json:"single"` // a single room, or a room of one bed
	Equipment []string `json:"equipment,omitempty"`
	Levels    []Level  `json:"levels,omitempty"` // may be used beside what the ladder says
}

// Protection keeps a kind of ward for its own patients, and its patients in such wards.
type Protection struct {
	Takes      []Level  `json:"takes"`                // patients who need this level come in
	Isolations []string `json:"isolations,omitempty"` // and those of these isolations
	Stays      bool     `json:"stays"`                // its patients lie in no other ward
	AgeUpTo    *int     `json:"ageUpTo,omitempty"`    // years
	Opens      *Hours   `json:"opens,omitempty"`      // when it takes anybody
}

// Hours from and to as "22:00"; it may pass midnight.
type Hours struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Night is when only some are lent a bed.
type Night struct {
	Hours
	Lends []Urgency `json:"lends"`
}

// Limits of lending. 0 = none.
type Limits struct {
	TeamInWard int            `json:"teamInWard"` // beds of one foreign team in one ward
	WardLent   float64        `json:"wardLent"`   // share of a ward's beds that it lends at most
	Teams      map[string]int `json:"teams"`      // by team, instead of TeamInWard
	Wards      map[string]int `json:"wards"`      // by ward, in beds, instead of WardLent
}

// Default is the embedded set of rules.
func Default() *Rules {
	var r Rules
	if err := json.Unmarshal(defaults, &r); err != nil {
		panic(err)
	}
	return &r
}

// Parse lays what data says over the default. What is not said stays; a list or a number that is said replaces.
func Parse(data []byte) (*Rules, error) {
	r := Default()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(r); err != nil {
		return nil, fmt.Errorf("allocate: rules: %w", err)
	}
	return r, r.Validate()
}

var levels = [...]Level{General, HDU, ICU, CCU, Isolation, Neonatal, VIP}
var isolations = [...]string{"", "contact", "droplet", "airborne"}
var kinds = [...]string{"obstetrics", "neonatal", "paediatrics", "infectious", "psychiatry", "icu"}

// Validate says everything that is wrong with the rules.
func (r *Rules) Validate() error {
	var wrong []error
	say := func(format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("allocate: rules: "+format, args...))
	}
	points := func(what string, v float64) {
		if !(v >= 0 && v <= 1e6) {
			say("%s is %v; want 0 to 1000000", what, v)
		}
	}
	known := func(what, v string, among []string) {
		if !slices.Contains(among, v) {
			say("%s %q is not known; want one of %s", what, v, strings.Join(among, ", "))
		}
	}
	hours := func(what string, h Hours) {
		if _, ok := minute(h.From); !ok {
			say("%s begins at %q; want hh:mm", what, h.From)
		}
		if _, ok := minute(h.To); !ok {
			say("%s ends at %q; want hh:mm", what, h.To)
		}
	}
	if _, err := time.LoadLocation(r.Zone); err != nil && r.Zone != "Asia/Shanghai" {
		say("zone %q is not known", r.Zone)
	}
	for _, k := range slices.Sorted(maps.Keys(r.Nursing)) {
		points("nursing "+k, r.Nursing[k])
	}
	for _, from := range slices.Sorted(maps.Keys(r.Ladder)) {
		known("level", string(from), words(levels[:]))
		for _, to := range slices.Sorted(maps.Keys(r.Ladder[from])) {
			known("level", string(to), words(levels[:]))
			points("ladder "+string(from)+" to "+string(to), r.Ladder[from][to])
		}
	}
	for _, l := range levels {
		if _, ok := r.Ladder[l][l]; !ok {
			say("ladder: %s does not lead to itself", l)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(r.Isolation)) {
		known("isolation", k, isolations[1:])
		for _, e := range r.Isolation[k].Equipment {
			if _, err := ParseEquipment(e); err != nil {
				wrong = append(wrong, err)
			}
		}
		for _, l := range r.Isolation[k].Levels {
			known("level", string(l), words(levels[:]))
		}
	}
	for _, s := range slices.Sorted(maps.Keys(r.KindOf)) {
		known("kind", r.KindOf[s], kinds[:])
	}
	for _, k := range slices.Sorted(maps.Keys(r.Protected)) {
		known("kind", k, kinds[:])
		p := r.Protected[k]
		for _, l := range p.Takes {
			known("level", string(l), words(levels[:]))
		}
		for _, i := range p.Isolations {
			known("isolation", i, isolations[1:])
		}
		if p.Opens != nil {
			hours("opening of "+k, *p.Opens)
		}
		if p.AgeUpTo != nil && *p.AgeUpTo < 0 {
			say("age of %s is below 0", k)
		}
	}
	known("lends", string(r.Lends), []string{string(ToAll), string(ToNeighbours), string(ToNone)})
	if r.Night.From != "" || r.Night.To != "" {
		hours("night", r.Night.Hours)
	}
	for _, u := range r.Night.Lends {
		known("urgency", string(u), words(Urgencies))
	}
	points("limit wardLent", r.Limits.WardLent)
	points("limit teamInWard", float64(r.Limits.TeamInWard))
	for _, c := range slices.Sorted(maps.Keys(r.Override)) {
		known("objection", c, codes[:])
		if slices.Contains([]string{"sex", "level", "isolation", "equipment", "taken"}, c) {
			say("objection %q is never set aside", c)
		}
	}
	for what, m := range map[string]map[Urgency]float64{"leave": r.Leave, "reserve": r.Reserve, "cleaning": r.Cleaning, "fairness": r.Fairness} {
		for u, v := range m {
			known("urgency", string(u), words(Urgencies))
			points(what+" "+string(u), v)
		}
	}
	for _, u := range Urgencies {
		if !(r.Leave[u] > 0) {
			say("leave %s is %v; want more than 0", u, r.Leave[u])
		}
	}
	w := r.Weights
	for i, v := range []float64{w.SameSpecialty, w.Neighbour, w.OtherWard, w.Campus, w.Team, w.Moves, w.NearReserve, w.Equipment, w.Blocks, w.OpensRoom, w.Single,
		w.Nursing, r.FairnessCap, r.PromiseCap, r.Promise, float64(r.Near), r.AheadHours} {
		points(fmt.Sprintf("weight %d", i+1), v)
	}
	slices.SortFunc(wrong, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(wrong...)
}

func words[T ~string](all []T) (out []string) {
	for _, v := range all {
		out = append(out, string(v))
	}
	return out
}

var pieces = [...]struct {
	bit          Equipment
	code, zh, en string
}{
	{Monitor, "monitor", "监护仪", "monitor"}, {Oxygen, "oxygen", "供氧", "oxygen"}, {NegativePressure, "negative-pressure", "负压", "negative pressure"},
	{Ventilator, "ventilator", "呼吸机", "ventilator"}, {Dialysis, "dialysis", "透析", "dialysis"},
}

// ParseEquipment reads the code of one piece.
func ParseEquipment(code string) (Equipment, error) {
	for _, p := range pieces {
		if p.code == code {
			return p.bit, nil
		}
	}
	return 0, fmt.Errorf("allocate: equipment %q is not known; want one of monitor, oxygen, negative-pressure, ventilator, dialysis", code)
}

func minute(hhmm string) (int, bool) {
	t, err := time.Parse("15:04", hhmm)
	return t.Hour()*60 + t.Minute(), err == nil
}

// ready is the rules as the engine asks them: by number, costs in hundredths of a point.
type ready struct {
	*Rules
	zone      *time.Location
	ladder    [len(levels)][len(levels)]int32 // -1 = not
	isolation [len(isolations)]isolationReady
	kinds     map[string]*kindReady
	leave     [4]int64
	reserve   [4]int64
	cleaning  [4]int64
	fairness  [4]int64
	lendsAt   [4]bool // at night
	night     window
	w         struct {
		same, neighbour, other, campus, team, moves, near, equipment, blocks, opens, single, nursing, fairCap, promise, promiseCap int64
	}
}

type isolationReady struct {
	IsolationRule
	equipment Equipment
}

type kindReady struct {
	Protection
	opens window
}

type window struct {
	from, to int
	set      bool
}

func (s window) has(minute int) bool {
	switch {
	case !s.set || s.from == s.to:
		return false
	case s.from < s.to:
		return minute >= s.from && minute < s.to
	default:
		return minute >= s.from || minute < s.to
	}
}

func hundredths(points float64) int64 {
	if points < 0 {
		return -hundredths(-points)
	}
	return int64(points*100 + 0.5)
}

func (r *Rules) ready() *ready {
	k := &ready{Rules: r, kinds: map[string]*kindReady{}}
	k.zone = zone(r.Zone)
	for i, from := range levels {
		for j, to := range levels {
			k.ladder[i][j] = -1
			if c, ok := r.Ladder[from][to]; ok {
				k.ladder[i][j] = int32(hundredths(c))
			}
		}
	}
	for i, name := range isolations {
		k.isolation[i].IsolationRule = r.Isolation[name]
		for _, e := range r.Isolation[name].Equipment {
			bit, _ := ParseEquipment(e)
			k.isolation[i].equipment |= bit
		}
	}
	hours := func(h Hours) (s window) {
		var a, b bool
		s.from, a = minute(h.From)
		s.to, b = minute(h.To)
		s.set = a && b
		return s
	}
	for name, p := range r.Protected {
		one := &kindReady{Protection: p}
		if p.Opens != nil {
			one.opens = hours(*p.Opens)
		}
		k.kinds[name] = one
	}
	k.night = hours(r.Night.Hours)
	for i, u := range Urgencies {
		k.leave[i], k.reserve[i] = hundredths(r.Leave[u]), hundredths(r.Reserve[u])
		k.cleaning[i], k.fairness[i] = hundredths(r.Cleaning[u]), hundredths(r.Fairness[u])
		k.lendsAt[i] = slices.Contains(r.Night.Lends, u)
	}
	w := r.Weights
	k.w.same, k.w.neighbour, k.w.other = hundredths(w.SameSpecialty), hundredths(w.Neighbour), hundredths(w.OtherWard)
	k.w.campus, k.w.team, k.w.moves, k.w.near = hundredths(w.Campus), hundredths(w.Team), hundredths(w.Moves), hundredths(w.NearReserve)
	k.w.equipment, k.w.blocks, k.w.opens = hundredths(w.Equipment), hundredths(w.Blocks), hundredths(w.OpensRoom)
	k.w.single, k.w.nursing = hundredths(w.Single), hundredths(w.Nursing)
	k.w.fairCap, k.w.promise, k.w.promiseCap = hundredths(r.FairnessCap), hundredths(r.Promise), hundredths(r.PromiseCap)
	return k
}

var zones sync.Map // by name

func zone(name string) *time.Location {
	if z, ok := zones.Load(name); ok {
		return z.(*time.Location)
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		z = time.FixedZone("Asia/Shanghai", 8*3600)
	}
	zones.Store(name, z)
	return z
}

func levelIndex(l Level) int {
	switch l {
	case HDU:
		return 1
	case ICU:
		return 2
	case CCU:
		return 3
	case Isolation:
		return 4
	case Neonatal:
		return 5
	case VIP:
		return 6
	}
	return 0
}

func urgencyIndex(u Urgency) int {
	switch u {
	case Emergency:
		return 0
	case Urgent:
		return 1
	case Cancer:
		return 2
	}
	return 3
}

func isolationIndex(s string) int {
	switch s {
	case "":
		return 0
	case "contact":
		return 1
	case "droplet":
		return 2
	}
	return 3 // what is not known is treated as the strictest
}
