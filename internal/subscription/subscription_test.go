package subscription_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
	"github.com/xinglin-health/xinglin/internal/subscription"
)

func both(t *testing.T, test func(t *testing.T, w *world), o subscription.Options) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) { test(t, newWorld(t, open, o)) })
}

func TestPlainCriteriaTellOfWhatMeetsThem(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		rc := receive(t)
		w.patient(county, "p")
		w.observation(county, "before", "p", "final")
		w.put(county, r4("s", "Observation?status=final&patient=p", rc.URL))
		w.want("as it was sent", w.status("s"), "requested")
		w.tick()
		w.want("after the first turn", w.status("s"), "active")
		w.want("what came before it", rc.said(), "")
		w.observation(county, "1", "p", "final")
		w.observation(county, "2", "p", "preliminary")
		w.observation(county, "3", "p", "final")
		w.tick()
		w.want("what meets the criteria, in order", rc.said(), "PUT Observation/1 final; PUT Observation/3 final")
		w.observation(county, "2", "p", "final")
		w.observation(county, "1", "p", "amended")
		w.delete("Observation/3")
		w.tick()
		w.want("an update may enter; leaving and deleting are silent", rc.said(), "PUT Observation/2 final")
		if got := w.audit.of("subscription-notify"); fmt.Sprint(got) != "[Patient/p Patient/p]" {
			t.Errorf("audit: got %v; want the patient of each notice", got)
		}
	}, subscription.Options{})
}

func TestAnOvertakenVersionCountsByItsOwnContent(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		rc := receive(t)
		w.patient(county, "p")
		w.put(county, r4("s", "Observation?status=final", rc.URL))
		w.tick()
		w.observation(county, "1", "p", "final")
		w.observation(county, "1", "p", "entered-in-error")
		w.observation(county, "2", "p", "preliminary")
		w.observation(county, "2", "p", "final")
		w.tick()
		w.want("both were final once", rc.said(), "PUT Observation/1 entered-in-error; PUT Observation/2 final")
	}, subscription.Options{})
}

func TestCriteriaThatCannotBeDecidedEndInError(t *testing.T) {
	w := newWorld(t, storetest.Memory, subscription.Options{})
	rc := receive(t)
	w.put(county, r4("bad", "Patient?telecom=phone|", rc.URL))
	w.put(county, r4("good", "Patient?", rc.URL))
	w.tick()
	w.patient(county, "p")
	w.tick()
	w.want("the one", w.status("bad"), "error")
	w.want("holds up no other", w.status("good")+" "+rc.said(), "active PUT Patient/p ")
}

func TestTopicsShakeHandsNumberAndBeat(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		rc := receive(t)
		w.patient(county, "p")
		topic := spec.Canonical + "/SubscriptionTopic/admission"
		more := `{"url":"` + subscription.Backport + `backport-heartbeat-period","valueUnsignedInt":60},{"url":"` + subscription.Backport + `backport-max-count","valuePositiveInt":2}`
		w.put(county, topical("s", topic, "Encounter?patient=Patient/p", "id-only", rc.URL, more))
		w.tick()
		w.want("handshake", rc.said(), "handshake 0:")
		w.want("then", w.status("s"), "active")
		for i := range 3 {
			w.put(county, encounter(fmt.Sprint(i), "p", "planned"))
			w.put(county, encounter(fmt.Sprint(i), "p", "in-progress"))
			w.put(county, encounter(fmt.Sprint(i), "p", "in-progress"))
		}
		w.patient(county, "q")
		w.put(county, encounter("9", "q", "in-progress"))
		w.tick()
		w.want("admissions in batches of two", rc.said(), "event-notification 2: 1 2 PUT Encounter/0 PUT Encounter/1; event-notification 3: 3 PUT Encounter/2")
		w.clock.Turn(59 * time.Second)
		w.tick()
		w.want("before the period", rc.said(), "")
		w.clock.Turn(2 * time.Second)
		w.tick()
		w.want("after the period", rc.said(), "heartbeat 3:")
		w.tick()
		w.want("once", rc.said(), "")
	}, subscription.Options{})
}

func encounter(id, patient, status string) string {
	return fmt.Sprintf(`{"resourceType":"Encounter","id":%q,"status":%q,"class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"IMP"},"subject":{"reference":"Patient/%s"}}`, id, status, patient)
}

func TestContentIsWhatWasAskedFor(t *testing.T) {
	for _, c := range []struct{ content, want string }{
		{"empty", "event-notification 1: 1"},
		{"id-only", "event-notification 1: 1 PUT Patient/p"},
		{"full-resource", "event-notification 1: 1 PUT Patient/p+"},
	} {
		t.Run(c.content, func(t *testing.T) {
			w := newWorld(t, storetest.Memory, subscription.Options{})
			rc := receive(t)
			w.put(county, topical("s", spec.Canonical+"/SubscriptionTopic/patient-changed", "", c.content, rc.URL, ""))
			w.tick()
			rc.take()
			w.patient(county, "p")
			w.tick()
			got := rc.take()
			body := got[0].body
			rc.got = got
			w.want(c.content, rc.said(), c.want)
			if strings.Contains(body, "张三") != (c.content == "full-resource") {
				t.Errorf("%s: the body is %s", c.content, body)
			}
			if strings.Contains(body, "Patient/p") != (c.content != "empty") {
				t.Errorf("%s: the body is %s", c.content, body)
			}
			w.delete("Patient/p")
			w.tick()
			w.want("a delete", rc.said(), map[string]string{"empty": "event-notification 2: 2", "id-only": "event-notification 2: 2 DELETE Patient/p", "full-resource": "event-notification 2: 2 DELETE Patient/p"}[c.content])
		})
	}
}

func TestAStrangerHearsNothing(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		rc, ping := receive(t), receive(t)
		w.patient(county, "p")
		w.put(stranger, r4("s", "Observation?status=final", rc.URL))
		w.put(stranger, strings.Replace(r4("ping", "Patient?_id=p", ping.URL), `,"payload":"application/fhir+json"`, "", 1))
		w.put(stranger, topical("t", spec.Canonical+"/SubscriptionTopic/task-changed", "", "empty", rc.URL, ""))
		w.tick()
		rc.take()
		w.observation(county, "1", "p", "final")
		w.observation(county, "1", "p", "final")
		w.observation(county, "1", "p", "amended")
		w.patient(county, "p")
		w.put(county, task("1", "p", "county", "centre", "requested"))
		w.put(county, task("1", "p", "county", "centre", "accepted"))
		w.delete("Task/1")
		w.tick()
		w.want("a stranger", rc.said()+ping.said(), "")
		for _, id := range []string{"s", "ping", "t"} {
			if r := w.row(id); r.Last != 0 {
				t.Errorf("%s: counted %d events; want not even a count", id, r.Last)
			}
		}
	}, subscription.Options{})
}

func task(id, patient, requester, owner, status string) string {
	return fmt.Sprintf(`{"resourceType":"Task","id":%q,"status":%q,"intent":"order","for":{"reference":"Patient/%s"},"requester":{"reference":"Organization/%s"},"owner":{"reference":"Organization/%s"}}`, id, status, patient, requester, owner)
}

func TestARightThatEndsEndsTheDelivery(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		rc := receive(t)
		w.patient(county, "p")
		w.put(county, task("1", "p", "county", "centre", "requested"))
		w.put(centre, r4("s", "Observation?patient=p", rc.URL))
		w.tick()
		w.observation(county, "1", "p", "final")
		w.tick()
		w.want("while the referral is open", rc.said(), "PUT Observation/1 final")
		rc.answers(fail(503))
		w.observation(county, "2", "p", "final")
		w.tick()
		w.put(county, task("1", "p", "county", "centre", "entered-in-error"))
		rc.answers(nil)
		rc.take()
		w.clock.Turn(time.Minute)
		w.observation(county, "3", "p", "final")
		w.tick()
		w.want("what waited when the right ended, and what came after", rc.said(), "")
	}, subscription.Options{})
}

func TestAnAccountThatIsRevokedHearsNothing(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		rc := receive(t)
		w.patient(county, "p")
		w.put(county, r4("s", "Observation?", rc.URL))
		w.tick()
		w.want("at first", w.status("s"), "active")
		rc.answers(fail(500))
		w.observation(county, "1", "p", "final")
		w.tick()
		rc.answers(nil)
		rc.take()
		w.retire("token-county")
		w.observation(county, "2", "p", "final")
		w.clock.Turn(time.Minute)
		w.tick()
		w.want("afterwards", rc.said(), "")
		w.want("and it ends", w.status("s"), "error")
		w.want("and says why", w.resource("Subscription", "s").Str("error"), "the account of this subscription is not in force any more")
	}, subscription.Options{})
}
