package identity

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// limit slows down whoever fails: after free failures the key waits, first for first, each time twice as long up to longest.
// Keys are kept hashed, since people type passwords where the user name goes. The counters are rows: they survive a restart
// and hold for every process.
type limit struct {
	key            string
	free           int
	first, longest time.Duration
	shared         bool // among people: a success takes back its own try only
}

const forgotten = time.Hour // without a failure, the count begins anew

// limitsOf are the counters of one try. An account has one for each device that it knows, one for each network of devices that
// it does not know, and one for all those together. So nobody can lock a person out at the desk where he works: failures
// elsewhere, and on other machines of the same network, count in other places.
func (s *Service) limitsOf(account string, known bool, v Visit) []limit {
	a := s.rules.Attempts
	here := limit{key: "account " + account + " network " + network(v.Remote), free: a.Tries, first: minutes(a.LockMinutes), longest: minutes(a.LongestMinutes)}
	address := limit{key: "address " + v.Remote, free: a.Address, first: time.Second, longest: time.Minute, shared: true}
	if known {
		here.key = "account " + account + " device " + v.Device
		return []limit{here, address}
	}
	strangers := limit{key: "account " + account + " strangers", free: a.Strangers, first: minutes(a.LockMinutes), longest: minutes(a.LongestMinutes), shared: true}
	return []limit{here, strangers, address}
}

// own is the counter of something that only the holder of a session or a right password can try.
func (s *Service) own(what, user string) []limit {
	a := s.rules.Attempts
	return []limit{{key: what + " " + user, free: a.Tries, first: minutes(a.LockMinutes), longest: minutes(a.LongestMinutes)}}
}

// network is the part of an address that its neighbours share.
func network(remote string) string {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		return remote
	}
	addr = addr.Unmap()
	bits := 24
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return remote
	}
	return p.String()
}

// reserve counts a try as failed before it is looked at, so that many at once do not slip through; succeeded takes it back.
// Somebody who must wait gets *TooMany, and nothing is counted.
func (s *Service) reserve(ctx context.Context, limits []limit) error {
	now := s.opts.Wall.Now()
	var wait time.Duration
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		wait = 0
		counts := make([]int64, len(limits))
		for i, l := range limits {
			err := tx.Query(ctx, `SELECT count, last, until_at FROM identity_attempt WHERE key = ?`, []any{l.hash()}, func(scan func(...any) error) error {
				var last, until int64
				if err := scan(&counts[i], &last, &until); err != nil {
					return err
				}
				wait = max(wait, moment(until).Sub(now))
				if now.Sub(moment(last)) > max(forgotten, l.longest) {
					counts[i] = 0
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		if wait > 0 {
			return nil
		}
		for i, l := range limits {
			count := counts[i] + 1
			var until int64
			if over := count - int64(l.free); over >= 0 {
				lock := l.longest
				if over < 12 {
					lock = min(lock, l.first<<over)
				}
				until = micros(now.Add(lock))
			}
			_, err := tx.Exec(ctx, `INSERT INTO identity_attempt (key, count, last, until_at) VALUES (?, ?, ?, ?)
				ON CONFLICT (key) DO UPDATE SET count = excluded.count, last = excluded.last, until_at = excluded.until_at`, l.hash(), count, micros(now), until)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("identity: attempts: %w", err)
	}
	if wait > 0 {
		return tooMany(wait)
	}
	return nil
}

func (l limit) hash() []byte {
	h := sha256.Sum256([]byte(l.key))
	return h[:]
}

// succeeded takes back what reserve has counted.
func (s *Service) succeeded(ctx context.Context, limits []limit) error {
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		for _, l := range limits {
			text := `DELETE FROM identity_attempt WHERE key = ?`
			if l.shared {
				text = `UPDATE identity_attempt SET count = count - 1, until_at = CASE WHEN count <= ` + fmt.Sprint(l.free) + ` THEN 0 ELSE until_at END WHERE key = ?`
			}
			if _, err := tx.Exec(ctx, text, l.hash()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("identity: attempts: %w", err)
	}
	return nil
}

func tooMany(wait time.Duration) *TooMany {
	return &TooMany{After: wait, Refusal: fhir.Refuse(429, "throttled", "too-many-attempts",
		fmt.Sprintf("too many attempts; try again in %d seconds", seconds(wait)), fmt.Sprintf("尝试次数过多，请在 %d 秒后再试", seconds(wait)))}
}
