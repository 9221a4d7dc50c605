package allocate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

var levelWords = map[Level][2]string{General: {"普通", "general"}, HDU: {"高依赖", "high-dependency"}, ICU: {"重症监护", "intensive-care"},
	CCU: {"冠心病监护", "coronary-care"}, Isolation: {"隔离", "isolation"}, Neonatal: {"新生儿", "neonatal"}, VIP: {"特需", "VIP"}}

var isolationWords = map[string][2]string{"contact": {"接触隔离", "contact isolation"}, "droplet": {"飞沫隔离", "droplet isolation"}, "airborne": {"空气隔离", "airborne isolation"}}

var kindWords = map[string][2]string{"obstetrics": {"产科", "obstetric"}, "neonatal": {"新生儿", "neonatal"}, "paediatrics": {"儿科", "paediatric"},
	"infectious": {"感染", "infectious-disease"}, "psychiatry": {"精神科", "psychiatric"}, "icu": {"重症", "intensive-care"}}

var nursingWords = map[string][2]string{"special": {"特级护理", "special nursing"}, "1": {"一级护理", "nursing level 1"}, "2": {"二级护理", "nursing level 2"}, "3": {"三级护理", "nursing level 3"}}

var sexWords = map[Sex][2]string{Male: {"男", "male"}, Female: {"女", "female"}}

func say(of map[string][2]string, code string) (zh, en string) {
	if w, ok := of[code]; ok {
		return w[0], w[1]
	}
	return code, code
}

func (l Level) words() (zh, en string) {
	if w, ok := levelWords[l]; ok {
		return w[0], w[1]
	}
	return levelWords[General][0], levelWords[General][1]
}

// say puts an objection into words for the bed desk.
func (s *scene) say(code string) (zh, en string) {
	n, w := s.n, s.ward
	men, women, unknown := n.others(s.room, n.atRoom >= 0 && n.atRoom == s.bed.Room)
	switch code {
	case "closed":
		return "该床已停用", "the bed is closed"
	case "taken":
		switch {
		case s.room.Rule == Single && men+women+unknown > 0 && (s.bed.State == Free || s.bed.State == Cleaning):
			return "该单人间已有患者", "the single room has a patient"
		case s.bed.State == Held:
			return "该床已留给他人", "the bed is held for another"
		}
		return "该床已有患者", "the bed has a patient"
	case "sex":
		switch {
		case n.sex == "":
			return "患者性别不明，只能住单人间或空病室", "the patient's sex is not known; only a single or an empty room will do"
		case s.room.Rule == Male || s.room.Rule == Female:
			rule := sexWords[s.room.Rule]
			return "该病室为" + rule[0] + "病室，不收" + sexWords[n.sex][0] + "患者", "the room is for " + rule[1] + " patients"
		case unknown > 0:
			return "该病室现住性别不明的患者", "a patient of unknown sex lies in the room"
		case n.sex == Male:
			return "该病室现住女患者", "women lie in the room"
		}
		return "该病室现住男患者", "men lie in the room"
	case "isolation":
		return s.sayIsolation(men + women + unknown)
	case "level":
		zh, en := n.Request.Level.words()
		bzh, ben := s.bed.Level.words()
		return "患者需要" + zh + "床位，该床为" + bzh + "床位", "needs " + article(en) + " bed; this is " + article(ben) + " bed"
	case "equipment":
		zh, en := (n.Equipment &^ s.bed.Equipment).words()
		return "该床缺少" + zh, "the bed has no " + en
	case "protected":
		for _, kind := range w.Kinds {
			if p := s.k.kinds[kind]; p != nil && !s.rel.own && !s.k.welcome(w, n) && !p.opens.has(n.minute) {
				zh, en := say(kindWords, kind)
				return zh + "病区不收其他科患者", "the " + en + " ward takes no other patients"
			}
		}
		zh, en := say(kindWords, n.kind)
		return zh + "患者只住" + zh + "病区", en + " patients lie in their own wards only"
	case "age":
		for _, kind := range w.Kinds {
			if p := s.k.kinds[kind]; p != nil && p.AgeUpTo != nil && (n.Age < 0 || n.Age > *p.AgeUpTo) {
				zh, en := say(kindWords, kind)
				if n.Age < 0 {
					return "患者年龄不明，不能住" + zh + "病区", "the patient's age is not known; the " + en + " ward cannot take him"
				}
				if *p.AgeUpTo == 0 {
					return zh + "病区不收 1 岁及以上患者", "the " + en + " ward takes nobody of 1 year or more"
				}
				return fmt.Sprintf("%s病区只收 %d 岁及以下患者", zh, *p.AgeUpTo), fmt.Sprintf("the %s ward takes patients up to %d years", en, *p.AgeUpTo)
			}
		}
		return fmt.Sprintf("患者 %d 岁，只住本科或儿童病区", n.Age), fmt.Sprintf("a patient of %d years lies at home or in a ward for children only", n.Age)
	case "campus":
		return "该床不在患者可住的院区", "the bed is on a campus where the patient cannot lie"
	case "licence":
		return "该病区没有患者所需专科的诊疗能力", "the ward is not able to treat the patient's specialty"
	case "lending":
		switch {
		case !w.Lends || s.k.Lends == ToNone:
			return "该病区不向其他科室借床", "the ward lends no beds"
		case s.k.Lends == ToNeighbours && !s.rel.neighbour:
			return "该病区只借给邻近专科", "the ward lends to neighbouring specialties only"
		}
		h := s.k.Night
		return "夜间（" + h.From + "–" + h.To + "）不借床，急危重症除外", "at night (" + h.From + " to " + h.To + ") beds are lent in urgent need only"
	case "stale":
		return "该病区未填报本班次护理人力，暂不借床", "the ward's nurses of this shift are not known; until then it lends no beds"
	case "nursing":
		zh, en := "患者", "the patient"
		if nw, ok := nursingWords[n.Nursing]; ok {
			zh, en = nw[0]+"患者", "a patient of "+nw[1]
		}
		load, full := number(w.Load), number(w.Capacity)
		return "该病区本班次护理负荷 " + load + "/" + full + "，再收" + zh + "（" + number(n.points) + "）将超出",
			"the ward's nursing load is " + load + " of " + full + "; " + en + " (" + number(n.points) + ") would be too much"
	default: // limit
		if s.k.teamFull(n, w) {
			return fmt.Sprintf("该医疗组在本病区已用 %d 张床，达到上限", w.Teams[n.Team]), "the team has " + plural(w.Teams[n.Team], "bed") + " in this ward, its limit"
		}
		return fmt.Sprintf("该病区已借出 %d 张床，达到上限", s.lent), "the ward has lent " + plural(s.lent, "bed") + ", its limit"
	}
}

func (s *scene) sayIsolation(others int) (zh, en string) {
	n := s.n
	if others > 0 && s.room.Isolation != "" && !(n.rule.Cohort && n.Isolation == s.room.Isolation) {
		zh, en = say(isolationWords, s.room.Isolation)
		return "该病室正在" + zh, "the room is under " + en
	}
	zh, en = say(isolationWords, n.Isolation)
	switch lacks := n.rule.equipment &^ s.bed.Equipment; {
	case lacks != 0:
		lzh, len := lacks.words()
		return "患者需要" + zh + "，该床没有" + lzh, "needs " + en + "; the bed has no " + len
	case others > 0:
		return "患者需要" + zh + "，该病室已有其他患者", "needs " + en + "; others lie in the room"
	}
	return "患者需要" + zh + "，该病室不是单人间", "needs " + en + "; this is not a single room"
}

func (e Equipment) words() (zh, en string) {
	var z, n []string
	for _, p := range pieces {
		if e&p.bit != 0 {
			z, n = append(z, p.zh), append(n, p.en)
		}
	}
	return strings.Join(z, "、"), strings.Join(n, ", ")
}

func article(word string) string {
	if strings.ContainsRune("aeio", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// short forms of the hard rules, for counting beds.
var shortWords = map[string][2]string{"closed": {"停用", "closed"}, "taken": {"已占用", "taken"}, "sex": {"病室性别不符", "wrong sex of room"},
	"isolation": {"隔离条件不符", "isolation"}, "level": {"床位级别不符", "wrong level"}, "equipment": {"设备不足", "equipment missing"},
	"protected": {"受保护病区", "protected wards"}, "age": {"年龄不符", "age"}, "campus": {"院区不符", "other campus"}, "licence": {"无专科能力", "not able to treat"},
	"lending": {"不借床", "not lending"}, "stale": {"护理人力未填报", "nurses not known"}, "nursing": {"护理已满", "nursing full"},
	"limit": {"借床已达上限", "lending limit"}, "given": {"已安排给更急或更久的患者", "proposed to others in greater need"},
	"reserve": {"为急诊保留", "kept for emergencies"}}

// Word says a hard rule, or why else there is no bed, in short.
func Word(code string) (zh, en string) { return say(shortWords, code) }

// ago says a time of waiting.
func ago(d time.Duration) (zh, en string) {
	switch h := int(d.Hours()); {
	case h < 1:
		m := max(1, int(d.Minutes()))
		return fmt.Sprintf("%d 分钟", m), plural(m, "minute")
	case h < 48:
		return fmt.Sprintf("%d 小时", h), plural(h, "hour")
	default:
		return fmt.Sprintf("%d 天", h/24), plural(h/24, "day")
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return strconv.Itoa(n) + " " + word + "s"
}
