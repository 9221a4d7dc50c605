package region

import (
	"math/rand/v2"
	"time"
)

// illness is a disease with what usually stands in its record. Codes and names: ICD-10 国家临床版 2.0.
type illness struct {
	code, name string
	who        string // department that treats it
	chronic    bool
	acute      bool // may be an emergency
	minAge     int
	maxAge     int
	sex        string // "", "male", "female"
	weight     int
	complaint  string
	tests      []string // keys of measures
	drugs      []string // keys of medicines
	procedure  string   // 手术操作 in words, "" when none
}

var illnesses = []illness{
	{"I10.x00x002", "高血压", "cardiology", true, false, 35, 99, "", 26, "反复头晕3年", []string{"bp", "crea", "k"}, []string{"amlodipine", "irbesartan"}, ""},
	{"I25.103", "冠状动脉粥样硬化性心脏病", "cardiology", true, false, 45, 99, "", 12, "活动后胸闷气促半年", []string{"bp", "ldl", "tni", "bnp"}, []string{"aspirin", "atorvastatin", "metoprolol"}, "冠状动脉造影术"},
	{"I20.000", "不稳定型心绞痛", "cardiology", false, true, 45, 95, "", 6, "反复胸痛3天，加重2小时", []string{"bp", "tni", "ldl"}, []string{"aspirin", "atorvastatin", "metoprolol"}, "冠状动脉造影术"},
	{"I21.004", "急性广泛前壁心肌梗死", "cardiology", false, true, 40, 95, "", 3, "持续性胸痛4小时伴大汗", []string{"bp", "tni", "bnp", "k"}, []string{"aspirin", "ticagrelor", "atorvastatin"}, "经皮冠状动脉介入治疗"},
	{"I48.x00", "心房颤动和扑动", "cardiology", true, false, 55, 99, "", 4, "阵发性心悸1年", []string{"bp", "k", "bnp"}, []string{"rivaroxaban", "metoprolol"}, "心导管射频消融术"},
	{"I50.900", "心力衰竭", "cardiology", true, true, 55, 99, "", 5, "活动后气促伴双下肢水肿1周", []string{"bp", "bnp", "crea", "k"}, []string{"furosemide", "metoprolol"}, ""},
	{"I63.900", "脑梗死", "neurology", false, true, 45, 99, "", 7, "右侧肢体无力6小时", []string{"bp", "glu", "ldl"}, []string{"aspirin", "atorvastatin"}, "脑血管造影术"},
	{"I61.900", "脑内出血", "neurosurgery", false, true, 40, 95, "", 2, "突发头痛、意识不清2小时", []string{"bp", "wbc", "hgb"}, []string{"amlodipine"}, "颅内血肿清除术"},
	{"E11.900", "2型糖尿病", "endocrine", true, false, 35, 95, "", 16, "口干多饮多尿2年", []string{"glu", "a1c", "crea"}, []string{"metformin", "acarbose"}, ""},
	{"E11.200", "2型糖尿病伴有肾的并发症", "nephrology", true, false, 45, 95, "", 3, "糖尿病10年，泡沫尿半年", []string{"glu", "a1c", "crea", "k"}, []string{"metformin", "irbesartan"}, ""},
	{"N18.001", "慢性肾脏病5期", "nephrology", true, false, 35, 90, "", 3, "发现血肌酐升高2年", []string{"crea", "k", "hgb"}, []string{"furosemide"}, "动静脉内瘘成形术"},
	{"J18.900", "肺炎", "respiratory", false, true, 1, 99, "", 8, "发热、咳嗽5天", []string{"temp", "wbc", "crp", "spo2"}, []string{"cefuroxime", "ambroxol"}, ""},
	{"J44.100", "慢性阻塞性肺病伴有急性加重", "respiratory", true, true, 50, 99, "", 7, "咳嗽咳痰10年，气促加重3天", []string{"spo2", "wbc", "crp"}, []string{"tiotropium", "ambroxol", "cefuroxime"}, ""},
	{"J45.900x001", "支气管哮喘", "respiratory", true, false, 5, 80, "", 4, "反复喘息5年", []string{"spo2", "wbc"}, []string{"budesonide"}, ""},
	{"C34.900x001", "肺恶性肿瘤", "thoracic", false, false, 45, 90, "", 3, "体检发现右肺结节2周", []string{"hgb", "wbc", "alt"}, nil, "胸腔镜下肺叶切除术"},
	{"C16.900", "胃恶性肿瘤", "oncology", false, false, 40, 90, "", 2, "上腹痛、消瘦3个月", []string{"hgb", "alt", "wbc"}, []string{"omeprazole"}, "胃癌根治术"},
	{"C50.900x011", "乳腺恶性肿瘤", "oncology", false, false, 30, 85, "female", 2, "发现左乳肿块1个月", []string{"hgb", "wbc"}, nil, "乳腺癌改良根治术"},
	{"C22.000", "肝细胞癌", "oncology", false, false, 40, 85, "", 1, "右上腹胀痛1个月", []string{"alt", "hgb", "wbc"}, nil, "肝动脉化疗栓塞术"},
	{"K80.000", "胆囊结石伴有急性胆囊炎", "surgery", false, true, 25, 90, "", 4, "右上腹痛1天", []string{"wbc", "alt", "crp"}, []string{"cefuroxime"}, "腹腔镜下胆囊切除术"},
	{"K40.900x002", "单侧腹股沟疝", "surgery", false, false, 1, 90, "male", 3, "右腹股沟可复性包块1年", []string{"wbc", "hgb"}, nil, "腹股沟疝无张力修补术"},
	{"K92.200", "胃肠出血", "gastro", false, true, 25, 95, "", 3, "黑便2天", []string{"hgb", "bp", "wbc"}, []string{"omeprazole"}, "内镜下止血治疗"},
	{"K29.500", "慢性胃炎", "gastro", true, false, 18, 85, "", 8, "上腹隐痛、反酸半年", []string{"hgb", "alt"}, []string{"omeprazole"}, ""},
	{"B18.100", "慢性乙型病毒性肝炎，不伴有δ因子", "gastro", true, false, 20, 80, "", 4, "乙肝表面抗原阳性10年", []string{"alt", "wbc"}, []string{"entecavir"}, ""},
	{"S72.000", "股骨颈骨折", "orthopaedics", false, true, 55, 99, "", 4, "跌倒致左髋疼痛、活动受限3小时", []string{"hgb", "wbc"}, []string{"calcium"}, "人工髋关节置换术"},
	{"M51.200x003", "腰椎间盘移位", "orthopaedics", true, false, 25, 80, "", 6, "腰痛伴左下肢放射痛2个月", []string{"wbc", "crp"}, []string{"celecoxib"}, "椎间孔镜下髓核摘除术"},
	{"M17.900", "膝关节病", "orthopaedics", true, false, 50, 95, "", 6, "双膝疼痛3年", []string{"crp"}, []string{"celecoxib", "calcium"}, ""},
	{"N20.000", "肾结石", "urology", false, true, 20, 80, "", 4, "左腰部绞痛1天", []string{"crea", "wbc"}, nil, "经皮肾镜碎石术"},
	{"N40.x00", "前列腺增生", "urology", true, false, 55, 95, "male", 5, "排尿困难2年", []string{"crea"}, []string{"tamsulosin"}, "经尿道前列腺电切术"},
	{"O14.100", "重度先兆子痫", "obstetrics", false, true, 20, 42, "female", 2, "停经34周，血压升高伴头痛1天", []string{"bp", "alt", "crea"}, nil, "剖宫产术"},
	{"D25.900", "子宫平滑肌瘤", "obstetrics", false, false, 30, 55, "female", 3, "月经量增多1年", []string{"hgb"}, []string{"iron"}, "腹腔镜下子宫肌瘤切除术"},
	{"D50.900", "缺铁性贫血", "gastro", false, false, 5, 85, "", 4, "乏力、头晕2个月", []string{"hgb", "wbc"}, []string{"iron"}, ""},
	{"J06.900", "急性上呼吸道感染", "paediatrics", false, false, 0, 14, "", 12, "发热、流涕2天", []string{"temp", "wbc", "crp"}, []string{"ibuprofen"}, ""},
	{"A09.000x001", "肠道感染", "paediatrics", false, false, 0, 60, "", 6, "腹泻、呕吐1天", []string{"temp", "wbc", "k"}, nil, ""},
	{"G40.900", "癫痫", "neurology", true, true, 3, 80, "", 2, "反复发作性抽搐3年", []string{"glu", "k"}, []string{"valproate"}, ""},
	{"A16.200x002", "肺结核", "respiratory", false, false, 15, 85, "", 2, "咳嗽、低热、盗汗1个月", []string{"wbc", "alt", "crp"}, nil, ""},
	{"S06.500x002", "创伤性硬脑膜下血肿", "neurosurgery", false, true, 15, 90, "", 1, "车祸致头部外伤3小时", []string{"bp", "hgb", "wbc"}, nil, "颅内血肿清除术"},
}

func illnessesOf(d *rand.Rand, p *Patient, now time.Time) (out []illness) {
	age, sex := p.Age(now), map[bool]string{true: "male", false: "female"}[p.Male]
	var fit []illness
	total := 0
	for _, x := range illnesses {
		if age >= x.minAge && age <= x.maxAge && (x.sex == "" || x.sex == sex) {
			fit = append(fit, x)
			total += x.weight
		}
	}
	for want := 1 + d.IntN(3); len(out) < want && len(out) < len(fit); {
		n := d.IntN(total)
		for _, x := range fit {
			if n -= x.weight; n < 0 {
				if !suffers(out, x.code) {
					out = append(out, x)
				} else if want > 1 {
					want--
				}
				break
			}
		}
	}
	return out
}

func suffers(of []illness, code string) bool {
	for _, x := range of {
		if x.code == code {
			return true
		}
	}
	return false
}

// measure is one vital sign or laboratory test: normal range and where a sick person's value lies.
type measure struct {
	loinc, zh, unit, format string
	low, high               float64 // reference range
	sickLow, sickHigh       float64
	vital                   bool
}

var measures = map[string]measure{
	"sys":  {"8480-6", "收缩压", "mm[Hg]", "%.0f", 90, 139, 142, 198, true},
	"dia":  {"8462-4", "舒张压", "mm[Hg]", "%.0f", 60, 89, 90, 116, true},
	"temp": {"8310-5", "体温", "Cel", "%.1f", 36.1, 37.2, 37.5, 39.8, true},
	"spo2": {"2708-6", "血氧饱和度", "%", "%.0f", 95, 100, 84, 94, true},
	"hr":   {"8867-4", "心率", "/min", "%.0f", 60, 100, 101, 138, true},
	"glu":  {"14771-0", "空腹血糖", "mmol/L", "%.1f", 3.9, 6.1, 6.8, 17.5, false},
	"a1c":  {"4548-4", "糖化血红蛋白", "%", "%.1f", 4.0, 6.0, 6.6, 11.8, false},
	"crea": {"14682-9", "肌酐", "umol/L", "%.0f", 44, 106, 118, 760, false},
	"k":    {"2823-3", "血钾", "mmol/L", "%.2f", 3.5, 5.3, 2.6, 3.4, false},
	"ldl":  {"22748-8", "低密度脂蛋白胆固醇", "mmol/L", "%.2f", 1.5, 3.37, 3.5, 5.9, false},
	"tni":  {"89579-7", "高敏肌钙蛋白I", "ng/L", "%.1f", 0, 34.2, 60, 9800, false},
	"bnp":  {"33762-6", "N末端B型利钠肽原", "pg/mL", "%.0f", 0, 300, 480, 9600, false},
	"wbc":  {"6690-2", "白细胞计数", "10*9/L", "%.2f", 3.5, 9.5, 10.2, 19.4, false},
	"hgb":  {"718-7", "血红蛋白", "g/L", "%.0f", 115, 150, 58, 108, false},
	"crp":  {"1988-5", "C反应蛋白", "mg/L", "%.1f", 0, 8, 12, 168, false},
	"alt":  {"1742-6", "丙氨酸氨基转移酶", "U/L", "%.0f", 9, 50, 62, 420, false},
}

// medicines: name, and how it is taken in the words of a prescription.
var medicines = map[string][2]string{
	"amlodipine": {"苯磺酸氨氯地平片 5mg", "口服，一次1片，每日1次"}, "irbesartan": {"厄贝沙坦片 150mg", "口服，一次1片，每日1次"},
	"aspirin": {"阿司匹林肠溶片 100mg", "口服，一次1片，每日1次"}, "ticagrelor": {"替格瑞洛片 90mg", "口服，一次1片，每日2次"},
	"atorvastatin": {"阿托伐他汀钙片 20mg", "口服，一次1片，每晚1次"}, "metoprolol": {"琥珀酸美托洛尔缓释片 47.5mg", "口服，一次1片，每日1次"},
	"rivaroxaban": {"利伐沙班片 15mg", "口服，一次1片，每日1次"}, "furosemide": {"呋塞米片 20mg", "口服，一次1片，每日1次"},
	"metformin": {"盐酸二甲双胍片 0.5g", "口服，一次1片，每日3次"}, "acarbose": {"阿卡波糖片 50mg", "口服，一次1片，每日3次，餐时嚼服"},
	"cefuroxime": {"头孢呋辛酯片 0.25g", "口服，一次1片，每日2次"}, "ambroxol": {"盐酸氨溴索片 30mg", "口服，一次1片，每日3次"},
	"tiotropium": {"噻托溴铵粉吸入剂 18μg", "吸入，一次1粒，每日1次"}, "budesonide": {"布地奈德福莫特罗吸入粉雾剂", "吸入，一次1吸，每日2次"},
	"omeprazole": {"奥美拉唑肠溶胶囊 20mg", "口服，一次1粒，每日1次"}, "entecavir": {"恩替卡韦分散片 0.5mg", "口服，一次1片，每日1次，空腹"},
	"calcium": {"碳酸钙D3片 600mg", "口服，一次1片，每日1次"}, "celecoxib": {"塞来昔布胶囊 0.2g", "口服，一次1粒，每日1次"},
	"tamsulosin": {"盐酸坦索罗辛缓释胶囊 0.2mg", "口服，一次1粒，每晚1次"}, "iron": {"琥珀酸亚铁片 0.1g", "口服，一次1片，每日3次"},
	"ibuprofen": {"布洛芬混悬液 100ml:2g", "口服，发热时，一次5ml"}, "valproate": {"丙戊酸钠缓释片 0.5g", "口服，一次1片，每日2次"},
}

var allergens = []struct{ name, kind, reaction string }{
	{"青霉素", "medication", "皮疹"}, {"头孢菌素类", "medication", "呼吸困难"}, {"磺胺类药物", "medication", "皮疹"},
	{"碘造影剂", "medication", "荨麻疹"}, {"海鲜", "food", "荨麻疹"}, {"花生", "food", "口周水肿"}, {"阿司匹林", "medication", "哮喘发作"},
}

// spokenUnits is how a laboratory prints a UCUM unit.
var spokenUnits = map[string]string{"mm[Hg]": "mmHg", "Cel": "℃", "/min": "次/分", "umol/L": "μmol/L", "10*9/L": "×10⁹/L"}

func spoken(ucum string) string {
	if s, ok := spokenUnits[ucum]; ok {
		return s
	}
	return ucum
}
