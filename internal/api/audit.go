package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Trail shows who touched whose data: to auditors and leaders, for their institution and below. Of a
// patient whose custodian lies there it shows every touch, whoever it was.
type Trail struct {
	Store *store.Store
	Tree  *access.Tree
	Book  *audit.Book
	Lines []*line.Line   // whose steps are named as on the page
	Zone  *time.Location // of dates without time; nil = Asia/Shanghai
}

func (a *Trail) Register(mux *http.ServeMux) { mux.HandleFunc("GET /api/audit", a.list) }

var notAuditor = fhir.Refuse(403, "forbidden", "not-auditor", "only auditors and leaders may read the audit trail", "只有审计员和院领导可以查看审计记录")

type entryOut struct {
	Seq      int64     `json:"seq"`
	At       time.Time `json:"at"`
	User     string    `json:"user"`
	Name     string    `json:"name"`
	Role     string    `json:"role"`
	RoleName Words     `json:"roleName"`
	Org      Ref       `json:"org"`
	Action   string    `json:"action"`
	What     string    `json:"what"`
	WhatName Words     `json:"whatName"`
	Target   string    `json:"target"`
	Patients []person  `json:"patients"`
	Outcome  string    `json:"outcome"`
	Remote   string    `json:"remote"`
	Request  string    `json:"request"`
	Count    int       `json:"count,omitempty"`
}

type person struct {
	Reference string `json:"reference"`
	Name      string `json:"name"`
}

func (a *Trail) list(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	if c.Role != access.Auditor && c.Role != access.Leader {
		Refuse(w, r, notAuditor)
		return
	}
	f, err := a.filter(r.URL.Query())
	if err == nil {
		err = a.limit(r.Context(), c, &f)
	}
	if err == nil {
		// looking is itself a touch; it stands in the trail before the answer
		e := audit.Of(r.Context(), "R", "audit", "audit?"+named(r.URL.Query()))
		if f.Patient != "" {
			e.Patients = []string{f.Patient}
		}
		err = a.Book.Read(r.Context(), e)
	}
	if err == nil && f.Cursor == "" {
		err = a.Book.CatchUp(r.Context(), time.Second) // so that what has just happened is there
	}
	var entries []audit.Entry
	var next string
	if err == nil {
		entries, next, err = a.Book.Query(r.Context(), f)
	}
	var names map[string]string
	if err == nil {
		names, err = a.names(r.Context(), c, entries)
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	out := make([]entryOut, 0, len(entries))
	for _, e := range entries {
		role := access.RoleNames[access.Role(e.Role)]
		o := entryOut{Seq: e.Seq, At: e.At, User: e.User, Name: e.Name, Role: e.Role, RoleName: Words{role.Zh, role.En}, Org: Ref{e.Org, a.Tree.Name(e.Org)},
			Action: e.Action, What: e.What, WhatName: a.whatName(e.What), Target: e.Target, Patients: []person{}, Outcome: e.Outcome, Remote: e.Remote, Request: e.Request, Count: e.Count}
		for _, p := range e.Patients {
			o.Patients = append(o.Patients, person{p, names[p]})
		}
		out = append(out, o)
	}
	Answer(w, 200, map[string]any{"entries": out, "next": next})
}

// named keeps the names of the parameters only.
func named(q url.Values) string {
	var keys []string
	for _, k := range []string{"action", "from", "patient", "until", "user"} {
		if q.Get(k) != "" {
			keys = append(keys, k)
		}
	}
	return strings.Join(keys, "&")
}

func (a *Trail) filter(q url.Values) (audit.Filter, error) {
	f := audit.Filter{Patient: q.Get("patient"), User: q.Get("user"), Action: q.Get("action"), Cursor: q.Get("cursor")}
	if f.Patient != "" && !strings.HasPrefix(f.Patient, "Patient/") {
		f.Patient = "Patient/" + f.Patient
	}
	f.Count, _ = strconv.Atoi(q.Get("count"))
	var err1, err2 error
	f.From, err1 = a.time(q.Get("from"), false)
	f.Until, err2 = a.time(q.Get("until"), true)
	return f, errors.Join(err1, err2)
}

// time reads a moment or a day; the end of a span includes its day.
func (a *Trail) time(s string, end bool) (time.Time, error) {
	zone := a.Zone
	if zone == nil {
		zone = time.FixedZone("CST", 8*3600)
	}
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	t, err := time.ParseInLocation("2006-01-02", s, zone)
	if err != nil {
		return t, fhir.Refuse(400, "value", "bad-date", "a time is 2026-01-31 or RFC 3339", "时间格式须为 2026-01-31 或 RFC 3339")
	}
	if end {
		t = t.AddDate(0, 0, 1)
	}
	return t, nil
}

func (a *Trail) limit(ctx context.Context, c *access.Caller, f *audit.Filter) error {
	if c.Org == "" {
		f.NoOrgs = true
		return nil
	}
	f.Orgs = a.Tree.Below(c.Institution)
	if f.Patient == "" {
		return nil
	}
	return a.Store.View(ctx, func(tx *store.Tx) error {
		v, err := tx.Read(ctx, search.Everything, "Patient", strings.TrimPrefix(f.Patient, "Patient/"))
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
			return nil
		}
		f.NoOrgs = err == nil && v.Custodian != "" && a.Tree.Within(v.Custodian, c.Institution)
		return err
	})
}

// names of the patients of one's own institutions; others stay references.
func (a *Trail) names(ctx context.Context, c *access.Caller, entries []audit.Entry) (map[string]string, error) {
	scope := search.Scope{All: c.Org == "", Parties: a.Tree.Below(c.Institution)}
	names := map[string]string{}
	err := a.Store.View(ctx, func(tx *store.Tx) error {
		for _, e := range entries {
			for _, p := range e.Patients[:min(len(e.Patients), 5)] {
				if _, seen := names[p]; seen || len(names) >= 200 {
					continue
				}
				names[p] = ""
				v, err := tx.Read(ctx, scope, "Patient", strings.TrimPrefix(p, "Patient/"))
				if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
					continue
				}
				if err != nil {
					return err
				}
				n, err := fhir.Parse(v.JSON)
				if err != nil {
					return err
				}
				names[p] = nameOf(n)
			}
		}
		return nil
	})
	return names, err
}

var whatNames = map[string]Words{
	"read": {"查看", "Read"}, "vread": {"查看历史版本", "Read a version"}, "search-type": {"检索", "Search"}, "search-system": {"检索", "Search"},
	"history-instance": {"查看修改历史", "History"}, "history-type": {"查看修改历史", "History"}, "history-system": {"查看修改历史", "History"},
	"create": {"新建", "Create"}, "update": {"修改", "Update"}, "patch": {"修改", "Patch"}, "delete": {"删除", "Delete"}, "transaction": {"批量写入", "Transaction"}, "batch": {"批量请求", "Batch"},
	"login": {"登录", "Log in"}, "logout": {"退出", "Log out"}, "role-switch": {"切换角色", "Switch role"}, "password-change": {"修改密码", "Change password"},
	"user-list": {"查看账号", "List accounts"}, "user-create": {"新建账号", "Create account"}, "user-reset": {"重置密码", "Reset password"}, "user-disable": {"停用账号", "Disable account"},
	"user-enable": {"启用账号", "Enable account"}, "user-roles": {"变更角色", "Change roles"}, "user-update": {"修改账号", "Change account"},
	"token-create": {"新建令牌", "Create token"}, "token-revoke": {"撤销令牌", "Revoke token"}, "channel-save": {"设置通知渠道", "Set up a channel"}, "channel-test": {"测试通知渠道", "Test a channel"},
	"audit": {"查看审计记录", "Read the audit trail"}, "reveal:id": {"查看完整证件号", "Reveal the ID number"}, "reveal:phone": {"查看完整电话", "Reveal the telephone number"}, "worklist": {"查看工作列表", "Worklist"}, "work": {"查看我的工作", "My work"}, "case": {"查看病例", "Open a case"},
	"indicators": {"查看指标", "Numbers"}, "indicator-cases": {"查看指标明细", "Cases behind a number"}, "open-cases": {"查看未结转诊", "Open cases of a patient"},
	"patient-page": {"打开患者页面", "Open a patient"}, "patient-search": {"查找患者", "Look for a patient"}, "file": {"查看文件", "Read a file"}, "upload": {"上传文件", "Upload a file"}, "import": {"导入", "Import"},
	"subscription-notify": {"订阅通知", "Tell a subscriber"}, "subscription-status": {"查看订阅状态", "State of a subscription"}, "subscription-events": {"查看订阅事件", "Events of a subscription"},
	"subscription-token": {"取得订阅连接令牌", "Token for a websocket"}, "subscription-off": {"停用订阅", "Stop a subscription"}, "subscription-requested": {"重新启用订阅", "Start a subscription again"},
	"subscription-active": {"订阅生效", "A subscription becomes active"}, "subscription-error": {"订阅送不出去", "A subscription is given up"},
	"subscription-resend": {"重新送达", "Send dead letters again"}, "subscription-drop": {"放弃未送达通知", "Drop dead letters"},
	"message": {"留言", "Message"}, "torn": {"记录损坏", "Torn entry"},
}

func (a *Trail) whatName(what string) Words {
	if n, ok := whatNames[what]; ok {
		return n
	}
	if step, ok := strings.CutPrefix(what, "step:"); ok {
		n := a.stepName(step)
		return Words{"操作：" + n.Zh, "Step: " + n.En}
	}
	return Words{what, what}
}

// stepName names LINE/FLOW/STEP as its button does.
func (a *Trail) stepName(step string) Words {
	slug, rest, _ := strings.Cut(step, "/")
	code, do, _ := strings.Cut(rest, "/")
	for _, l := range a.Lines {
		if l.Slug != slug {
			continue
		}
		f := l.Flow(code)
		if f == nil {
			break
		}
		for _, s := range f.Steps {
			if s.Do == do {
				return Words{s.Name.Zh, s.Name.En}
			}
		}
	}
	return Words{step, step}
}
