package identity

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
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
	Clock   clock.Clock    // business time: periods of roles
	Wall    clock.Clock    // machine time: sessions, tokens, lockout
	Cost    Cost           // DefaultCost
	Rules   *Rules         // nil = UsualRules
	Lenient bool           // no second factor is asked and passwords do not age: made-up regions and tests
	Recheck time.Duration  // 5 s: how long a process trusts what it has read about a session
	Secure  bool           // cookies only over TLS
	Proxies []netip.Prefix // trusted proxies: X-Forwarded-For counts when they connect
	Origin  string         // https://hub.example as people reach it, for passkeys and hospital logins; "" = as each request says
	Zone    *time.Location // of dates in the register; nil = the store's
	Issuers []Issuer       // hospitals' own logins

	// Teams names the care teams of a practitioner now; nil = none.
	Teams func(ctx context.Context, tx *store.Tx, practitioner string, now time.Time) ([]string, error)
	// MayAppoint says whether the caller may give a role at an organisation; nil = the tree alone decides.
	MayAppoint func(c *access.Caller, role access.Role, org string) error

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

	rules   Rules
	seals   cipher.AEAD // what the tables hold of secrets that must be read again
	issuers []*issuer

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
	if o.Rules == nil {
		usual := UsualRules()
		o.Rules = &usual
	}
	if o.Recheck == 0 {
		o.Recheck = 5 * time.Second
	}
	if o.Zone == nil {
		o.Zone = s.Zone()
	}
	v := &Service{store: s, tree: tree, opts: o, rules: *o.Rules, dummy: o.Cost.hash(secret()), seals: sealer(s.Secret("identity/factor")),
		hashing: make(chan struct{}, 4), known: map[[32]byte]*known{}}
	for _, i := range o.Issuers {
		v.issuers = append(v.issuers, newIssuer(i, o.Wall))
	}
	return v
}

// Rules are those in force.
func (s *Service) Rules() Rules { return s.rules }

// Lenient says whether second factors are not asked for here.
func (s *Service) Lenient() bool { return s.opts.Lenient }

// sealer hides secrets in the tables under a key of the hub.
func sealer(key []byte) cipher.AEAD {
	sum := sha256.Sum256(key)
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// seal hides a secret that belongs to one row.
func (s *Service) seal(plain []byte, row string) []byte {
	nonce := make([]byte, s.seals.NonceSize())
	rand.Read(nonce)
	return s.seals.Seal(nonce, nonce, plain, []byte(row))
}

func (s *Service) open(box []byte, row string) ([]byte, error) {
	n := s.seals.NonceSize()
	if len(box) < n {
		return nil, errors.New("identity: a sealed secret is cut off")
	}
	plain, err := s.seals.Open(nil, box[:n], box[n:], []byte(row))
	if err != nil {
		return nil, fmt.Errorf("identity: a sealed secret does not open with this hub's key: %w", err)
	}
	return plain, nil
}

// known is what a process remembers of a session or token for Recheck.
type known struct {
	read    time.Time
	user    User
	role    Role
	created time.Time
	used    time.Time // session: last use that the table knows
	proved  time.Time
	strong  bool
	how     string
	aged    bool // the password is older than the rules allow
	enrol   bool // a second factor is needed, and there is none
	factors bool // a second factor is there
	teams   []string
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

// noteSelf is note for what somebody does who is not logged in yet: he stands in it himself, with where he belongs.
func (s *Service) noteSelf(ctx context.Context, tx *store.Tx, action, what, user, remote string) error {
	if s.opts.Note == nil {
		return nil
	}
	if access.From(ctx) == nil {
		u, _, err := s.find(ctx, tx, "id", user)
		if err != nil {
			return err
		}
		c := &access.Caller{User: u.ID, Name: u.Name, Remote: remote}
		if r, ok := u.inForce("", s.opts.Clock.Now()); ok {
			c.Role, c.Org = r.Role, r.Org
		}
		ctx = access.With(ctx, c)
	}
	return s.note(ctx, tx, action, what, user)
}

func (s *Service) note(ctx context.Context, tx *store.Tx, action, what, user string) error {
	if s.opts.Note == nil {
		return nil
	}
	return s.opts.Note(ctx, tx, action, what, "User/"+user)
}

// Now is the business time by which roles begin and end.
func (s *Service) Now() time.Time { return s.opts.Clock.Now() }
