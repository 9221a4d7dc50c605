package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// A story is a txtar file named by its promise. Its comment is the script, one command a line:
//
//	post Task/$start @xiangcun line=referral urgency=routine to=Organization/county-1 → 201 as up
//	post $accept up @xinnei accept.json key=k1 if-match=3 → 200
//	get Task/up @xiezuo → 404
//	  has 张三            the answer contains it
//	  lacks 张三          the answer does not contain it
//	  is status = requested
//	clock +2h1m
//	events @xiangcun → referral.late       waits until this person has such a notice
//	await get Patient/1 @xinnei has 张三     asks until the answer contains it; lacks = until it does not
//
// name=value pairs make a Parameters resource (Type/id becomes a reference, true and false booleans);
// a file of the archive is the body as it is; captured names stand for ids wherever they are written
// as a path segment or as {name}, {today}, {today+90} and {nextweek} for days. key= is the Idempotency-Key, at= the Upload-Offset of a part.
// "# …" is a comment.
type story struct {
	t      *testing.T
	hub    *hub
	people map[string]*person
	files  map[string]string
	names  map[string]string // captured
	offset time.Duration
	last   *answer
}

func TestStories(t *testing.T) {
	paths, err := filepath.Glob("stories/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			tell(t, start(t), archive)
		})
	}
}

// The stories that lean most on the database are told on PostgreSQL too.
func TestStoriesOnPostgres(t *testing.T) {
	for _, name := range []string{"referral-goes-up-and-comes-home", "referral-open-one-is-shown-not-doubled", "stranger-sees-nothing", "lost-update-is-refused", "repeated-command-changes-nothing-twice", "records-clerk-links-asks-and-undoes"} {
		t.Run(name, func(t *testing.T) {
			database := storetest.PostgresURL(t)
			archive, err := txtar.ParseFile("stories/" + name + ".txtar")
			if err != nil {
				t.Fatal(err)
			}
			tell(t, startOn(t, database), archive)
		})
	}
}

func tell(t *testing.T, h *hub, archive *txtar.Archive) {
	s := &story{t: t, hub: h, people: map[string]*person{}, files: map[string]string{}, names: map[string]string{"today": day(0), "nextweek": day(7)}}
	for _, f := range archive.Files {
		s.files[f.Name] = string(f.Data)
	}
	for i, said := range strings.Split(string(archive.Comment), "\n") {
		if text := strings.TrimSpace(said); text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if err := s.run(said); err != nil {
			t.Fatalf("line %d: %s\n  %v\n%s", i+1, strings.TrimSpace(said), err, s.told())
		}
	}
}

func (s *story) told() string {
	if s.last == nil {
		return ""
	}
	body := string(s.last.body)
	if len(body) > 1500 {
		body = body[:1500] + " …"
	}
	return fmt.Sprintf("  last answer: %d %s", s.last.status, body)
}

func (s *story) run(line string) error {
	if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
		return s.check(strings.TrimSpace(line))
	}
	said, want, _ := strings.Cut(line, "→")
	words, wanted := strings.Fields(s.fill(said)), strings.Fields(want)
	switch words[0] {
	case "clock":
		d, err := time.ParseDuration(strings.TrimPrefix(words[1], "+"))
		if err != nil {
			return err
		}
		s.offset += d
		return os.WriteFile(s.hub.clock, []byte(s.offset.String()), 0o600)
	case "events":
		return s.events(words[1:], wanted)
	case "await":
		return s.await(strings.TrimPrefix(s.fill(said), "await "))
	}
	return s.request(words, wanted)
}

var named = regexp.MustCompile(`\{(\w+(?:\+\d+)?)\}`)

func day(n int) string { return time.Now().In(line.Zone()).AddDate(0, 0, n).Format(time.DateOnly) }

func (s *story) fill(text string) string {
	return named.ReplaceAllStringFunc(text, func(m string) string {
		if v, ok := s.names[m[1:len(m)-1]]; ok {
			return v
		}
		var days int
		if _, err := fmt.Sscanf(m, "{today+%d}", &days); err == nil {
			return day(days)
		}
		return m
	})
}

func (s *story) person(name string) (*person, error) {
	if p := s.people[name]; p != nil {
		return p, nil
	}
	p, err := s.hub.login(name)
	if err == nil {
		s.people[name] = p
	}
	return p, err
}

func (s *story) request(words, wanted []string) error {
	method, path := strings.ToUpper(words[0]), ""
	header, params, body := http.Header{}, []any{}, []byte(nil)
	var who *person
	for _, w := range words[1:] {
		name, value, pair := strings.Cut(w, "=")
		switch {
		case strings.HasPrefix(w, "@"):
			p, err := s.person(w[1:])
			if err != nil {
				return err
			}
			who = p
		case path == "":
			path = w
		case pair && name == "key":
			header.Set("Idempotency-Key", value)
		case pair && name == "at":
			header.Set("Upload-Offset", value)
		case pair && name == "if-match":
			header.Set("If-Match", `W/"`+value+`"`)
		case pair:
			params = append(params, parameter(name, value))
		case s.files[w] != "":
			body = []byte(s.fill(s.files[w]))
		case s.names[w] != "" && strings.HasPrefix(path, "$"):
			path = "Task/" + s.names[w] + "/" + path
		default:
			return fmt.Errorf("what is %q?", w)
		}
	}
	if who == nil {
		return fmt.Errorf("who asks?")
	}
	segments := strings.Split(path, "/")
	for i, part := range segments {
		if v, ok := s.names[part]; ok {
			segments[i] = v
		}
	}
	path = strings.Join(segments, "/")
	contentType := "application/fhir+json"
	if strings.HasPrefix(path, "/api/") {
		contentType = "application/json"
	} else {
		path = "/fhir/" + path
	}
	if header.Get("Upload-Offset") != "" {
		contentType = "application/octet-stream"
	}
	if body == nil && method != "GET" && method != "DELETE" && strings.Contains(path, "$") {
		body, _ = json.Marshal(map[string]any{"resourceType": "Parameters", "parameter": params})
		if len(params) == 0 {
			body = []byte(`{"resourceType":"Parameters"}`)
		}
	}
	a, err := who.call(method, path, contentType, body, header)
	if err != nil {
		return err
	}
	s.last = a
	if len(wanted) > 0 && fmt.Sprint(a.status) != wanted[0] {
		return fmt.Errorf("got %d; want %s", a.status, wanted[0])
	}
	for i := 1; i+1 < len(wanted); i += 2 {
		if wanted[i] == "as" {
			id, _ := a.find("id").(string)
			if id == "" {
				return fmt.Errorf("the answer has no id to remember as %s", wanted[i+1])
			}
			s.names[wanted[i+1]] = id
		}
	}
	return nil
}

// await asks again until the answer has, or lacks, a text: what follows a write comes in its own time.
func (s *story) await(said string) error {
	ask, text, has := strings.Cut(said, " has ")
	if !has {
		ask, text, _ = strings.Cut(said, " lacks ")
	}
	text = strings.TrimSpace(text)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err := s.request(strings.Fields(ask), []string{"200"}); err != nil {
			return err
		}
		if strings.Contains(string(s.last.body), text) == has {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("waited in vain for %q", text)
		}
	}
}

var resourceReference = regexp.MustCompile(`^[A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64}$`)

func parameter(name, value string) map[string]any {
	value = strings.ReplaceAll(value, "_", " ")
	switch {
	case resourceReference.MatchString(value):
		return map[string]any{"name": name, "valueReference": map[string]any{"reference": value}}
	case value == "true" || value == "false":
		return map[string]any{"name": name, "valueBoolean": value == "true"}
	}
	return map[string]any{"name": name, "valueString": value}
}

func (s *story) check(text string) error {
	if s.last == nil {
		return fmt.Errorf("nothing was answered yet")
	}
	verb, rest, _ := strings.Cut(text, " ")
	rest = s.fill(strings.TrimSpace(rest))
	switch verb {
	case "has":
		if !strings.Contains(string(s.last.body), rest) {
			return fmt.Errorf("the answer lacks %q", rest)
		}
	case "lacks":
		if strings.Contains(string(s.last.body), rest) {
			return fmt.Errorf("the answer has %q", rest)
		}
	case "is":
		path, want, _ := strings.Cut(rest, " = ")
		if got := fmt.Sprint(s.last.find(strings.TrimSpace(path))); got != strings.TrimSpace(want) {
			return fmt.Errorf("%s: got %q; want %q", path, got, want)
		}
	case "let": // let name = path
		name, path, _ := strings.Cut(rest, " = ")
		value := fmt.Sprint(s.last.find(strings.TrimSpace(path)))
		value = value[strings.LastIndex(value, "/")+1:]
		if value == "" || value == "<nil>" {
			return fmt.Errorf("nothing at %s", path)
		}
		s.names[strings.TrimSpace(name)] = value
	default:
		return fmt.Errorf("what is %q?", verb)
	}
	return nil
}

// events waits until the person has notices of all the kinds.
func (s *story) events(words, wanted []string) error {
	who, err := s.person(strings.TrimPrefix(words[0], "@"))
	if err != nil {
		return err
	}
	var kinds []string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		a, err := who.call("GET", "/api/notices?count=50", "", nil, nil)
		if err != nil {
			return err
		}
		s.last = a
		var page struct{ Notices []struct{ Kind string } }
		json.Unmarshal(a.body, &page)
		kinds = kinds[:0]
		for _, n := range page.Notices {
			kinds = append(kinds, n.Kind)
		}
		missing := slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(kinds, w) })
		if !missing {
			return nil
		}
	}
	return fmt.Errorf("got notices %v; want %v", kinds, wanted)
}
