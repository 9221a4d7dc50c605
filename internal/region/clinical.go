package region

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// chart collects one patient's record.
type chart struct {
	r       *Region
	p       *Patient
	d       *rand.Rand
	records []Record
	counts  map[string]int
}

func (r *Region) recordsOf(p *Patient) []Record {
	c := &chart{r: r, p: p, d: r.dice("chart", p.order), counts: map[string]int{}}
	c.add(p.resource())
	for i, ill := range p.Illnesses {
		c.illness(ill, i)
	}
	if chance(c.d, 0.13) || p.order == 2 {
		a := pick(c.d, allergens)
		c.add(fhir.New("AllergyIntolerance", "id", c.id("allergy"),
			"clinicalStatus", concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active", "活动"),
			"verificationStatus", concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "confirmed", "已确认"),
			"type", "allergy", "category", []string{a.kind}, "criticality", map[bool]string{true: "high", false: "low"}[chance(c.d, 0.3)],
			"code", fhir.Obj{"text", a.name}, "patient", c.subject(), "recordedDate", day(r.Present.AddDate(-1, 0, 0)),
			"reaction", fhir.Arr{fhir.Obj{"manifestation", fhir.Arr{fhir.Obj{"text", a.reaction}}}}))
	}
	return c.records
}

func (c *chart) add(n *fhir.Node) { c.records = append(c.records, Record{n, c.p.Home.Ref()}) }

func (c *chart) id(kind string) string {
	c.counts[kind]++
	return fmt.Sprintf("%s-%s-%d", c.p.ID, kind, c.counts[kind])
}

func (c *chart) subject() fhir.Obj { return ref(c.p.Ref(), c.p.Name) }

// workup is the hospital whose laboratory serves the institution.
func (c *chart) workup() *Institution {
	if c.p.Home.Kind == Village || c.p.Home.Kind == Township {
		return c.r.byID["county-1"]
	}
	return c.p.Home
}

func (c *chart) illness(ill illness, n int) {
	first := c.r.Present.AddDate(0, 0, -c.d.IntN(45)-3).Add(-time.Duration(c.d.IntN(600)) * time.Minute)
	if ill.chronic {
		first = first.AddDate(0, -c.d.IntN(30)-2, 0)
	}
	condition := c.id("condition")
	c.add(fhir.New("Condition", "id", condition,
		"clinicalStatus", concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active", "活动"),
		"verificationStatus", concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed", "已确诊"),
		"category", fhir.Arr{concept("http://terminology.hl7.org/CodeSystem/condition-category", "encounter-diagnosis", "就诊诊断")},
		"code", ill.concept(), "subject", c.subject(), "onsetDateTime", day(first), "recordedDate", day(first)))
	visits := 1
	if ill.chronic && n == 0 {
		visits += c.d.IntN(2)
	}
	if c.p.order <= 12 && n == 0 {
		visits += 2
	}
	for v := 0; v < visits; v++ {
		at := first.AddDate(0, 0, v*37)
		if at.After(c.r.Present.AddDate(0, 0, -1)) {
			break
		}
		c.visit(ill, condition, at, v == visits-1)
	}
}

func (ill illness) concept() fhir.Obj {
	international := ill.code[:5]
	if international[4] == 'x' { // the Chinese edition fills three-character codes with x
		international = ill.code[:3]
	}
	return fhir.Obj{"coding", fhir.Arr{coding(ClinicalICD, ill.code, ill.name), fhir.Obj{"system", icd10, "code", international}}, "text", ill.name}
}

func (c *chart) visit(ill illness, condition string, at time.Time, last bool) {
	home := c.p.Home
	inpatient := home.Kind != Village && (ill.procedure != "" || ill.acute) && chance(c.d, 0.45)
	class, zh, until := "AMB", "门诊", at.Add(40*time.Minute)
	if inpatient {
		class, zh, until = "IMP", "住院", at.AddDate(0, 0, 4+c.d.IntN(9))
		if until.After(c.r.Present) {
			until = c.r.Present.Add(-2 * time.Hour)
		}
	} else if ill.acute && home.Kind != Village && chance(c.d, 0.6) {
		class, zh, until = "EMER", "急诊", at.Add(5*time.Hour)
	}
	encounter := c.id("encounter")
	visit := fhir.New("Encounter", "id", encounter, "status", "finished",
		"class", coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", class, zh),
		"type", fhir.Arr{fhir.Obj{"text", zh}}, "subject", c.subject())
	doctor := home.doctor(ill.who)
	if doctor != nil {
		visit.Set("participant", fhir.Arr{fhir.Obj{"individual", ref(doctor.Ref(), doctor.Name)}})
	}
	visit.Set("period", fhir.Obj{"start", instant(at), "end", instant(until)})
	visit.Set("reasonCode", fhir.Arr{fhir.Obj{"text", ill.complaint}})
	visit.Set("diagnosis", fhir.Arr{fhir.Obj{"condition", ref("Condition/"+condition, ill.name)}})
	provider := home.Ref()
	if doctor != nil {
		provider = doctor.Org()
	}
	visit.Set("serviceProvider", ref(provider, home.Short))
	c.add(visit)

	var labs []fhir.Obj
	for _, key := range ill.tests {
		if key == "bp" {
			c.bloodPressure(encounter, at, ill.code[:3] == "I10")
			continue
		}
		m := measures[key]
		if !last && !m.vital {
			continue
		}
		id := c.observation(m, encounter, at.Add(20*time.Minute), c.value(m, 0.62))
		if !m.vital {
			labs = append(labs, ref("Observation/"+id, m.zh))
		}
	}
	if len(labs) > 0 && last {
		results := fhir.Arr{}
		for _, l := range labs {
			results = append(results, l)
		}
		lab := c.workup()
		c.add(fhir.New("DiagnosticReport", "id", c.id("report"), "status", "final",
			"category", fhir.Arr{concept("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "检验")},
			"code", fhir.Obj{"coding", fhir.Arr{coding(loinc, "11502-2", "Laboratory report")}, "text", "检验报告"}, "subject", c.subject(), "encounter", fhir.Obj{"reference", "Encounter/" + encounter},
			"effectiveDateTime", instant(at.Add(20*time.Minute)), "issued", instant(at.Add(95*time.Minute)), "performer", fhir.Arr{ref(lab.Ref(), lab.Short)}, "result", results))
	}
	if last {
		for _, key := range ill.drugs {
			m := medicines[key]
			c.add(fhir.New("MedicationRequest", "id", c.id("drug"), "status", "active", "intent", "order", "medicationCodeableConcept", fhir.Obj{"text", m[0]},
				"subject", c.subject(), "encounter", fhir.Obj{"reference", "Encounter/" + encounter}, "authoredOn", instant(at.Add(35*time.Minute)),
				"dosageInstruction", fhir.Arr{fhir.Obj{"text", m[1]}}))
		}
	}
	if inpatient {
		if ill.procedure != "" {
			c.add(fhir.New("Procedure", "id", c.id("procedure"), "status", "completed", "code", fhir.Obj{"text", ill.procedure}, "subject", c.subject(),
				"encounter", fhir.Obj{"reference", "Encounter/" + encounter}, "performedPeriod", fhir.Obj{"start", instant(at.Add(26 * time.Hour)), "end", instant(at.Add(28 * time.Hour))}))
		}
		c.document(encounter, "18842-5", "出院小结", until, fmt.Sprintf("入院诊断：%s。主诉：%s。经治疗好转，予以出院。出院医嘱：按时服药，2 周后门诊复诊。", ill.name, ill.complaint))
	} else if last && (c.p.order <= 40 || chance(c.d, 0.2)) {
		c.document(encounter, "34133-9", "门诊病历", at.Add(40*time.Minute), fmt.Sprintf("主诉：%s。初步诊断：%s。处理：完善检查，对症治疗。", ill.complaint, ill.name))
	}
	if last && (ill.who == "orthopaedics" || ill.who == "thoracic" || ill.who == "neurology" || ill.who == "respiratory") && home.Kind != Village {
		c.imaging(ill, encounter, at.Add(50*time.Minute))
	}
}

func (in *Institution) doctor(department string) *Person {
	for _, p := range in.Staff {
		if p.clinical() && (p.Department == department || p.Department == "") {
			return p
		}
	}
	for _, p := range in.Staff {
		if p.clinical() {
			return p
		}
	}
	return nil
}

func (c *chart) value(m measure, sick float64) float64 {
	if chance(c.d, sick) {
		return m.sickLow + c.d.Float64()*(m.sickHigh-m.sickLow)*c.d.Float64()
	}
	return m.low + c.d.Float64()*(m.high-m.low)
}

func quantity(m measure, v float64) fhir.Obj {
	return fhir.Obj{"value", number(m.format, v), "unit", spoken(m.unit), "system", ucum, "code", m.unit}
}

func (m measure) outside(v float64) string {
	switch text := fmt.Sprintf(m.format, v); {
	case text == fmt.Sprintf(m.format, m.high) || text == fmt.Sprintf(m.format, m.low):
		return ""
	case v > m.high:
		return "H"
	case v < m.low:
		return "L"
	}
	return ""
}

var flagName = map[string]string{"H": "偏高", "L": "偏低"}

func (c *chart) observation(m measure, encounter string, at time.Time, v float64) string {
	id := c.id("obs")
	category := coding("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory", "检验")
	if m.vital {
		category = coding("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs", "生命体征")
	}
	n := fhir.New("Observation", "id", id, "status", "final", "category", fhir.Arr{fhir.Obj{"coding", fhir.Arr{category}}},
		"code", concept(loinc, m.loinc, m.zh), "subject", c.subject(), "encounter", fhir.Obj{"reference", "Encounter/" + encounter},
		"effectiveDateTime", instant(at), "valueQuantity", quantity(m, v))
	if flag := m.outside(v); flag != "" {
		n.Set("interpretation", fhir.Arr{concept("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", flag, flagName[flag])})
	}
	n.Set("referenceRange", fhir.Arr{fhir.Obj{"low", quantity(m, m.low), "high", quantity(m, m.high)}})
	c.add(n)
	return id
}

func (c *chart) bloodPressure(encounter string, at time.Time, high bool) {
	sys, dia := measures["sys"], measures["dia"]
	share := 0.35
	if high {
		share = 0.8
	}
	s := c.value(sys, share)
	v := dia.low + c.d.Float64()*(dia.high-dia.low)
	if s > sys.high {
		v = dia.sickLow + c.d.Float64()*(dia.sickHigh-dia.sickLow)*0.6
	}
	n := fhir.New("Observation", "id", c.id("obs"), "status", "final",
		"category", fhir.Arr{fhir.Obj{"coding", fhir.Arr{coding("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs", "生命体征")}}},
		"code", concept(loinc, "85354-9", "血压"), "subject", c.subject(), "encounter", fhir.Obj{"reference", "Encounter/" + encounter}, "effectiveDateTime", instant(at))
	if sys.outside(s) == "H" {
		n.Set("interpretation", fhir.Arr{concept("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "H", "偏高")})
	}
	n.Set("component", fhir.Arr{fhir.Obj{"code", concept(loinc, sys.loinc, sys.zh), "valueQuantity", quantity(sys, s)}, fhir.Obj{"code", concept(loinc, dia.loinc, dia.zh), "valueQuantity", quantity(dia, v)}})
	c.add(n)
}

func (c *chart) document(encounter, code, title string, at time.Time, text string) {
	home := c.p.Home
	c.add(fhir.New("DocumentReference", "id", c.id("document"), "status", "current", "docStatus", "final", "type", concept(loinc, code, title),
		"subject", c.subject(), "date", instant(at), "custodian", ref(home.Ref(), home.Short), "description", title,
		"content", fhir.Arr{fhir.Obj{"attachment", fhir.Obj{"contentType", "text/plain", "language", "zh-CN", "data", base64.StdEncoding.EncodeToString([]byte(text)), "title", title, "creation", instant(at)}}},
		"context", fhir.Obj{"encounter", fhir.Arr{fhir.Obj{"reference", "Encounter/" + encounter}}}))
}

func (c *chart) imaging(ill illness, encounter string, at time.Time) {
	modality, zh, finding := "DX", "X线摄影", "骨质结构如上所述，请结合临床。"
	switch ill.who {
	case "neurology":
		modality, zh, finding = "MR", "颅脑磁共振", "左侧基底节区异常信号影，请结合临床。"
	case "thoracic", "respiratory":
		modality, zh, finding = "CT", "胸部CT平扫", "右肺见片状及结节状高密度影，建议随访或进一步检查。"
	}
	study := c.id("image")
	c.add(fhir.New("ImagingStudy", "id", study, "status", "available",
		"modality", fhir.Arr{coding("http://dicom.nema.org/resources/ontology/DCM", modality, zh)}, "subject", c.subject(),
		"encounter", fhir.Obj{"reference", "Encounter/" + encounter}, "started", instant(at), "numberOfSeries", 2, "numberOfInstances", 2+c.d.IntN(180), "description", zh))
	c.add(fhir.New("DiagnosticReport", "id", c.id("report"), "status", "final",
		"category", fhir.Arr{concept("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "影像")}, "code", fhir.Obj{"text", zh + "报告"},
		"subject", c.subject(), "encounter", fhir.Obj{"reference", "Encounter/" + encounter}, "effectiveDateTime", instant(at), "issued", instant(at.Add(time.Hour)),
		"performer", fhir.Arr{ref(c.workup().Ref(), c.workup().Short)}, "imagingStudy", fhir.Arr{ref("ImagingStudy/"+study, zh)}, "conclusion", finding))
}
