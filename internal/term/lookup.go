package term

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Code is a code of a system, perhaps with the version and the name that somebody gave it.
type Code struct{ System, Version, Code, Display string }

// CodeOf reads a Coding.
func CodeOf(n *fhir.Node) Code {
	return Code{n.Str("system"), n.Str("version"), n.Str("code"), n.Str("display")}
}

// Found is what a code system says of a code.
type Found struct {
	Name, Version string // of the system
	Display       string // in the language asked for
	Concept       Concept
	Children      []string
}

// Lookup says what a code means.
func (s *Service) Lookup(ctx context.Context, code Code, language string) (f Found, err error) {
	if code.System == "" || code.Code == "" {
		return f, invalid("code-required", "give a code with its system, or a coding", "请指定代码及其代码系统")
	}
	err = s.ask(ctx, func(q *session) error {
		e, err := q.mustKnow(ctx, code.System, code.Version)
		if err != nil {
			return err
		}
		c, ok, err := q.concept(ctx, e, code.Code)
		if err != nil {
			return err
		}
		if !ok {
			return fhir.Refuse(404, "not-found", "unknown-code", fmt.Sprintf("the code %q is not in %s", code.Code, e.canonical()), "代码系统中没有代码 "+code.Code)
		}
		f = Found{Name: firstOf(e.title, e.name, e.url), Version: e.version, Display: c.In(language, e.language), Concept: c}
		f.Children, err = q.childrenOf(ctx, e, c.Code)
		return err
	})
	return f, err
}

// mustKnow is system, or the refusal that it is not loaded here.
func (q *session) mustKnow(ctx context.Context, url, version string) (*entry, error) {
	e, err := q.system(ctx, url, version)
	if err == nil && (e == nil || e.content == "not-present") {
		if version != "" {
			url += "|" + version
		}
		err = unknown("code system", url)
	}
	return e, err
}

func (q *session) childrenOf(ctx context.Context, e *entry, code string) ([]string, error) {
	b, err := q.bookOf(ctx, e)
	if err != nil {
		return nil, err
	}
	i, ok := b.find(code)
	if !ok {
		return nil, nil
	}
	var out []string
	for _, c := range b.children[i] {
		out = append(out, b.concepts[c].Code)
	}
	return out, nil
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// Subsumes says how two codes of one system stand: equivalent, subsumes, subsumed-by or not-subsumed.
func (s *Service) Subsumes(ctx context.Context, w Where, a, b Code) (outcome string, err error) {
	err = s.ask(ctx, func(q *session) error {
		e, err := q.systemOf(ctx, w, a, b)
		if err != nil {
			return err
		}
		book, err := q.bookOf(ctx, e)
		if err != nil {
			return err
		}
		x, okX := book.find(a.Code)
		y, okY := book.find(b.Code)
		for _, c := range []struct {
			ok   bool
			code string
		}{{okX, a.Code}, {okY, b.Code}} {
			if !c.ok {
				return fhir.Refuse(404, "not-found", "unknown-code", fmt.Sprintf("the code %q is not in %s", c.code, e.canonical()), "代码系统中没有代码 "+c.code)
			}
		}
		switch {
		case x == y:
			outcome = "equivalent"
		case book.subsumes(x, y):
			outcome = "subsumes"
		case book.subsumes(y, x):
			outcome = "subsumed-by"
		default:
			outcome = "not-subsumed"
		}
		return nil
	})
	return outcome, err
}

func (q *session) systemOf(ctx context.Context, w Where, codes ...Code) (*entry, error) {
	url, version := w.URL, w.Version
	switch {
	case w.Sent != nil:
		if w.Sent.Type() != "CodeSystem" {
			return nil, invalid("not-a-code-system", "the parameter codeSystem holds no CodeSystem", "参数 codeSystem 不是代码系统")
		}
		q.given = w.Sent
		return givenEntry(w.Sent), nil
	case w.ID != "":
		e, err := q.instance(ctx, "CodeSystem", w.ID)
		if err != nil {
			return nil, err
		}
		for _, c := range codes {
			if c.System != "" && c.System != e.url {
				return nil, invalid("other-system", "the code is of another system than this CodeSystem", "代码不属于该代码系统")
			}
		}
		return e, nil
	}
	for _, c := range codes {
		if c.System == "" {
			continue
		}
		if url != "" && url != c.System {
			return nil, invalid("other-system", "the codes are of different systems", "代码属于不同的代码系统")
		}
		url, version = c.System, firstOf(version, c.Version)
	}
	if url == "" {
		return nil, invalid("system-required", "name the code system", "请指定代码系统")
	}
	return q.mustKnow(ctx, url, version)
}

// Verdict says whether a code is valid, and if not, why.
type Verdict struct {
	Valid   bool
	Message string // English
	Zh      string
	Display string // the right one
}

func wrong(text, zh string) Verdict { return Verdict{Message: text, Zh: zh} }

// ValidateCode says whether any of the codes is in the code system, and called as it calls itself.
func (s *Service) ValidateCode(ctx context.Context, w Where, codes []Code, abstract bool, language string) (v Verdict, err error) {
	if len(codes) == 0 {
		return v, invalid("code-required", "give a code, a coding or a codeableConcept", "请指定代码")
	}
	err = s.ask(ctx, func(q *session) error {
		for i, code := range codes {
			if i > 0 && w.ID == "" && w.Sent == nil && w.URL != "" && code.System != w.URL {
				continue
			}
			e, err := q.systemOf(ctx, w, code)
			if err != nil {
				return err
			}
			c, ok, err := q.concept(ctx, e, code.Code)
			if err != nil {
				return err
			}
			switch {
			case !ok && e.fragment():
				v = wrong(fmt.Sprintf("the code %q is not in what is loaded of %s, which is not all of it", code.Code, e.canonical()), "已加载的部分内容中没有代码 "+code.Code)
			case !ok:
				v = wrong(fmt.Sprintf("the code %q is not in %s", code.Code, e.canonical()), "代码系统中没有代码 "+code.Code)
			case c.abstract() && !abstract:
				v = wrong(fmt.Sprintf("the code %q only groups others", code.Code), "代码 "+code.Code+" 仅用于归类，不可选用")
			default:
				v = named(&c, code, c.In(language, e.language))
			}
			if v.Valid {
				return nil
			}
		}
		return nil
	})
	return v, err
}

// named compares the name that came with a code.
func named(c *Concept, code Code, display string) Verdict {
	v := Verdict{Valid: true, Display: display}
	if code.Display == "" || c.Display == "" || sameText(code.Display, c.Display) || sameText(code.Display, display) {
		return v
	}
	if c.Extra != nil && slices.ContainsFunc(c.Designations, func(d Designation) bool { return sameText(d.Value, code.Display) }) {
		return v
	}
	v.Valid = false
	v.Message = fmt.Sprintf("the code %q is called %q, not %q", code.Code, display, code.Display)
	v.Zh = fmt.Sprintf("代码 %s 的名称应为“%s”", code.Code, display)
	return v
}

func sameText(a, b string) bool {
	return a == b || strings.Join(strings.Fields(foldText(a)), " ") == strings.Join(strings.Fields(foldText(b)), " ")
}

// ValidateIn says whether any of the codes is in the value set.
func (s *Service) ValidateIn(ctx context.Context, w Where, codes []Code, abstract, infer bool, language string) (v Verdict, err error) {
	if len(codes) == 0 {
		return v, invalid("code-required", "give a code with its system, a coding or a codeableConcept", "请指定代码")
	}
	err = s.ask(ctx, func(q *session) error {
		vs, err := q.set(ctx, w)
		if err != nil {
			return err
		}
		set, err := q.evaluate(ctx, vs)
		if err != nil {
			return err
		}
		for _, code := range codes {
			if code.System == "" && !infer {
				v = wrong(fmt.Sprintf("the code %q came without a system", code.Code), "代码 "+code.Code+" 未指明代码系统")
				continue
			}
			p, c, own, ok := set.find(code.System, code.Version, code.Code)
			if !ok {
				v = wrong(fmt.Sprintf("the code %q of %s is not in the value set %s", code.Code, firstOf(code.System, "any system"), vs.canonical), "值集中没有代码 "+code.Code)
				continue
			}
			if c.abstract() && !abstract {
				v = wrong(fmt.Sprintf("the code %q only groups others", code.Code), "代码 "+code.Code+" 仅用于归类，不可选用")
				continue
			}
			all, home := merged(c, own), ""
			if p.book != nil {
				home = p.book.language
			}
			if own != nil && own.Display != "" && sameText(code.Display, c.Display) {
				code.Display = "" // the system's own name will do, too
			}
			if v = named(&all, code, all.In(language, home)); v.Valid {
				return nil
			}
		}
		return nil
	})
	return v, err
}
