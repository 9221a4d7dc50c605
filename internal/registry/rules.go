package registry

import (
	"embed"
	"encoding/json"
	"slices"
)

//go:embed rules/*.json
var files embed.FS

// Term is a code with its names and, where a rule of law stands behind it, the source.
type Term struct {
	Code     string   `json:"code"`
	Zh       string   `json:"zh"`
	En       string   `json:"en"`
	Source   string   `json:"source,omitempty"`
	Verified bool     `json:"verified,omitempty"` // somebody has checked it against the source
	Includes []string `json:"includes,omitempty"` // rights: those that come with it
}

// Act is something that the law or the institution lets only some people do.
type Act struct {
	Term
	Licences []Needed `json:"licences,omitempty"` // any of them; none = everybody whose role is in force
	Bases    []string `json:"bases,omitempty"`    // on which somebody registered elsewhere may do it here
	Right    string   `json:"right,omitempty"`    // that the institution must have granted
	Granted  string   `json:"granted,omitempty"`  // when that is asked: "always", or "host" = only of those registered elsewhere
}

// Needed is one kind of licence that will do, and at which levels of institution; none = at all.
type Needed struct {
	Kind   string   `json:"kind"`
	Levels []string `json:"levels,omitempty"`
}

// Post is a headship with its duties.
type Post struct {
	Term
	Dual   bool   `json:"dual,omitempty"` // one of the two who lead together
	Rota   bool   `json:"rota,omitempty"`
	Duties []Term `json:"duties,omitempty"`
}

// Approval is a decision and the posts that may take it; Both = the dual directors sign together, where a unit has them.
type Approval struct {
	Term
	By   []string `json:"by"`
	Both bool     `json:"both,omitempty"`
}

// Catalogue is the data of this room, as the page gets it too.
type Catalogue struct {
	Types        []Term     `json:"types"`
	Levels       []Term     `json:"levels"`
	Grades       []Term     `json:"grades"`
	Capabilities []Term     `json:"capabilities"`
	Kinds        []Term     `json:"kinds"`
	Bases        []Term     `json:"bases"`
	Rights       []Term     `json:"rights"`
	Posts        []Post     `json:"posts"`
	Approvals    []Approval `json:"approvals"`
	Acts         []Act      `json:"acts"`
	// Countersigned: what is recorded at these levels is countersigned unless its author holds one of these licences.
	Countersigned struct {
		Levels []string `json:"levels"`
		Unless []string `json:"unless"`
	} `json:"countersigned"`
}

// Rules is the data that came with the program.
var Rules = func() (c Catalogue) {
	for _, f := range []struct {
		name string
		into any
	}{{"places", &c}, {"licences", &c}, {"posts", &c}, {"acts", &c.Acts}} {
		b, err := files.ReadFile("rules/" + f.name + ".json")
		if err == nil {
			err = json.Unmarshal(b, f.into)
		}
		if err != nil {
			panic("registry: " + f.name + ": " + err.Error()) // built in
		}
	}
	return c
}()

func find(list []Term, code string) (Term, bool) {
	i := slices.IndexFunc(list, func(t Term) bool { return t.Code == code })
	if i < 0 {
		return Term{Code: code, Zh: code, En: code}, false
	}
	return list[i], true
}

// Act finds an act by its code.
func (c *Catalogue) Act(code string) (Act, bool) {
	i := slices.IndexFunc(c.Acts, func(a Act) bool { return a.Code == code })
	if i < 0 {
		return Act{}, false
	}
	return c.Acts[i], true
}

// Post finds a headship by its code.
func (c *Catalogue) Post(code string) (Post, bool) {
	i := slices.IndexFunc(c.Posts, func(p Post) bool { return p.Code == code })
	if i < 0 {
		return Post{Term: Term{Code: code, Zh: code, En: code}}, false
	}
	return c.Posts[i], true
}

// Approval finds a decision by its code.
func (c *Catalogue) Approval(code string) (Approval, bool) {
	i := slices.IndexFunc(c.Approvals, func(a Approval) bool { return a.Code == code })
	if i < 0 {
		return Approval{}, false
	}
	return c.Approvals[i], true
}

// NeedsBoth says whether a decision needs the signatures of both directors.
func NeedsBoth(decision string) bool {
	a, _ := Rules.Approval(decision)
	return a.Both
}

// gives says whether a granted right is the one that is needed, or includes it.
func gives(granted, needed string) bool {
	t, _ := find(Rules.Rights, granted)
	return granted == needed || slices.Contains(t.Includes, needed)
}
