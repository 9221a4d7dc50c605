package access_test

import (
	"context"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func TestWhatIsOpenedForAReasonIsCountedAndShuts(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		n := open(t, with)
		n.patient(n.as("township"), "p")
		n.observation(n.as("township"), "o", "p")
		n.put(n.as("township"), store.Update, "f", "", `{"resourceType":"Condition","code":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"F32.1"}]},"subject":{"reference":"Patient/p"}}`)
		ctx := context.Background()
		unit := func(do func(tx *store.Tx) error) {
			t.Helper()
			if err := n.store.Update(ctx, do); err != nil {
				t.Fatal(err)
			}
		}
		opened := access.Opened{ID: "1", Kind: access.BreakGlass, Person: "Practitioner/stranger", Patient: "Patient/p", Org: "Organization/stranger", Keeper: "Organization/county", Code: "emergency"}
		unit(func(tx *store.Tx) error {
			opened.At, opened.Until = tx.Now(), tx.Now().Add(24*time.Hour)
			return access.Open(ctx, tx, opened)
		})
		n.expect("whoever keeps it, for the person alone", "Observation/o", "county records, township, stranger")
		n.expect("not what is guarded", "Condition/f", "")
		unit(func(tx *store.Tx) error {
			opened.ID, opened.Opens = "2", []string{access.Psychiatry}
			return access.Open(ctx, tx, opened)
		})
		n.expect("unless asked for", "Condition/f", "stranger")
		unit(func(tx *store.Tx) error {
			if n, err := access.HowOften(ctx, tx, "Practitioner/stranger", access.BreakGlass, tx.Now().Add(-time.Hour)); err != nil || n != 2 {
				t.Errorf("counted: got %d, %v; want 2", n, err)
			}
			return access.Shut(ctx, tx, access.BreakGlass, "2")
		})
		n.expect("shut", "Condition/f", "")
		unit(func(tx *store.Tx) error {
			if there, err := tx.Withheld(ctx, n.as("township").Scope, "Patient/p"); err != nil || !there {
				t.Errorf("withheld from who sees the patient: got %v, %v; want so", there, err)
			}
			if there, err := tx.Withheld(ctx, n.as("other").Scope, "Patient/p"); err != nil || there {
				t.Errorf("told to a stranger: got %v, %v; want nothing", there, err)
			}
			return nil
		})
		n.clock.Turn(25 * time.Hour)
		n.expect("over", "Observation/o", "county records, township")
	})
}

func TestTheDataOfRolesIsWhole(t *testing.T) {
	if err := access.Check(); err != nil {
		t.Error(err)
	}
}
