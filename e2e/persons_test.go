package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// Records come in while the index links them and the program is killed again and again. In the end each person has his
// two records and no other, and of each namesake the desk is asked once.
func TestKillWhileRecordsAreLinked(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { killedWhileLinking(t, start(t)) })
	t.Run("postgres", func(t *testing.T) { killedWhileLinking(t, startOn(t, storetest.PostgresURL(t))) })
}

const (
	linkedPersons = 120
	namesakeOf    = 10 // every tenth has one
)

// standing is `xinglin persons status --json`.
type standing struct {
	Records, Linked, Persons, Open, Waiting int
	Behind                                  bool
}

func (h *hub) persons(t *testing.T) (s standing) {
	t.Helper()
	args := []string{"persons", "status", "--json", "--data", h.data}
	if h.db != "" {
		args = append(args, "--db", h.db)
	}
	out, err := exec.Command(binary, args...).Output()
	if err != nil || json.Unmarshal(out, &s) != nil {
		t.Fatalf("persons status: %v %s", err, out)
	}
	return s
}

// linked waits until the index has nothing more to do.
func (h *hub) linked(t *testing.T) standing {
	t.Helper()
	end := time.Now().Add(2 * time.Minute)
	for {
		s := h.persons(t)
		if !s.Behind && s.Waiting == 0 {
			return s
		}
		if time.Now().After(end) {
			t.Fatalf("the index does not come to an end: %+v", s)
		}
	}
}

func killedWhileLinking(t *testing.T, h *hub) {
	before := h.linked(t)
	program := h.program("records", "system/*.cruds")
	asked := before.Open
	h.asked(t, program, asked)
	type put struct{ id, body string }
	var todo []put
	add := func(id, org, name, number, born, phone, address string) {
		identifier := ""
		if number != "" {
			identifier = fmt.Sprintf(`"identifier":[{"system":"https://xinglin.health/fhir/sid/resident-id","value":%q}],`, number)
		}
		todo = append(todo, put{id, fmt.Sprintf(`{"resourceType":"Patient","id":%q,"active":true,%s"managingOrganization":{"reference":%q},"name":[{"text":%q}],"gender":"male","birthDate":%q,"telecom":[{"system":"phone","value":%q}],"address":[{"text":%q}]}`,
			id, identifier, org, name, born, phone, address)})
	}
	for i := range linkedPersons {
		birth := time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i*97)
		name, born := "闾丘"+string(rune('一'+i*31))+string(rune('乙'+i*17)), birth.Format(time.DateOnly)
		if i%namesakeOf == 0 { // a name that many have
			name = string([]rune("王李张刘陈杨赵黄周吴徐孙")[i/namesakeOf]) + "建国"
		}
		number := resident(fmt.Sprintf("990301%s%03d", birth.Format("20060102"), 2*i%999+1))
		phone := fmt.Sprintf("199%08d", 10_000_019*i%99_999_989)
		home := fmt.Sprintf("东岭省杏州市青榆县城关镇上湾村%d号", 7+i)
		add(fmt.Sprintf("kl-%d-a", i), "Organization/county-1", name, number, born, phone, home)
		add(fmt.Sprintf("kl-%d-b", i), "Organization/centre", name, number, born, phone, home)
		if i%namesakeOf == 0 {
			add(fmt.Sprintf("kl-%d-c", i), "Organization/centre", name, "", born, fmt.Sprintf("198%08d", 55_587_302-i*345_671), fmt.Sprintf("南屿省南屿市海滨大道%d号", 99+i))
		}
	}
	all := len(todo)
	for round := 0; len(todo) > 0 || round < 3; round++ {
		if round == 60 {
			t.Fatal("no end of it")
		}
		var mu sync.Mutex
		var left []put // not acknowledged
		next, done, cut := 0, 0, make(chan struct{})
		var clients sync.WaitGroup
		for range 6 {
			clients.Go(func() {
				for {
					mu.Lock()
					if next == len(todo) {
						mu.Unlock()
						return
					}
					p := todo[next]
					next++
					mu.Unlock()
					a, err := program.fhir("PUT", "Patient/"+p.id, []byte(p.body), nil)
					mu.Lock()
					switch {
					case err != nil:
						left = append(left, p)
					case a.status != http.StatusCreated && a.status != http.StatusOK:
						t.Errorf("%s: got %d %s", p.id, a.status, a.body)
					default:
						if done++; done == all/4 {
							close(cut)
						}
					}
					mu.Unlock()
				}
			})
		}
		finished := make(chan struct{})
		go func() { clients.Wait(); close(finished) }()
		select {
		case <-cut: // in the middle of it
		case <-finished: // and while the index is at the last ones
		}
		if round < 3 {
			h.end(syscall.SIGKILL)
		}
		<-finished
		todo = left
		if round < 3 {
			h.resume()
			program.hub, program.client = h, &http.Client{Timeout: time.Minute}
		}
	}
	after := h.linked(t)
	namesakes := (linkedPersons + namesakeOf - 1) / namesakeOf
	want := standing{Records: before.Records + all, Linked: before.Linked + 2*linkedPersons, Persons: before.Persons + linkedPersons, Open: before.Open + namesakes}
	if after != want {
		t.Errorf("got %+v; want %+v", after, want)
	}
	for i := range linkedPersons {
		a, err := program.fhir("GET", fmt.Sprintf("Person?link=Patient/kl-%d-a", i), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		links, _ := a.find("entry[0].resource.link").([]any)
		refs := map[string]bool{}
		for l := range links {
			ref, _ := a.find(fmt.Sprintf("entry[0].resource.link[%d].target.reference", l)).(string)
			refs[ref] = true
		}
		if len(links) != 2 || !refs[fmt.Sprintf("Patient/kl-%d-a", i)] || !refs[fmt.Sprintf("Patient/kl-%d-b", i)] || a.find("entry[1]") != nil {
			t.Errorf("person %d: got %s; want his two records", i, a.body)
		}
	}
	h.asked(t, program, asked+namesakes)
}

// asked waits until the hub has opened a case of each pair, which it does in its own time, and no other.
func (h *hub) asked(t *testing.T, program *person, want int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := h.cases(t, program)
		if got == want {
			return
		} else if got > want || time.Now().After(end) {
			t.Fatalf("%d cases of pairs; want one of each of %d", got, want)
		}
	}
}

// cases counts the open cases in which a desk is asked about two records.
func (h *hub) cases(t *testing.T, program *person) int {
	t.Helper()
	a, err := program.fhir("GET", "Task?status=requested&code=personreview-pair&_summary=count", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := a.find("total").(float64)
	return int(n)
}

// resident completes a made-up resident number by its check digit.
func resident(seventeen string) string {
	sum := 0
	for i, w := range []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += w * int(seventeen[i]-'0')
	}
	return seventeen + "10X98765432"[sum%11:sum%11+1]
}
