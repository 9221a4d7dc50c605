package booking

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Operation hangs under /fhir/Appointment/$name. Parameters are those of IHE ITI Scheduling.
type Operation struct {
	Name, Doc string
	Safe      bool
	Handle    func(ctx context.Context, c Call) (Answer, error)
}

// Call is what came over HTTP.
type Call struct {
	Params *fhir.Node // Parameters; nil when none were sent
	Key    string     // Idempotency-Key
	Base   string     // absolute URL of /fhir
	Query  func(name string) string
}

// Asked is a parameter as text: from the Parameters, else from the query.
func (c Call) Asked(name string) string {
	for _, p := range c.Params.All("parameter") {
		if p.Str("name") != name {
			continue
		}
		for i := range p.Members {
			m := &p.Members[i]
			if !strings.HasPrefix(m.Name, "value") {
				continue
			}
			if m.Value.Kind != fhir.Object {
				return strings.TrimSpace(m.Value.Text)
			}
			for _, k := range []string{"reference", "code", "coding[0].code", "text"} {
				if s := m.Value.Str(k); s != "" {
					return strings.TrimSpace(s)
				}
			}
		}
	}
	if c.Query == nil {
		return ""
	}
	return c.Query(name)
}

// Answer is a searchset Bundle of Appointments, with the entry of what was read; changes have left theirs.
type Answer struct {
	Body  *fhir.Node
	Audit *audit.Entry
}

// Operations are served where a Tree is given.
func (r *Room) Operations() []Operation {
	return []Operation{
		{Name: "find", Safe: true, Handle: r.find,
			Doc: "Proposed Appointments for what is free from start to end (dateTime): beds and Slots of the caller's institution or of organization; location-reference, specialty, slot=true and _count narrow it. Open-ended without end."},
		{Name: "hold", Handle: r.holdOperation,
			Doc: "Holds what a proposed Appointment is about (appointment-reference of $find, or appointment-resource) for patient-reference until expires, else for ten minutes; specialty is whose bed the patient needs. 409 taken when somebody was faster."},
		{Name: "book", Handle: r.book,
			Doc: "Books a held Appointment, or a proposed one at once, for patient-reference; it runs out no more. With appointment-resource of status cancelled it is given back."},
		{Name: "release", Handle: r.releaseOperation,
			Doc: "Gives a held or booked Appointment back (appointment-reference, reason)."},
	}
}

// brief is how long a hold by $hold lasts that says nothing else; longest is the most.
const (
	brief   = 10 * time.Minute
	longest = 30 * 24 * time.Hour
)

// holdOperation holds a proposed Appointment.
func (r *Room) holdOperation(ctx context.Context, c Call) (Answer, error) {
	return r.change(ctx, "hold", c, func(u *unit, a *asked) (string, error) {
		p, err := u.proposed(a)
		if err != nil {
			return "", err
		}
		if p == nil {
			return "", noAppointment()
		}
		expires := u.now.Add(brief)
		if t := c.Asked("expires"); t != "" {
			if expires, err = instant(t, "expires"); err != nil {
				return "", err
			}
			if expires.After(u.now.Add(longest)) {
				return "", fhir.Refuse(422, "business-rule", "too-long", "a hold lasts 30 days at most; book it", "预留最长 30 天，请直接预约")
			}
		}
		return u.holdFor(p, a, expires)
	})
}

// book confirms a hold, or holds and confirms at once.
func (r *Room) book(ctx context.Context, c Call) (Answer, error) {
	return r.change(ctx, "book", c, func(u *unit, a *asked) (string, error) {
		if a.resource.Str("status") == "cancelled" {
			return u.giveBack(a, c.Asked("reason"))
		}
		p, err := u.proposed(a)
		if err != nil {
			return "", err
		}
		id := a.id
		if p != nil {
			if id, err = u.holdFor(p, a, u.now.Add(brief)); err != nil {
				return "", err
			}
		}
		b, err := u.mine(id)
		if err != nil {
			return "", err
		}
		switch {
		case b.State == Confirmed:
			return id, nil
		case b.State != Held:
			return "", over(b)
		}
		if b.Patient == "" && a.patient == "" {
			return "", fhir.Refuse(422, "required", "patient-required", "say for whom: patient-reference", "请指明患者")
		}
		if a.patient != "" && a.patient != b.Patient {
			if b.Patient != "" {
				return "", fhir.Refuse(422, "business-rule", "other-patient", "it is held for another patient", "该预留属于其他患者")
			}
			if err := u.sees(a.patient); err != nil {
				return "", err
			}
			if u.Guard != nil {
				who := &Command{Do: Hold, Thing: b.Thing, Pool: b.Pool, Holder: b.Holder, Patient: a.patient, From: b.From, Until: b.Until, Expires: b.Expires}
				if err := u.Guard(u.ctx, u.tx, u.by, who, b); err != nil {
					return "", err
				}
			}
			after := *b
			after.Patient = a.patient
			if err := u.write(b, &after, 0); err != nil {
				return "", err
			}
		}
		return id, u.Do(u.ctx, u.tx, u.by, Command{Do: Confirm, Holder: b.Holder})
	})
}

func (r *Room) releaseOperation(ctx context.Context, c Call) (Answer, error) {
	return r.change(ctx, "release", c, func(u *unit, a *asked) (string, error) { return u.giveBack(a, c.Asked("reason")) })
}

func (u *unit) giveBack(a *asked, reason string) (string, error) {
	b, err := u.mine(a.id)
	if err != nil {
		return "", err
	}
	if !b.State.Live() {
		return a.id, nil
	}
	if len([]rune(reason)) > 400 {
		return "", fhir.Refuse(422, "too-long", "reason-too-long", "the reason is longer than 400 characters", "原因过长")
	}
	return a.id, u.Do(u.ctx, u.tx, u.by, Command{Do: Release, Holder: b.Holder, Reason: reason})
}

// change performs one operation as one unit: rights, Idempotency-Key, commands, audit.
func (r *Room) change(ctx context.Context, name string, c Call, do func(*unit, *asked) (string, error)) (Answer, error) {
	by := access.From(ctx)
	if by == nil {
		return Answer{}, fhir.Refuse(401, "login", "login-required", "log in first", "请先登录")
	}
	if err := r.mayBook(by, ""); err != nil {
		return Answer{}, err
	}
	a, err := r.asked(c)
	if err != nil {
		return Answer{}, err
	}
	hash := digest(name, c)
	var shown store.Version
	for try := 1; ; try++ {
		err = r.Store.Update(ctx, func(tx *store.Tx) error {
			u := r.unit(ctx, tx, by)
			id, known, err := u.recall(c.Key, hash)
			if err != nil {
				return err
			}
			if !known {
				if id, err = do(u, a); err != nil {
					return err
				}
				if r.Audit != nil {
					e := audit.Of(ctx, "U", "appointment-"+name, "Appointment/"+id)
					e.At, e.Wall, e.Count = u.now, time.Now(), 1
					if b, err := r.Get(ctx, tx, id); err != nil {
						return err
					} else if b != nil && b.Patient != "" {
						e.Patients = []string{b.Patient}
					}
					if err := r.Audit.Write(ctx, tx, e); err != nil {
						return err
					}
				}
				if c.Key != "" {
					if err := tx.Remember(ctx, "booking:"+by.User, c.Key, hash, []byte(id)); err != nil {
						return err
					}
				}
			}
			shown, err = u.shown(id)
			return err
		})
		if !errors.Is(err, store.ErrTryAgain) && !errors.Is(err, store.ErrConflict) || try == 4 {
			break
		}
	}
	if err != nil {
		return Answer{}, err
	}
	n, err := fhir.Parse(shown.JSON)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Body: r.bundle(c.Base, []*fhir.Node{n})}, nil
}

func digest(name string, c Call) string {
	h := sha256.New()
	h.Write([]byte(name + "\x00"))
	if c.Params != nil {
		h.Write(c.Params.JSON())
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (u *unit) recall(key, hash string) (id string, known bool, err error) {
	if key == "" {
		return "", false, nil
	}
	was, answer, ok, err := u.tx.Recall(u.ctx, "booking:"+u.by.User, key)
	if err != nil || !ok {
		return "", false, err
	}
	if was != hash {
		return "", false, fhir.Refuse(422, "business-rule", "key-reused", "this Idempotency-Key was used for another request", "该幂等键已用于另一请求")
	}
	return string(answer), true, nil
}

// shown is the Appointment after the change. Whoever may book sees what he booked.
func (u *unit) shown(id string) (store.Version, error) {
	if _, err := u.mine(id); err != nil {
		return store.Version{}, err
	}
	return u.tx.Read(u.ctx, search.Everything, "Appointment", id)
}

// asked is what the Parameters of an operation say.
type asked struct {
	id       string     // of the Appointment
	resource *fhir.Node // as sent, nil when none
	patient  string
	needs    []byte // what the patient needs of a bed, as waiting rows say it; nil = nothing was said
}

func (r *Room) asked(c Call) (*asked, error) {
	a := &asked{patient: c.Asked("patient-reference")}
	if code := specialtyOf(c); code != "" {
		needs, err := json.Marshal(map[string]string{"specialty": code, "urgency": "elective"})
		if err != nil {
			return nil, err
		}
		a.needs = needs
	}
	for _, p := range c.Params.All("parameter") {
		switch p.Str("name") {
		case "appointment-resource":
			a.resource = p.Get("resource")
		case "task", "focus":
			return nil, bySteps()
		}
	}
	ref := c.Asked("appointment-reference")
	if i := strings.LastIndex(ref, "Appointment/"); i >= 0 {
		a.id = ref[i+len("Appointment/"):]
	} else {
		a.id = ref
	}
	if a.id == "" && a.resource != nil {
		a.id = a.resource.ID()
	}
	if a.resource != nil && a.resource.Type() != "Appointment" {
		return nil, fhir.Refuse(422, "value", "bad-resource", "appointment-resource must be an Appointment", "appointment-resource 须为预约资源")
	}
	if a.id == "" && a.resource == nil {
		return nil, fhir.Refuse(422, "required", "appointment-required", "appointment-reference or appointment-resource is required", "请指明预约")
	}
	if a.patient == "" && a.resource != nil {
		for _, x := range a.resource.All("participant") {
			if to := x.Str("actor.reference"); strings.HasPrefix(to, "Patient/") {
				a.patient = to
			}
		}
	}
	if a.patient != "" {
		i := strings.LastIndex(a.patient, "Patient/")
		if i < 0 || len(a.patient)-i > 72 {
			return nil, fhir.Refuse(422, "value", "bad-reference", "patient-reference must be Patient/…", "患者引用无效")
		}
		a.patient = a.patient[i:]
	}
	return a, nil
}

// specialtyOf is the code of a specialty, without its system.
func specialtyOf(c Call) string {
	s := c.Asked("specialty")
	return s[strings.LastIndex(s, "|")+1:]
}

func bySteps() error {
	return fhir.Refuse(422, "business-rule", "only-by-steps", "what is held for a case goes by the steps of its Task", "流程业务的资源须通过其步骤办理")
}

func noAppointment() error {
	return fhir.Refuse(404, "not-found", "no-such-appointment", "no such Appointment", "没有这项预约")
}

func over(b *Booking) error {
	return fhir.Refuse(409, "conflict", "not-held", "the Appointment is "+string(b.State), "该预约已结束")
}

// mine is a booking of one of the operations that this caller may change; a stranger learns nothing.
func (u *unit) mine(id string) (*Booking, error) {
	b, err := u.Get(u.ctx, u.tx, id)
	if err != nil {
		return nil, err
	}
	if b == nil || u.mayBook(u.by, b.Pool) != nil {
		return nil, noAppointment()
	}
	if isTask(b.Holder) {
		return nil, bySteps()
	}
	return b, nil
}

// sees refuses a patient whom the caller may not see.
func (u *unit) sees(patient string) error {
	_, err := u.tx.Read(u.ctx, u.by.Scope, "Patient", strings.TrimPrefix(patient, "Patient/"))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return fhir.Refuse(422, "not-found", "unknown-patient", "the patient does not exist or is not visible to you", "找不到该患者，或您无权查看")
	}
	return err
}

// proposal is a thing in an interval, as $find proposes it and $hold takes it.
type proposal struct {
	thing       string
	from, until time.Time
}

// id of a proposed Appointment says what it is about, so that nothing is kept of what nobody holds; "" when it does not fit.
func (p proposal) id() string {
	typ, id, _ := strings.Cut(p.thing, "/")
	end := "0"
	if !p.until.IsZero() {
		end = strconv.FormatInt(p.until.Unix(), 36)
	}
	all := "free." + typ[:1] + "." + strconv.FormatInt(p.from.Unix(), 36) + "." + end + "." + id
	if len(all) > 64 {
		return ""
	}
	return all
}

func proposalOf(id string) *proposal {
	part := strings.SplitN(id, ".", 5)
	types := map[string]string{"L": "Location", "S": "Slot", "D": "Device"}
	if len(part) != 5 || part[0] != "free" || types[part[1]] == "" || part[4] == "" {
		return nil
	}
	from, err1 := strconv.ParseInt(part[2], 36, 64)
	until, err2 := strconv.ParseInt(part[3], 36, 64)
	if err1 != nil || err2 != nil || from < 0 || until < 0 || from > 1<<40 || until > 1<<40 {
		return nil
	}
	p := &proposal{thing: types[part[1]] + "/" + part[4], from: time.Unix(from, 0)}
	if until > 0 {
		p.until = time.Unix(until, 0)
	}
	return p
}

// proposed is what an Appointment that is not stored asks for; nil when it is one of ours.
func (u *unit) proposed(a *asked) (*proposal, error) {
	if p := proposalOf(a.id); p != nil {
		return p, nil
	}
	if a.resource == nil || a.resource.Str("status") != "proposed" && a.resource.ID() != "" {
		return nil, nil
	}
	p := &proposal{thing: a.resource.Str("slot[0].reference")}
	for _, x := range a.resource.All("participant") {
		if to := x.Str("actor.reference"); strings.HasPrefix(to, "Location/") || strings.HasPrefix(to, "Device/") {
			p.thing = to
		}
	}
	var err error
	if p.from, err = instant(a.resource.Str("start"), "start"); err != nil {
		return nil, err
	}
	if end := a.resource.Str("end"); end != "" && extension(a.resource, openEnded) == nil {
		if p.until, err = instant(end, "end"); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// holdFor holds what is proposed; the Appointment is its own holder.
func (u *unit) holdFor(p *proposal, a *asked, expires time.Time) (string, error) {
	pool, err := u.poolOf(p)
	if err != nil {
		return "", err
	}
	if err := u.mayBook(u.by, pool); err != nil {
		return "", err
	}
	if a.patient != "" {
		if err := u.sees(a.patient); err != nil {
			return "", err
		}
	}
	from := p.from
	if from.Before(u.now) {
		if from.Before(u.now.Add(-time.Hour)) {
			return "", fhir.Refuse(422, "invalid", "in-the-past", "what begins in the past is not held", "不能预留过去的时间")
		}
		from = u.now
	}
	id := store.NewID(u.now)
	c := Command{Do: Hold, Thing: p.thing, Pool: pool, Holder: "Appointment/" + id, Patient: a.patient, From: from, Until: p.until, Expires: expires}
	if a.needs != nil {
		c.Wait = &Wait{Holder: c.Holder, Patient: a.patient, Pool: pool, Since: u.now, Needs: a.needs}
	}
	return id, u.Do(u.ctx, u.tx, u.by, c)
}

func instant(s, name string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, fhir.Refuse(422, "value", "bad-time", name+": a time such as 2026-03-02T08:00:00+08:00 is expected", name+"：时间格式不正确")
	}
	return t, nil
}
