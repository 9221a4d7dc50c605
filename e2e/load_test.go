package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// However the program ends under load, what it acknowledged is there, a transaction is there whole or not at all, and what was
// created on a condition is there once.
func TestAnEndUnderLoadLosesNothing(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"told to end": syscall.SIGTERM, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Run("sqlite", func(t *testing.T) { endUnderLoad(t, start(t), signal) })
			t.Run("postgres", func(t *testing.T) { endUnderLoad(t, startOn(t, storetest.PostgresURL(t)), signal) })
		})
	}
}

// load is what clients did and what they were told.
type load struct {
	mu       sync.Mutex
	whole    map[string]bool // mark of a transaction -> acknowledged
	versions map[string]int  // id of an Observation -> the last version acknowledged
	once     map[string]bool // mark of a conditional creation
	odd      []string        // answers that nobody should get
}

const transactionSize = 25

func endUnderLoad(t *testing.T, h *hub, signal syscall.Signal) {
	program := h.program("load", "system/*.cruds")
	for round := range 2 {
		l := &load{whole: map[string]bool{}, versions: map[string]int{}, once: map[string]bool{}}
		stop := make(chan struct{})
		var clients sync.WaitGroup
		for c := range 12 {
			clients.Add(1)
			go func() {
				defer clients.Done()
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					var gone bool
					switch mark := fmt.Sprintf("r%dc%dn%d", round, c, n); c % 3 {
					case 0:
						gone = l.transaction(program, mark)
					case 1:
						gone = l.history(program)
					default:
						gone = l.conditional(program, fmt.Sprintf("r%dn%d", round, n)) // all clients with the same marks
					}
					if gone {
						return // the program is gone
					}
				}
			}()
		}
		time.Sleep(900 * time.Millisecond) // some load before the end; the length does not matter
		if err := h.end(signal); err != nil {
			t.Errorf("%v\n%s", err, h.log)
		}
		close(stop)
		clients.Wait()
		if signal == syscall.SIGTERM && h.cmd.ProcessState.ExitCode() != 0 {
			t.Errorf("got exit code %d; want 0\n%s", h.cmd.ProcessState.ExitCode(), h.log)
		}
		h.resume()
		program.hub, program.client = h, &http.Client{Timeout: time.Minute}
		l.check(t, program)
	}
}

func (l *load) note(a *answer, err error, want ...int) (gone bool) {
	if err != nil {
		return true
	}
	for _, status := range want {
		if a.status == status {
			return false
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.odd = append(l.odd, fmt.Sprintf("%d %s", a.status, a.body))
	return true
}

func (l *load) transaction(p *person, mark string) (gone bool) {
	l.mu.Lock()
	l.whole[mark] = false
	l.mu.Unlock()
	entry := fmt.Sprintf(`{"request":{"method":"POST","url":"Basic"},"resource":{"resourceType":"Basic","code":{"text":"x"},"identifier":[{"system":"http://x","value":%q}]}}`, mark)
	a, err := p.fhir("POST", "", []byte(`{"resourceType":"Bundle","type":"transaction","entry":[`+strings.Repeat(entry+",", transactionSize-1)+entry+`]}`), nil)
	if gone = l.note(a, err, http.StatusOK); !gone {
		l.mu.Lock()
		l.whole[mark] = true
		l.mu.Unlock()
	}
	return gone
}

// history writes one Observation and three more versions of it.
func (l *load) history(p *person) (gone bool) {
	id := ""
	for version := 1; version <= 4; version++ {
		body := fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"text":"x"},"valueInteger":%d}`, id, version)
		method, path := "PUT", "Observation/"+id
		if id == "" {
			method, path, body = "POST", "Observation", strings.Replace(body, `"id":"",`, "", 1)
		}
		a, err := p.fhir(method, path, []byte(body), nil)
		if l.note(a, err, http.StatusOK, http.StatusCreated) {
			return true
		}
		if id == "" {
			id, _ = a.find("id").(string)
		}
		l.mu.Lock()
		l.versions[id] = version
		l.mu.Unlock()
	}
	return false
}

func (l *load) conditional(p *person, mark string) (gone bool) {
	body := fmt.Sprintf(`{"resourceType":"Device","identifier":[{"system":"http://x","value":%q}]}`, mark)
	a, err := p.fhir("POST", "Device", []byte(body), http.Header{"If-None-Exist": {"identifier=http://x|" + mark}})
	if gone = l.note(a, err, http.StatusOK, http.StatusCreated); !gone {
		l.mu.Lock()
		l.once[mark] = true
		l.mu.Unlock()
	}
	return gone
}

func (l *load) check(t *testing.T, p *person) {
	t.Helper()
	count := func(query string) int {
		a, err := p.fhir("GET", query+"&_summary=count", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		n, ok := a.find("total").(float64)
		if !ok {
			t.Fatalf("%s: got %d %s", query, a.status, a.body)
		}
		return int(n)
	}
	acknowledged := 0
	for mark, ok := range l.whole {
		n := count("Basic?identifier=http://x|" + mark)
		if n != transactionSize && (n != 0 || ok) {
			t.Errorf("transaction %s, acknowledged %v: got %d of its %d resources", mark, ok, n, transactionSize)
		}
		if ok {
			acknowledged++
		}
	}
	for id, version := range l.versions {
		a, err := p.fhir("GET", "Observation/"+id, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if value, _ := a.find("valueInteger").(float64); a.status != http.StatusOK || int(value) < version {
			t.Errorf("Observation/%s: got %d, version %v; want at least %d", id, a.status, value, version)
		}
	}
	for mark := range l.once {
		if n := count("Device?identifier=http://x|" + mark); n != 1 {
			t.Errorf("created on the condition that %s is not there: got %d; want 1", mark, n)
		}
	}
	for _, odd := range l.odd {
		t.Errorf("got %s; want success or no answer", odd)
	}
	if acknowledged == 0 || len(l.versions) == 0 || len(l.once) == 0 {
		t.Errorf("got %d transactions, %d histories, %d conditional creations acknowledged; the test says nothing", acknowledged, len(l.versions), len(l.once))
	}
	t.Logf("%d transactions, %d histories, %d conditional creations", acknowledged, len(l.versions), len(l.once))
}
