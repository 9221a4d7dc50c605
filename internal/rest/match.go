package rest

import (
	"context"
	"net/http"
	"strconv"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// matchGrade is R4's extension of a search entry.
const matchGrade = "http://hl7.org/fhir/StructureDefinition/match-grade"

// Bounds of one $match: candidates looked at, and shown unless count says less.
const (
	mostCandidates  = 500
	shownCandidates = 50
)

// likely is the probability from which a match that somebody has to look at is called probable.
const likely = 0.5

// personOperations ask the index of persons, and tell it.
func (s *server) personOperations() []Operation {
	if s.Persons == nil {
		return nil
	}
	return []Operation{
		{Type: "Patient", Name: "match", Safe: true, Handle: s.match, Doc: "Which records may be of the person that resource describes; each with a score and the extension match-grade."},
		{Type: "Patient", Name: "ihe-pix", Safe: true, Handle: s.pix, Doc: "IHE PIXm ITI-83: the identifiers of the person whom sourceIdentifier names, of targetSystem or of all systems."},
	}
}

// mayMatch refuses who may not read and search Patients whole.
func mayMatch(caller *access.Caller) error {
	for _, letter := range []byte{mayRead, maySearch} {
		if err := caller.May(letter, "Patient"); err != nil {
			return err
		}
	}
	if caller.Least() {
		return fhir.Refuse(http.StatusForbidden, "forbidden", "beyond-minimum", "your role searches by the least elements that its purpose needs", "您的角色只能按工作所需的最少信息查询")
	}
	return nil
}

// match is Patient/$match: the candidates that the caller sees, graded by how sure the index is.
func (s *server) match(ctx context.Context, c Call) (Answer, error) {
	caller := access.From(ctx)
	if err := mayMatch(caller); err != nil {
		return Answer{}, err
	}
	asked := c.Value("resource")
	if c.Body.Type() == "Patient" {
		asked = c.Body
	}
	if asked.Type() != "Patient" {
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "required", "patient-required", "$match needs Parameters with resource, a Patient", "$match 需要 Parameters，其中 resource 为 Patient")
	}
	certain, err := c.truth("onlyCertainMatches")
	if err != nil {
		return Answer{}, err
	}
	count := shownCandidates
	if text := c.Param("count"); text != "" {
		if count, err = strconv.Atoi(text); err != nil || count < 1 {
			return Answer{}, fhir.Refuse(http.StatusBadRequest, "value", "bad-value", "count: a number from 1 is expected", "count：值不正确")
		}
		count = min(count, mostCandidates)
	}
	rec := empi.FromPatient(asked, caller.Institution)
	if rec.ID = ""; len(rec.Names)+len(rec.Numbers)+len(rec.Phones) == 0 {
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "required", "nothing-to-match", "a name, an identifier or a telephone is needed to match by", "至少需要姓名、证件号码或电话之一")
	}
	var shown []matched
	several := false
	err = s.Store.View(ctx, func(tx *store.Tx) (err error) {
		if shown, err = s.matches(ctx, tx, c, rec); err != nil || !certain {
			return err
		}
		shown, several = sure(shown)
		return nil
	})
	if err != nil {
		return Answer{}, err
	}
	total := len(shown)
	shown = shown[:min(total, count)]
	versions := make([]store.Version, len(shown))
	for i, m := range shown {
		versions[i] = m.version
	}
	err = s.Store.View(ctx, func(tx *store.Tx) error { return showLinks(ctx, tx, c.Scope, versions) })
	if err != nil {
		return Answer{}, err
	}
	b := newBundleWriter("searchset", s.Clock.Now())
	b.total(int64(total))
	for i, m := range shown {
		b.open(c.Base + "/Patient/" + m.version.ID)
		b.raw("resource", versions[i].JSON)
		b.raw("search", fhir.Of(fhir.Obj{"extension", fhir.Arr{fhir.Extension(matchGrade, "valueCode", m.grade)}, "mode", "match",
			"score", fhir.Of(score(m.found.Verdict.Probability))}).JSON())
		b.close()
	}
	if several {
		b.open("")
		b.raw("resource", outcome([]fhir.Issue{{Severity: "warning", Code: "multiple-matches", Detail: "multiple-matches",
			Text: "more than one person matches for certain, so none is shown; ask without onlyCertainMatches", Zh: "有多人符合，按 onlyCertainMatches 不返回结果"}}, c.Lang, c.Request).JSON())
		b.raw("search", []byte(`{"mode":"outcome"}`))
		b.close()
	}
	entry := audit.Of(ctx, "R", "match", "Patient")
	entry.Request = c.Request
	entry.Patients, entry.Count = patients(versions...), len(versions)
	return jsonAnswer(b.done(), &entry), nil
}

// score is a number from 0 to 1 as a search entry has it.
func score(p float64) *fhir.Node {
	return &fhir.Node{Kind: fhir.Number, Text: strconv.FormatFloat(max(0, min(1, p)), 'f', 4, 64)}
}

// matched is a candidate that the caller sees.
type matched struct {
	found   empi.Candidate
	version store.Version
	grade   string
}

func (s *server) matches(ctx context.Context, tx *store.Tx, c Call, rec match.Record) ([]matched, error) {
	found, err := s.Persons.Match(ctx, tx, rec, 0)
	if err != nil {
		return nil, err
	}
	found = found[:min(len(found), mostCandidates)]
	ids := make([]string, len(found))
	for i, f := range found {
		ids[i] = f.Patient[len("Patient/"):]
	}
	seen, err := tx.ReadMany(ctx, c.Scope, "Patient", ids)
	if err != nil {
		return nil, err
	}
	var shown []matched
	for i, f := range found {
		if v, ok := seen[ids[i]]; ok {
			shown = append(shown, matched{f, v, gradeOf(f.Verdict)})
		}
	}
	return shown, nil
}

func gradeOf(v match.Verdict) string {
	switch {
	case v.Outcome == match.Same && v.Bar == "":
		return "certain"
	case v.Outcome == match.Same, v.Outcome == match.Possible && v.Probability >= likely:
		return "probable"
	case v.Outcome == match.Possible:
		return "possible"
	}
	return "certainly-not"
}

// sure keeps the certain ones when all of them are of one person; several says that they are not.
func sure(shown []matched) (certain []matched, several bool) {
	for _, m := range shown {
		if m.grade != "certain" {
			continue
		}
		if len(certain) > 0 && (m.found.Person == 0 || m.found.Person != certain[0].found.Person) {
			return nil, true
		}
		certain = append(certain, m)
	}
	return certain, false
}

// truth reads a boolean parameter; absent is false.
func (c Call) truth(name string) (bool, error) {
	switch c.Param(name) {
	case "true":
		return true, nil
	case "false", "":
		return false, nil
	}
	return false, fhir.Refuse(http.StatusBadRequest, "value", "bad-value", name+" is true or false", name+" 只能是 true 或 false")
}
