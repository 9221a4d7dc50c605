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

// Trail shows who touched whose data, as far as the desk lets the caller see it.
type Trail struct {
	Store *store.Store
	Tree  *access.Tree
	Book  *audit.Book
	Desk  *audit.Desk                                                                                  // nil = one of its own
	Teams func(ctx context.Context, tx *store.Tx, practitioner string, at time.Time) ([]string, error) // of which somebody was a member then; nil = not known
	Lines []*line.Line                                                                                 // whose steps are named as on the page
	Zone  *time.Location                                                                               // of dates without time; nil = Asia/Shanghai
}

func (a *Trail) Register(mux *http.ServeMux) {
	if a.Desk == nil {
		a.Desk = &audit.Desk{Store: a.Store, Tree: a.Tree, Book: a.Book}
	}
	if a.Zone == nil {
		a.Zone = time.FixedZone("CST", 8*3600)
	}
	mux.HandleFunc("GET /api/audit", a.list)
	mux.HandleFunc("GET /api/audit/groups", a.groups)
	mux.HandleFunc("GET /api/audit/export", a.export)
	mux.HandleFunc("GET /api/audit/why/{seq}", a.why)
	mux.HandleFunc("GET /api/audit/key", a.key)
	mux.HandleFunc("GET /api/audit/patient/{id}", a.copy)
	mux.HandleFunc("GET /api/me/trail", a.mine)
}

type entryOut struct {
	Seq         int64     `json:"seq"`
	At          time.Time `json:"at"`
	User        string    `json:"user"`
	Name        string    `json:"name"`
	Role        string    `json:"role"`
	RoleName    Words     `json:"roleName"`
	Org         Ref       `json:"org"`
	Action      string    `json:"action"`
	What        string    `json:"what"`
	WhatName    Words     `json:"whatName"`
	Target      string    `json:"target"`
	Patients    []person  `json:"patients"`
	Outcome     string    `json:"outcome"`
	Remote      string    `json:"remote"`
	Request     string    `json:"request"`
	Count       int       `json:"count,omitempty"`
	Purpose     string    `json:"purpose,omitempty"`
	PurposeName *Words    `json:"purposeName,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	Client      string    `json:"client,omitempty"`
}

type person struct {
	Reference string `json:"reference"`
	Name      string `json:"name"`
}

// asked reads what is asked for and leaves the entry of the look itself; nil when it has refused.
func (a *Trail) asked(w http.ResponseWriter, r *http.Request, what string, also ...string) (*access.Caller, *audit.Filter) {
	c := Caller(w, r)
	if c == nil {
		return nil, nil
	}
	f, err := a.filter(r.URL.Query())
	if err == nil {
		err = a.Desk.Reads(c)
	}
	if err == nil {
		e := audit.Of(r.Context(), "R", what, strings.TrimSuffix("audit?"+named(r.URL.Query()), "?"))
		if e.Patients = also; f.Patient != "" {
			e.Patients = append(e.Patients, f.Patient)
		}
		err = a.Book.Read(r.Context(), e) // looking is itself a touch; it stands in the trail before the answer
	}
	if err != nil {
		Refuse(w, r, err)
		return nil, nil
	}
	return c, &f
}

func (a *Trail) list(w http.ResponseWriter, r *http.Request) {
	c, f := a.asked(w, r, "audit")
	if c == nil {
		return
	}
	entries, next, err := a.Desk.Find(r.Context(), c, *f)
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
		out = append(out, a.out(e, names))
	}
	Answer(w, 200, map[string]any{"entries": out, "next": next})
}

func (a *Trail) out(e audit.Entry, names map[string]string) entryOut {
	o := entryOut{Seq: e.Seq, At: e.At, User: e.User, Name: e.Name, Role: e.Role, RoleName: roleName(e.Role), Org: Ref{e.Org, a.Tree.Name(e.Org)},
		Action: e.Action, What: e.What, WhatName: a.whatName(e.What), Target: e.Target, Patients: []person{}, Outcome: e.Outcome, Remote: e.Remote, Request: e.Request, Count: e.Count,
		Purpose: e.Purpose, PurposeName: wordsOf(e.Purpose, purposes), Reason: e.Reason, Client: e.Client}
	for _, p := range e.Patients {
		o.Patients = append(o.Patients, person{p, names[p]})
	}
	return o
}

// named keeps the names of the parameters only.
func named(q url.Values) string {
	var keys []string
	for _, k := range []string{"action", "format", "from", "marked", "org", "patient", "purpose", "until", "user"} {
		if q.Get(k) != "" {
			keys = append(keys, k)
		}
	}
	return strings.Join(keys, "&")
}

func (a *Trail) filter(q url.Values) (audit.Filter, error) {
	f := audit.Filter{Patient: q.Get("patient"), User: q.Get("user"), Action: q.Get("action"), Cursor: q.Get("cursor"), Org: q.Get("org"), Purpose: q.Get("purpose"), Marked: q.Get("marked") != ""}
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
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	t, err := time.ParseInLocation("2006-01-02", s, a.Zone)
	if err != nil {
		return t, fhir.Refuse(400, "value", "bad-date", "a time is 2026-01-31 or RFC 3339", "时间格式须为 2026-01-31 或 RFC 3339")
	}
	if end {
		t = t.AddDate(0, 0, 1)
	}
	return t, nil
}

// names of the patients of one's own institutions; others stay references.
func (a *Trail) names(ctx context.Context, c *access.Caller, entries []audit.Entry) (map[string]string, error) {
	scope := search.Scope{All: c.Org == "", Parties: a.Tree.Below(c.Institution)}
	if c.Scope.Only != nil {
		scope = c.Scope
	}
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
