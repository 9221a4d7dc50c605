package lines_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/agreement"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// agreed is a world in which hospitals ask each other only for what they have agreed on.
type agreed struct {
	*world
	room *agreement.Room
}

func newAgreed(t testing.TB, open storetest.Open) *agreed {
	tree := access.NewTree()
	room := &agreement.Room{Tree: tree, Legal: tree.Legal}
	w := worldWith(t, open, func(o *store.Options) {
		o.Migrations = append(o.Migrations, agreement.Migrations...)
		o.Derive = append([]store.Deriver{tree.Derive}, append(o.Derive, room.Derive)...)
		o.Guard = append(o.Guard, room.Guard)
	})
	w.r.Agreed, w.r.Legal = room.Between, room.Legal
	for _, office := range []string{"centre", "county"} {
		w.put(fhir.New("Organization", "id", office+"-affairs", "active", true, "name", office+"医务处", "partOf", ref("Organization/"+office),
			"type", fhir.Arr{fhir.Concept("http://terminology.hl7.org/CodeSystem/organization-type", "dept", ""), fhir.Concept(agreement.SpecialtySystem, "affairs", "医务处")},
			"telecom", fhir.Arr{fhir.Telecom("phone", "0990-1112222", "work")}), "")
	}
	for _, dep := range []string{"cardiology", "urology"} {
		w.put(fhir.New("Organization", "id", "centre-"+dep, "active", true, "name", dep, "partOf", ref("Organization/centre"),
			"type", fhir.Arr{fhir.Concept("http://terminology.hl7.org/CodeSystem/organization-type", "dept", ""), fhir.Concept(agreement.SpecialtySystem, dep, "")}), "")
	}
	return &agreed{w, room}
}

// the handler's caller sees what a settled one does.
func handler(who string) context.Context {
	ctx := as(who)
	c := access.From(ctx)
	c.Scope.Sights = []search.Sight{{Parties: []string{c.Institution + access.Agreements}}}
	return ctx
}

func (w *agreed) propose(who, to string, more ...any) (string, error) {
	ask := line.Ask("to", ref("Organization/"+to), "kind", "alliance", "lead", "them", "sharing", "packet", "from", "2026-01-01", "services", "up-referral", "services", "down-referral")
	for i := 0; i < len(more); i += 2 {
		ask = without(ask, more[i].(string))
	}
	for _, p := range line.Ask(more...).All("parameter") {
		ask.Add("parameter", p)
	}
	res, err := w.r.Start(handler(who), line.StartCall{Line: "agreement", Flow: "contract", Params: ask})
	return res.Task, err
}

func (w *agreed) step(who, task, step string, answers ...any) error {
	_, err := w.r.Do(handler(who), line.DoCall{Task: task, Step: step, Params: line.Ask(answers...)})
	return err
}

func (w *agreed) mustStep(who, task, step string, answers ...any) {
	w.Helper()
	if err := w.step(who, task, step, answers...); err != nil {
		w.Fatalf("%s as %s: %v", step, who, err)
	}
}

func (w *agreed) signed(asker, other string, more ...any) string {
	w.Helper()
	task, err := w.propose(asker+"-leader", other, more...)
	if err != nil {
		w.Fatal(err)
	}
	w.mustStep(other+"-leader", task, "sign")
	w.mustStep(asker+"-leader", task, "sign")
	return task
}

func (w *agreed) between(from, to, service string) (err error) {
	w.Helper()
	failed := w.s.View(context.Background(), func(tx *store.Tx) error {
		err = w.room.Between(context.Background(), tx, "Organization/"+from, "Organization/"+to, service)
		return nil
	})
	if failed != nil {
		w.Fatal(failed)
	}
	return err
}

func TestAnAgreementGatesReferralsByTheClock(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newAgreed(t, open)
		refused := func(zh ...string) {
			t.Helper()
			_, err := w.start("village-sender", "up", form("centre", "routine"))
			w.wantRefused(err, "no-agreement")
			for _, words := range append(zh, "centre医务处", "0990-1112222", "village", "上转") {
				if got := err.(*fhir.Error).Issues[0].Zh; !strings.Contains(got, words) {
					t.Errorf("the refusal says %q; want %q in it", got, words)
				}
			}
		}
		refused()
		day := w.clock.Now().In(line.Zone())
		task, err := w.propose("village-office", "centre", "from", day.AddDate(0, 0, 2).Format(time.DateOnly), "until", day.AddDate(0, 0, 9).Format(time.DateOnly))
		if err != nil {
			t.Fatal(err)
		}
		refused("待签署")
		w.wantRefused(w.step("village-office", task, "sign"), "not-your-step")
		w.mustStep("centre-leader", task, "sign")
		w.wantRefused(w.step("centre-leader", task, "sign"), "not-your-step")
		w.mustStep("village-leader", task, "sign")
		w.wantState(task, "signed")
		refused("起生效")
		w.turn(2 * 24 * time.Hour)
		// in force by the clock, before any tick
		up := w.mustStart("village-sender", "up", form("centre", "routine"))
		w.must("village-sender", up, "cancel", "reason", "mistake")
		w.tick()
		w.wantState(task, "active")
		if got := w.get("OrganizationAffiliation/" + strings.TrimPrefix(task, "Task/")); got.Str("active") != "true" || got.Str("organization.reference") != "Organization/centre" {
			t.Errorf("the directory says %s; want centre leading, active", got.JSON())
		}
		w.mustStep("centre-affairs", task, "suspend", "reason", "床位改造")
		refused("暂停")
		w.wantRefused(w.step("village-affairs", task, "resume"), "not-your-suspension")
		w.mustStep("centre-affairs", task, "resume")
		w.must("village-sender", w.mustStart("village-sender", "up", form("centre", "routine")), "cancel", "reason", "mistake")
		w.turn(8 * 24 * time.Hour) // its last day has passed
		refused("到期")
		w.tick()
		w.wantState(task, "ended")
		if got := w.get("OrganizationAffiliation/" + strings.TrimPrefix(task, "Task/")); got.Str("active") != "false" {
			t.Error("the directory still shows an agreement that has ended")
		}
		// what is never gated
		for _, free := range []*fhir.Node{form("centre", "emergency"), form("centre2", "routine", "by-choice", true)} {
			task := w.mustStart("village-sender", "up", free)
			if urgency := w.get(task).Str("priority"); urgency == "routine" && line.FactText(w.get(task), "by-choice") != "true" {
				t.Error("the patient's own choice is not recorded")
			}
		}
	})
}

func TestWhatAnAgreementCovers(t *testing.T) {
	w := newAgreed(t, storetest.Memory)
	w.signed("county", "centre", "specialties", "cardiology")
	for _, c := range []struct {
		name, from, to, service, want string
	}{
		{"the member asks its lead", "county", "centre", "up-referral", ""},
		{"the lead does not send up to its member", "centre", "county", "up-referral", "no-agreement"},
		{"the lead sends back", "centre", "county", "down-referral", ""},
		{"the member's member is the same legal person", "township", "centre", "up-referral", ""},
		{"nobody asks for what is not listed", "county", "centre", "dispatch", "no-agreement"},
		{"nobody else may", "village", "centre", "up-referral", "no-agreement"},
		{"a department of the specialty", "county", "centre-cardiology", "up-referral", ""},
		{"a department of another one", "county", "centre-urology", "up-referral", "no-agreement"},
		{"units of one legal person need none", "township", "county", "up-referral", ""},
		{"and neither do those of a hospital", "centre-urology", "centre-cardiology", "consultation", ""},
	} {
		err := w.between(c.from, c.to, c.service)
		if c.want == "" && err != nil {
			t.Errorf("%s: %v; want nothing in the way", c.name, err)
		}
		if c.want != "" {
			w.wantRefused(err, c.want)
		}
	}
	w.signed("village", "output", "lead", "equal")
	var can []string
	var whole, results bool
	err := w.s.View(context.Background(), func(tx *store.Tx) (err error) {
		if can, err = w.room.Askable(context.Background(), tx, "Organization/township", "up-referral"); err != nil {
			return err
		}
		whole, results, err = w.room.Gives(context.Background(), tx, "Organization/centre", "Organization/county")
		return err
	})
	if err != nil || !slices.Equal(can, []string{"Organization/county", "Organization/centre"}) {
		t.Errorf("a township may ask %v, %v; want its own county and the centre", can, err)
	}
	if whole || results {
		t.Error("an agreement on the packet alone shows more")
	}
}

func TestTermsAreTheBusinessOfTheirParties(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newAgreed(t, open)
		res, err := w.r.Start(handler("county-affairs"), line.StartCall{Line: "agreement", Flow: "contract", Params: line.Ask("to", ref("Organization/centre"), "draft", true, "kind", "alliance")})
		if err != nil {
			t.Fatal(err)
		}
		contract := "Contract/" + strings.TrimPrefix(res.Task, "Task/")
		sees := func(who, what string, want bool) {
			t.Helper()
			_, err := w.read(context.Background(), access.From(handler(who)).Scope, what)
			if got := err == nil; got != want || err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s reads %s: %v; want seen %v", who, what, err, want)
			}
		}
		for _, what := range []string{res.Task, contract} {
			sees("county-leader", what, true)
			sees("centre-leader", what, false)
			sees("stranger-leader", what, false)
		}
		w.wantRefused(w.step("county-affairs", res.Task, "submit"), "missing-field")
		w.mustStep("county-affairs", res.Task, "submit", "lead", "them", "sharing", "results", "services", "recognition", "from", "2026-01-01")
		for _, what := range []string{res.Task, contract} {
			sees("centre-leader", what, true)
			sees("stranger-leader", what, false)
			if _, err := w.read(context.Background(), access.From(as("centre-doctor")).Scope, what); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("who does not handle agreements reads %s: %v", what, err)
			}
		}
		for _, list := range []struct {
			who  string
			want int
		}{{"county-leader", 1}, {"centre-leader", 1}, {"stranger-leader", 0}} {
			if got := w.list(list.who, line.Filter{Line: "agreement"}).Total; got != list.want {
				t.Errorf("%s counts %d; want %d", list.who, got, list.want)
			}
		}
		// no agreement by one's own word
		for _, n := range []*fhir.Node{w.get(contract).Set("legalState.coding[0].code", "active").Set("status", "executed"),
			fhir.New("OrganizationAffiliation", "id", "own", "active", true, "code", fhir.Arr{fhir.Concept(agreement.KindSystem, "alliance", "")})} {
			ready, err := store.Prepare(n)
			if err != nil {
				t.Fatal(err)
			}
			ctx := handler("county-leader")
			err = w.s.Update(ctx, func(tx *store.Tx) error {
				_, err := tx.Put(ctx, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: ready})
				return err
			})
			w.wantRefused(err, "only-by-steps")
		}
	})
}

func TestSignedOnceWhoeverClicksTwice(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newAgreed(t, open)
		task, err := w.propose("county-leader", "centre")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		signed := map[string]int{}
		for range 8 {
			for _, who := range []string{"county-leader", "centre-leader"} {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for range 3 { // a collision that was given back is asked again
						err := w.step(who, task, "sign")
						var no *fhir.Error
						if err == nil {
							mu.Lock()
							signed[who]++
							mu.Unlock()
							return
						}
						if !errors.As(err, &no) || no.Status != 409 {
							return
						}
					}
				}()
			}
		}
		wg.Wait()
		w.wantState(task, "signed")
		if got := len(w.get("Contract/" + strings.TrimPrefix(task, "Task/")).All("signer")); got != 2 || signed["county-leader"] != 1 || signed["centre-leader"] != 1 {
			t.Errorf("%d signatures, %v; want one of each side", got, signed)
		}
	})
}

// Either the referral is earlier or it is refused: none stands behind the suspension in the log.
func TestNoReferralPassesASuspension(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		for round := range 6 {
			w := newAgreed(t, open)
			pact := w.signed("village", "centre")
			const many = 6
			for i := range many {
				w.put(fhir.New("Patient", "id", name(i), "name", fhir.Arr{fhir.Obj{"text", name(i)}}, "gender", "male", "birthDate", "1970-01-01"), "Organization/village")
			}
			var wg sync.WaitGroup
			tasks, errs := make([]string, many), make([]error, many)
			for i := range many {
				wg.Add(1)
				go func() {
					defer wg.Done()
					tasks[i], errs[i] = w.start("village-sender", "up", form("centre", "routine", "patient", ref("Patient/"+name(i)), "documents", "-"))
				}()
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				for range round { // meets them earlier or later
					w.between("village", "centre", "up-referral")
				}
				w.mustStep("centre-leader", pact, "suspend", "reason", "床位改造")
			}()
			wg.Wait()
			suspended := w.seq("Contract/" + strings.TrimPrefix(pact, "Task/"))
			for i, task := range tasks {
				if errs[i] != nil {
					w.wantRefused(errs[i], "no-agreement")
				} else if at := w.seq(task); at > suspended {
					t.Errorf("round %d: a referral was submitted after the suspension: %d > %d", round, at, suspended)
				}
			}
		}
	})
}

func name(i int) string { return "patient" + string(rune('a'+i)) }

func (w *agreed) seq(r string) (seq int64) {
	w.Helper()
	typ, id, _ := strings.Cut(r, "/")
	err := w.s.View(context.Background(), func(tx *store.Tx) error {
		v, err := tx.Read(context.Background(), search.Everything, typ, id)
		seq = v.Seq
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return seq
}
