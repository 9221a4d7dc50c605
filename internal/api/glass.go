package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Glass opens records that are closed: the whole record in an emergency, a guarded kind for a further reason.
type Glass struct {
	Store  *store.Store
	Runner *line.Runner
	Audit  audit.Log
	Tree   *access.Tree
}

// words that a reason needs at least, and may have at most, in characters.
const (
	fewWords  = 4
	manyWords = 500
	// manyMisses is how many persons somebody may fail to find by break-glass in a day.
	manyMisses = 10
	// manyRecords is how many source records of one person are opened together.
	manyRecords = 10
)

var (
	errUnknown  = fhir.Refuse(404, "not-found", "unknown-patient", "no patient has this number", "没有使用该号码的患者")
	errClinical = fhir.Refuse(403, "forbidden", "clinicians-only", "only who treats patients, in his own name, opens a record in an emergency", "仅临床人员本人可以紧急调阅")
	errReason   = fhir.Refuse(422, "value", "reason-needed", "choose a reason and say in words why", "请选择理由并用文字说明")
)

// Break opens the record of a patient for a clinician who cannot see it, wherever it is kept: for hours, and with a second
// look by the patient's hospital. The patient is named by reference or by an exact identifier.
func (g Glass) Break(ctx context.Context, body *fhir.Node) (*fhir.Node, error) {
	by := access.From(ctx)
	if by == nil {
		return nil, fhir.Refuse(401, "login", "login-required", "log in first", "请先登录")
	}
	if !access.IsClinical(by.Role) || by.Client != "" || !strings.HasPrefix(by.Practitioner, "Practitioner/") || by.Institution == "" {
		return nil, errClinical
	}
	p := line.ParamsOf(body)
	reason, text, err := reasonIn(p, access.BreakGlassReasons())
	if err != nil {
		return nil, err
	}
	kinds, err := kindsIn(p)
	if err != nil {
		return nil, err
	}
	ref, identifier := p.Str("patient"), strings.TrimSpace(p.Str("identifier"))
	if (ref == "") == (identifier == "") || ref != "" && !strings.HasPrefix(ref, "Patient/") || len(identifier) > 200 || identifier != "" && utf8.RuneCountInString(identifier[strings.LastIndexByte(identifier, '|')+1:]) < 5 {
		return nil, fhir.Refuse(422, "value", "patient-or-identifier", "name the patient by reference, or by a whole identifier", "请填写患者，或其完整的证件号、病案号")
	}
	hours, perDay := access.BreakGlassLimit()
	var answer *fhir.Node
	missed := false
	err = g.Store.Update(ctx, func(tx *store.Tx) error {
		answer, missed = fhir.New("Parameters"), false
		now := tx.Now()
		if err := tx.Lock(ctx, "break-glass "+by.Practitioner); err != nil {
			return err
		}
		for kind, most := range map[string]int{access.BreakGlass: perDay, access.Missed: manyMisses} {
			n, err := access.HowOften(ctx, tx, by.Practitioner, kind, now.Add(-24*time.Hour))
			if err != nil {
				return err
			}
			if n >= most {
				return fhir.Refuse(429, "throttled", "break-glass-limit", "you have opened as many records as one may in a day; ask medical affairs", "您今日的紧急调阅次数已达上限，请联系医务处")
			}
		}
		found, err := g.find(ctx, tx, ref, identifier)
		if err != nil {
			return err
		}
		opened := access.Opened{Kind: access.BreakGlass, Person: by.Practitioner, Org: by.Institution, Code: reason.Code, Opens: kinds, At: now, Until: now.Add(hours)}
		if len(found) == 0 {
			missed = true
			opened.ID, opened.Kind, opened.Until = reasonID(), access.Missed, now
			if err := access.Open(ctx, tx, opened); err != nil {
				return err
			}
			return g.note(ctx, tx, by, "break-glass-missed", "Patient", reason.Code, "4")
		}
		for _, v := range found {
			opened.ID, opened.Patient, opened.Keeper = reasonID(), "Patient/"+v.ID, g.Tree.Desk(v.Custodian)
			if err := access.Open(ctx, tx, opened); err != nil {
				return err
			}
			answer.Add("parameter", fhir.Obj{"name", "patient", "valueReference", fhir.Obj{"reference", opened.Patient}})
			if opened.Keeper == "" { // the hub keeps it: nobody there looks again, the audit has it
				opened.Keeper = by.Institution
			}
			task, err := g.Runner.Open(ctx, tx, by, "secondlook", "look", "opened", reason.Zh+"："+text, g.task(opened, reason, text))
			if err != nil {
				return err
			}
			answer.Add("parameter", fhir.Obj{"name", "case", "valueReference", fhir.Obj{"reference", task}})
			if err := g.note(ctx, tx, by, "break-glass", opened.Patient, reason.Code, "0", opened.Patient); err != nil {
				return err
			}
		}
		answer.Add("parameter", fhir.Obj{"name", "until", "valueDateTime", line.Stamp(opened.Until)})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if missed {
		return nil, errUnknown
	}
	return answer, nil
}

// task is the case of the second look: it shows itself and nothing of the patient.
func (g Glass) task(o access.Opened, reason access.Reason, text string) *fhir.Node {
	t := fhir.New("Task", "extension", fhir.Arr{fhir.Obj{"url", access.TaskOnly, "valueBoolean", true}}, "priority", "urgent",
		"description", "紧急调阅："+reason.Zh, "for", fhir.Ref(o.Patient, ""),
		"requester", fhir.Ref(o.Org, g.Tree.Name(o.Org)), "owner", fhir.Ref(o.Keeper, g.Tree.Name(o.Keeper)))
	line.Say(t, "input", "opened", "编号", "valueString", o.ID)
	line.Say(t, "input", "reason", "理由", "valueString", reason.Zh)
	line.Say(t, "input", "words", "说明", "valueString", text)
	line.Say(t, "input", "until", "开放至", "valueDateTime", line.Stamp(o.Until))
	for _, k := range access.Kinds() {
		if slices.Contains(o.Opens, k.Code) {
			line.Say(t, "input", "guarded", "受保护类别", "valueString", k.Zh)
		}
	}
	return t
}

// find looks whoever keeps the record; what it finds is told only with the opening.
func (g Glass) find(ctx context.Context, tx *store.Tx, ref, identifier string) ([]store.Version, error) {
	if ref != "" {
		v, err := tx.Read(ctx, search.Everything, "Patient", strings.TrimPrefix(ref, "Patient/"))
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
			return nil, nil
		}
		return []store.Version{v}, err
	}
	system, value, typed := strings.Cut(identifier, "|")
	escape := strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`).Replace
	token := escape(strings.ToUpper(system))
	if typed {
		token = escape(system) + "|" + escape(value)
	}
	q, err := search.Parse("Patient", []search.Param{{Name: "identifier", Value: token}}, search.Options{})
	if err != nil {
		return nil, err
	}
	q.Count, q.Scope = manyRecords, search.Everything
	page, err := tx.Search(ctx, q.Query)
	return page.Matches, err
}

// Further opens guarded kinds of a patient whom the caller sees already, for a further reason.
func (g Glass) Further(ctx context.Context, id string, body *fhir.Node) (*fhir.Node, error) {
	by := access.From(ctx)
	if by == nil {
		return nil, fhir.Refuse(401, "login", "login-required", "log in first", "请先登录")
	}
	if by.Client != "" || !strings.HasPrefix(by.Practitioner, "Practitioner/") || !access.SeesPatients(by.Role) {
		return nil, fhir.Refuse(403, "forbidden", "people-only", "a further reason is given by a person in his own name", "仅本人可以说明进一步理由")
	}
	p := line.ParamsOf(body)
	reason, text, err := reasonIn(p, access.FurtherReasons())
	if err != nil {
		return nil, err
	}
	kinds, err := kindsIn(p)
	if err == nil && len(kinds) == 0 {
		err = fhir.Refuse(422, "required", "kinds-needed", "name the guarded kinds: "+strings.Join(access.GuardedKinds(), ", "), "请选择受保护资料的类别")
	}
	if err != nil {
		return nil, err
	}
	var until time.Time
	err = g.Store.Update(ctx, func(tx *store.Tx) error {
		scope := by.Scope
		scope.Opens = access.GuardedKinds() // he sees the patient but for the reason
		v, err := tx.Read(ctx, scope, "Patient", id)
		if err != nil {
			return err
		}
		now := tx.Now()
		until = now.Add(access.FurtherLimit())
		if err := access.Open(ctx, tx, access.Opened{ID: reasonID(), Kind: access.FurtherReason, Person: by.Practitioner, Patient: "Patient/" + id, Org: by.Institution, Keeper: g.Tree.Institution(v.Custodian),
			Code: reason.Code, Opens: kinds, At: now, Until: until}); err != nil {
			return err
		}
		return g.note(ctx, tx, by, "further-reason:"+strings.Join(kinds, "+"), "Patient/"+id, reason.Code+": "+text, "0", "Patient/"+id)
	})
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	return fhir.New("Parameters", "parameter", fhir.Arr{fhir.Obj{"name", "until", "valueDateTime", line.Stamp(until)}}), nil
}

func (g Glass) note(ctx context.Context, tx *store.Tx, by *access.Caller, what, target, reason, outcome string, patients ...string) error {
	if g.Audit == nil {
		return nil
	}
	e := audit.By(by)
	e.At, e.Wall, e.Action, e.What, e.Target, e.Outcome, e.Reason, e.Patients, e.Count = tx.Now(), time.Now(), "E", what, target, outcome, reason, patients, len(patients)
	if strings.HasPrefix(what, access.BreakGlass) {
		e.Purpose = "ETREAT"
	}
	return g.Audit.Write(ctx, tx, e)
}

func reasonIn(p line.Params, list []access.Reason) (access.Reason, string, error) {
	reason, ok := access.ReasonOf(list, p.Str("reason"))
	text := strings.TrimSpace(p.Str("text"))
	if n := utf8.RuneCountInString(text); !ok || n < fewWords || n > manyWords {
		return reason, text, errReason
	}
	return reason, text, nil
}

func kindsIn(p line.Params) ([]string, error) {
	var kinds []string
	for _, k := range p.All("kinds") {
		if !slices.Contains(access.GuardedKinds(), k) {
			return nil, fhir.Refuse(422, "value", "unknown-kind", "no guarded kind: "+k, "没有这一受保护类别")
		}
		if !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	return kinds, nil
}

func reasonID() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
