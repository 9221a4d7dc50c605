package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// AuditEvents are no resources of the store: they are the audit's entries, shown as IHE's profile writes them.
const auditEvent = "AuditEvent"

var errTrailNotWritten = fhir.Refuse(http.StatusMethodNotAllowed, "not-supported", "trail-not-written",
	"the hub writes its audit trail itself: AuditEvents of others are not taken, and none is changed", "审计记录由系统自动生成，不接受外部写入，也不能修改")

// trailParams are the search parameters of the trail.
var trailParams = []string{"_count", "_cursor", "_format", "_id", "_lastUpdated", "_pretty", "_sort", "_total", "action", "agent", "agent-name", "date", "entity", "outcome", "patient", "source", "subtype", "type"}

// trail answers what is asked about AuditEvents.
func (s *server) trail(c *call) (*answer, error) {
	if c.what == "read" || c.what == "search-type" || c.what == "search-compartment" {
		letter := byte(mayRead)
		if c.what != "read" {
			letter = maySearch
		}
		if err := c.may(letter, auditEvent); err != nil {
			return nil, err
		}
	}
	switch c.what {
	case "read":
		return s.readTrail(c)
	case "search-type", "search-compartment":
		return s.searchTrail(c)
	case "create", "update", "patch", "delete":
		return nil, errTrailNotWritten
	}
	return nil, fhir.Refuse(http.StatusMethodNotAllowed, "not-supported", "trail-has-no-versions", "the audit trail is read and searched; its entries have no versions and no operations", "审计记录只支持读取和检索，没有版本和其他操作")
}

func (s *server) readTrail(c *call) (*answer, error) {
	seq, err := strconv.ParseInt(c.id, 10, 64)
	if err != nil || seq < 1 || strconv.FormatInt(seq, 10) != c.id {
		if err := s.Trail.Reads(c.caller); err != nil {
			return nil, err
		}
		return nil, notFound()
	}
	e, found, err := s.Trail.Entry(c.ctx, c.caller, seq)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound()
	}
	entry := c.entry("R", target(auditEvent, c.id))
	entry.Patients, entry.Count = e.Patients, 1
	v := store.Version{Type: auditEvent, ID: c.id, VID: 1, Updated: e.At, JSON: audit.Event(e, c.base).JSON()}
	return &answer{status: http.StatusOK, version: &v, audit: &entry, body: v.JSON}, nil
}

func (s *server) searchTrail(c *call) (*answer, error) {
	for _, p := range c.query {
		if name, _, _ := strings.Cut(p.Name, ":"); !slices.Contains(trailParams, name) {
			return nil, fhir.Refuse(http.StatusBadRequest, "not-supported", "unknown-parameter", "AuditEvent is not searched by "+p.Name+"; by "+strings.Join(trailParams, ", "), "审计记录不支持按 "+p.Name+" 检索")
		}
	}
	r, err := search.Parse(auditEvent, c.query, search.Options{Zone: s.Zone, MaxCount: 500, DefaultCount: s.DefaultCount, Base: c.base, Resolves: true})
	if err != nil {
		return nil, err
	}
	f := audit.Filter{Cursor: r.Cursor, Count: r.Count}
	if c.within != nil {
		if c.within.Type != "Patient" {
			return nil, notSearched(c.within.Type + "/…/AuditEvent")
		}
		f.Patient = "Patient/" + c.within.ID
	}
	for _, k := range r.Sort {
		if (k.Param == nil || k.Param.Code != "date") && k.Special != "_lastUpdated" || !k.Descending {
			return nil, notSearched("_sort: only _sort=-date, which is how they come")
		}
	}
	nothing := false
	for _, clause := range r.Where {
		none, err := s.trailClause(c, clause, &f)
		if err != nil {
			return nil, err
		}
		nothing = nothing || none
	}
	entry := c.entry("R", c.place()+auditTarget(auditEvent, r.Applied))
	if f.Patient != "" {
		entry.Patients = []string{f.Patient}
	}
	if err := s.Trail.Reads(c.caller); err != nil {
		return nil, err
	}
	var entries []audit.Entry
	next, total := "", int64(-1)
	if !nothing && r.Count > 0 {
		if entries, next, err = s.Trail.Find(c.ctx, c.caller, f); err != nil {
			return nil, err
		}
	}
	if r.Total != search.TotalNone || r.Count == 0 {
		if total = 0; !nothing {
			if total, err = s.Trail.Count(c.ctx, c.caller, f); err != nil {
				return nil, err
			}
		}
	}
	entry.Count = len(entries)
	path := c.base + "/" + c.place() + auditEvent
	b := newBundleWriter("searchset", s.Clock.Now())
	if total >= 0 {
		b.total(total)
	}
	b.link("self", path, r.Applied)
	if next != "" {
		b.link("next", path, append(r.Applied[:len(r.Applied):len(r.Applied)], search.Param{Name: "_cursor", Value: next}))
	}
	for _, e := range entries {
		b.open(c.base + "/" + auditEvent + "/" + strconv.FormatInt(e.Seq, 10))
		b.raw("resource", audit.Event(e, c.base).JSON())
		b.raw("search", []byte(`{"mode":"match"}`))
		b.close()
	}
	return &answer{status: http.StatusOK, body: b.done(), audit: &entry}, nil
}

func notSearched(what string) error {
	return fhir.Refuse(http.StatusBadRequest, "not-supported", "trail-parameter", "the audit trail is not searched so: "+what, "审计记录不支持这种检索："+what)
}

// trailClause puts one parameter into the filter; nothing says that it can match no entry.
func (s *server) trailClause(c *call, clause search.Clause, f *audit.Filter) (nothing bool, err error) {
	code := clause.Special
	if clause.Param != nil {
		code = clause.Param.Code
	}
	if clause.Chain != nil || clause.Has != nil || clause.Modifier != "" && clause.Modifier != "Patient" && clause.Modifier != "Practitioner" && clause.Modifier != "exact" && clause.Modifier != "identifier" {
		return false, notSearched(code + ":" + clause.Modifier)
	}
	if clause.Modifier == "identifier" && code != "agent" {
		return false, notSearched(code + ":identifier")
	}
	if len(clause.Values) != 1 && code != "type" && code != "subtype" && code != "agent" {
		return false, notSearched(code + " with several values")
	}
	switch code {
	case "_id":
		seq, err := strconv.ParseInt(clause.Values[0].Text, 10, 64)
		if err != nil || seq < 1 || f.Seq != 0 && f.Seq != seq {
			return true, nil
		}
		f.Seq = seq
	case "date", "_lastUpdated":
		return false, trailDate(clause.Values[0], f)
	case "patient":
		v := clause.Values[0]
		ref := "Patient/" + v.RefID
		if v.RefID == "" || v.RefType != "" && v.RefType != "Patient" || f.Patient != "" && f.Patient != ref {
			return true, nil
		}
		f.Patient = ref
	case "entity":
		v := clause.Values[0]
		if v.RefType == "" || v.RefID == "" {
			return false, notSearched("entity: write it as Type/id")
		}
		if v.RefType == "Patient" && f.Patient == "" {
			f.Patient = "Patient/" + v.RefID
			return false, nil
		}
		f.Target = v.RefType + "/" + v.RefID
	case "agent":
		return s.trailAgent(c, clause, f)
	case "agent-name":
		users, err := s.accounts(c, "", clause.Values[0].Text)
		f.Users = users
		return len(users) == 0, err
	case "action":
		f.ActionOf(clause.Values[0].Code)
	case "outcome":
		f.Outcome = clause.Values[0].Code
	case "type", "subtype":
		any := audit.Kind{}
		for _, v := range clause.Values {
			if code == "type" {
				any.Any = append(any.Any, audit.KindsOfType(v.System, v.Code)...)
			} else {
				any.Any = append(any.Any, audit.KindsOfSubtype(v.System, v.Code)...)
			}
		}
		f.Kinds = append(f.Kinds, any)
	case "source":
		return clause.Values[0].URL != c.base, nil
	default:
		return false, notSearched(code)
	}
	return false, nil
}

// trailAgent finds who did it: Practitioner/…, Organization/…, or agent:identifier=system|account.
func (s *server) trailAgent(c *call, clause search.Clause, f *audit.Filter) (nothing bool, err error) {
	users := []string{}
	for _, v := range clause.Values {
		switch {
		case clause.Modifier == "identifier":
			if v.System == nil || *v.System == audit.Accounts {
				users = append(users, v.Code)
			}
		case v.RefType == "Organization" && len(clause.Values) == 1:
			f.Org = "Organization/" + v.RefID
			return false, nil
		case v.RefType == "Practitioner" || clause.Modifier == "Practitioner":
			found, err := s.accounts(c, "Practitioner/"+v.RefID, "")
			if err != nil {
				return false, err
			}
			users = append(users, found...)
		default:
			return false, notSearched("agent: Practitioner/…, Organization/…, or agent:identifier=" + audit.Accounts + "|account")
		}
	}
	f.Users = users
	return len(users) == 0, nil
}

func (s *server) accounts(c *call, practitioner, name string) ([]string, error) {
	if s.Trail.Accounts == nil {
		return nil, nil
	}
	return s.Trail.Accounts(c.ctx, practitioner, name)
}

func trailDate(v search.Value, f *audit.Filter) error {
	low, high := time.UnixMicro(v.Low).UTC(), time.UnixMicro(v.High).UTC()
	from := func(t time.Time) {
		if f.From.Before(t) {
			f.From = t
		}
	}
	until := func(t time.Time) {
		if f.Until.IsZero() || t.Before(f.Until) {
			f.Until = t
		}
	}
	switch v.Prefix {
	case search.Eq:
		from(low)
		until(high)
	case search.Ge:
		from(low)
	case search.Gt, search.Sa:
		from(high)
	case search.Le:
		until(high)
	case search.Lt, search.Eb:
		until(low)
	default:
		return notSearched("date with ne or ap")
	}
	return nil
}

// trailCapability is AuditEvent in the capability statement.
func trailCapability() fhir.Obj {
	params := fhir.Arr{}
	for _, name := range trailParams {
		p := spec.Lookup(auditEvent, name)
		switch {
		case name == "_id" || name == "_lastUpdated":
			params = append(params, fhir.Obj{"name", name, "type", map[string]string{"_id": "token", "_lastUpdated": "date"}[name]})
		case p != nil:
			params = append(params, fhir.Obj{"name", name, "definition", p.URL, "type", paramTypes[p.Type]})
		}
	}
	return fhir.Obj{"type", auditEvent, "documentation", "The hub's own audit trail, for those who may read it; never written from outside.",
		"interaction", codes("read", "search-type"), "versioning", "no-version", "searchParam", params}
}
