package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/bundle"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// mergeNumber names a merge for its undo.
const mergeNumber = spec.Canonical + "/sid/merge"

// errPreview ends a unit that only shows what it would do.
var errPreview = errors.New("only a preview")

// settling is how long a merge waits until the index knows what was written just before.
const settling = 5 * time.Second

func (s *server) mergeOperations() []Operation {
	if s.Persons == nil {
		return nil
	}
	return []Operation{
		{Type: "Patient", Name: "merge", Handle: s.merge, Doc: "R5's merge of two records of one hospital: the source becomes inactive and replaced by the target; nothing that refers to it is rewritten."},
		{Type: "Patient", Name: "unmerge", Handle: s.unmerge, Doc: "Takes a merge back: both records are what they were, and stay apart."},
	}
}

// sides are the records that a merge is about, as the caller sees them.
type sides struct{ source, target store.Version }

func (v sides) refs() (source, target string) {
	return "Patient/" + v.source.ID, "Patient/" + v.target.ID
}

// merge is Patient/$merge.
func (s *server) merge(ctx context.Context, c Call) (Answer, error) {
	caller := access.From(ctx)
	if err := access.MayMerge(caller); err != nil {
		return Answer{}, err
	}
	preview, err := c.truth("preview")
	if err != nil {
		return Answer{}, err
	}
	result := c.Value("result-patient")
	if err := s.settle(ctx); err != nil {
		return Answer{}, err
	}
	var d empi.Decision
	var after sides
	err = s.Store.Update(ctx, func(tx *store.Tx) error {
		both, err := s.sidesOf(ctx, tx, caller, c)
		if err != nil {
			return err
		}
		if result != nil {
			if err := s.putResult(ctx, tx, c, both.target, result.Copy()); err != nil {
				return err
			}
		}
		source, target := both.refs()
		if d, err = s.Persons.Merge(ctx, tx, source, target, c.why(caller), empi.Caller(ctx)); err != nil {
			return err
		}
		if after.source, err = tx.Read(ctx, c.Scope, "Patient", both.source.ID); err == nil {
			after.target, err = tx.Read(ctx, c.Scope, "Patient", both.target.ID)
		}
		if err == nil && result != nil {
			err = tx.Claim(ctx, resultOf, strconv.FormatInt(d.ID, 10), fmt.Sprintf("%d %d", both.target.VID, after.target.VID))
		}
		if err == nil && preview {
			err = errPreview
		}
		return err
	})
	if preview && errors.Is(err, errPreview) {
		err = nil
	}
	if err != nil {
		return Answer{}, err
	}
	done := fhir.Issue{Severity: "information", Code: "informational", Detail: "merged", Text: "merged", Zh: "已合并"}
	if preview {
		done = fhir.Issue{Severity: "information", Code: "informational", Detail: "preview", Text: "preview only: nothing was written", Zh: "仅预览，未写入"}
	}
	kept, err := fhir.Parse(after.target.JSON)
	if err != nil {
		return Answer{}, err
	}
	parameters := fhir.Arr{
		fhir.Obj{"name", "input", "resource", c.Body},
		fhir.Obj{"name", "outcome", "resource", outcome([]fhir.Issue{done}, c.Lang, c.Request)},
		fhir.Obj{"name", "result", "resource", kept}}
	if !preview {
		parameters = append(parameters, fhir.Obj{"name", "task", "resource", s.taskOf(d)})
	}
	entry := audit.Of(ctx, "R", "merge", "Patient/"+after.target.ID)
	entry.Request = c.Request
	entry.Patients, entry.Count = patients(after.source, after.target), 2
	return Answer{Body: fhir.New("Parameters", "parameter", parameters), Audit: &entry}, nil
}

// unmerge is Patient/$unmerge, which HL7 has no name for yet.
func (s *server) unmerge(ctx context.Context, c Call) (Answer, error) {
	caller := access.From(ctx)
	if err := access.MayMerge(caller); err != nil {
		return Answer{}, err
	}
	if err := s.settle(ctx); err != nil {
		return Answer{}, err
	}
	var after sides
	restored := true
	err := s.Store.Update(ctx, func(tx *store.Tx) error {
		both, err := s.sidesOf(ctx, tx, caller, c)
		if err != nil {
			return err
		}
		source, target := both.refs()
		said, err := s.Persons.Decisions(ctx, tx, source)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(said, func(d empi.Decision) bool {
			return d.What == empi.Merged && d.Left == source && d.Right == target && d.TakenBack.IsZero()
		})
		if i < 0 {
			return fhir.Refuse(http.StatusUnprocessableEntity, "business-rule", "not-merged", "source-patient is not merged into target-patient", "该档案没有合并到目标档案")
		}
		if err := s.Persons.Unmerge(ctx, tx, said[i].ID, c.why(caller), empi.Caller(ctx)); err != nil {
			return err
		}
		if restored, err = s.takeResultBack(ctx, tx, c, both.target, said[i].ID); err != nil {
			return err
		}
		if after.source, err = tx.Read(ctx, c.Scope, "Patient", both.source.ID); err == nil {
			after.target, err = tx.Read(ctx, c.Scope, "Patient", both.target.ID)
		}
		return err
	})
	if err != nil {
		return Answer{}, err
	}
	var parameters fhir.Arr
	done := []fhir.Issue{{Severity: "information", Code: "informational", Detail: "unmerged", Text: "taken back", Zh: "已撤销合并"}}
	if !restored {
		done = append(done, fhir.Issue{Severity: "warning", Code: "informational", Detail: "content-stays", Text: "the target has been changed since it was merged: its content stays", Zh: "保留的档案在合并后又有修改，其内容未恢复"})
	}
	parameters = append(parameters, fhir.Obj{"name", "outcome", "resource", outcome(done, c.Lang, c.Request)})
	for _, v := range []store.Version{after.source, after.target} {
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return Answer{}, err
		}
		parameters = append(parameters, fhir.Obj{"name", "result", "resource", n})
	}
	entry := audit.Of(ctx, "R", "unmerge", "Patient/"+after.target.ID)
	entry.Request = c.Request
	entry.Patients, entry.Count = patients(after.source, after.target), 2
	return Answer{Body: fhir.New("Parameters", "parameter", parameters), Audit: &entry}, nil
}

// settle lets the index catch up. While others write without pause it may not, and then it says itself what it does not know.
func (s *server) settle(ctx context.Context) error {
	patience, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	err := s.Persons.Settle(patience)
	if ctx.Err() == nil && patience.Err() != nil {
		return nil
	}
	return err
}

// why is the reason given; a hospital's program states a fact of its own register.
func (c Call) why(caller *access.Caller) string {
	if reason := strings.TrimSpace(c.Param("reason")); reason != "" || caller.Role != access.Program {
		return reason
	}
	return "stated by the hospital's own system 由医院系统声明"
}

// sidesOf finds source and target: both seen by the caller and kept by his own institution. What he does not see is
// answered as what is not there.
func (s *server) sidesOf(ctx context.Context, tx *store.Tx, caller *access.Caller, c Call) (both sides, err error) {
	if both.source, err = s.sideOf(ctx, tx, c, "source"); err == nil {
		both.target, err = s.sideOf(ctx, tx, c, "target")
	}
	if err != nil {
		return both, err
	}
	if both.source.ID == both.target.ID {
		return both, fhir.Refuse(http.StatusUnprocessableEntity, "business-rule", "same-record", "source and target are one record", "源档案与目标档案相同")
	}
	for _, v := range []store.Version{both.source, both.target} {
		if err := s.writer.mayChange(caller, "Patient", v.Custodian); err != nil {
			return both, err
		}
	}
	return both, nil
}

// sideOf is the one record that side-patient and all side-patient-identifier name.
func (s *server) sideOf(ctx context.Context, tx *store.Tx, c Call, side string) (store.Version, error) {
	unknown := fhir.Refuse(http.StatusUnprocessableEntity, "not-found", "unknown-patient", side+"-patient: no such record, or none that you may see", side+"-patient：没有这份档案，或您无权查看")
	name, found := side+"-patient", []string(nil)
	if n := c.Value(name); n != nil {
		typ, id, ok := localReference(strings.TrimPrefix(n.Str("reference"), c.Base+"/"))
		if !ok || typ != "Patient" {
			return store.Version{}, fhir.Refuse(http.StatusBadRequest, "value", "bad-value", name+": a reference to Patient/… is expected", name+"：应引用 Patient/…")
		}
		found = []string{"Patient/" + id}
	}
	given := false
	for _, p := range c.Body.All("parameter") {
		if p.Str("name") != name+"-identifier" {
			continue
		}
		given = true
		identifier := p.Get("valueIdentifier")
		if identifier.Str("system") == "" || identifier.Str("value") == "" {
			return store.Version{}, fhir.Refuse(http.StatusBadRequest, "value", "bad-value", name+"-identifier: system and value are expected", name+"-identifier：须有 system 和 value")
		}
		named, err := s.named(ctx, tx, c.Scope, identifier.Str("system"), identifier.Str("value"))
		if err != nil {
			return store.Version{}, err
		}
		if found == nil {
			found = named
		} else {
			found = slices.DeleteFunc(found, func(ref string) bool { return !slices.Contains(named, ref) })
		}
		if len(found) == 0 {
			return store.Version{}, unknown
		}
	}
	switch {
	case len(found) == 0 && !given:
		return store.Version{}, fhir.Refuse(http.StatusBadRequest, "required", "patient-required", name+" or "+name+"-identifier is needed", "须给出 "+name+" 或 "+name+"-identifier")
	case len(found) > 1:
		return store.Version{}, fhir.Refuse(http.StatusUnprocessableEntity, "multiple-matches", "several-records", name+"-identifier names several records", name+"-identifier 对应多份档案")
	}
	v, err := tx.Read(ctx, c.Scope, "Patient", strings.TrimPrefix(found[0], "Patient/"))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return v, unknown
	}
	return v, err
}

// resultOf claims, for the merge that a result-patient came with, the target's versions before and after it.
const resultOf = "merge-result"

// putResult writes the target as the client wants it to be, under the rules of an update, and without losing a number of it.
func (s *server) putResult(ctx context.Context, tx *store.Tx, c Call, target store.Version, n *fhir.Node) error {
	differs := func(text, zh string) error {
		return fhir.Refuse(http.StatusUnprocessableEntity, "business-rule", "bad-result-patient", "result-patient "+text, "result-patient "+zh)
	}
	if n.Type() != "Patient" || n.ID() != target.ID || n.Str("active") == "false" {
		return differs("is the target, with its id, and stays active", "须为目标档案（同一 id），且保持有效")
	}
	before, err := fhir.Parse(target.JSON)
	if err != nil {
		return err
	}
	has := map[[2]string]bool{}
	for _, i := range n.All("identifier") {
		has[[2]string{i.Str("system"), i.Str("value")}] = true
	}
	for _, i := range before.All("identifier") {
		if !has[[2]string{i.Str("system"), i.Str("value")}] {
			return differs("lacks an identifier of the target", "缺少目标档案已有的号码")
		}
	}
	withoutLinks(n)
	if err := s.writer.fit(&change{}, n); err != nil {
		return err
	}
	for _, r := range bundle.References(n) {
		r.Text = strings.TrimPrefix(r.Text, c.Base+"/")
		typ, id, ok := localReference(r.Text)
		if !ok {
			continue
		}
		seen, err := tx.Sees(ctx, c.Scope, typ, []string{id})
		if err == nil && !seen[id] {
			err = at(fhir.Refuse(http.StatusUnprocessableEntity, "not-found", "unknown-reference", r.Text+" is not here, or not for you to see", "引用的记录不存在或无权查看："+r.Text), n, r)
		}
		if err != nil {
			return err
		}
	}
	ready, err := store.Prepare(n)
	if err != nil {
		return err
	}
	_, err = tx.Put(ctx, store.Put{Op: store.Update, Type: "Patient", ID: target.ID, Resource: ready, IfMatch: target.VID})
	return err
}

// takeResultBack gives the target the content that it had before a merge with a result-patient, unless somebody has
// changed it since.
func (s *server) takeResultBack(ctx context.Context, tx *store.Tx, c Call, target store.Version, merge int64) (restored bool, err error) {
	key := strconv.FormatInt(merge, 10)
	held, ok, err := tx.Claimed(ctx, resultOf, key)
	if err != nil || !ok {
		return true, err
	}
	if err := tx.Release(ctx, resultOf, key); err != nil {
		return false, err
	}
	var before, after int64
	if _, err := fmt.Sscan(held, &before, &after); err != nil {
		return false, fmt.Errorf("rest: unmerge: %w", err)
	}
	if target.VID != after {
		return false, nil
	}
	v, err := tx.ReadVersion(ctx, c.Scope, "Patient", target.ID, before)
	if err != nil {
		return false, err
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return false, err
	}
	ready, err := store.Prepare(n)
	if err != nil {
		return false, err
	}
	_, err = tx.Put(ctx, store.Put{Op: store.Update, Type: "Patient", ID: target.ID, Resource: ready})
	return err == nil, err
}

// taskOf tells of a merge that is done; it is shown only, and stands for the index's own decision.
func (s *server) taskOf(d empi.Decision) *fhir.Node {
	at := instantText(d.At.In(s.Zone))
	return fhir.New("Task",
		"identifier", fhir.Arr{fhir.Identifier(mergeNumber, strconv.FormatInt(d.ID, 10))},
		"status", "completed", "intent", "order",
		"code", fhir.Concept(spec.Canonical+"/CodeSystem/person-task", "merge", "Patient merge"),
		"authoredOn", at, "lastModified", at,
		"input", fhir.Arr{
			fhir.Obj{"type", fhir.TextConcept("source-patient"), "valueReference", fhir.Ref(d.Left, "")},
			fhir.Obj{"type", fhir.TextConcept("target-patient"), "valueReference", fhir.Ref(d.Right, "")}})
}
