package allocate

import (
	"strings"
	"testing"
	"time"
)

// room of three beds in a ward of cardiology that lends, with one more ward of neurology, whose patient asks.
func smallPool() (*Pool, *Request) {
	p := &Pool{Now: noon,
		Wards: []Ward{
			{ID: "Organization/cardiology", Name: "心内科一病区", Campus: "Location/north", Specialties: []string{"cardiology"}, Neighbours: []string{"neurology"}, Lends: true, Capacity: 40, Load: 30, Teams: map[string]int{}, Free: 2},
			{ID: "Organization/neurology", Name: "神经内科病区", Campus: "Location/south", Specialties: []string{"neurology"}, Lends: true, Capacity: 40, Load: 10, Teams: map[string]int{}},
		},
		Rooms: []Room{{ID: "Location/room-1", Rule: Mixed}, {ID: "Location/room-2", Rule: Mixed}},
	}
	for i, name := range []string{"1 床", "2 床", "3 床"} {
		p.Beds = append(p.Beds, Bed{ID: "Location/bed-" + name[:1], Name: name, Ward: 0, Room: 0, Level: General, Equipment: Oxygen, State: []State{Free, Free, Occupied}[i]})
	}
	p.Beds = append(p.Beds, Bed{ID: "Location/bed-4", Name: "4 床", Ward: 1, Room: 1, Level: General, State: Occupied})
	return p, &Request{ID: "Task/1", Specialty: "neurology", Urgency: Urgent, Sex: Male, Level: General, Nursing: "2", Age: 60, Since: noon.Add(-26 * time.Hour)}
}

func TestHardRules(t *testing.T) {
	two := 2
	for _, c := range []struct {
		name string
		do   func(*Pool, *Request, *Rules)
		code string // "" = nothing speaks against it
		zh   string
		en   string
	}{
		{"nothing speaks against a free bed of a lending ward", func(*Pool, *Request, *Rules) {}, "", "", ""},
		{"a closed bed", func(p *Pool, r *Request, u *Rules) { p.Beds[0].State = Closed }, "closed", "该床已停用", "the bed is closed"},
		{"a bed with a patient", func(p *Pool, r *Request, u *Rules) { p.Beds[0].State = Occupied }, "taken", "该床已有患者", "the bed has a patient"},
		{"a bed held for another", func(p *Pool, r *Request, u *Rules) { p.Beds[0].State = Held }, "taken", "该床已留给他人", "the bed is held for another"},
		{"a bed that is being cleaned may be given", func(p *Pool, r *Request, u *Rules) { p.Beds[0].State = Cleaning }, "", "", ""},
		{"a single room with somebody in it", func(p *Pool, r *Request, u *Rules) { p.Rooms[0] = Room{Rule: Single, Men: 1} }, "taken", "该单人间已有患者", "the single room has a patient"},
		{"a man in a room for women", func(p *Pool, r *Request, u *Rules) { p.Rooms[0].Rule = Female }, "sex", "该病室为女病室，不收男患者", "the room is for female patients"},
		{"a man where women lie", func(p *Pool, r *Request, u *Rules) { p.Rooms[0].Women = 1 }, "sex", "该病室现住女患者", "women lie in the room"},
		{"a woman where men lie", func(p *Pool, r *Request, u *Rules) { p.Rooms[0].Men, r.Sex = 1, Female }, "sex", "该病室现住男患者", "men lie in the room"},
		{"a man where men lie", func(p *Pool, r *Request, u *Rules) { p.Rooms[0].Men = 2 }, "", "", ""},
		{"unknown sex in an empty mixed room", func(p *Pool, r *Request, u *Rules) { r.Sex = "" }, "", "", ""},
		{"unknown sex where somebody lies", func(p *Pool, r *Request, u *Rules) { r.Sex, p.Rooms[0].Men = "", 1 }, "sex", "患者性别不明，只能住单人间或空病室", "the patient's sex is not known; only a single or an empty room will do"},
		{"a man beside somebody of unknown sex", func(p *Pool, r *Request, u *Rules) { p.Rooms[0].Others = 1 }, "sex", "该病室现住性别不明的患者", "a patient of unknown sex lies in the room"},
		{"he moves within a room where he lies alone", func(p *Pool, r *Request, u *Rules) { r.Sex, p.Rooms[0].Others, r.At = "", 1, "Location/bed-3" }, "", "", ""},
		{"isolation in a shared room", func(p *Pool, r *Request, u *Rules) { r.Isolation, p.Rooms[0].Men = "contact", 1 }, "isolation", "患者需要接触隔离，该病室已有其他患者", "needs contact isolation; others lie in the room"},
		{"isolation in an empty room", func(p *Pool, r *Request, u *Rules) { r.Isolation = "contact" }, "", "", ""},
		{"anybody beside isolation", func(p *Pool, r *Request, u *Rules) { p.Rooms[0].Isolation, p.Rooms[0].Men = "droplet", 1 }, "isolation", "该病室正在飞沫隔离", "the room is under droplet isolation"},
		{"the same isolation side by side where the rules allow it", func(p *Pool, r *Request, u *Rules) {
			u.Isolation["droplet"] = IsolationRule{Alone: true, Cohort: true}
			r.Isolation, p.Rooms[0].Isolation, p.Rooms[0].Men = "droplet", "droplet", 1
		}, "", "", ""},
		{"airborne without negative pressure", func(p *Pool, r *Request, u *Rules) { r.Isolation, p.Rooms[0].Rule = "airborne", Single }, "isolation", "患者需要空气隔离，该床没有负压", "needs airborne isolation; the bed has no negative pressure"},
		{"airborne in a room of several beds", func(p *Pool, r *Request, u *Rules) { r.Isolation, p.Beds[0].Equipment = "airborne", NegativePressure }, "isolation", "患者需要空气隔离，该病室不是单人间", "needs airborne isolation; this is not a single room"},
		{"airborne in a single room of negative pressure", func(p *Pool, r *Request, u *Rules) {
			r.Isolation, p.Beds[0].Equipment, p.Beds[0].Level, p.Rooms[0].Rule = "airborne", NegativePressure, Isolation, Single
		}, "", "", ""},
		{"an isolation that nobody knows counts as airborne", func(p *Pool, r *Request, u *Rules) { r.Isolation, p.Rooms[0].Rule = "novel", Single }, "isolation", "患者需要novel，该床没有负压", "needs novel; the bed has no negative pressure"},
		{"a general bed for intensive care", func(p *Pool, r *Request, u *Rules) { r.Level = ICU }, "level", "患者需要重症监护床位，该床为普通床位", "needs an intensive-care bed; this is a general bed"},
		{"a better bed", func(p *Pool, r *Request, u *Rules) { p.Beds[0].Level = HDU }, "", "", ""},
		{"an intensive-care bed for a general patient", func(p *Pool, r *Request, u *Rules) { p.Beds[0].Level = ICU }, "level", "患者需要普通床位，该床为重症监护床位", "needs a general bed; this is an intensive-care bed"},
		{"equipment that is missing", func(p *Pool, r *Request, u *Rules) { r.Equipment = Oxygen | Monitor | Ventilator }, "equipment", "该床缺少监护仪、呼吸机", "the bed has no monitor, ventilator"},
		{"a stranger in a protected ward", func(p *Pool, r *Request, u *Rules) { p.Wards[0].Kinds = []string{"obstetrics"} }, "protected", "产科病区不收其他科患者", "the obstetric ward takes no other patients"},
		{"a protected ward when it is open to all", func(p *Pool, r *Request, u *Rules) {
			p.Wards[0].Kinds = []string{"obstetrics"}
			u.Protected["obstetrics"] = Protection{Stays: true, Opens: &Hours{From: "08:00", To: "18:00"}}
		}, "", "", ""},
		{"a protected patient elsewhere", func(p *Pool, r *Request, u *Rules) { r.Specialty = "obstetrics" }, "protected", "产科患者只住产科病区", "obstetric patients lie in their own wards only"},
		{"a protected patient in his own kind of ward", func(p *Pool, r *Request, u *Rules) { r.Kind, p.Wards[0].Kinds = "infectious", []string{"infectious"} }, "", "", ""},
		{"who needs intensive care comes into its ward", func(p *Pool, r *Request, u *Rules) {
			r.Level, p.Beds[0].Level, p.Wards[0].Kinds, p.Wards[0].Lends = ICU, ICU, []string{"icu"}, false
		}, "", "", ""},
		{"a grown-up in a ward for children", func(p *Pool, r *Request, u *Rules) { r.Kind, p.Wards[0].Kinds = "paediatrics", []string{"paediatrics"} }, "age", "儿科病区只收 17 岁及以下患者", "the paediatric ward takes patients up to 17 years"},
		{"a child among grown-ups of another specialty", func(p *Pool, r *Request, u *Rules) { r.Age = 6 }, "age", "患者 6 岁，只住本科或儿童病区", "a patient of 6 years lies at home or in a ward for children only"},
		{"a child at home", func(p *Pool, r *Request, u *Rules) { r.Age, r.Specialty = 6, "cardiology" }, "", "", ""},
		{"another campus than he may lie on", func(p *Pool, r *Request, u *Rules) { r.Campuses = []string{"Location/south"} }, "campus", "该床不在患者可住的院区", "the bed is on a campus where the patient cannot lie"},
		{"a ward that cannot treat him", func(p *Pool, r *Request, u *Rules) { u.Licence = map[string][]string{"neurology": {"neurosurgery"}} }, "licence", "该病区没有患者所需专科的诊疗能力", "the ward is not able to treat the patient's specialty"},
		{"a ward that does not lend", func(p *Pool, r *Request, u *Rules) { p.Wards[0].Lends = false }, "lending", "该病区不向其他科室借床", "the ward lends no beds"},
		{"a ward that does not lend keeps its own", func(p *Pool, r *Request, u *Rules) { p.Wards[0].Lends, r.Specialty = false, "cardiology" }, "", "", ""},
		{"no neighbour where only neighbours are lent to", func(p *Pool, r *Request, u *Rules) { u.Lends, p.Wards[0].Neighbours = ToNeighbours, nil }, "lending", "该病区只借给邻近专科", "the ward lends to neighbouring specialties only"},
		{"at night who can wait", func(p *Pool, r *Request, u *Rules) { p.Now, r.Urgency = noon.Add(11*time.Hour), Elective }, "lending", "夜间（22:00–06:00）不借床，急危重症除外", "at night (22:00 to 06:00) beds are lent in urgent need only"},
		{"at night who cannot wait", func(p *Pool, r *Request, u *Rules) { p.Now = noon.Add(11 * time.Hour) }, "", "", ""},
		{"nobody has said who nurses", func(p *Pool, r *Request, u *Rules) { p.Wards[0].Stale = true }, "stale", "该病区未填报本班次护理人力，暂不借床", "the ward's nurses of this shift are not known; until then it lends no beds"},
		{"nurses who can bear no more", func(p *Pool, r *Request, u *Rules) { p.Wards[0].Load, r.Nursing = 38.5, "1" }, "nursing", "该病区本班次护理负荷 38.5/40，再收一级护理患者（3）将超出", "the ward's nursing load is 38.5 of 40; a patient of nursing level 1 (3) would be too much"},
		{"nurses who can bear just this one", func(p *Pool, r *Request, u *Rules) { p.Wards[0].Load, r.Nursing = 37, "1" }, "", "", ""},
		{"the ward's own come in although its nurses are full", func(p *Pool, r *Request, u *Rules) { p.Wards[0].Load, r.Specialty = 40, "cardiology" }, "", "", ""},
		{"who lies in the ward already may change his bed there", func(p *Pool, r *Request, u *Rules) { p.Wards[0].Load, r.At = 40, "Location/bed-3" }, "", "", ""},
		{"a team that has its limit there", func(p *Pool, r *Request, u *Rules) { r.Team, p.Wards[0].Teams["CareTeam/1"] = "CareTeam/1", 6 }, "limit", "该医疗组在本病区已用 6 张床，达到上限", "the team has 6 beds in this ward, its limit"},
		{"a team with a limit of its own", func(p *Pool, r *Request, u *Rules) {
			r.Team, p.Wards[0].Teams["CareTeam/1"], u.Limits.Teams = "CareTeam/1", 2, map[string]int{"CareTeam/1": two}
		}, "limit", "该医疗组在本病区已用 2 张床，达到上限", "the team has 2 beds in this ward, its limit"},
		{"a ward that has lent enough", func(p *Pool, r *Request, u *Rules) { p.Beds[2].State = Lent }, "limit", "该病区已借出 1 张床，达到上限", "the ward has lent 1 bed, its limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, r := smallPool()
			rules := Default()
			c.do(p, r, rules)
			got := Objections(p, 0, r, rules)
			if c.code == "" {
				if len(got) > 0 {
					t.Errorf("got %v; want nothing", got)
				}
				return
			}
			if len(got) != 1 || got[0] != (Objection{c.code, c.zh, c.en}) {
				t.Errorf("got %q; want %s: %s / %s", got, c.code, c.zh, c.en)
			}
		})
	}
}

func TestObjectionsComeInOneOrder(t *testing.T) {
	p, r := smallPool()
	p.Beds[0].State, p.Rooms[0].Rule, p.Wards[0].Stale, r.Level, r.Campuses = Closed, Female, true, ICU, []string{}
	var got []string
	for _, o := range Objections(p, 0, r, Default()) {
		got = append(got, o.Code)
	}
	if want := "closed sex level campus stale"; strings.Join(got, " ") != want {
		t.Errorf("got %v; want %s", got, want)
	}
}

func TestRules(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, data, want string }{
		{"a region opens its obstetric ward", `{"protected": {"obstetrics": {"takes": [], "opens": {"from": "20:00", "to": "08:00"}}}}`, ""},
		{"a word that is not known", `{"reserv": {}}`, `unknown field "reserv"`},
		{"a level that is not known", `{"ladder": {"suite": {"suite": 0}}}`, `level "suite" is not known`},
		{"a level without itself", `{"ladder": {"icu": {"ccu": 5}}}`, "icu does not lead to itself"},
		{"less than nothing", `{"weights": {"campus": -1}}`, "is -1; want 0 to"},
		{"nobody may be left", `{"leave": {"elective": 0}}`, "leave elective is 0"},
		{"an hour that is none", `{"night": {"from": "25:00"}}`, `night begins at "25:00"`},
		{"sex is never set aside", `{"override": {"sex": ["bed-desk"]}}`, `objection "sex" is never set aside`},
		{"a kind that is not known", `{"kindOf": {"dentistry": "teeth"}}`, `kind "teeth" is not known`},
		{"equipment that is not known", `{"isolation": {"contact": {"equipment": ["fan"]}}}`, `equipment "fan" is not known`},
		{"a zone that is not known", `{"zone": "Mars/Olympus"}`, `zone "Mars/Olympus" is not known`},
		{"lending to some", `{"lends": "some"}`, `lends "some" is not known`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules, err := Parse([]byte(c.data))
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v; want no error", err)
			case c.want == "" && rules.Weights != Default().Weights:
				t.Error("what was not said has changed")
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v; want %q", err, c.want)
			}
		})
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		name   string
		do     func(*Pool, *Request)
		zh, en string
	}{
		{"a bed lent by a neighbour", func(p *Pool, r *Request) {},
			"建议 心内科一病区 1 床：邻近专科病区；与本科不在同一院区；已等候 26 小时",
			"proposed: 心内科一病区 1 床 (a neighbouring specialty; on another campus; has waited 26 hours)"},
		{"his own ward, and a promise that has passed", func(p *Pool, r *Request) {
			r.Specialty, r.Promised, r.Equipment, p.Rooms[0].Men = "cardiology", noon.Add(-time.Hour), Oxygen, 1
		}, "建议 心内科一病区 1 床：本病区；已等候 26 小时；已过承诺日期", "proposed: 心内科一病区 1 床 (own ward; has waited 26 hours; the promised time has passed)"},
		{"isolation in a room of three", func(p *Pool, r *Request) { r.Isolation, r.Specialty, r.Equipment = "contact", "cardiology", Oxygen },
			"建议 心内科一病区 1 床：本病区；同室另有 1 张床不能再用；已等候 26 小时", "proposed: 心内科一病区 1 床 (own ward; blocks 1 other bed of the room; has waited 26 hours)"},
		{"women lie there, and somebody will leave", func(p *Pool, r *Request) {
			p.Rooms[0].Women, p.Rooms[1].Men = 1, 1
			p.Beds[3].Frees, p.Beds[3].Likely = noon.Add(3*time.Hour), 0.9
		}, "暂无合适床位：空床 2 张，其中病室性别不符 2 张。神经内科病区 4 床 预计 11月23日 15:00 空出（可能性 90%）",
			"no bed fits: of 2 free beds, 2 wrong sex of room; 神经内科病区 4 床 is expected to be free on 23 Nov 15:00 (90 %)"},
		{"kept for emergencies", func(p *Pool, r *Request) { p.Wards[0].Reserve, r.Urgency = 2, Elective },
			"暂无合适床位：空床 2 张，其中为急诊保留 2 张", "no bed fits: of 2 free beds, 2 kept for emergencies"},
		{"nothing free", func(p *Pool, r *Request) { p.Beds[0].State, p.Beds[1].State = Held, Closed }, "暂无合适床位：没有空床", "no bed: none is free"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, r := smallPool()
			c.do(p, r)
			got := Propose(p, []Request{*r}, Default())[0]
			if got.Zh != c.zh || got.En != c.en {
				t.Errorf("got %s\n%s\nwant %s\n%s", got.Zh, got.En, c.zh, c.en)
			}
		})
	}
}

func TestWhoGetsTheBed(t *testing.T) {
	one := func(do func(*Pool, []Request)) (first string) {
		p, r := smallPool()
		p.Beds[1].State = Closed
		r.Specialty = "cardiology"
		waiting := []Request{*r, *r}
		waiting[0].ID, waiting[1].ID = "Task/a", "Task/b"
		do(p, waiting)
		for _, got := range Propose(p, waiting, Default()) {
			if got.Bed != "" {
				first += got.Request
			}
		}
		return first
	}
	for _, c := range []struct {
		name string
		do   func(*Pool, []Request)
		want string
	}{
		{"the emergency before the urgent", func(p *Pool, r []Request) { r[1].Urgency = Emergency }, "Task/b"},
		{"the urgent before the elective, however long he has waited", func(p *Pool, r []Request) { r[0].Urgency, r[0].Since = Elective, noon.AddDate(0, -6, 0) }, "Task/b"},
		{"who has waited longer", func(p *Pool, r []Request) { r[1].Since = noon.Add(-72 * time.Hour) }, "Task/b"},
		{"whose promise has passed", func(p *Pool, r []Request) { r[1].Promised = noon.Add(-24 * time.Hour) }, "Task/b"},
		{"among equals always the same", func(p *Pool, r []Request) {}, "Task/a"},
		{"the emergency takes the reserve", func(p *Pool, r []Request) {
			p.Wards[0].Reserve = 1
			r[0].Urgency, r[1].Urgency = Elective, Emergency
		}, "Task/b"},
		{"the elective does not", func(p *Pool, r []Request) {
			p.Wards[0].Reserve = 1
			r[0].Urgency, r[1].Urgency = Elective, Elective
		}, ""},
	} {
		if got := one(c.do); got != c.want {
			t.Errorf("%s: got %q; want %q", c.name, got, c.want)
		}
	}
}

func FuzzRules(f *testing.F) {
	f.Add([]byte(`{"protected": {"icu": {"takes": ["icu"], "opens": {"from": "20:00", "to": "08:00"}}}, "limits": {"wardLent": 0.2}}`))
	f.Add([]byte(`{"ladder": {"vip": {"vip": 0, "icu": 3}}, "nursing": {"1": 1e6}, "near": 5}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, err := Parse(data)
		if err != nil {
			return
		}
		p, r := smallPool()
		got := Propose(p, []Request{*r, {ID: "Task/2", Sex: Female, Age: -1}}, rules)
		obey(t, p, []Request{*r, {ID: "Task/2", Sex: Female, Age: -1}}, got, rules)
	})
}
