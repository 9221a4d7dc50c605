package profile

import (
	"fmt"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/fhirpath"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Bounds of one check.
const (
	enough      = 200       // issues
	mostSteps   = 3_000_000 // values, rules and discriminators looked at
	maxConforms = 6         // profiles within profiles: references, discriminators
	maxResolved = 500       // references looked up
)

// Options of Check.
type Options struct {
	Profiles   []string        // to be kept beside those of meta.profile; one that is not known is an error
	Rules      bool            // R4's own invariants, bindings and extensions, not only profiles
	References string          // severity for a local reference to what is not here; "" = not looked at
	Standing   map[string]bool // references that stood in the version before: they are let through
	Until      time.Time       // no longer than that; zero = no limit
	Now        time.Time       // for invariants; zero = the machine's clock
	Zone       *time.Location
}

// Check lists what is wrong with a resource whose structure is as R4 has it (package validate).
func Check(n *fhir.Node, d Definitions, o Options) []fhir.Issue {
	if d == nil {
		d = Nothing{}
	}
	if !spec.IsResource(n.Type()) {
		return nil
	}
	c := &checker{d: d, o: o, visited: map[visit]bool{}, judged: map[judgement]bool{}, faults: map[judgement]string{}, profiles: map[string]*Profile{}, told: map[string]bool{}, resolved: map[string]*fhir.Node{}}
	c.resource(whole(n, nil), o.Profiles)
	if len(c.issues) > enough {
		c.issues = append(c.issues[:enough], fhir.Issue{Severity: "information", Code: "informational", Detail: "more-issues", Text: "there are more issues than are shown", Zh: "问题过多，仅显示一部分"})
	}
	return c.issues
}

type checker struct {
	d        Definitions
	o        Options
	issues   []fhir.Issue
	steps    int
	over     bool
	visited  map[visit]bool
	judged   map[judgement]bool
	faults   map[judgement]string
	profiles map[string]*Profile
	told     map[string]bool // what is said once
	resolved map[string]*fhir.Node
	here     scope
	depth    int
	quiet    bool
	failed   bool   // an error was found while quiet
	fault    string // the first
}

type visit struct {
	n *fhir.Node
	r *rule
}

type judgement struct {
	n *fhir.Node
	p *Profile
}

// scope is the resource that is being checked.
type scope struct {
	resource, root *fhir.Node
	bundle         map[string]*fhir.Node // of the nearest Bundle around it: by fullUrl and by Type/id
	base           string                // of the entry's fullUrl, ends with /
	env            *fhirpath.Env
}

func (c *checker) report(at *place, severity, code, detail, text, zh string) {
	if c.quiet {
		if severity == "error" && !c.failed {
			c.failed, c.fault = true, at.String()+": "+text
		}
		return
	}
	if len(c.issues) <= enough {
		c.issues = append(c.issues, fhir.Issue{Severity: severity, Code: code, Detail: detail, Text: text, Zh: zh, Expression: at.String()})
	}
}

// once is report for what would be said of every value alike.
func (c *checker) once(what string, at *place, severity, code, detail, text, zh string) {
	if !c.quiet && !c.told[what] {
		c.told[what] = true
		c.report(at, severity, code, detail, text, zh)
	}
}

// spent reports that enough has been done.
func (c *checker) spent() bool {
	c.steps++
	if c.over || len(c.issues) > enough {
		return true
	}
	if c.steps > mostSteps || c.steps&255 == 0 && !c.o.Until.IsZero() && time.Now().After(c.o.Until) {
		c.over, c.quiet = true, false
		c.report(&place{name: c.here.resource.Type(), index: -1}, "warning", "too-costly", "too-costly", "the check was stopped: it takes too long; what follows was not looked at", "检查耗时过长，已停止，其余内容未检查")
	}
	return c.over
}

// inside is the scope of another resource, seen from here.
func (c *checker) inside(n *fhir.Node) scope {
	s := scope{resource: n, root: n, bundle: c.here.bundle, base: c.here.base}
	for _, x := range c.here.root.All("contained") {
		if x == n {
			s.root = c.here.root
		}
	}
	return s
}

func (c *checker) env() *fhirpath.Env {
	if c.here.env == nil {
		e := &fhirpath.Env{Resource: fhirpath.Of(c.here.resource), Now: c.o.Now, Zone: c.o.Zone, Resolve: c.resolve}
		if c.here.root != c.here.resource {
			e.Root = fhirpath.Of(c.here.root)
		}
		e.MemberOf = func(set string, n *fhir.Node, typ string) (bool, error) {
			in, known := c.coded(value{n: n, typ: typ}, set)
			if !known {
				return true, nil // what cannot be decided is let pass
			}
			return in, nil
		}
		e.ConformsTo = func(canonical string, n *fhir.Node, typ string) (conforms, known bool) {
			return c.conforms(canonical, value{n: n, typ: typ, place: &place{name: typ, index: -1}})
		}
		c.here.env = e
	}
	return c.here.env
}

// resource checks a whole resource: R4's rules, what it claims, and what is asked of it.
func (c *checker) resource(v value, asked []string) {
	before := c.here
	contained := v.m != nil && v.m.key == "contained"
	c.here = scope{resource: v.n, root: v.n, bundle: before.bundle, base: before.base}
	if contained {
		c.here.root = before.root
	}
	if v.typ == "Bundle" {
		c.here.bundle = entriesOf(v.n)
	}
	if c.o.Rules {
		c.whole(v, contained)
	}
	done := map[*Profile]bool{}
	for _, canonical := range asked {
		p := c.profile(canonical)
		if p == nil && baseName(canonical) == "" {
			c.report(v.place, "error", "not-found", "unknown-profile", "this profile is not known here: "+clip(canonical), "未找到规范："+clip(canonical))
			continue
		}
		c.claim(v, canonical, p, done)
	}
	for i, canonical := range v.n.All("meta.profile") {
		p := c.profile(canonical.Text)
		if p == nil && baseName(canonical.Text) == "" {
			at := &place{&place{v.place, "meta", -1}, "profile", i}
			c.report(at, "warning", "not-found", "unknown-profile", "this profile is not known here and was not checked: "+clip(canonical.Text), "未找到规范，未按其检查："+clip(canonical.Text))
			continue
		}
		c.claim(v, canonical.Text, p, done)
	}
	c.element(v)
	c.here = before
}

func (c *checker) claim(v value, canonical string, p *Profile, done map[*Profile]bool) {
	if p == nil {
		if base := baseName(canonical); !isA(v.typ, base) {
			c.report(v.place, "error", "structure", "profile-type", "must be a "+base, "应为 "+base)
		}
		return
	}
	if done[p] {
		return
	}
	done[p] = true
	c.notes(v.place, p)
	if !isA(v.typ, p.Type) {
		c.report(v.place, "error", "structure", "profile-type", fmt.Sprintf("the profile is for %s (%s)", p.Type, p.title()), fmt.Sprintf("该规范适用于 %s（%s）", p.Type, p.title()))
		return
	}
	c.apply(p, p.root, v)
}

func (c *checker) notes(at *place, p *Profile) {
	for _, n := range p.Notes {
		c.once("note "+p.URL+n.Text, at, n.Severity, n.Code, n.Detail, n.Text+" ("+p.title()+")", n.Zh+"（"+p.title()+"）")
	}
}

// element goes through everything below v: R4's rules where they are wanted, extensions, and resources inside.
func (c *checker) element(v value) {
	for _, k := range v.all() {
		if c.spent() {
			return
		}
		if k.m.typ == "Resource" {
			before := c.here
			if v.m != nil && v.m.path == "Bundle.entry" {
				c.here.base = baseOf(v.n.Str("fullUrl"))
			}
			c.resource(k, nil)
			c.here = before
			continue
		}
		if c.o.Rules {
			c.rules(k)
		}
		switch k.typ {
		case "Extension":
			c.extension(v, k)
		case "Reference":
			c.reference(k)
		}
		if k.object() != nil {
			c.element(k)
		}
	}
}

func baseOf(fullURL string) string {
	r, ok := fhir.ParseReference(fullURL)
	if !ok || r.Base == "" {
		return ""
	}
	return r.Base + "/"
}

// reference looks whether a local one leads to something.
func (c *checker) reference(v value) {
	if c.o.References == "" || v.n == nil {
		return
	}
	text := v.n.Str("reference")
	r, ok := fhir.ParseReference(text)
	if !ok || r.Base != "" || !spec.IsResource(r.Type) || c.o.Standing[text] {
		return
	}
	if len(c.resolved) >= maxResolved {
		c.once("references", v.place, "information", "informational", "references-unchecked", fmt.Sprintf("only the first %d references were looked up", maxResolved), "引用过多，仅核对了一部分")
		return
	}
	if c.resolve(text) == nil {
		c.report(&place{v.place, "reference", -1}, c.o.References, "not-found", "unknown-reference", "refers to something that is not here, or that you may not see", "引用的记录不存在，或您无权查看")
	}
}

// resolve finds what a reference names: within the resource, its Bundle, or outside.
func (c *checker) resolve(ref string) *fhir.Node {
	if ref == "" {
		return nil
	}
	if ref[0] == '#' {
		if ref == "#" {
			return c.here.root
		}
		for _, x := range c.here.root.All("contained") {
			if x.ID() == ref[1:] {
				return x
			}
		}
		return nil
	}
	if c.here.bundle != nil {
		full := ref
		if c.here.base != "" && !strings.Contains(ref, ":") {
			full = c.here.base + ref
		}
		if n := c.here.bundle[full]; n != nil {
			return n
		}
		if n := c.here.bundle[ref]; n != nil {
			return n
		}
	}
	if n, done := c.resolved[ref]; done || len(c.resolved) >= maxResolved {
		return n
	}
	n := c.d.Resolve(ref)
	c.resolved[ref] = n
	return n
}

// entriesOf finds the resources of a Bundle; the first counts.
func entriesOf(bundle *fhir.Node) map[string]*fhir.Node {
	all := map[string]*fhir.Node{}
	for _, e := range bundle.All("entry") {
		r := e.Child("resource")
		if r == nil {
			continue
		}
		for _, key := range []string{e.Str("fullUrl"), r.Type() + "/" + r.ID()} {
			if key != "" && all[key] == nil {
				all[key] = r
			}
		}
	}
	return all
}

func (c *checker) profile(canonical string) *Profile {
	if p, done := c.profiles[canonical]; done {
		return p
	}
	var p *Profile
	if baseName(canonical) == "" {
		p = c.d.Profile(canonical)
	}
	c.profiles[canonical] = p
	return p
}

func (p *Profile) title() string {
	if p.URL != "" {
		return p.URL
	}
	return p.Name
}
