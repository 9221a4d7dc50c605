package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// Many desks fight for few beds while the program is killed again and again. What was acknowledged holds, what was asked
// again under the same key happened once, no bed is given twice, and holds that nobody renewed run out.
func TestKillInAStormOfHolds(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { stormOfHolds(t, start(t)) })
	t.Run("postgres", func(t *testing.T) { stormOfHolds(t, startOn(t, storetest.PostgresURL(t))) })
}

// request is one operation of a desk, with the key under which it may be asked again.
type request struct{ name, body, key string }

// storm is what the desks were told.
type storm struct {
	mu     sync.Mutex
	status map[string]string // Appointment -> the last status that was acknowledged
	open   []request         // asked, and the program was gone before it answered
	taken  int
}

const stormBeds = 12

func stormOfHolds(t *testing.T, h *hub) {
	program := h.program("desk", "system/*.cruds")
	put := func(ref, body string) {
		t.Helper()
		a, err := program.fhir("PUT", ref, []byte(body), nil)
		if err != nil || a.status >= 300 {
			t.Fatalf("%s: %v %d %s", ref, err, a.status, a.body)
		}
	}
	const at = `"status":"active","managingOrganization":{"reference":"Organization/centre"}`
	put("Location/kw", `{"resourceType":"Location","id":"kw",`+at+`,"physicalType":{"coding":[{"code":"wa"}]},"extension":[{"url":"https://xinglin.health/fhir/StructureDefinition/ward-specialty","valueCode":"kw"}]}`)
	for i := range stormBeds {
		id := fmt.Sprintf("kw-%d", i)
		put("Location/"+id, fmt.Sprintf(`{"resourceType":"Location","id":%q,%s,"name":"%d 床","physicalType":{"coding":[{"code":"bd"}]},"partOf":{"reference":"Location/kw"}}`, id, at, i))
	}
	s := &storm{status: map[string]string{}}
	const clients = 12
	for round := range 3 {
		stop := make(chan struct{})
		var desks sync.WaitGroup
		for c := range clients {
			desks.Add(1)
			go func() {
				defer desks.Done()
				s.desk(t, program, rand.New(rand.NewPCG(uint64(round), uint64(c))), fmt.Sprintf("r%dc%d", round, c), stop)
			}()
		}
		time.Sleep(time.Second) // some load before the cut; the length does not matter
		h.end(syscall.SIGKILL)
		close(stop)
		desks.Wait()
		h.resume()
		program.hub, program.client = h, &http.Client{Timeout: time.Minute}
		for _, r := range s.open { // asked again: it happens now, or has happened
			if gone := s.ask(t, program, r); gone {
				t.Fatalf("%s: no answer", r.name)
			}
		}
		s.open = nil
	}
	if len(s.status) < 12 || s.taken == 0 {
		t.Fatalf("got %d Appointments, %d refusals; the test says nothing", len(s.status), s.taken)
	}
	beds := map[string]string{}
	for id, status := range s.status {
		a, err := program.fhir("GET", "Appointment/"+id, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := a.find("status").(string)
		if got != status {
			t.Errorf("Appointment/%s: got %q; acknowledged was %q", id, got, status)
		}
		bed := ""
		for i := range 2 {
			if ref, _ := a.find(fmt.Sprintf("participant[%d].actor.reference", i)).(string); strings.HasPrefix(ref, "Location/") {
				bed = ref
			}
		}
		if got == "pending" || got == "booked" {
			if other := beds[bed]; other != "" {
				t.Errorf("%s is given twice: %s and %s", bed, other, id)
			}
			beds[bed] = id
		}
	}
	// Time passes: what was held and not booked runs out, and its bed is free.
	if err := os.WriteFile(h.clock, []byte("1h"), 0o600); err != nil {
		t.Fatal(err)
	}
	for id, status := range s.status {
		if status != "pending" {
			continue
		}
		for tries := 0; ; tries++ {
			a, err := program.fhir("GET", "Appointment/"+id, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := a.find("status").(string); got == "noshow" {
				break
			} else if tries == 200 {
				t.Fatalf("Appointment/%s is %s an hour after its hold began", id, got)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	h.end(syscall.SIGTERM)
	var found []struct{ Check, State, Text string }
	doctor := exec.Command(binary, "doctor", "--json", "--data", h.data, "--db", h.db)
	out, _ := doctor.Output() // it may have other things to say of a folder that was copied
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	looked := false
	for _, f := range found {
		if f.Check == "bookings" {
			looked = true
			if f.State != "ok" {
				t.Errorf("doctor: %s", f.Text)
			}
		} else if f.State == "bad" {
			t.Logf("doctor: %s: %s", f.Check, f.Text)
		}
	}
	if !looked {
		t.Error("the doctor did not look at the bookings")
	}
	t.Logf("%d Appointments and %d refusals over three kills", len(s.status), s.taken)
}

// desk holds, books and gives back until the program is gone.
func (s *storm) desk(t *testing.T, program *person, rnd *rand.Rand, name string, stop chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		key := fmt.Sprintf("%sn%d", name, n)
		free := fmt.Sprintf("free.L.%s.0.kw-%d", strconv.FormatInt(time.Now().Unix(), 36), rnd.IntN(stormBeds))
		verb := []string{"hold", "hold", "book"}[rnd.IntN(3)]
		if s.ask(t, program, request{verb, parameters("appointment-reference", free, "patient-reference", fmt.Sprintf("Patient/p%04d", 1+rnd.IntN(50)), "specialty", "kw"), key}) {
			return
		}
		s.mu.Lock()
		var mine string
		for id, status := range s.status { // any that is held or booked, perhaps another desk's
			if status == "pending" || status == "booked" {
				mine = id
				break
			}
		}
		if mine != "" {
			s.status[mine] = "asked" // one desk at a time asks about it
		}
		s.mu.Unlock()
		if mine != "" && s.ask(t, program, request{"release", parameters("appointment-reference", "Appointment/"+mine, "reason", "storm"), key + "r"}) {
			return
		}
	}
}

func parameters(pairs ...string) string {
	var list []string
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, fmt.Sprintf(`{"name":%q,"valueString":%q}`, pairs[i], pairs[i+1]))
	}
	return `{"resourceType":"Parameters","parameter":[` + strings.Join(list, ",") + `]}`
}

// ask sends one request and notes the answer; true = the program is gone.
func (s *storm) ask(t *testing.T, program *person, r request) (gone bool) {
	a, err := program.fhir("POST", "Appointment/$"+r.name, []byte(r.body), http.Header{"Idempotency-Key": {r.key}})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.open = append(s.open, r)
		return true
	}
	switch a.status {
	case http.StatusOK:
		id, _ := a.find("entry[0].resource.id").(string)
		status, _ := a.find("entry[0].resource.status").(string)
		s.status[id] = status
	case http.StatusConflict:
		s.taken++
	case http.StatusUnprocessableEntity: // a hard rule of beds speaks against this patient here
	default:
		t.Errorf("$%s: got %d %s", r.name, a.status, a.body)
	}
	return false
}
