package bulk

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Bounds of what may be asked.
const (
	maxFilters  = 100
	maxPatients = 10_000
)

// PatientTypes are the types that belong to patients.
func PatientTypes() []string {
	var types []string
	for _, t := range spec.Types() {
		if t == "Patient" || len(spec.CompartmentParams(t)) > 0 {
			types = append(types, t)
		}
	}
	return types
}

// Export begins an export and returns its id. Types nil = all that the caller may read.
func (r *Room) Export(ctx context.Context, caller *access.Caller, q Request) (string, error) {
	possible := spec.Types()
	if q.Personal {
		possible = PatientTypes()
	}
	if q.Types == nil {
		for _, t := range possible {
			if caller.May('r', t) == nil && caller.May('s', t) == nil {
				q.Types = append(q.Types, t)
			}
		}
	}
	slices.Sort(q.Types)
	q.Types = slices.Compact(q.Types)
	for _, t := range q.Types {
		if !slices.Contains(possible, t) {
			return "", fhir.Refuse(http.StatusBadRequest, "not-supported", "bad-type", fmt.Sprintf("_type: %q cannot be exported here", t), "_type：此处不能导出 "+t)
		}
		if err := errors.Join(caller.May('r', t), caller.May('s', t)); err != nil {
			return "", err
		}
	}
	if len(q.Types) == 0 {
		return "", fhir.Refuse(http.StatusForbidden, "forbidden", "not-allowed", "your token may read nothing that could be exported", "令牌没有可导出的权限")
	}
	if len(q.Patients) > maxPatients {
		return "", fhir.Refuse(http.StatusUnprocessableEntity, "too-costly", "too-many-patients", fmt.Sprintf("at most %d patients in one export", maxPatients), "一次导出的患者过多")
	}
	count := 0
	for t, queries := range q.Filters {
		if !slices.Contains(q.Types, t) {
			return "", fhir.Refuse(http.StatusBadRequest, "value", "bad-filter", "_typeFilter: "+t+" is not among the types exported", "_typeFilter：类型不在导出范围内")
		}
		for _, query := range queries {
			if _, err := r.filter(t, query); err != nil {
				return "", err
			}
		}
		if count += len(queries); count > maxFilters {
			return "", fhir.Refuse(http.StatusBadRequest, "too-costly", "bad-filter", fmt.Sprintf("at most %d filters", maxFilters), "_typeFilter 过多")
		}
	}
	return r.begin(ctx, "export", caller, q)
}

// filter reads one search of _typeFilter.
func (r *Room) filter(typ, query string) ([]search.Clause, error) {
	params, err := search.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	s, err := search.Parse(typ, params, search.Options{Zone: r.Zone, MaxCount: store.MaxCount, DefaultCount: 1, Given: r.Store.Parameter})
	if err != nil {
		return nil, err
	}
	if len(s.Include)+len(s.RevInclude)+len(s.Sort) > 0 || len(s.Where) == 0 {
		return nil, fhir.Refuse(http.StatusBadRequest, "not-supported", "bad-filter", "_typeFilter takes search criteria only", "_typeFilter 只能写检索条件")
	}
	return s.Where, nil
}

const (
	stride   = 1000            // ids looked at in one transaction
	longStep = 3 * time.Second // of the machine's time: then others have their turn
)

func (r *Room) exportStep(ctx context.Context, t Task, caller *access.Caller) (p progress, err error) {
	p.cursor = t.cursor
	began := time.Now()
	var out, gone *file
	for p.shown < int64(r.PartSize) && time.Since(began) < longStep {
		if p.cursor.At >= len(t.Request.Types) {
			p.done = true
			break
		}
		typ := t.Request.Types[p.cursor.At]
		found, next, err := r.walk(ctx, t, caller.Scope, typ, p.cursor.After)
		if err != nil {
			return p, err
		}
		for _, v := range found {
			into, kind, line := &out, "output", v.JSON
			if v.Op == store.Delete {
				into, kind, line = &gone, "deleted", deletion(v)
			} else if len(t.Request.Elements) > 0 && r.Subset != nil {
				if line, err = r.Subset(v.JSON, t.Request.Elements); err != nil {
					return p, err
				}
			}
			if f := *into; f == nil || f.Type != typ || f.raw > largest {
				if err := f.finish(); err != nil {
					return p, err
				}
				if *into, err = newFile(kind, typ, ""); err != nil {
					return p, err
				}
				p.files = append(p.files, *into)
			}
			if err := (*into).line(line); err != nil {
				return p, err
			}
			p.shown++
		}
		if p.cursor.After = next; next == "" {
			p.cursor.At++
		}
	}
	return p, nil
}

// deletion is the line that tells of a resource that is no more.
func deletion(v store.Version) []byte {
	return fhir.New("Bundle", "type", "transaction", "entry", fhir.Arr{fhir.Obj{"request", fhir.Obj{"method", "DELETE", "url", v.Type + "/" + v.ID}}}).JSON()
}

// walk reads the next resources of a type.
func (r *Room) walk(ctx context.Context, t Task, scope search.Scope, typ, after string) (found []store.Version, next string, err error) {
	q := t.Request
	err = r.Store.View(ctx, func(tx *store.Tx) error {
		found = found[:0]
		next, err = tx.Walk(ctx, store.Walk{Type: typ, Scope: scope, Moment: t.moment, After: after, Limit: min(stride, r.PartSize), Since: q.Since, Deleted: !q.Since.IsZero(),
			Patients: q.Patients, Personal: q.Personal && q.Patients == nil}, func(v store.Version) error {
			found = append(found, v)
			return nil
		})
		if err != nil || len(q.Filters[typ]) == 0 {
			return err
		}
		found, err = r.matching(ctx, tx, scope, typ, q.Filters[typ], found)
		return err
	})
	return found, next, err
}

// matching keeps those that any of the searches finds.
func (r *Room) matching(ctx context.Context, tx *store.Tx, scope search.Scope, typ string, queries []string, found []store.Version) ([]store.Version, error) {
	ids := search.Clause{Param: spec.Lookup(typ, "_id")}
	for _, v := range found {
		if v.Op != store.Delete {
			ids.Values = append(ids.Values, search.Value{Raw: v.ID, Text: v.ID})
		}
	}
	if ids.Param == nil {
		ids.Special = "_id"
	}
	wanted := map[string]bool{}
	for _, query := range queries {
		if len(ids.Values) == 0 {
			break
		}
		where, err := r.filter(typ, query)
		if err != nil {
			return nil, err
		}
		page, err := tx.Search(ctx, search.Query{Type: typ, Where: append([]search.Clause{ids}, where...), Count: store.MaxCount, Scope: scope})
		if err != nil {
			return nil, err
		}
		for _, v := range page.Matches {
			wanted[v.ID] = true
		}
	}
	return slices.DeleteFunc(found, func(v store.Version) bool { return v.Op != store.Delete && !wanted[v.ID] }), nil
}

// Send writes one file of a complete task. Each resource in it is looked at again: what the caller may no longer see,
// and what has been deleted since, is left out. Each portion is audited before it is sent.
func (r *Room) Send(ctx context.Context, caller *access.Caller, id string, n int64, w io.Writer) error {
	t, part, err := r.part(ctx, caller, id, n)
	if err != nil {
		return err
	}
	return r.send(ctx, caller, t, part, w)
}

// Has says whether there is such a file, before anything is sent.
func (r *Room) Has(ctx context.Context, caller *access.Caller, id string, n int64) error {
	_, part, err := r.part(ctx, caller, id, n)
	if err != nil {
		return err
	}
	f, err := r.Files.Kept(ctx, part.name)
	if err != nil {
		return fmt.Errorf("bulk: %w: %w", notFound, err) // after a restore: files of exports are not backed up
	}
	return f.Close()
}

func (r *Room) part(ctx context.Context, caller *access.Caller, id string, n int64) (Task, Part, error) {
	t, err := r.Find(ctx, caller, id)
	if err != nil {
		return t, Part{}, err
	}
	for _, p := range t.Parts {
		if p.N == n {
			return t, p, nil
		}
	}
	return t, Part{}, fmt.Errorf("bulk: %w", notFound)
}

const portion = 500

func (r *Room) send(ctx context.Context, caller *access.Caller, t Task, part Part, w io.Writer) error {
	packed, err := r.Files.Kept(ctx, part.name)
	if err != nil {
		return err
	}
	defer packed.Close()
	plain, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	if err != nil {
		return fmt.Errorf("bulk: %w", err)
	}
	defer plain.Close()
	in := bufio.NewReaderSize(plain, 64<<10)
	told := map[string]bool{} // patients already in an entry of audit
	for first := true; ; first = false {
		if !first { // a large file takes long: who may no longer act gets no more of it
			if caller, err = r.Renew(ctx, *caller); err != nil {
				return err
			}
		}
		var lines [][]byte
		var end error
		for size := 0; len(lines) < portion && size < 8<<20 && end == nil; {
			var line []byte
			if line, end = in.ReadBytes('\n'); len(line) > 1 {
				lines = append(lines, line)
				size += len(line)
			}
		}
		if end != nil && end != io.EOF {
			return fmt.Errorf("bulk: %w", end)
		}
		patients := map[string]string{}
		if part.Kind == "output" && t.Kind == "export" {
			if patients, err = r.visible(ctx, caller.Scope, part.Type, lines); err != nil {
				return err
			}
			lines = slices.DeleteFunc(lines, func(line []byte) bool { _, seen := patients[idOf(line)]; return !seen })
		}
		e := audit.Of(ctx, "R", "bulk-file", fmt.Sprintf("Task/%s#%d", t.ID, part.N))
		e.Count = len(lines)
		for _, p := range patients {
			if p != "" && !told[p] {
				told[p] = true
				e.Patients = append(e.Patients, p)
			}
		}
		if first || len(lines) > 0 {
			if err := r.Audit.Read(ctx, e); err != nil {
				return err
			}
		}
		for _, line := range lines {
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
		if end == io.EOF {
			return nil
		}
	}
}

func (r *Room) visible(ctx context.Context, scope search.Scope, typ string, lines [][]byte) (homes map[string]string, err error) {
	ids := make([]string, 0, len(lines))
	for _, line := range lines {
		if id := idOf(line); id != "" {
			ids = append(ids, id)
		}
	}
	err = r.Store.View(ctx, func(tx *store.Tx) error {
		homes, err = tx.Homes(ctx, scope, typ, ids)
		return err
	})
	if typ == "Patient" {
		for id := range homes {
			homes[id] = "Patient/" + id
		}
	}
	return homes, err
}

// idOf finds the id that the store puts right behind the type.
func idOf(line []byte) string {
	head := line[:min(len(line), 200)]
	if _, rest, ok := bytes.Cut(head, []byte(`","id":"`)); ok && strings.Count(string(head[:len(head)-len(rest)]), `":"`) == 2 {
		if id, _, ok := bytes.Cut(rest, []byte{'"'}); ok {
			return string(id)
		}
	}
	n, err := fhir.Parse(bytes.TrimSpace(line))
	if err != nil {
		return ""
	}
	return n.ID()
}
