package store

import "context"

// Lag tells how far each consumer of the log is behind its end, in versions. On PostgreSQL numbers that
// were drawn and not used count too.
func (s *Store) Lag(ctx context.Context) (map[string]int64, error) {
	lag := map[string]int64{}
	err := s.View(ctx, func(tx *Tx) error {
		var last int64
		if _, err := tx.one(ctx, "SELECT coalesce(max(seq), 0) FROM version", nil, &last); err != nil {
			return err
		}
		clear(lag)
		return tx.Query(ctx, "SELECT name, seq FROM horizon", nil, func(scan func(...any) error) error {
			var name string
			var seq int64
			err := scan(&name, &seq)
			lag[name] = max(0, last-seq)
			return err
		})
	})
	return lag, err
}
