package line

import (
	"context"
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Migrations are the tables of this room: who must act by when (line_case), what happened (line_step).
// Resources stay the truth; both follow from them.
func Migrations() []store.Migration {
	ddl := func(integer string) string {
		return `
CREATE TABLE line_case (
  task TEXT PRIMARY KEY, line TEXT NOT NULL, flow TEXT NOT NULL, state TEXT NOT NULL, kind TEXT NOT NULL,
  urgency ` + integer + ` NOT NULL, owner TEXT NOT NULL, requester TEXT NOT NULL, patient TEXT NOT NULL,
  request TEXT NOT NULL, requisition TEXT NOT NULL, due ` + integer + `, level ` + integer + ` NOT NULL, next_at ` + integer + `,
  opened ` + integer + ` NOT NULL, entered ` + integer + ` NOT NULL, updated ` + integer + ` NOT NULL, vid ` + integer + ` NOT NULL);
CREATE INDEX line_case_owner ON line_case (owner, kind, due);
CREATE INDEX line_case_requester ON line_case (requester, kind, due);
CREATE INDEX line_case_patient ON line_case (patient);
CREATE INDEX line_case_requisition ON line_case (requisition);
CREATE INDEX line_case_next ON line_case (next_at);
CREATE TABLE line_step (
  task TEXT NOT NULL, n ` + integer + ` NOT NULL, line TEXT NOT NULL, do_ TEXT NOT NULL, from_ TEXT NOT NULL, to_ TEXT NOT NULL,
  at ` + integer + ` NOT NULL, org TEXT NOT NULL, PRIMARY KEY (task, n));
CREATE INDEX line_step_at ON line_step (line, at);`
	}
	return []store.Migration{{Name: "line/0001_cases", SQLite: ddl("INTEGER"), Postgres: ddl("BIGINT")},
		{Name: "line/0002_place", SQLite: place, Postgres: place},
		{Name: "line/0003_covering", SQLite: covering, Postgres: covering}}
}

// place is where a case stands in one word, "line/flow/state/urgency", so that "mine" is one comparison a row.
const place = `
ALTER TABLE line_case ADD COLUMN place TEXT NOT NULL DEFAULT '';
UPDATE line_case SET place = line || '/' || flow || '/' || state || '/' || urgency;
DROP INDEX line_case_owner;
DROP INDEX line_case_requester;
CREATE INDEX line_case_owner ON line_case (owner, kind, place, due);
CREATE INDEX line_case_requester ON line_case (requester, kind, place, due);`

// covering lets a worklist be counted and sorted without looking at the cases themselves.
const covering = `
DROP INDEX line_case_owner;
DROP INDEX line_case_requester;
CREATE INDEX line_case_owner ON line_case (owner, kind, place, due, requester, urgency, task);
CREATE INDEX line_case_requester ON line_case (requester, kind, place, due, owner, urgency, task);`

// Derive keeps line_case and line_step in step with the Tasks of these lines.
func Derive(lines []*Line) store.Deriver {
	return func(ctx context.Context, tx *store.Tx, w store.Written) error {
		if w.Type != "Task" {
			return nil
		}
		l, f := find(lines, w.After)
		if f == nil {
			if _, was := find(lines, w.Before); was == nil {
				return nil
			}
			_, err := tx.Exec(ctx, "DELETE FROM line_case WHERE task = ?", "Task/"+w.ID)
			return err
		}
		c := caseOf(l, f, w.After)
		c.Task, c.Version = "Task/"+w.ID, w.VID
		_, err := tx.Exec(ctx, `INSERT INTO line_case (task, line, flow, state, kind, urgency, owner, requester, patient, request, requisition, due, level, next_at, opened, entered, updated, vid, place)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (task) DO UPDATE SET state = excluded.state, kind = excluded.kind, urgency = excluded.urgency, owner = excluded.owner, requester = excluded.requester,
patient = excluded.patient, request = excluded.request, requisition = excluded.requisition, due = excluded.due, level = excluded.level, next_at = excluded.next_at,
entered = excluded.entered, updated = excluded.updated, vid = excluded.vid, place = excluded.place`,
			c.Task, c.Line, c.Flow, c.State, string(c.Kind), rank(c.Urgency), c.Owner, c.Requester, c.Patient, c.Request, c.Requisition,
			micros(c.Due), int64(c.Level), micros(f.next(c)), c.Opened.UnixMicro(), c.Entered.UnixMicro(), c.Updated.UnixMicro(), c.Version, placeOf(c))
		if err != nil {
			return fmt.Errorf("line: case of Task/%s: %w", w.ID, err)
		}
		marks, known := History(w.After), len(History(w.Before))
		for n := known; n < len(marks); n++ {
			from := flow.New
			if n > 0 {
				from = marks[n-1].State
			}
			m := marks[n]
			if _, err := tx.Exec(ctx, `INSERT INTO line_step (task, n, line, do_, from_, to_, at, org) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (task, n) DO NOTHING`,
				c.Task, int64(n), c.Line, m.Step, from, m.State, m.At.UnixMicro(), m.Org); err != nil {
				return fmt.Errorf("line: step of Task/%s: %w", w.ID, err)
			}
		}
		return nil
	}
}

func placeOf(c Case) string {
	return fmt.Sprintf("%s/%s/%s/%d", c.Line, c.Flow, c.State, rank(c.Urgency))
}

// next is when the hub itself has something to do with a case: a rung of the ladder, or the end of a state's life.
func (f *Flow) next(c Case) time.Time {
	s, ok := f.State(c.State)
	if !ok || s.Kind != flow.Open {
		return time.Time{}
	}
	var at time.Time
	if c.Level < len(f.Escalate) && !c.Due.IsZero() {
		at = c.Due.Add(f.Escalate[c.Level].After[c.Urgency])
	} else if len(f.Escalate) == 0 && c.Level == 0 {
		at = c.Due
	}
	if s.Lapses > 0 {
		if end := c.Entered.Add(s.Lapses); at.IsZero() || end.Before(at) {
			at = end
		}
	}
	return at
}

// selectCases reads rows of line_case; where begins with WHERE.
func selectCases(ctx context.Context, tx *store.Tx, where string, args ...any) ([]Case, error) {
	var cases []Case
	err := tx.Query(ctx, `SELECT task, line, flow, state, kind, urgency, owner, requester, patient, request, requisition, due, level, opened, entered, updated, vid FROM line_case `+where, args,
		func(scan func(...any) error) error {
			var c Case
			var kind string
			var urgency, lvl, opened, entered, updated int64
			var due *int64
			if err := scan(&c.Task, &c.Line, &c.Flow, &c.State, &kind, &urgency, &c.Owner, &c.Requester, &c.Patient, &c.Request, &c.Requisition, &due, &lvl, &opened, &entered, &updated, &c.Version); err != nil {
				return err
			}
			c.Kind, c.Urgency, c.Level = flow.Kind(kind), ranks[urgency], int(lvl)
			c.Opened, c.Entered, c.Updated = time.UnixMicro(opened), time.UnixMicro(entered), time.UnixMicro(updated)
			if due != nil {
				c.Due = time.UnixMicro(*due)
			}
			cases = append(cases, c)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("line: list cases: %w", err)
	}
	return cases, nil
}

var ranks = []flow.Urgency{flow.Emergency, flow.Urgent, flow.Routine}

func rank(u flow.Urgency) int64 {
	for i, x := range ranks {
		if x == u {
			return int64(i)
		}
	}
	return int64(len(ranks) - 1)
}

func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// doNow names the system's step that a case needs now, "" when a mark is enough. A step of the ladder
// may be refused by its rules; the mark is then all that happens.
func (f *Flow) doNow(c Case, now time.Time) (do string, ladder bool) {
	s, _ := f.State(c.State)
	if s.Lapses > 0 && !now.Before(c.Entered.Add(s.Lapses)) {
		if step, ok := f.Lapse(c.State); ok {
			return step.Do, false
		}
	}
	if c.Level < len(f.Escalate) && f.Escalate[c.Level].Do != "" {
		if _, err := f.Find(f.Escalate[c.Level].Do, c.State, flow.System, "", nil); err == nil {
			return f.Escalate[c.Level].Do, true
		}
	}
	return "", false
}
