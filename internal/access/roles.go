package access

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// Reach says how far a role sees.
type Reach string

const (
	Unit        Reach = "unit"        // the patients of one's department, ward, clinic, teams and consultations
	Desk        Reach = "cases"       // the cases of the institution
	Institution Reach = "institution" // all that the institution keeps, for the role's purpose
	Self        Reach = "self"        // one's own record, or that of one's ward
	Registers   Reach = "registers"   // the shared registers, no patient
	Nothing     Reach = "none"
	System      Reach = "program" // what the token's organisation keeps
)

// Rule is what a role may do.
type Rule struct {
	Code     Role                `json:"code"`
	Zh       string              `json:"zh"`
	En       string              `json:"en"`
	Reach    Reach               `json:"reach"`
	Clinical bool                `json:"clinical"`   // treats patients: emergencies, break-glass
	Purposes []string            `json:"purposes"`   // of v3-PurposeOfUse; the first is taken unless another is named
	Types    []string            `json:"types"`      // nil = any: the least that the purpose needs
	Fields   map[string][]string `json:"fields"`     // by type: only these elements are shown, and searched by
	Searches map[string][]string `json:"searches"`   // by type of Fields: the parameters that it may ask by
	Writes   []string            `json:"writes"`     // types; "record" = all that is no register, "register" = the registers
	Opens    []string            `json:"opens"`      // guarded kinds that need no further reason
	OnDuty   bool                `json:"onDuty"`     // for the whole institution: works on its cases, beside the patients of his unit
	Deals    bool                `json:"agreements"` // handles the institution's agreements with others
	Reveals  bool                `json:"reveals"`    // may ask for a masked number in full
	Merges   bool                `json:"merges"`     // says which of its institution's records are of one patient, and takes it back
	Acts     []Role              `json:"acts"`       // takes the steps of these roles, too
	Appoints []string            `json:"appoints"`   // roles that it gives to others, "*" = any
	Source   string              `json:"source"`     // where a rule of law stands behind it
	Verified bool                `json:"verified"`   // somebody has compared it with the source
}

// Reason is why somebody looks where he usually may not.
type Reason struct {
	Code string `json:"code"`
	Zh   string `json:"zh"`
	En   string `json:"en"`
}

// settings is roles.json.
type settings struct {
	Grace map[string]span `json:"grace"`
	Adult int             `json:"guardianUntil"`
	Ages  struct {
		Data        int `json:"guardianForData"`
		Treatment   int `json:"guardianForTreatment"`
		Independent int `json:"selfSupportingFrom"`
	} `json:"consent"`
	BreakGlass struct {
		Hours   int      `json:"hours"`
		PerDay  int      `json:"perDay"`
		Reasons []Reason `json:"reasons"`
	} `json:"breakGlass"`
	Further struct {
		Hours   int      `json:"hours"`
		Reasons []Reason `json:"reasons"`
	} `json:"furtherReason"`
	Roles []Rule `json:"roles"`
}

type span time.Duration

func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*s = span(d)
	return err
}

//go:embed roles.json
var rolesJSON []byte

var data = func() (s settings) {
	if err := json.Unmarshal(rolesJSON, &s); err != nil {
		panic("access: roles.json: " + err.Error())
	}
	return s
}()

var rules = func() map[Role]*Rule {
	m := map[Role]*Rule{}
	for i := range data.Roles {
		m[data.Roles[i].Code] = &data.Roles[i]
	}
	return m
}()

// RoleNames says what the roles are called.
var RoleNames = func() map[Role]struct{ Zh, En string } {
	m := map[Role]struct{ Zh, En string }{}
	for code, r := range rules {
		m[code] = struct{ Zh, En string }{r.Zh, r.En}
	}
	return m
}()

// RuleOf is what a role may do; nil for a role that nobody knows.
func RuleOf(r Role) *Rule { return rules[r] }

// Roles lists every role in the order of the data.
func Roles() []Rule { return data.Roles }

// SeesPatients says whether a role reads patient records at all: who runs the system or audits it does not.
func SeesPatients(r Role) bool {
	rule := rules[r]
	return rule != nil && rule.Reach != Registers && rule.Reach != Nothing
}

// IsClinical says whether a role treats patients.
func IsClinical(r Role) bool { return rules[r] != nil && rules[r].Clinical }

// MayReveal says whether a role's purpose needs ID numbers and telephones in full, one at a time and audited.
func MayReveal(r Role) bool { return rules[r] != nil && rules[r].Reveals }

// MayMerge refuses who does not say of two records of his institution that they are one: people by their role, programs
// by a scope to update Patients.
func MayMerge(c *Caller) error {
	rule := rules[c.Role]
	if c.Role == Program && c.granted('u', "Patient") || c.Role != Program && !c.Delegated() && rule != nil && rule.Merges {
		return nil
	}
	return fhir.Refuse(403, "forbidden", "may-not-merge", "your role does not merge records", "您的角色不能合并档案")
}

// MayAppoint says whether one role gives another to people.
func MayAppoint(by, role Role) bool {
	rule := rules[by]
	return rule != nil && rules[role] != nil && role != Program && (slices.Contains(rule.Appoints, "*") || slices.Contains(rule.Appoints, string(role)))
}

// ActsAs lists the roles whose steps a role takes, its own first.
func ActsAs(r Role) []Role {
	if rule := rules[r]; rule != nil && len(rule.Acts) > 0 {
		return append([]Role{r}, rule.Acts...)
	}
	return []Role{r}
}

// PurposeOf is why a role looks at records: the purpose named, where the role may have it, else its first one.
func PurposeOf(r Role, asked string) string {
	rule := rules[r]
	if rule == nil || len(rule.Purposes) == 0 {
		return ""
	}
	if slices.Contains(rule.Purposes, asked) {
		return asked
	}
	return rule.Purposes[0]
}

// BreakGlassReasons are the reasons for which a clinician may look at a record that is closed to him.
func BreakGlassReasons() []Reason { return data.BreakGlass.Reasons }

// FurtherReasons are the reasons for which a guarded kind of data opens.
func FurtherReasons() []Reason { return data.Further.Reasons }

// BreakGlassLimit is how long an opened record stays open, and how many a person may open in a day.
func BreakGlassLimit() (open time.Duration, perDay int) {
	return time.Duration(data.BreakGlass.Hours) * time.Hour, data.BreakGlass.PerDay
}

// FurtherLimit is how long a further reason holds.
func FurtherLimit() time.Duration { return time.Duration(data.Further.Hours) * time.Hour }

func grace(of string) time.Duration { return time.Duration(data.Grace[of]) }

// writes says whether a rule lets a role write a type.
func (r *Rule) writes(typ string) bool {
	register := slices.Contains(search.Shared, typ)
	return slices.Contains(r.Writes, typ) || register && slices.Contains(r.Writes, "register") || !register && slices.Contains(r.Writes, "record")
}

// Least says whether the caller's role sees only some elements of some types.
func (c *Caller) Least() bool { return rules[c.Role] != nil && rules[c.Role].Fields != nil }

// Minimum are the elements of a type that the caller's role may see, and the parameters by which it may search; nil = all.
func (c *Caller) Minimum(typ string) (elements, parameters []string) {
	if rule := rules[c.Role]; rule != nil {
		return rule.Fields[typ], rule.Searches[typ]
	}
	return nil, nil
}

// Check finds what is wrong with the data of roles.
func Check() error {
	for code, r := range rules {
		if r.Zh == "" || r.En == "" || r.Reach == "" || len(r.Purposes) == 0 {
			return fmt.Errorf("access: role %s lacks its name, reach or purpose", code)
		}
	}
	for _, a := range slices.Sorted(maps.Keys(rules)) {
		for _, as := range rules[a].Acts {
			if rules[as] == nil {
				return fmt.Errorf("access: role %s acts as the unknown %s", a, as)
			}
		}
	}
	return nil
}

// notAllowed is the refusal of a write that the role does not have.
func notAllowed(typ string) error {
	return fhir.Refuse(403, "forbidden", "not-allowed", "your role may not do this to a "+typ, "您的角色无权对该类资料（"+typ+"）进行此操作")
}
