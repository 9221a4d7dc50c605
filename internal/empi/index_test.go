package empi_test

import (
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/empi"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

var (
	born   = time.Date(1961, 5, 23, 0, 0, 0, 0, time.UTC)
	number = fhir.ResidentNumber("990313", born, 684)
	other  = fhir.ResidentNumber("990211", born, 102)
)

// 孟小茹 at the county hospital, and at the centre with an error each.
func meng(id, org string) one {
	return one{id: id, org: org, name: "孟小茹", sex: "female", birth: "1961-05-23", number: number, phone: "15124298289", address: "和平里193号2314室"}
}

func changed(p one, change func(p *one)) one {
	change(&p)
	return p
}

func TestWhatIsLinked(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		w.put(meng("1", county))
		w.want("", "")
		if p := w.person("1"); p.ID != 0 || len(p.Members) != 1 {
			t.Errorf("a single record: got %+v; want a person of one", p)
		}
		w.put(changed(meng("2", centre), func(p *one) { p.name, p.phone = "孟晓茹", "15124298280" }))
		w.want("1+2", "")
		p := w.person("2")
		if p.ID == 0 || len(p.Members) != 2 || p.Members[0].Source != empi.Auto || p.Members[0].With == "" || p.Members[0].Score <= 0 {
			t.Errorf("got %+v", p)
		}
		if k := w.kinds(); k["person.linked"] != 2 {
			t.Errorf("got %v; want each record told of", k)
		}
		// what makes it another person parts it by itself
		w.put(changed(meng("2", centre), func(p *one) {
			p.name, p.phone, p.number, p.birth, p.address = "赵铁柱", "13900000011", "", "1990-01-07", "中山路2号"
		}))
		w.want("", "")
		var log []empi.Entry
		w.view(func(tx *store.Tx) (err error) { log, err = w.x.LogOf(ctx, tx, "Patient/2"); return err })
		if len(log) != 2 || log[0].What != "linked" || log[1].What != "unlinked" || log[1].Why != "changed" {
			t.Errorf("got %+v; want linked, and unlinked by the change", log)
		}
		w.put(meng("2", centre), meng("3", centre))
		w.want("1+2+3", "")
		w.delete("2")
		w.want("1+3", "")
		w.delete("1")
		w.want("", "")
	})
}

func TestWhatIsAskedAndDecided(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		twin := changed(meng("2", centre), func(p *one) { p.number = other }) // same name and birthday, two right numbers
		w.put(meng("1", county), twin)
		w.want("", "1?2 barred")
		p := w.pair("1", "2")
		if got := p.Custodians(); len(got) != 2 {
			t.Errorf("got %v; want both hospitals", got)
		}
		var full empi.Pair
		w.view(func(tx *store.Tx) (err error) { full, err = w.x.Pair(ctx, tx, p.ID); return err })
		if full.Verdict.Bar == "" || len(full.Verdict.Fields) == 0 || full.Version != p.Version {
			t.Errorf("got %+v; want the evidence", full)
		}
		for desk, want := range map[string]int{county: 1, centre: 1, "Organization/stranger": 0} {
			if got := len(w.pairs(empi.PairFilter{State: empi.Open, Custodians: []string{desk}})); got != want {
				t.Errorf("%s: got %d; want %d", desk, got, want)
			}
		}
		if got := len(w.pairs(empi.PairFilter{Custodians: []string{}})); got != 0 {
			t.Errorf("of nobody: got %d; want none", got)
		}
		decide := func(version int64, what, reason string, by empi.By) (d empi.Decision, err error) {
			err = w.s.Update(ctx, func(tx *store.Tx) error {
				d, err = w.x.Decide(ctx, tx, p.ID, version, what, reason, by)
				return err
			})
			return d, err
		}
		_, err := decide(p.Version, empi.Same, "", clerk)
		refused(t, err, "needs-reason")
		_, err = decide(p.Version, empi.Same, "x", empi.By{})
		refused(t, err, "nobody")
		_, err = decide(p.Version, "perhaps", "x", clerk)
		refused(t, err, "unknown-decision")
		d, err := decide(p.Version, empi.Different, "两个有效号码", clerk)
		if err != nil || d.ID == 0 {
			t.Fatal(d, err)
		}
		_, err = decide(p.Version, empi.Same, "同一人", empi.By{User: "wang", Name: "王"})
		refused(t, err, "already-decided")
		w.want("", "")
		// rejected pairs stay apart, whatever comes
		w.put(changed(twin, func(p *one) { p.number = number }))
		w.want("", "")
		if got := w.pair("1", "2"); got.State != empi.Settled || got.Decision == nil || got.Decision.Reason != "两个有效号码" {
			t.Errorf("got %+v; want it settled", got)
		}
		// a third record of the person goes with one of them only
		w.put(meng("3", county))
		if got := w.together(); got != "1+3" && got != "2+3" {
			t.Errorf("got %q; want the third with one, never both", got)
		}
		w.delete("3")
		w.update(func(tx *store.Tx) error { return w.x.TakeBack(ctx, tx, d.ID, "看错了", clerk) })
		w.want("1+2", "")
		refused(t, w.s.Update(ctx, func(tx *store.Tx) error { return w.x.TakeBack(ctx, tx, d.ID, "再次", clerk) }), "taken-back")
	})
}

func TestAWrongLinkIsUndone(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		w.put(meng("1", county), meng("2", centre), meng("3", centre))
		w.want("1+2+3", "")
		at := w.clock.Now().Add(time.Hour)
		w.trail.read = []audit.Entry{
			{At: at, User: "both", Person: "Practitioner/b", Org: county, Outcome: "0", Patients: []string{"Patient/1", "Patient/3"}},
			{At: at, User: "later", Outcome: "0", Patients: []string{"Patient/1"}},
			{At: at.Add(time.Hour), User: "later", Outcome: "0", Patients: []string{"Patient/2"}},
			{At: at, User: "one", Outcome: "0", Patients: []string{"Patient/1"}},
			{At: at, User: "refused", Outcome: "4", Patients: []string{"Patient/1", "Patient/2"}},
			{At: at.Add(1000 * time.Hour), User: "after", Outcome: "0", Patients: []string{"Patient/1", "Patient/2"}},
		}
		w.clock.Turn(7 * 24 * time.Hour)
		id := w.person("1").ID
		var list []empi.Decision
		w.update(func(tx *store.Tx) (err error) {
			list, err = w.x.Unlink(ctx, tx, id, "Patient/1", "不是同一人", clerk)
			return err
		})
		if len(list) != 2 {
			t.Errorf("got %d decisions; want one against each of the others", len(list))
		}
		w.want("2+3", "")
		if w.person("2").ID != id {
			t.Errorf("the two who stay are another person; want the same")
		}
		refused(t, w.s.Update(ctx, func(tx *store.Tx) error {
			_, err := w.x.Unlink(ctx, tx, id, "Patient/1", "again", clerk)
			return err
		}), "not-linked")
		w.settle()
		for user, want := range map[string]int{"both": 1, "later": 1, "one": 0, "refused": 0, "after": 0} {
			var told []empi.Told
			w.view(func(tx *store.Tx) (err error) { told, err = w.x.Told(ctx, tx, user); return err })
			if len(told) != want {
				t.Errorf("%s: got %v; want %d", user, told, want)
			}
			for _, one := range told {
				w.update(func(tx *store.Tx) error { return w.x.Noted(ctx, tx, user, one.ID) })
				refused(t, w.s.Update(ctx, func(tx *store.Tx) error { return w.x.Noted(ctx, tx, "somebody", one.ID) }), "unknown-notice")
			}
		}
		var pair []empi.Told
		w.put(changed(meng("4", county), func(p *one) { p.name, p.number, p.birth, p.phone = "钱多多", "", "1970-02-03", "13900000022" }), changed(meng("5", centre), func(p *one) { p.name, p.number, p.birth, p.phone = "钱多多", "", "1970-02-03", "13900000022" }))
		w.want("2+3 4+5", "")
		w.trail.read = []audit.Entry{{At: w.clock.Turn(time.Hour), User: "pair", Outcome: "0", Patients: []string{"Patient/4", "Patient/5"}}}
		w.clock.Turn(time.Hour)
		w.update(func(tx *store.Tx) (err error) {
			_, err = w.x.Unlink(ctx, tx, w.person("4").ID, "Patient/4", "不是同一人", clerk)
			return err
		})
		w.settle()
		w.view(func(tx *store.Tx) (err error) { pair, err = w.x.Told(ctx, tx, "pair"); return err })
		if len(pair) != 1 {
			t.Errorf("got %+v; want him told once of two records", pair)
		}
		w.delete("4")
		w.delete("5")
		// writes do not bring it back
		w.put(changed(meng("1", county), func(p *one) { p.phone = "15124298281" }))
		w.want("2+3", "")
		for _, d := range list {
			w.update(func(tx *store.Tx) error { return w.x.TakeBack(ctx, tx, d.ID, "是同一人", clerk) })
		}
		w.want("1+2+3", "")
	})
}

func TestWhatPeopleLinkStays(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		stranger := one{id: "2", org: centre, name: "赵铁柱", sex: "male", birth: "1990-01-07", phone: "13900000011", address: "中山路2号"}
		w.put(meng("1", county), stranger)
		w.want("", "")
		w.clock.Turn(time.Hour)
		w.update(func(tx *store.Tx) error {
			_, err := w.x.Link(ctx, tx, "Patient/1", "Patient/2", "本人更名", clerk)
			return err
		})
		w.want("1+2", "")
		if m := w.person("1").Members[0]; m.Source != empi.Decided || m.By.User != "lin" || m.Decision == 0 {
			t.Errorf("got %+v; want who decided", m)
		}
		// the record changes: the link stays, and somebody looks again
		w.clock.Turn(time.Hour)
		w.put(changed(stranger, func(p *one) { p.birth = "1990-01-08" }))
		w.want("1+2", "1?2 conflict")
		p := w.pair("1", "2")
		w.clock.Turn(time.Hour)
		w.update(func(tx *store.Tx) error {
			_, err := w.x.Decide(ctx, tx, p.ID, p.Version, empi.Same, "核对无误", clerk)
			return err
		})
		w.want("1+2", "")
		refused(t, w.s.Update(ctx, func(tx *store.Tx) error {
			_, err := w.x.Link(ctx, tx, "Patient/1", "Patient/1", "x", clerk)
			return err
		}), "two-records")
		refused(t, w.s.Update(ctx, func(tx *store.Tx) error {
			_, err := w.x.Link(ctx, tx, "Patient/1", "Patient/none", "x", clerk)
			return err
		}), "not-indexed")
	})
}

func TestAHospitalMergesItsOwnRecords(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		second := one{id: "2", org: county, name: "孟某", sex: "female", birth: "1975"}
		w.put(meng("1", county), second, meng("3", centre))
		w.want("1+3", "")
		merge := func(source, target string) (d empi.Decision, err error) {
			err = w.s.Update(ctx, func(tx *store.Tx) error {
				d, err = w.x.Merge(ctx, tx, source, target, "重复建档", clerk)
				return err
			})
			return d, err
		}
		_, err := merge("Patient/1", "Patient/3")
		refused(t, err, "two-hospitals")
		before := w.read("2")
		d, err := merge("Patient/2", "Patient/1")
		if err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.want("1+2+3", "")
		if n := w.read("2"); n.Str("active") != "false" || n.Str("link[0].type") != "replaced-by" || n.Str("link[0].other.reference") != "Patient/1" {
			t.Errorf("got %s", n.JSON())
		}
		if n := w.read("1"); n.Str("link[0].type") != "replaces" {
			t.Errorf("got %s", n.JSON())
		}
		_, err = merge("Patient/2", "Patient/1")
		refused(t, err, "merged-already")
		w.put(second) // the hospital's system knows nothing of it
		w.want("1+2+3", "")
		refused(t, w.s.Update(ctx, func(tx *store.Tx) error {
			_, err := w.x.Unlink(ctx, tx, w.person("2").ID, "Patient/2", "x", clerk)
			return err
		}), "merged")
		w.update(func(tx *store.Tx) error { return w.x.Unmerge(ctx, tx, d.ID, "合并错误", clerk) })
		w.settle()
		w.want("1+3", "")
		after := w.read("2")
		before.Set("meta", nil)
		after.Set("meta", nil)
		if string(before.JSON()) != string(after.JSON()) {
			t.Errorf("got %s; want %s", after.JSON(), before.JSON())
		}
		if n := w.read("1"); n.Get("link") != nil {
			t.Errorf("got %s; want no link", n.JSON())
		}
		k := w.kinds()
		if k["person.merged"] != 1 || k["person.unmerged"] != 1 {
			t.Errorf("got %v", k)
		}
	})
}

func (w *world) read(id string) (n *fhir.Node) {
	w.t.Helper()
	w.view(func(tx *store.Tx) error {
		v, err := tx.Read(ctx, everything, "Patient", id)
		if err == nil {
			n, err = fhir.Parse(v.JSON)
		}
		return err
	})
	return n
}

func TestSomebodyWithoutANameIsLinkedByPeopleOnly(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		w := newWorld(t, open)
		unknown := func(link string) one {
			return one{id: "u", org: county, sex: "female", birth: "1961", number: number, more: func(n *fhir.Node) {
				n.Add("identifier", fhir.Obj{"use", "temp", "system", sids + "unknown-person", "value", "无名氏-20261120-1"})
				n.Add("name", fhir.Obj{"use", "temp", "text", "无名氏-20261120-1"})
				if link != "" {
					n.Set("active", false).Add("link", fhir.Obj{"other", fhir.Ref(link, ""), "type", "replaced-by"})
				}
			}}
		}
		w.put(meng("1", centre), unknown(""))
		if got := w.together(); got != "" {
			t.Errorf("got %q; want him linked with nobody", got)
		}
		w.put(unknown("Patient/1")) // the line found out who he is
		w.want("1+u", "")
		if m := w.person("u").Members; m[len(m)-1].Source != empi.Statement {
			t.Errorf("got %+v", m)
		}
		w.put(unknown(""))
		if got := w.together(); got != "" {
			t.Errorf("got %q; want it taken back with the link", got)
		}
	})
}

func TestAHospitalSpeaksForItsOwnRecordsOnly(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	claim := one{id: "2", org: county, name: "赵铁柱", sex: "male", birth: "1990-01-07", more: func(n *fhir.Node) {
		n.Add("link", fhir.Obj{"other", fhir.Ref("Patient/1", ""), "type", "replaced-by"})
	}}
	w.put(meng("1", centre), claim)
	w.want("", "1?2 stated")
	claim.org = centre
	w.delete("2")
	claim.id = "4"
	w.put(claim)
	w.want("1+4", "")
}

func TestGoldenRecord(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	w.put(changed(meng("1", county), func(p *one) { p.birth = "1961-05-24" }))
	w.clock.Turn(time.Hour)
	w.put(changed(meng("2", centre), func(p *one) { p.phone = "15124298280"; p.name = "孟小茹" }))
	p := w.person("1")
	want := map[string][3]string{"birth": {"1961-05-23", "Patient/2", "number"}, "phone": {"15124298280", "Patient/2", "newest"}, "name": {"孟小茹", "", "only"}}
	for _, f := range p.Golden {
		if x, ok := want[f.Field]; ok && (f.Value != x[0] || x[1] != "" && f.From != x[1] || f.Rule != x[2]) {
			t.Errorf("got %+v; want %v", f, x)
		}
		delete(want, f.Field)
	}
	if len(want) > 0 {
		t.Errorf("not in the golden record: %v (%+v)", want, p)
	}
}

func TestWhatCannotBeReadHoldsNobodyUp(t *testing.T) {
	w := newWorld(t, storetest.Memory)
	w.put(meng("1", county), meng("2", centre))
	w.update(func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE empi_record SET body = ? WHERE patient = 'Patient/1'`, []byte{1, 2, 3})
		return err
	})
	w.put(meng("3", county))
	if got := w.together(); got != "1+2+3" && got != "2+3" {
		t.Errorf("got %q; want the others linked", got)
	}
	w.update(func(tx *store.Tx) error { return w.x.Reindex(ctx, tx) })
	w.settle()
	w.want("1+2+3", "")
}
