package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/xinglin-health/xinglin/internal/keys"
	"github.com/xinglin-health/xinglin/internal/store"
)

// masterFile is where the master key lies when nothing else is said.
const masterFile = "master.key"

// sealing is how the store seals; nil = not at all.
func (o Options) sealing() (*store.Sealing, error) {
	if o.Seal == "off" || o.Seal == "" && o.Memory {
		return nil, nil
	}
	s := &store.Sealing{Master: o.master}
	if o.Seal != "" {
		a, err := keys.Of(o.Seal)
		if err != nil {
			return nil, fmt.Errorf("server: --seal: %w", err)
		}
		s.Algorithm, s.Always = a, true
	}
	return s, nil
}

// OpenMaster opens a master key at an address.
func (o Options) OpenMaster(address string) (keys.Master, error) {
	a := keys.AES
	if o.Seal != "" && o.Seal != "off" {
		var err error
		if a, err = keys.Of(o.Seal); err != nil {
			return nil, err
		}
	}
	return keys.OpenMaster(address, a)
}

// master opens the master key that was named, or the one beside the data, which is made for a new database.
func (o Options) master(_ context.Context, fresh bool) (keys.Master, error) {
	if o.Master != "" {
		return o.OpenMaster(o.Master)
	}
	path := filepath.Join(o.Data, masterFile)
	if fresh {
		if err := keys.MakeFile(path); err != nil {
			return nil, err
		}
	}
	m, err := o.OpenMaster("file:" + path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("this database is sealed and its master key is not in %s: put it there, or name it with --master / 数据库已加密，缺少主密钥: %w", path, keys.ErrNoMaster)
	}
	return m, err
}

// checkSeal lets a restore know, before it begins, whether the master key at hand is the right one.
func (o Options) checkSeal(ctx context.Context, p *store.KeyProbe) error {
	if p == nil {
		return nil
	}
	m, err := o.master(ctx, false)
	if err != nil {
		return fmt.Errorf("the backup is sealed under the master key %s: %w", p.Master, err)
	}
	if _, err := m.Unwrap(ctx, p.Wrapped, p.About); err != nil {
		return fmt.Errorf("the backup is sealed under the master key %s, which is not the one named: %w", p.Master, err)
	}
	return nil
}

// tendKeys goes on with the key that it has when there is no new one to be had.
func (h *Hub) tendKeys(ctx context.Context) error {
	if err := h.Store.TendKeys(ctx); err != nil && ctx.Err() == nil {
		h.Log.Error("keys", "error", err)
	}
	return nil
}

// Reencrypt seals records and files under the newest data key.
func (h *Hub) Reencrypt(ctx context.Context, progress func(done, total int64)) error {
	if err := h.Store.Reencrypt(ctx, progress); err != nil {
		return err
	}
	return h.Files.Reseal(ctx)
}
