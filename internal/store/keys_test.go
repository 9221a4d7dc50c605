package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/keys"
	"github.com/xinglin-health/xinglin/internal/store"
)

// vault is a place for master keys that can be away.
type vault struct {
	inside keys.Master
	away   bool
}

func newVault(t *testing.T) *vault {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master.key")
	if err := keys.MakeFile(path); err != nil {
		t.Fatal(err)
	}
	m, err := keys.OpenMaster("file:"+path, keys.AES)
	if err != nil {
		t.Fatal(err)
	}
	return &vault{inside: m}
}

func (v *vault) Name(ctx context.Context) (string, error) {
	if v.away {
		return "", keys.ErrNoMaster
	}
	return v.inside.Name(ctx)
}

func (v *vault) Wrap(ctx context.Context, key, about []byte) ([]byte, error) {
	if v.away {
		return nil, keys.ErrNoMaster
	}
	return v.inside.Wrap(ctx, key, about)
}

func (v *vault) Unwrap(ctx context.Context, wrapped, about []byte) ([]byte, error) {
	if v.away {
		return nil, keys.ErrNoMaster
	}
	return v.inside.Unwrap(ctx, wrapped, about)
}

func (v *vault) sealing(a keys.Algorithm) *store.Sealing {
	return &store.Sealing{Algorithm: a, Master: func(context.Context, bool) (keys.Master, error) { return v, nil }}
}

const secret = "绝不明文保存绝不明文保存"

func putSecret(t *testing.T, s *store.Store, id string) {
	t.Helper()
	p, err := s.Prepare(fhir.New("Patient", "id", id, "identifier", fhir.Arr{fhir.Obj{"system", "urn:id", "value", "990101199001010011"}},
		"text", fhir.Obj{"status", "generated", "div", "<div>" + secret + "</div>"}))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Put(t.Context(), store.Put{Op: store.Update, Type: "Patient", ID: id, Resource: p})
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func getSecret(t *testing.T, s *store.Store, id string) error {
	t.Helper()
	return s.View(t.Context(), func(tx *store.Tx) error {
		v, err := tx.Read(t.Context(), search.Everything, "Patient", id)
		if err == nil && !strings.Contains(string(v.JSON), secret) {
			return fmt.Errorf("got %s", v.JSON)
		}
		return err
	})
}

func findSecret(t *testing.T, s *store.Store) int {
	t.Helper()
	q, err := search.Parse("Patient", []search.Param{{Name: "identifier", Value: "urn:id|990101199001010011"}}, search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	q.Scope = search.Everything
	n := 0
	if err := s.View(t.Context(), func(tx *store.Tx) error {
		page, err := tx.Search(t.Context(), q.Query)
		n = len(page.Matches)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestASealedDatabaseOpensByItsMasterKeyOnly(t *testing.T) {
	ctx := context.Background()
	for _, a := range []keys.Algorithm{keys.AES, keys.SM4} {
		t.Run(string(a), func(t *testing.T) {
			dir := t.TempDir()
			v := newVault(t)
			s, err := store.Open(ctx, "file:"+dir, store.Options{Sealing: v.sealing(a)})
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := s.Sealed(); !ok || got != a {
				t.Errorf("got %s, %v; want %s", got, ok, a)
			}
			putSecret(t, s, "p")
			if err := getSecret(t, s, "p"); err != nil {
				t.Error(err)
			}
			if err := s.Update(ctx, func(tx *store.Tx) error { return tx.Remember(ctx, "c", "990101199001010011", "h", []byte(secret)) }); err != nil {
				t.Fatal(err)
			}
			s.Close()
			if _, err := os.Stat(filepath.Join(dir, "hub.key")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("hub.key lies beside the database: %v", err)
			}
			for _, name := range []string{"xinglin.db", "xinglin.db-wal"} {
				file, _ := os.ReadFile(filepath.Join(dir, name))
				for _, plain := range []string{"绝不明文", "990101199001010011"} {
					if bytes.Contains(file, []byte(plain)) {
						t.Errorf("%s holds %s", name, plain)
					}
				}
			}
			if _, err := store.Open(ctx, "file:"+dir, store.Options{}); !errors.Is(err, store.ErrSealed) {
				t.Errorf("without a master key: got %v; want ErrSealed", err)
			}
			if _, err := store.Open(ctx, "file:"+dir, store.Options{Sealing: newVault(t).sealing(a)}); !errors.Is(err, keys.ErrNoMaster) || !strings.Contains(err.Error(), "wrapped by the master key") {
				t.Errorf("another master key: got %v; want a refusal that names both", err)
			}
			v.away = true
			if _, err := store.Open(ctx, "file:"+dir, store.Options{Sealing: v.sealing(a)}); !errors.Is(err, keys.ErrNoMaster) {
				t.Errorf("the vault is away: got %v; want ErrNoMaster", err)
			}
			v.away = false
			if s, err = store.Open(ctx, "file:"+dir, store.Options{Sealing: v.sealing("")}); err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := getSecret(t, s, "p"); err != nil {
				t.Error(err)
			}
			if n := findSecret(t, s); n != 1 {
				t.Errorf("found %d by number; want 1", n)
			}
			if err := s.View(ctx, func(tx *store.Tx) error {
				hash, answer, ok, err := tx.Recall(ctx, "c", "990101199001010011")
				if !ok || hash != "h" || string(answer) != secret {
					t.Errorf("recalled %q %q %v", hash, answer, ok)
				}
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestKeysRotateWithTimeAndTheOldOnesStillRead(t *testing.T) {
	ctx := context.Background()
	turned := clock.At(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC))
	v := newVault(t)
	sealing := v.sealing(keys.AES)
	dir := "file:" + t.TempDir()
	s, err := store.Open(ctx, dir, store.Options{Clock: turned, Sealing: sealing})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	dataKeys := func() (all []store.KeyInfo) {
		t.Helper()
		list, err := s.Keys(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range list {
			if k.Purpose == "data" {
				all = append(all, k)
			}
		}
		return all
	}
	putSecret(t, s, "a")
	if err := s.TendKeys(ctx); err != nil {
		t.Fatal(err)
	}
	if got := dataKeys(); len(got) != 1 || got[0].Bodies != 1 || got[0].Bytes == 0 {
		t.Fatalf("got %+v; want one key with one body", got)
	}
	turned.Turn(91 * 24 * time.Hour)
	v.away = true
	if err := s.TendKeys(ctx); !errors.Is(err, keys.ErrNoMaster) {
		t.Errorf("the vault is away: got %v; want ErrNoMaster", err)
	}
	putSecret(t, s, "b") // goes on under the old key
	v.away = false
	if err := s.TendKeys(ctx); err != nil {
		t.Fatal(err)
	}
	putSecret(t, s, "c")
	if got := dataKeys(); len(got) != 2 || got[0].Retired == nil || got[0].Bodies != 2 || got[1].Bodies != 1 {
		t.Fatalf("got %+v; want the old key retired with two bodies, and a new one with one", got)
	}
	if err := s.Update(ctx, func(tx *store.Tx) error { // as if much had been sealed
		_, err := tx.Exec(ctx, "UPDATE data_key SET bytes = ? WHERE retired = 0 AND purpose = 'data'", int64(65<<30))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.TendKeys(ctx); err != nil || len(dataKeys()) != 3 {
		t.Errorf("after 65 GB: got %d keys, %v; want 3", len(dataKeys()), err)
	}
	for _, id := range []string{"a", "b", "c"} {
		if err := getSecret(t, s, id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}

	// what another program seals under a key that this one has not seen is read
	other, err := store.Open(ctx, dir, store.Options{Clock: turned, Sealing: sealing})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.RotateKey(ctx); err != nil {
		t.Fatal(err)
	}
	putSecret(t, other, "d")
	other.Close()
	if err := getSecret(t, s, "d"); err != nil {
		t.Errorf("under another program's key: %v", err)
	}

	// another master key: only the wrapping changes
	second := newVault(t)
	running, err := store.Open(ctx, dir, store.Options{Clock: turned, Sealing: sealing})
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	if err := s.Rewrap(ctx, second); err != nil {
		t.Fatal(err)
	}
	if err := running.RotateKey(ctx); !errors.Is(err, keys.ErrNoMaster) {
		t.Errorf("a hub that still has the former master key makes a key: got %v; want it refused", err)
	}
	putSecret(t, running, "e")
	s.Close()
	if _, err := store.Open(ctx, dir, store.Options{Clock: turned, Sealing: sealing}); !errors.Is(err, keys.ErrNoMaster) {
		t.Errorf("the former master key: got %v; want ErrNoMaster", err)
	}
	if s, err = store.Open(ctx, dir, store.Options{Clock: turned, Sealing: second.sealing("")}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		if err := getSecret(t, s, id); err != nil {
			t.Errorf("%s after rewrap: %v", id, err)
		}
	}
}

func TestReencryptGoesOnWhereItWasLeft(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s, err := store.Open(ctx, "file:"+dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const n = 700
	for i := range n {
		putSecret(t, s, fmt.Sprint("p", i))
	}
	s.Close()
	v := newVault(t)
	if s, err = store.Open(ctx, "file:"+dir, store.Options{Sealing: v.sealing("")}); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Sealed(); ok {
		t.Error("a database with records was sealed without being asked")
	}
	s.Close()
	sealing := v.sealing(keys.SM4)
	sealing.Always = true
	if s, err = store.Open(ctx, "file:"+dir, store.Options{Sealing: sealing}); err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	if _, err := os.Stat(filepath.Join(dir, "hub.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("hub.key still lies beside the database: %v", err)
	}
	if got := findSecret(t, s); got == 0 {
		t.Error("the key of identifiers was lost")
	}
	if plain, err := s.Unsealed(ctx); err != nil || plain != n {
		t.Errorf("got %d in plain, %v; want %d", plain, err, n)
	}
	stopped, stop := context.WithCancel(ctx)
	if err := s.Reencrypt(stopped, func(done, total int64) { stop() }); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v; want it stopped", err)
	}
	if plain, _ := s.Unsealed(ctx); plain == 0 || plain == n {
		t.Fatalf("got %d in plain after one batch of %d", plain, n)
	}
	if err := getSecret(t, s, "p699"); err != nil {
		t.Errorf("half way: %v", err)
	}
	var first int64
	if err := s.Reencrypt(ctx, func(done, total int64) {
		if first == 0 {
			first = done
		}
	}); err != nil {
		t.Fatal(err)
	}
	if plain, _ := s.Unsealed(ctx); plain != 0 || first >= n {
		t.Errorf("got %d in plain, first step %d; want none", plain, first)
	}
	for i := range n {
		if err := getSecret(t, s, fmt.Sprint("p", i)); err != nil {
			t.Fatal(err)
		}
	}
	// and again under a new key
	if err := s.RotateKey(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Reencrypt(ctx, nil); err != nil {
		t.Fatal(err)
	}
	list, err := s.Keys(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range list {
		if k.Purpose == "data" && k.Retired != nil && k.Bodies > 0 {
			t.Errorf("key %d still has %d bodies", k.ID, k.Bodies)
		}
	}
}
