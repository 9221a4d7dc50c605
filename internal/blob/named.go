package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/xinglin-health/xinglin/internal/keys"
)

// Keep stores what the program itself has made under a name such as "bulk/7/3", in place of what was there.
// Unlike files it is not found by its content, not backed up, and goes by Drop.
func (f *Files) Keep(ctx context.Context, name string, data []byte) error {
	if err := f.upload(ctx, name, bytes.NewReader(data)); err != nil {
		return fmt.Errorf("blob: keep: %w", err)
	}
	return nil
}

// Kept opens what Keep has stored; ErrNotFound.
func (f *Files) Kept(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := f.bucket.NewReader(ctx, name, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("blob: kept: %w", err)
	}
	plain, err := keys.NewReader(r, f.ring)
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("blob: kept: %w", err)
	}
	return content{plain, r}, nil
}

// Drop removes everything kept whose name begins so.
func (f *Files) Drop(ctx context.Context, prefix string) error {
	if prefix == "" {
		return errors.New("blob: drop without a name")
	}
	for list := f.bucket.List(&blob.ListOptions{Prefix: prefix}); ; {
		o, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = f.bucket.Delete(ctx, o.Key)
		}
		if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			return fmt.Errorf("blob: drop: %w", err)
		}
	}
}
