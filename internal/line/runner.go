package line

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Runner is the one place that performs a step.
type Runner struct {
	Store *store.Store
	Lines []*Line
	Clock clock.Clock

	Audit       audit.Log                                           // nil = none, for tests
	Raise       func(context.Context, *store.Tx, event.Event) error // nil = nobody listens
	Institution func(organization string) string                    // nearest legal institution; nil = itself
	Legal       func(organization string) string                    // its legal person; nil = its institution
	Validate    func(*fhir.Node) []fhir.Issue                       // nil = trusts the builders
	Request     func(context.Context) string                        // request id for the audit entry; nil = none

	// Agreed refuses what one institution may not ask of another for want of an agreement in force; nil = all is agreed.
	Agreed func(ctx context.Context, tx *store.Tx, from, to, service string) error
	// Allowed refuses an act for which the caller has no licence, registration or privilege in force; nil = all are allowed.
	Allowed func(ctx context.Context, tx *store.Tx, by *access.Caller, act string) error

	Bookings Bookings // nil = a step that books fails
	// Beds says whether an institution keeps its beds in the register; nil = none does.
	Beds func(ctx context.Context, tx *store.Tx, institution string) (bool, error)
	// Rule returns what an institution has in force under the code of a rule, as JSON; nil = each line's own default.
	Rule func(ctx context.Context, tx *store.Tx, institution, code string) ([]byte, error)

	places sync.Map // side and role -> where it must act
}

// Bookings is the room that holds and reserves.
type Bookings interface {
	// Do performs the commands in the unit of a step. What is taken or not allowed is a *fhir.Error for the person.
	Do(ctx context.Context, tx *store.Tx, by *access.Caller, commands ...booking.Command) error
	// Of is the live booking of a holder ("Task/…") at tx.Now(), nil when there is none.
	Of(ctx context.Context, tx *store.Tx, holder string) (*booking.Booking, error)
	// WaitOf is what a holder waits for, nil when it does not.
	WaitOf(ctx context.Context, tx *store.Tx, holder string) (*booking.Wait, error)
}

// StartCall begins a case.
type StartCall struct {
	Line, Flow string
	Params     *fhir.Node // Parameters, named as the form's fields
	Key        string     // Idempotency-Key, "" = none
}

// DoCall takes a step.
type DoCall struct {
	Task    string // "Task/…" or the bare id
	Step    string
	Params  *fhir.Node
	Key     string
	IfMatch string // W/"3", "" = whatever the version
}

// Result is the Task after the step.
type Result struct {
	Task     string // "Task/…"
	Version  int64
	JSON     []byte // the Task as stored
	Repeated bool   // answered from memory: the same key was used before
	Created  bool
}

// tries is how often a step is prepared again when what it read has changed.
const tries = 4

// Start begins a case of a line and returns its first Task.
func (r *Runner) Start(ctx context.Context, c StartCall) (Result, error) {
	l := r.Line(c.Line)
	var f *Flow
	if l != nil {
		f = l.Flow(c.Flow)
	}
	if f == nil || f.Begin == nil {
		return Result{}, fhir.Refuse(404, "not-found", "unknown-flow", fmt.Sprintf("no line %q with a flow %q to start", c.Line, c.Flow), "没有这项业务")
	}
	res, err := r.perform(ctx, "start "+c.Line+" "+c.Flow, c.Key, c.Params, func(ctx context.Context, tx *store.Tx, by *access.Caller) (*work, error) {
		return r.prepareStart(ctx, tx, by, l, f, ParamsOf(c.Params))
	})
	res.Created = err == nil // a repeated start answers as the first did
	return res, err
}

// Do takes a step of a Task.
func (r *Runner) Do(ctx context.Context, c DoCall) (Result, error) {
	id := strings.TrimPrefix(c.Task, "Task/")
	return r.perform(ctx, "do "+id+" "+c.Step, c.Key, c.Params, func(ctx context.Context, tx *store.Tx, by *access.Caller) (*work, error) {
		return r.prepareStep(ctx, tx, by, id, c)
	})
}

// Line finds a line by its slug, nil when there is none.
func (r *Runner) Line(slug string) *Line {
	i := slices.IndexFunc(r.Lines, func(l *Line) bool { return l.Slug == slug })
	if i < 0 {
		return nil
	}
	return r.Lines[i]
}

func (r *Runner) perform(ctx context.Context, what, key string, params *fhir.Node,
	prepare func(context.Context, *store.Tx, *access.Caller) (*work, error)) (Result, error) {
	by := access.From(ctx)
	if by == nil {
		return Result{}, fhir.Refuse(401, "login", "login-required", "log in first", "请先登录")
	}
	hash := digest(what, params)
	for try, taken := 1, 0; ; try++ {
		var w *work
		var before *Result
		err := r.Store.View(ctx, func(tx *store.Tx) (err error) {
			if before, err = recall(ctx, tx, by, key, hash); before != nil || err != nil {
				return err
			}
			w, err = prepare(ctx, tx, by)
			return err
		})
		if err != nil {
			return Result{}, err
		}
		if before != nil {
			return *before, nil
		}
		result, err := r.apply(ctx, w, by, key, hash)
		switch {
		case err == nil:
			return result, nil
		case errors.Is(err, errTaken) && taken < 100: // somebody took the number; there are more
			taken, try = taken+1, try-1
		case !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrTryAgain):
			return Result{}, err
		case try == tries:
			return Result{}, fhir.Refuse(409, "conflict", "changed-meanwhile", "the case keeps changing; load it again", "内容正被他人更新，请刷新后再试")
		}
	}
}

func digest(what string, params *fhir.Node) string {
	h := sha256.New()
	h.Write([]byte(what))
	h.Write([]byte{0})
	if params != nil {
		h.Write(params.JSON())
	}
	return hex.EncodeToString(h.Sum(nil))
}

// client tells whose idempotency keys are whose.
func client(by *access.Caller) string { return "line:" + by.User }

func recall(ctx context.Context, tx *store.Tx, by *access.Caller, key, hash string) (*Result, error) {
	if key == "" {
		return nil, nil
	}
	was, answer, ok, err := tx.Recall(ctx, client(by), key)
	if err != nil || !ok {
		return nil, err
	}
	if was != hash {
		return nil, fhir.Refuse(422, "business-rule", "key-reused", "this Idempotency-Key was used for another request", "该幂等键已用于另一请求")
	}
	id, vid, _ := strings.Cut(string(answer), " ")
	res := &Result{Task: "Task/" + id, Repeated: true}
	res.Version, _ = strconv.ParseInt(vid, 10, 64)
	v, err := tx.ReadVersion(ctx, by.Scope, "Task", id, res.Version)
	if err != nil {
		return nil, err
	}
	res.JSON = v.JSON
	return res, nil
}

// Sides says for which parties the caller acts on a Task.
func Sides(by *access.Caller, task *fhir.Node) []flow.Party {
	var sides []flow.Party
	if by.Role == system {
		return []flow.Party{flow.System}
	}
	if by.Institution != "" && by.Institution == task.Str("owner.reference") {
		sides = append(sides, flow.Owner)
	}
	if by.Institution != "" && by.Institution == task.Str("requester.reference") {
		sides = append(sides, flow.Requester)
	}
	return sides
}

// system is the hub itself.
const system = access.Role("system")

func (r *Runner) prepareStart(ctx context.Context, tx *store.Tx, by *access.Caller, l *Line, f *Flow, p Params) (*work, error) {
	if !f.Starts {
		return nil, fhir.Refuse(422, "business-rule", "not-a-start", "this flow begins from a step of another one", "此流程不能直接发起")
	}
	if by.Institution == "" {
		return nil, fhir.Refuse(403, "forbidden", "no-institution", "your role belongs to no institution", "您的角色不属于任何机构")
	}
	c := Call{Line: l, Flow: f, Now: tx.Now(), By: by, Side: flow.Requester, Params: p, Read: &snapshot{ctx: ctx, tx: tx, scope: by.Scope, institution: r.Institution, legal: r.Legal, agreed: r.Agreed, allowed: r.Allowed, bookings: r.Bookings, beds: r.Beds, rule: r.Rule}}
	c.Urgency = flow.Urgency(p.Str("urgency"))
	if c.Urgency == "" {
		c.Urgency = flow.Routine
	}
	do := f.Begin(p)
	var err error
	if c.Step, err = f.Find(do, flow.New, flow.Requester, string(by.Role), c.known); err != nil {
		return nil, refusal(f, err)
	}
	w := &work{runner: r, call: c, patientMustBeSeen: !f.Impersonal}
	w.change = &Change{newID: newID, Task: fhir.New("Task", "id", newID())}
	if !f.Impersonal {
		w.change.Request = fhir.New("ServiceRequest", "id", newID())
	}
	return w, w.build()
}

func (r *Runner) prepareStep(ctx context.Context, tx *store.Tx, by *access.Caller, id string, d DoCall) (*work, error) {
	v, err := tx.Read(ctx, by.Scope, "Task", id)
	if err != nil {
		return nil, err
	}
	task, err := fhir.Parse(v.JSON)
	if err != nil {
		return nil, fmt.Errorf("line: parse Task/%s: %w", id, err)
	}
	slug, code := LineOf(task)
	l := r.Line(slug)
	var f *Flow
	if l != nil {
		f = l.Flow(code)
	}
	if f == nil {
		return nil, fhir.Refuse(422, "business-rule", "not-a-case", "this Task belongs to no line", "这不是一项流程业务")
	}
	if want, ok := matchVersion(d.IfMatch); ok && want != v.VID {
		return nil, fhir.Refuse(409, "conflict", "changed-meanwhile", fmt.Sprintf("the case is at version %d meanwhile; load it again", v.VID), "该病例已被他人处理，请刷新后再试")
	}
	sides := Sides(by, task)
	if len(sides) == 0 {
		return nil, fhir.Refuse(403, "forbidden", "not-a-party", "your institution is no party to this hand-over", "贵单位不是本次交接的任何一方")
	}
	c := Call{Line: l, Flow: f, Now: tx.Now(), By: by, Params: ParamsOf(d.Params), Task: task, Urgency: UrgencyOf(task)}
	var step flow.Step
	for i, s := range sides {
		step, err = f.Find(d.Step, StateOf(task), s, string(by.Role), c.known)
		if err == nil || i == len(sides)-1 {
			c.Side = s
			break
		}
	}
	if err != nil {
		return nil, refusal(f, err)
	}
	c.Step = step
	shot := &snapshot{ctx: ctx, tx: tx, scope: by.Scope, institution: r.Institution, legal: r.Legal, agreed: r.Agreed, allowed: r.Allowed, bookings: r.Bookings, beds: r.Beds, rule: r.Rule}
	shot.vids = map[string]int64{"Task/" + id: v.VID}
	c.Read = shot
	if ref := task.Str("focus.reference"); ref != "" {
		if c.Request = shot.Get(ref); c.Request == nil && shot.err == nil { // he sees that there is a case, not the case
			return nil, fhir.Refuse(403, "forbidden", "not-your-case", "this hand-over was addressed to others", "该业务由其他科室办理，您无权处理")
		}
	}
	w := &work{runner: r, call: c}
	w.change = &Change{newID: newID, Task: task.Copy(), Request: c.Request.Copy()}
	return w, w.build()
}

// refusal names the open steps in both languages.
func refusal(f *Flow, err error) error {
	var no *flow.Refused
	if !errors.As(err, &no) {
		return err
	}
	var zh []string
	for _, s := range no.Open {
		zh = append(zh, s.Name.Zh+"（"+sideZh[s.By]+"）")
	}
	if zh == nil {
		zh = []string{"无"}
	}
	state, known := f.State(no.State)
	if !known {
		state.Name.Zh = "新建"
	}
	for _, s := range f.Steps {
		// the step is open in this state, but to another side or role
		if s.Do == no.Do && slices.Contains(s.From, no.State) {
			return fhir.Refuse(403, "forbidden", "not-your-step", no.Error(), "您的角色不能执行“"+s.Name.Zh+"”。现在可以："+strings.Join(zh, "、"))
		}
	}
	return fhir.Refuse(422, "business-rule", "step-not-open", no.Error(), "当前状态“"+state.Name.Zh+"”不能这样操作。现在可以："+strings.Join(zh, "、"))
}

var sideZh = map[flow.Party]string{flow.Owner: "接收方", flow.Requester: "申请方", flow.Either: "双方", flow.System: "系统"}

func matchVersion(s string) (int64, bool) {
	s = strings.Trim(strings.TrimPrefix(strings.TrimSpace(s), "W/"), `"`)
	if s == "" || s == "*" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return -1, true
	}
	return n, true
}

// lastID is the last moment for which an id was made, and how many were in it.
var lastID struct {
	sync.Mutex
	ms int64
	n  uint16
}

// newID makes a lower-case UUID version 7; of two, the later one is the greater, so that what one step begins keeps its order.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	lastID.Lock()
	if ms := time.Now().UnixMilli(); ms > lastID.ms {
		lastID.ms, lastID.n = ms, 0
	} else if lastID.n++; lastID.n > 0x0fff {
		lastID.ms, lastID.n = lastID.ms+1, 0
	}
	ms, n := lastID.ms, lastID.n
	lastID.Unlock()
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6], b[7], b[8] = byte(n>>8)|0x70, byte(n), b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
