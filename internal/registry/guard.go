package registry

import (
	"context"
	"fmt"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Guard refuses what the registers cannot mean: a number with a wrong check character, a kind, post or right that the
// rules do not know, a period that ends before it begins; each refusal names the field. And it refuses an entry about
// what lies outside the writer's part of the tree. It is a store.Guard.
func (r *Room) Guard(ctx context.Context, p store.Put, before *fhir.Node) error {
	if r.outside(ctx, p, before) {
		return fhir.Refuse(403, "forbidden", "outside-your-organisations", "this entry of the register lies outside your organisations", "该登记不在您的管理范围内")
	}
	if p.Op == store.Delete || p.Resource.Node == nil {
		return nil
	}
	var issues []fhir.Issue
	switch p.Type {
	case "Organization", "Practitioner", "PractitionerRole", "HealthcareService", "Location":
		issues = r.Check(p.Resource.Node)
	}
	if issues == nil {
		return nil
	}
	return &fhir.Error{Status: 422, Issues: issues}
}

// place is where an entry of the registers belongs: who answers for it.
var place = map[string][]string{
	"PractitionerRole": {"organization.reference"}, "HealthcareService": {"providedBy.reference"}, "Location": {"managingOrganization.reference"},
	"OrganizationAffiliation": {"organization.reference", "participatingOrganization.reference"},
}

// outside says whether an entry belongs, or belonged, to organisations of which none is the writer's; of a person's it
// is the institution that keeps it.
func (r *Room) outside(ctx context.Context, p store.Put, before *fhir.Node) bool {
	c := access.From(ctx)
	if c == nil || c.Role == "system" || p.ByStep || c.Institution == "" || c.Scope.All {
		return false
	}
	within := func(org string) bool { return r.Tree.Within(r.Tree.Standing(ctx, org), c.Institution) }
	if p.Type == "Practitioner" {
		return before != nil && p.Keeper != "" && !within(p.Keeper)
	}
	paths := place[p.Type]
	if paths == nil {
		return false
	}
	for _, n := range []*fhir.Node{before, p.Resource.Node} {
		mine, named := false, false
		for _, path := range paths {
			if org := n.Str(path); org != "" {
				named = true
				mine = mine || within(org)
			}
		}
		if n != nil && named && !mine {
			return true
		}
	}
	return false
}

// Check lists what is wrong with a resource of the registers.
func (r *Room) Check(n *fhir.Node) []fhir.Issue {
	c := checker{room: r, typ: n.Type()}
	for i, id := range n.All("identifier") {
		at := fmt.Sprintf("%s.identifier[%d].value", c.typ, i)
		c.number(at, id.Str("system"), id.Str("value"))
		c.period(fmt.Sprintf("%s.identifier[%d].period", c.typ, i), id.Get("period"))
	}
	switch c.typ {
	case "Organization":
		c.organisation(n)
	case "Practitioner":
		for i, q := range n.All("qualification") {
			at := fmt.Sprintf("Practitioner.qualification[%d]", i)
			c.period(at+".period", q.Get("period"))
			for _, coding := range q.All("code.coding") {
				if coding.Str("system") == LicenceKind {
					c.known(at+".code", Rules.Kinds, coding.Str("code"), "licence-kind", "licence kind", "执业类别")
				}
			}
		}
	case "PractitionerRole":
		c.role(n)
	case "HealthcareService":
		if e := extension(n, ServicePeriod); e != nil {
			c.period("HealthcareService.extension", e.Get("valuePeriod"))
		}
		for i, a := range n.All("notAvailable") {
			c.period(fmt.Sprintf("HealthcareService.notAvailable[%d].during", i), a.Get("during"))
		}
	}
	return c.issues
}

type checker struct {
	room   *Room
	typ    string
	issues []fhir.Issue
}

func (c *checker) add(at, detail, en, zh string) {
	c.issues = append(c.issues, fhir.Issue{Severity: "error", Code: "value", Detail: detail, Text: en, Zh: zh, Expression: at})
}

func (c *checker) number(at, system, value string) {
	switch {
	case system == CreditCode && !IsCreditCode(value):
		c.add(at, "bad-credit-code", "the unified social credit code has 18 characters and a check character that does not fit", "统一社会信用代码应为 18 位，且校验码不符")
	case system == InstitutionCode && !IsInstitutionCode(value):
		c.add(at, "bad-institution-code", "an institution's registration number has 22 characters: organisation 9, area 6, economy 2, kind 4, administration 1", "医疗机构登记号应为 22 位：组织机构代码 9、行政区划 6、经济类型 2、机构类别 4、分类管理 1")
	case system == InsuranceCode && !IsInsuranceCode(value):
		c.add(at, "bad-insurance-code", "the insurance's code of an institution is H and 11 digits", "医保定点机构代码应为 H 加 11 位数字")
	}
}

func (c *checker) period(at string, p *fhir.Node) {
	if p == nil {
		return
	}
	from, until := c.room.span(p)
	if !from.IsZero() && !until.IsZero() && !until.After(from) {
		c.add(at, "bad-period", "it ends before it begins", "结束时间早于开始时间")
	}
}

func (c *checker) known(at string, list []Term, code, detail, en, zh string) {
	if _, ok := find(list, code); !ok {
		c.add(at, "unknown-"+detail, "unknown "+en+" "+quoted(code), zh+"“"+clip(code)+"”不在目录中")
	}
}

func (c *checker) organisation(n *fhir.Node) {
	for i, e := range n.All("extension") {
		at := fmt.Sprintf("Organization.extension[%d]", i)
		switch e.Str("url") {
		case GradeOf:
			c.known(at, Rules.Grades, e.Str("valueCode"), "grade", "grade", "等级")
		case LevelOf:
			c.known(at, Rules.Levels, e.Str("valueCode"), "level", "part in the network", "网络层级")
		case AreaOf:
			if !IsArea(e.Str("valueCode")) {
				c.add(at, "bad-area", "an area code has 6, 9 or 12 digits and begins with a province", "行政区划代码应为 6、9 或 12 位数字，且省份存在")
			}
		}
	}
}

func (c *checker) role(n *fhir.Node) {
	c.period("PractitionerRole.period", n.Get("period"))
	for i, code := range n.All("code") {
		for _, coding := range code.All("coding") {
			if coding.Str("system") != PostSystem {
				continue
			}
			if _, ok := Rules.Post(coding.Str("code")); !ok {
				c.add(fmt.Sprintf("PractitionerRole.code[%d]", i), "unknown-post", "unknown post "+quoted(coding.Str("code")), "职务“"+clip(coding.Str("code"))+"”不在目录中")
			}
		}
	}
	for i, e := range n.All("extension") {
		at := fmt.Sprintf("PractitionerRole.extension[%d]", i)
		switch e.Str("url") {
		case BasisOf:
			c.known(at, Rules.Bases, e.Str("valueCode"), "basis", "basis of practice", "执业依据")
		case RightOf:
			c.known(at, Rules.Rights, extension(e, "right").Str("valueCode"), "right", "right", "权限")
			c.period(at, extension(e, "period").Get("valuePeriod"))
		}
	}
	for i, a := range n.All("notAvailable") {
		c.period(fmt.Sprintf("PractitionerRole.notAvailable[%d].during", i), a.Get("during"))
	}
	if extension(n, StandsForOf) != nil && n.Str("period.end") == "" {
		c.add("PractitionerRole.period", "substitute-needs-end", "a substitute's time needs an end", "代理须写明截止日期")
	}
}

func quoted(s string) string { return `"` + clip(s) + `"` }

func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
