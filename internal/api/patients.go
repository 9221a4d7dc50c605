package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Patients finds people and shows one person's record in order of time.
type Patients struct {
	Store *store.Store
	Audit audit.Log
	Clock clock.Clock
	Zone  *time.Location
}

// Register mounts the handlers.
func (p Patients) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/patients", p.find)
	mux.HandleFunc("GET /api/patients/{id}", p.show)
	mux.HandleFunc("POST /api/patients/{id}/reveal", p.reveal)
}

type patientRow struct {
	Reference   string `json:"reference"`
	Name        string `json:"name"`
	Sex         string `json:"sex"`
	Age         int    `json:"age"`
	BirthDate   string `json:"birthDate"`
	IDMasked    string `json:"idMasked"`
	PhoneMasked string `json:"phoneMasked"`
	Org         Ref    `json:"org"`
}

var errNoPatient = fhir.Refuse(404, "not-found", "unknown-patient", "no such patient, or not visible to you", "没有此患者，或您无权查看")

func (p Patients) find(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	count := 20
	if n, err := strconv.Atoi(r.URL.Query().Get("count")); err == nil && n > 0 {
		count = min(n, 100)
	}
	rows, refs := []patientRow{}, []string{}
	err := p.Store.View(r.Context(), func(tx *store.Tx) error {
		rows, refs = rows[:0], refs[:0]
		seen := map[string]bool{}
		names := newNamer(tx, caller.Scope)
		for _, way := range waysToFind(r.URL.Query().Get("q")) {
			if len(rows) >= count {
				break
			}
			page, err := p.search(r.Context(), tx, caller.Scope, "Patient", count, way)
			if err != nil {
				return err
			}
			for _, v := range page.Matches {
				if seen[v.ID] || len(rows) >= count {
					continue
				}
				seen[v.ID] = true
				n, err := fhir.Parse(v.JSON)
				if err != nil {
					return err
				}
				rows = append(rows, patientRow{"Patient/" + v.ID, nameOf(n), n.Str("gender"), p.age(n), n.Str("birthDate"),
					maskID(residentID(n)), maskPhone(phoneOf(n)), names.ref(r.Context(), v.Custodian)})
				refs = append(refs, "Patient/"+v.ID)
			}
		}
		return nil
	})
	if err == nil {
		err = p.touched(w, r, "patient-search", "Patient", refs)
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, rows)
}

// waysToFind turns what somebody typed into the searches that it may mean, the likeliest first.
func waysToFind(q string) [][]search.Param {
	q = strings.TrimSpace(q)
	plain := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' || r == '+' {
			return -1
		}
		return r
	}, q)
	digits, letters := plain != "", plain != ""
	for i, r := range plain {
		if r < '0' || r > '9' {
			if !((r == 'x' || r == 'X') && i == 17 && len(plain) == 18) {
				digits = false
			}
		}
		if r > unicode.MaxASCII || !unicode.IsLetter(r) {
			letters = false
		}
	}
	one := func(name, value string) []search.Param { return []search.Param{{Name: name, Value: escape(value)}} }
	switch {
	case plain == "":
		return [][]search.Param{{{Name: "_sort", Value: "-_lastUpdated"}}}
	case digits && len(plain) == 4:
		return [][]search.Param{one("phone-last4", plain), one("identifier", plain)}
	case digits && (len(plain) == 18 || len(plain) == 15):
		return [][]search.Param{one("identifier", strings.ToUpper(plain))}
	case digits && (len(plain) == 11 || strings.HasPrefix(plain, "86") && len(plain) == 13):
		return [][]search.Param{one("phone", strings.TrimPrefix(plain, "86")), one("identifier", plain)}
	case digits:
		return [][]search.Param{one("identifier", plain), one("phone", plain)}
	case letters:
		return append([][]search.Param{one("phonetic", strings.ToLower(plain)), one("name", q)}, byWords(q)...)
	}
	return append([][]search.Param{one("name", q)}, byWords(q)...)
}

// byWords looks for each word of a Latin name, in any order.
func byWords(q string) [][]search.Param {
	words := strings.Fields(q)
	if len(words) < 2 {
		return nil
	}
	var all []search.Param
	for _, word := range words {
		all = append(all, search.Param{Name: "name", Value: escape(word)})
	}
	return [][]search.Param{all}
}

var escaper = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`)

func escape(value string) string { return escaper.Replace(value) }

func (p Patients) search(ctx context.Context, tx *store.Tx, scope search.Scope, typ string, count int, params []search.Param) (store.Page, error) {
	q, err := search.Parse(typ, params, search.Options{Zone: p.Zone, MaxCount: 200})
	if err != nil {
		return store.Page{}, err
	}
	q.Count, q.Scope = count, scope
	return tx.Search(ctx, q.Query)
}

// touched leaves the audit entry of a read before its answer is sent.
func (p Patients) touched(w http.ResponseWriter, r *http.Request, what, target string, patients []string) error {
	return p.Audit.Read(r.Context(), touch(w, r, "R", what, target, patients...))
}

func touch(w http.ResponseWriter, r *http.Request, action, what, target string, patients ...string) audit.Entry {
	e := audit.Of(r.Context(), action, what, target)
	e.Patients, e.Count, e.Request = patients, len(patients), w.Header().Get("X-Request-Id")
	return e
}

func (p Patients) reveal(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	var ask struct{ Field string }
	if err := Body(w, r, 1<<10, &ask); err != nil {
		Refuse(w, r, err)
		return
	}
	id, value := r.PathValue("id"), ""
	err := p.Store.View(r.Context(), func(tx *store.Tx) error {
		n, _, err := readPatient(r.Context(), tx, caller.Scope, id)
		if err != nil {
			return err
		}
		switch ask.Field {
		case "id":
			value = residentID(n)
		case "phone":
			value = phoneOf(n)
		default:
			return fhir.Refuse(422, "value", "unknown-field", `field is "id" or "phone"`, "只能显示证件号或电话")
		}
		return nil
	})
	if err == nil {
		err = p.touched(w, r, "reveal:"+ask.Field, "Patient/"+id, []string{"Patient/" + id})
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusOK, map[string]string{"value": value})
}

func readPatient(ctx context.Context, tx *store.Tx, scope search.Scope, id string) (*fhir.Node, store.Version, error) {
	v, err := tx.Read(ctx, scope, "Patient", id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, v, errNoPatient
	}
	if err != nil {
		return nil, v, err
	}
	n, err := fhir.Parse(v.JSON)
	return n, v, err
}

// nameOf is the name as people say it: Chinese in one piece, Latin with the given names first.
func nameOf(n *fhir.Node) string {
	names := n.All("name")
	if len(names) == 0 {
		return "无名氏"
	}
	best := names[0]
	for _, name := range names {
		if use := name.Str("use"); use == "official" {
			best = name
			break
		}
	}
	if text := best.Str("text"); text != "" {
		return text
	}
	family, given := best.Str("family"), ""
	for i, g := range best.All("given") {
		if i > 0 {
			given += " "
		}
		given += g.Text
	}
	if isHan(family) || isHan(given) {
		return family + strings.ReplaceAll(given, " ", "")
	}
	return strings.TrimSpace(given + " " + family)
}

func isHan(s string) bool {
	for _, r := range s {
		return unicode.Is(unicode.Han, r)
	}
	return false
}

func (p Patients) age(n *fhir.Node) int { return ageAt(n, p.Clock.Now().In(p.zone())) }

func (p Patients) zone() *time.Location {
	if p.Zone == nil {
		return time.FixedZone("CST", 8*3600)
	}
	return p.Zone
}

// ageAt is the age in full years, at death for the dead; 0 when the birth date is unknown.
func ageAt(n *fhir.Node, now time.Time) int {
	if died, err := time.Parse(time.DateOnly, cut(n.Str("deceasedDateTime"), 10)); err == nil {
		now = died
	}
	born := n.Str("birthDate")
	for len(born) < 10 && len(born) >= 4 {
		born += "-01"
	}
	b, err := time.Parse(time.DateOnly, born)
	if err != nil {
		return 0
	}
	age := now.Year() - b.Year()
	if now.Month() < b.Month() || now.Month() == b.Month() && now.Day() < b.Day() {
		age--
	}
	return max(age, 0)
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// residentID is the number that the person is known by: the citizen number, else any official or typed one.
func residentID(n *fhir.Node) string {
	best := ""
	for _, id := range n.All("identifier") {
		value := id.Str("value")
		switch {
		case strings.HasSuffix(id.Str("system"), "/sid/resident-id"):
			return value
		case best == "" && id.Str("use") != "old" && (len(value) == 18 || id.Str("type.coding[0].code") == "SS" || id.Str("type.coding[0].code") == "PPN"):
			best = value
		}
	}
	return best
}

func phoneOf(n *fhir.Node) string {
	for _, t := range n.All("telecom") {
		if t.Str("system") == "phone" && t.Str("use") != "old" {
			return t.Str("value")
		}
	}
	return ""
}

func maskID(id string) string { return mask(id, 3, 4) }

func maskPhone(phone string) string { return mask(phone, 3, 4) }

// mask keeps the first and last characters; what is too short to hide anything is hidden whole.
func mask(s string, first, last int) string {
	if s == "" {
		return ""
	}
	if len(s) < first+last+3 {
		return strings.Repeat("*", len(s))
	}
	return s[:first] + strings.Repeat("*", len(s)-first-last) + s[len(s)-last:]
}
