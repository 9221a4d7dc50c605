package empi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

func refuse(status int, code, detail, en, zh string) error {
	return fhir.Refuse(status, code, detail, en, zh)
}

// longestReason is how many bytes of a reason are kept.
const longestReason = 2000

// say keeps a decision and gives it its number.
func say(ctx context.Context, tx *store.Tx, d *Decision) (err error) {
	if d.ID, err = number(ctx, tx, "decision"); err != nil {
		return err
	}
	about := fmt.Sprint("empi/decision/", d.ID)
	err = tx.Queue(ctx, `INSERT INTO empi_decision (id, a, b, what, reason, at, by_user, by_name, by_org, back_at, back_user, back_name, back_org, back_why, undo) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', '', '', '', ?)`,
		d.ID, d.Left, d.Right, d.What, tx.SealText(d.Reason, about), micros(d.At), d.By.User, d.By.Name, d.By.Org, d.undo)
	if err != nil {
		return fmt.Errorf("empi: decision: %w", err)
	}
	return nil
}

func back(ctx context.Context, tx *store.Tx, id int64, by By, why string) error {
	err := tx.Queue(ctx, `UPDATE empi_decision SET back_at = ?, back_user = ?, back_name = ?, back_org = ?, back_why = ? WHERE id = ? AND back_at = 0`,
		micros(tx.Now()), by.User, by.Name, by.Org, tx.SealText(why, fmt.Sprint("empi/decision/", id)), id)
	if err != nil {
		return fmt.Errorf("empi: take back: %w", err)
	}
	return nil
}

// record finds what the index knows of a Patient.
func record(ctx context.Context, tx *store.Tx, patient string) (*row, error) {
	list, err := rowsOf(ctx, tx, "patient", []string{patient})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, refuse(http.StatusConflict, "conflict", "not-indexed", "the index does not know this record yet, or it has been deleted; try again in a moment", "主索引尚未收录该档案，或档案已删除，请稍后重试")
	}
	return list[0], nil
}

func checked(reason string, by By) error {
	switch {
	case reason == "":
		return refuse(http.StatusUnprocessableEntity, "required", "needs-reason", "say why", "请填写理由")
	case len(reason) > longestReason:
		return refuse(http.StatusUnprocessableEntity, "too-long", "long-reason", "the reason is too long", "理由过长")
	case by.User == "":
		return refuse(http.StatusForbidden, "forbidden", "nobody", "a decision needs somebody who takes it", "须由登录人员作出决定")
	}
	return nil
}

// Decide keeps what somebody says of a pair, and links or parts at once. version is that of the Pair he saw;
// 409 already-decided when it has changed since.
func (x *Index) Decide(ctx context.Context, tx *store.Tx, pair, version int64, what, reason string, by By) (Decision, error) {
	if err := tx.Lock(ctx, lock); err != nil {
		return Decision{}, err
	}
	p, a, b, err := pairOf(ctx, tx, pair)
	if err != nil {
		return Decision{}, err
	}
	if what != Same && what != Different {
		return Decision{}, refuse(http.StatusUnprocessableEntity, "code-invalid", "unknown-decision", "say same or different", "请选择“同一人”或“不同人”")
	}
	if p.version != version {
		d, err := standing(ctx, tx, a.patient, b.patient)
		if err != nil {
			return Decision{}, err
		}
		if d != nil && p.state == Settled {
			who, zh := "somebody else", "他人"
			if d.By.Name != "" {
				who, zh = d.By.Name, d.By.Name
			}
			return Decision{}, refuse(http.StatusConflict, "conflict", "already-decided", who+" has decided this pair meanwhile: "+d.What, zh+"已先作出决定："+said(d.What))
		}
		return Decision{}, refuse(http.StatusConflict, "conflict", "already-decided", "this pair has changed since you opened it; look again", "该疑似重复记录已有变化，请刷新后重新核对")
	}
	return x.rule(ctx, tx, a, b, what, reason, by)
}

func said(what string) string {
	switch what {
	case Different:
		return "不同人"
	case Merged:
		return "已合并"
	}
	return "同一人"
}

// standing is what holds of two records now; nil = nothing was said.
func standing(ctx context.Context, tx *store.Tx, left, right string) (found *Decision, err error) {
	list, err := decisionsOf(ctx, tx, []string{left}, true)
	for i := range list {
		if both(list[i].Left, list[i].Right) == both(left, right) {
			found = &list[i]
		}
	}
	return found, err
}

// rule keeps a decision on two records, in place of what was said before, and decides anew around them.
func (x *Index) rule(ctx context.Context, tx *store.Tx, a, b *row, what, reason string, by By) (Decision, error) {
	if err := checked(reason, by); err != nil {
		return Decision{}, err
	}
	former, err := standing(ctx, tx, a.patient, b.patient)
	if err != nil {
		return Decision{}, err
	}
	if former != nil && !former.statement() {
		if former.What == Merged {
			return Decision{}, refuse(http.StatusConflict, "conflict", "merged", "the two records were merged: undo the merge", "两份档案已合并，请先撤销合并")
		}
		if err := back(ctx, tx, former.ID, by, reason); err != nil {
			return Decision{}, err
		}
	}
	d := Decision{Left: a.patient, Right: b.patient, What: what, Reason: reason, By: by, At: tx.Now()}
	if err := say(ctx, tx, &d); err != nil {
		return Decision{}, err
	}
	if err := x.spoken(ctx, tx, "decided", &d, a, b); err != nil {
		return Decision{}, err
	}
	return d, x.anew(ctx, tx, cause{why: byPerson, by: by, decision: d.ID}, a, b)
}

// spoken enters a decision in the logs of both records, the trail and the events.
func (x *Index) spoken(ctx context.Context, tx *store.Tx, what string, d *Decision, a, b *row) error {
	source := Decided
	if d.What == Merged {
		source = Statement
	}
	by, why := d.By, d.What
	if !d.TakenBack.IsZero() {
		by = d.TakenBackBy
	}
	for _, pair := range [][2]*row{{a, b}, {b, a}} {
		if pair[0] == nil {
			continue
		}
		e := Entry{Person: pair[0].person, Patient: pair[0].patient, What: what, Source: source, Decision: d.ID, By: by, Why: why, With: d.Left}
		if pair[0].patient == d.Left {
			e.With = d.Right
		}
		if err := x.enter(ctx, tx, e); err != nil {
			return err
		}
	}
	if x.audit != nil {
		e := audit.Of(ctx, "U", "person:"+what, "Patient/"+d.Left[len("Patient/"):])
		e.Patients = []string{d.Left, d.Right}
		e.Reason = d.Reason
		if !d.TakenBack.IsZero() {
			e.Reason = d.WhyBack
		}
		if e.User == "" {
			e.User, e.Name, e.Org = by.User, by.Name, by.Org
		}
		if err := x.audit.Write(ctx, tx, e); err != nil {
			return err
		}
	}
	kind := map[string]string{"decided": "person.decided", "taken-back": "person.decided", "merged": "person.merged", "unmerged": "person.unmerged"}[what]
	var parties []string
	for _, r := range []*row{a, b} {
		if r != nil {
			parties = append(parties, r.org)
		}
	}
	return event.Raise(ctx, tx, event.Event{Kind: kind, Focus: "Decision/" + strconv.FormatInt(d.ID, 10), Parties: desks(parties),
		Data: map[string]string{"line": "person", "decision": d.What, "step": what}})
}

// anew decides around some records after something was said of them: what they have in common is judged again first,
// because a pair that was only said has no keys in common.
func (x *Index) anew(ctx context.Context, tx *store.Tx, c cause, rows ...*row) error {
	w, err := x.weights(ctx, tx)
	if err != nil {
		return err
	}
	batch := make([]judged, 0, len(rows))
	todo := map[int64]*judged{}
	var recs []int64
	for _, r := range rows {
		if r != nil && todo[r.rec] == nil {
			batch = append(batch, judged{rec: r.rec})
			recs = append(recs, r.rec)
			todo[r.rec] = &batch[len(batch)-1]
		}
	}
	if err := x.judge(ctx, tx, w, batch); err != nil {
		return err
	}
	net := x.newNet(tx, c)
	if err := net.change(ctx, recs, todo); err != nil {
		return err
	}
	return net.settle(ctx)
}

// Link says that two records are of one person, whether they were asked about or not.
func (x *Index) Link(ctx context.Context, tx *store.Tx, left, right, reason string, by By) (Decision, error) {
	if err := tx.Lock(ctx, lock); err != nil {
		return Decision{}, err
	}
	a, b, err := two(ctx, tx, left, right)
	if err != nil {
		return Decision{}, err
	}
	return x.rule(ctx, tx, a, b, Same, reason, by)
}

// Part says that two records are of different persons, whether they were asked about or not.
func (x *Index) Part(ctx context.Context, tx *store.Tx, left, right, reason string, by By) (Decision, error) {
	if err := tx.Lock(ctx, lock); err != nil {
		return Decision{}, err
	}
	a, b, err := two(ctx, tx, left, right)
	if err != nil {
		return Decision{}, err
	}
	return x.rule(ctx, tx, a, b, Different, reason, by)
}

func two(ctx context.Context, tx *store.Tx, left, right string) (a, b *row, err error) {
	if left == right || !isPatient(left) || !isPatient(right) {
		return nil, nil, refuse(http.StatusUnprocessableEntity, "invalid", "two-records", "name two different Patients", "请指定两份不同的患者档案")
	}
	if a, err = record(ctx, tx, left); err == nil {
		b, err = record(ctx, tx, right)
	}
	return a, b, err
}

// Unlink takes a record out of a person and keeps it apart from every other record of his. Who opened one of them meanwhile is told.
func (x *Index) Unlink(ctx context.Context, tx *store.Tx, person int64, patient, reason string, by By) (list []Decision, err error) {
	if err := tx.Lock(ctx, lock); err != nil {
		return nil, err
	}
	if err := checked(reason, by); err != nil {
		return nil, err
	}
	members, err := rowsOf(ctx, tx, "person", []int64{person})
	if err != nil {
		return nil, err
	}
	var out *row
	for _, m := range members {
		if m.patient == patient {
			out = m
		}
	}
	if person <= 0 || out == nil {
		return nil, refuse(http.StatusConflict, "conflict", "not-linked", "this record is not linked with that person, or not any more", "该档案未与此人关联，或关联已解除")
	}
	former, err := decisionsOf(ctx, tx, []string{patient}, true)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if m == out {
			continue
		}
		for _, d := range former {
			if both(d.Left, d.Right) != both(patient, m.patient) || d.What == Different {
				continue
			}
			if d.What == Merged && !d.statement() {
				return nil, refuse(http.StatusConflict, "conflict", "merged", "the record was merged by its hospital: undo the merge", "该档案已由所属医院合并，请先撤销合并")
			}
			if !d.statement() {
				if err := back(ctx, tx, d.ID, by, reason); err != nil {
					return nil, err
				}
			}
		}
		d := Decision{Left: patient, Right: m.patient, What: Different, Reason: reason, By: by, At: tx.Now()}
		if err := say(ctx, tx, &d); err != nil {
			return nil, err
		}
		if err := x.spoken(ctx, tx, "decided", &d, out, m); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, x.anew(ctx, tx, cause{why: byPerson, by: by, decision: list[0].ID}, out)
}

// TakeBack ends a decision; the records are decided anew as if it had not been.
func (x *Index) TakeBack(ctx context.Context, tx *store.Tx, decision int64, reason string, by By) error {
	if err := tx.Lock(ctx, lock); err != nil {
		return err
	}
	d, err := inForce(ctx, tx, decision)
	if err != nil {
		return err
	}
	if d.What == Merged {
		return x.unmerge(ctx, tx, d, reason, by)
	}
	return x.takeBack(ctx, tx, d, "taken-back", reason, by)
}

func inForce(ctx context.Context, tx *store.Tx, id int64) (*Decision, error) {
	list, err := decisions(ctx, tx, `WHERE id = ?`, id)
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, refuse(http.StatusNotFound, "not-found", "unknown-decision", "there is no such decision", "没有这项决定")
	case !list[0].TakenBack.IsZero():
		return nil, refuse(http.StatusConflict, "conflict", "taken-back", "this decision has been taken back already", "该决定已撤回")
	}
	return &list[0], nil
}

func (x *Index) takeBack(ctx context.Context, tx *store.Tx, d *Decision, what, reason string, by By) error {
	if err := checked(reason, by); err != nil {
		return err
	}
	if err := back(ctx, tx, d.ID, by, reason); err != nil {
		return err
	}
	d.TakenBack, d.TakenBackBy, d.WhyBack = tx.Now(), by, reason
	var rows [2]*row
	for i, p := range []string{d.Left, d.Right} {
		r, err := record(ctx, tx, p)
		var unknown *fhir.Error
		if errors.As(err, &unknown) {
			continue // deleted since
		}
		if err != nil {
			return err
		}
		rows[i] = r
	}
	if err := x.spoken(ctx, tx, what, d, rows[0], rows[1]); err != nil {
		return err
	}
	return x.anew(ctx, tx, cause{why: byPerson, by: by, decision: d.ID}, rows[0], rows[1])
}
