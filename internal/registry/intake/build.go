package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/registry"
)

const organisationType = "http://terminology.hl7.org/CodeSystem/organization-type"

// write applies the cells of a row to a resource, column by column, and names the columns that changed something.
func (r *row) write(d *draft, how map[string]func(n *fhir.Node, value string)) []string {
	var changed []string
	for _, c := range r.kind.columns {
		value, do := r.cells[c.code], how[c.code]
		if value == "" || do == nil {
			continue
		}
		if value == "-" {
			value = ""
		}
		before := string(d.node.JSON())
		do(d.node, value)
		if before != string(d.node.JSON()) {
			changed = append(changed, c.zh)
		}
	}
	return changed
}

// keep drops the items of an array for which drop holds, and the array when nothing is left.
func keep(n *fhir.Node, path string, drop func(*fhir.Node) bool) {
	a := n.Get(path)
	if a == nil {
		return
	}
	a.Items = slices.DeleteFunc(a.Items, drop)
	if len(a.Items) == 0 {
		n.Set(path, nil)
	}
}

// put replaces the first item of an array for which is holds, or adds it; nil takes it away.
func put(n *fhir.Node, path string, is func(*fhir.Node) bool, value any) {
	for i, item := range n.All(path) {
		if is(item) {
			if value == nil {
				keep(n, path, is)
			} else if v := fhir.Of(value); string(v.JSON()) != string(item.JSON()) {
				n.Get(path).Items[i] = v
			}
			return
		}
	}
	if value != nil {
		n.Add(path, value)
	}
}

func setText(path string) func(*fhir.Node, string) {
	return func(n *fhir.Node, v string) {
		if v == "" {
			n.Set(path, nil)
		} else {
			n.Set(path, v)
		}
	}
}

// number keeps the period and the rest of an identifier that stays the same.
func number(system string) func(*fhir.Node, string) {
	return func(n *fhir.Node, v string) {
		is := func(id *fhir.Node) bool { return id.Str("system") == system }
		if i := slices.IndexFunc(n.All("identifier"), is); i >= 0 && n.All("identifier")[i].Str("value") == v {
			return
		}
		if v == "" {
			put(n, "identifier", is, nil)
			return
		}
		put(n, "identifier", is, fhir.Identifier(system, v))
	}
}

func coded(url string) func(*fhir.Node, string) {
	return func(n *fhir.Node, v string) {
		var value any
		if v != "" {
			value = fhir.Extension(url, "valueCode", v)
		}
		put(n, "extension", func(e *fhir.Node) bool { return e.Str("url") == url }, value)
	}
}

func phoneOf(n *fhir.Node, v string) {
	is := func(t *fhir.Node) bool { return t.Str("system") == "phone" }
	if i := slices.IndexFunc(n.All("telecom"), is); i >= 0 && n.All("telecom")[i].Str("value") == v {
		return
	}
	var value any
	if v != "" {
		value = fhir.Telecom("phone", v, "work")
	}
	put(n, "telecom", is, value)
}

func activeOf(n *fhir.Node, v string) { n.Set("active", v != "false") }

func typeOf(n *fhir.Node, code string) {
	if n.Str("type[0].coding[0].code") == code {
		return
	}
	t, _ := pickTerm(registry.Rules.Types, code)
	system := organisationType
	if code != "prov" && code != "dept" && code != "team" && code != "govt" && code != "ins" && code != "other" {
		system = spec.Canonical + "/CodeSystem/organisation-type"
	}
	n.Set("type[0]", fhir.Obj{"coding", fhir.Arr{fhir.Coding(system, code, t.Zh)}, "text", t.Zh})
}

func pickTerm(list []registry.Term, code string) (registry.Term, bool) {
	for _, t := range list {
		if t.Code == code {
			return t, true
		}
	}
	return registry.Term{Code: code, Zh: code, En: code}, false
}

func (r *row) institution() error {
	code := r.cells["org"]
	if !r.once(code) {
		return nil
	}
	ref := "Organization/" + code
	there, err := r.there(ref)
	if err != nil {
		return err
	}
	if !there { // known by a number?
		for _, column := range []string{"licence", "credit", "insurance"} {
			if v := r.cells[column]; v != "" && v != "-" && !there {
				list, err := r.found("Organization", v)
				if err != nil {
					return err
				}
				if there = len(list) == 1; there {
					ref = "Organization/" + list[0].ID()
				}
			}
		}
	}
	parent := ""
	if p := r.cells["parent"]; p != "" && p != "-" {
		if parent, err = r.org("parent", p); err != nil || parent == "" {
			return err
		}
		if parent == ref {
			r.no("parent", "organisation-ring", "an institution is no part of itself", "不能隶属于自身")
			return nil
		}
	}
	switch {
	case there && !r.reaches("org", ref), parent != "" && !r.reaches("parent", parent):
		return nil
	case !there && parent == "" && r.Reach != nil && !r.Reach(""):
		r.no("parent", "outside-your-organisations", "only the hub's administrator adds an institution at the top", "只有平台管理员可以新建顶层机构，请填写上级机构")
		return nil
	}
	r.orgs[code] = ref
	d, err := r.get(ref)
	if err != nil {
		return err
	}
	if d.before == "" {
		d.node.Set("active", true)
		if r.cells["type"] == "" {
			typeOf(d.node, "prov")
		}
	}
	changes := r.write(d, map[string]func(*fhir.Node, string){
		"name": setText("name"), "type": typeOf, "level": coded(registry.LevelOf), "grade": coded(registry.GradeOf), "area": coded(registry.AreaOf),
		"credit": number(registry.CreditCode), "licence": number(registry.InstitutionCode), "insurance": number(registry.InsuranceCode),
		"phone": phoneOf, "active": activeOf,
		"address": func(n *fhir.Node, v string) {
			if v == "" {
				n.Set("address", nil)
			} else if n.Str("address[0].text") != v {
				n.Set("address[0].text", v)
			}
		},
		"parent": func(n *fhir.Node, v string) { r.partOf(n, parent) },
	})
	r.note(d, ref, r.cells["name"], changes)
	return nil
}

func (r *row) partOf(n *fhir.Node, parent string) {
	if parent == "" {
		n.Set("partOf", nil)
	} else if n.Str("partOf.reference") != parent {
		n.Set("partOf", fhir.Ref(parent, r.nameOf(parent)))
	}
}

func (r *row) nameOf(ref string) string {
	if d := r.drafts[ref]; d != nil {
		return d.node.Str("name")
	}
	return r.Room.Tree.Name(ref)
}

// unit finds a department of an institution, "" after a problem.
func (r *row) unit(column, institution, code string) (string, error) {
	if code == "" {
		return institution, nil
	}
	ref := institution + "-" + code
	ok, err := r.there(ref)
	if err == nil && !ok {
		r.no(column, "unknown-department", "no such department of the institution", "该机构没有这个科室", code)
		return "", nil
	}
	return ref, err
}

func (r *row) department() error {
	institution, err := r.org("org", r.cells["org"])
	if err != nil || institution == "" || !r.once(institution+" "+r.cells["department"]) || !r.reaches("org", institution) {
		return err
	}
	parent := institution
	if p := r.cells["parent"]; p != "" && p != "-" {
		if parent, err = r.unit("parent", institution, p); err != nil || parent == "" {
			return err
		}
	}
	ref := institution + "-" + r.cells["department"]
	if len(ref) > len("Organization/")+64 {
		r.no("department", "bad-id", "institution and department together have more than 64 characters", "机构编码与科室编码合计超过 64 位")
		return nil
	}
	d, err := r.get(ref)
	if err != nil {
		return err
	}
	if d.before == "" {
		d.node.Set("active", true)
		if r.cells["type"] == "" {
			typeOf(d.node, "dept")
		}
		d.node.Add("identifier", fhir.Obj{"system", registry.DepartmentCode, "value", strings.TrimPrefix(ref, "Organization/")})
	}
	if d.before == "" || r.cells["parent"] != "" {
		r.partOf(d.node, parent)
	}
	changes := r.write(d, map[string]func(*fhir.Node, string){
		"name": setText("name"), "type": typeOf, "phone": phoneOf, "active": activeOf,
		"specialty": func(n *fhir.Node, v string) {
			var value any
			if v != "" {
				value = fhir.Concept(registry.Department, v, "")
			}
			is := func(t *fhir.Node) bool { return t.Str("coding[0].system") == registry.Department }
			if i := slices.IndexFunc(n.All("type"), is); i < 0 || n.All("type")[i].Str("coding[0].code") != v {
				put(n, "type", is, value)
			}
		},
	})
	r.note(d, ref, r.cells["name"], changes)
	return nil
}

// someone finds a person by his staff number at an institution; "" without a problem when there is none.
func (r *row) someone(institution, staff string) (string, error) {
	key := institution + " " + staff
	if ref, known := r.people[key]; known {
		return ref, nil
	}
	list, err := r.found("Practitioner", staff)
	if err != nil {
		return "", err
	}
	var ref string
	for _, n := range list {
		for _, id := range n.All("identifier") {
			if id.Str("system") != registry.StaffNumber || id.Str("value") != staff {
				continue
			}
			here := id.Str("assigner.reference") == institution
			if id.Get("assigner") == nil {
				posts, err := r.Room.PostsOf(r.ctx, r.tx, "Practitioner/"+n.ID())
				if err != nil {
					return "", err
				}
				here = slices.ContainsFunc(posts, func(h registry.Held) bool { return r.Room.Tree.Institution(h.Org) == institution })
			}
			if here {
				ref = "Practitioner/" + n.ID()
			}
		}
	}
	r.people[key] = ref
	return ref, nil
}

func (r *row) person() error {
	institution, err := r.org("org", r.cells["org"])
	staff := r.cells["staff"]
	if err != nil || institution == "" || !r.once(institution+" "+staff) || !r.reaches("org", institution) {
		return err
	}
	ref, err := r.someone(institution, staff)
	if err != nil {
		return err
	}
	if ref == "" {
		ref = "Practitioner/" + hashed("p", institution, staff)
		r.people[institution+" "+staff] = ref
	}
	d, err := r.get(ref)
	if err != nil {
		return err
	}
	if d.before == "" {
		d.node.Set("active", true)
		d.node.Add("identifier", fhir.Obj{"system", registry.StaffNumber, "value", staff, "assigner", fhir.Ref(institution, r.nameOf(institution))})
	}
	changes := r.write(d, map[string]func(*fhir.Node, string){
		"name": func(n *fhir.Node, v string) {
			if n.Str("name[0].text") != v {
				n.Set("name", fhir.Arr{fhir.Obj{"use", "official", "text", v}})
			}
		},
		"sex": setText("gender"), "phone": phoneOf, "active": activeOf,
	})
	r.note(d, ref, r.cells["name"], changes)
	return nil
}

// hashed makes an id that is the same for the same thing, and says nothing about it.
func hashed(prefix string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return prefix + "-" + hex.EncodeToString(sum[:10])
}

// worker finds the person of a row, who must be known.
func (r *row) worker(home string) (string, error) {
	ref, err := r.someone(home, r.cells["staff"])
	if err == nil && ref == "" {
		r.no("staff", "unknown-person", "nobody has this staff number there", "该机构没有这个工号的人员")
	}
	return ref, err
}

func (r *row) licence() error {
	institution, err := r.org("org", r.cells["org"])
	if err != nil || institution == "" || !r.once(institution+" "+r.cells["staff"]+" "+r.cells["number"]) || !r.reaches("org", institution) {
		return err
	}
	ref, err := r.worker(institution)
	if err != nil || ref == "" {
		return err
	}
	var places fhir.Arr
	for _, code := range strings.Split(r.cells["places"], ";") {
		place := institution
		if code != "" && code != "-" {
			if place, err = r.org("places", code); err != nil || place == "" {
				return err
			}
		}
		places = append(places, fhir.Extension(registry.PlaceOf, "valueReference", fhir.Ref(place, r.nameOf(place))))
	}
	d, err := r.get(ref)
	if err != nil {
		return err
	}
	before := string(d.node.JSON())
	number := r.cells["number"]
	is := func(q *fhir.Node) bool { return q.Str("identifier[0].value") == number }
	q := fhir.Of(fhir.Obj{})
	if i := slices.IndexFunc(d.node.All("qualification"), is); i >= 0 {
		q = d.node.All("qualification")[i]
	} else {
		d.node.Add("qualification", q)
		q = d.node.All("qualification")[len(d.node.All("qualification"))-1]
		q.Set("extension", places)
		q.Set("identifier", fhir.Arr{fhir.Identifier(registry.LicenceNumber, number)})
	}
	changes := r.write(&draft{node: q}, map[string]func(*fhir.Node, string){
		"kind": func(q *fhir.Node, v string) {
			t, _ := pickTerm(registry.Rules.Kinds, v)
			if q.Str("code.coding[0].code") != v {
				q.Set("code", fhir.Obj{"coding", fhir.Arr{fhir.Coding(registry.LicenceKind, v, t.Zh)}, "text", t.Zh})
			}
		},
		"places": func(q *fhir.Node, v string) { replace(q, registry.PlaceOf, places) },
		"scope": func(q *fhir.Node, v string) {
			var list fhir.Arr
			if v != "" {
				list = fhir.Arr{fhir.Extension(registry.ScopeOf, "valueString", v)}
			}
			replace(q, registry.ScopeOf, list)
		},
		"suspended": func(q *fhir.Node, v string) {
			var list fhir.Arr
			if v == "true" {
				list = fhir.Arr{fhir.Extension(registry.SuspendedOf, "valueBoolean", true)}
			}
			replace(q, registry.SuspendedOf, list)
		},
		"issuer": setText("issuer.display"), "from": setText("period.start"), "until": setText("period.end"),
	})
	if before != string(d.node.JSON()) && changes == nil {
		changes = []string{"证书编码"}
	}
	r.note(d, ref, d.node.Str("name[0].text"), changes)
	return nil
}

// replace sets the extensions of one address, leaving those alone that are as wanted already.
func replace(n *fhir.Node, url string, list fhir.Arr) {
	is := func(e *fhir.Node) bool { return e.Str("url") == url }
	key := func(e *fhir.Node) string {
		return e.Str("valueReference.reference") + e.Str("valueString") + e.Str("valueBoolean") + e.Str("valueCode")
	}
	var have, want []string
	for _, e := range n.All("extension") {
		if is(e) {
			have = append(have, key(e))
		}
	}
	for _, e := range list {
		want = append(want, key(fhir.Of(e)))
	}
	if slices.Equal(have, want) {
		return
	}
	keep(n, "extension", is)
	for _, e := range list {
		n.Add("extension", e)
	}
}

func (r *row) role() error {
	institution, err := r.org("org", r.cells["org"])
	if err != nil || institution == "" || !r.reaches("org", institution) {
		return err
	}
	org, err := r.unit("department", institution, r.cells["department"])
	if err != nil || org == "" {
		return err
	}
	home := institution
	if h := r.cells["home"]; h != "" && h != "-" {
		if home, err = r.org("home", h); err != nil || home == "" {
			return err
		}
	}
	person, err := r.worker(home)
	if err != nil || person == "" {
		return err
	}
	post, role := strings.Trim(r.cells["post"], "-"), strings.Trim(r.cells["role"], "-")
	switch {
	case post == "" && role == "":
		r.no("post", "required", "a post or a role is required", "职务和角色至少填一项")
		return nil
	case role != "" && r.Role != nil && !r.Role(role):
		r.no("role", "unknown-role", "there is no such role", "没有这个角色")
		return nil
	case !r.once(person + " " + org + " " + post + " " + role + " " + r.cells["from"]):
		return nil
	}
	ref, err := r.heldAlready(person, org, post, role)
	if err != nil {
		return err
	}
	if ref == "" {
		ref = "PractitionerRole/" + hashed("r", person, org, post, role, r.cells["from"])
	}
	d, err := r.get(ref)
	if err != nil {
		return err
	}
	name := r.nameOfPerson(person)
	if d.before == "" && len(d.lines) == 0 {
		d.node.Set("active", true)
		d.node.Set("practitioner", fhir.Ref(person, name)).Set("organization", fhir.Ref(org, r.nameOf(org)))
		if post != "" {
			p, _ := registry.Rules.Post(post)
			d.node.Add("code", fhir.Obj{"coding", fhir.Arr{fhir.Coding(registry.PostSystem, post, p.Zh)}, "text", p.Zh})
		}
		if role != "" {
			d.node.Add("code", fhir.Obj{"coding", fhir.Arr{fhir.Coding(registry.RoleSystem, role, "")}})
		}
	}
	changes := r.write(d, map[string]func(*fhir.Node, string){
		"from": setText("period.start"), "until": setText("period.end"), "basis": coded(registry.BasisOf), "active": activeOf,
		"rights": func(n *fhir.Node, v string) {
			var have []string
			for _, e := range n.All("extension") {
				if e.Str("url") == registry.RightOf {
					have = append(have, e.Str("extension[0].valueCode"))
				}
			}
			want := strings.FieldsFunc(v, func(c rune) bool { return c == ';' })
			if slices.Equal(have, want) {
				return
			}
			keep(n, "extension", func(e *fhir.Node) bool { return e.Str("url") == registry.RightOf })
			for _, code := range want {
				n.Add("extension", fhir.Obj{"extension", fhir.Arr{fhir.Extension("right", "valueCode", code),
					fhir.Extension("period", "valuePeriod", fhir.Obj{"start", r.cells["from"], "end", strings.Trim(r.cells["until"], "-")})}, "url", registry.RightOf})
			}
		},
	})
	r.note(d, ref, name, changes)
	return nil
}

func (r *row) heldAlready(person, org, post, role string) (string, error) {
	posts, err := r.Room.PostsOf(r.ctx, r.tx, person)
	for _, h := range posts {
		same := h.Code == "post/"+post || h.Code == "role/"+role
		if same && h.Org == org && !h.From.IsZero() && r.Room.Day(h.From) == r.cells["from"] {
			return h.Role, err
		}
	}
	return "", err
}

func (r *row) nameOfPerson(ref string) string {
	if d, err := r.peek(ref); err == nil {
		return d.Str("name[0].text")
	}
	return ""
}

// peek reads without opening for change.
func (g *planning) peek(ref string) (*fhir.Node, error) {
	if d := g.drafts[ref]; d != nil {
		return d.node, nil
	}
	typ, id, _ := strings.Cut(ref, "/")
	v, err := g.tx.Read(g.ctx, search.Everything, typ, id)
	if err != nil {
		return nil, err
	}
	return fhir.Parse(v.JSON)
}

func (r *row) service() error {
	institution, err := r.org("org", r.cells["org"])
	if err != nil || institution == "" || !r.once(institution+" "+r.cells["service"]) || !r.reaches("org", institution) {
		return err
	}
	by, err := r.unit("department", institution, r.cells["department"])
	if err != nil || by == "" {
		return err
	}
	id := strings.TrimPrefix(institution, "Organization/") + "-" + r.cells["service"]
	if len(id) > 64 {
		r.no("service", "bad-id", "institution and capability together have more than 64 characters", "机构编码与能力编码合计超过 64 位")
		return nil
	}
	d, err := r.get("HealthcareService/" + id)
	if err != nil {
		return err
	}
	if d.before == "" {
		d.node.Set("active", true)
	}
	if d.node.Str("providedBy.reference") != by {
		d.node.Set("providedBy", fhir.Ref(by, r.nameOf(by)))
	}
	bound := func(end string) func(*fhir.Node, string) {
		return func(n *fhir.Node, v string) {
			is := func(e *fhir.Node) bool { return e.Str("url") == registry.ServicePeriod }
			period := fhir.Of(fhir.Obj{})
			for _, e := range n.All("extension") {
				if is(e) {
					period = e.Get("valuePeriod").Copy()
				}
			}
			setText(end)(period, v)
			put(n, "extension", is, fhir.Obj{"url", registry.ServicePeriod, "valuePeriod", fhir.Obj{"start", period.Str("start"), "end", period.Str("end")}})
		}
	}
	changes := r.write(d, map[string]func(*fhir.Node, string){
		"name": setText("name"), "comment": setText("comment"), "phone": phoneOf, "active": activeOf, "from": bound("start"), "until": bound("end"),
		"category": func(n *fhir.Node, v string) {
			t, _ := pickTerm(registry.Rules.Capabilities, v)
			if v == "" {
				n.Set("category", nil)
			} else if n.Str("category[0].coding[0].code") != v {
				n.Set("category", fhir.Arr{fhir.Concept(registry.Capability, v, t.Zh)})
			}
		},
	})
	r.note(d, "HealthcareService/"+id, r.cells["name"], changes)
	return nil
}
