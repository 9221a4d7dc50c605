package flow

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// errand is a small table with everything in it.
func errand() *Table {
	return &Table{
		Code: "errand", Name: Name{"跑腿", "Errand"},
		States: []State{
			{Code: "asked", Name: Name{"待办", "Asked"}, Status: "requested", Kind: Open, Waits: Owner, Within: Within(time.Minute, time.Hour, 0), Lapses: Day},
			{Code: "taken", Name: Name{"已接", "Taken"}, Status: "accepted", Kind: Open, Waits: Requester},
			{Code: "done", Name: Name{"完成", "Done"}, Status: "completed", Kind: Done},
			{Code: "gone", Name: Name{"作废", "Gone"}, Status: "failed", Kind: Closed},
		},
		Steps: []Step{
			{Do: "ask", Name: Name{"请求", "Ask"}, From: In(New), To: "asked", By: Requester},
			{Do: "accept", Name: Name{"接", "Accept"}, From: In("asked"), To: "taken", By: Owner, Roles: []string{"clerk"}, Primary: true},
			{Do: "accept", Name: Name{"即办", "Do at once"}, From: In("asked"), To: "done", By: Owner, When: When{"how", "now"}},
			{Do: "note", Name: Name{"备注", "Note"}, From: In("asked", "taken"), To: Same, By: Either},
			{Do: "finish", Name: Name{"完成", "Finish"}, From: In("taken"), To: "done", By: Requester},
			{Do: "cancel", Name: Name{"撤回", "Cancel"}, From: In("asked", "taken"), To: "gone", By: Requester},
			{Do: "expire", Name: Name{"过期", "Expire"}, From: In("asked"), To: "gone", By: System},
		},
	}
}

func TestFind(t *testing.T) {
	now := func(field string) string { return map[string]string{"how": "now"}[field] }
	for _, c := range []struct {
		name, do, state string
		side            Party
		role            string
		known           Values
		to              string
	}{
		{"owner accepts", "accept", "asked", Owner, "clerk", nil, "taken"},
		{"the narrower step wins", "accept", "asked", Owner, "clerk", now, "done"},
		{"another role may take only the narrower step", "accept", "asked", Owner, "porter", now, "done"},
		{"another role may not accept", "accept", "asked", Owner, "porter", nil, ""},
		{"requester cannot accept its own request", "accept", "asked", Requester, "clerk", nil, ""},
		{"either side notes", "note", "asked", Requester, "", nil, Same},
		{"the system is neither side", "note", "asked", System, "", nil, ""},
		{"people do not expire a case", "expire", "asked", Owner, "clerk", nil, ""},
		{"the system expires it", "expire", "asked", System, "", nil, "gone"},
		{"an end is an end", "cancel", "done", Requester, "", nil, ""},
		{"an unknown step is refused", "fly", "asked", Owner, "clerk", nil, ""},
	} {
		step, err := errand().Find(c.do, c.state, c.side, c.role, c.known)
		if step.To != c.to || (err == nil) != (c.to != "") {
			t.Errorf("%s: got %q, %v; want %q", c.name, step.To, err, c.to)
		}
	}
}

func TestRefusalNamesTheOpenSteps(t *testing.T) {
	_, err := errand().Find("finish", "asked", Requester, "clerk", nil)
	want := `flow: finish by requester as clerk not allowed in state "asked"; open: accept by owner, note by either, cancel by requester`
	if err == nil || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
	var no *Refused
	if !errors.As(err, &no) || len(no.Open) != 3 {
		t.Errorf("got %#v; want three open steps", err)
	}
}

func TestOpenPutsThePrimaryStepFirst(t *testing.T) {
	open := errand().Open("asked", Owner, "clerk", nil)
	if len(open) != 2 || open[0].Do != "accept" || open[1].Do != "note" {
		t.Errorf("got %+v; want accept, note", open)
	}
}

func TestDue(t *testing.T) {
	asked, _ := errand().State("asked")
	from := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	if got := asked.Due(from, Urgent); !got.Equal(from.Add(time.Hour)) {
		t.Errorf("urgent is due %v; want an hour later", got)
	}
	if got := asked.Due(from, Routine); !got.IsZero() {
		t.Errorf("routine is due %v; want no limit", got)
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, says string
		spoil      func(*Table)
	}{
		{"nothing is wrong", "", func(*Table) {}},
		{"a state waits for nobody", "waits for nobody", func(t *Table) { t.States[0].Waits = "" }},
		{"who must act has no way out", "has no way out", func(t *Table) { t.States[1].Waits = Owner }},
		{"an end goes on", "is an end", func(t *Table) { t.Steps[4].From = In("taken", "gone") }},
		{"a state cannot be reached", "cannot be reached", func(t *Table) { t.Steps[1].From = In("taken") }},
		{"a dead end", "dead end", func(t *Table) { t.Steps[4].To, t.Steps[2].To = "gone", "gone" }},
		{"a step to nowhere", "unknown state", func(t *Table) { t.Steps[1].To = "lost" }},
		{"a status that FHIR does not know", "no Task.status", func(t *Table) { t.States[0].Status = "open" }},
		{"a lapse without a step", "lapses", func(t *Table) { t.Steps[6].From = In("taken") }},
		{"a state twice", "twice", func(t *Table) { t.States = append(t.States, t.States[0]) }},
		{"a name in one language", "both languages", func(t *Table) { t.States[0].Name.En = "" }},
	} {
		table := errand()
		c.spoil(table)
		wrong := table.Check()
		found := slices.ContainsFunc(wrong, func(err error) bool { return c.says != "" && strings.Contains(err.Error(), c.says) })
		if (c.says == "") != (len(wrong) == 0) || (c.says != "" && !found) {
			t.Errorf("%s: got %v; want %q", c.name, wrong, c.says)
		}
	}
}

// Whatever people do, in any order, a table that passes Check leaves somebody who can bring the case to its end.
func TestEveryWalkCanEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := random(t)
		if len(table.Check()) > 0 {
			return
		}
		state := New
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			var ways []Step
			for _, s := range table.Steps {
				if slices.Contains(s.From, state) {
					ways = append(ways, s)
				}
			}
			if len(ways) == 0 {
				break
			}
			if s := rapid.SampledFrom(ways).Draw(t, "step"); s.To != Same {
				state = s.To
			}
		}
		if s, ok := table.State(state); ok && s.Kind == Open {
			if !slices.ContainsFunc(table.States, func(o State) bool { return o.Kind == Done && table.reach(state)[o.Code] }) {
				t.Fatalf("no end from %s", state)
			}
			if !slices.ContainsFunc(table.From(state, nil), func(st Step) bool { return st.By == s.Waits || st.By == Either }) {
				t.Fatalf("the %s waits in %s and can do nothing", s.Waits, state)
			}
		}
	})
}

// random makes a small table; about one in some passes Check.
func random(t *rapid.T) *Table {
	table := &Table{Code: "random", Name: Name{"随机", "Random"}}
	codes := []string{"a", "b", "c", "end"}
	for _, c := range codes[:3] {
		table.States = append(table.States, State{Code: c, Name: Name{c, c}, Status: "requested", Kind: Open, Waits: rapid.SampledFrom([]Party{Owner, Requester}).Draw(t, "waits")})
	}
	table.States = append(table.States, State{Code: "end", Name: Name{"完", "End"}, Status: "completed", Kind: Done})
	table.Steps = append(table.Steps, Step{Do: "begin", Name: Name{"始", "Begin"}, From: In(New), To: "a", By: Requester})
	for i := range rapid.IntRange(3, 9).Draw(t, "n") {
		table.Steps = append(table.Steps, Step{Do: string(rune('p' + i)), Name: Name{"步", "Step"}, From: In(rapid.SampledFrom(codes[:3]).Draw(t, "from")),
			To: rapid.SampledFrom(append(codes, Same)).Draw(t, "to"), By: rapid.SampledFrom([]Party{Owner, Requester, Either, System}).Draw(t, "by")})
	}
	return table
}
