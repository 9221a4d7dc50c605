package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// maxTimeline bounds how many resources a person's timeline looks at.
const maxTimeline = 1000

// maxRecords bounds how many records of one person the page joins beside the one asked for; it says how many it left out.
var maxRecords = 100

type banner struct {
	Reference   string   `json:"reference"`
	Name        string   `json:"name"`
	Sex         string   `json:"sex"`
	Age         int      `json:"age"`
	BirthDate   string   `json:"birthDate"`
	IDMasked    string   `json:"idMasked"`
	PhoneMasked string   `json:"phoneMasked"`
	Address     string   `json:"address"`
	Allergies   []string `json:"allergies"`
	Alerts      []string `json:"alerts"`
	Custodian   Ref      `json:"custodian"`
}

type moment struct {
	At        string `json:"at"`
	Until     string `json:"until,omitempty"`
	Kind      string `json:"kind"`
	Title     string `json:"title"`
	Detail    string `json:"detail"`
	Org       string `json:"org"`
	Reference string `json:"reference"`
	Abnormal  bool   `json:"abnormal"`
	Record    string `json:"record"`         // whose: "Patient/…"
	Line      string `json:"line,omitempty"` // of a case: in which line it opens

	when time.Time
}

// source says how a type is told.
type source struct {
	typ, kind string
	tell      func(n *fhir.Node, m *moment)
}

var sources = []source{
	{"Encounter", "encounter", tellEncounter},
	{"Condition", "condition", tellCondition},
	{"Observation", "result", tellObservation},
	{"DiagnosticReport", "result", tellReport},
	{"ImagingStudy", "result", tellImaging},
	{"DocumentReference", "document", tellDocument},
	{"Procedure", "procedure", tellProcedure},
	{"MedicationRequest", "medication", tellMedication},
	{"Immunization", "other", tellImmunization},
	{"CarePlan", "other", tellPlan},
	{"Task", "referral", tellReferral},
}

func (p Patients) show(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	id, query := r.PathValue("id"), r.URL.Query()
	size := 50
	if n, err := strconv.Atoi(query.Get("count")); err == nil && n > 0 {
		size = min(n, 200)
	}
	after, err := p.readCursor(query.Get("cursor"))
	if err != nil {
		Refuse(w, r, err)
		return
	}
	var top *banner
	var line []moment
	var records []record
	left := 0
	err = p.Store.View(r.Context(), func(tx *store.Tx) error {
		names := newNamer(tx, caller.Scope)
		n, v, err := readPatient(r.Context(), tx, caller.Scope, id)
		if err != nil {
			return err
		}
		records = []record{{"Patient/" + id, names.ref(r.Context(), v.Custodian)}}
		if query.Get("person") != "false" {
			linked, more, err := p.linked(r.Context(), tx, caller.Scope, "Patient/"+id, names)
			if err != nil {
				return err
			}
			records, left = append(records, linked...), more
		}
		if top, err = p.banner(r.Context(), tx, caller.Scope, n, records); err != nil {
			return err
		}
		line, err = p.timeline(r.Context(), tx, caller.Scope, records, query.Get("kind"), after, size, names)
		return err
	})
	if err == nil {
		shown := make([]string, len(records))
		for i, rec := range records {
			shown[i] = rec.Reference
		}
		err = p.touched(w, r, "patient-page", "Patient/"+id, shown)
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	next := ""
	if len(line) > size {
		line = line[:size]
		next = line[size-1].cursor()
	}
	if line == nil {
		line = []moment{}
	}
	Answer(w, http.StatusOK, map[string]any{"banner": top, "records": records, "left": left, "timeline": line, "next": next})
}

// record is one of a person's records, with whoever keeps it.
type record struct {
	Reference string `json:"reference"`
	Custodian Ref    `json:"custodian"`
}

// linked are the other records of the same person that the scope sees, and how many more of them there are than the page joins.
func (p Patients) linked(ctx context.Context, tx *store.Tx, scope search.Scope, patient string, names *namer) (records []record, left int, err error) {
	linked, err := tx.Linked(ctx, scope, patient)
	if err != nil || len(linked) == 0 {
		return nil, 0, err
	}
	others := linked[patient]
	left = max(0, len(others)-maxRecords)
	ids := make([]string, min(len(others), maxRecords))
	for i := range ids {
		ids[i] = strings.TrimPrefix(others[i], "Patient/")
	}
	found, err := tx.ReadMany(ctx, scope, "Patient", ids)
	if err != nil {
		return nil, 0, err
	}
	for _, id := range ids {
		if v, ok := found[id]; ok {
			records = append(records, record{"Patient/" + id, names.ref(ctx, v.Custodian)})
		}
	}
	return records, left, nil
}

// before orders moments, the newest first.
func before(a, b moment) int {
	if c := b.when.Compare(a.when); c != 0 {
		return c
	}
	return strings.Compare(b.Reference, a.Reference)
}

func (m moment) cursor() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", m.when.UnixMicro(), m.Reference))
}

// readCursor finds the moment at which the page before ended; nil for the first page.
func (p Patients) readCursor(text string) (*moment, error) {
	if text == "" {
		return nil, nil
	}
	key, err := base64.RawURLEncoding.DecodeString(text)
	at, reference, _ := strings.Cut(string(key), " ")
	us, err2 := strconv.ParseInt(at, 10, 64)
	if err != nil || err2 != nil {
		return nil, fhir.Refuse(400, "invalid", "bad-cursor", "the cursor is not one of ours", "翻页标记无效")
	}
	return &moment{Reference: reference, when: time.UnixMicro(us).In(p.zone())}, nil
}

func (p Patients) banner(ctx context.Context, tx *store.Tx, scope search.Scope, n *fhir.Node, records []record) (*banner, error) {
	b := &banner{"Patient/" + n.ID(), nameOf(n), n.Str("gender"), p.age(n), n.Str("birthDate"), maskID(residentID(n)), maskPhone(phoneOf(n)), addressOf(n),
		[]string{}, []string{}, records[0].Custodian}
	for i, rec := range records {
		from := ""
		if i > 0 && rec.Custodian.Display != "" {
			from = "［" + rec.Custodian.Display + "］"
		}
		if err := b.warn(ctx, tx, scope, rec.Reference, from); err != nil {
			return nil, err
		}
	}
	if n.Str("deceasedBoolean") == "true" || n.Str("deceasedDateTime") != "" {
		b.Alerts = append(b.Alerts, "已故")
	}
	return b, nil
}

// warn adds the allergies of one record, each once, with where it is from.
func (b *banner) warn(ctx context.Context, tx *store.Tx, scope search.Scope, patient, from string) error {
	allergies, _, err := tx.Compartment(ctx, scope, patient, []string{"AllergyIntolerance"}, time.Time{}, 50)
	if err != nil {
		return err
	}
	for _, v := range allergies {
		a, err := fhir.Parse(v.JSON)
		if err != nil {
			return err
		}
		if status := a.Str("clinicalStatus.coding[0].code"); status == "inactive" || status == "resolved" || a.Str("verificationStatus.coding[0].code") == "entered-in-error" {
			continue
		}
		text := words(a.Get("code"))
		if reaction := words(a.Get("reaction[0].manifestation[0]")); reaction != "" {
			text += "（" + reaction + "）"
		}
		if !slices.Contains(b.Allergies, text) {
			b.Allergies = append(b.Allergies, text+from)
		}
		if alert := "高危过敏：" + words(a.Get("code")); a.Str("criticality") == "high" && !slices.Contains(b.Alerts, alert) {
			b.Alerts = append(b.Alerts, alert)
		}
	}
	return nil
}

// timeline returns the moments of some records after a cursor, newest first: more than size of them if there are more.
func (p Patients) timeline(ctx context.Context, tx *store.Tx, scope search.Scope, records []record, kind string, after *moment, size int, names *namer) ([]moment, error) {
	var types []string
	told := map[string]source{}
	for _, s := range sources {
		if kind == "" || s.kind == kind {
			types, told[s.typ] = append(types, s.typ), s
		}
	}
	until := time.Time{}
	if after != nil {
		until = after.when
	}
	for limit := size + 12; ; limit = maxTimeline { // some more than a page, for moments of the same second
		var line []moment
		var known time.Time // of what happened later than this nothing is missing
		has := map[string]bool{}
		for _, rec := range records {
			found, more, err := tx.Compartment(ctx, scope, rec.Reference, types, until, limit)
			if err != nil {
				return nil, err
			}
			var oldest time.Time
			for _, v := range found {
				m, err := p.moment(ctx, told[v.Type], v, names)
				if err != nil {
					return nil, err
				}
				if m.Record = rec.Reference; more && !v.At.IsZero() {
					oldest = m.when
				}
				if !has[m.Reference] && (after == nil || before(*after, m) < 0) {
					has[m.Reference] = true
					line = append(line, m)
				}
			}
			if oldest.After(known) {
				known = oldest
			}
		}
		slices.SortFunc(line, before)
		if known.IsZero() || limit == maxTimeline {
			return line, nil
		}
		sure, _ := slices.BinarySearchFunc(line, known, func(m moment, at time.Time) int { return at.Compare(m.when) })
		if sure > size {
			return line[:sure], nil
		}
	}
}

// moment is told by its own date; what has none stands where it was recorded or, at last, stored.
func (p Patients) moment(ctx context.Context, s source, v store.Listed, names *namer) (moment, error) {
	m := moment{Kind: s.kind, Reference: s.typ + "/" + v.ID, Org: names.of(ctx, v.Custodian)}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return m, err
	}
	s.tell(n, &m)
	m.when, err = parseTime(m.At, p.zone())
	switch {
	case !v.At.IsZero():
		m.when = v.At
	case err != nil:
		m.when = v.Updated
	}
	if err != nil {
		m.At = m.when.In(p.zone()).Format(time.RFC3339)
	}
	return m, nil
}

func parseTime(text string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	for _, form := range []string{time.DateOnly, "2006-01", "2006"} {
		if t, err := time.ParseInLocation(form, text, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("no time")
}

func first(n *fhir.Node, paths ...string) string {
	for _, path := range paths {
		if s := n.Str(path); s != "" {
			return s
		}
	}
	return ""
}

// words of a CodeableConcept: its text, else a display, else the code itself.
func words(n *fhir.Node) string {
	if s := n.Str("text"); s != "" {
		return s
	}
	for _, c := range n.All("coding") {
		if s := c.Str("display"); s != "" {
			return s
		}
	}
	return n.Str("coding[0].code")
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " · ")
}

func tellEncounter(n *fhir.Node, m *moment) {
	m.At, m.Until = n.Str("period.start"), n.Str("period.end")
	m.Title = words(n.Get("type[0]"))
	class := n.Str("class.display")
	if m.Title == "" {
		m.Title = first(n, "class.display", "class.code")
	} else if class == m.Title {
		class = ""
	}
	m.Detail = joined(class, words(n.Get("reasonCode[0]")), n.Str("diagnosis[0].condition.display"))
	if org := n.Str("serviceProvider.display"); org != "" {
		m.Org = org
	}
}

func tellCondition(n *fhir.Node, m *moment) {
	m.At = first(n, "onsetDateTime", "onsetPeriod.start", "recordedDate")
	m.Until = n.Str("abatementDateTime")
	m.Title = words(n.Get("code"))
	m.Detail = joined(words(n.Get("clinicalStatus")), words(n.Get("severity")))
}

func tellObservation(n *fhir.Node, m *moment) {
	m.At = first(n, "effectiveDateTime", "effectivePeriod.start", "effectiveInstant", "issued")
	m.Title = words(n.Get("code"))
	m.Detail = joined(valueOf(n), rangeOf(n.Get("referenceRange[0]")), words(n.Get("interpretation[0]")))
	m.Abnormal = isAbnormal(n)
}

func valueOf(n *fhir.Node) string {
	if q := n.Get("valueQuantity"); q != nil {
		return strings.TrimSpace(q.Str("comparator") + short(q.Str("value")) + " " + first(q, "unit", "code"))
	}
	if c := n.Get("valueCodeableConcept"); c != nil {
		return words(c)
	}
	if s := first(n, "valueString", "valueInteger", "valueDateTime", "valueBoolean"); s != "" {
		return s
	}
	var parts []string
	for _, c := range n.All("component") {
		parts = append(parts, words(c.Get("code"))+" "+valueOf(c))
	}
	return strings.Join(parts, "，")
}

// short leaves out what no instrument measures: a number of more than four decimals keeps five figures.
func short(number string) string {
	if _, decimals, _ := strings.Cut(number, "."); len(decimals) <= 4 {
		return number
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || v != 0 && math.Abs(v) < 1e-4 || math.Abs(v) >= 1e5 {
		return number
	}
	return strconv.FormatFloat(v, 'g', 5, 64)
}

func rangeOf(n *fhir.Node) string {
	low, high := n.Str("low.value"), n.Str("high.value")
	switch {
	case n.Str("text") != "":
		return "参考 " + n.Str("text")
	case low != "" && high != "":
		return "参考 " + low + "–" + high
	case high != "":
		return "参考 ≤" + high
	case low != "":
		return "参考 ≥" + low
	}
	return ""
}

func isAbnormal(n *fhir.Node) bool {
	for _, i := range append(n.All("interpretation"), n.All("component[0].interpretation")...) {
		for _, c := range i.All("coding") {
			switch c.Str("code") {
			case "H", "L", "HH", "LL", "A", "AA", "HU", "LU", "POS", "DET":
				return true
			}
		}
	}
	return false
}

func tellReport(n *fhir.Node, m *moment) {
	m.At = first(n, "effectiveDateTime", "effectivePeriod.start", "issued")
	m.Title = words(n.Get("code"))
	var results []string
	for _, r := range n.All("result") {
		if s := r.Str("display"); s != "" {
			results = append(results, s)
		}
	}
	m.Detail = joined(words(n.Get("category[0]")), n.Str("conclusion"), strings.Join(results, "、"), n.Str("performer[0].display"))
}

func tellImaging(n *fhir.Node, m *moment) {
	m.At = n.Str("started")
	m.Title = first(n, "description", "procedureCode[0].text", "modality[0].display", "modality[0].code")
	m.Detail = joined(n.Str("modality[0].code"), count(n.Str("numberOfSeries"), "个序列"), count(n.Str("numberOfInstances"), "幅图像"))
}

func count(n, what string) string {
	if n == "" {
		return ""
	}
	return n + " " + what
}

// fileKind is the word of a desk for a type of file; plain text needs none.
func fileKind(contentType string) string {
	switch {
	case contentType == "application/pdf":
		return "PDF"
	case strings.HasPrefix(contentType, "image/"):
		return "图片"
	case contentType == "application/dicom":
		return "影像"
	case strings.Contains(contentType, "wordprocessingml"):
		return "Word"
	case strings.Contains(contentType, "spreadsheetml"), contentType == "text/csv":
		return "表格"
	}
	return ""
}

func tellDocument(n *fhir.Node, m *moment) {
	m.At = first(n, "date", "content[0].attachment.creation")
	m.Title = first(n, "content[0].attachment.title", "description")
	if m.Title == "" {
		m.Title = words(n.Get("type"))
	}
	kind := words(n.Get("type"))
	if kind == m.Title {
		kind = ""
	}
	m.Detail = joined(kind, fileKind(n.Str("content[0].attachment.contentType")))
	if n.Str("docStatus") == "preliminary" {
		m.Detail = joined("尚未传完", m.Detail)
	}
}

func tellProcedure(n *fhir.Node, m *moment) {
	m.At, m.Until = first(n, "performedDateTime", "performedPeriod.start"), n.Str("performedPeriod.end")
	m.Title = words(n.Get("code"))
	m.Detail = joined(words(n.Get("outcome")), words(n.Get("reasonCode[0]")))
}

func tellMedication(n *fhir.Node, m *moment) {
	m.At = n.Str("authoredOn")
	m.Title = words(n.Get("medicationCodeableConcept"))
	if m.Title == "" {
		m.Title = first(n, "medicationReference.display", "medicationReference.reference")
	}
	m.Detail = n.Str("dosageInstruction[0].text")
}

func tellImmunization(n *fhir.Node, m *moment) {
	m.At, m.Title = n.Str("occurrenceDateTime"), words(n.Get("vaccineCode"))
	m.Detail = "预防接种"
}

func tellPlan(n *fhir.Node, m *moment) {
	m.At, m.Until = first(n, "period.start", "created"), n.Str("period.end")
	m.Title = first(n, "title")
	if m.Title == "" {
		m.Title = words(n.Get("category[0]"))
	}
	m.Detail = n.Str("description")
}

func tellReferral(n *fhir.Node, m *moment) {
	m.At = n.Str("authoredOn")
	m.Title = words(n.Get("code"))
	for _, c := range n.All("code.coding") {
		if c.Str("system") == line.LineSystem {
			m.Line = c.Str("code")
		}
	}
	m.Detail = joined(words(n.Get("businessStatus")), n.Str("description"))
	from, to := n.Str("requester.display"), n.Str("owner.display")
	if from != "" && to != "" {
		m.Detail = joined(from+" → "+to, m.Detail)
	}
}

func addressOf(n *fhir.Node) string {
	a := n.Get("address[0]")
	if s := a.Str("text"); s != "" {
		return s
	}
	var lines []string
	for _, l := range a.All("line") {
		lines = append(lines, l.Text)
	}
	return strings.Join(slices.DeleteFunc([]string{strings.Join(lines, " "), a.Str("city"), a.Str("state"), a.Str("country")}, func(s string) bool { return s == "" }), ", ")
}

// namer remembers the names of organisations during one answer.
type namer struct {
	tx    *store.Tx
	scope search.Scope
	known map[string]string
}

func newNamer(tx *store.Tx, scope search.Scope) *namer {
	return &namer{tx, scope, map[string]string{}}
}

func (n *namer) of(ctx context.Context, org string) string {
	if name, ok := n.known[org]; ok || org == "" {
		return name
	}
	name := ""
	if id, ok := strings.CutPrefix(org, "Organization/"); ok {
		if v, err := n.tx.Read(ctx, n.scope, "Organization", id); err == nil {
			if o, err := fhir.Parse(v.JSON); err == nil {
				name = first(o, "alias[0]", "name")
			}
		}
	}
	n.known[org] = name
	return name
}

func (n *namer) ref(ctx context.Context, org string) Ref { return Ref{org, n.of(ctx, org)} }
