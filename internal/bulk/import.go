package bulk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Input is one file to be taken in: resources of one type, one a line, in what was uploaded here before.
type Input struct {
	Type   string
	Source string // "Binary/…" or "DocumentReference/…"
	URL    string // as given
}

// FileHash names an uploaded file by the SHA-256 of its content in DocumentReference.identifier.
const FileHash = spec.Canonical + "/sid/sha256"

const (
	maxInputs = 200
	maxLine   = 16 << 20
	gulp      = 500     // lines written together
	gulpBytes = 8 << 20 // about how many bytes of lines
)

// Import begins an import and returns its id.
func (r *Room) Import(ctx context.Context, caller *access.Caller, q Request) (string, error) {
	if r.Write == nil {
		return "", fhir.Refuse(http.StatusNotImplemented, "not-supported", "import-unsupported", "imports are not wired here", "未启用批量导入")
	}
	if len(q.Inputs) == 0 || len(q.Inputs) > maxInputs {
		return "", fhir.Refuse(http.StatusBadRequest, "required", "bad-input", fmt.Sprintf("an import has 1 to %d inputs", maxInputs), "导入文件数量不正确")
	}
	for _, in := range q.Inputs {
		if !spec.IsResource(in.Type) {
			return "", fhir.Refuse(http.StatusBadRequest, "value", "bad-input", fmt.Sprintf("input type %q is no resource type", in.Type), "导入的资源类型不正确")
		}
		if err := errors.Join(caller.May('c', in.Type), caller.May('u', in.Type)); err != nil {
			return "", err
		}
		f, err := r.open(ctx, caller, in.Source)
		if err != nil {
			return "", err
		}
		f.Close()
	}
	return r.begin(ctx, "import", caller, q)
}

func unknownSource(source string) error {
	return fhir.Refuse(http.StatusUnprocessableEntity, "not-found", "unknown-input", source+" is not here, or not for you to see; inputs are uploaded as Binary or as a file with its DocumentReference", "导入文件不存在或无权查看，请先上传")
}

// open reads an input in the caller's scope: only what was uploaded here, never an address elsewhere.
func (r *Room) open(ctx context.Context, caller *access.Caller, source string) (io.ReadSeekCloser, error) {
	typ, id, _ := strings.Cut(source, "/")
	if typ != "Binary" && typ != "DocumentReference" || !fhir.IsID(id) {
		return nil, unknownSource("the input")
	}
	var v store.Version
	err := r.Store.View(ctx, func(tx *store.Tx) (err error) {
		v, err = tx.Read(ctx, caller.Scope, typ, id)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
		return nil, unknownSource(source)
	}
	if err != nil {
		return nil, err
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return nil, err
	}
	if typ == "Binary" {
		data, err := base64.StdEncoding.DecodeString(n.Str("data"))
		if err != nil {
			return nil, unknownSource(source)
		}
		return nopCloser{bytes.NewReader(data)}, nil
	}
	for _, identifier := range n.All("identifier") {
		if identifier.Str("system") == FileHash && r.Uploaded != nil {
			return r.Uploaded(ctx, identifier.Str("value"))
		}
	}
	return nil, unknownSource(source)
}

type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }

// entry is one line of an input.
type entry struct {
	line int64
	node *fhir.Node
}

func (r *Room) importStep(ctx context.Context, t Task, caller *access.Caller) (p progress, err error) {
	p.cursor = t.cursor
	in := t.Request.Inputs[p.cursor.At]
	f, err := r.open(ctx, caller, in.Source)
	if err != nil {
		return p, err
	}
	defer f.Close()
	if _, err := f.Seek(p.cursor.Offset, io.SeekStart); err != nil {
		return p, fmt.Errorf("bulk: %s: %w", in.Source, err)
	}
	var wrong *file
	complain := func(line int64, cause error) error {
		if wrong == nil {
			if wrong, err = newFile("error", "OperationOutcome", in.URL); err != nil {
				return err
			}
			p.files = append(p.files, wrong)
		}
		var refused *fhir.Error
		if !errors.As(cause, &refused) {
			return cause
		}
		n, _ := fhir.Outcome(refused, caller.Lang, "")
		for i := range refused.Issues {
			n.Add(fmt.Sprintf("issue[%d].extension", i), fhir.Extension(spec.Canonical+"/StructureDefinition/import-line", "valueInteger", int(line)))
		}
		return wrong.line(n.JSON())
	}
	began, ended := time.Now(), false
	lines := bufio.NewReaderSize(f, 64<<10)
	for first := true; first || !ended && p.shown < int64(r.PartSize) && time.Since(began) < longStep; first = false {
		entries, end, err := gather(lines, &p.cursor, in.Type, complain)
		if err != nil {
			return p, err
		}
		if err := r.write(ctx, entries, &p, complain); err != nil {
			return p, err
		}
		ended = end
	}
	if ended {
		p.cursor.At, p.cursor.Offset, p.cursor.Line = p.cursor.At+1, 0, 0
		p.done = p.cursor.At >= len(t.Request.Inputs)
	}
	return p, nil
}

// gather reads the lines that are written together; ended is the end of the input.
func gather(lines *bufio.Reader, at *cursor, typ string, complain func(int64, error) error) (entries []entry, ended bool, err error) {
	for size := 0; len(entries) < gulp && size < gulpBytes && !ended; {
		text, read, err := line(lines)
		if err == io.EOF {
			ended = true
		} else if err != nil {
			return nil, false, err
		}
		at.Offset += read
		size += int(read)
		if read > 0 {
			at.Line++
		}
		if text = bytes.TrimSpace(text); len(text) == 0 && read <= maxLine {
			continue
		}
		n, err := resource(text, read, typ)
		if err != nil {
			if err := complain(at.Line, err); err != nil {
				return nil, false, err
			}
			continue
		}
		entries = append(entries, entry{at.Line, n})
	}
	return entries, ended, nil
}

// line reads one line and says how many bytes it took; what is longer than maxLine is read over.
func line(r *bufio.Reader) (text []byte, read int64, err error) {
	for {
		part, err := r.ReadSlice('\n')
		read += int64(len(part))
		if read <= maxLine {
			text = append(text, part...)
		} else {
			text = nil
		}
		if err != bufio.ErrBufferFull {
			return text, read, err
		}
	}
}

func resource(text []byte, read int64, typ string) (*fhir.Node, error) {
	if read > maxLine {
		return nil, fhir.Refuse(http.StatusRequestEntityTooLarge, "too-long", "body-too-large", "the line is larger than a resource may be", "该行超过大小限制")
	}
	n, err := fhir.Parse(text)
	if err != nil {
		return nil, err
	}
	if n.Type() != typ {
		return nil, fhir.Refuse(http.StatusBadRequest, "invalid", "type-mismatch", fmt.Sprintf("the input is said to hold %s, the line is %q", typ, n.Type()), "该行的资源类型与所述不一致")
	}
	if !fhir.IsID(n.ID()) {
		return nil, fhir.Refuse(http.StatusBadRequest, "required", "bad-id", "a resource of an import needs its id", "导入的资源必须有 id")
	}
	return n, nil
}

// write stores the lines together; where that is refused, one by one, so that each wrong line is named. Written
// again after a crash they change nothing.
func (r *Room) write(ctx context.Context, entries []entry, p *progress, complain func(int64, error) error) error {
	if len(entries) == 0 {
		return nil
	}
	nodes := make([]*fhir.Node, len(entries))
	twice, ids := false, map[string]bool{}
	for i, e := range entries {
		nodes[i] = e.node.Copy()
		twice = twice || ids[e.node.ID()]
		ids[e.node.ID()] = true
	}
	var refused *fhir.Error
	err := error(store.ErrConflict)
	if !twice {
		err = r.Write(ctx, nodes)
	}
	switch {
	case err == nil:
		p.shown += int64(len(entries))
		return nil
	case ctx.Err() != nil:
		return err
	case !errors.As(err, &refused) && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists):
		return err
	}
	for _, e := range entries {
		err := r.Write(ctx, []*fhir.Node{e.node})
		if err == nil {
			p.shown++
			continue
		}
		if err := complain(e.line, err); err != nil {
			return err
		}
	}
	return nil
}
