// Package bundle reads batches and transactions: their entries, the order to process them, and the references between them.
package bundle

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Entry is one request of a bundle.
type Entry struct {
	Index    int // in the bundle as sent
	FullURL  string
	Method   string     // GET, HEAD, POST, PUT, PATCH, DELETE
	URL      string     // as sent, without our own base
	Type, ID string     // from URL; ID "" when absent
	Rest     string     // what follows Type/ID: "_history/3", "$accept"
	Query    string     // raw, after the "?"
	Resource *fhir.Node // nil when absent

	Operation bool // the URL ends in $name: performed with the reads

	IfMatch, IfNoneMatch, IfModifiedSince, IfNoneExist string
}

// Reads says whether the entry changes nothing; operations inside bundles do not.
func (e *Entry) Reads() bool { return e.Method == "GET" || e.Method == "HEAD" || e.Operation }

// Path names the entry in messages.
func (e *Entry) Path() string { return fmt.Sprintf("Bundle.entry[%d]", e.Index) }

func refuse(index int, detail, text, zh string) *fhir.Error {
	err := fhir.Refuse(400, "invalid", detail, text, zh)
	if index >= 0 {
		err.Issues[0].Expression = fmt.Sprintf("Bundle.entry[%d]", index)
	}
	return err
}

// Read takes the entries out of a batch or transaction. base is our own base URL, which requests may repeat.
func Read(b *fhir.Node, base string) (kind string, entries []Entry, err error) {
	if b.Type() != "Bundle" {
		return "", nil, refuse(-1, "not-a-bundle", fmt.Sprintf("a Bundle is expected here, not %q", b.Type()), "此处应提交 Bundle")
	}
	kind = b.Str("type")
	if kind != "batch" && kind != "transaction" {
		return kind, nil, refuse(-1, "bundle-type", fmt.Sprintf("a Bundle of type batch or transaction is expected here, not %q", kind), "Bundle 的类型应为 batch 或 transaction")
	}
	items := b.All("entry")
	entries = make([]Entry, len(items))
	for i, item := range items {
		if entries[i], err = readEntry(i, item, base); err != nil {
			return kind, nil, err
		}
	}
	return kind, entries, nil
}

func readEntry(i int, item *fhir.Node, base string) (Entry, error) {
	e := Entry{Index: i, FullURL: item.Str("fullUrl"), Resource: item.Child("resource")}
	req := item.Child("request")
	if req == nil {
		return e, refuse(i, "entry-request", "each entry of a batch or transaction has a request", "每个条目都要有 request")
	}
	e.Method, e.URL = req.Str("method"), req.Str("url")
	e.IfMatch, e.IfNoneMatch = req.Str("ifMatch"), req.Str("ifNoneMatch")
	e.IfModifiedSince, e.IfNoneExist = req.Str("ifModifiedSince"), req.Str("ifNoneExist")
	if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}, e.Method) {
		return e, refuse(i, "entry-method", fmt.Sprintf("request.method %q is not one of GET, HEAD, POST, PUT, PATCH, DELETE", e.Method), "request.method 不正确")
	}
	path := e.URL
	if base != "" {
		if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(base, "/")+"/"); ok {
			path = rest
		}
	}
	path = strings.TrimPrefix(path, "/")
	e.URL = path
	path, e.Query, _ = strings.Cut(path, "?")
	segments := strings.SplitN(path, "/", 3)
	e.Type = segments[0]
	if len(segments) > 1 {
		e.ID = segments[1]
	}
	if len(segments) > 2 {
		e.Rest = segments[2]
	}
	writes := e.Method == "POST" || e.Method == "PUT" || e.Method == "PATCH"
	if strings.HasPrefix(e.Type, "$") || strings.HasPrefix(e.ID, "$") || strings.HasPrefix(e.Rest, "$") {
		e.Operation = true
		if e.Method != "GET" && e.Method != "HEAD" && e.Method != "POST" {
			return e, refuse(i, "entry-operation", "an operation is called by GET or POST", "操作（$…）只能用 GET 或 POST 调用")
		}
		return e, nil
	}
	if (writes || e.Method == "DELETE") && !spec.IsResource(e.Type) {
		return e, refuse(i, "unknown-type", fmt.Sprintf("request.url %q names no resource type of FHIR R4", e.URL), "request.url 中没有这种资源类型")
	}
	if writes {
		if e.Resource == nil || e.Resource.Kind != fhir.Object {
			return e, refuse(i, "entry-resource", e.Method+" needs a resource", "该条目缺少资源内容")
		}
		if got := e.Resource.Type(); got != e.Type && e.Method != "PATCH" {
			return e, refuse(i, "type-mismatch", fmt.Sprintf("request.url says %s, the resource is %q", e.Type, got), "request.url 与资源类型不一致")
		}
	}
	if e.Method == "POST" && (e.ID != "" || e.Query != "") {
		return e, refuse(i, "entry-url", fmt.Sprintf("POST %q: a creation names its type only", e.URL), "POST 的 request.url 只写资源类型")
	}
	if (e.Method == "PUT" || e.Method == "PATCH" || e.Method == "DELETE") && e.ID == "" && e.Query == "" {
		return e, refuse(i, "entry-url", fmt.Sprintf("%s %q needs an id or a condition", e.Method, e.URL), "需要写明 id 或条件")
	}
	return e, nil
}

var rank = map[string]int{"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}

// Order returns the indexes of entries in the order of processing: DELETE, POST, PUT and PATCH, GET and HEAD (FHIR 3.1.0.11.2).
func Order(entries []Entry) []int {
	order := make([]int, len(entries))
	for i := range order {
		order[i] = i
	}
	place := func(i int) int {
		if entries[i].Operation {
			return rank["GET"]
		}
		return rank[entries[i].Method]
	}
	slices.SortStableFunc(order, func(a, b int) int { return place(a) - place(b) })
	return order
}

// CheckIdentities refuses a transaction in which two entries share a fullUrl or write the same resource.
func CheckIdentities(entries []Entry) error {
	urls := make(map[string]int, len(entries))
	writes := map[string]int{}
	for i := range entries {
		e := &entries[i]
		if e.FullURL != "" && !e.Reads() {
			if first, twice := urls[e.FullURL]; twice {
				return refuse(e.Index, "duplicate-identity", fmt.Sprintf("fullUrl is the same as that of entry %d", entries[first].Index), "fullUrl 与另一条目重复")
			}
			urls[e.FullURL] = i
		}
		if e.ID != "" && (e.Method == "PUT" || e.Method == "PATCH" || e.Method == "DELETE") {
			key := e.Type + "/" + e.ID
			if first, twice := writes[key]; twice {
				return refuse(e.Index, "duplicate-identity", fmt.Sprintf("%s is written by entry %d already", key, entries[first].Index), "同一资源在事务中写了两次")
			}
			writes[key] = i
		}
	}
	return nil
}

// Identities maps what entries call each other (fullUrl, or Type/id below a fullUrl's base) to Type/id here.
type Identities map[string]string

// Name records that entry e is stored as typ/id.
func (ids Identities) Name(e *Entry, typ, id string) {
	local := typ + "/" + id
	if e.FullURL == "" {
		return
	}
	ids[e.FullURL] = local
	// http://other/fhir/Patient/7: other entries may say Patient/7
	if parts := strings.Split(e.FullURL, "/"); len(parts) > 3 && strings.Contains(e.FullURL, "://") {
		if tail := parts[len(parts)-2] + "/" + parts[len(parts)-1]; parts[len(parts)-2] == typ && tail != local {
			if _, taken := ids[tail]; !taken {
				ids[tail] = local
			}
		}
	}
}

// Local finds the identity of a reference, with its fragment kept.
func (ids Identities) Local(ref string) (string, bool) {
	if to, ok := ids[ref]; ok {
		return to, true
	}
	if url, fragment, ok := strings.Cut(ref, "#"); ok && url != "" {
		if to, ok := ids[url]; ok {
			return to + "#" + fragment, true
		}
	}
	return "", false
}

// Rewrite replaces, in place, what points to an entry: references, values of type uri, url, canonical, oid and uuid,
// and links in the narrative.
func (ids Identities) Rewrite(n *fhir.Node) {
	if len(ids) == 0 {
		return
	}
	w := rewriter{ids: ids, root: n.Type()}
	w.object(n)
}

type rewriter struct {
	ids   Identities
	root  string
	trail []string
}

func (w *rewriter) object(n *fhir.Node) {
	for i := range n.Members {
		m := &n.Members[i]
		w.trail = append(w.trail, m.Name)
		w.value(m.Name, m.Value)
		w.trail = w.trail[:len(w.trail)-1]
	}
}

func (w *rewriter) value(name string, v *fhir.Node) {
	switch v.Kind {
	case fhir.Array:
		for _, item := range v.Items {
			w.value(name, item)
		}
	case fhir.Object:
		if inner := v.Child("resourceType"); inner != nil && (name == "contained" || name == "resource") {
			nested := rewriter{ids: w.ids, root: inner.Text}
			nested.object(v)
			return
		}
		w.object(v)
	case fhir.String:
		if name == "div" {
			v.Text = w.narrative(v.Text)
			return
		}
		if name != "reference" && !strings.Contains(v.Text, ":") {
			return
		}
		to, ok := w.ids.Local(v.Text)
		if ok && (name == "reference" || w.isAddress()) {
			v.Text = to
		}
	}
}

// isAddress says whether the value at the trail is a uri of some kind; an Identifier.value is a string and stays.
func (w *rewriter) isAddress() bool {
	at := w.root
	for i, name := range w.trail {
		types := elementTypes(at, name)
		if len(types) != 1 {
			return false
		}
		if i == len(w.trail)-1 {
			return slices.Contains([]string{"uri", "url", "canonical", "oid", "uuid"}, types[0])
		}
		at = strings.TrimPrefix(types[0], "BackboneElement:")
		at = strings.TrimPrefix(at, "Element:")
		if at == "Resource" {
			return false
		}
	}
	return false
}

func elementTypes(at, name string) []string {
	if name == "extension" || name == "modifierExtension" {
		return []string{"Extension"}
	}
	for _, e := range spec.Elements(at) {
		if e.Name == name {
			return e.Types
		}
	}
	return nil
}

// narrative rewrites the values of href and src.
func (w *rewriter) narrative(div string) string {
	if !strings.Contains(div, "href=") && !strings.Contains(div, "src=") {
		return div
	}
	var b strings.Builder
	for {
		at, skip := -1, 0
		for _, attribute := range []string{"href=", "src="} {
			if i := strings.Index(div, attribute); i >= 0 && (at < 0 || i < at) {
				at, skip = i, len(attribute)
			}
		}
		if at < 0 || at+skip >= len(div) {
			break
		}
		quote := div[at+skip]
		start := at + skip + 1
		end := strings.IndexByte(div[start:], quote)
		if (quote != '"' && quote != '\'') || end < 0 {
			b.WriteString(div[:start])
			div = div[start:]
			continue
		}
		b.WriteString(div[:start])
		link := div[start : start+end]
		if to, ok := w.ids.Local(link); ok {
			link = to
		}
		b.WriteString(link)
		div = div[start+end:]
	}
	b.WriteString(div)
	return b.String()
}

// References lists every Reference.reference of n that is not empty, contained resources included.
func References(n *fhir.Node) []*fhir.Node {
	var out []*fhir.Node
	walk(n, "", &out)
	return out
}

func walk(n *fhir.Node, name string, out *[]*fhir.Node) {
	switch n.Kind {
	case fhir.String:
		if name == "reference" && n.Text != "" {
			*out = append(*out, n)
		}
	case fhir.Object:
		for i := range n.Members {
			walk(n.Members[i].Value, n.Members[i].Name, out)
		}
	case fhir.Array:
		for _, item := range n.Items {
			if item.Kind == fhir.Object {
				walk(item, "", out)
			}
		}
	}
}

// PathTo returns the FHIRPath of target inside n: Observation.performer[0].reference; "" when it is not there.
func PathTo(n, target *fhir.Node) string {
	tail, ok := pathTo(n, target)
	if !ok {
		return ""
	}
	return n.Type() + tail
}

func pathTo(n, target *fhir.Node) (string, bool) {
	if n == target {
		return "", true
	}
	for i := range n.Members {
		if tail, ok := pathTo(n.Members[i].Value, target); ok {
			return "." + n.Members[i].Name + tail, true
		}
	}
	for i, item := range n.Items {
		if tail, ok := pathTo(item, target); ok {
			return fmt.Sprintf("[%d]%s", i, tail), true
		}
	}
	return "", false
}

// Conditional splits a reference such as Patient?identifier=…|…; ok is false for every other form.
func Conditional(ref string) (typ, query string, ok bool) {
	typ, query, ok = strings.Cut(ref, "?")
	if !ok || query == "" || !spec.IsResource(typ) {
		return "", "", false
	}
	if _, err := url.QueryUnescape(query); err != nil {
		return "", "", false
	}
	return typ, query, true
}
