package region

import (
	"fmt"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/registry"
)

// unlicensed village clinics have staff who record and refer, and a township doctor who countersigns.
func (in *Institution) unlicensed() bool { return in.Kind == Village && in.order%9 == 4 }

var operating = []string{"neurosurgery", "surgery", "orthopaedics", "urology", "obstetrics", "thoracic"}

// licence is nil for offices, leaders and unlicensed staff. One in eighty ends within the week, for the page to warn of.
func (p *Person) licence(present time.Time) any {
	if !p.clinical() || p.At.unlicensed() {
		return nil
	}
	kind, zh, scope := "doctor", "执业医师", "全科医学专业"
	if p.At.Kind == Village {
		kind, zh = "village-doctor", "乡村医生"
	}
	for _, dep := range departments {
		if dep.code == p.Department {
			scope = dep.name
		}
	}
	end := fmt.Sprintf("%d-12-31", present.Year()+1+p.order%4)
	if p.order%80 == 41 {
		end = day(present.AddDate(0, 0, 4))
	}
	return fhir.Obj{"extension", fhir.Arr{
		fhir.Extension(registry.PlaceOf, "valueReference", ref(p.At.Ref(), p.At.Short)),
		fhir.Extension(registry.ScopeOf, "valueString", scope)},
		"identifier", fhir.Arr{fhir.Obj{"system", registry.LicenceNumber, "value", fmt.Sprintf("99%013d", p.order)}},
		"code", fhir.Obj{"coding", fhir.Arr{coding(registry.LicenceKind, kind, zh)}, "text", p.Title},
		"period", fhir.Obj{"start", fmt.Sprintf("%d-01-01", 2012+p.order%8), "end", end}, "issuer", fhir.Obj{"display", "东岭省卫生健康委员会"}}
}

// rights are what the own hospital has granted: the chief more than the attending.
func (p *Person) rights() any {
	if !p.clinical() || p.At.unlicensed() {
		return nil
	}
	codes := []string{"prescribe", "antimicrobial-1"}
	switch {
	case p.Title == "主任医师":
		codes = []string{"prescribe", "antimicrobial-3", "narcotic"}
		if slices.Contains(operating, p.Department) {
			codes = append(codes, "operate-4")
		}
	case p.Department != "":
		codes = []string{"prescribe", "antimicrobial-2", "narcotic"}
		if slices.Contains(operating, p.Department) {
			codes = append(codes, "operate-3")
		}
	}
	return rightsOf(fhir.Obj{"start", "2022-01-01"}, codes...)
}

func rightsOf(period fhir.Obj, codes ...string) fhir.Arr {
	var out fhir.Arr
	for _, c := range codes {
		out = append(out, fhir.Obj{"extension", fhir.Arr{fhir.Extension("right", "valueCode", c), fhir.Extension("period", "valuePeriod", period)}, "url", registry.RightOf})
	}
	return out
}

// posts: every department of the centre is led by two, one from the output hospital and one of its own; other
// hospitals have one director each. A neurologist is dispatched for three months, a team has a leader.
func (r *Region) posts() []Record {
	var out []Record
	add := func(n *fhir.Node, in *Institution) { out = append(out, Record{n, in.Ref()}) }
	appoint := func(id, code, zh string, who *Person, in *Institution, dep department, start, end string) *fhir.Node {
		n := fhir.New("PractitionerRole", "id", id, "active", true, "period", fhir.Obj{"start", start, "end", end}, "practitioner", ref(who.Ref(), who.Name),
			"organization", ref(in.DepartmentRef(dep.code), in.Short+dep.name), "code", fhir.Arr{concept(registry.PostSystem, code, zh)})
		add(n, in)
		return n
	}
	chief := func(in *Institution, dep string) *Person {
		if in == nil {
			return nil
		}
		i := slices.IndexFunc(in.Staff, func(p *Person) bool { return p.Department == dep && p.clinical() })
		if i < 0 {
			return nil
		}
		return in.Staff[i]
	}
	kept := func(p *Person) bool { return p != nil && slices.Contains(r.Staff, p) }
	output := r.byID["output"]
	year := r.Present.Year()
	for _, in := range r.Institutions {
		for i, dep := range in.Departments {
			own, expert := chief(in, dep.code), chief(output, dep.code)
			if own == nil {
				continue
			}
			id := "post-" + in.ID + "-" + dep.code
			if in.Kind != Centre || !kept(expert) {
				appoint(id+"-director", "director", "主任", own, in, dep, "2022-01-01", "")
				continue
			}
			appoint(id+"-administrative", "administrative-director", "行政主任", own, in, dep, "2023-01-01", "")
			start := fmt.Sprintf("%d-01-01", year-1)
			if before := chief(output, output.Departments[(i+1)%len(output.Departments)].code); dep.code == "cardiology" && kept(before) {
				appoint(id+"-clinical-before", "clinical-director", "业务主任", before, in, dep, start, fmt.Sprintf("%d-02-28", year))
				start = fmt.Sprintf("%d-03-01", year)
			}
			end := ""
			if dep.code == "neurology" { // comes for three months
				start, end = r.dispatched()
			}
			n := appoint(id+"-clinical", "clinical-director", "业务主任", expert, in, dep, start, end)
			n.Set("extension", fhir.Arr{fhir.Extension(registry.BasisOf, "valueCode", "filing")})
		}
	}
	centre := r.byID["centre"]
	if p := chief(output, "neurology"); kept(p) && slices.Contains(r.Institutions, centre) {
		start, end := r.dispatched()
		while := fhir.Obj{"start", start, "end", end}
		add(fhir.New("PractitionerRole", "id", "dispatch-neurology", "extension",
			append(fhir.Arr{fhir.Extension(registry.BasisOf, "valueCode", "filing")}, rightsOf(while, "prescribe", "antimicrobial-2")...),
			"active", true, "period", while, "practitioner", ref(p.Ref(), p.Name), "organization", ref(centre.DepartmentRef("neurology"), centre.Short+"神经内科"),
			"code", fhir.Arr{concept(roleSystem, string(p.Role), "接诊医生")}, "specialty", fhir.Arr{concept(Department, "neurology", "神经内科")}), centre)
	}
	if leader := chief(centre, "cardiology"); kept(leader) {
		members := fhir.Arr{member("team-head", "医疗组长", leader)}
		for _, p := range centre.Staff {
			if p.Department == "cardiology" && p.clinical() && p != leader {
				members = append(members, member("member", "组员", p))
			}
		}
		out = append(out, Record{fhir.New("CareTeam", "id", "team-centre-cardiology-1", "status", "active", "name", "心血管内科第一医疗组", "period", fhir.Obj{"start", fmt.Sprintf("%d-01-01", year)},
			"participant", members, "managingOrganization", fhir.Arr{ref(centre.DepartmentRef("cardiology"), centre.Short+"心血管内科")}), centre.DepartmentRef("cardiology")})
	}
	return out
}

func (r *Region) dispatched() (start, end string) {
	return day(r.Present.AddDate(0, -1, 0)), day(r.Present.AddDate(0, 2, 0))
}

func member(code, zh string, p *Person) fhir.Obj {
	return fhir.Obj{"role", fhir.Arr{concept(spec.Canonical+"/CodeSystem/team-role", code, zh)}, "member", ref(p.Ref(), p.Name), "period", fhir.Obj{"start", "2026-01-01"}}
}
