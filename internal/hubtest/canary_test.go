package hubtest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"

	"github.com/xinglin-health/xinglin/internal/hubtest"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// canaries are made up to stand nowhere else; each door gets its own, so that a find tells where it came through.
type canaries map[string]string // text → what it is

func (c canaries) make(door string, n int) (id, phone, address, note string) {
	id = fmt.Sprintf("99%04d197703%02d%04d", n, n%28+1, 7000+n)
	phone = fmt.Sprintf("199%04d%04d", 4000+n, 6100+n)
	address = fmt.Sprintf("金丝雀县%s巷%d号", door, 7700+n)
	note = fmt.Sprintf("金丝雀病史%s%d", door, 8800+n)
	c[id], c[phone], c[address], c[note] = "ID number by "+door, "telephone by "+door, "address by "+door, "note by "+door
	return id, phone, address, note
}

// needles are the forms in which a text may lie on disk.
func needles(text string) (all [][]byte) {
	all = append(all, []byte(text), []byte(hex.EncodeToString([]byte(text))), []byte(url.QueryEscape(text)))
	var le, be []byte
	for _, u := range utf16.Encode([]rune(text)) {
		le, be = append(le, byte(u), byte(u>>8)), append(be, byte(u>>8), byte(u))
	}
	all = append(all, le, be)
	var escaped strings.Builder
	for _, r := range text {
		if r < 128 {
			escaped.WriteRune(r)
		} else {
			fmt.Fprintf(&escaped, `\u%04x`, r)
		}
	}
	all = append(all, []byte(escaped.String()))
	for shift := range 3 { // base64 of a longer text shows a shifted part of it
		b := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), text...))
		all = append(all, []byte(b[(shift*8+5)/6:len(b)-2]))
	}
	return all
}

// unpacked adds what lies in compressed streams within b.
func unpacked(b []byte) (all [][]byte) {
	all = append(all, b)
	for from := 0; ; {
		at := bytes.Index(b[from:], []byte{0x1f, 0x8b, 0x08})
		if at < 0 {
			break
		}
		from += at + 1
		if z, err := gzip.NewReader(bytes.NewReader(b[from-1:])); err == nil {
			plain, _ := io.ReadAll(io.LimitReader(z, 16<<20))
			all = append(all, plain)
		}
	}
	for from := 0; ; {
		at := bytes.Index(b[from:], []byte{0x28, 0xb5, 0x2f, 0xfd})
		if at < 0 {
			break
		}
		from += at + 1
		if z, err := zstd.NewReader(bytes.NewReader(b[from-1:]), zstd.WithDecoderMaxMemory(64<<20)); err == nil {
			plain, _ := io.ReadAll(io.LimitReader(z, 64<<20))
			all = append(all, plain)
			z.Close()
		}
	}
	return all
}

type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// What comes in by any door lies nowhere in plain: not in the database, its log, the files, the journal, a backup, or what the program writes out.
func TestCanariesLieNowhereInPlain(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { letCanariesIn(t, server.Options{Seal: "aes"}) })
	t.Run("sqlite, SM4", func(t *testing.T) { letCanariesIn(t, server.Options{Seal: "sm4"}) })
	t.Run("postgres", func(t *testing.T) { letCanariesIn(t, server.Options{Seal: "aes", DB: storetest.PostgresURL(t)}) })
}

func letCanariesIn(t *testing.T, o server.Options) {
	ctx := context.Background()
	var written log
	o.Log = slog.New(slog.NewTextHandler(&written, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.FullText = true
	o.Hooks = []string{"127.0.0.1"}
	h := hubtest.Open(t, o)
	found := canaries{}
	his := newHIS(t)
	his.breaks(true) // what cannot be delivered waits, and lies longest
	_, token, err := h.Identity.NewToken(ctx, "canary", []string{"system/*.cruds"}, "", 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	bearer := []string{"Authorization", "Bearer " + token}
	must := func(a hubtest.Answer, status ...int) hubtest.Answer {
		t.Helper()
		for _, s := range status {
			if a.Status == s {
				return a
			}
		}
		t.Fatalf("got %d; want %v: %s", a.Status, status, a.Body)
		return a
	}
	n := 0
	person := func(door, more string) string {
		n++
		id, phone, address, note := found.make(door, n)
		return fmt.Sprintf(`{"resourceType":"Patient","active":true%s,"name":[{"text":"陈金丝雀"}],"identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"NI"}]},"system":"urn:oid:2.16.156.10011.1.3","value":%q}],
			"telecom":[{"system":"phone","value":%q},{"system":"email","value":"c%d@canary.example"}],"address":[{"text":%q,"line":[%[5]q],"city":"金丝雀市"}],
			"contact":[{"telecom":[{"system":"phone","value":%[3]q}],"address":{"text":%[5]q}}],"extension":[{"url":"https://canary.example/note","valueString":%[6]q}],
			"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">%[6]s %[2]s %[3]s</div>"}}`, more, id, phone, n, address, note)
	}
	last := func(what string) string {
		for text, is := range found {
			if is == what {
				return text
			}
		}
		t.Fatalf("no %s", what)
		return ""
	}

	// REST, conditional create, history, patch, bundle, idempotency
	must(h.Call("", "PUT", "/fhir/Patient/canary", person("rest", `,"id":"canary"`), bearer...), 201)
	must(h.Call("", "PUT", "/fhir/Patient/canary", person("update", `,"id":"canary"`), bearer...), 200)
	body := person("conditional", "")
	must(h.Call("", "POST", "/fhir/Patient", body, append(bearer, "If-None-Exist", "identifier="+last("ID number by conditional")+"&phone="+last("telephone by conditional"))...), 201)
	body = person("idempotent", "")
	for range 2 {
		must(h.Call("", "POST", "/fhir/Patient", body, append(bearer, "Idempotency-Key", "key-"+last("ID number by idempotent"))...), 201)
	}
	n++
	id, phone, address, note := found.make("patch", n)
	must(h.Call("", "PATCH", "/fhir/Patient/canary", fmt.Sprintf(`[{"op":"add","path":"/telecom/-","value":{"system":"phone","value":%q}},{"op":"add","path":"/address/-","value":{"text":%q}},
		{"op":"add","path":"/identifier/-","value":{"system":"x","value":%q}},{"op":"add","path":"/extension/-","value":{"url":"https://canary.example/n","valueString":%q}}]`, phone, address, id, note),
		append(bearer, "Content-Type", "application/json-patch+json")...), 200)
	must(h.Call("", "POST", "/fhir", fmt.Sprintf(`{"resourceType":"Bundle","type":"transaction","entry":[
		{"fullUrl":"urn:uuid:6ba7b810-9dad-41d1-80b4-00c04fd430c8","resource":%s,"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=none-%s"}},
		{"resource":{"resourceType":"Coverage","status":"active","identifier":[{"value":"YB%s"}],"beneficiary":{"reference":"urn:uuid:6ba7b810-9dad-41d1-80b4-00c04fd430c8"},"payor":[{"display":"x"}]},"request":{"method":"POST","url":"Coverage"}},
		{"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:6ba7b810-9dad-41d1-80b4-00c04fd430c8","identifier":{"value":%[2]q}},"note":[{"text":%q}]},"request":{"method":"POST","url":"Observation"}}]}`,
		person("bundle", ""), id, id, note), bearer...), 200)

	// questions: by URL, by form, by Parameters, wrong ones, too
	n++
	id, phone, address, note = found.make("search", n)
	q := url.Values{"identifier": {id}, "phone": {phone}, "address": {address}}.Encode()
	must(h.Call("", "GET", "/fhir/Patient?"+q, "", bearer...), 200)
	must(h.Call("", "POST", "/fhir/Patient/_search", q, append(bearer, "Content-Type", "application/x-www-form-urlencoded")...), 200)
	must(h.Call("", "GET", "/fhir/Observation?"+url.Values{"patient.identifier": {id}, "_content": {note}, "_has:Provenance:target:agent": {id}}.Encode(), "", bearer...), 200, 400)
	must(h.Call("", "GET", "/fhir/Patient?birthdate="+id, "", bearer...), 400)
	must(h.Call("", "GET", "/fhir/"+id, "", bearer...), 404, 400)
	must(h.Call("", "POST", "/fhir/Patient/$validate", fmt.Sprintf(`{"resourceType":"Parameters","parameter":[{"name":"resource","resource":%s}]}`, person("validate", "")), bearer...), 200)
	must(h.Call("", "POST", "/fhir/Patient", strings.Replace(person("refused", ""), `"active":true`, `"active":"ja"`, 1), bearer...), 400, 422)
	must(h.Call(hubtest.Village, "GET", "/api/patients?q="+id, ""), 200, 404)

	// a case with steps, events and jobs
	n++
	id, phone, _, note = found.make("line", n)
	must(h.Call(hubtest.Village, "POST", "/fhir/Task/$start", hubtest.Ask("line", "referral", "flow", "up", "patient", "Patient/p0001", "to", "Organization/county-1", "urgency", "routine",
		"reason", note+id, "coordinator", "村医", "phone", phone), "Idempotency-Key", "start-"+id), 201)

	// a subscription with payload whose receiver is broken
	wish := strings.ReplaceAll(wish("canary", his.URL), "id-only", "full-resource")
	must(h.Call(hubtest.CountyOffice, "PUT", "/fhir/Subscription/canary", wish), 201)
	h.Subscriptions.Tick(ctx)
	n++
	id, phone, _, note = found.make("event", n)
	must(h.Call(hubtest.Village, "POST", "/fhir/Task/$start", hubtest.Ask("line", "referral", "flow", "up", "patient", "Patient/p0002", "to", "Organization/county-1", "urgency", "routine",
		"reason", note+id, "coordinator", "村医", "phone", phone)), 201)
	h.Subscriptions.Tick(ctx)

	// files: at once, by parts, in a Binary
	n++
	id, _, _, note = found.make("file", n)
	titles := []string{"文件名甲", "文件名乙"} // what a document is called can be searched for, and lies in the index as names do
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	w.WriteField("patient", "Patient/p0001")
	part, _ := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name="file"; filename="%s.txt"`, titles[0])}, "Content-Type": {"text/plain"}})
	fmt.Fprintf(part, "报告 %s %s", id, note)
	w.Close()
	must(h.Call(hubtest.Village, "POST", "/api/files", form.String(), "Content-Type", w.FormDataContentType()), 201)
	must(h.Call(hubtest.Village, "POST", "/api/uploads", fmt.Sprintf(`{"patient":"Patient/p0001","name":"%s.txt","size":4000,"hash":"%064x"}`, titles[1], 7)), 201, 404)
	n++
	id, _, _, note = found.make("binary", n)
	must(h.Call("", "POST", "/fhir/Binary", note+id, append(bearer, "Content-Type", "text/plain")...), 201)

	// a whole set out, as files
	a := must(h.Call("", "GET", "/fhir/$export?_type=Patient", "", append(bearer, "Prefer", "respond-async")...), 202)
	for range 300 {
		if _, err := h.Jobs.Tick(ctx); err != nil {
			t.Fatal(err)
		}
		_, path, _ := strings.Cut(a.Header.Get("Content-Location"), "/fhir/")
		if h.Call("", "GET", "/fhir/"+path, "", bearer...).Status == http.StatusOK {
			break
		}
	}
	for more := true; more; {
		if more, err = h.Store.IndexWords(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Audit.Seal(ctx); err != nil {
		t.Fatal(err)
	}

	found["陈金丝雀"], found[titles[0]], found[titles[1]] = "name", "title", "title"
	inIndex := map[string]bool{"陈金丝雀": true, titles[0]: true, titles[1]: true}
	looked := 0
	look := func(where string, b []byte) {
		for _, plain := range unpacked(b) {
			looked += len(plain)
			for text, what := range found {
				if database := strings.Contains(where, "xinglin.db") || strings.Contains(where, "database.tar"); database && inIndex[text] {
					continue // docs/security.md says so
				}
				for _, form := range needles(text) {
					if at := bytes.Index(plain, form); at >= 0 {
						t.Errorf("%s holds the %s: …%q…", where, what, plain[max(0, at-60):min(len(plain), at+len(form)+20)])
						break
					}
				}
			}
		}
	}
	folder := func() {
		err := filepath.WalkDir(h.Data, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			look(strings.TrimPrefix(path, h.Data), b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	folder()
	backup := filepath.Join(t.TempDir(), "backup")
	if _, err := h.Backup(ctx, backup); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(backup, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			var b []byte
			b, err = os.ReadFile(path)
			look("the backup's "+filepath.Base(path), b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	written.mu.Lock()
	look("the program's log", written.b.Bytes())
	written.mu.Unlock()
	if looked < 1<<20 || len(found) < 40 {
		t.Errorf("looked at %d bytes for %d canaries only", looked, len(found))
	}
	if a := h.Call("", "GET", "/fhir/Patient?phone="+last("telephone by bundle"), "", bearer...); !bytes.Contains(a.Body, []byte(last("ID number by bundle"))) {
		t.Errorf("the hub itself does not find what came in: %s", a.Body)
	}
}
