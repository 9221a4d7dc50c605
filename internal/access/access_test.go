package access_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// net is a county hospital with two departments and a township beneath it, a centre, another hospital and a stranger,
// these without departments.
type net struct {
	t     *testing.T
	store *store.Store
	tree  *access.Tree
	clock *clock.Turned

	relations *access.Relations
}

func open(t *testing.T, with storetest.Open) net {
	t.Helper()
	n := net{t: t, tree: access.NewTree(), clock: clock.At(storetest.Start)}
	n.tree.Kept = true
	n.relations = &access.Relations{Tree: n.tree, Tables: true}
	n.store = with(t, store.Options{Clock: n.clock, Migrations: access.Migrations, Derive: []store.Deriver{n.tree.Derive, n.relations.Derive}, Guard: []store.Guard{n.tree.Guard, n.relations.Guard},
		Guarded: access.Guarded, Kinds: access.GuardedKinds()})
	for _, o := range []struct{ id, typ, parent string }{
		{"county", "prov", ""}, {"ward", "dept", "county"}, {"clinic", "dept", "county"}, {"township", "prov", "county"}, {"centre", "prov", ""}, {"other", "prov", ""}, {"stranger", "prov", ""},
	} {
		n.put(nil, store.Update, o.id, "", organisation(o.typ, o.parent))
	}
	return n
}

func organisation(typ, parent string) string {
	part := ""
	if parent != "" {
		part = `,"partOf":{"reference":"Organization/` + parent + `"}`
	}
	return `{"resourceType":"Organization","name":"某院","type":[{"coding":[{"code":"` + typ + `"}]}]` + part + `}`
}

// as is a doctor at an organisation, or who has the role named after it: "county records".
func (n net) as(who string) *access.Caller {
	org, role, _ := strings.Cut(who, " ")
	c := &access.Caller{User: "u-" + org, Role: access.ReferringDoctor, Org: "Organization/" + org, Practitioner: "Practitioner/" + org}
	if role != "" {
		c.Role, c.Practitioner = access.Role(role), "Practitioner/"+org+"-"+role
	}
	var err error
	ctx := context.Background()
	if err := n.store.View(ctx, func(tx *store.Tx) error { c.Teams, err = access.TeamsOf(ctx, tx, c.Practitioner); return err }); err != nil {
		n.t.Fatal(err)
	}
	n.tree.Settle(c)
	return c
}

func (n net) try(by *access.Caller, op store.Op, id, custodian, body string) error {
	n.t.Helper()
	ctx := context.Background()
	if by != nil {
		ctx = access.With(ctx, by)
		custodian = by.Org
	}
	node, err := fhir.Parse([]byte(body))
	if err != nil {
		n.t.Fatal(err)
	}
	node.Set("id", id)
	prepared, err := store.Prepare(node)
	if err != nil {
		n.t.Fatal(err)
	}
	return n.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Put(ctx, store.Put{Op: op, Type: node.Type(), ID: id, Resource: prepared, Custodian: custodian, ByStep: node.Type() == "Task"})
		return err
	})
}

func (n net) put(by *access.Caller, op store.Op, id, custodian, body string) {
	n.t.Helper()
	if err := n.try(by, op, id, custodian, body); err != nil {
		n.t.Fatal(err)
	}
}

func (n net) patient(by *access.Caller, id string) {
	n.put(by, store.Update, id, "", `{"resourceType":"Patient","name":[{"text":"张三"}],"birthDate":"2015-06-01"}`)
}

func (n net) task(by *access.Caller, id, patient, status, requester, owner string) {
	n.t.Helper()
	n.put(by, store.Update, id, "", task(patient, status, requester, owner))
}

func task(patient, status, requester, owner string, more ...string) string {
	return fmt.Sprintf(`{"resourceType":"Task","status":"%s","intent":"order","for":{"reference":"Patient/%s"},"requester":{"reference":"Organization/%s"},"owner":{"reference":"Organization/%s"}%s}`,
		status, patient, requester, owner, strings.Join(more, ""))
}

func (n net) observation(by *access.Caller, id, patient string) {
	n.t.Helper()
	n.put(by, store.Update, id, "", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/`+patient+`"}}`)
}

func (n net) reads(by *access.Caller, ref string) bool {
	n.t.Helper()
	typ, id, _ := strings.Cut(ref, "/")
	ctx := context.Background()
	err := n.store.View(ctx, func(tx *store.Tx) error { _, err := tx.Read(ctx, by.Scope, typ, id); return err })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		n.t.Fatal(err)
	}
	return err == nil
}

// everyone is who might see something.
var everyone = []string{"ward", "clinic", "county referral-office", "county records", "township", "centre", "centre records", "other", "stranger"}

func (n net) expect(rule, ref, want string) {
	n.t.Helper()
	var list []string
	for _, who := range everyone {
		if n.reads(n.as(who), ref) {
			list = append(list, who)
		}
	}
	if got := strings.Join(list, ", "); got != want {
		n.t.Errorf("%s: %s is seen by %q; want %q", rule, ref, got, want)
	}
}

func TestAPatientIsSeenByWhoKeepsHisRecord(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "t")
		n.patient(n.as("ward"), "w")
		n.expect("a township's patient: the township, and the duty roles above it", "Patient/t", "county records, township")
		n.expect("a ward's patient: not the next department, not the desk", "Patient/w", "ward, county records")
		n.observation(n.as("stranger"), "o", "t")
		n.expect("what another writes about it is its own matter", "Observation/o", "")
		n.expect("and does not show it the patient", "Patient/t", "county records, township")
		n.clock.Turn(31 * 24 * time.Hour)
		n.expect("a department treats and is done", "Patient/w", "county records")
		n.expect("a township stays the home of its people", "Patient/t", "county records, township")
	})
}

func TestTaskGrantsFollowTheHandOver(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.observation(n.as("township"), "o", "p")
		n.task(n.as("township"), "1", "p", "draft", "township", "centre")
		n.expect("a draft is the requester's alone", "Patient/p", "county records, township")
		n.task(n.as("township"), "1", "p", "requested", "township", "centre")
		n.expect("once submitted the owner sees the patient", "Patient/p", "county referral-office, county records, township, centre, centre records")
		n.expect("but not what is no part of the packet", "Observation/o", "county referral-office, county records, township")
		n.observation(n.as("centre"), "c", "p")
		n.expect("and what it writes itself", "Observation/c", "centre, centre records")
		n.task(n.as("centre"), "1", "p", "requested", "township", "other")
		n.expect("another owner replaces the first, at once", "Patient/p", "county referral-office, county records, township, other")
		n.task(n.as("other"), "1", "p", "completed", "township", "other")
		n.expect("after the close both sides keep it", "Patient/p", "county referral-office, county records, township, other")
		n.clock.Turn(31 * 24 * time.Hour)
		n.expect("also after the grace: the receiver keeps the packet on which it acted", "Patient/p", "county referral-office, county records, township, other")
		n.task(nil, "1", "p", "entered-in-error", "township", "other")
		n.expect("entered in error gives nothing", "Patient/p", "county records, township")
	})
}

func TestTheGraceAfterAHandOverEndsByTheClock(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.task(n.as("township"), "1", "p", "requested", "township", "centre")
		n.observation(n.as("centre"), "c", "p")
		n.task(n.as("centre"), "1", "p", "completed", "township", "centre")
		n.clock.Turn(29 * 24 * time.Hour)
		n.expect("what the receiver wrote, within the grace", "Observation/c", "centre, centre records")
		n.clock.Turn(2 * 24 * time.Hour)
		n.expect("and after it", "Observation/c", "centre records")
		n.expect("the packet stays", "Task/1", "county referral-office, county records, township, centre, centre records")
	})
}

func TestThePacketGoesAndNoMore(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.observation(n.as("township"), "in", "p")
		n.observation(n.as("township"), "out", "p")
		n.observation(n.as("stranger"), "theirs", "p")
		packet := `,"input":[{"type":{"text":"x"},"valueReference":{"reference":"Observation/in/_history/1"}},{"type":{"text":"x"},"valueReference":{"reference":"Observation/theirs"}}]`
		n.put(n.as("township"), store.Update, "1", "", task("p", "requested", "township", "centre", packet))
		n.expect("what is in the packet", "Observation/in", "county referral-office, county records, township, centre, centre records")
		n.expect("what is not", "Observation/out", "county referral-office, county records, township")
		n.expect("what the sender could not read himself", "Observation/theirs", "")
		n.observation(n.as("centre"), "result", "p")
		n.put(n.as("centre"), store.Update, "1", "", task("p", "completed", "township", "centre", packet, `,"output":[{"type":{"text":"x"},"valueReference":{"reference":"Observation/result"}}]`))
		n.expect("the outcome comes to the sender", "Observation/result", "county referral-office, county records, township, centre, centre records")
	})
}

func TestADepartmentIsAddressed(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("centre"), "p")
		to := func(department string) string {
			return `,"extension":[{"url":"` + access.TaskDepartment + `","valueReference":{"reference":"Organization/` + department + `"}}]`
		}
		n.task(n.as("centre"), "1", "p", "requested", "centre", "county")
		n.expect("to the hospital: its desk", "Patient/p", "county referral-office, county records, centre, centre records")
		n.put(n.as("county referral-office"), store.Update, "1", "", task("p", "received", "centre", "county", to("ward")))
		n.expect("routed to the ward", "Patient/p", "ward, county referral-office, county records, centre, centre records")
		n.put(n.as("county referral-office"), store.Update, "1", "", task("p", "received", "centre", "county", to("clinic")))
		n.expect("routed on", "Patient/p", "clinic, county referral-office, county records, centre, centre records")
		n.put(n.as("county referral-office"), store.Update, "1", "", task("p", "received", "centre", "county", to("stranger")))
		n.expect("not to a department of another hospital", "Patient/p", "county referral-office, county records, centre, centre records")
		n.put(n.as("centre"), store.Update, "2", "", task("p", "requested", "centre", "county", `,"priority":"stat"`))
		n.expect("an emergency without a department: every clinician there", "Patient/p", "ward, clinic, county referral-office, county records, centre, centre records")
	})
}

func TestRedirectKeepsTheFirstAndAddsTheNext(t *testing.T) {
	n := open(t, storetest.Memory)
	n.patient(n.as("township"), "p")
	n.task(n.as("township"), "1", "p", "requested", "township", "centre")
	n.task(n.as("centre"), "1", "p", "rejected", "township", "centre")
	n.task(n.as("centre"), "2", "p", "requested", "township", "other")
	n.expect("after a redirect", "Patient/p", "county referral-office, county records, township, centre, centre records, other")
}

func TestAWithdrawnDraftShowsNothing(t *testing.T) {
	n := open(t, storetest.Memory)
	n.patient(n.as("township"), "p")
	n.task(n.as("township"), "1", "p", "draft", "township", "centre")
	n.task(n.as("township"), "1", "p", "cancelled", "township", "centre")
	n.expect("withdrawn before it was submitted", "Patient/p", "county records, township")
	n.task(nil, "1", "p", "cancelled", "township", "centre")
	n.expect("and touched again by the program", "Patient/p", "county records, township")
}

func TestNoGrantFromTheWritersOwnWord(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.task(n.as("stranger"), "1", "p", "requested", "stranger", "stranger")
		n.expect("a stranger's Task about somebody else's patient", "Patient/p", "county records, township")
		n.task(n.as("stranger"), "1", "p", "completed", "stranger", "other")
		n.expect("nor when it closes", "Patient/p", "county records, township")
		n.put(n.as("stranger"), store.Update, "e", "", encounter("p", "in-progress", "stranger"))
		n.put(n.as("stranger"), store.Update, "c", "", `{"resourceType":"CareTeam","status":"active","subject":{"reference":"Patient/p"},"participant":[{"member":{"reference":"Practitioner/stranger"}}]}`)
		n.put(n.as("stranger"), store.Update, "x", "", `{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"coding":[{"code":"record-sharing"}]}],"patient":{"reference":"Patient/p"},"provision":{"type":"permit","actor":[{"role":{"text":"x"},"reference":{"reference":"Organization/stranger"}}]}}`)
		n.expect("nor by an encounter, a team or a consent", "Patient/p", "county records, township")
		n.patient(n.as("stranger"), "own")
		n.task(n.as("stranger"), "2", "own", "requested", "stranger", "other")
		n.task(n.as("stranger"), "2", "p", "requested", "stranger", "other")
		n.expect("nor when a Task turns to another patient", "Patient/p", "county records, township")
		n.expect("and it takes back what it gave", "Patient/own", "stranger")
		n.task(n.as("stranger"), "3", "nobody", "requested", "stranger", "other")
		n.patient(n.as("township"), "nobody")
		n.expect("nor about a patient who comes later", "Patient/nobody", "county records, township")
		n.task(n.as("township"), "4", "p", "requested", "township", "centre")
		n.put(n.as("centre"), store.Update, "y", "", `{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"coding":[{"code":"record-sharing"}]}],"patient":{"reference":"Patient/p"},"provision":{"type":"permit","actor":[{"role":{"text":"x"},"reference":{"reference":"Organization/centre"}}]}}`)
		n.observation(n.as("township"), "o", "p")
		n.expect("who received a packet does not widen it by a consent of his own writing", "Observation/o", "county referral-office, county records, township")
		n.put(n.as("centre"), store.Update, "e2", "", encounter("p", "in-progress", "centre"))
		n.expect("nor by treating: he sees what his own hospital keeps", "Observation/o", "county referral-office, county records, township")
	})
}

func encounter(patient, status, provider string, more ...string) string {
	return `{"resourceType":"Encounter","status":"` + status + `","class":{"code":"IMP"},"subject":{"reference":"Patient/` + patient + `"},"serviceProvider":{"reference":"Organization/` + provider + `"}` + strings.Join(more, "") + `}`
}

func TestTreatmentBeginsAndEnds(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		desk := n.as("county registrar")
		n.patient(desk, "p")
		n.put(nil, store.Update, "bed", "", `{"resourceType":"Location","managingOrganization":{"reference":"Organization/clinic"}}`)
		n.expect("registered at the hospital: no department yet", "Patient/p", "county records")
		n.put(desk, store.Update, "e", "", encounter("p", "in-progress", "ward"))
		n.expect("seen in the ward", "Patient/p", "ward, county records")
		n.put(desk, store.Update, "e", "", encounter("p", "in-progress", "ward", `,"location":[{"location":{"reference":"Location/bed"},"status":"active"}]`))
		n.expect("lying in the clinic's bed", "Patient/p", "ward, clinic, county records")
		n.put(desk, store.Update, "e", "", encounter("p", "in-progress", "ward", `,"location":[{"location":{"reference":"Location/bed"},"status":"completed"}]`))
		n.expect("moved out of it", "Patient/p", "ward, county records")
		n.put(desk, store.Update, "e", "", encounter("p", "finished", "ward"))
		n.clock.Turn(29 * 24 * time.Hour)
		n.expect("discharged, for a while", "Patient/p", "ward, county records")
		n.clock.Turn(2 * 24 * time.Hour)
		n.expect("the grace is over without a write", "Patient/p", "county records")
		n.put(nil, store.Update, "e2", "Organization/county", encounter("p", "in-progress", "centre"))
		n.expect("an encounter elsewhere than the writer's own hospital gives nothing", "Patient/p", "county records")
	})
}

func TestTeamsOverTime(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("county registrar"), "p")
		end := storetest.Start.Add(10 * 24 * time.Hour).Format(time.RFC3339)
		n.put(n.as("county records"), store.Update, "standing", "", `{"resourceType":"CareTeam","status":"active","participant":[{"member":{"reference":"Practitioner/clinic"},"period":{"end":"`+end+`"}}]}`)
		n.expect("a standing team sees nobody by itself", "Patient/p", "county records")
		n.put(n.as("county records"), store.Update, "of-p", "", `{"resourceType":"CareTeam","status":"active","subject":{"reference":"Patient/p"},"participant":[{"member":{"reference":"CareTeam/standing"}},{"member":{"reference":"Practitioner/ward"},"period":{"end":"`+end+`"}}]}`)
		n.expect("the patient is the team's and one doctor's", "Patient/p", "ward, clinic, county records")
		n.clock.Turn(11 * 24 * time.Hour)
		n.expect("both periods are over", "Patient/p", "county records")
	})
}

func TestTheGuardianSeesTheChildUntilItIsOfAge(t *testing.T) {
	n := open(t, storetest.Memory)
	n.patient(n.as("township"), "p")
	n.put(n.as("township"), store.Update, "mother", "", `{"resourceType":"RelatedPerson","patient":{"reference":"Patient/p"},"relationship":[{"coding":[{"code":"MTH"}]}]}`)
	n.put(n.as("township"), store.Update, "injury", "", `{"resourceType":"Condition","meta":{"security":[{"code":"abuse"}]},"code":{"text":"x"},"subject":{"reference":"Patient/p"}}`)
	n.observation(n.as("township"), "o", "p")
	mother := &access.Caller{Role: access.Guardian, Practitioner: "RelatedPerson/mother"}
	n.tree.Settle(mother)
	if !n.reads(mother, "Observation/o") || n.reads(mother, "Condition/injury") {
		t.Error("the guardian sees the child's record, but not what hides from him")
	}
	self := &access.Caller{Role: access.Patient, Practitioner: "Patient/p"}
	n.tree.Settle(self)
	n.patient(n.as("township"), "q")
	if !n.reads(self, "Observation/o") || n.reads(self, "Patient/q") {
		t.Error("a patient sees his own record and no other")
	}
	n.clock.Set(time.Date(2033, 5, 31, 0, 0, 0, 0, time.UTC))
	if !n.reads(mother, "Observation/o") {
		t.Error("the day before: got nothing; want the record")
	}
	n.clock.Set(time.Date(2033, 6, 2, 0, 0, 0, 0, time.UTC))
	if n.reads(mother, "Observation/o") {
		t.Error("of age: got the record; want nothing")
	}
}

func TestARefusalClosesAndBlocks(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		no := func(status, more string) string {
			return `{"resourceType":"Consent","status":"` + status + `","scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"coding":[{"code":"x"}]}],"patient":{"reference":"Patient/p"},"provision":{"type":"deny"` + more + `}}`
		}
		centre := `,"actor":[{"role":{"text":"x"},"reference":{"reference":"Organization/centre"}}]`
		n.patient(n.as("township"), "p")
		n.task(n.as("township"), "1", "p", "requested", "township", "centre")
		n.put(n.as("township"), store.Update, "2", "", task("p", "requested", "township", "other", `,"priority":"stat"`))
		n.put(n.as("stranger"), store.Update, "false", "", no("active", ""))
		n.expect("a stranger refuses for nobody", "Patient/p", "county referral-office, county records, township, centre, centre records, other")
		n.put(n.as("township"), store.Update, "no", "", no("active", centre))
		n.expect("the centre is refused", "Patient/p", "county referral-office, county records, township, other")
		n.task(n.as("township"), "3", "p", "requested", "township", "centre")
		n.expect("and gets nothing new", "Patient/p", "county referral-office, county records, township, other")
		n.put(n.as("township"), store.Update, "all", "", no("active", ""))
		n.expect("all others are: an emergency stays, and the own legal person", "Patient/p", "county referral-office, county records, township, other")
		n.put(n.as("township"), store.Update, "no", "", no("inactive", centre))
		n.put(n.as("township"), store.Update, "all", "", no("inactive", ""))
		n.task(n.as("township"), "4", "p", "requested", "township", "centre")
		n.expect("taken back", "Patient/p", "county referral-office, county records, township, centre, centre records, other")
	})
}

func TestARefusalOfAllLeavesWhomThePatientNames(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.task(n.as("township"), "1", "p", "requested", "township", "centre")
		n.task(n.as("township"), "2", "p", "requested", "township", "other")
		says := func(typ, category, more string) string {
			return `{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"coding":[{"code":"` + category + `"}]}],"patient":{"reference":"Patient/p"},"provision":{"type":"` + typ + `"` + more + `}}`
		}
		n.put(n.as("township"), store.Update, "yes", "", says("permit", "record-sharing", `,"actor":[{"role":{"text":"x"},"reference":{"reference":"Organization/centre"}}]`))
		n.put(n.as("township"), store.Update, "no", "", says("deny", "x", ""))
		n.expect("nobody but the centre", "Patient/p", "county referral-office, county records, township, centre, centre records")
	})
}

func TestARefusalThatBeginsLaterClosesThen(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.task(n.as("township"), "1", "p", "requested", "township", "centre")
		n.put(n.as("township"), store.Update, "2", "", task("p", "requested", "township", "other", `,"priority":"stat"`))
		refuse := func(id, from, until string) {
			n.put(n.as("township"), store.Update, id, "", `{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"coding":[{"code":"x"}]}],"patient":{"reference":"Patient/p"},"provision":{"type":"deny","period":{"start":"`+from+`"`+until+`}}}`)
		}
		at := func(d time.Duration) string { return storetest.Start.Add(d).Format(time.RFC3339) }
		look := func(want int) {
			t.Helper()
			if done, err := n.relations.Refusals(t.Context(), n.store); err != nil || done != want {
				t.Fatalf("acted on %d refusals, %v; want %d", done, err, want)
			}
		}
		refuse("later", at(24*time.Hour), "")
		refuse("past", at(-48*time.Hour), `,"end":"`+at(-24*time.Hour)+`"`)
		look(0)
		n.expect("before its day", "Patient/p", "county referral-office, county records, township, centre, centre records, other")
		n.clock.Turn(25 * time.Hour)
		n.task(n.as("township"), "3", "p", "requested", "township", "centre")
		look(1)
		n.expect("from its day on only the emergency stays", "Patient/p", "county referral-office, county records, township, other")
		look(0)
		n.put(n.as("township"), store.Update, "later", "", `{"resourceType":"Consent","status":"inactive","scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"coding":[{"code":"x"}]}],"patient":{"reference":"Patient/p"},"provision":{"type":"deny"}}`)
		n.task(n.as("township"), "4", "p", "requested", "township", "centre")
		n.expect("taken back", "Patient/p", "county referral-office, county records, township, centre, centre records, other")
	})
}

func TestAPermissionOpensTheRecordForItsTime(t *testing.T) {
	n := open(t, storetest.Memory)
	n.patient(n.as("township"), "p")
	n.observation(n.as("township"), "o", "p")
	end := storetest.Start.Add(24 * time.Hour).Format(time.RFC3339)
	n.put(n.as("township"), store.Update, "yes", "", `{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"coding":[{"code":"record-sharing"}]}],"patient":{"reference":"Patient/p"},"provision":{"type":"permit","period":{"end":"`+end+`"},"actor":[{"role":{"text":"x"},"reference":{"reference":"Organization/centre"}}]}}`)
	n.expect("the centre may look", "Observation/o", "county records, township, centre, centre records")
	n.clock.Turn(25 * time.Hour)
	n.expect("until the permission ends", "Observation/o", "county records, township")
}

func TestGuardedKindsNeedAReason(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.put(n.as("township"), store.Update, "f", "", `{"resourceType":"Condition","code":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"F32.1"}]},"subject":{"reference":"Patient/p"}}`)
		n.put(n.as("township"), store.Update, "h", "", `{"resourceType":"Observation","status":"final","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"HIV"}]},"code":{"text":"x"},"subject":{"reference":"Patient/p"}}`)
		n.expect("a psychiatric diagnosis", "Condition/f", "")
		ctx := context.Background()
		reason := store.Grant{Patient: "Patient/p", Party: access.Reasoned("Practitioner/township", access.Psychiatry), Basis: "reason", Class: "reason", Until: storetest.Start.Add(time.Hour), Source: "r"}
		if err := n.store.Update(ctx, func(tx *store.Tx) error { return tx.Grant(ctx, reason) }); err != nil {
			t.Fatal(err)
		}
		n.expect("with a reason, for who gave it", "Condition/f", "township")
		n.expect("of one kind", "Observation/h", "")
		n.put(n.as("township"), store.Update, "1", "", task("p", "requested", "township", "centre", `,"input":[{"type":{"text":"x"},"valueReference":{"reference":"Condition/f"}},{"type":{"text":"x"},"valueReference":{"reference":"Observation/h"}}]`))
		n.expect("what the sender could read goes along, and is open to who receives it", "Condition/f", "township, centre, centre records")
		n.expect("what he could not does not", "Observation/h", "")
		n.clock.Turn(2 * time.Hour)
		n.expect("the reason is over", "Condition/f", "centre, centre records")
	})
}

func TestConsentOfGuardians(t *testing.T) {
	now := time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		rule                      string
		age                       int
		treatment, selfSupporting bool
		want                      bool
	}{
		{"data of a child", 13, false, false, true}, {"data from 14 on", 14, false, false, false}, {"treatment of a minor", 17, true, false, true},
		{"who supports himself from 16 on", 16, true, true, false}, {"but not before", 15, true, true, true}, {"an adult", 18, true, false, false},
	} {
		if got := access.ConsentNeeded(now.AddDate(-c.age, 0, 0), now, c.treatment, c.selfSupporting); got != c.want {
			t.Errorf("%s: the guardian is needed: got %v; want %v", c.rule, got, c.want)
		}
	}
}

func TestTheTreeOfOrganisationsMoves(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.put(nil, store.Update, "township", "", organisation("prov", "other"))
		n.expect("the township went to another hospital", "Patient/p", "township, other")
		if got := n.tree.Institution("Organization/ward"); got != "Organization/county" {
			t.Errorf("institution of the ward: got %s; want the county", got)
		}
		again, behind := access.NewTree(), access.NewTree()
		again.Kept, behind.Kept = true, true
		if err := behind.Load(context.Background(), n.store); err != nil {
			t.Fatal(err)
		}
		n.clock.Turn(time.Hour)
		n.put(nil, store.Update, "village", "", organisation("prov", "township"))
		n.put(nil, store.Update, "gone", "", organisation("prov", "township"))
		if err := behind.Refresh(context.Background(), n.store); err != nil || !behind.Within("Organization/village", "Organization/other") {
			t.Errorf("refreshed: got %v; want the new village beneath the other hospital", err)
		}
		n.put(nil, store.Delete, "gone", "", organisation("prov", "township"))
		if err := behind.Refresh(context.Background(), n.store); err != nil || behind.Within("Organization/gone", "Organization/other") {
			t.Errorf("refreshed: got %v; want what was deleted gone", err)
		}
		if err := again.Load(context.Background(), n.store); err != nil {
			t.Fatal(err)
		}
		if got := again.Below("Organization/other"); !slices.Equal(got, []string{"Organization/other", "Organization/township", "Organization/village"}) {
			t.Errorf("loaded anew: got %v beneath the other hospital", got)
		}
		n.put(nil, store.Update, "alliance", "", organisation("network", ""))
		n.put(nil, store.Update, "other", "", organisation("prov", "alliance"))
		for org, want := range map[string]string{"village": "other", "ward": "county", "other": "other", "alliance": "alliance"} {
			if got := n.tree.Legal("Organization/" + org); got != "Organization/"+want {
				t.Errorf("legal person of %s: got %s; want %s", org, got, want)
			}
		}
	})
}

func TestOrganisationsAreGuarded(t *testing.T) {
	n := open(t, storetest.Memory)
	admin := func(org string) *access.Caller {
		c := &access.Caller{User: "admin", Role: access.Administrator, Org: org}
		n.tree.Settle(c)
		return c
	}
	for _, c := range []struct {
		rule    string
		by      *access.Caller
		id, typ string
		parent  string
		want    string
	}{
		{"an administrator changes what is beneath", admin("Organization/county"), "township", "prov", "county", ""},
		{"and adds to it", admin("Organization/county"), "village", "prov", "township", ""},
		{"but not elsewhere", admin("Organization/county"), "centre", "prov", "", "outside-your-organisations"},
		{"nor adds elsewhere", admin("Organization/county"), "new", "prov", "centre", "outside-your-organisations"},
		{"nor at the top", admin("Organization/county"), "new", "prov", "", "outside-your-organisations"},
		{"nor moves his away", admin("Organization/county"), "township", "prov", "centre", "outside-your-organisations"},
		{"the hub's administrator adds at the top", admin(""), "new", "prov", "", ""},
		{"nobody closes a ring", admin(""), "county", "prov", "ward", "organisation-ring"},
		{"nor a ring of one", nil, "county", "prov", "county", "organisation-ring"},
	} {
		err := n.try(c.by, store.Update, c.id, "", organisation(c.typ, c.parent))
		var fe *fhir.Error
		got := ""
		if errors.As(err, &fe) {
			got = fe.Issues[0].Detail
		} else if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q; want %q", c.rule, got, c.want)
		}
	}
}

func TestSettle(t *testing.T) {
	n := open(t, storetest.Memory)
	for _, c := range []struct {
		rule string
		by   access.Caller
		want string
	}{
		{"a doctor of a ward", access.Caller{Role: access.ReferringDoctor, Org: "Organization/ward", Practitioner: "Practitioner/x", Teams: []string{"CareTeam/t"}}, "sights=[#network CareTeam/t Organization/county#emergency Organization/county#results Organization/county#whole Organization/ward#care Organization/ward#results Organization/ward#whole Practitioner/x Practitioner/x#whole] own=[ward] places=[county] TREAT"},
		{"a doctor of a hospital with departments, but of none", access.Caller{Role: access.ReferringDoctor, Org: "Organization/county"}, "sights=[#network Organization/county#emergency] places=[county] TREAT"},
		{"a township is its own unit and desk", access.Caller{Role: access.ReferringDoctor, Org: "Organization/township"}, "sights=[#network Organization/township#care Organization/township#cases Organization/township#emergency Organization/township#results Organization/township#whole] own=[township] places=[township] TREAT"},
		{"a desk sees the cases", access.Caller{Role: access.ReferralOffice, Org: "Organization/county"}, "sights=[#network Organization/county#agreements Organization/county#cases Organization/township#cases] own=[clinic county township ward] places=[county township] CAREMGT"},
		{"a duty role sees what the institution keeps", access.Caller{Role: access.Quality, Org: "Organization/township"}, "parties=[township] sights=[#network Organization/township#cases Organization/township#results Organization/township#whole] own=[township] places=[township] HQUALIMP"},
		{"for a purpose that it has", access.Caller{Role: access.Quality, Org: "Organization/township", Purpose: "PATSFTY"}, "parties=[township] sights=[#network Organization/township#cases Organization/township#results Organization/township#whole] own=[township] places=[township] PATSFTY"},
		{"and no other", access.Caller{Role: access.Quality, Org: "Organization/township", Purpose: "TREAT"}, "parties=[township] sights=[#network Organization/township#cases Organization/township#results Organization/township#whole] own=[township] places=[township] HQUALIMP"},
		{"an administrator sees registers only", access.Caller{Role: access.Administrator, Org: "Organization/township"}, "own=[township] HSYSADMIN"},
		{"also the hub's", access.Caller{Role: access.Administrator}, "HSYSADMIN"},
		{"an auditor sees no records", access.Caller{Role: access.Auditor, Org: "Organization/county"}, "HCOMPL"},
		{"an unknown role sees nothing", access.Caller{Role: "boss", Org: "Organization/county"}, ""},
		{"a person at the hub does not see all", access.Caller{Role: access.Leader}, "HOPERAT"},
		{"a program of the hub sees all", access.Caller{Role: access.Program, Scopes: []string{"system/*.rs"}}, "all"},
		{"a program of an organisation sees what that keeps", access.Caller{Role: access.Program, Org: "Organization/centre", Scopes: []string{"system/*.rs"}}, "parties=[centre] sights=[#network Organization/centre#cases] places=[centre]"},
	} {
		n.tree.Settle(&c.by)
		var words []string
		short := func(name string, list []string) {
			if len(list) > 0 {
				slices.Sort(list)
				words = append(words, fmt.Sprintf("%s=%v", name, strings.ReplaceAll(fmt.Sprint(list), "Organization/", "")))
			}
		}
		s := c.by.Scope
		if s.All {
			words = append(words, "all")
		}
		short("parties", slices.Clone(s.Parties))
		var sights []string
		for _, x := range s.Sights {
			sights = append(sights, x.Parties...)
		}
		if slices.Sort(sights); sights != nil {
			words = append(words, fmt.Sprintf("sights=%v", sights))
		}
		short("own", slices.Clone(s.Own))
		short("places", slices.Clone(c.by.Places))
		if c.by.Purpose != "" {
			words = append(words, c.by.Purpose)
		}
		if got := strings.Join(words, " "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.rule, got, c.want)
		}
	}
}

func TestMay(t *testing.T) {
	program := func(scopes ...string) *access.Caller {
		return &access.Caller{Role: access.Program, Scopes: scopes}
	}
	person := func(r access.Role) *access.Caller { return &access.Caller{Role: r} }
	for _, c := range []struct {
		by      *access.Caller
		letters string
		typ     string
		want    string // the letters that are allowed
	}{
		{program("system/*.rs"), "cruds", "Patient", "rs"},
		{program("system/Patient.cruds"), "cruds", "Patient", "cruds"},
		{program("system/Patient.cruds"), "cruds", "Observation", ""},
		{program("system/*.read"), "cruds", "Patient", "rs"},
		{program("system/*.write"), "cruds", "Patient", "cud"},
		{program("system/*.*"), "cruds", "Patient", "cruds"},
		{program("system/Patient.rs?name=x"), "cruds", "Patient", ""},
		{program(), "cruds", "Patient", ""},
		{person(access.ReferringDoctor), "cruds", "Patient", "cruds"},
		{person(access.ReferringDoctor), "cruds", "Organization", "rs"},
		{person(access.Administrator), "cruds", "Organization", "cruds"},
		{person(access.Administrator), "cruds", "Patient", "rs"},
		{person(access.Auditor), "cruds", "Patient", "rs"},
		{person("boss"), "cud", "Patient", ""},
	} {
		got := ""
		for _, l := range c.letters {
			if c.by.May(byte(l), c.typ) == nil {
				got += string(l)
			}
		}
		if got != c.want {
			t.Errorf("%s %v on %s: got %q; want %q", c.by.Role, c.by.Scopes, c.typ, got, c.want)
		}
	}
	if got := access.ReadableTypes([]string{"system/Patient.rs", "system/Task.c", "system/Observation.r"}); !slices.Equal(got, []string{"Patient", "Observation"}) {
		t.Errorf("readable types: got %v", got)
	}
}

// TestAStrangerSeesNothing: not by search, count, chain, include, sort or history.
func TestAStrangerSeesNothing(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.put(n.as("township"), store.Update, "o", "", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"}}`)
		n.put(n.as("township"), store.Update, "1", "", task("p", "requested", "township", "centre", `,"input":[{"type":{"text":"x"},"valueReference":{"reference":"Observation/o"}}]`))
		ctx := context.Background()
		param := func(typ, code string) *spec.Param {
			for _, p := range spec.Params(typ) {
				if p.Code == code {
					return p
				}
			}
			t.Fatalf("no parameter %s.%s", typ, code)
			return nil
		}
		named := search.Clause{Param: param("Patient", "name"), Values: []search.Value{{Raw: "张", Text: "张"}}}
		for _, q := range []search.Query{
			{Type: "Patient"}, {Type: "Observation"}, {Type: "Task"},
			{Type: "Patient", Where: []search.Clause{named}},
			{Type: "Observation", Where: []search.Clause{{Param: param("Observation", "subject"), Chain: &search.Chain{Types: []string{"Patient"}, Where: map[string]search.Clause{"Patient": named}}}}},
			{Type: "Organization", RevInclude: []search.Include{{Source: "Patient"}, {Source: "Task"}}},
		} {
			for org, want := range map[string]bool{"centre": true, "township": true, "stranger": false} {
				q.Scope, q.Count, q.Total = n.as(org).Scope, 100, search.TotalAccurate
				var page found
				err := n.store.View(ctx, func(tx *store.Tx) (err error) { page.Page, err = tx.Search(ctx, q); return err })
				if err != nil {
					t.Fatal(err)
				}
				if got := page.records(); got > 0 != want {
					t.Errorf("%s searches %s: got %d records; want some: %v", org, q.Type, got, want)
				}
				if q.Type != "Organization" && page.Total > 0 != want {
					t.Errorf("%s counts %s: got %d; want some: %v", org, q.Type, page.Total, want)
				}
			}
		}
		for _, h := range []store.HistoryQuery{{Type: "Patient", ID: "p"}, {Type: "Patient"}, {Type: "Task"}} {
			h.Scope, h.Count = n.as("stranger").Scope, 100
			var page store.Page
			err := n.store.View(ctx, func(tx *store.Tx) (err error) { page, err = tx.History(ctx, h); return err })
			if err != nil && !errors.Is(err, store.ErrNotFound) || len(page.Matches) > 0 {
				t.Errorf("a stranger's history of %s/%s: got %d versions, %v; want none", h.Type, h.ID, len(page.Matches), err)
			}
		}
	})
}

type found struct{ store.Page }

// records counts what is not of the shared registers.
func (p found) records() (n int) {
	for _, v := range slices.Concat(p.Matches, p.Includes) {
		if !slices.Contains(search.Shared, v.Type) {
			n++
		}
	}
	return n
}

func TestNobodyWritesOutsideHisOwn(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.task(n.as("township"), "1", "p", "requested", "township", "centre")
		n.observation(n.as("township"), "o", "p")
		refused := func(rule, want string, err error) {
			t.Helper()
			got := ""
			if fe := (*fhir.Error)(nil); errors.As(err, &fe) {
				got = fe.Issues[0].Detail
			} else if err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("%s: got %q; want %q", rule, got, want)
			}
		}
		body := `{"resourceType":"Observation","status":"final","code":{"text":"y"},"subject":{"reference":"Patient/p"}}`
		refused("who only sees a record does not change it", "not-custodian", n.try(n.as("centre"), store.Update, "o", "", body))
		refused("nor delete it", "not-custodian", n.try(n.as("centre"), store.Delete, "o", "", body))
		refused("its own legal person does", "", n.try(n.as("ward"), store.Update, "o", "", body))
		refused("an encounter is at one's own hospital", "foreign-provider", n.try(n.as("centre"), store.Update, "e", "", encounter("p", "in-progress", "county")))
		role := func(org string) string {
			return `{"resourceType":"PractitionerRole","organization":{"reference":"Organization/` + org + `"}}`
		}
		admin := n.as("county administrator")
		refused("an administrator appoints beneath his hospital", "", n.try(admin, store.Update, "r1", "", role("ward")))
		refused("not elsewhere", "outside-your-organisations", n.try(admin, store.Update, "r2", "", role("centre")))
		refused("nor by moving a post", "outside-your-organisations", n.try(admin, store.Update, "r1", "", role("centre")))
		refused("a place of another hospital", "outside-your-organisations", n.try(admin, store.Update, "l", "", `{"resourceType":"Location","managingOrganization":{"reference":"Organization/centre"}}`))
	})
}
