package simulate

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
)

// Bounds of what is read.
const (
	MostRows = 5_000_000
	MostBeds = 50_000
)

// ErrColumns: the file's headings lack what is needed.
var ErrColumns = errors.New("columns are missing")

// BadRow is a row that cannot be used, by its line and a stable code.
type BadRow struct {
	Line int
	Code string
	En   string
	Zh   string
}

func (b BadRow) Error() string {
	return fmt.Sprintf("line %d: %s: %s / %s", b.Line, b.Code, b.En, b.Zh)
}

// headings by what they say, Chinese or English, as they are written without spaces and signs.
var headings = map[string][]string{
	"id":         {"id", "编号", "序号", "住院号", "申请单号"},
	"arrival":    {"arrival", "arrivaltime", "requested", "申请时间", "到达时间", "入院申请时间", "入院时间"},
	"specialty":  {"specialty", "speciality", "department", "科室", "专科", "科别"},
	"sex":        {"sex", "gender", "性别"},
	"urgency":    {"urgency", "priority", "急缓", "紧急程度", "入院类别", "类别"},
	"needs":      {"needs", "需要", "需求", "特殊需求"},
	"ward":       {"ward", "病区"},
	"stay":       {"stay", "stayhours", "hours", "住院小时", "住院时长", "住院时长小时", "在院小时"},
	"promised":   {"promised", "promiseddate", "承诺时间", "承诺日期", "预约日期"},
	"nursing":    {"nursing", "nursinglevel", "护理级别", "护理等级"},
	"age":        {"age", "年龄"},
	"campus":     {"campus", "院区"},
	"bed":        {"bed", "床号", "床位"},
	"room":       {"room", "病室", "房间"},
	"level":      {"level", "床位级别", "级别"},
	"rule":       {"sexrule", "rule", "sex", "病室性别", "性别规则", "性别"},
	"equipment":  {"equipment", "设备"},
	"count":      {"count", "beds", "床数", "数量", "张数"},
	"neighbours": {"neighbours", "neighbors", "邻近科室", "相邻科室"},
	"kinds":      {"kinds", "protected", "保护类别"},
	"lends":      {"lends", "可借床", "外借"},
	"points":     {"points", "capacity", "护理能力"},
}

// words of the columns with a fixed choice.
var (
	sexes = map[string]allocate.Sex{"male": allocate.Male, "m": allocate.Male, "男": allocate.Male, "1": allocate.Male,
		"female": allocate.Female, "f": allocate.Female, "女": allocate.Female, "2": allocate.Female, "": "", "unknown": "", "未知": ""}
	roomRules = map[string]allocate.Sex{"male": allocate.Male, "男": allocate.Male, "m": allocate.Male, "female": allocate.Female, "女": allocate.Female, "f": allocate.Female,
		"mixed": allocate.Mixed, "混合": allocate.Mixed, "不限": allocate.Mixed, "": allocate.Mixed, "single": allocate.Single, "单间": allocate.Single, "单人": allocate.Single}
	howUrgent = map[string]allocate.Urgency{"emergency": allocate.Emergency, "急诊": allocate.Emergency, "危急": allocate.Emergency,
		"urgent": allocate.Urgent, "紧急": allocate.Urgent, "急": allocate.Urgent, "限期": allocate.Urgent, "cancer": allocate.Cancer, "肿瘤": allocate.Cancer,
		"elective": allocate.Elective, "择期": allocate.Elective, "平诊": allocate.Elective, "普通": allocate.Elective, "": allocate.Elective}
	levels = map[string]allocate.Level{"general": allocate.General, "普通": allocate.General, "": allocate.General, "hdu": allocate.HDU, "过渡监护": allocate.HDU,
		"icu": allocate.ICU, "重症": allocate.ICU, "ccu": allocate.CCU, "冠心病监护": allocate.CCU, "isolation": allocate.Isolation, "隔离": allocate.Isolation,
		"neonatal": allocate.Neonatal, "新生儿": allocate.Neonatal, "vip": allocate.VIP, "特需": allocate.VIP}
	devices = map[string]allocate.Equipment{"monitor": allocate.Monitor, "监护仪": allocate.Monitor, "监护": allocate.Monitor, "oxygen": allocate.Oxygen, "供氧": allocate.Oxygen,
		"吸氧": allocate.Oxygen, "氧气": allocate.Oxygen, "negativepressure": allocate.NegativePressure, "负压": allocate.NegativePressure,
		"ventilator": allocate.Ventilator, "呼吸机": allocate.Ventilator, "dialysis": allocate.Dialysis, "透析": allocate.Dialysis}
	isolations = map[string]string{"contact": "contact", "接触隔离": "contact", "droplet": "droplet", "飞沫隔离": "droplet", "airborne": "airborne", "空气隔离": "airborne"}
	nursings   = map[string]string{"special": "special", "特级": "special", "特级护理": "special", "1": "1", "一级": "1", "一级护理": "1", "2": "2", "二级": "2", "二级护理": "2",
		"3": "3", "三级": "3", "三级护理": "3", "": ""}
)

// sheet reads rows by what their headings say.
type sheet struct {
	*csv.Reader
	at map[string]int
}

func open(r io.Reader, needed ...string) (*sheet, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	head, err := in.Peek(1 << 16)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3)
		head = head[3:]
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	s := &sheet{at: map[string]int{}}
	if valid(head) {
		s.Reader = csv.NewReader(in)
	} else {
		s.Reader = csv.NewReader(simplifiedchinese.GB18030.NewDecoder().Reader(in))
	}
	s.ReuseRecord, s.FieldsPerRecord, s.TrimLeadingSpace = true, -1, true
	for _, d := range "\t;" {
		if bytes.Count(line, []byte(string(d))) > bytes.Count(line, []byte(",")) {
			s.Comma = d
		}
	}
	names, err := s.Read()
	if err != nil {
		return nil, fmt.Errorf("%w: no headings: %w", ErrColumns, err)
	}
	for i, name := range names {
		for what, known := range headings {
			if _, taken := s.at[what]; !taken && slices.Contains(known, plainly(name)) {
				s.at[what] = i
			}
		}
	}
	for _, what := range needed {
		if _, ok := s.at[what]; !ok {
			return nil, fmt.Errorf("%w: %s (%s)", ErrColumns, what, strings.Join(headings[what], ", "))
		}
	}
	return s, nil
}

// valid UTF-8, but for a letter that the end of the buffer cuts.
func valid(head []byte) bool {
	for cut := range min(4, len(head)+1) {
		if utf8.Valid(head[:len(head)-cut]) {
			return true
		}
	}
	return false
}

// plainly is a word without case, spaces and signs.
func plainly(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" _-()（）/.　\ufeff\t", r) {
			return -1
		}
		return r
	}, strings.ToLower(strings.TrimSpace(s)))
}

func (s *sheet) field(row []string, what string) string {
	i, ok := s.at[what]
	if !ok || i >= len(row) {
		return ""
	}
	return strings.TrimSpace(row[i])
}

// each row; a bad one is told and passed over.
func (s *sheet) each(take func(line int, row []string) *BadRow, bad func(BadRow)) error {
	for n := 0; ; n++ {
		row, err := s.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		line, _ := s.FieldPos(0)
		if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
			bad(BadRow{parse.Line, "csv", "the row cannot be read: " + parse.Err.Error(), "该行无法读取"})
			continue
		}
		if err != nil {
			return err
		}
		if n >= MostRows {
			return fmt.Errorf("simulate: more than %d rows", MostRows)
		}
		if slices.IndexFunc(row, func(f string) bool { return strings.TrimSpace(f) != "" }) < 0 {
			continue
		}
		if b := take(line, row); b != nil {
			b.Line = line
			bad(*b)
		}
	}
}

func split(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" ,;|+、，；/", r) })
}

var timeForms = []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006/1/2 15:04:05", "2006/1/2 15:04",
	"2006-01-02", "2006/1/2", "20060102150405", "200601021504"}

func when(s string, zone *time.Location) (time.Time, bool) {
	for _, form := range timeForms {
		if t, err := time.ParseInLocation(form, s, zone); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// ReadBeds reads one row a room, or a row of beds that are the same. Every row must be good: a hospital with some beds
// missing would answer another question.
func ReadBeds(r io.Reader) (*allocate.Pool, error) {
	s, err := open(r, "ward", "count")
	if err != nil {
		return nil, err
	}
	p := &allocate.Pool{}
	wards, rooms := map[string]int{}, map[string]int{}
	var wrong []error
	err = s.each(func(line int, row []string) *BadRow { return s.bedRow(p, wards, rooms, row) }, func(b BadRow) {
		if len(wrong) < 100 {
			wrong = append(wrong, b)
		}
	})
	if err == nil {
		err = errors.Join(wrong...)
	}
	if err == nil && len(p.Beds) == 0 {
		err = errors.New("simulate: no beds")
	}
	kinds := make([]string, len(p.Wards)) // what all beds of a ward say of it
	for i := range p.Beds {
		b := &p.Beds[i]
		kind := map[allocate.Level]string{allocate.ICU: "icu", allocate.CCU: "icu", allocate.Neonatal: "neonatal"}[b.Level]
		if w := &p.Wards[b.Ward]; w.Free == 0 {
			kinds[b.Ward] = kind
		} else if kinds[b.Ward] != kind {
			kinds[b.Ward] = ""
		}
		p.Wards[b.Ward].Free++
	}
	for i, kind := range kinds {
		if kind != "" && p.Wards[i].Kinds == nil {
			p.Wards[i].Kinds = []string{kind}
		}
	}
	for i := range p.Wards {
		if p.Wards[i].Capacity == 0 { // who says nothing of nurses has enough of them
			p.Wards[i].Capacity = 1e9
		}
	}
	return p, err
}

func (s *sheet) bedRow(p *allocate.Pool, wards, rooms map[string]int, row []string) *BadRow {
	name := s.field(row, "ward")
	count, err := strconv.Atoi(s.field(row, "count"))
	if name == "" || err != nil || count < 1 || count+len(p.Beds) > MostBeds {
		return &BadRow{Code: "count", En: "a ward and a number of beds are needed", Zh: "须有病区和床数"}
	}
	level, ok := levels[plainly(s.field(row, "level"))]
	if !ok {
		return &BadRow{Code: "level", En: "level is none of general, hdu, icu, ccu, isolation, neonatal, vip", Zh: "床位级别无法识别"}
	}
	rule, ok := roomRules[plainly(s.field(row, "rule"))]
	if !ok {
		return &BadRow{Code: "sex", En: "the room's rule is none of male, female, mixed, single", Zh: "病室性别规则无法识别"}
	}
	var equipment allocate.Equipment
	for _, word := range split(s.field(row, "equipment")) {
		bit, ok := devices[plainly(word)]
		if !ok {
			return &BadRow{Code: "equipment", En: "equipment is none of monitor, oxygen, negative-pressure, ventilator, dialysis", Zh: "设备无法识别"}
		}
		equipment |= bit
	}
	points := 0.0
	if text := s.field(row, "points"); text != "" {
		if points, err = strconv.ParseFloat(text, 64); err != nil || !(points >= 0 && points < 1e9) {
			return &BadRow{Code: "points", En: "nursing points are no number", Zh: "护理能力不是数字"}
		}
	}
	w, known := wards[name]
	if !known {
		w = len(p.Wards)
		wards[name] = w
		campus := s.field(row, "campus")
		p.Wards = append(p.Wards, allocate.Ward{ID: "Organization/" + name, Name: name, Campus: "Location/" + campus, Lends: true})
	}
	ward := &p.Wards[w]
	for _, x := range []struct {
		what string
		into *[]string
	}{{"specialty", &ward.Specialties}, {"neighbours", &ward.Neighbours}, {"kinds", &ward.Kinds}} {
		for _, code := range split(s.field(row, x.what)) {
			if !slices.Contains(*x.into, code) {
				*x.into = append(*x.into, code)
			}
		}
	}
	switch plainly(s.field(row, "lends")) {
	case "false", "no", "0", "否":
		ward.Lends = false
	}
	ward.Capacity += points
	named := s.field(row, "room")
	for range count {
		room, known := rooms[name+"\x00"+named]
		if named == "" || !known {
			room = len(p.Rooms)
			p.Rooms = append(p.Rooms, allocate.Room{ID: fmt.Sprintf("Location/room-%d", room), Rule: rule})
			rooms[name+"\x00"+named] = room
		}
		p.Beds = append(p.Beds, allocate.Bed{ID: fmt.Sprintf("Location/bed-%06d", len(p.Beds)), Ward: w, Room: room, Level: level, Equipment: equipment, State: allocate.Free})
	}
	return nil
}
