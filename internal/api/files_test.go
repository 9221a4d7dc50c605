package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/api"
	"github.com/xinglin-health/xinglin/internal/hubtest"
)

var pdf = append([]byte("%PDF-1.7\n"), bytes.Repeat([]byte("检查报告"), 2000)...)

func form(patient string, content []byte) (body, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	w.WriteField("patient", patient)
	f, _ := w.CreateFormFile("file", "报告.pdf")
	f.Write(content)
	w.Close()
	return b.String(), w.FormDataContentType()
}

func sum(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

func TestFilesAreGivenUnderTheirDocument(t *testing.T) {
	h := hubtest.New(t)
	body, kind := form("Patient/p0001", pdf)
	page, webpage := form("Patient/p0001", []byte("<!DOCTYPE html><script>alert(1)</script>"))
	other, otherKind := form("Patient/nobody", pdf)
	url := "/api/files/" + sum(pdf)
	h.Run([]hubtest.Scenario{
		{Name: "nothing is there yet", As: hubtest.Village, URL: url, Status: 404, Audit: -1},
		{Name: "a file is attached", As: hubtest.Village, Method: "POST", URL: "/api/files", Body: body, Header: []string{"Content-Type", kind}, Status: 201,
			Content: []string{"DocumentReference/", sum(pdf), "application/pdf"}, Audit: 1},
		{Name: "who may see the document has the file", As: hubtest.Village, URL: url, Status: 200, Content: []string{"检查报告"}, Audit: 1},
		{Name: "a stranger has not", As: hubtest.Stranger, URL: url, Status: 404, NotContent: []string{"检查报告"}, Audit: -1},
		{Name: "a stranger attaches nothing", As: hubtest.Stranger, Method: "POST", URL: "/api/files", Body: body, Header: []string{"Content-Type", kind}, Status: 404, Audit: -1},
		{Name: "nor anybody to nobody", As: hubtest.Village, Method: "POST", URL: "/api/files", Body: other, Header: []string{"Content-Type", otherKind}, Status: 404, Audit: -1},
		{Name: "web pages are not taken", As: hubtest.Village, Method: "POST", URL: "/api/files", Body: page, Header: []string{"Content-Type", webpage}, Status: 415, Audit: -1},
		{Name: "a form is needed", As: hubtest.Village, Method: "POST", URL: "/api/files", Body: "{}", Status: 415, Audit: -1},
	})
	a := h.Call(hubtest.Village, "GET", url, "", "Range", "bytes=0-3")
	if a.Status != 206 || string(a.Body) != "%PDF" {
		t.Errorf("a part of the file: got %d %q; want 206 %%PDF", a.Status, a.Body)
	}
	if got := a.Header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("got %q; want nosniff", got)
	}
}

func TestUploadInPartsCompletesItsDocument(t *testing.T) {
	h := hubtest.New(t)
	begin, _ := json.Marshal(map[string]any{"patient": "Patient/p0001", "name": "CT.pdf", "size": len(pdf), "hash": sum(pdf), "contentType": "application/pdf"})
	a := h.Call(hubtest.Village, "POST", "/api/uploads", string(begin))
	if a.Status != 201 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	var u struct{ ID, Reference string }
	a.JSON(t, &u)
	status := func() string {
		var doc struct{ DocStatus, Status string }
		h.Call(hubtest.Village, "GET", "/fhir/"+u.Reference, "").JSON(t, &doc)
		return doc.Status + " " + doc.DocStatus
	}
	if got := status(); got != "current preliminary" {
		t.Errorf("while it arrives: got %s; want current preliminary", got)
	}
	part := func(as string, at int, b []byte) int {
		return h.Call(as, "PATCH", "/api/uploads/"+u.ID, string(b), "Content-Type", "application/octet-stream", "Upload-Offset", fmt.Sprint(at)).Status
	}
	if got := part(hubtest.Village, 0, pdf[:5000]); got != 200 {
		t.Fatalf("first part: got %d; want 200", got)
	}
	if got := part(hubtest.Village, 0, pdf[:5000]); got != 409 {
		t.Errorf("the same part again: got %d; want 409", got)
	}
	if got := part(hubtest.CountyDoctor, 5000, pdf[5000:]); got != 404 {
		t.Errorf("another's upload: got %d; want 404", got)
	}
	if a := h.Call(hubtest.Village, "POST", "/api/uploads/"+u.ID+"/finish", "{}"); a.Status != 409 {
		t.Errorf("finish too early: got %d; want 409", a.Status)
	}
	if got := part(hubtest.Village, 5000, pdf[5000:]); got != 200 {
		t.Fatalf("second part: got %d; want 200", got)
	}
	if a := h.Call(hubtest.Village, "POST", "/api/uploads/"+u.ID+"/finish", "{}"); a.Status != 201 {
		t.Fatalf("finish: got %d %s; want 201", a.Status, a.Body)
	}
	if got := status(); got != "current final" {
		t.Errorf("afterwards: got %s; want current final", got)
	}
	if a := h.Call(hubtest.Village, "GET", "/api/files/"+sum(pdf), ""); a.Status != 200 || !bytes.Equal(a.Body, pdf) {
		t.Errorf("got %d with %d bytes; want the file", a.Status, len(a.Body))
	}
}

func TestAbandonedUploadTakesItsDocumentBack(t *testing.T) {
	h := hubtest.New(t)
	begin, _ := json.Marshal(map[string]any{"patient": "Patient/p0001", "name": "CT.pdf", "size": 10, "hash": sum(pdf)})
	var u struct{ Reference string }
	h.Call(hubtest.Village, "POST", "/api/uploads", string(begin)).JSON(t, &u)
	h.Clock.Turn(8 * 24 * time.Hour)
	files := api.Files{Store: h.Store, Files: h.Files, Audit: h.Audit, Clock: h.Clock}
	if err := files.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	var doc struct{ Status string }
	h.Call(hubtest.Village, "GET", "/fhir/"+u.Reference, "").JSON(t, &doc)
	if doc.Status != "entered-in-error" {
		t.Errorf("got %q; want entered-in-error", doc.Status)
	}
}
