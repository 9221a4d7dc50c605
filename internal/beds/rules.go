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
	Who *allocate.Rules `json:"-"` // gets which bed

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
	Source   string          `json:"source"`
	Verified bool            `json:"verified"`
	History  []Edit          `json:"history,omitempty"` // newest first; of this institution
}

// Edit is one change of a rule.
type Edit struct {
	At     string          `json:"at"`
	By     string          `json:"by"` // account
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
	rules = &Rules{Who: d}
	for code, x := range raw {
		x.Code = code
		list = append(list, x)
	}
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

// RulesOf are the rules of an institution in force, shared: do not change them.
func (r *Room) RulesOf(ctx context.Context, tx *store.Tx, pool string) (*Rules, error) {
	type row struct{ code, value string }
	var rows []row
	version := ""
	err := tx.Query(ctx, "SELECT code, value, at FROM beds_rule WHERE pool = ? ORDER BY at, code", []any{pool}, func(scan func(...any) error) error {
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

// RuleList lists the rules of an institution with what was changed, by whom and why.
func (r *Room) RuleList(ctx context.Context, tx *store.Tx, pool string) ([]Rule, error) {
	list := slices.Clone(shipped)
	err := tx.Query(ctx, "SELECT code, value, at, account, reason FROM beds_rule WHERE pool = ? ORDER BY at DESC LIMIT 1000", []any{pool}, func(scan func(...any) error) error {
		var code, value, by, reason string
		var at int64
		if err := scan(&code, &value, &at, &by, &reason); err != nil {
			return err
		}
		for i := range list {
			if list[i].Code == code {
				if list[i].History == nil {
					list[i].Value = json.RawMessage(value)
				}
				list[i].History = append(list[i].History, Edit{At: stamp(time.UnixMicro(at).In(r.zone())), By: by, Reason: reason, Value: json.RawMessage(value)})
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("beds: rules: %w", err)
	}
	return list, nil
}

// SetRule changes a rule of the caller's institution; the old values stay as history.
func (r *Room) SetRule(ctx context.Context, tx *store.Tx, by *access.Caller, pool, code, reason string, value json.RawMessage) error {
	if !mayLead(by) || by.Institution != pool {
		return fhir.Refuse(403, "forbidden", "not-your-rules", "the rules of a pool are set by its leaders and administrators", "床位规则由本院领导或管理员设定")
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
	_, err = tx.Exec(ctx, `INSERT INTO beds_rule (pool, code, at, value, reason, account) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (pool, code, at) DO UPDATE SET value = excluded.value, reason = excluded.reason, account = excluded.account`,
		pool, code, tx.Now().UnixMicro(), tight.String(), reason, by.User)
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

// mayLead says who sets rules: leaders and administrators of the institution.
func mayLead(by *access.Caller) bool {
	return by != nil && (by.Role == access.Leader || by.Role == access.Administrator)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
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
