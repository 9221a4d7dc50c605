package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/blob"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// fileHash names a file by the SHA-256 of its content in DocumentReference.identifier.
const fileHash = spec.Canonical + "/sid/sha256"

// atOnce is the largest file taken in one request; larger ones come in parts.
const atOnce = 64 << 20

// Files takes and gives files under the access of the DocumentReference that names them.
type Files struct {
	Store *store.Store
	Files *blob.Files
	Audit audit.Log
	Clock clock.Clock
}

// Register mounts the handlers.
func (f Files) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/files", f.take)
	mux.HandleFunc("GET /api/files/{hash}", f.give)
	mux.HandleFunc("POST /api/uploads", f.begin)
	mux.HandleFunc("GET /api/uploads/{id}", f.offset)
	mux.HandleFunc("PATCH /api/uploads/{id}", f.part)
	mux.HandleFunc("POST /api/uploads/{id}/finish", f.finish)
}

type fileAnswer struct {
	Reference   string `json:"reference"`
	Hash        string `json:"hash"`
	Size        int64  `json:"size"`
	ContentType string `json:"contentType"`
}

func (f Files) take(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	answer, err := f.receive(w, r, caller)
	if err != nil {
		Refuse(w, r, fileError(err))
		return
	}
	Answer(w, http.StatusCreated, answer)
}

func fileError(err error) error {
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return fhir.Refuse(413, "too-long", "too-large", "send files over 64 MB in parts", "文件超过 64 MB，请分段上传")
	case errors.Is(err, blob.ErrNotFound):
		return fhir.Refuse(404, "not-found", "unknown-file", "no such file, or not visible to you", "没有此文件，或您无权查看")
	}
	return err
}

func (f Files) receive(w http.ResponseWriter, r *http.Request, caller *access.Caller) (*fileAnswer, error) {
	r.Body = http.MaxBytesReader(w, r.Body, atOnce+1<<20)
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, fhir.Refuse(415, "not-supported", "not-multipart", "send multipart/form-data with patient and file", "请以表单方式上传文件")
	}
	patient, title := r.URL.Query().Get("patient"), r.URL.Query().Get("title")
	if r.URL.Query().Get("about") == "agreement" { // a paper of the institution, about nobody
		return f.receivePaper(w, r, caller, parts, title)
	}
	var file blob.File
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fhir.Refuse(400, "structure", "bad-form", "the form broke off", "上传中断，请重试")
		}
		switch part.FormName() {
		case "patient", "title":
			text, err := io.ReadAll(io.LimitReader(part, 1<<10))
			if err != nil {
				return nil, err
			}
			if part.FormName() == "patient" {
				patient = string(text)
			} else {
				title = string(text)
			}
		case "file":
			if patient != "" {
				if err := f.mayAttach(r.Context(), caller.Scope, patient); err != nil {
					return nil, err
				}
			}
			if title == "" {
				title = part.FileName()
			}
			if file, err = f.Files.Put(r.Context(), part, atOnce, part.Header.Get("Content-Type")); err != nil {
				return nil, err
			}
		}
	}
	if file.Hash == "" {
		return nil, fhir.Refuse(422, "required", "missing-file", "the form has no file", "请选择文件")
	}
	if err := f.mayAttach(r.Context(), caller.Scope, patient); err != nil {
		return nil, err
	}
	doc := document(patient, title, f.Clock.Now())
	complete(doc, file)
	reference, err := f.write(w, r, store.Put{Op: store.Create, Type: "DocumentReference", Custodian: caller.Org}, doc, patient)
	if err != nil {
		return nil, err
	}
	return &fileAnswer{reference, file.Hash, file.Size, file.ContentType}, nil
}

// receivePaper takes the signed document of an agreement; those who handle agreements read it, the other side once
// it stands in the Contract.
func (f Files) receivePaper(w http.ResponseWriter, r *http.Request, caller *access.Caller, parts *multipart.Reader, title string) (*fileAnswer, error) {
	if !slices.Contains([]access.Role{access.Leader, access.MedicalAffairs, access.ReferralOffice}, caller.Role) || caller.Institution == "" {
		return nil, fhir.Refuse(403, "forbidden", "not-your-business", "agreements are handled by leaders, medical affairs and the referral office", "协议由院领导、医务处和转诊办办理")
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, fhir.Refuse(422, "required", "missing-file", "the form has no file", "请选择文件")
		}
		if err != nil {
			return nil, fhir.Refuse(400, "structure", "bad-form", "the form broke off", "上传中断，请重试")
		}
		if part.FormName() != "file" {
			continue
		}
		if title == "" {
			title = part.FileName()
		}
		file, err := f.Files.Put(r.Context(), part, atOnce, part.Header.Get("Content-Type"))
		if err != nil {
			return nil, err
		}
		doc := document("", title, f.Clock.Now())
		doc.Set("subject", nil)
		complete(doc, file)
		reference, err := f.write(w, r, store.Put{Op: store.Create, Type: "DocumentReference", Custodian: caller.Org}, doc, "")
		if err != nil {
			return nil, err
		}
		return &fileAnswer{reference, file.Hash, file.Size, file.ContentType}, nil
	}
}

// mayAttach: only to a patient whom one may read.
func (f Files) mayAttach(ctx context.Context, scope search.Scope, patient string) error {
	id, ok := strings.CutPrefix(patient, "Patient/")
	if !ok || id == "" {
		return fhir.Refuse(422, "required", "missing-patient", `name the patient: patient="Patient/…"`, "请指明患者")
	}
	return f.Store.View(ctx, func(tx *store.Tx) error {
		_, err := tx.Read(ctx, scope, "Patient", id)
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
			return errNoPatient
		}
		return err
	})
}

func document(patient, title string, now time.Time) *fhir.Node {
	at := now.UTC().Format(time.RFC3339)
	if title = blob.CleanName(title); title == "" {
		title = "附件"
	}
	return fhir.New("DocumentReference", "status", "current", "docStatus", "preliminary", "subject", fhir.Obj{"reference", patient}, "date", at, "description", title,
		"content", fhir.Arr{fhir.Obj{"attachment", fhir.Obj{"title", title, "creation", at}}})
}

// complete names the file in its document: only now a packet with it is whole.
func complete(doc *fhir.Node, file blob.File) {
	doc.Set("identifier", fhir.Arr{fhir.Obj{"system", fileHash, "value", file.Hash}})
	doc.Set("docStatus", "final")
	a := doc.Get("content[0].attachment")
	a.Set("contentType", file.ContentType)
	a.Set("url", "/api/files/"+file.Hash)
	if file.Size < 1<<31 { // unsignedInt
		a.Set("size", file.Size)
	}
}

func (f Files) write(w http.ResponseWriter, r *http.Request, p store.Put, doc *fhir.Node, patient string) (reference string, err error) {
	ctx := r.Context()
	if p.Resource, err = store.Prepare(doc); err != nil {
		return "", err
	}
	action := map[store.Op]string{store.Create: "C", store.Update: "U"}[p.Op]
	err = f.Store.Update(ctx, func(tx *store.Tx) error {
		v, err := tx.Put(ctx, p)
		if err != nil {
			return err
		}
		reference = "DocumentReference/" + v.ID
		if patient == "" {
			if err := tx.Item(ctx, store.Item{Resource: reference, Party: access.From(ctx).Institution + access.Agreements, Basis: "agreement", Source: reference}); err != nil {
				return err
			}
			return f.Audit.Write(ctx, tx, touch(w, r, action, "file", reference))
		}
		return f.Audit.Write(ctx, tx, touch(w, r, action, "file", reference, patient))
	})
	return reference, err
}

// seen finds the document through which this caller may have the file.
func (f Files) seen(ctx context.Context, scope search.Scope, hash string) (*fhir.Node, error) {
	var doc *fhir.Node
	err := f.Store.View(ctx, func(tx *store.Tx) error {
		q, err := search.Parse("DocumentReference", []search.Param{{Name: "identifier", Value: fileHash + "|" + escape(hash)}}, search.Options{})
		if err != nil {
			return err
		}
		q.Scope, q.Count = scope, 20
		page, err := tx.Search(ctx, q.Query)
		if err != nil {
			return err
		}
		for _, v := range page.Matches {
			n, err := fhir.Parse(v.JSON)
			if err != nil {
				return err
			}
			if n.Str("status") != "entered-in-error" {
				doc = n
				return nil
			}
		}
		return blob.ErrNotFound
	})
	return doc, err
}

func (f Files) give(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	hash := r.PathValue("hash")
	doc, err := f.seen(r.Context(), caller.Scope, hash)
	if err != nil {
		Refuse(w, r, fileError(err))
		return
	}
	content, file, err := f.Files.Open(r.Context(), hash)
	if err != nil {
		Refuse(w, r, fileError(err))
		return
	}
	defer content.Close()
	if err := f.Audit.Read(r.Context(), touch(w, r, "R", "file", "DocumentReference/"+doc.ID(), doc.Str("subject.reference"))); err != nil {
		Refuse(w, r, err)
		return
	}
	how := "attachment"
	if blob.InPage(file.ContentType) {
		how = "inline"
	}
	kind := file.ContentType
	if kind == "text/plain" {
		kind += "; charset=utf-8"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", disposition(how, doc.Str("content[0].attachment.title")))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", `"`+hash+`"`)
	http.ServeContent(w, r, "", time.Time{}, content)
}

func disposition(how, name string) string {
	if name = blob.CleanName(name); name == "" {
		name = "file"
	}
	if s := mime.FormatMediaType(how, map[string]string{"filename": name}); s != "" {
		return s
	}
	return how + "; filename*=UTF-8''" + url.PathEscape(name)
}

func (f Files) begin(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	var ask struct {
		Patient, Name, Hash, ContentType string
		Size                             int64
	}
	err := Body(w, r, 1<<12, &ask)
	if err == nil {
		err = f.mayAttach(r.Context(), caller.Scope, ask.Patient)
	}
	var u blob.Upload
	if err == nil {
		u, err = f.Files.Begin(blob.Upload{Owner: caller.User, Subject: ask.Patient, Name: ask.Name, ContentType: ask.ContentType, Size: ask.Size, Hash: ask.Hash})
	}
	if err == nil {
		doc := document(ask.Patient, ask.Name, f.Clock.Now())
		if u.Document, err = f.write(w, r, store.Put{Op: store.Create, Type: "DocumentReference", Custodian: caller.Org}, doc, ask.Patient); err == nil {
			err = f.Files.Await(u)
		}
	}
	if err != nil {
		Refuse(w, r, fileError(err))
		return
	}
	Answer(w, http.StatusCreated, map[string]any{"id": u.ID, "offset": 0, "reference": u.Document})
}

func (f Files) offset(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	u, err := f.Files.Find(r.PathValue("id"), caller.User)
	if err != nil {
		Refuse(w, r, fileError(err))
		return
	}
	Answer(w, http.StatusOK, map[string]any{"id": u.ID, "offset": u.Offset, "size": u.Size, "reference": u.Document})
}

func (f Files) part(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	at, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	if err != nil {
		Refuse(w, r, fhir.Refuse(400, "required", "upload-offset", "header Upload-Offset is missing", "缺少 Upload-Offset"))
		return
	}
	u, err := f.Files.Append(r.PathValue("id"), caller.User, at, http.MaxBytesReader(w, r.Body, atOnce))
	w.Header().Set("Upload-Offset", strconv.FormatInt(u.Offset, 10))
	if err != nil {
		Refuse(w, r, fileError(err))
		return
	}
	Answer(w, http.StatusOK, map[string]any{"id": u.ID, "offset": u.Offset})
}

func (f Files) finish(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil {
		return
	}
	answer, err := f.finishUpload(w, r, caller)
	if err != nil {
		Refuse(w, r, fileError(err))
		return
	}
	Answer(w, http.StatusCreated, answer)
}

func (f Files) finishUpload(w http.ResponseWriter, r *http.Request, caller *access.Caller) (*fileAnswer, error) {
	file, u, err := f.Files.Finish(r.Context(), r.PathValue("id"), caller.User)
	if err != nil {
		return nil, err
	}
	put, doc, err := f.waiting(r.Context(), caller.Scope, u.Document)
	if err != nil {
		return nil, err
	}
	complete(doc, file)
	if _, err := f.write(w, r, put, doc, u.Subject); err != nil {
		return nil, err
	}
	f.Files.Discard(u.ID)
	return &fileAnswer{u.Document, file.Hash, file.Size, file.ContentType}, nil
}

func (f Files) waiting(ctx context.Context, scope search.Scope, reference string) (store.Put, *fhir.Node, error) {
	put := store.Put{Op: store.Update, Type: "DocumentReference", ID: strings.TrimPrefix(reference, "DocumentReference/")}
	var doc *fhir.Node
	err := f.Store.View(ctx, func(tx *store.Tx) error {
		v, err := tx.Read(ctx, scope, put.Type, put.ID)
		if err != nil {
			return err
		}
		put.IfMatch = v.VID
		doc, err = fhir.Parse(v.JSON)
		return err
	})
	return put, doc, err
}

// Sweep forgets uploads that nobody finished and takes their documents back. The server calls it now and then.
func (f Files) Sweep(ctx context.Context) error {
	abandoned, err := f.Files.Sweep()
	for _, u := range abandoned {
		put, doc, readErr := f.waiting(ctx, search.Everything, u.Document)
		if readErr != nil {
			continue
		}
		doc.Set("status", "entered-in-error")
		if put.Resource, readErr = store.Prepare(doc); readErr != nil {
			err = errors.Join(err, readErr)
			continue
		}
		err = errors.Join(err, f.Store.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Put(ctx, put)
			return err
		}))
	}
	return err
}
