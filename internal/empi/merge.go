package empi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// mended is what Merge changed in the two Patients, for its undo.
type mended struct {
	Active   string `json:"active"`   // of the source before: true, false or ""
	Replaced bool   `json:"replaced"` // the source got the link replaced-by
	Replaces bool   `json:"replaces"` // the target got the link replaces
}

// Merge says that source, a record of one hospital, is replaced by target, another of the same: both Patients are written
// (active=false and link), and both are of one person.
func (x *Index) Merge(ctx context.Context, tx *store.Tx, source, target, reason string, by By) (Decision, error) {
	if err := tx.Lock(ctx, lock); err != nil {
		return Decision{}, err
	}
	if err := checked(reason, by); err != nil {
		return Decision{}, err
	}
	a, b, err := two(ctx, tx, source, target)
	if err != nil {
		return Decision{}, err
	}
	if a.org != b.org || a.org == "" {
		return Decision{}, refuse(http.StatusUnprocessableEntity, "business-rule", "two-hospitals", "records of two hospitals are linked, not merged", "两家医院的档案只能关联，不能合并")
	}
	for _, r := range []*row{a, b} {
		list, err := decisionsOf(ctx, tx, []string{r.patient}, true)
		if err != nil {
			return Decision{}, err
		}
		for _, d := range list {
			if d.What == Merged && d.Left == r.patient {
				return Decision{}, refuse(http.StatusConflict, "conflict", "merged-already", "one of the records has been replaced by another already", "其中一份档案已被合并到其他档案")
			}
		}
	}
	former, err := standing(ctx, tx, source, target)
	if err != nil {
		return Decision{}, err
	}
	if former != nil && !former.statement() {
		if former.What == Different {
			return Decision{}, refuse(http.StatusConflict, "conflict", "kept-apart", "somebody has said that these are two persons: take that back first", "已有人认定为不同的人，请先撤回该决定")
		}
		if err := back(ctx, tx, former.ID, by, reason); err != nil {
			return Decision{}, err
		}
	}
	from, into, err := patients(ctx, tx, source, target)
	if err != nil {
		return Decision{}, err
	}
	done := mended{Active: from.Str("active")}
	from.Set("active", false)
	done.Replaced, done.Replaces = relate(from, target, "replaced-by"), relate(into, source, "replaces")
	undo, err := json.Marshal(done)
	if err != nil {
		return Decision{}, fmt.Errorf("empi: merge: %w", err)
	}
	for _, n := range []*fhir.Node{from, into} {
		if err := write(ctx, tx, n); err != nil {
			return Decision{}, err
		}
	}
	d := Decision{Left: source, Right: target, What: Merged, Reason: reason, By: by, At: tx.Now(), undo: string(undo)}
	if err := say(ctx, tx, &d); err != nil {
		return Decision{}, err
	}
	if err := x.spoken(ctx, tx, "merged", &d, a, b); err != nil {
		return Decision{}, err
	}
	return d, x.anew(ctx, tx, cause{why: byPerson, by: by, decision: d.ID}, a, b)
}

// Unmerge restores both Patients as far as Merge changed them.
func (x *Index) Unmerge(ctx context.Context, tx *store.Tx, decision int64, reason string, by By) error {
	if err := tx.Lock(ctx, lock); err != nil {
		return err
	}
	d, err := inForce(ctx, tx, decision)
	if err != nil {
		return err
	}
	if d.What != Merged {
		return refuse(http.StatusConflict, "conflict", "not-merged", "that decision is no merge", "该决定不是合并")
	}
	return x.unmerge(ctx, tx, d, reason, by)
}

func (x *Index) unmerge(ctx context.Context, tx *store.Tx, d *Decision, reason string, by By) error {
	if d.statement() {
		return refuse(http.StatusConflict, "conflict", "stated", "the record itself says by which it is replaced: its hospital corrects the record", "该关联由档案本身声明，请由所属医院更正档案")
	}
	var done mended
	if err := json.Unmarshal([]byte(d.undo), &done); err != nil {
		return fmt.Errorf("empi: unmerge: %w", err)
	}
	for i, ref := range []string{d.Left, d.Right} {
		n, err := patient(ctx, tx, ref)
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrGone) {
			continue // deleted since: nothing to restore
		}
		if err != nil {
			return err
		}
		if i == 0 {
			switch {
			case n.Str("active") != "false" || done.Active == "false":
			case done.Active == "":
				n.Set("active", nil)
			default:
				n.Set("active", true)
			}
			if done.Replaced {
				unrelate(n, d.Right, "replaced-by")
			}
		} else if done.Replaces {
			unrelate(n, d.Left, "replaces")
		}
		if err := write(ctx, tx, n); err != nil {
			return err
		}
	}
	return x.takeBack(ctx, tx, d, "unmerged", reason, by)
}

func patients(ctx context.Context, tx *store.Tx, left, right string) (a, b *fhir.Node, err error) {
	if a, err = patient(ctx, tx, left); err == nil {
		b, err = patient(ctx, tx, right)
	}
	return a, b, err
}

func patient(ctx context.Context, tx *store.Tx, ref string) (*fhir.Node, error) {
	v, err := tx.Read(ctx, search.Everything, "Patient", ref[len("Patient/"):])
	if err != nil {
		return nil, err
	}
	return fhir.Parse(v.JSON)
}

func write(ctx context.Context, tx *store.Tx, n *fhir.Node) error {
	if _, err := tx.Put(ctx, store.Put{Op: store.Update, Type: "Patient", ID: n.ID(), Resource: store.Prepared{Node: n}}); err != nil {
		return fmt.Errorf("empi: Patient/%s: %w", n.ID(), err)
	}
	return nil
}

// relate adds a link; false = it is there already.
func relate(n *fhir.Node, other, typ string) bool {
	for _, l := range n.All("link") {
		if l.Str("other.reference") == other && l.Str("type") == typ {
			return false
		}
	}
	n.Add("link", fhir.Obj{"other", fhir.Ref(other, ""), "type", typ})
	return true
}

func unrelate(n *fhir.Node, other, typ string) {
	links := slices.Clone(n.All("link"))
	kept := fhir.Arr{}
	for _, l := range links {
		if l.Str("other.reference") != other || l.Str("type") != typ {
			kept = append(kept, l)
		}
	}
	if len(kept) == 0 {
		n.Set("link", nil)
		return
	}
	n.Set("link", kept)
}
