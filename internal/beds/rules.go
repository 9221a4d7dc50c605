package beds

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

//go:embed rules/rules.json
var rulesFile []byte

//go:embed rules/preferences.json
var preferencesFile []byte

// Rules are what an institution may set about its pool; where it has set nothing, the shipped data holds. They are
// shared: do not change them.
type Rules struct {
	Shifts   []Shift                `json:"shifts"`
	Cleaning map[allocate.Level]int `json:"cleaningMinutes"`
	Confirms []allocate.Level       `json:"confirms"`
	Flags    struct {
		Absence     int `json:"absence"`     // hours
		Readmission int `json:"readmission"` // days
	} `json:"flags"`
	Directory struct {
		Days int `json:"days"`
	} `json:"directory"`
	Morning struct {
		At string `json:"at"` // "06:00"
	} `json:"morning"`
	Holds allocate.Holds  `json:"holds"`
	Who   *allocate.Rules `json:"-"` // gets which bed

	said map[string]json.RawMessage // of Who, what is not the default
}

// Shift of the day. Until at or before From is on the next day.
type Shift struct {
	Code   string  `json:"code"`
	Zh     string  `json:"zh"`
	En     string  `json:"en"`
	From   string  `json:"from"`
	Until  string  `json:"until"`
	Points float64 `json:"points"` // that one nurse bears
}

// Rule is one of them as people read and change it.
type Rule struct {
	Code     string          `json:"code"`
	Zh       string          `json:"zh"`
	En       string          `json:"en"`
	Value    json.RawMessage `json:"value"`
	Default  json.RawMessage `json:"default,omitempty"` // where the institution has another one in force
	Source   string          `json:"source"`
	Verified bool            `json:"verified"`          // of the default
	Own      bool            `json:"own,omitempty"`     // the institution has set it
	Mine     bool            `json:"mine,omitempty"`    // the caller may set it
	Planned  []Edit          `json:"planned,omitempty"` // in force later, next first
	History  []Edit          `json:"history,omitempty"` // newest first; of this institution
}

// Edit is one change of a rule.
type Edit struct {
	At     string          `json:"at"`
	From   string          `json:"from"` // in force
	By     string          `json:"by"`   // account
	Name   string          `json:"name,omitempty"`
	Reason string          `json:"reason"`
	Value  json.RawMessage `json:"value"`
}

// preferences are the codes of allocate's rules.
var preferences = map[string]bool{}

var shipped, shippedRules = func() (list []Rule, rules *Rules) {
	var raw, who map[string]Rule
	if err := json.Unmarshal(rulesFile, &raw); err != nil {
		panic("beds: rules: " + err.Error())
	}
	if err := json.Unmarshal(preferencesFile, &who); err != nil {
		panic("beds: preferences: " + err.Error())
	}
	d := allocate.Default()
	all, err := json.Marshal(d)
	if err != nil {
		panic("beds: preferences: " + err.Error())
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(all, &values); err != nil {
		panic("beds: preferences: " + err.Error())
	}
	rules = &Rules{Who: d, Holds: allocate.DefaultHolds}
	for code, x := range raw {
		x.Code = code
		list = append(list, x)
	}
	until, err := json.Marshal(allocate.DefaultHolds)
	if err != nil {
		panic("beds: holds: " + err.Error())
	}
	list = append(list, Rule{Code: "holds", Zh: "留床期限", En: "How long a bed is held", Value: until, Source: d.Source, Verified: d.Verified})
	for code, x := range who {
		x.Code, x.Value, x.Source, x.Verified = code, values[code], d.Source, d.Verified
		preferences[code] = true
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b Rule) int { return strings.Compare(a.Code, b.Code) })
	for _, x := range list {
		if err := rules.set(x.Code, x.Value); err != nil {
			panic("beds: rules: " + err.Error())
		}
	}
	rules.said = nil
	return list, rules
}()

// set takes one value, strictly.
func (u *Rules) set(code string, value json.RawMessage) error {
	fresh := *u
	if preferences[code] {
		if fresh.said = maps.Clone(u.said); fresh.said == nil {
			fresh.said = map[string]json.RawMessage{}
		}
		fresh.said[code] = value
		all, err := json.Marshal(fresh.said)
		if err == nil {
			fresh.Who, err = allocate.Parse(all)
		}
		if err != nil {
			return fmt.Errorf("rule %s: %w", code, err)
		}
		*u = fresh
		return nil
	}
	one, err := json.Marshal(map[string]json.RawMessage{code: value})
	if err != nil {
		return fmt.Errorf("rule %s: %w", code, err)
	}
	switch code { // a map or list that is set replaces the old one, and never writes into what others share
	case "cleaningMinutes":
		fresh.Cleaning = nil
	case "shifts":
		fresh.Shifts = nil
	case "confirms":
		fresh.Confirms = nil
	case "holds":
		fresh.Holds = allocate.Holds{}
	}
	dec := json.NewDecoder(bytes.NewReader(one))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&fresh); err != nil {
		return fmt.Errorf("rule %s: %w", code, err)
	}
	if err := fresh.check(); err != nil {
		return fmt.Errorf("rule %s: %w", code, err)
	}
	*u = fresh
	return nil
}

func (u *Rules) check() error {
	for k, v := range u.Cleaning {
		if v < 0 || v > 24*60 {
			return fmt.Errorf("cleaning of %q: %d minutes", k, v)
		}
	}
	if len(u.Shifts) > 6 {
		return fmt.Errorf("%d shifts", len(u.Shifts))
	}
	for i, s := range u.Shifts {
		if s.Code == "" || s.Points <= 0 || s.Points > 1000 {
			return fmt.Errorf("shift %q", s.Code)
		}
		if _, err := minutes(s.From); err != nil {
			return err
		}
		if _, err := minutes(s.Until); err != nil {
			return err
		}
		if next := u.Shifts[(i+1)%len(u.Shifts)]; next.From != s.Until {
			return fmt.Errorf("shift %q ends at %s and the next begins at %s", s.Code, s.Until, next.From)
		}
	}
	if u.Morning.At != "" {
		if _, err := minutes(u.Morning.At); err != nil {
			return err
		}
	}
	if err := u.Holds.Check(); err != nil {
		return err
	}
	for _, n := range []int{u.Flags.Absence, u.Flags.Readmission, u.Directory.Days} {
		if n < 0 || n > 100_000 {
			return fmt.Errorf("%d is out of range", n)
		}
	}
	return nil
}

// minutes of the day of "HH:MM".
func minutes(at string) (int, error) {
	t, err := time.Parse("15:04", at)
	if err != nil {
		return 0, fmt.Errorf("%q is no time of day", at)
	}
	return t.Hour()*60 + t.Minute(), nil
}

// understood are the rules of an institution as they were after its last change.
type understood struct {
	version string
	rules   *Rules
}

// inForce is from when a row of beds_rule holds.
const inForce = "CASE WHEN starts = 0 THEN at ELSE starts END"

// RulesOf are the rules of an institution in force at the unit's time, shared: do not change them.
func (r *Room) RulesOf(ctx context.Context, tx *store.Tx, pool string) (*Rules, error) {
	type row struct{ code, value string }
	var rows []row
	version := ""
	err := tx.Query(ctx, "SELECT code, value, at FROM beds_rule WHERE pool = ? AND "+inForce+" <= ? ORDER BY "+inForce+", at, code", []any{pool, tx.Now().UnixMicro()}, func(scan func(...any) error) error {
		var x row
		var at int64
		err := scan(&x.code, &x.value, &at)
		rows, version = append(rows, x), fmt.Sprint(version, " ", at, x.code, len(x.value))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("beds: rules: %w", err)
	}
	if len(rows) == 0 {
		return shippedRules, nil
	}
	r.mu.Lock()
	kept := r.rules[pool]
	r.mu.Unlock()
	if kept.version == version && !tx.Writing() {
		return kept.rules, nil
	}
	u := *shippedRules
	for _, x := range rows {
		if err := u.set(x.code, json.RawMessage(x.value)); err != nil {
			r.Log.Warn("beds: a stored rule is not understood", "pool", pool, "error", err)
		}
	}
	if !tx.Writing() {
		r.mu.Lock()
		r.rules[pool] = understood{version, &u}
		r.mu.Unlock()
	}
	return &u, nil
}

// Rule is one of them as JSON, for who acts by it; nil when there is none of this code.
func (r *Room) Rule(ctx context.Context, tx *store.Tx, pool, code string) ([]byte, error) {
	u, err := r.RulesOf(ctx, tx, pool)
	if err != nil {
		return nil, err
	}
	switch code {
	case "holds":
		return json.Marshal(u.Holds)
	case "flags":
		return json.Marshal(u.Flags)
	}
	return nil, nil
}

// mostEdits bounds what is told of the past of an institution's rules.
const mostEdits = 1000

// RuleList lists the rules of an institution: what is in force, what is to be, and who changed what, when and why.
func (r *Room) RuleList(ctx context.Context, tx *store.Tx, pool string, by *access.Caller) ([]Rule, error) {
	list := slices.Clone(shipped)
	for i := range list {
		list[i].Mine = mayRule(by, pool, list[i].Code) == nil
	}
	now := tx.Now()
	err := tx.Query(ctx, "SELECT code, value, at, "+inForce+", account, name, reason FROM beds_rule WHERE pool = ? ORDER BY "+inForce+" DESC, at DESC LIMIT ?", []any{pool, mostEdits}, func(scan func(...any) error) error {
		var code, value string
		var e Edit
		var at, from int64
		if err := scan(&code, &value, &at, &from, &e.By, &e.Name, &e.Reason); err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(x Rule) bool { return x.Code == code })
		if i < 0 {
			return nil
		}
		x := &list[i]
		e.At, e.From, e.Value = stamp(time.UnixMicro(at).In(r.zone())), stamp(time.UnixMicro(from).In(r.zone())), json.RawMessage(value)
		if time.UnixMicro(from).After(now) {
			if n := len(x.Planned); n == 0 || x.Planned[0].From != e.From { // of two for one moment the later word holds
				x.Planned = slices.Insert(x.Planned, 0, e)
			}
			return nil
		}
		if x.History == nil {
			x.Default, x.Value, x.Own = x.Value, e.Value, true
		}
		x.History = append(x.History, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("beds: rules: %w", err)
	}
	return list, nil
}

// farthestRule is how far ahead a rule may be set.
const farthestRule = 400 * 24 * time.Hour

// SetRule changes a rule of the caller's institution from a moment on, zero = now; the old values stay as history.
func (r *Room) SetRule(ctx context.Context, tx *store.Tx, by *access.Caller, pool, code, reason string, value json.RawMessage, from time.Time) error {
	if err := mayRule(by, pool, code); err != nil {
		return err
	}
	if !slices.ContainsFunc(shipped, func(x Rule) bool { return x.Code == code }) {
		return fhir.Refuse(404, "not-found", "unknown-rule", "there is no rule "+code, "没有这条规则")
	}
	if strings.TrimSpace(reason) == "" || len(reason) > 500 {
		return fhir.Refuse(422, "required", "reason-required", "say why, in at most 500 bytes", "请填写修改原因")
	}
	if len(value) > 8<<10 {
		return fhir.Refuse(422, "too-long", "rule-too-long", "a rule has at most 8 KB", "规则内容过长")
	}
	starts := int64(0)
	switch now := tx.Now(); {
	case from.IsZero():
	case from.Before(now.Add(-time.Minute)):
		return fhir.Refuse(422, "business-rule", "rule-backdated", "a rule holds from now on, or from later; what was done under the old one stays", "规则只能从现在或以后生效，不能追溯")
	case from.After(now.Add(farthestRule)):
		return fhir.Refuse(422, "business-rule", "rule-too-far", "a rule is set at most 400 days ahead", "最多提前 400 天设定")
	default:
		starts = max(from.UnixMicro(), now.UnixMicro())
	}
	u, err := r.RulesOf(ctx, tx, pool)
	if err != nil {
		return err
	}
	trial := *u
	if err := trial.set(code, value); err != nil {
		return fhir.Refuse(422, "value", "bad-rule", err.Error(), "规则内容不符合要求："+err.Error())
	}
	var tight bytes.Buffer
	if err := json.Compact(&tight, value); err != nil {
		return fhir.Refuse(422, "value", "bad-rule", err.Error(), "规则内容不是有效的 JSON")
	}
	_, err = tx.Exec(ctx, `INSERT INTO beds_rule (pool, code, at, value, reason, account, starts, name) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (pool, code, at) DO UPDATE SET value = excluded.value, reason = excluded.reason, account = excluded.account, starts = excluded.starts, name = excluded.name`,
		pool, code, tx.Now().UnixMicro(), tight.String(), strings.TrimSpace(reason), by.User, starts, by.Name)
	if err != nil {
		return fmt.Errorf("beds: rule %s: %w", code, err)
	}
	return r.note(ctx, tx, "U", "bed-rule", pool+" "+code)
}

func (r *Room) note(ctx context.Context, tx *store.Tx, action, what, target string) error {
	if r.Audit == nil {
		return nil
	}
	return r.Audit.Write(ctx, tx, audit.Of(ctx, action, what, target))
}

// operating are the rules by which the day is run: the chief on duty, who heads the desk, sets them, too. Who may set a
// limit aside, what isolation asks for and the weights are for leaders and administrators alone.
var operating = []string{"holds", "night", "limits", "flags", "protected", "lends", "morning", "cleaningMinutes", "confirms", "shifts", "aheadHours"}

// mayRule refuses who does not set a rule of an institution.
func mayRule(by *access.Caller, pool, code string) error {
	if by != nil && by.Institution == pool && (by.Role == access.Leader || by.Role == access.Administrator || by.Role == "duty-chief" && slices.Contains(operating, code)) {
		return nil
	}
	return fhir.Refuse(403, "forbidden", "not-your-rules", "the rules of a pool are set by its leaders and administrators, those of the day by its chief on duty, too", "床位规则由本院领导或管理员设定，日常运行规则也可由总值班设定")
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// Binds says whether it is late enough in the day to give beds to those for whom capacity of it is reserved.
func (u *Rules) Binds(now time.Time) bool {
	at, _ := minutes(u.Morning.At)
	return now.Hour()*60+now.Minute() >= at
}

// ShiftAt is the shift at a time with its beginning and end.
func (u *Rules) ShiftAt(t time.Time) (s Shift, from, until time.Time) {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
	for _, d := range []int{0, -1} {
		for _, s := range u.Shifts {
			a, _ := minutes(s.From)
			b, _ := minutes(s.Until)
			if b <= a {
				b += 24 * 60
			}
			from, until = day.AddDate(0, 0, d).Add(time.Duration(a)*time.Minute), day.AddDate(0, 0, d).Add(time.Duration(b)*time.Minute)
			if !t.Before(from) && t.Before(until) {
				return s, from, until
			}
		}
	}
	return Shift{}, day, day.AddDate(0, 0, 1)
}
