package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/region"
)

// DemoAccount is a login of the made-up region.
type DemoAccount struct {
	Username string `json:"username"`
	Password string `json:"password"`
	What     string `json:"what"`
	English  string `json:"english"`
	Name     string `json:"name"`
	At       string `json:"at"`
}

// demoFile stands in the data folder of a made-up region that is whole.
const demoFile = "demo.json"

// MakeDemo makes the region unless it is there, and returns its accounts. It is made beside its place and
// moved there when it is whole, so that a start that was cut off begins anew.
func MakeDemo(ctx context.Context, o Options, seed uint64, size region.Size, progress func(stage string, done, total int)) ([]DemoAccount, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if accounts, err := demoAccounts(o.Data); err == nil {
		return accounts, nil
	}
	if o.SQLite() {
		if _, err := os.Stat(o.Database()); err == nil {
			return nil, fmt.Errorf("server: %s holds data that is no demo; name another folder", o.Data)
		}
	}
	if o.Listen != "" { // known before the minutes of making
		l, err := listen(o.Listen)
		if err != nil {
			return nil, err
		}
		l.Close()
	}
	target := o.Data
	if o.SQLite() {
		o.Data = target + ".making"
		if err := os.RemoveAll(o.Data); err != nil {
			return nil, fmt.Errorf("server: demo: %w", err)
		}
	}
	made := region.New(seed, size, o.Clock.Now())
	turned := clock.At(made.Begins())
	o.Clock = turned
	h, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if len(h.Tree.All("")) > 0 {
		return nil, errors.Join(fmt.Errorf("server: %s holds data already, perhaps of a demo that was cut off; a demo needs an empty database", h.Database()), h.Close())
	}
	err = made.Make(ctx, region.Hub{Store: h.Store, Tree: h.Tree, Accounts: h.Identity, Runner: h.Runner, Clock: turned, Bookings: h.Bookings, Beds: h.Beds}, progress)
	if err == nil {
		err = h.markMadeUp(ctx)
	}
	if err := errors.Join(err, h.Close()); err != nil {
		return nil, err
	}
	var accounts []DemoAccount
	for _, a := range made.Accounts {
		accounts = append(accounts, DemoAccount{a.Username, region.DemoPassword, a.What, a.English, a.Person.Name, a.Person.At.Name})
	}
	text, err := json.MarshalIndent(accounts, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("server: demo: %w", err)
	}
	if err := os.WriteFile(filepath.Join(o.Data, demoFile), text, 0o600); err != nil {
		return nil, fmt.Errorf("server: demo: %w", err)
	}
	if o.Data == target {
		return accounts, nil
	}
	return accounts, moveIn(o.Data, target)
}

func demoAccounts(dir string) (accounts []DemoAccount, err error) {
	text, err := os.ReadFile(filepath.Join(dir, demoFile))
	if err != nil {
		return nil, err
	}
	return accounts, json.Unmarshal(text, &accounts)
}

// moveIn moves what was made to its place, the sign that it is whole last.
func moveIn(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("server: demo: %w", err)
	}
	for _, sign := range []bool{false, true} {
		for _, e := range entries {
			if (e.Name() == demoFile) != sign {
				continue
			}
			if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
				return fmt.Errorf("server: demo: %w", err)
			}
		}
	}
	return os.Remove(from)
}
