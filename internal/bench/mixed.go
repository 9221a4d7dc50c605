package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// Mix is how many of each kind come in a hundred or whatever their sum is.
type Mix struct{ Reads, Searches, Writes int }

// ParseMix reads "70:20:10".
func ParseMix(text string) (m Mix, err error) {
	if n, err := fmt.Sscanf(text, "%d:%d:%d", &m.Reads, &m.Searches, &m.Writes); err != nil || n != 3 || m.Reads < 0 || m.Searches < 0 || m.Writes < 0 || m.Reads+m.Searches+m.Writes == 0 {
		return m, fmt.Errorf("bench: %q is not reads:searches:writes, such as 70:20:10", text)
	}
	return m, nil
}

// Mixed reads, searches and writes at once, in the ratio of mix. A write is a new Observation of a sampled patient
// or, one time in four, a new version of one that was written before. Writes stay on the server.
func (t *Target) Mixed(ctx context.Context, mix Mix, clients int, d time.Duration, report func(Figure)) error {
	s, err := t.sample(ctx)
	if err != nil {
		return err
	}
	observations, err := t.Sample(ctx, "/Observation?_count=100", 500, id)
	if err != nil && !gone(err) {
		return err
	}
	var reads, searches []string
	for _, p := range s.patients {
		reads = append(reads, "/Patient/"+p)
	}
	for _, o := range observations {
		reads = append(reads, "/Observation/"+o)
	}
	for _, q := range s.searches() {
		if len(q.paths) == 0 || strings.HasPrefix(q.name, "count") || strings.Contains(q.name, "total") {
			continue // counts are no part of a ward's day
		}
		if f := t.Get(ctx, "mixed: "+q.name, 1, time.Millisecond, q.paths); f.Skipped != "" || f.Errors > 0 {
			report(Figure{Name: "mixed: " + q.name, Skipped: "left out of the mix: " + f.Skipped + f.FirstFail})
			continue
		}
		searches = append(searches, q.paths...)
	}
	if len(reads) == 0 || len(searches) == 0 {
		return fmt.Errorf("bench: mixed: %w", errNothing)
	}
	w := &writes{patients: s.patients, codes: s.codes}
	sum := mix.Reads + mix.Searches + mix.Writes
	name := fmt.Sprintf("mixed %d:%d:%d", mix.Reads, mix.Searches, mix.Writes)
	f, kinds := t.run(ctx, name, clients, d, func() (request, bool) {
		switch n := rand.IntN(sum); {
		case n < mix.Reads:
			return request{kind: "read", method: "GET", path: reads[rand.IntN(len(reads))]}, true
		case n < mix.Reads+mix.Searches:
			return request{kind: "search", method: "GET", path: searches[rand.IntN(len(searches))]}, true
		}
		return w.next(), true
	})
	report(f)
	for _, kind := range []string{"read", "search", "create", "update"} {
		if k, ok := kinds[kind]; ok {
			report(k)
		}
	}
	return nil
}

// writes makes Observations and remembers some of those that it made.
type writes struct {
	patients, codes []string
	mu              sync.Mutex
	made            []string
}

func (w *writes) next() request {
	code, _ := url.QueryUnescape(w.codes[rand.IntN(max(len(w.codes), 1))])
	system, code, _ := strings.Cut(code, "|")
	o := map[string]any{
		"resourceType": "Observation", "status": "final",
		"code":              map[string]any{"coding": []any{map[string]any{"system": system, "code": code}}},
		"subject":           map[string]any{"reference": "Patient/" + w.patients[rand.IntN(len(w.patients))]},
		"effectiveDateTime": time.Now().UTC().Format(time.RFC3339),
		"valueQuantity":     map[string]any{"value": rand.IntN(2000), "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.made) > 0 && rand.IntN(4) == 0 {
		at := rand.IntN(len(w.made))
		id := w.made[at]
		w.made = slices.Delete(w.made, at, at+1) // nobody else updates it meanwhile
		o["id"] = id
		body, _ := json.Marshal(o)
		return request{kind: "update", method: "PUT", path: "/Observation/" + id, body: body, size: 1, got: func(*http.Response) { w.remember(id) }}
	}
	body, _ := json.Marshal(o)
	return request{kind: "create", method: "POST", path: "/Observation", body: body, size: 1, got: func(res *http.Response) {
		location, _, _ := strings.Cut(res.Header.Get("Location"), "/_history/")
		if id := path.Base(location); id != "." && id != "/" {
			w.remember(id)
		}
	}}
}

func (w *writes) remember(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.made) < 10_000 {
		w.made = append(w.made, id)
	}
}
