package his

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Kinds of differences. What the hospital's system said is in force already, whichever it is.
const (
	UnknownBed      = "unknown-bed"       // it names a bed that is not in the register
	OtherBed        = "other-bed"         // another bed was given to the patient here
	NotArranged     = "not-arranged"      // the patient waits here for a bed, and lies in one
	HoldLost        = "hold-lost"         // the bed was held for this patient; another lies there
	OccupiedByOther = "occupied-by-other" // this patient lay there as far as we know; another does
	FreeThere       = "free-there"        // the patient lay there as far as we know; the bed is empty
	OccupiedUnknown = "occupied-unknown"  // somebody lies there of whom we know nothing
	NotUsable       = "not-usable"        // it was closed or being cleaned here
	Ahead           = "ahead"             // entered here by hand; the hospital's system has not said so yet
	Behind          = "behind"            // the case could not follow by itself
)

// Kinds names them.
var Kinds = map[string]flow.Name{
	UnknownBed:      {Zh: "床位未登记", En: "Bed not in the register"},
	OtherBed:        {Zh: "患者在另一张床", En: "Patient in another bed"},
	NotArranged:     {Zh: "未经调配已入院", En: "Admitted without the bed desk"},
	HoldLost:        {Zh: "所留床位被占用", En: "A held bed is taken"},
	OccupiedByOther: {Zh: "床上是另一位患者", En: "Another patient lies there"},
	FreeThere:       {Zh: "医院系统为空床", En: "Empty at the hospital's system"},
	OccupiedUnknown: {Zh: "医院系统已占用，患者不明", En: "In use, by whom is not known"},
	NotUsable:       {Zh: "停用或清洁中的床已占用", En: "In use while closed or cleaned here"},
	Ahead:           {Zh: "本系统已登记，医院系统未到", En: "Entered here, not reported yet"},
	Behind:          {Zh: "业务未能自动跟进", En: "The case could not follow"},
}

// Difference is one thing in which we and the hospital's system did not agree.
type Difference struct {
	ID       string
	Pool     string
	Ward     string // "" of a bed that nobody knows
	Kind     string
	Bed      string // "Location/…"
	Named    string // what the hospital's system calls a bed that nobody knows
	Had      string // what we had: "free", "held", "occupied", "closed", "cleaning", "waiting", "left", or the other bed
	Said     string // what it said: "occupied", "free", or a code of a refused step
	Patient  string
	Holder   string
	Since    time.Time
	Source   string // the record by which it said so
	Times    int
	Resolved time.Time // zero = open
	How      string    // message, his, corrected, applied
	Account  string    // who resolved it, "" = a later message did
	Note     string
}

// differ notes a difference; the same one that is open already is counted.
func (r *Room) differ(ctx context.Context, tx *store.Tx, d Difference) error {
	n, err := tx.Exec(ctx, "UPDATE beds_difference SET times = times + 1, had = ?, said = ?, source = ?, holder = ? WHERE pool = ? AND kind = ? AND bed = ? AND named = ? AND patient = ? AND resolved = 0",
		d.Had, d.Said, d.Source, d.Holder, d.Pool, d.Kind, d.Bed, d.Named, d.Patient)
	if err == nil && n == 0 {
		_, err = tx.Exec(ctx, `INSERT INTO beds_difference (id, pool, ward, kind, bed, named, had, patient, holder, said, since, source, times, resolved, how, account, note)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, '', '', '')`,
			store.NewID(tx.Now()), d.Pool, d.Ward, d.Kind, d.Bed, d.Named, d.Had, d.Patient, d.Holder, d.Said, tx.Now().UnixMicro(), d.Source)
	}
	if err != nil {
		return fmt.Errorf("beds: difference: %w", err)
	}
	return nil
}

// settle closes the open differences that a later message has answered.
func (r *Room) settle(ctx context.Context, tx *store.Tx, where string, args ...any) error {
	_, err := tx.Exec(ctx, "UPDATE beds_difference SET resolved = ?, how = 'message' WHERE resolved = 0 AND "+where, append([]any{tx.Now().UnixMicro()}, args...)...)
	if err != nil {
		return fmt.Errorf("beds: differences: %w", err)
	}
	return nil
}

// Differences lists those of an institution: the open ones, newest first, or the resolved ones of the last days.
func (r *Room) Differences(ctx context.Context, tx *store.Tx, pool string, resolved bool, limit int) (all []Difference, err error) {
	where, args := "resolved = 0 ORDER BY since DESC, id DESC", []any{pool}
	if resolved {
		where, args = "resolved >= ? ORDER BY resolved DESC, id DESC", append(args, tx.Now().AddDate(0, 0, -30).UnixMicro())
	}
	err = tx.Query(ctx, "SELECT id, pool, ward, kind, bed, named, had, said, patient, holder, since, source, times, resolved, how, account, note FROM beds_difference WHERE pool = ? AND "+where+" LIMIT ?",
		append(args, limit), func(scan func(...any) error) error {
			var d Difference
			var since, until int64
			if err := scan(&d.ID, &d.Pool, &d.Ward, &d.Kind, &d.Bed, &d.Named, &d.Had, &d.Said, &d.Patient, &d.Holder, &since, &d.Source, &d.Times, &until, &d.How, &d.Account, &d.Note); err != nil {
				return err
			}
			d.Since = time.UnixMicro(since)
			if until > 0 {
				d.Resolved = time.UnixMicro(until)
			}
			all = append(all, d)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("beds: differences: %w", err)
	}
	return all, nil
}

// Ways in which a person resolves a difference.
var Ways = map[string]flow.Name{
	"his":       {Zh: "以医院系统为准", En: "The hospital's system is right"},
	"corrected": {Zh: "已在医院系统更正", En: "Corrected in the hospital's system"},
	"applied":   {Zh: "已在本系统处理", En: "Dealt with here"},
}

var resolvers = []access.Role{"bed-desk", "duty-chief", "head-nurse", access.Administrator}

// MayResolve says who resolves the differences of a pool.
func MayResolve(by *access.Caller, pool string) bool {
	return by != nil && by.Institution != "" && by.Institution == pool && slices.Contains(resolvers, by.Role)
}

// Resolve closes a difference by a person's word.
func (r *Room) Resolve(ctx context.Context, tx *store.Tx, by *access.Caller, id, how, note string) error {
	if by == nil {
		return fhir.Refuse(401, "login", "login-required", "log in first", "请先登录")
	}
	if _, known := Ways[how]; !known {
		return fhir.Refuse(422, "value", "bad-way", "say how: his, corrected or applied", "请选择处理方式")
	}
	if note = strings.TrimSpace(note); len(note) > 500 || note == "" && how != "his" {
		return fhir.Refuse(422, "required", "note-required", "say what was done, in at most 500 bytes", "请说明处理情况（不要过长）")
	}
	var pool, patient string
	err := tx.Query(ctx, "SELECT pool, patient FROM beds_difference WHERE id = ?", []any{id}, func(scan func(...any) error) error { return scan(&pool, &patient) })
	if err != nil {
		return fmt.Errorf("beds: difference: %w", err)
	}
	if pool == "" || pool != by.Institution {
		return fhir.Refuse(404, "not-found", "unknown-difference", "no such difference in your institution", "本院没有这条差异")
	}
	if !MayResolve(by, pool) {
		return fhir.Refuse(403, "forbidden", "not-your-difference", "the bed desk and the ward's head nurse resolve differences", "由床位调配中心或护士长核对")
	}
	n, err := tx.Exec(ctx, "UPDATE beds_difference SET resolved = ?, how = ?, account = ?, note = ? WHERE id = ? AND resolved = 0", tx.Now().UnixMicro(), how, by.User, tx.SealText(note, "difference "+id), id)
	if err != nil {
		return fmt.Errorf("beds: difference: %w", err)
	}
	if n == 0 {
		return fhir.Refuse(409, "conflict", "resolved-already", "somebody has resolved it already", "该差异已处理")
	}
	var about []string
	if patient != "" {
		about = []string{patient}
	}
	return r.note(ctx, tx, "U", "bed-difference:"+how, id, about...)
}

// NoteOf opens the note of a resolved difference.
func (r *Room) NoteOf(ctx context.Context, tx *store.Tx, d *Difference) (string, error) {
	return tx.OpenText(ctx, d.Note, "difference "+d.ID)
}
