package empi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/empi/match"
	"github.com/xinglin-health/xinglin/internal/store"
)

// weights are a version of the model; 0 is the one that is shipped with this program. A hub keeps what it began with, so that a
// new program alone changes no link.
type weights struct {
	id int64
	m  *match.Model
}

// Version is one set of weights.
type Version struct {
	ID     int64 // 0 = as shipped
	Origin string
	At     time.Time
	By     By
	Active bool
}

// weights in force.
func (x *Index) weights(ctx context.Context, tx *store.Tx) (*weights, error) {
	var id int64
	err := tx.Query(ctx, `SELECT id FROM empi_model WHERE active = 1 ORDER BY id DESC LIMIT 1`, nil, func(scan func(...any) error) error { return scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("empi: weights: %w", err)
	}
	x.mu.RLock()
	w := x.model
	x.mu.RUnlock()
	if w != nil && w.id == id {
		return w, nil
	}
	w = &weights{id: id}
	if w.m, err = x.Model(ctx, tx, id); err != nil {
		return nil, err
	}
	x.mu.Lock()
	x.model = w
	x.mu.Unlock()
	return w, nil
}

// Model reads a version of the weights; 0 is the one that is shipped.
func (x *Index) Model(ctx context.Context, tx *store.Tx, id int64) (*match.Model, error) {
	if id == 0 {
		return match.Default(), nil
	}
	var kept []byte
	err := tx.Query(ctx, `SELECT json FROM empi_model WHERE id = ?`, []any{id}, func(scan func(...any) error) error {
		err := scan(&kept)
		kept = bytes.Clone(kept)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("empi: weights: %w", err)
	}
	if kept == nil {
		return nil, refuse(http.StatusNotFound, "not-found", "unknown-weights", "there is no such version of the weights", "没有这个版本的匹配权重")
	}
	text, err := tx.OpenText(ctx, string(kept), fmt.Sprint("empi/model/", id))
	if err != nil {
		return nil, fmt.Errorf("empi: weights %d: %w", id, err)
	}
	m, err := match.ReadModel(bytes.NewReader([]byte(text)))
	if err != nil {
		return nil, fmt.Errorf("empi: weights %d: %w", id, err)
	}
	return m, nil
}

// adopt makes the shipped weights the hub's own when it keeps its first record.
func (x *Index) adopt(ctx context.Context, tx *store.Tx) error {
	if x.adopted.Load() {
		return nil
	}
	have := false
	err := tx.Query(ctx, `SELECT 1 FROM empi_model LIMIT 1`, nil, func(func(...any) error) error { have = true; return nil })
	if err == nil && !have {
		var id int64
		if id, err = x.Keep(ctx, tx, match.Default(), "shipped", By{}); err == nil {
			_, err = tx.Exec(ctx, `UPDATE empi_model SET active = 1 WHERE id = ?`, id)
		}
	}
	if err == nil {
		tx.AfterCommit(func() { x.adopted.Store(true) })
	}
	return err
}

// Versions lists the weights that the hub has had, newest first, and last those that are shipped with this program.
func (x *Index) Versions(ctx context.Context, tx *store.Tx) (list []Version, err error) {
	shipped := Version{Active: true, Origin: "shipped with this program"}
	err = tx.Query(ctx, `SELECT id, origin, at, by_user, by_name, by_org, active FROM empi_model ORDER BY id DESC LIMIT 500`, nil, func(scan func(...any) error) error {
		var v Version
		var at, active int64
		err := scan(&v.ID, &v.Origin, &at, &v.By.User, &v.By.Name, &v.By.Org, &active)
		v.At, v.Active = moment(at), active != 0
		shipped.Active = shipped.Active && !v.Active
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("empi: weights: %w", err)
	}
	return append(list, shipped), nil
}

// Keep makes a set of weights a version of the hub's, which is not in force until Reweigh says so.
func (x *Index) Keep(ctx context.Context, tx *store.Tx, m *match.Model, origin string, by By) (id int64, err error) {
	if err := tx.Lock(ctx, lock); err != nil {
		return 0, err
	}
	var b bytes.Buffer
	if err := m.Write(&b); err != nil {
		return 0, fmt.Errorf("empi: weights: %w", err)
	}
	if _, err := match.ReadModel(bytes.NewReader(b.Bytes())); err != nil {
		return 0, refuse(http.StatusUnprocessableEntity, "invalid", "bad-weights", err.Error(), "匹配权重文件不合规："+err.Error())
	}
	if id, err = number(ctx, tx, "model"); err != nil {
		return 0, err
	}
	text := tx.SealText(b.String(), fmt.Sprint("empi/model/", id))
	_, err = tx.Exec(ctx, `INSERT INTO empi_model (id, json, origin, at, by_user, by_name, by_org, active) VALUES (?, ?, ?, ?, ?, ?, ?, 0)`,
		id, []byte(text), origin, micros(tx.Now()), by.User, by.Name, by.Org)
	if err != nil {
		return 0, fmt.Errorf("empi: weights: %w", err)
	}
	return id, nil
}

// Reweigh puts a version of the weights in force and has every record looked at again, in the background, after what is new;
// it goes on after a crash. What people said holds.
func (x *Index) Reweigh(ctx context.Context, tx *store.Tx, id int64, by By) error {
	if by.User == "" {
		return refuse(http.StatusForbidden, "forbidden", "nobody", "new weights need somebody who puts them in force", "启用新权重须由登录人员确认")
	}
	if err := tx.Lock(ctx, lock); err != nil {
		return err
	}
	m, err := x.Model(ctx, tx, id)
	if err != nil {
		return err
	}
	if id == 0 {
		if id, err = x.Keep(ctx, tx, m, "shipped", by); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `UPDATE empi_model SET active = CASE WHEN id = ? THEN 1 ELSE 0 END`, id); err != nil {
		return fmt.Errorf("empi: reweigh: %w", err)
	}
	if err := x.enter(ctx, tx, Entry{What: "weights", Source: Decided, By: by, Why: byWeights, Model: id}); err != nil {
		return err
	}
	if x.audit != nil {
		e := audit.Of(ctx, "U", "person:weights", fmt.Sprint("weights ", id))
		if e.User == "" {
			e.User, e.Name, e.Org = by.User, by.Name, by.Org
		}
		if err := x.audit.Write(ctx, tx, e); err != nil {
			return err
		}
	}
	if err := tx.SetSetting(ctx, sweeping, "0"); err != nil {
		return err
	}
	tx.AfterCommit(x.nudge)
	return nil
}

// formed is the setting that says in which form records and keys are kept.
const formed = "persons-form"

// form changes with the program's keys and with how records are kept: of a few made-up records.
func form() string {
	h := sha256.New()
	for _, r := range []match.Record{
		{ID: "Patient/1", Names: []match.Name{{Text: "欧阳 晓明"}, {Family: "Müller", Given: "Anna Maria"}}, Sex: "female", Birth: "1961-05-23", Numbers: []match.Number{{System: match.ResidentID, Value: "990313196105236840"}, {System: "urn:x", Value: "A-17"}},
			Phones: []string{"+86 151 2429 8289"}, Address: []match.Address{{Text: "和平里193号2314室", City: "江城市"}}},
		{ID: "Patient/2", Names: []match.Name{{Text: "孟某之女"}}, Birth: "2024-02", Mother: "resident-id|990313196105236840", Order: 2},
	} {
		keys := match.Keys(&r)
		slices.SortFunc(keys, func(a, b match.Key) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Hash, b.Hash)) })
		fmt.Fprint(h, keys, encode(&r))
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}

// reform reads everything again when the program keeps records or keys in another form than the one before.
func (x *Index) reform(ctx context.Context) error {
	now, stands := form(), ""
	err := x.store.View(ctx, func(tx *store.Tx) (err error) { stands, _, err = tx.Setting(ctx, formed); return err })
	if err != nil || stands == now {
		return err
	}
	return x.store.Update(ctx, func(tx *store.Tx) error {
		if stands != "" {
			x.o.Log.Info("persons: kept in another form than this program's: every Patient is read again")
			if err := x.Reindex(ctx, tx); err != nil {
				return err
			}
		}
		return tx.SetSetting(ctx, formed, now)
	})
}

// Reindex reads every Patient again, as after a change of what the index keeps of one. Links stay until they are decided anew.
func (x *Index) Reindex(ctx context.Context, tx *store.Tx) error {
	if err := tx.Lock(ctx, lock); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE empi_record SET vid = 0`); err != nil {
		return fmt.Errorf("empi: reindex: %w", err)
	}
	tx.AfterCommit(x.nudge)
	return tx.SetHorizon(ctx, horizon, 0)
}

func (x *Index) nudge() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Status is how the index stands.
type Status struct {
	Records, Persons, Linked int64 // Linked: records of persons with several
	Open                     int64 // pairs to look at
	Waiting                  int64 // records that are to be compared
	Behind                   bool  // Patients in the log that have not been read
	Swept                    int64 // records that a sweep under way has made due; -1 = none
	Weights                  Version
}

// Status reads it.
func (x *Index) Status(ctx context.Context, tx *store.Tx) (st Status, err error) {
	for query, n := range map[string]*int64{
		`SELECT count(*) FROM empi_record`:                                &st.Records,
		`SELECT count(DISTINCT person) FROM empi_record WHERE person > 0`: &st.Persons,
		`SELECT count(*) FROM empi_record WHERE person > 0`:               &st.Linked,
		`SELECT count(*) FROM empi_pair WHERE state = '` + Open + `'`:     &st.Open,
		`SELECT count(*) FROM empi_due`:                                   &st.Waiting,
	} {
		if err := tx.Query(ctx, query, nil, func(scan func(...any) error) error { return scan(n) }); err != nil {
			return st, fmt.Errorf("empi: status: %w", err)
		}
	}
	from, err := tx.Horizon(ctx, horizon)
	if err != nil {
		return st, err
	}
	if st.Behind, err = tx.Behind(ctx, "Patient", from); err != nil {
		return st, err
	}
	text, _, err := tx.Setting(ctx, sweeping)
	if err != nil {
		return st, err
	}
	if n, _ := fmt.Sscanf(text, "%d", &st.Swept); n != 1 {
		st.Swept = -1
	} else if err := tx.Query(ctx, `SELECT count(*) FROM empi_record WHERE rec <= ?`, []any{st.Swept}, func(scan func(...any) error) error { return scan(&st.Swept) }); err != nil {
		return st, err
	}
	list, err := x.Versions(ctx, tx)
	for _, v := range list {
		if v.Active {
			st.Weights = v
		}
	}
	return st, err
}

// mostLearned is how many records weights are estimated from.
const mostLearned = 1_000_000

// Estimate learns weights from the hub's own records, by EM and without labels, beginning with those in force. Nothing changes:
// they are the caller's to keep, to look at and to put in force.
func (x *Index) Estimate(ctx context.Context, limit int) (*match.Model, int, error) {
	if limit <= 0 || limit > mostLearned {
		limit = mostLearned
	}
	var w *weights
	var all []*match.Ready
	at := int64(0)
	for more := true; more && len(all) < limit; {
		err := x.store.View(ctx, func(tx *store.Tx) (err error) {
			if w, err = x.weights(ctx, tx); err != nil {
				return err
			}
			list, err := after(ctx, tx, at, 500)
			if err != nil {
				return err
			}
			more = len(list) == 500
			for _, r := range list {
				at = r.rec
				if err := x.unpack(ctx, tx, r); err != nil {
					return err
				}
				all = append(all, r.ready)
			}
			return nil
		})
		if err != nil {
			return nil, 0, fmt.Errorf("empi: estimate: %w", err)
		}
	}
	if len(all) < 1000 {
		return nil, len(all), refuse(http.StatusUnprocessableEntity, "business-rule", "too-few-records", "weights cannot be learned from fewer than 1,000 records", "少于 1000 份档案，无法估计匹配权重")
	}
	res, err := match.Batch{Model: w.m}.Run(ctx, all)
	if err != nil {
		return nil, 0, fmt.Errorf("empi: estimate: %w", err)
	}
	return res.Model, len(all), nil
}

// ReadWeights reads a model as `xinglin match --save-model` writes it.
func ReadWeights(r io.Reader) (*match.Model, error) {
	m, err := match.ReadModel(r)
	if err != nil {
		return nil, errors.Join(refuse(http.StatusUnprocessableEntity, "invalid", "bad-weights", err.Error(), "匹配权重文件不合规："+err.Error()), err)
	}
	return m, nil
}
