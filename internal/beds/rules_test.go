package beds

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func (h *hospital) set(by *access.Caller, code, value string, from time.Time) error {
	return h.store.Update(ctx, func(tx *store.Tx) error {
		return h.SetRule(ctx, tx, by, centre, code, "试行", json.RawMessage(value), from)
	})
}

func (h *hospital) rule(by *access.Caller, code string) (x Rule) {
	h.t.Helper()
	h.view(func(tx *store.Tx) error {
		list, err := h.RuleList(ctx, tx, centre, by)
		if i := slices.IndexFunc(list, func(x Rule) bool { return x.Code == code }); i >= 0 {
			x = list[i]
		}
		return err
	})
	return x
}

func TestARuleHoldsFromItsDay(t *testing.T) {
	storetest.Both(t, func(t *testing.T, open storetest.Open) {
		h := setUp(t, open).standard()
		h.staffed(3)
		h.waits("lung", "male", "respiratory")
		leader := desk(access.Leader, centre)
		leader.Name = "陈院长"
		if x := h.rule(leader, "lends"); x.Own || x.Verified || x.History != nil {
			t.Errorf("nobody has said anything: got %+v", x)
		}
		begins := h.clock.Now().Add(2 * time.Hour)
		if err := h.set(leader, "lends", `"none"`, begins); err != nil {
			t.Fatal(err)
		}
		if x := h.rule(leader, "lends"); x.Own || string(x.Value) != `"all"` || len(x.Planned) != 1 || string(x.Planned[0].Value) != `"none"` || x.Planned[0].Name != "陈院长" {
			t.Errorf("before its day: got %+v", x)
		}
		h.do(nil, hold("lung", "cardiology-male-1", h)) // lent, as before
		h.clock.Turn(2*time.Hour + time.Minute)
		h.tick()
		h.waits("lung2", "male", "respiratory")
		if got := details(h.try(nil, hold("lung2", "cardiology-male-1", h))); !slices.Contains(got, "bed-lending") {
			t.Errorf("on its day: got %v; want bed-lending", got)
		}
		x := h.rule(leader, "lends")
		if !x.Own || string(x.Value) != `"none"` || string(x.Default) != `"all"` || len(x.Planned) != 0 || len(x.History) != 1 || x.History[0].Reason != "试行" || x.History[0].Name != "陈院长" {
			t.Errorf("on its day: got %+v", x)
		}
		// another word for a planned day takes the place of the first; the history keeps both
		later := h.clock.Now().Add(time.Hour).Truncate(time.Second)
		for _, v := range []string{`"neighbours"`, `"all"`} {
			h.clock.Turn(time.Second)
			if err := h.set(leader, "lends", v, later); err != nil {
				t.Fatal(err)
			}
		}
		if x := h.rule(leader, "lends"); len(x.Planned) != 1 || string(x.Planned[0].Value) != `"all"` {
			t.Errorf("two words for one day: got %+v", x.Planned)
		}
		h.clock.Turn(2 * time.Hour)
		h.do(nil, hold("lung2", "cardiology-male-1", h))
		if x := h.rule(leader, "lends"); len(x.History) != 3 {
			t.Errorf("got %d changes; want 3", len(x.History))
		}
	})
}

func TestWhoSetsWhichRule(t *testing.T) {
	h := setUp(t, storetest.Memory).standard()
	chief, nurse := desk("duty-chief", centre), desk("head-nurse", centre)
	other := &access.Caller{User: "x", Role: access.Leader, Org: "Organization/other", Institution: "Organization/other"}
	for _, c := range []struct {
		name, code, value string
		by                *access.Caller
		from              time.Duration
		want              []string
	}{
		{"the chief on duty sets how long a bed is held", "holds", `{"soon":["emergency"],"grace":"30m","assumed":"1h","by":"20:00"}`, chief, 0, nil},
		{"and who may go beyond a limit he does not", "override", `{"limit":["duty-chief"]}`, chief, 0, []string{"not-your-rules"}},
		{"a head nurse sets none", "holds", `{"soon":[],"grace":"30m","assumed":"1h","by":"20:00"}`, nurse, 0, []string{"not-your-rules"}},
		{"a leader of another hospital sets none", "holds", `{"soon":[],"grace":"30m","assumed":"1h","by":"20:00"}`, other, 0, []string{"not-your-rules"}},
		{"nothing holds from yesterday", "night", `{"from":"21:00","to":"06:00","lends":["emergency"]}`, chief, -24 * time.Hour, []string{"rule-backdated"}},
		{"nor in three years", "night", `{"from":"21:00","to":"06:00","lends":["emergency"]}`, chief, 3 * 365 * 24 * time.Hour, []string{"rule-too-far"}},
		{"a grace of a month", "holds", `{"soon":[],"grace":"720h","assumed":"1h","by":"20:00"}`, chief, 0, []string{"bad-rule"}},
		{"half a rule", "holds", `{"soon":[]}`, chief, 0, []string{"bad-rule"}},
		{"no time of day", "morning", `{"at":"six"}`, chief, 0, []string{"bad-rule"}},
		{"when a protected ward opens", "protected", `{"paediatrics":{"takes":[],"stays":true,"ageUpTo":17,"opens":{"from":"20:00","to":"07:00"}}}`, chief, 0, nil},
	} {
		from := time.Time{}
		if c.from != 0 {
			from = h.clock.Now().Add(c.from)
		}
		if got := details(h.set(c.by, c.code, c.value, from)); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v; want %v", c.name, got, c.want)
		}
	}
	if x := h.rule(chief, "holds"); !x.Mine || !x.Own {
		t.Errorf("got %+v", x)
	}
	if h.rule(chief, "override").Mine || h.rule(nurse, "holds").Mine || !h.rule(desk(access.Administrator, centre), "override").Mine {
		t.Error("the list says wrongly who may set a rule")
	}
	h.view(func(tx *store.Tx) error {
		said, err := h.Rule(ctx, tx, centre, "holds")
		var got allocate.Holds
		if json.Unmarshal(said, &got) != nil || got.By != "20:00" || got.Grace != "30m" {
			t.Errorf("got %s", said)
		}
		u, err2 := h.RulesOf(ctx, tx, centre)
		if o := u.Who.Protected["paediatrics"].Opens; o == nil || o.From != "20:00" || !u.Who.Protected["obstetrics"].Stays {
			t.Errorf("got %+v; want the other kinds as they were", u.Who.Protected)
		}
		if u.Binds(time.Date(2026, 11, 23, 5, 59, 0, 0, h.zone())) || !u.Binds(time.Date(2026, 11, 23, 6, 0, 0, 0, h.zone())) {
			t.Error("beds are bound from six")
		}
		if err == nil {
			err = err2
		}
		return err
	})
}
