package region

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

var present = time.Date(2026, 11, 20, 9, 30, 0, 0, Zone)

func everything(t testing.TB, r *Region) []Record {
	t.Helper()
	var all []Record
	if err := r.Registers(func(rec Record) error { all = append(all, rec); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := r.Records(func(_ *Patient, recs []Record) error { all = append(all, recs...); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func fingerprint(all []Record) string {
	h := sha256.New()
	for _, rec := range all {
		h.Write(rec.Node.JSON())
		h.Write([]byte(rec.Custodian))
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestSameSeedSameBytes(t *testing.T) {
	a, b := fingerprint(everything(t, New(1, Small, present))), fingerprint(everything(t, New(1, Small, present)))
	if a != b {
		t.Errorf("got %s and %s; want the same", a, b)
	}
	if c := fingerprint(everything(t, New(2, Small, present))); c == a {
		t.Error("another seed gave the same region")
	}
}

func TestShapeOfTheRegion(t *testing.T) {
	r := New(1, Demo, present)
	count := map[Kind]int{}
	for _, in := range r.Institutions {
		count[in.Kind]++
	}
	want := map[Kind]int{Output: 1, Centre: 1, Partner: 9, Group: 1, County: 3, Township: 21, Village: 107}
	for k, n := range want {
		if count[k] != n {
			t.Errorf("%s: got %d; want %d", k, count[k], n)
		}
	}
	if c := r.Institution("centre"); c.Beds != 600 || c.BedsPlanned != 1800 || len(c.Campuses) != 2 {
		t.Errorf("centre: got %d beds, %d planned, %d campuses; want 600, 1800, 2", c.Beds, c.BedsPlanned, len(c.Campuses))
	}
	if len(r.Patients) != 3000 || len(r.Staff) < 200 {
		t.Errorf("got %d patients, %d staff; want 3000, some hundred", len(r.Patients), len(r.Staff))
	}
	for _, a := range r.Accounts {
		if a.Person == nil {
			t.Errorf("account %s has nobody behind it", a.Username)
		}
	}
}

func TestEveryReferenceResolvesAndIDsAreUnique(t *testing.T) {
	known := map[string]bool{}
	all := everything(t, New(1, Demo, present))
	for _, rec := range all {
		id := rec.Node.Type() + "/" + rec.Node.ID()
		if known[id] {
			t.Errorf("%s is made twice", id)
		}
		known[id] = true
		references(rec.Node, func(to string) {
			if !known[to] {
				t.Errorf("%s refers to %s, which is not made before it", id, to)
			}
		})
		if !known[rec.Custodian] {
			t.Errorf("%s: custodian %s is unknown", id, rec.Custodian)
		}
		if t.Failed() && len(known) > 200 {
			t.FailNow()
		}
	}
	t.Logf("%d resources", len(all))
}

func references(n *fhir.Node, visit func(string)) {
	if n.Kind == fhir.Object {
		for _, m := range n.Members {
			if m.Name == "reference" && m.Value.Kind == fhir.String {
				visit(m.Value.Text)
			}
			references(m.Value, visit)
		}
	}
	for _, v := range n.Items {
		references(v, visit)
	}
}

func TestResidentNumbersAreMadeUpAndConsistent(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range New(1, Demo, present).Patients {
		n := p.IDNumber
		sum := 0
		for i, w := range idWeights {
			sum += int(n[i]-'0') * w
		}
		switch {
		case len(n) != 18 || !strings.HasPrefix(n, "99"):
			t.Errorf("%s: got %q; want 18 digits on prefix 99", p.ID, n)
		case n[6:14] != p.Born.Format("20060102"):
			t.Errorf("%s: birth date in %q; want %s", p.ID, n, p.Born.Format("20060102"))
		case (n[16]-'0')%2 == 1 != p.Male:
			t.Errorf("%s: sex digit in %q; want male=%v", p.ID, n, p.Male)
		case "10X98765432"[sum%11] != n[17]:
			t.Errorf("%s: check digit in %q; want %c", p.ID, n, "10X98765432"[sum%11])
		case seen[n]:
			t.Errorf("%s: number %q was given twice", p.ID, n)
		}
		seen[n] = true
	}
	// GB 11643, worked example of the standard's check digit
	if got := residentID("110105", time.Date(1949, 12, 31, 0, 0, 0, 0, Zone), 1, false); got != "11010519491231002X" {
		t.Errorf("got %s; want 11010519491231002X", got)
	}
}

func TestNothingLiesInTheFuture(t *testing.T) {
	r := New(1, Small, present)
	for _, rec := range everything(t, r) {
		for _, path := range []string{"period.start", "period.end", "effectiveDateTime", "issued", "authoredOn", "date", "performedPeriod.end"} {
			if s := rec.Node.Str(path); len(s) > 19 && s > instant(present) {
				t.Errorf("%s/%s: %s is %s; the present is %s", rec.Node.Type(), rec.Node.ID(), path, s, instant(present))
			}
		}
	}
}
