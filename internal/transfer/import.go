package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Apply stores one batch or transaction bundle in one unit and remembers key in that unit; a key that is
// remembered already changes nothing. It is called by several goroutines.
type Apply func(ctx context.Context, bundle *fhir.Node, key string) (again bool, err error)

// Import is one run over files.
type Import struct {
	Apply    Apply
	Workers  int                     // 0 = by the machine
	Progress func(read, total int64) // bytes of the input; may be nil
}

// Report says what became of the files.
type Report struct {
	Files     int           `json:"files"`
	Bundles   int           `json:"bundles"`   // stored now
	Again     int           `json:"again"`     // stored by an earlier run
	Resources int           `json:"resources"` // in the bundles stored now
	Bad       []Bad         `json:"bad"`
	Took      time.Duration `json:"-"`
	Seconds   float64       `json:"seconds"`
}

// Bad is one file, or part of one, that was not stored.
type Bad struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Run imports everything below the paths. A bad file is reported and does not stop the others; the error is
// for what stops all: no such path, the end of ctx, a database that is gone.
func (im Import) Run(ctx context.Context, paths []string) (*Report, error) {
	began := time.Now()
	files, total, err := list(paths)
	if err != nil {
		return nil, err
	}
	r := &run{Import: im, report: &Report{Files: len(files), Bad: []Bad{}}, total: total}
	if r.Workers == 0 {
		r.Workers = 2 * runtime.GOMAXPROCS(0)
	}
	// files that others refer to come first and are finished before the rest begins
	for len(files) > 0 {
		n := 1
		for n < len(files) && registersFirst(files[n]) == registersFirst(files[0]) {
			n++
		}
		if err := r.wave(ctx, files[:n]); err != nil {
			return nil, err
		}
		files = files[n:]
	}
	r.report.Took = time.Since(began)
	r.report.Seconds = r.report.Took.Seconds()
	return r.report, nil
}

type run struct {
	Import
	mu     sync.Mutex
	report *Report
	read   int64
	total  int64
}

func (r *run) wave(ctx context.Context, files []string) error {
	group, ctx := errgroup.WithContext(ctx)
	work := make(chan document, r.Workers)
	group.Go(func() error {
		defer close(work)
		for _, name := range files {
			err := read(ctx, name, r.tally, func(d document) error {
				select {
				case work <- d:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}, r.bad)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				r.bad(name, err)
			}
		}
		return nil
	})
	for range r.Workers {
		group.Go(func() error {
			for d := range work {
				if err := r.take(ctx, d); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (r *run) tally(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read += int64(n)
	if r.Progress != nil {
		r.Progress(r.read, r.total)
	}
}

func (r *run) bad(path string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Bad = append(r.report.Bad, Bad{path, err.Error()})
}

// take stores one document.
func (r *run) take(ctx context.Context, d document) error {
	if !d.Lines {
		n, err := fhir.Parse(bytes.TrimPrefix(d.Data, []byte("\xef\xbb\xbf")))
		if err == nil {
			n, err = asBundle(n)
		}
		if err != nil {
			r.bad(d.Name, err)
			return nil
		}
		return r.store(ctx, d.Name, n, d.Data)
	}
	var good [][]byte
	var nodes []*fhir.Node
	from := firstLine(d.Name)
	name, _, _ := cutLast(d.Name, ":")
	for i, line := range bytes.Split(bytes.TrimSuffix(d.Data, []byte("\n")), []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		n, err := fhir.Parse(line)
		if err != nil {
			r.bad(fmt.Sprintf("%s:%d", name, from+i), err)
			continue
		}
		nodes, good = append(nodes, n), append(good, line)
	}
	if len(nodes) == 0 {
		return nil
	}
	key := bytes.Join(good, []byte("\n"))
	again, err := r.Apply(ctx, together(nodes), hash(key))
	if err == nil {
		r.stored(again, len(nodes))
		return nil
	}
	if stop := fatal(ctx, err); stop != nil {
		return stop
	}
	// one bad line must not keep the others out
	for i, n := range nodes {
		if err := r.store(ctx, fmt.Sprintf("%s (%s/%s)", d.Name, n.Type(), n.ID()), together([]*fhir.Node{n}), good[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) store(ctx context.Context, name string, bundle *fhir.Node, source []byte) error {
	again, err := r.Apply(ctx, bundle, hash(source))
	if err == nil {
		r.stored(again, len(bundle.All("entry")))
		return nil
	}
	if stop := fatal(ctx, err); stop != nil {
		return stop
	}
	r.bad(name, err)
	return nil
}

func (r *run) stored(again bool, resources int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if again {
		r.report.Again++
		return
	}
	r.report.Bundles++
	r.report.Resources += resources
}

// Fatal wraps an error after which going on makes no sense.
type Fatal struct{ Err error }

func (f Fatal) Error() string { return f.Err.Error() }

func (f Fatal) Unwrap() error { return f.Err }

func fatal(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var f Fatal
	if errors.As(err, &f) {
		return f.Err
	}
	return nil
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// asBundle makes a transaction of whatever JSON was found.
func asBundle(n *fhir.Node) (*fhir.Node, error) {
	switch n.Type() {
	case "":
		return nil, errors.New("not a FHIR resource: no resourceType")
	case "Bundle":
	default:
		return together([]*fhir.Node{n}), nil
	}
	switch kind := n.Str("type"); kind {
	case "transaction", "batch":
		return n, nil
	case "document", "message", "subscription-notification":
		return together([]*fhir.Node{n}), nil // kept whole: its order and signature are its meaning
	case "collection", "searchset", "history":
		var entries fhir.Arr
		for _, e := range n.All("entry") {
			if res := e.Child("resource"); res != nil && e.Str("search.mode") != "outcome" {
				entries = append(entries, entry(res, e.Str("fullUrl")))
			}
		}
		if len(entries) == 0 {
			return nil, fmt.Errorf("bundle of type %s without resources", kind)
		}
		return fhir.New("Bundle", "type", "transaction", "entry", entries), nil
	default:
		return nil, fmt.Errorf("bundle of type %q; want transaction, batch, collection, searchset, history or document", kind)
	}
}

func together(nodes []*fhir.Node) *fhir.Node {
	entries := make(fhir.Arr, len(nodes))
	for i, n := range nodes {
		entries[i] = entry(n, "")
	}
	return fhir.New("Bundle", "type", "transaction", "entry", entries)
}

// entry keeps a resource's id where it has one, so that a second import updates and does not double.
func entry(res *fhir.Node, fullURL string) fhir.Obj {
	method, url := "POST", res.Type()
	if id := res.ID(); id != "" && !strings.HasPrefix(fullURL, "urn:") {
		method, url = "PUT", res.Type()+"/"+id
	}
	return fhir.Obj{"fullUrl", fullURL, "resource", res, "request", fhir.Obj{"method", method, "url", url}}
}

func firstLine(name string) int {
	_, span, _ := cutLast(name, ":")
	var from int
	fmt.Sscanf(span, "%d-", &from)
	return from
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
