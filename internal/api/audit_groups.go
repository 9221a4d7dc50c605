package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
)

// group is what one person did within one hour, in one role, at one place.
type group struct {
	From     time.Time `json:"from"` // the hour
	Until    time.Time `json:"until"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	User     string    `json:"user"`
	Name     string    `json:"name"`
	Role     string    `json:"role"`
	RoleName Words     `json:"roleName"`
	Org      Ref       `json:"org"`
	Client   string    `json:"client,omitempty"`
	Count    int       `json:"count"`
	Acts     []act     `json:"acts"`
	Patients []person  `json:"patients"` // the first few
	Others   int       `json:"others"`   // patients beyond those
	Purposes []Words   `json:"purposes"`
	Reasons  []string  `json:"reasons"`
	Remotes  []string  `json:"remotes"`
	Refused  int       `json:"refused"`
	Marked   bool      `json:"marked"` // somebody had to say why
}

// act is one thing that was done, so many times.
type act struct {
	What  string `json:"what"`
	Name  Words  `json:"name"`
	Count int    `json:"count"`
}

// Bounds of one answer: after so many groups it ends with the hour, and it reads no more entries than that.
const (
	mostGroups  = 60
	mostGrouped = 10_000
	fewPatients = 5
)

func (a *Trail) groups(w http.ResponseWriter, r *http.Request) {
	c, f := a.asked(w, r, "audit")
	if c == nil {
		return
	}
	found, next, err := a.grouped(r, c, *f, mostGroups)
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 200, map[string]any{"groups": found, "next": next})
}

type groupKey struct {
	hour                    int64
	user, role, org, client string
}

// grouped reads whole hours until there are enough groups.
func (a *Trail) grouped(r *http.Request, c *access.Caller, f audit.Filter, enough int) (list []*group, next string, err error) {
	list = []*group{}
	f.Count = 500
	index := map[groupKey]*group{}
	patients := map[*group]map[string]bool{}
	var kept []audit.Entry
	read, hour := 0, time.Time{}
	for more := true; more; {
		entries, cursor, err := a.Desk.Find(r.Context(), c, f)
		if err != nil {
			return nil, "", err
		}
		for _, e := range entries {
			at := e.At.In(a.Zone).Truncate(time.Hour)
			if !at.Equal(hour) && len(list) >= enough || read >= mostGrouped {
				// the next page begins with this entry's hour, or goes on within it
				next = hourCursor(hour)
				if read >= mostGrouped {
					next = f.Cursor
				}
				more = false
				break
			}
			hour = at
			read++
			key := groupKey{at.Unix(), e.User, e.Role, e.Org, e.Client}
			g := index[key]
			if g == nil {
				g = &group{From: at, Until: at.Add(time.Hour), User: e.User, Name: e.Name, Role: e.Role, RoleName: roleName(e.Role), Org: Ref{e.Org, a.Tree.Name(e.Org)}, Client: e.Client,
					Last: e.At, Acts: []act{}, Patients: []person{}, Purposes: []Words{}, Reasons: []string{}, Remotes: []string{}}
				index[key], patients[g] = g, map[string]bool{}
				list = append(list, g)
			}
			a.add(g, e, patients[g])
			if len(kept) < 200 {
				kept = append(kept, e)
			}
		}
		if cursor == "" {
			more = false
		}
		f.Cursor = cursor
	}
	names, err := a.names(r.Context(), c, kept)
	for _, g := range list {
		for i, p := range g.Patients {
			g.Patients[i].Name = names[p.Reference]
		}
		slices.SortStableFunc(g.Acts, func(x, y act) int { return y.Count - x.Count })
	}
	return list, next, err
}

// hourCursor is where the entries before an hour begin.
func hourCursor(hour time.Time) string { return audit.Before(hour) }

func (a *Trail) add(g *group, e audit.Entry, seen map[string]bool) {
	g.Count++
	g.First = e.At
	if e.Outcome != "0" {
		g.Refused++
	}
	i := slices.IndexFunc(g.Acts, func(x act) bool { return x.What == e.What })
	if i < 0 {
		i = len(g.Acts)
		g.Acts = append(g.Acts, act{What: e.What, Name: a.whatName(e.What)})
	}
	g.Acts[i].Count++
	for _, p := range e.Patients {
		switch {
		case seen[p]:
		case len(g.Patients) < fewPatients:
			g.Patients = append(g.Patients, person{Reference: p})
			seen[p] = true
		default:
			g.Others++
			seen[p] = true
		}
	}
	if p := wordsOf(e.Purpose, purposes); p != nil && !slices.Contains(g.Purposes, *p) {
		g.Purposes = append(g.Purposes, *p)
	}
	if e.Reason != "" && !slices.Contains(g.Reasons, e.Reason) {
		g.Reasons = append(g.Reasons, e.Reason)
	}
	if e.Remote != "" && !slices.Contains(g.Remotes, e.Remote) && len(g.Remotes) < 5 {
		g.Remotes = append(g.Remotes, e.Remote)
	}
	g.Marked = g.Marked || e.Marked()
}
