package identity

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/store"
)

// Options of New; zero values take the defaults said beside them.
type Options struct {
	Clock    clock.Clock    // business time: periods of roles
	Wall     clock.Clock    // machine time: sessions, tokens, lockout
	Cost     Cost           // DefaultCost
	Idle     time.Duration  // 30 min: a session unused for so long is over
	Absolute time.Duration  // 12 h: and after so long anyway
	Recheck  time.Duration  // 5 s: how long a process trusts what it has read about a session
	Secure   bool           // cookies only over TLS
	Proxies  []netip.Prefix // trusted proxies: X-Forwarded-For counts when they connect

	// Note writes the audit entry of a change to accounts or tokens in its transaction; target is
	// "User/…" or "Token/…". nil = none, for tests.
	Note func(ctx context.Context, tx *store.Tx, action, what, target string) error

	// App is whom an app's bearer token (AppPrefix) acts for, narrowed to what the token allows; nil, nil = not in force. nil = there are no apps.
	App func(ctx context.Context, token string) (*access.Caller, error)

	// Refuse answers an error; nil = a plain OperationOutcome.
	Refuse func(http.ResponseWriter, *http.Request, error)
}

// Service keeps accounts, sessions and tokens.
type Service struct {
	store   *store.Store
	tree    *access.Tree
	opts    Options
	hashing chan struct{} // so many password hashes at once: each takes Cost.Memory
	dummy   string        // hash that an unknown user's password is compared with

	users   *throttle
	remotes *throttle

	mu    sync.Mutex
	known map[[32]byte]*known // by hash of the cookie or bearer secret
}

// New makes the service; its tables come from Migrations.
func New(s *store.Store, tree *access.Tree, o Options) *Service {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Wall == nil {
		o.Wall = clock.System
	}
	if o.Cost == (Cost{}) {
		o.Cost = DefaultCost
	}
	if o.Idle == 0 {
		o.Idle = 30 * time.Minute
	}
	if o.Absolute == 0 {
		o.Absolute = 12 * time.Hour
	}
	if o.Recheck == 0 {
		o.Recheck = 5 * time.Second
	}
	return &Service{store: s, tree: tree, opts: o, dummy: o.Cost.hash(secret()),
		users: newThrottle(5, 15*time.Minute, o.Wall), remotes: newThrottle(60, time.Minute, o.Wall),
		hashing: make(chan struct{}, 4), known: map[[32]byte]*known{}}
}

// known is what a process remembers of a session or token for Recheck.
type known struct {
	read    time.Time
	user    User
	role    Role
	created time.Time
	used    time.Time // session: last use that the table knows
	token   *Token
}

func hashOf(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

func (s *Service) remember(h [32]byte, k *known) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) > 20_000 {
		clear(s.known)
	}
	s.known[h] = k
}

func (s *Service) recall(h [32]byte) *known {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.known[h]
	if k == nil || s.opts.Wall.Now().Sub(k.read) >= s.opts.Recheck {
		return nil
	}
	return k
}

// forget drops what is remembered of one user; "" = of everybody.
func (s *Service) forget(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h, k := range s.known {
		if user == "" || k.user.ID == user {
			delete(s.known, h)
		}
	}
}

func (s *Service) forgetOne(h [32]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, h)
}

func (s *Service) note(ctx context.Context, tx *store.Tx, action, what, user string) error {
	if s.opts.Note == nil {
		return nil
	}
	return s.opts.Note(ctx, tx, action, what, "User/"+user)
}
