package audit

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Systems of the codes in an AuditEvent.
const (
	dcm          = "http://dicom.nema.org/resources/ontology/DCM"
	eventTypes   = "http://terminology.hl7.org/CodeSystem/audit-event-type"
	restful      = "http://hl7.org/fhir/restful-interaction"
	lifecycle    = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
	actReason    = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
	entityTypes  = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	objectRoles  = "http://terminology.hl7.org/CodeSystem/object-role"
	balp         = "https://profiles.ihe.net/ITI/BALP/"
	Interactions = spec.Canonical + "/CodeSystem/audit-interaction"
	Accounts     = spec.Canonical + "/NamingSystem/account"
	Apps         = spec.Canonical + "/NamingSystem/app"
	roles        = spec.Canonical + "/CodeSystem/role"
	reasons      = spec.Canonical + "/CodeSystem/access-reason"
)

// coding is one code of an AuditEvent, and which entries carry it.
type coding struct {
	system, code, display string
	kind                  Kind
}

// types are AuditEvent.type, but for "rest", which is everything else.
var types = []coding{
	{dcm, "110114", "User Authentication", Kind{Whats: []string{"login", "logout", "role-switch", "password-change", "login-failed"}, Prefixes: []string{"login-", "second-factor", "passkey", "factor-", "recovery-", "session-", "step-up"}}},
	{dcm, "110113", "Security Alert", Kind{Whats: []string{meddled, torn, "token-create", "token-revoke"}, Prefixes: []string{"user-", "role-request", "app-", "break-glass", "further-reason", "safeguard"}}},
	{dcm, "110106", "Export", Kind{Whats: []string{"bulk-file", "export", "subscription-notify", "audit-export", "audit-copy"}}},
	{dcm, "110101", "Audit Log Used", Kind{Whats: []string{"audit"}}},
	{dcm, "110100", "Application Activity", Kind{Whats: []string{anchored, introduced, archived}}},
}

var rest = coding{eventTypes, "rest", "Restful Operation", Kind{}}

var restfulCodes = []string{"read", "vread", "update", "patch", "delete", "history-instance", "history-type", "history-system", "create", "search-type", "search-system", "capabilities", "transaction", "batch"}

// subtypes are AuditEvent.subtype beside the restful interaction and our own name of it.
var subtypes = []coding{
	{dcm, "110122", "Login", Kind{Whats: []string{"login"}}},
	{dcm, "110123", "Logout", Kind{Whats: []string{"logout"}}},
	{dcm, "110127", "Emergency Override Started", Kind{Prefixes: []string{"break-glass"}}},
	{dcm, "110136", "Security Roles Changed", Kind{Whats: []string{"user-roles"}}},
	{dcm, "110137", "User security Attributes Changed", Kind{Whats: []string{"user-update", "user-reset", "user-disable", "user-enable"}}},
	{lifecycle, "disclose", "Disclose Record Lifecycle Event", Kind{Whats: []string{"bulk-file", "export", "subscription-notify", "audit-export", "audit-copy"}}},
}

func (k Kind) has(what string) bool {
	found := slices.Contains(k.Whats, what)
	for _, p := range k.Prefixes {
		found = found || strings.HasPrefix(what, p)
	}
	for _, one := range k.Any {
		found = found || one.has(what)
	}
	return found != k.Not
}

// notRest is the condition of all that is of another type than "rest".
func notRest() (k Kind) {
	for _, t := range types {
		k.Whats = append(k.Whats, t.kind.Whats...)
		k.Prefixes = append(k.Prefixes, t.kind.Prefixes...)
	}
	return k
}

// KindsOfType reads one value of the search parameter type; system nil = any.
func KindsOfType(system *string, code string) (kinds []Kind) {
	for _, t := range types {
		if (system == nil || *system == t.system) && (code == "" || code == t.code) {
			kinds = append(kinds, t.kind)
		}
	}
	if (system == nil || *system == rest.system) && (code == "" || code == rest.code) {
		k := notRest()
		k.Not = true
		kinds = append(kinds, k)
	}
	return kinds
}

// KindsOfSubtype reads one value of the search parameter subtype.
func KindsOfSubtype(system *string, code string) (kinds []Kind) {
	for _, t := range subtypes {
		if (system == nil || *system == t.system) && (code == "" || code == t.code) {
			kinds = append(kinds, t.kind)
		}
	}
	if code != "" && (system == nil || *system == Interactions || *system == restful && slices.Contains(restfulCodes, code)) {
		kinds = append(kinds, Kind{Whats: []string{code}})
	}
	if system == nil && code == "operation" || system != nil && *system == restful && (code == "operation" || code == "") {
		k := notRest()
		k.Whats, k.Not = append(k.Whats, restfulCodes...), true
		kinds = append(kinds, k)
	}
	if system != nil && *system == restful && code == "" {
		kinds = append(kinds, Kind{Whats: restfulCodes})
	}
	if system != nil && *system == Interactions && code == "" {
		kinds = append(kinds, Kind{Not: true})
	}
	return kinds
}

// searches are what IHE's profile calls a query, with the action "execute".
var searches = Kind{Prefixes: []string{"search-"}}

// ActionOf narrows a filter to an AuditEvent.action.
func (f *Filter) ActionOf(code string) {
	if code == "E" {
		f.Executed = true
		return
	}
	f.Action, f.Kinds = code, append(f.Kinds, Kind{Prefixes: searches.Prefixes, Not: true})
}

func codeable(system, code, display string) fhir.Obj {
	return fhir.Obj{"coding", fhir.Arr{fhir.Obj{"system", system, "code", code, "display", display}}}
}

// Event is an entry as a FHIR AuditEvent, after IHE's Basic Audit Log Patterns; base is the address of our FHIR API.
func Event(e Entry, base string) *fhir.Node {
	at := e.At.UTC().Truncate(time.Millisecond).Format("2006-01-02T15:04:05.000Z07:00")
	kind := rest
	for _, t := range types {
		if t.kind.has(e.What) {
			kind = t
		}
	}
	action, query := e.Action, searches.has(e.What)
	if query {
		action = "E"
	}
	subtype := fhir.Arr{}
	if kind.code == rest.code {
		code := e.What
		if !slices.Contains(restfulCodes, code) {
			code = "operation"
		}
		subtype = append(subtype, fhir.Obj{"system", restful, "code", code})
	}
	for _, s := range subtypes {
		if s.kind.has(e.What) {
			subtype = append(subtype, fhir.Obj{"system", s.system, "code", s.code, "display", s.display})
		}
	}
	subtype = append(subtype, fhir.Obj{"system", Interactions, "code", e.What})
	var purpose, why fhir.Arr
	if e.Purpose != "" {
		purpose = fhir.Arr{codeable(actReason, e.Purpose, "")}
	}
	if why = slices.Clone(purpose); e.Reason != "" {
		code, text, _ := strings.Cut(e.Reason, ": ")
		why = append(why, append(codeable(reasons, code, ""), "text", text))
	}
	entities := e.entities(query)
	n := fhir.New("AuditEvent", "id", strconv.FormatInt(e.Seq, 10),
		"meta", fhir.Obj{"versionId", "1", "lastUpdated", at, "profile", e.profile(kind, len(e.Patients) > 0)},
		"type", fhir.Obj{"system", kind.system, "code", kind.code, "display", kind.display},
		"subtype", subtype, "action", action, "recorded", at, "outcome", e.Outcome, "purposeOfEvent", why,
		"agent", e.agents(base, purpose),
		"source", fhir.Obj{"site", base, "observer", fhir.Obj{"identifier", fhir.Obj{"system", "urn:ietf:rfc:3986", "value", base}, "display", "Xinglin"},
			"type", fhir.Arr{fhir.Obj{"system", "http://terminology.hl7.org/CodeSystem/security-source-type", "code", "4", "display", "Application Server"}}},
		"entity", entities)
	return n
}

// profile names the pattern that the event follows, where it has all that the pattern asks for.
func (e *Entry) profile(kind coding, patient bool) fhir.Arr {
	if kind.code != rest.code || e.Outcome != "0" || e.Remote == "" || e.User == "" {
		return nil
	}
	name := ""
	switch {
	case e.What == "read", e.What == "vread":
		name = "Read"
	case searches.has(e.What):
		name = "Query"
	case e.What == "create":
		name = "Create"
	case e.What == "update", e.What == "patch":
		name = "Update"
	case e.What == "delete":
		name = "Delete"
	}
	if name == "" || name != "Query" && e.target() == "" {
		return nil
	}
	if patient {
		name = "Patient" + name
	}
	return fhir.Arr{balp + "StructureDefinition/IHE.BasicAudit." + name}
}

func (e *Entry) agents(base string, purpose fhir.Arr) fhir.Arr {
	// who asks and who answers, as IHE's profile has them for this kind of touch
	client, server := codeable(dcm, "110153", "Source Role ID"), codeable(dcm, "110152", "Destination Role ID")
	switch e.What {
	case "read", "vread":
		client, server = server, client
	case "delete":
		client = codeable(dcm, "110150", "Application")
		server = codeable("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "custodian", "Custodian")
	}
	app := e.Client
	if app == "" && e.Person == "" && e.Role == "program" {
		app = e.User
	}
	if app == "" {
		app = "xinglin-page"
	}
	agents := fhir.Arr{}
	if e.User != "" {
		asking := fhir.Obj{"type", client, "who", fhir.Obj{"identifier", fhir.Obj{"system", Apps, "value", app}}, "requestor", false}
		if e.Remote != "" {
			asking = append(asking, "network", fhir.Obj{"address", e.Remote, "type", "2"})
		}
		agents = append(agents, asking)
	}
	agents = append(agents, fhir.Obj{"type", server, "who", fhir.Obj{"identifier", fhir.Obj{"system", "urn:ietf:rfc:3986", "value", base}, "display", "Xinglin"}, "requestor", e.User == "",
		"network", fhir.Obj{"address", base, "type", "5"}})
	if e.User == "" {
		return agents
	}
	who := fhir.Obj{"identifier", fhir.Obj{"system", Accounts, "value", e.User}, "display", e.Name}
	if e.Person != "" {
		who = append(fhir.Obj{"reference", e.Person}, who...)
	}
	user := fhir.Obj{"type", codeable("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP", "information recipient"), "who", who, "name", e.Name, "requestor", true, "purposeOfUse", purpose}
	if e.Role != "" {
		user = append(user, "role", fhir.Arr{codeable(roles, e.Role, "")})
	}
	agents = append(agents, user)
	if e.Org != "" {
		agents = append(agents, fhir.Obj{"type", codeable("http://terminology.hl7.org/CodeSystem/v3-RoleClass", "PROV", "healthcare provider"), "who", fhir.Obj{"reference", e.Org}, "requestor", false})
	}
	return agents
}

func (e *Entry) entities(query bool) fhir.Arr {
	entities := fhir.Arr{}
	for _, p := range e.Patients {
		entities = append(entities, fhir.Obj{"what", fhir.Obj{"reference", p}, "type", fhir.Obj{"system", entityTypes, "code", "1", "display", "Person"},
			"role", fhir.Obj{"system", objectRoles, "code", "1", "display", "Patient"}})
	}
	object := fhir.Obj{"system", entityTypes, "code", "2", "display", "System Object"}
	switch target := e.target(); {
	case query && e.Target != "":
		entities = append(entities, fhir.Obj{"type", object, "role", fhir.Obj{"system", objectRoles, "code", "24", "display", "Query"}, "query", base64.StdEncoding.EncodeToString([]byte(e.Target))})
	case target != "":
		entities = append(entities, fhir.Obj{"what", fhir.Obj{"reference", target}, "type", object, "role", fhir.Obj{"system", objectRoles, "code", "4", "display", "Domain Resource"}})
	case e.Target != "":
		entities = append(entities, fhir.Obj{"type", object, "description", strings.Map(printable, e.Target)})
	}
	if e.Request != "" {
		entities = append(entities, fhir.Obj{"what", fhir.Obj{"identifier", fhir.Obj{"value", e.Request}}, "type", fhir.Obj{"system", balp + "CodeSystem/BasicAuditEntityType", "code", "XrequestId"}})
	}
	return entities
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}
