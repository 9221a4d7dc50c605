package transfer

import (
	"context"
	"fmt"
)

// Documents reads every JSON document below the given paths into memory, as they come; NDJSON is left out.
func Documents(ctx context.Context, paths []string) ([][]byte, error) {
	files, _, err := list(paths)
	if err != nil {
		return nil, err
	}
	var docs [][]byte
	for _, f := range files {
		var broken error
		err := read(ctx, f, func(int) {}, func(d document) error {
			if !d.Lines {
				docs = append(docs, d.Data)
			}
			return nil
		}, func(path string, err error) { broken = fmt.Errorf("%s: %w", path, err) })
		if err == nil {
			err = broken
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f, err)
		}
	}
	return docs, nil
}
