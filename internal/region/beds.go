package region

import (
	"fmt"
	"math"

	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/beds/hold"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// ward nurses; its beds stand in rooms.
type ward struct {
	id, name  string // id without its institution's
	dep       string // department that answers for it
	campus    int
	size      int // beds, of a centre with 600
	level     string
	group     string
	neighbour []string
	protected string
	sex       string // "female" = all rooms
	reserve   int
	in        *Institution
	beds      []*bed
}

// bed as the region deals them out.
type bed struct {
	id, name string
	room     string
	rule     string // of its room
	level    string
	ward     *ward
	ours     bool // kept for who comes by a referral; the others are given out in bulk
	taken    bool
}

func (b *bed) ref() string { return "Location/" + b.id }

// centreWards are the centre's 600 beds: the old campus has everything, the new one what can be planned.
var centreWards = []ward{
	{id: "cardiology-1", name: "心内一病区", dep: "cardiology", size: 44, group: "medical", neighbour: []string{"respiratory", "nephrology", "gastro"}, reserve: 2},
	{id: "ccu", name: "CCU", dep: "cardiology", size: 10, level: "ccu", group: "critical", protected: "icu", reserve: 1},
	{id: "respiratory-1", name: "呼吸一病区", dep: "respiratory", size: 42, group: "medical", neighbour: []string{"cardiology", "gastro"}, reserve: 2},
	{id: "neurology-1", name: "神经内科病区", dep: "neurology", size: 46, group: "medical", neighbour: []string{"neurosurgery", "cardiology"}, reserve: 2},
	{id: "surgery-1", name: "普外一病区", dep: "surgery", size: 46, group: "surgical", neighbour: []string{"urology", "gastro", "thoracic"}, reserve: 2},
	{id: "neurosurgery-1", name: "神经外科病区", dep: "neurosurgery", size: 34, group: "surgical", neighbour: []string{"neurology"}, reserve: 1},
	{id: "orthopaedics-1", name: "骨科病区", dep: "orthopaedics", size: 46, group: "surgical", neighbour: []string{"surgery", "urology"}, reserve: 1},
	{id: "gastro-1", name: "消化内科病区", dep: "gastro", size: 38, group: "medical", neighbour: []string{"surgery", "respiratory"}, reserve: 1},
	{id: "urology-1", name: "泌尿外科病区", dep: "urology", size: 30, group: "surgical", neighbour: []string{"surgery", "nephrology"}},
	{id: "thoracic-1", name: "胸外科病区", dep: "thoracic", size: 26, group: "surgical", neighbour: []string{"respiratory"}},
	{id: "nephrology-1", name: "肾内科病区", dep: "nephrology", size: 28, group: "medical", neighbour: []string{"endocrine", "cardiology"}},
	{id: "icu", name: "急诊重症监护室", dep: "emergency", size: 12, level: "icu", group: "critical", protected: "icu", reserve: 2},
	{id: "obstetrics-1", name: "妇产科病区", dep: "obstetrics", size: 34, group: "obstetrics", protected: "obstetrics", sex: "female"},
	{id: "paediatrics-1", name: "儿科病区", dep: "paediatrics", size: 30, group: "paediatrics", protected: "paediatrics"},
	{id: "neonatal", name: "新生儿病区", dep: "paediatrics", size: 16, level: "neonatal", group: "neonatal", protected: "neonatal"},
	{id: "cardiology-2", name: "心内二病区", dep: "cardiology", campus: 1, size: 32, group: "medical", neighbour: []string{"endocrine"}},
	{id: "oncology-1", name: "肿瘤科病区", dep: "oncology", campus: 1, size: 50, group: "oncology"},
	{id: "endocrine-1", name: "内分泌科病区", dep: "endocrine", campus: 1, size: 36, group: "medical", neighbour: []string{"cardiology", "nephrology"}},
}

const (
	wholeCentre = 600 // beds of centreWards
	largest     = 8   // beds of a ward in a small region
)

// makeBeds gives the centre Size.Beds beds; in a large region the county and the partner hospitals have theirs, too.
func (r *Region) makeBeds() {
	if r.Size.Beds == 0 {
		return
	}
	share := float64(r.Size.Beds) / wholeCentre
	left := r.Size.Beds
	centre := r.byID["centre"]
	for _, w := range centreWards {
		n := int(math.Round(float64(w.size) * share))
		if share < 0.3 {
			n = min(w.size, largest, left)
			if w.level != "" {
				n = min(n, largest/2)
			}
		}
		left -= n
		centre.addWard(w, n)
	}
	if share < 0.3 {
		return
	}
	county := r.byID["county-1"]
	for _, dep := range county.Departments {
		of := int(math.Round(float64(county.Beds) / float64(len(county.Departments)) * share))
		for k, n := range []int{of - of/2, of / 2} {
			w := ward{id: fmt.Sprintf("%s-%d", dep.code, k+1), name: dep.name + []string{"一", "二"}[k] + "病区", dep: dep.code, group: "medical", reserve: 1}
			if dep.code == "emergency" {
				w.level, w.protected, w.group = []string{"icu", "hdu"}[k], "icu", "critical"
				n /= 2
			} else {
				for _, o := range county.Departments {
					if o.code != dep.code && o.code != "emergency" {
						w.neighbour = append(w.neighbour, o.code)
					}
				}
			}
			county.addWard(w, n)
		}
	}
	for _, in := range r.Institutions {
		if in.Kind != Partner {
			continue
		}
		for i, dep := range in.Departments[:min(3, len(in.Departments))] {
			w := ward{id: dep.code + "-1", name: dep.name + "病区", dep: dep.code, group: "medical"}
			if dep.code == "obstetrics" || dep.code == "paediatrics" {
				w.protected, w.group = dep.code, dep.code
			}
			if dep.code == "obstetrics" {
				w.sex = "female"
			}
			in.addWard(w, int(math.Round(float64(18-2*i)*share)))
		}
	}
}

// addWard furnishes a ward: rooms of three for one sex, the last ones single; where patients are watched, each bed has its own.
func (in *Institution) addWard(like ward, n int) {
	if n < 2 || !in.has(like.dep) {
		return
	}
	w := like
	w.in, w.size = in, n
	if w.level == "" {
		w.level = "general"
	}
	watched := w.level != "general"
	for i, room, inRoom := 0, 0, 0; i < n; i++ {
		single := watched || n >= 7 && i >= n-2
		if single || inRoom == 3 || i == 0 {
			room, inRoom = room+1, 0
		}
		inRoom++
		b := &bed{id: fmt.Sprintf("%s-w-%s-b%02d", in.ID, w.id, i+1), name: fmt.Sprintf("%d 床", i+1), room: fmt.Sprintf("%s-w-%s-r%02d", in.ID, w.id, room), ward: &w, level: w.level, ours: i%6 == 5 || single && !watched}
		switch {
		case single:
			b.rule = "single"
		case w.sex != "":
			b.rule = w.sex
		case (room-1)*3+3 > n-5 && n > 12: // whoever comes first
			b.rule = "mixed"
		default:
			b.rule = []string{"male", "female"}[room%2]
		}
		if i == n-1 && single && w.dep == "respiratory" {
			b.level = "isolation"
		}
		w.beds = append(w.beds, b)
	}
	in.Wards = append(in.Wards, &w)
}

func (in *Institution) has(department string) bool {
	for _, d := range in.Departments {
		if d.code == department {
			return true
		}
	}
	return false
}

// lends says whether a ward takes other departments' patients.
func (w *ward) lends() bool { return w.protected == "" && len(w.neighbour) > 0 }

func (w *ward) ref() string { return "Location/" + w.in.ID + "-w-" + w.id }

func physical(code, zh string) fhir.Obj {
	return concept(beds.PhysicalType, code, zh)
}

// bedResources are campus by campus the wards, rooms and beds.
func (in *Institution) bedResources() (out []*fhir.Node) {
	for _, w := range in.Wards {
		facts := fhir.Arr{fhir.Extension(beds.SpecialtyOf, "valueCode", w.dep)}
		for _, n := range w.neighbour {
			facts = append(facts, fhir.Extension(beds.NeighbourOf, "valueCode", n))
		}
		if w.protected != "" {
			facts = append(facts, fhir.Extension(beds.ProtectedOf, "valueCode", w.protected))
		}
		facts = append(facts, fhir.Extension(beds.LendsOf, "valueBoolean", w.lends()), fhir.Extension(beds.ReserveOf, "valueInteger", w.reserve), fhir.Extension(hold.WardGroup, "valueCode", w.group))
		n := fhir.New("Location", "id", in.ID+"-w-"+w.id, "extension", facts, "status", "active", "name", w.name, "mode", "instance", "physicalType", physical("wa", "病区"),
			"managingOrganization", ref(in.DepartmentRef(w.dep), in.Short+departmentName(w.dep)))
		if w.campus < len(in.Campuses) {
			n.Set("partOf", ref("Location/"+in.Campuses[w.campus].id, in.Short+in.Campuses[w.campus].name))
		}
		out = append(out, n)
		last := ""
		for _, b := range w.beds {
			if b.room != last {
				last = b.room
				out = append(out, fhir.New("Location", "id", b.room, "extension", fhir.Arr{fhir.Extension(beds.SexOf, "valueCode", b.rule)}, "status", "active", "name", b.room[len(b.room)-2:]+" 室", "mode", "instance",
					"physicalType", physical("ro", "病房"), "partOf", ref(w.ref(), w.name)))
			}
			out = append(out, b.resource())
		}
	}
	return out
}

func (b *bed) resource() *fhir.Node {
	facts := fhir.Arr{fhir.Extension(beds.LevelOf, "valueCode", b.level), fhir.Extension(beds.EquipmentOf, "valueCode", "oxygen")}
	var more []string
	switch {
	case b.level == "icu" || b.level == "neonatal":
		more = []string{"monitor", "ventilator"}
	case b.level == "ccu" || b.level == "hdu" || b.name == "1 床" || b.name == "2 床" || b.name == "3 床" || b.name == "4 床":
		more = []string{"monitor"}
	case b.level == "isolation":
		more = []string{"negative-pressure"}
	case b.ward.dep == "nephrology" && (b.name == "5 床" || b.name == "6 床"):
		more = []string{"dialysis"}
	}
	for _, code := range more {
		facts = append(facts, fhir.Extension(beds.EquipmentOf, "valueCode", code))
	}
	return fhir.New("Location", "id", b.id, "extension", append(facts, fhir.Extension(beds.StateOf, "valueCode", "free")), "status", "active", "operationalStatus", coding(beds.OperationalStatus, "U", "Unoccupied"),
		"name", b.name, "mode", "instance", "physicalType", physical("bd", "床位"), "partOf", ref("Location/"+b.room, b.ward.name+" "+b.room[len(b.room)-2:]+" 室"))
}
