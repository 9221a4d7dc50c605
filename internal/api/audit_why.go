package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/store"
)

// way is one relation by which somebody could see a patient at the time of an entry.
type way struct {
	Patient   string     `json:"patient"`
	Party     string     `json:"party"`
	PartyName string     `json:"partyName"`
	Basis     string     `json:"basis"`
	BasisName Words      `json:"basisName"`
	Source    string     `json:"source"`
	Resource  string     `json:"resource,omitempty"` // where only a single one was given
	From      *time.Time `json:"from,omitempty"`
	Until     *time.Time `json:"until,omitempty"`
}

var bases = map[string]Words{
	"custodian": {"本机构建档", "Kept by the own institution"}, "task": {"转诊、会诊等业务往来", "Party to a case"}, "packet": {"随转诊送来的资料", "Came with a referral"},
	"encounter": {"就诊、住院", "Encounter"}, "team": {"医疗组成员", "Member of the team"}, "consent": {"患者同意", "The patient's consent"}, "break-glass": {"紧急调阅", "Break-glass"},
	"reason": {"说明理由后开放", "Opened for a reason given"}, "appointment": {"预约", "Appointment"}, "agreement": {"机构间协议", "Agreement"}, "self": {"患者本人", "The patient"},
}

// mostWays bounds one answer.
const mostWays = 100

// why answers from the grants as they stood at the time of an entry: they are closed, never deleted.
func (a *Trail) why(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	seq, _ := strconv.ParseInt(r.PathValue("seq"), 10, 64)
	e, found, err := a.Desk.Entry(r.Context(), c, seq)
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err == nil {
		look := audit.Of(r.Context(), "R", "audit-why", "AuditEvent/"+strconv.FormatInt(seq, 10))
		look.Patients = e.Patients
		err = a.Book.Read(r.Context(), look)
	}
	ways := []way{}
	if err == nil {
		ways, err = a.ways(r.Context(), e)
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 200, map[string]any{"seq": e.Seq, "ways": ways, "purpose": wordsOf(e.Purpose, purposes), "reason": e.Reason, "patients": len(e.Patients)})
}

func (a *Trail) ways(ctx context.Context, e audit.Entry) (list []way, err error) {
	list = []way{}
	err = a.Store.View(ctx, func(tx *store.Tx) error {
		list = list[:0]
		teams, err := a.teams(ctx, tx, e)
		if err != nil {
			return err
		}
		for _, patient := range e.Patients[:min(len(e.Patients), 20)] {
			rights, err := tx.Rights(ctx, patient, e.At)
			if err != nil {
				return err
			}
			for _, right := range rights {
				if len(list) >= mostWays || !a.concerns(e, teams, right.Party) {
					continue
				}
				name := right.Basis
				if right.Class == "packet" {
					name = "packet"
				}
				o := way{Patient: patient, Party: right.Party, PartyName: a.partyName(right.Party), Basis: right.Basis, BasisName: Words{name, name}, Source: right.Source, Resource: right.Resource}
				if known, ok := bases[name]; ok {
					o.BasisName = known
				}
				if y := right.From.Year(); y > 1900 && y < 3000 {
					o.From = &right.From
				}
				if y := right.Until.Year(); y > 1900 && y < 3000 {
					o.Until = &right.Until
				}
				if !slices.ContainsFunc(list, func(x way) bool { return x.Party == o.Party && x.Source == o.Source && x.Patient == o.Patient }) {
					list = append(list, o)
				}
			}
		}
		return nil
	})
	return list, err
}

// teams of which the person was a member then.
func (a *Trail) teams(ctx context.Context, tx *store.Tx, e audit.Entry) (list []string, err error) {
	if e.Person == "" || a.Teams == nil {
		return nil, nil
	}
	return a.Teams(ctx, tx, e.Person, e.At)
}

// concerns says whether a party is, or holds, whoever made an entry.
func (a *Trail) concerns(e audit.Entry, teams []string, party string) bool {
	party, _, _ = strings.Cut(party, "!")
	party, _, _ = strings.Cut(party, "#")
	switch {
	case party == "":
		return false
	case party == e.Person, slices.Contains(teams, party):
		return true
	case strings.HasPrefix(party, "Organization/") && e.Org != "":
		return a.Tree.Within(e.Org, party) || a.Tree.Within(party, a.Tree.Institution(e.Org))
	}
	return strings.HasPrefix(party, "Patient/") && e.Role == string(access.Patient)
}

func (a *Trail) partyName(party string) string {
	org, _, _ := strings.Cut(party, "!")
	org, _, _ = strings.Cut(org, "#")
	return a.Tree.Name(org)
}
