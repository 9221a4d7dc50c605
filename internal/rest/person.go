package rest

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Persons are no resources of the store: each caller is shown the records of one person that he sees, and what survives of them.
const personType = "Person"

// goldenSource is the extension of a Person's value that says which record it is from, and by which rule it survived.
const goldenSource = spec.Canonical + "/StructureDefinition/golden-source"

var errPersonNotWritten = fhir.Refuse(http.StatusMethodNotAllowed, "not-supported", "person-not-written",
	"Persons follow from the Patients and from what people decide about them: write those", "Person 由患者档案和人工核对结果自动形成，不能直接写入")

// ofPatient are the parameters of a Person that are asked of his records, all of the same one.
var ofPatient = []string{"address", "address-city", "address-country", "address-postalcode", "address-state", "birthdate", "email", "gender", "identifier", "name", "phone", "phonetic", "telecom"}

// personal tells a call about Persons, where there is an index of them.
func (s *server) personal(c *call) bool {
	return c.typ == personType && s.Persons != nil && c.what != "operation"
}

// person answers what is asked about Persons.
func (s *server) person(c *call) (*answer, error) {
	letter := byte(mayRead)
	switch c.what {
	case "create", "update", "patch", "delete":
		return nil, errPersonNotWritten
	case "search-type", "search-compartment":
		letter = maySearch
	case "read":
	default:
		return nil, fhir.Refuse(http.StatusMethodNotAllowed, "not-supported", "person-has-no-versions", "Persons are read and searched; they have no versions", "Person 只支持读取和检索，没有历史版本")
	}
	if err := c.may(letter, personType); err != nil {
		return nil, err
	}
	if c.caller.Least() {
		return nil, fhir.Refuse(http.StatusForbidden, "forbidden", "beyond-minimum", "your role sees the least elements that its purpose needs; ask for the Patient", "您的角色只能查看工作所需的最少信息，请查询患者档案")
	}
	if c.what == "read" {
		return s.readPerson(c)
	}
	return s.searchPersons(c)
}

func (s *server) readPerson(c *call) (*answer, error) {
	id, err := strconv.ParseInt(c.id, 10, 64)
	if err != nil || id < 1 || strconv.FormatInt(id, 10) != c.id {
		return nil, notFound()
	}
	var shown *shownPerson
	err = s.Store.View(c.ctx, func(tx *store.Tx) (err error) {
		shown, err = s.personFor(c.ctx, tx, c.scope, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if shown == nil {
		return nil, notFound()
	}
	entry := c.entry("R", target(personType, c.id))
	entry.Patients, entry.Count = shown.patients, 1
	a := &answer{status: http.StatusOK, body: shown.node.JSON(), audit: &entry}
	summary, elements, err := presentation(c.query)
	if err == nil && (summary != "" || len(elements) > 0) {
		a.body, err = subset(a.body, summary, elements)
	}
	return a, err
}

// shownPerson is a person as one caller sees him.
type shownPerson struct {
	node     *fhir.Node
	patients []string
}

// personFor shows a person of whom the scope sees two records or more. One alone would tell that there is another.
func (s *server) personFor(ctx context.Context, tx *store.Tx, scope search.Scope, id int64) (*shownPerson, error) {
	members, err := tx.Members(ctx, id)
	if err != nil || len(members) < 2 {
		return nil, err
	}
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i] = strings.TrimPrefix(m.Patient, "Patient/")
	}
	found, err := tx.ReadMany(ctx, scope, "Patient", ids)
	if err != nil || len(found) < 2 {
		return nil, err
	}
	records := map[string]*fhir.Node{}
	shown, links := &shownPerson{}, fhir.Arr{}
	last, active := members[0].Since, false
	for _, m := range members {
		v, ok := found[strings.TrimPrefix(m.Patient, "Patient/")]
		if !ok {
			continue
		}
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return nil, err
		}
		records[m.Patient], shown.patients = n, append(shown.patients, m.Patient)
		if m.Since.After(last) {
			last = m.Since
		}
		active = active || n.Str("active") != "false"
		assurance := "level3"
		if m.Source != empi.Auto {
			assurance = "level4" // somebody has said so
		}
		links = append(links, fhir.Obj{"target", fhir.Ref(m.Patient, ""), "assurance", assurance})
	}
	golden, err := s.Persons.Golden(ctx, tx, shown.patients)
	if err != nil {
		return nil, err
	}
	n := fhir.New(personType, "id", strconv.FormatInt(id, 10), "meta", fhir.Obj{"lastUpdated", instantText(last)})
	for _, f := range golden {
		survivor(n, f, records[f.From])
	}
	n.Set("active", active)
	n.Set("link", links)
	shown.node = n
	return shown, nil
}

// survivor puts one value of the golden record into a Person, as its record writes it.
func survivor(n *fhir.Node, f empi.Field, record *fhir.Node) {
	from := fhir.Arr{fhir.Obj{"url", goldenSource, "extension", fhir.Arr{fhir.Extension("record", "valueReference", fhir.Ref(f.From, "")), fhir.Extension("rule", "valueCode", f.Rule)}}}
	list, plain := "", fhir.Obj{"text", f.Value}
	switch f.Field {
	case "sex", "birth":
		element := map[string]string{"sex": "gender", "birth": "birthDate"}[f.Field]
		n.Set(element, f.Value)
		n.Set("_"+element, fhir.Obj{"extension", from})
		return
	case "number":
		list, plain = "identifier", fhir.Obj{"value", f.Value}
	case "phone":
		list, plain = "telecom", fhir.Obj{"system", "phone", "value", f.Value}
	case "name", "address":
		list = f.Field
	default:
		return // R4's Person does not say whether he lives
	}
	value := fhir.Of(plain)
	for _, e := range record.All(list) {
		written := e.Str("value") == f.Value || e.Str("text") == f.Value
		if f.Field == "name" && e.Str("text") == "" {
			given := ""
			for _, g := range e.All("given") {
				given += g.Text
			}
			written = e.Str("family")+given == f.Value
		}
		if written {
			value = e.Copy()
			break
		}
	}
	value.Set("extension", from)
	n.Add(list, value)
}

// mostAsked bounds the records that a search for Persons goes through, mostNamed the ids and records that it names.
const (
	mostAsked = store.MaxCount
	mostNamed = 200
)

func (s *server) searchPersons(c *call) (*answer, error) {
	var asked, applied []search.Param
	count, none := s.DefaultCount, false
	summary, elements, err := presentation(slices.DeleteFunc(slices.Clone(c.query), func(p search.Param) bool { return p.Value == "count" }))
	if err != nil {
		return nil, err
	}
	var within [][]string // persons have a record among each of these
	if c.within != nil {
		if c.within.Type != "Patient" {
			return nil, notFound()
		}
		within = append(within, []string{"Patient/" + c.within.ID})
	}
	var only []int64
	for _, p := range c.query {
		name, modifier, _ := strings.Cut(p.Name, ":")
		if p.Value == "" {
			continue
		}
		switch {
		case name == "_format" || name == "_pretty" || name == "_total":
			continue
		case name == "_summary" && p.Value == "count":
			none = true
		case name == "_summary" || name == "_elements":
		case name == "_count":
			n, err := strconv.Atoi(p.Value)
			if err != nil || n < 0 {
				return nil, fhir.Refuse(http.StatusBadRequest, "invalid", "bad-count", "_count is a whole number from 0", "_count 应为不小于 0 的整数")
			}
			count = min(n, s.MaxCount)
		case name == "_id" && modifier == "":
			only = []int64{}
			texts := strings.Split(p.Value, ",")
			if len(texts) > mostNamed {
				return nil, tooManyNamed(p.Name)
			}
			for _, text := range texts {
				if id, err := strconv.ParseInt(text, 10, 64); err == nil {
					only = append(only, id)
				}
			}
		case (name == "link" || name == "patient") && (modifier == "" || modifier == "Patient"):
			var refs []string
			for ref := range strings.SplitSeq(p.Value, ",") {
				ref = strings.TrimPrefix(ref, c.base+"/")
				id := strings.TrimPrefix(ref, "Patient/")
				if !validID(id) {
					return nil, fhir.Refuse(http.StatusBadRequest, "value", "bad-value", p.Name+": Patient/… is expected", p.Name+"：应为 Patient/…")
				}
				if refs = append(refs, "Patient/"+id); len(refs) > mostNamed {
					return nil, tooManyNamed(p.Name)
				}
			}
			within = append(within, refs)
		case slices.Contains(ofPatient, name):
			asked = append(asked, p)
		default:
			if !c.prefer.strict && spec.Lookup(personType, name) == nil && modifier == "" {
				continue
			}
			return nil, fhir.Refuse(http.StatusBadRequest, "not-supported", "unknown-parameter", "Person is searched by link, patient, _id, "+strings.Join(ofPatient, ", "), "Person 不支持按 "+name+" 检索")
		}
		applied = append(applied, p)
	}
	if len(asked)+len(within) == 0 && only == nil {
		return nil, fhir.Refuse(http.StatusBadRequest, "required", "needs-criteria", "say whose person: link=Patient/1, identifier=system|value, …", "请写明条件，如 link=Patient/1 或 identifier=体系|号码")
	}
	var query search.Request
	if len(asked) > 0 {
		if query, err = s.parse(c, "Patient", asked, false); err != nil {
			return nil, err
		}
		query.Count = mostAsked
	}
	if none {
		count = 0
	}
	var shown []*shownPerson
	total := 0
	err = s.Store.View(c.ctx, func(tx *store.Tx) (err error) {
		shown, total, err = s.findPersons(c, tx, query, len(asked) > 0, within, only, count)
		return err
	})
	if err != nil {
		return nil, err
	}
	b := newBundleWriter("searchset", s.Clock.Now())
	b.total(int64(total))
	b.link("self", c.base+"/"+c.place()+personType, applied)
	entry := c.entry("R", c.place()+auditTarget(personType, applied))
	for _, p := range shown[:min(len(shown), count)] {
		body := p.node.JSON()
		if summary != "" || len(elements) > 0 {
			if body, err = subset(body, summary, elements); err != nil {
				return nil, err
			}
		}
		b.open(c.base + "/" + personType + "/" + p.node.ID())
		b.raw("resource", body)
		b.raw("search", []byte(`{"mode":"match"}`))
		b.close()
		entry.Patients = append(entry.Patients, p.patients...)
		entry.Count++
	}
	return &answer{status: http.StatusOK, body: b.done(), audit: &entry}, nil
}

func tooManyNamed(name string) error {
	return fhir.Refuse(http.StatusBadRequest, "too-costly", "too-many-values", name+" has too many values", "一个条件里的值过多："+name)
}

// findPersons goes from records that the caller sees to their persons, in the order of their numbers, and shows the first.
func (s *server) findPersons(c *call, tx *store.Tx, query search.Request, searched bool, within [][]string, only []int64, count int) (shown []*shownPerson, total int, err error) {
	var left []int64 // persons that hold for all conditions so far
	begun := false
	keep := func(ids []int64) {
		slices.Sort(ids)
		if ids = slices.Compact(ids); begun {
			ids = slices.DeleteFunc(ids, func(id int64) bool { return !slices.Contains(left, id) })
		}
		left, begun = ids, true
	}
	persons := func(patients []string) error {
		seen, err := tx.Linked(c.ctx, c.scope, patients...)
		if err != nil {
			return err
		}
		ids := []int64{}
		for _, p := range patients {
			if len(seen[p]) == 0 {
				continue
			}
			id, err := tx.PersonOf(c.ctx, p)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		keep(ids)
		return nil
	}
	if only != nil {
		keep(slices.Clone(only))
	}
	for _, refs := range within {
		if err := persons(refs); err != nil {
			return nil, 0, err
		}
	}
	if searched {
		page, err := tx.Search(c.ctx, query.Query)
		if err != nil {
			return nil, 0, err
		}
		if page.Next != "" {
			return nil, 0, fhir.Refuse(http.StatusBadRequest, "too-costly", "too-many-matches", "more than "+strconv.Itoa(mostAsked)+" records: ask more narrowly", "符合条件的档案过多，请缩小范围")
		}
		var patients []string
		for _, v := range page.Matches {
			patients = append(patients, "Patient/"+v.ID)
		}
		if err := persons(patients); err != nil {
			return nil, 0, err
		}
	}
	for _, id := range left {
		if only == nil && len(shown) >= count { // of those that records led to, two are seen
			total++
			continue
		}
		p, err := s.personFor(c.ctx, tx, c.scope, id)
		if err != nil {
			return nil, 0, err
		}
		if p != nil {
			shown, total = append(shown, p), total+1
		}
	}
	return shown, total, nil
}

func personCapability() fhir.Obj {
	params := fhir.Arr{fhir.Obj{"name", "_id", "type", "token"}}
	for _, name := range append([]string{"link", "patient"}, ofPatient...) {
		if p := spec.Lookup(personType, name); p != nil {
			params = append(params, fhir.Obj{"name", name, "definition", p.URL, "type", paramTypes[p.Type]})
		}
	}
	return fhir.Obj{"type", personType, "documentation", "Records of one person as far as the caller sees two of them or more, with what survives of each field; never written from outside.",
		"interaction", codes("read", "search-type"), "versioning", "no-version", "searchParam", params}
}
