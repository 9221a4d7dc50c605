package e2e

import (
	"fmt"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// A simulation that is killed on the way goes on by itself from where it was, says the same as one that was not, and is
// still there after the next kill.
func TestKillInTheMiddleOfASimulation(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { killedInSimulation(t, start(t)) })
	t.Run("postgres", func(t *testing.T) { killedInSimulation(t, startOn(t, storetest.PostgresURL(t))) })
}

func killedInSimulation(t *testing.T, h *hub) {
	turned := time.Duration(0)
	kill := func() {
		t.Helper()
		h.end(syscall.SIGKILL)
		turned += time.Minute // the lease of the piece that was cut off lapses
		if err := os.WriteFile(h.clock, []byte(turned.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		h.resume()
	}
	leader := func() *person {
		t.Helper()
		p, err := h.login("guanli")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	get := func(p *person, path string) *answer {
		t.Helper()
		a, err := p.call("GET", path, "", nil, nil)
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("%s: got %v %v", path, a, err)
		}
		return a
	}
	reports := []string{}
	for _, cut := range []bool{false, true} {
		p := leader()
		a, err := p.call("POST", "/api/beds/simulate", "application/json", []byte(`{"source":"region","days":365,"seeds":8,"policies":["own","weighted"],"reserves":[0,10]}`), nil)
		if err != nil || a.status != http.StatusAccepted {
			t.Fatalf("begin: got %v %v", a, err)
		}
		place := a.header.Get("Location")
		for end := time.Now().Add(4 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
			a := get(p, place)
			done, state := a.find("done").(float64), a.find("state")
			if state == "done" {
				reports = append(reports, fmt.Sprint(a.find("report")))
				if cut {
					t.Log("was done before it could be killed")
				}
				break
			}
			if state != "waiting" && state != "running" || time.Now().After(end) {
				t.Fatalf("got %s", a.body)
			}
			if cut && done > 0 {
				cut = false
				kill()
				p = leader()
				if again := get(p, place); again.find("done").(float64) < done {
					t.Errorf("%v plays were done before the kill; %v after it", done, again.find("done"))
				}
				t.Logf("killed after %v of %v plays", done, a.find("of"))
			}
		}
		kill()
		if a := get(leader(), place); a.find("state") != "done" || fmt.Sprint(a.find("report")) != reports[len(reports)-1] {
			t.Errorf("after the end and another kill: got %.300s", a.body)
		}
	}
	if len(reports) != 2 || reports[0] != reports[1] {
		t.Error("the report of the simulation that was killed differs from that of the one that was not")
	}
}
