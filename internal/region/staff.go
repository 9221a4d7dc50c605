package region

import (
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Person works at an institution.
type Person struct {
	ID, Name   string
	family     string
	given      string
	male       bool
	Title      string
	At         *Institution
	Department string // code, "" outside departments
	Role       access.Role
	Phone      string

	order int
}

// Ref is "Practitioner/…".
func (p *Person) Ref() string { return "Practitioner/" + p.ID }

// Org is the organisation of the person's role: the department or office where there is one.
func (p *Person) Org() string {
	if p.Department == "" {
		return p.At.Ref()
	}
	return p.At.DepartmentRef(p.Department)
}

// Caller is this person in that role; the scope is still to be settled by the tree of organisations.
func (p *Person) Caller() *access.Caller {
	return &access.Caller{User: p.ID, Name: p.Name, Practitioner: p.Ref(), Role: p.Role, Org: p.Org(), Lang: "zh"}
}

// Account is a login of the demo; every password is DemoPassword.
type Account struct {
	Username string
	What     string // 中文 what this person is
	English  string
	Person   *Person
}

// DemoPassword opens every account of the demo, and exists nowhere else.
const DemoPassword = "Xinglin-demo-1"

// Account returns the demo account of that name; it panics when there is none.
func (r *Region) Account(username string) Account {
	for _, a := range r.Accounts {
		if a.Username == username {
			return a
		}
	}
	panic("region: no account " + username)
}

func (r *Region) makeStaff() {
	hire := func(in *Institution, role access.Role, department, title string) *Person {
		n := len(r.Staff) + 1
		d := r.dice("staff", n)
		p := &Person{ID: fmt.Sprintf("staff-%04d", n), male: chance(d, 0.52), Title: title, At: in, Department: department, Role: role, order: n,
			Phone: fmt.Sprintf("1990199%04d", n)}
		p.family, p.given = personName(d, p.male, 1965+d.IntN(32))
		p.Name = p.family + p.given
		r.Staff = append(r.Staff, p)
		in.Staff = append(in.Staff, p)
		return p
	}
	for _, in := range r.Institutions {
		switch in.Kind {
		case Village:
			title := "乡村医生"
			if in.unlicensed() {
				title = "村卫生室工作人员"
			}
			hire(in, access.ReferringDoctor, "", title)
			continue
		case Township:
			hire(in, access.ReferringDoctor, "", "主治医师")
			hire(in, access.ReferralOffice, "", "转诊专员")
			continue
		case Group:
			hire(in, access.Leader, "", "总医院院长")
			hire(in, access.Administrator, "", "信息管理员")
			continue
		}
		for _, dep := range in.Departments {
			hire(in, access.ReceivingDoctor, dep.code, "主任医师")
			if in.Kind != Partner {
				hire(in, access.ReferringDoctor, dep.code, "主治医师")
			}
		}
		if in.Kind == Partner {
			hire(in, access.ReferringDoctor, in.Departments[0].code, "主治医师")
		}
		hire(in, access.ReferralOffice, "referral", "转诊办主任")
		hire(in, access.MedicalAffairs, "affairs", "医务处处长")
		hire(in, access.InsuranceOffice, "insurance", "医保办主任")
		hire(in, access.Leader, "", "副院长")
		if in.Kind == Centre || in.Kind == County || in.Kind == Output {
			hire(in, access.Administrator, "information", "信息中心工程师")
			hire(in, access.Auditor, "audit", "审计员")
		}
	}
	if group := r.byID["group"]; group != nil { // files for its branches and village clinics
		hire(group, access.InsuranceOffice, "insurance", "医保办主任")
	}
	for _, in := range r.Institutions {
		switch in.Kind {
		case Output, Centre, Partner, County, Group:
			hire(in, access.RecordsOffice, "records", "病案室主任")
		}
	}
	r.staffWards(hire)
	account := func(username, what, english, institution string, role access.Role, department string) {
		p := r.byID[institution].Who(role, department)
		r.Accounts = append(r.Accounts, Account{username, what, english, p})
	}
	account("xiangcun", "村医", "Village doctor", "village-001", access.ReferringDoctor, "")
	account("xiangzhen", "乡镇分院医生", "Township doctor", "township-01", access.ReferringDoctor, "")
	account("xianyisheng", "县医院心内科转诊医生", "County referring doctor, cardiology", "county-1", access.ReferringDoctor, "cardiology")
	account("xianjiezhen", "县医院心内科接诊医生", "County receiving doctor, cardiology", "county-1", access.ReceivingDoctor, "cardiology")
	account("xianzhuanzhen", "县医院转诊办", "County referral office", "county-1", access.ReferralOffice, "")
	account("xianyibao", "县医院医保办", "County insurance office", "county-1", access.InsuranceOffice, "")
	account("zongyibao", "县总医院医保办", "County group insurance office", "group", access.InsuranceOffice, "")
	account("xianshenji", "县医院审计员", "County auditor", "county-1", access.Auditor, "")
	account("zhuanzhenban", "区域医疗中心转诊办", "Centre referral office", "centre", access.ReferralOffice, "")
	account("xinnei", "区域医疗中心心内科接诊医生", "Centre receiving doctor, cardiology", "centre", access.ReceivingDoctor, "cardiology")
	account("zhongxinyisheng", "区域医疗中心心内科转诊医生", "Centre referring doctor, cardiology", "centre", access.ReferringDoctor, "cardiology")
	account("shuchu", "输出医院转诊办", "Output hospital referral office", "output", access.ReferralOffice, "")
	account("shuchuyisheng", "输出医院心内科接诊医生", "Output hospital receiving doctor, cardiology", "output", access.ReceivingDoctor, "cardiology")
	account("xiezuo", "协作医院转诊医生", "Partner hospital referring doctor", "partner-1", access.ReferringDoctor, "")
	account("xiezuojiezhen", "协作医院转诊办", "Partner hospital referral office", "partner-1", access.ReferralOffice, "")
	account("paizhu", "派驻专家（输出医院神经内科，在区域医疗中心三个月）", "Dispatched expert, neurology", "output", access.ReceivingDoctor, "neurology")
	account("cunwei", "村卫生室工作人员（无执业资格）", "Village staff without a licence", "village-022", access.ReferringDoctor, "")
	account("yiwuchu", "区域医疗中心医务处", "Centre medical affairs", "centre", access.MedicalAffairs, "")
	account("yibaoban", "区域医疗中心医保办", "Centre insurance office", "centre", access.InsuranceOffice, "")
	account("yuanzhang", "区域医疗中心副院长", "Centre leader", "centre", access.Leader, "")
	account("zongyuanzhang", "县总医院院长", "County group leader", "group", access.Leader, "")
	account("xiezuoyuanzhang", "协作医院副院长", "Partner hospital leader", "partner-1", access.Leader, "")
	account("shuchuyuanzhang", "输出医院副院长", "Output hospital leader", "output", access.Leader, "")
	account("guanli", "区域医疗中心管理员", "Centre administrator", "centre", access.Administrator, "")
	account("bingan", "区域医疗中心病案室（主索引核对）", "Centre records desk", "centre", access.RecordsOffice, "")
	account("xianbingan", "县医院病案室", "County records desk", "county-1", access.RecordsOffice, "")
	account("zongbingan", "县总医院病案室", "County group records desk", "group", access.RecordsOffice, "")
	account("xiezuobingan", "协作医院病案室", "Partner hospital records desk", "partner-1", access.RecordsOffice, "")
	r.wardAccounts(account)
	account("shenji", "区域医疗中心审计员", "Centre auditor", "centre", access.Auditor, "")
}

// Who returns the first person with the role here; department "" means anyone. Small places have one person for several tasks.
func (in *Institution) Who(role access.Role, department string) *Person {
	for _, p := range in.Staff {
		if p.Role == role && (department == "" || p.Department == department) {
			return p
		}
	}
	if department != "" {
		return in.Who(role, "")
	}
	return nil
}

func (p *Person) resources(present time.Time) []*fhir.Node {
	gender := map[bool]string{true: "male", false: "female"}[p.male]
	who := fhir.New("Practitioner", "id", p.ID,
		"identifier", fhir.Arr{fhir.Obj{"system", StaffID, "value", fmt.Sprintf("G%05d", p.order)}},
		"active", true, "name", fhir.Arr{fhir.Obj{"use", "official", "text", p.Name, "family", p.family, "given", []string{p.given}}},
		"telecom", fhir.Arr{fhir.Obj{"system", "phone", "value", p.Phone, "use", "work"}}, "gender", gender)
	if l := p.licence(present); l != nil {
		who.Set("qualification", fhir.Arr{l})
	}
	role := fhir.New("PractitionerRole", "id", p.ID, "extension", p.rights(), "active", true, "period", fhir.Obj{"start", "2022-01-01"},
		"practitioner", ref(p.Ref(), p.Name), "organization", ref(p.Org(), p.At.Short),
		"code", fhir.Arr{fhir.Obj{"coding", fhir.Arr{coding(roleSystem, string(p.Role), p.Title)}, "text", p.Title}})
	for _, dep := range departments {
		if dep.code == p.Department {
			role.Set("specialty", fhir.Arr{concept(Department, dep.code, dep.name)})
		}
	}
	role.Set("telecom", fhir.Arr{fhir.Obj{"system", "phone", "value", p.Phone, "use", "work"}})
	return []*fhir.Node{who, role}
}

func (p *Person) clinical() bool {
	return p.Role == access.ReferringDoctor || p.Role == access.ReceivingDoctor
}
