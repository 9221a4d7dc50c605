package api

import (
	"net/http"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Reasons tells the page for which reasons a closed record or a guarded kind opens.
type Reasons struct {
	Store *store.Store
	Audit audit.Log
}

// Register mounts the handlers.
func (a Reasons) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/reasons", a.list)
	mux.HandleFunc("GET /api/patients/{id}/withheld", a.withheld)
}

type coded struct {
	Code string `json:"code"`
	Name Words  `json:"name"`
}

func (a Reasons) list(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	named := func(list []access.Reason) []coded {
		out := []coded{}
		for _, x := range list {
			out = append(out, coded{x.Code, Words{x.Zh, x.En}})
		}
		return out
	}
	open, perDay := access.BreakGlassLimit()
	kinds := []coded{}
	for _, k := range access.Kinds() {
		kinds = append(kinds, coded{k.Code, Words{k.Zh, k.En}})
	}
	Answer(w, http.StatusOK, struct {
		May          bool    `json:"mayBreakGlass"`
		BreakGlass   []coded `json:"breakGlass"`
		Further      []coded `json:"further"`
		Kinds        []coded `json:"kinds"`
		Hours        int     `json:"hours"`
		PerDay       int     `json:"perDay"`
		FurtherHours int     `json:"furtherHours"`
	}{access.IsClinical(caller.Role), named(access.BreakGlassReasons()), named(access.FurtherReasons()), kinds, int(open / time.Hour), perDay, int(access.FurtherLimit() / time.Hour)})
}

// withheld says that there is guarded data in a record that the caller sees, and not of which kind.
func (a Reasons) withheld(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	id, there := r.PathValue("id"), false
	err := a.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		if _, _, err = readPatient(r.Context(), tx, caller.Scope, id); err == nil {
			there, err = tx.Withheld(r.Context(), caller.Scope, "Patient/"+id)
		}
		return err
	})
	if err == nil {
		err = a.Audit.Read(r.Context(), touch(w, r, "R", "withheld", "Patient/"+id, "Patient/"+id))
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, map[string]bool{"withheld": there})
}
