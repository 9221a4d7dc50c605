package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2/er7"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2/mllp"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// Hospitals' own systems send while the program is killed again and again, also between a commit and its answer. Each
// sends a message until it is answered; what was answered is there, and nothing is there twice.
func TestKillBetweenCommitAndAnswer(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { killWhileReceiving(t, start(t)) })
	t.Run("postgres", func(t *testing.T) { killWhileReceiving(t, startOn(t, storetest.PostgresURL(t))) })
}

const (
	senders = 4
	most    = 60 // visits of each
)

func killWhileReceiving(t *testing.T, h *hub) {
	const org = "Organization/centre"
	args := []string{"token", "--data", h.data, "--client", "his", "--scope", "system/*.cruds", "--org", org, "--json"}
	if h.db != "" {
		args = append(args, "--db", h.db)
	}
	out, err := exec.Command(binary, args...).Output()
	if err != nil {
		t.Fatalf("token: %v", err)
	}
	var token struct{ ID, Token string }
	if err := json.Unmarshal(out, &token); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	peers := filepath.Join(t.TempDir(), "peers.toml")
	text := ""
	for s := range senders {
		text += fmt.Sprintf("[[peer]]\nname = \"his-%d\"\napplication = \"HIS%d\"\naddresses = [\"127.0.0.1\"]\norganization = %q\ncredential = %q\n", s, s, org, token.ID)
	}
	if err := os.WriteFile(peers, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	begin := func() {
		t.Helper()
		if err := h.begin("serve", "--mllp", address, "--mllp-peers", peers); err != nil {
			t.Fatalf("start: %v\n%s", err, h.log)
		}
	}
	h.end(syscall.SIGTERM)
	begin()
	t.Cleanup(func() { h.end(syscall.SIGTERM) })
	program := &person{hub: h, client: &http.Client{Timeout: time.Minute}, bearer: token.Token}
	put := func(ref, body string) {
		t.Helper()
		a, err := program.fhir("PUT", ref, []byte(body), nil)
		if err != nil || a.status >= 300 {
			t.Fatalf("%s: %v %d %s", ref, err, a.status, a.body)
		}
	}
	const at = `"status":"active","managingOrganization":{"reference":"Organization/centre"}`
	put("Location/his-w", `{"resourceType":"Location","id":"his-w",`+at+`,"physicalType":{"coding":[{"code":"wa"}]}}`)
	for i := range senders * 2 {
		id := fmt.Sprintf("his-w-%d", i)
		put("Location/"+id, fmt.Sprintf(`{"resourceType":"Location","id":%q,%s,"name":"%d 床","identifier":[{"system":"urn:his:bed","value":"W^1^%d"}],"physicalType":{"coding":[{"code":"bd"}]},"partOf":{"reference":"Location/his-w"}}`, id, at, i, i))
	}

	stop := make(chan struct{})
	var all sync.WaitGroup
	visits := make([]int, senders)
	resent := make([]int, senders)
	for s := range senders {
		all.Go(func() {
			var client *mllp.Client
			send := func(message []byte) {
				for deadline := time.Now().Add(2 * time.Minute); ; {
					if time.Now().After(deadline) {
						t.Errorf("no answer to %q", message)
						return
					}
					if client == nil {
						conn, err := net.Dial("tcp", address)
						if err != nil {
							time.Sleep(10 * time.Millisecond)
							continue
						}
						client = mllp.Over(conn)
					}
					answer, err := client.Send(message)
					if err != nil {
						client.Close()
						client = nil
						resent[s]++
						continue
					}
					a, err := er7.Parse(answer)
					if err != nil || a.Get("MSA-1") != "AA" {
						t.Errorf("got %q, %v; want AA to %q", answer, err, message)
					}
					return
				}
			}
			for v := range most {
				for i, event := range []string{"A01", "A02", "A03"} {
					bed := fmt.Sprintf("W^1^%d", 2*s+i%2)
					send([]byte(fmt.Sprintf("MSH|^~\\&|HIS%d||XL||20261120093000||ADT^%s|%d-%s|P|2.5||||||UTF-8\rEVN|%s|20261120093000\rPID|1||P%d^^^HIS^MR||甲%d||19800101|M\rPV1|1|I|%s%sV%d-%d\r",
						s, event, v, event, event, s, s, bed, strings.Repeat("|", 16), s, v)))
				}
				visits[s] = v + 1
				select {
				case <-stop:
					if client != nil {
						client.Close()
					}
					return
				default:
				}
			}
		})
	}
	for range 4 {
		time.Sleep(500 * time.Millisecond) // some load before the cut; the length does not matter
		h.end(syscall.SIGKILL)
		begin()
	}
	close(stop)
	all.Wait()
	total, again := 0, 0
	count := func(query string) int {
		t.Helper()
		a, err := program.fhir("GET", query, nil, nil)
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("%s: %v %d %s", query, err, a.status, a.body)
		}
		n, _ := a.find("total").(float64)
		return int(n)
	}
	for s := range senders {
		total, again = total+visits[s], again+resent[s]
		if n := count(fmt.Sprintf("Patient?identifier=https://xinglin.health/fhir/sid/record-number|P%d&_summary=count", s)); n != 1 {
			t.Errorf("P%d: got %d records; want one", s, n)
		}
		for v := range visits[s] {
			query := fmt.Sprintf("Encounter?identifier=https://xinglin.health/fhir/sid/visit-number|V%d-%d&_total=accurate", s, v)
			a, err := program.fhir("GET", query, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := a.find("total").(float64); n != 1 {
				t.Fatalf("visit %d-%d: got %v records; want one", s, v, n)
			}
			if status, _ := a.find("entry[0].resource.status").(string); status != "finished" {
				t.Errorf("visit %d-%d is %q; want finished", s, v, status)
			}
			if version, _ := a.find("entry[0].resource.meta.versionId").(string); version != "3" {
				t.Errorf("visit %d-%d is at version %s; want 3: one a message", s, v, version)
			}
		}
	}
	if total < senders || again == 0 {
		t.Fatalf("got %d visits, %d messages sent again; the test says nothing", total, again)
	}
	for i := range senders * 2 { // all have left
		a, err := program.fhir("GET", fmt.Sprintf("Location/his-w-%d", i), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if code, _ := a.find("operationalStatus.code").(string); code == "O" {
			t.Errorf("bed %d is in use; want it empty", i)
		}
	}
	t.Logf("%d visits by %d senders over 4 kills, %d messages sent again", total, senders, again)
}
