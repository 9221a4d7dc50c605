package api

import (
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/registry/intake"
	"github.com/xinglin-health/xinglin/internal/store"
)

func issueOf(err error) (fhir.Issue, bool) {
	var fe *fhir.Error
	if errors.As(err, &fe) && len(fe.Issues) > 0 {
		return fe.Issues[0], true
	}
	return fhir.Issue{}, false
}

// template gives a workbook with every table, or the head of one as CSV.
func (a *Registry) template(w http.ResponseWriter, r *http.Request) {
	if Caller(w, r) == nil {
		return
	}
	name, body, typ := "xinglin-registry.xlsx", []byte(nil), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	var err error
	if table := r.URL.Query().Get("table"); table != "" {
		ok := false
		if body, ok = intake.TemplateCSV(table); !ok {
			err = fhir.Refuse(404, "not-found", "unknown-table", "no such table", "没有这个表")
		}
		name, typ = "xinglin-"+table+".csv", "text/csv; charset=utf-8"
	} else {
		body, err = intake.Template()
	}
	if refused(w, r, err) {
		return
	}
	w.Header().Set("Content-Type", typ)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	Answer(w, 200, body)
}

// take reads an uploaded spreadsheet and says what it would do; with ?apply=true it does it, all or nothing.
func (a *Registry) take(w http.ResponseWriter, r *http.Request) {
	c := administrator(w, r)
	if c == nil {
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, intake.MaxFile))
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		err = fhir.Refuse(413, "too-long", "too-large", "the file is larger than 8 MB", "文件超过 8 MB")
	}
	if refused(w, r, err) {
		return
	}
	tables, err := intake.Read(r.URL.Query().Get("name"), data)
	if refused(w, r, err) {
		return
	}
	plan, err := a.planned(r, c, tables)
	if refused(w, r, err) {
		return
	}
	out := map[string]any{"problems": plan.Problems, "more": plan.More, "lines": plan.Lines, "counts": plan.Counts, "applied": false}
	if r.URL.Query().Get("apply") != "true" || len(plan.Problems) > 0 {
		Answer(w, 200, out)
		return
	}
	if len(plan.Resources) > 0 {
		if refused(w, r, a.Write(r.Context(), plan.Resources, plan.Known, "registry-import")) {
			return
		}
	}
	out["applied"] = true
	Answer(w, 200, out)
}

func (a *Registry) planned(r *http.Request, c *access.Caller, tables []intake.Table) (plan *intake.Plan, err error) {
	p := intake.Planner{Room: a.Room, Validate: a.Validate,
		Role:  func(code string) bool { _, ok := access.RoleNames[access.Role(code)]; return ok },
		Reach: func(org string) bool { return c.Org == "" || org != "" && a.Tree.Within(org, c.Institution) }}
	err = a.Store.View(r.Context(), func(tx *store.Tx) error {
		plan, err = p.Plan(r.Context(), tx, tables)
		return err
	})
	return plan, err
}
