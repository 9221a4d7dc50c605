package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// touched is one line of a patient's copy: who, from where, what, why, in plain words.
type touched struct {
	At       time.Time `json:"at"` // the hour
	Who      string    `json:"who,omitempty"`
	Role     Words     `json:"role"`
	Org      string    `json:"org"`
	Client   string    `json:"client,omitempty"`
	Did      []Words   `json:"did"`
	Count    int       `json:"count"`
	Purposes []Words   `json:"purposes"`
	Asked    bool      `json:"asked"` // a reason had to be given, as with a break-glass
}

// mostCopied is how many lines one copy holds; the oldest are left to a shorter period.
const mostCopied = 3000

// copy is what a hospital hands to a patient who asks who has looked at his record.
func (a *Trail) copy(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	patient := "Patient/" + r.PathValue("id")
	if c.Role == access.Patient {
		a.copyOf(w, r, c, patient, "me-trail")
		return
	}
	a.copyOf(w, r, c, patient, "audit-copy")
}

// mine is the trail of the patient who asks.
func (a *Trail) mine(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	if c.Role != access.Patient || len(c.Scope.Only) == 0 {
		Refuse(w, r, fhir.Refuse(403, "forbidden", "not-a-patient", "this is for patients themselves", "仅供患者本人查看"))
		return
	}
	a.copyOf(w, r, c, "", "me-trail")
}

func (a *Trail) copyOf(w http.ResponseWriter, r *http.Request, c *access.Caller, patient, what string) {
	f, err := a.filter(r.URL.Query())
	if f.Patient = patient; f.From.IsZero() {
		f.From = a.Store.Clock().Now().AddDate(0, -audit.Rules.Copy.Months, 0)
	}
	f.Cursor, f.Kinds = "", []audit.Kind{{Prefixes: audit.Rules.Copy.LeaveOut, Not: true}}
	if err == nil {
		err = a.Desk.Limit(r.Context(), c, &f)
	}
	if err == nil && c.Role != access.Patient && !f.NoOrgs { // not a patient of this institution: its copy would be a part only
		err = fhir.Refuse(404, "not-found", "not-found", "no patient of your institution", "不是本机构的患者")
	}
	if err == nil {
		e := audit.Of(r.Context(), "R", what, patient)
		if e.Patients = c.Scope.Only; patient != "" {
			e.Patients = []string{patient}
		}
		err = a.Book.Read(r.Context(), e)
	}
	var groups []*group
	next := ""
	if err == nil {
		groups, next, err = a.grouped(r, c, f, mostCopied)
	}
	var names map[string]string
	if err == nil && patient != "" {
		names, err = a.names(r.Context(), c, []audit.Entry{{Patients: []string{patient}}})
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	lines := make([]touched, 0, len(groups))
	for _, g := range groups {
		t := touched{At: g.From, Who: shownName(g.Name), Role: g.RoleName, Org: g.Org.Display, Client: g.Client, Count: g.Count, Purposes: g.Purposes, Asked: g.Marked}
		if g.User == "" {
			t.Role = Words{"系统", "The system"}
		}
		for _, did := range g.Acts[:min(len(g.Acts), 6)] {
			t.Did = append(t.Did, did.Name)
		}
		lines = append(lines, t)
	}
	Answer(w, 200, map[string]any{"patient": person{patient, names[patient]}, "from": f.From, "until": f.Until, "made": a.Store.Clock().Now(), "by": c.Name, "org": a.Tree.Name(c.Institution), "lines": lines, "more": next != ""})
}

// shownName follows the rule of what a patient is told of the names of staff.
func shownName(name string) string {
	switch audit.Rules.Copy.Names {
	case "none":
		return ""
	case "family":
		if runes := []rune(strings.TrimSpace(name)); len(runes) > 0 {
			return string(runes[:1]) + "**"
		}
	}
	return name
}
