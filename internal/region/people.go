package region

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Patient is a made-up person and the institution that first registered them.
type Patient struct {
	ID, Name      string
	family, given string
	Male          bool
	Born          time.Time
	IDNumber      string
	Phone         string
	Home          *Institution // custodian
	Village       *Institution // where they live; nil in town
	Insured       insurance
	Illnesses     []illness
	order         int
	typed         func(*fhir.Node) // what another hospital typed otherwise; nil = the first record
}

type insurance struct{ place, kind, zh, number string }

// Ref is "Patient/…".
func (p *Patient) Ref() string { return "Patient/" + p.ID }

// Age in full years at the given time.
func (p *Patient) Age(at time.Time) int {
	age := at.Year() - p.Born.Year()
	if at.YearDay() < p.Born.YearDay() {
		age--
	}
	return age
}

// Main is what the person is mostly ill with.
func (p *Patient) Main() illness { return p.Illnesses[0] }

func (r *Region) makePatients() {
	var villages, branches, counties, partners []*Institution
	for _, in := range r.Institutions {
		switch in.Kind {
		case Village:
			villages = append(villages, in)
		case Township:
			branches = append(branches, in)
		case County:
			counties = append(counties, in)
		case Partner:
			partners = append(partners, in)
		}
	}
	centre := r.byID["centre"]
	for i := 1; i <= r.Size.Patients; i++ {
		d := r.dice("patient", i)
		p := &Patient{ID: fmt.Sprintf("p%04d", i), order: i, Male: chance(d, 0.5)}
		age := ageOf(d)
		p.Born = r.Present.AddDate(-age, 0, -d.IntN(364)-1)
		p.family, p.given = personName(d, p.Male, p.Born.Year())
		p.Name = p.family + p.given
		switch x := d.Float64(); {
		case i <= 12 || x < 0.30: // the first dozen live where the demo's village doctor works
			p.Home = villages[0]
			if i > 12 {
				p.Home = pick(d, villages)
			}
			p.Village = p.Home
		case x < 0.46:
			p.Home = pick(d, branches)
		case x < 0.68:
			p.Home = counties[0]
			if chance(d, 0.3) {
				p.Home = pick(d, counties)
			}
			if chance(d, 0.5) {
				p.Village = pick(d, villages)
			}
		case x < 0.85:
			p.Home = pick(d, partners)
		default:
			p.Home = centre
		}
		p.IDNumber = residentID(p.Home.Area, p.Born, d.IntN(499), p.Male)
		p.Phone = fmt.Sprintf("1990%03d%04d", i/10000, i%10000)
		if chance(d, 0.25) { // a relative's number stands for the old and the young
			p.Phone = fmt.Sprintf("1991%03d%04d", i/10000, i%10000)
		}
		p.Insured = insurance{p.Home.Place, "resident", "城乡居民基本医疗保险", fmt.Sprintf("99%s%010d", p.Home.Area[:4], i)}
		if p.Home.Kind == Centre && chance(d, 0.7) || chance(d, 0.12) {
			p.Insured.kind, p.Insured.zh = "employee", "城镇职工基本医疗保险"
		}
		p.Illnesses = illnessesOf(d, p, r.Present)
		p.Home.Patients = append(p.Home.Patients, p)
		r.Patients = append(r.Patients, p)
	}
}

func ageOf(d *rand.Rand) int {
	switch x := d.Float64(); {
	case x < 0.09:
		return d.IntN(15)
	case x < 0.32:
		return 15 + d.IntN(30)
	case x < 0.62:
		return 45 + d.IntN(18)
	}
	return 62 + d.IntN(30)
}

var idWeights = [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}

// residentID makes an 18-digit number (GB 11643): area, birth date, sequence whose last digit is odd for men, check digit.
func residentID(area string, born time.Time, seq int, male bool) string {
	seq *= 2
	if male {
		seq++
	}
	n := fmt.Sprintf("%s%s%03d", area, born.Format("20060102"), seq)
	sum := 0
	for i, w := range idWeights {
		sum += int(n[i]-'0') * w
	}
	return n + string("10X98765432"[sum%11])
}

func (p *Patient) resource() *fhir.Node {
	gender := map[bool]string{true: "male", false: "female"}[p.Male]
	address := p.Home.Place
	if p.Village != nil {
		address = p.Village.Place + strings.TrimSuffix(p.Village.Town, "卫生室")
	} else if p.Home.Town != "" {
		address += p.Home.Town
	} else {
		address += "和平路"
	}
	address += fmt.Sprintf("%d号", p.order%180+1)
	n := fhir.New("Patient", "id", p.ID,
		"extension", fhir.Arr{fhir.Obj{"url", InsuredPlace, "valueString", p.Insured.place}, fhir.Obj{"url", InsuredKind, "valueCodeableConcept", concept(InsuranceKind, p.Insured.kind, p.Insured.zh)}},
		"identifier", fhir.Arr{
			fhir.Obj{"use", "official", "type", concept("http://terminology.hl7.org/CodeSystem/v2-0203", "NI", "居民身份证"), "system", ResidentID, "value", p.IDNumber},
			fhir.Obj{"type", fhir.Obj{"text", "医保个人编号"}, "system", InsuranceID, "value", p.Insured.number},
			fhir.Obj{"type", concept("http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "病案号"), "system", RecordID + "/" + p.Home.ID, "value", fmt.Sprintf("%07d", p.order*13)}},
		"active", true, "name", fhir.Arr{fhir.Obj{"use", "official", "text", p.Name, "family", p.family, "given", []string{p.given}}},
		"telecom", fhir.Arr{fhir.Obj{"system", "phone", "value", p.Phone, "use", "mobile"}},
		"gender", gender, "birthDate", p.Born.Format(time.DateOnly),
		"address", fhir.Arr{fhir.Obj{"use", "home", "text", address, "postalCode", p.Home.Area, "country", "CN"}},
		"managingOrganization", ref(p.Home.Ref(), p.Home.Short))
	if p.typed != nil {
		p.typed(n)
	}
	return n
}
