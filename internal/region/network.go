package region

import (
	"fmt"
	"slices"

	"github.com/xinglin-health/xinglin/internal/beds"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/registry"
)

// Kind says what an institution is in the network.
type Kind string

const (
	Output   Kind = "output"   // 输出医院
	Centre   Kind = "centre"   // 项目医院
	Partner  Kind = "partner"  // 协作医院
	Group    Kind = "group"    // 县总医院: one legal person
	County   Kind = "county"   // 县级医院
	Township Kind = "township" // 乡镇分院
	Village  Kind = "village"  // 村卫生室
)

var kindName = map[Kind][2]string{
	Output: {"输出医院", "Output hospital"}, Centre: {"国家区域医疗中心", "Regional medical centre"},
	Partner: {"协作医院", "Partner hospital"}, Group: {"县域医共体总医院", "County group"},
	County: {"县级医院", "County hospital"}, Township: {"乡镇分院", "Township branch"}, Village: {"村卫生室", "Village clinic"},
}

// Institution is a hospital, branch or clinic of the region.
type Institution struct {
	ID, Name, Short, English string
	Kind                     Kind
	Parent                   *Institution
	Area                     string // six digits; made up under the unassigned prefix 99
	Place                    string // 县 or 市 in words
	Town                     string
	Phone                    string
	Beds, BedsPlanned        int
	Campuses                 []campus
	Departments              []department
	Wards                    []*ward
	Staff                    []*Person
	Patients                 []*Patient

	order int
}

type campus struct {
	id, name, address, note, role string
	lat, long                     string // made up, in the open sea
}

type department struct{ code, name, english string }

// Ref is "Organization/…".
func (in *Institution) Ref() string { return "Organization/" + in.ID }

// DepartmentRef is the organisation of one department.
func (in *Institution) DepartmentRef(code string) string { return in.Ref() + "-" + code }

var departments = []department{
	{"cardiology", "心血管内科", "Cardiology"}, {"neurology", "神经内科", "Neurology"}, {"neurosurgery", "神经外科", "Neurosurgery"},
	{"respiratory", "呼吸与危重症医学科", "Respiratory medicine"}, {"gastro", "消化内科", "Gastroenterology"}, {"surgery", "普通外科", "General surgery"},
	{"orthopaedics", "骨科", "Orthopaedics"}, {"oncology", "肿瘤科", "Oncology"}, {"nephrology", "肾内科", "Nephrology"}, {"urology", "泌尿外科", "Urology"},
	{"endocrine", "内分泌科", "Endocrinology"}, {"obstetrics", "妇产科", "Obstetrics and gynaecology"}, {"paediatrics", "儿科", "Paediatrics"},
	{"emergency", "急诊科", "Emergency"}, {"thoracic", "胸外科", "Thoracic surgery"},
}

var offices = []department{
	{"referral", "转诊办公室", "Referral office"}, {"affairs", "医务处", "Medical affairs"}, {"insurance", "医保办公室", "Insurance office"},
	{"beds", "床位调配中心", "Bed desk"}, {"nursing", "护理部", "Nursing"}, {"information", "信息中心", "Information centre"}, {"audit", "审计室", "Audit"}, {"records", "病案室", "Medical records"},
}

var partnerPlaces = []string{"梧溪县", "松泉县", "石亭县", "蓝桥县", "竹岭县", "沙渚县"}

var towns = []string{"城关镇", "柳溪镇", "白石镇", "茶亭镇", "双河镇", "龙潭镇", "枫桥镇", "古渡镇", "青山镇", "大坪镇", "下塘镇",
	"桃源乡", "石门乡", "云台乡", "高岭乡", "水口乡", "竹园乡", "梅岭乡", "官田乡", "河洲乡", "小岭乡"}

var villageWords = [2][]string{
	{"上", "下", "东", "西", "新", "老", "大", "小", "前", "后", "高", "长"},
	{"湾", "塘", "坪", "岭", "田", "桥", "畈", "洲", "坑", "垄", "源", "陂"},
}

func (r *Region) makeNetwork() {
	add := func(in *Institution) *Institution {
		in.order = len(r.Institutions) + 1
		if in.Short == "" {
			in.Short = in.Name
		}
		in.Phone = fmt.Sprintf("0990-55%05d", in.order*7)
		r.Institutions = append(r.Institutions, in)
		r.byID[in.ID] = in
		return in
	}
	pickDepartments := func(codes ...string) (out []department) {
		for _, c := range codes {
			for _, d := range departments {
				if d.code == c {
					out = append(out, d)
				}
			}
		}
		return out
	}
	add(&Institution{ID: "output", Name: "南屿医科大学第一附属医院", Short: "南屿一附院", English: "First Affiliated Hospital of Nanyu", Kind: Output,
		Area: "998101", Place: "南屿省南屿市", Beds: 3600, Departments: departments})
	add(&Institution{ID: "centre", Name: "南屿医科大学第一附属医院杏州医院", Short: "杏州区域医疗中心", English: "Xingzhou Regional Medical Centre", Kind: Centre,
		Area: "990101", Place: "东岭省杏州市", Beds: 600, BedsPlanned: 1800, Departments: departments,
		Campuses: []campus{{"centre-east-lake", "东湖院区", "东岭省杏州市东湖路1号", "急诊、重症与各专科", "acute", "20.10", "150.10"}, {"centre-new-town", "新城院区", "东岭省杏州市新城大道88号", "部分启用，规划床位 1,200 张；择期与肿瘤", "planned", "20.14", "150.18"}}})
	partner := func(n int, name, english, place string, beds int, deps ...string) {
		add(&Institution{ID: fmt.Sprintf("partner-%d", n), Name: name, English: english, Kind: Partner, Area: fmt.Sprintf("9902%02d", n), Place: "东岭省" + place,
			Beds: beds, Departments: pickDepartments(deps...)})
	}
	common := []string{"cardiology", "neurology", "respiratory", "surgery", "orthopaedics", "emergency"}
	for i, place := range partnerPlaces {
		partner(i+1, place+"人民医院", fmt.Sprintf("Partner county hospital %d", i+1), place, 380+i*40, common...)
	}
	partner(7, "杏州市第三人民医院", "Xingzhou Third Hospital", "杏州市", 700, append(common, "nephrology", "urology")...)
	partner(8, "杏州市中医医院", "Xingzhou Hospital of Chinese Medicine", "杏州市", 520, "cardiology", "neurology", "orthopaedics", "emergency")
	partner(9, "杏州市妇幼保健院", "Xingzhou Women and Children's Hospital", "杏州市", 450, "obstetrics", "paediatrics", "emergency")

	group := add(&Institution{ID: "group", Name: "青榆县总医院", English: "Qingyu County General Hospital Group", Kind: Group, Area: "990301", Place: "东岭省杏州市青榆县"})
	add(&Institution{ID: "county-1", Name: "青榆县人民医院", English: "Qingyu County People's Hospital", Kind: County, Parent: group, Area: group.Area, Place: group.Place, Beds: 620,
		Departments: pickDepartments("cardiology", "neurology", "respiratory", "gastro", "surgery", "orthopaedics", "nephrology", "urology", "endocrine", "emergency")})
	add(&Institution{ID: "county-2", Name: "青榆县中医院", English: "Qingyu County Hospital of Chinese Medicine", Kind: County, Parent: group, Area: group.Area, Place: group.Place, Beds: 260,
		Departments: pickDepartments("cardiology", "neurology", "orthopaedics", "emergency")})
	add(&Institution{ID: "county-3", Name: "青榆县妇幼保健院", English: "Qingyu County Women and Children's Hospital", Kind: County, Parent: group, Area: group.Area, Place: group.Place, Beds: 180,
		Departments: pickDepartments("obstetrics", "paediatrics", "emergency")})
	for _, in := range r.Institutions {
		if in.ID == "county-1" || in.Kind == Partner {
			in.Campuses = []campus{{in.ID + "-main", "本部", in.Place, "", "acute", fmt.Sprintf("20.%02d", 15+in.order*7%60), fmt.Sprintf("150.%02d", 10+in.order*11%80)}}
		}
	}
	var branches []*Institution
	for i, town := range towns {
		branches = append(branches, add(&Institution{ID: fmt.Sprintf("township-%02d", i+1), Name: "青榆县总医院" + town + "分院", Short: town + "分院",
			English: fmt.Sprintf("Township branch %d", i+1), Kind: Township, Parent: group, Area: fmt.Sprintf("9903%02d", i+10), Place: group.Place, Town: town, Beds: 20 + i%4*10}))
	}
	d, used := r.dice("villages", 0), map[string]bool{}
	for i := 0; i < 107; i++ {
		branch := branches[i%len(branches)]
		name := pick(d, villageWords[0]) + pick(d, villageWords[1]) + "村"
		for used[branch.ID+name] {
			name = pick(d, villageWords[0]) + pick(d, villageWords[1]) + "村"
		}
		used[branch.ID+name] = true
		add(&Institution{ID: fmt.Sprintf("village-%03d", i+1), Name: branch.Town + name + "卫生室", English: fmt.Sprintf("Village clinic %d", i+1), Kind: Village,
			Parent: branch, Area: branch.Area, Place: branch.Place, Town: branch.Town + name})
	}
}

func (in *Institution) resources() []*fhir.Node {
	name := kindName[in.Kind]
	types := fhir.Arr{
		fhir.Obj{"coding", fhir.Arr{coding(organizationHL, "prov", "Healthcare Provider")}, "text", "医疗机构"},
		concept(Level, string(in.Kind), name[0]),
	}
	org := fhir.New("Organization", "id", in.ID,
		"extension", in.facts(),
		"identifier", in.numbers(),
		"active", true, "type", types, "name", in.Name, "alias", []string{in.Short, in.English},
		"telecom", fhir.Arr{fhir.Obj{"system", "phone", "value", in.Phone, "use", "work"}},
		"address", fhir.Arr{fhir.Obj{"text", in.Place + in.Town, "postalCode", in.Area, "country", "CN"}})
	if in.Parent != nil {
		org.Set("partOf", ref(in.Parent.Ref(), in.Parent.Short))
	}
	out := []*fhir.Node{org}
	for _, c := range in.Campuses {
		out = append(out, fhir.New("Location", "id", c.id, "status", "active", "name", in.Short+c.name, "description", c.note, "mode", "instance",
			"physicalType", concept("http://terminology.hl7.org/CodeSystem/location-physical-type", "si", "院区"),
			"address", fhir.Obj{"text", c.address}, "managingOrganization", ref(in.Ref(), in.Short), "extension", fhir.Arr{fhir.Extension(beds.RoleOf, "valueCode", c.role)},
			"position", fhir.Obj{"longitude", decimal(c.long), "latitude", decimal(c.lat)}))
	}
	all := in.Departments
	if in.Kind == Output || in.Kind == Centre || in.Kind == Partner || in.Kind == County {
		all = append(append([]department{}, all...), offices...)
	}
	if in.Kind == Group {
		all = slices.DeleteFunc(slices.Clone(offices), func(d department) bool { return d.code != "insurance" && d.code != "records" })
	}
	for i, dep := range all {
		id := in.ID + "-" + dep.code
		out = append(out, fhir.New("Organization", "id", id, "active", true,
			"type", fhir.Arr{fhir.Obj{"coding", fhir.Arr{coding(organizationHL, "dept", "Hospital Department")}, "text", "科室"}, concept(Department, dep.code, dep.name)},
			"name", in.Short+dep.name, "alias", []string{dep.name, dep.english}, "partOf", ref(in.Ref(), in.Short)))
		if i < len(in.Departments) {
			service := fhir.New("HealthcareService", "id", id, "active", true, "providedBy", ref("Organization/"+id, dep.name),
				"category", fhir.Arr{concept(registry.Capability, "department", "诊疗科目")},
				"specialty", fhir.Arr{concept(Department, dep.code, dep.name)}, "name", in.Short+dep.name,
				"telecom", fhir.Arr{fhir.Obj{"system", "phone", "value", fmt.Sprintf("0990-56%03d%02d", in.order, i)}})
			if len(in.Campuses) > 0 {
				service.Set("location", fhir.Arr{ref("Location/"+in.Campuses[0].id, in.Campuses[0].name)})
			}
			out = append(out, service)
		}
	}
	return append(append(out, in.abilities()...), in.bedResources()...)
}

// numbers: the area is made up under the unassigned prefix 99, so that no real institution has them.
func (in *Institution) numbers() fhir.Arr {
	code := registry.CreditCodeOf("12"+in.Area, fmt.Sprintf("PDY99%03d", in.order))
	kind := map[Kind]string{Township: "C220", Village: "D600"}[in.Kind]
	if kind == "" {
		kind = "A100"
	}
	since := fhir.Obj{"start", "2016-01-01"}
	numbers := fhir.Arr{
		fhir.Obj{"system", InstitutionID, "value", code[8:17] + in.Area + "11" + kind + "1", "period", since},
		fhir.Obj{"system", registry.InsuranceCode, "value", fmt.Sprintf("H%s%05d", in.Area, in.order), "period", since}}
	if in.Kind != Village {
		numbers = append(fhir.Arr{fhir.Obj{"system", registry.CreditCode, "value", code, "period", since}}, numbers...)
	}
	return numbers
}

var grades = map[Kind]string{Output: "3-a", Centre: "3-a", Partner: "2-a", County: "2-a", Township: "1-a", Village: "ungraded"}

// techniques that the larger hospitals offer, some of them for a while only
var techniques = []struct{ id, name, category, department, from, until, comment string }{
	{"pci", "急诊冠脉介入", "technique", "cardiology", "2019-05-01", "", "24 小时"},
	{"thrombectomy", "急性脑梗死机械取栓", "technique", "neurology", "2022-03-01", "", "24 小时"},
	{"endoscopy", "消化内镜下黏膜剥离", "technique", "gastro", "2021-09-01", "", ""},
	{"mri-3t", "3.0T 磁共振", "equipment", "neurology", "2023-01-01", "", ""},
	{"dialysis", "血液透析", "technique", "nephrology", "2016-01-01", "", ""},
	{"pet-ct", "PET-CT", "equipment", "oncology", "2017-01-01", "2025-12-31", "设备更新中"},
}

func (in *Institution) abilities() []*fhir.Node {
	var out []*fhir.Node
	for _, t := range techniques {
		if in.Kind != Output && (in.Kind != Centre || t.until != "") {
			continue
		}
		out = append(out, fhir.New("HealthcareService", "id", in.ID+"-"+t.id, "extension", fhir.Arr{fhir.Obj{"url", registry.ServicePeriod, "valuePeriod", fhir.Obj{"start", t.from, "end", t.until}}},
			"active", true, "providedBy", ref(in.DepartmentRef(t.department), ""), "category", fhir.Arr{concept(registry.Capability, t.category, "")}, "name", t.name, "comment", t.comment,
			"telecom", fhir.Arr{fhir.Obj{"system", "phone", "value", in.Phone}}))
	}
	return out
}

func (in *Institution) facts() fhir.Arr {
	facts := fhir.Arr{fhir.Obj{"url", InstitutionLevel, "valueCode", string(in.Kind)}, fhir.Obj{"url", registry.AreaOf, "valueCode", in.Area}}
	if g := grades[in.Kind]; g != "" {
		facts = append(facts, fhir.Obj{"url", registry.GradeOf, "valueCode", g})
	}
	if in.Beds > 0 {
		facts = append(facts, fhir.Obj{"url", BedsNow, "valueInteger", in.Beds})
	}
	if in.BedsPlanned > 0 {
		facts = append(facts, fhir.Obj{"url", BedsPlanned, "valueInteger", in.BedsPlanned})
	}
	for _, name := range in.shelf() {
		facts = append(facts, fhir.Extension(availableMedicine, "valueString", name))
	}
	return facts
}

// availableMedicine on an Organization: a generic name that it keeps.
const availableMedicine = spec.Canonical + "/StructureDefinition/available-medicine"

// what a village clinic keeps, and a township beside it; made up after the usual lists of essential medicines
var villageShelf = []string{"氨氯地平", "阿司匹林", "二甲双胍", "阿卡波糖", "美托洛尔", "呋塞米", "布洛芬", "奥美拉唑", "氨溴索", "亚铁", "碳酸钙", "头孢呋辛", "卡托普利", "硝苯地平", "格列美脲", "硝酸甘油", "阿莫西林", "甲硝唑",
	"蒙脱石", "口服补液盐", "对乙酰氨基酚", "沙丁胺醇", "地塞米松", "肾上腺素", "阿托品", "氯雷他定", "维生素B1", "复方甘草", "藿香正气"}

var townshipShelf = append([]string{"厄贝沙坦", "阿托伐他汀", "布地奈德", "坦索罗辛", "丙戊酸", "塞来昔布"}, villageShelf...)

// shelf is what the institution keeps; nil where everything can be had.
func (in *Institution) shelf() []string {
	switch in.Kind {
	case Village:
		return villageShelf
	case Township:
		return townshipShelf
	}
	return nil
}
