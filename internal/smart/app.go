package smart

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v3"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// The kinds of apps: how one proves that it is itself.
const (
	Public = "public" // in a browser or on a phone: it cannot keep a secret
	Secret = "secret" // a server with a secret of ours (client_secret_basic)
	Key    = "key"    // a server with a key of its own (private_key_jwt)
)

// App is one registered app.
type App struct {
	ID          string
	Name        string
	Kind        string
	JWKS        string   // public keys of Kind Key, by value
	JWKSURL     string   // or by address
	Redirects   []string // exact
	Launch      string   // where it is launched from our page; "" = it is not
	Scopes      []string // all that it may ever have
	Org         string   // whose app it is: its people only; of system/ scopes the custodian; "" = the hub's, everybody's
	Introspects bool     // may ask about tokens of other apps: a resource server
	Disabled    bool
	Created     time.Time
	MadeBy      string // account that last said what it may and which keys it has; "" = the operator

	secret []byte
}

// System says whether it acts by its own right (Backend Services).
func (a App) System() bool { return a.Kind == Key && has(a.Scopes, "system") }

// Interactive says whether it acts for people.
func (a App) Interactive() bool { return len(a.Redirects) > 0 }

func bad(detail, en, zh string) error { return fhir.Refuse(422, "value", detail, en, zh) }

// check refuses an app that could not be let in safely.
func (a *App) check(f *fetcher) error {
	a.Name = strings.TrimSpace(a.Name)
	if a.Name == "" || len([]rune(a.Name)) > 60 || strings.ContainsFunc(a.Name, func(r rune) bool {
		return r < ' ' || r == 0x7f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	}) {
		return bad("bad-name", "an app needs a name of at most 60 letters", "请填写应用名称，最多 60 字")
	}
	if !slices.Contains([]string{Public, Secret, Key}, a.Kind) {
		return bad("bad-kind", "an app is public, secret or key", "应用类型须为 public、secret 或 key")
	}
	if len(a.Redirects) > 10 || len(a.Scopes) > 100 || len(a.Scopes) == 0 {
		return bad("too-many", "at most 10 addresses and 1 to 100 scopes", "最多 10 个回调地址、1 至 100 项权限")
	}
	for _, r := range a.Redirects {
		if err := checkAddress(r, true); err != nil {
			return err
		}
	}
	if a.Launch != "" {
		if err := checkAddress(a.Launch, false); err != nil {
			return err
		}
	}
	personal := false
	for _, sc := range a.Scopes {
		if !known(sc) {
			return bad("bad-scope", "not a scope that this hub enforces: "+sc, "不支持的权限范围："+sc)
		}
		personal = personal || !strings.HasPrefix(sc, "system/")
	}
	switch {
	case personal && len(a.Redirects) == 0:
		return bad("redirect-needed", "scopes of people need an address to come back to", "面向用户的权限须登记回调地址")
	case has(a.Scopes, "system") && a.Kind != Key:
		return bad("key-needed", "system/ scopes need a key of the app's own", "system/ 权限须以应用自己的密钥证明身份")
	case a.Launch != "" && !slices.Contains(a.Scopes, "launch"):
		return bad("launch-scope-needed", "an app that our page launches needs the scope launch", "从本系统启动的应用须登记 launch 权限")
	case a.Kind == Key && (a.JWKS == "") == (a.JWKSURL == ""):
		return bad("keys-needed", "register its public keys, by value or by address", "请登记应用的公钥（JWKS 内容或地址，二选一）")
	case a.Kind != Key && (a.JWKS != "" || a.JWKSURL != ""):
		return bad("keys-unused", "only an app of kind key has keys", "只有 key 类型的应用需要公钥")
	}
	if a.JWKS != "" {
		set, err := readKeys([]byte(a.JWKS))
		if err != nil {
			return err
		}
		plain, _ := json.Marshal(set) // only what we understood
		a.JWKS = string(plain)
	}
	if a.JWKSURL != "" {
		return f.check(a.JWKSURL)
	}
	return nil
}

// checkAddress takes https, http on this machine, and for redirects the own schemes of installed apps (RFC 8252).
func checkAddress(address string, back bool) error {
	u, err := url.Parse(address)
	if err != nil || len(address) > 500 || u.Fragment != "" || strings.Contains(address, "#") || u.User != nil || u.String() != address || strings.Contains(address, "*") {
		return bad("bad-address", "not an address that can be compared exactly: "+address, "地址写法不正确："+address)
	}
	ip := net.ParseIP(u.Hostname())
	switch {
	case u.Scheme == "https" && u.Host != "":
	case u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()):
	case back && strings.Contains(u.Scheme, "."): // com.example.app:/callback
	default:
		return bad("https-needed", "the address must be https: "+address, "地址须为 https："+address)
	}
	return nil
}

// readKeys takes public keys that are fit for RS384 and ES384, with an id each.
func readKeys(text []byte) (*jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) == 0 || len(set.Keys) > 20 {
		return nil, bad("bad-keys", "not a JSON Web Key Set", "公钥须为 JSON Web Key Set")
	}
	for _, k := range set.Keys {
		fit := k.KeyID != "" && len(k.KeyID) <= 200 && k.IsPublic() && (k.Use == "" || k.Use == "sig")
		switch key := k.Key.(type) {
		case *rsa.PublicKey:
			fit = fit && key.N.BitLen() >= 2048 && key.N.BitLen() <= 8192 && (k.Algorithm == "" || k.Algorithm == "RS384")
		case *ecdsa.PublicKey:
			fit = fit && key.Curve == elliptic.P384() && (k.Algorithm == "" || k.Algorithm == "ES384")
		default:
			fit = false
		}
		if !fit {
			return nil, bad("bad-keys", "a key is public, has a kid and is RSA from 2048 bits (RS384) or P-384 (ES384)", "每个公钥须有 kid，且为 2048 位以上 RSA（RS384）或 P-384（ES384），不得含私钥")
		}
	}
	return &set, nil
}

// Add registers an app and returns its secret, "" when it has none. The secret is told only once.
func (s *Service) Add(ctx context.Context, a App) (App, string, error) {
	if err := a.check(s.fetch); err != nil {
		return a, "", err
	}
	a.ID, a.Created, a.Disabled, a.MadeBy = "app-"+secret("")[:16], s.Wall.Now(), false, ""
	if c := access.From(ctx); c != nil { // who runs the system reads no records, and gives himself no program that does
		a.MadeBy, a.Disabled = c.User, a.System()
	}
	told := ""
	a.secret = []byte{}
	if a.Kind == Secret {
		told = secret("xs_")
		h := hashOf(told)
		a.secret = h[:]
	}
	err := s.Store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO smart_app (id, name, kind, secret, jwks, jwks_url, redirects, launch, scopes, org, introspects, disabled, created, made_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			a.ID, a.Name, a.Kind, a.secret, a.JWKS, a.JWKSURL, strings.Join(a.Redirects, "\n"), a.Launch, strings.Join(a.Scopes, " "), a.Org, flag(a.Introspects), flag(a.Disabled), micros(a.Created), a.MadeBy)
		if err == nil {
			err = s.note(ctx, tx, "C", "app-create", "App/"+a.ID)
		}
		return err
	})
	s.forget()
	if err != nil {
		return a, "", fmt.Errorf("smart: add app: %w", err)
	}
	return a, told, nil
}

var secondNeeded = fhir.Refuse(403, "forbidden", "second-administrator", "another administrator lets in a program that reads records by its own right", "以程序身份读取病历的应用须由另一位管理员确认启用")

var unknownApp = fhir.Refuse(404, "not-found", "unknown-app", "no such app", "没有这个应用")

// AppChange is what ChangeApp alters; nil leaves as it is.
type AppChange struct {
	Name      *string
	Redirects *[]string
	Launch    *string
	Scopes    *[]string
	JWKS      *string
	JWKSURL   *string
	Disabled  *bool
	NewSecret bool
}

// ChangeApp alters an app. Whatever changes but its name ends its tokens: they were given to what it was.
func (s *Service) ChangeApp(ctx context.Context, id string, c AppChange) (a App, told string, err error) {
	err = s.Store.Update(ctx, func(tx *store.Tx) error {
		list, err := apps(ctx, tx, `WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return unknownApp
		}
		a, told = list[0], ""
		what := "app-update"
		for _, f := range []struct{ from, to *string }{{c.Name, &a.Name}, {c.Launch, &a.Launch}, {c.JWKS, &a.JWKS}, {c.JWKSURL, &a.JWKSURL}} {
			if f.from != nil {
				*f.to = *f.from
			}
		}
		if c.Redirects != nil {
			a.Redirects = *c.Redirects
		}
		if c.Scopes != nil {
			a.Scopes = *c.Scopes
		}
		by := access.From(ctx)
		if by != nil && (c.Scopes != nil || c.JWKS != nil || c.JWKSURL != nil) {
			a.MadeBy, a.Disabled = by.User, a.Disabled || a.System()
		}
		if c.Disabled != nil {
			if by != nil && !*c.Disabled && a.System() && a.MadeBy == by.User {
				return secondNeeded
			}
			if a.Disabled, what = *c.Disabled, "app-enable"; a.Disabled {
				what = "app-disable"
			}
		}
		if err := a.check(s.fetch); err != nil {
			return err
		}
		if c.NewSecret {
			if a.Kind != Secret {
				return bad("no-secret", "this app has no secret", "该应用不使用密钥口令")
			}
			told, what = secret("xs_"), "app-secret"
			h := hashOf(told)
			a.secret = h[:]
		}
		_, err = tx.Exec(ctx, `UPDATE smart_app SET name = ?, secret = ?, jwks = ?, jwks_url = ?, redirects = ?, launch = ?, scopes = ?, disabled = ?, made_by = ? WHERE id = ?`,
			a.Name, a.secret, a.JWKS, a.JWKSURL, strings.Join(a.Redirects, "\n"), a.Launch, strings.Join(a.Scopes, " "), flag(a.Disabled), a.MadeBy, id)
		if err == nil && (c.Redirects != nil || c.Scopes != nil || c.JWKS != nil || c.JWKSURL != nil || c.NewSecret || a.Disabled) {
			_, err = tx.Exec(ctx, `DELETE FROM smart_token WHERE app = ?`, id)
		}
		if err == nil {
			err = s.note(ctx, tx, "U", what, "App/"+id)
		}
		return err
	})
	s.forget()
	if err != nil {
		return a, "", fmt.Errorf("smart: change app: %w", err)
	}
	return a, told, nil
}

// Apps lists every app by name.
func (s *Service) Apps(ctx context.Context) (list []App, err error) {
	err = s.Store.View(ctx, func(tx *store.Tx) (err error) {
		list, err = apps(ctx, tx, `ORDER BY name, id`)
		return err
	})
	return list, err
}

// App returns one app that is not disabled, or unknownApp.
func (s *Service) App(ctx context.Context, id string) (a App, err error) {
	err = s.Store.View(ctx, func(tx *store.Tx) error {
		list, err := apps(ctx, tx, `WHERE id = ? AND disabled = 0`, id)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return unknownApp
		}
		a = list[0]
		return nil
	})
	return a, err
}

func apps(ctx context.Context, tx *store.Tx, rest string, args ...any) (list []App, err error) {
	err = tx.Query(ctx, `SELECT id, name, kind, secret, jwks, jwks_url, redirects, launch, scopes, org, introspects, disabled, created, made_by FROM smart_app `+rest, args, func(scan func(...any) error) error {
		var a App
		var redirects, scopes string
		var introspects, disabled, created int64
		if err := scan(&a.ID, &a.Name, &a.Kind, &a.secret, &a.JWKS, &a.JWKSURL, &redirects, &a.Launch, &scopes, &a.Org, &introspects, &disabled, &created, &a.MadeBy); err != nil {
			return err
		}
		a.Redirects, a.Scopes, a.Introspects, a.Disabled, a.Created = strings.Fields(redirects), strings.Fields(scopes), introspects != 0, disabled != 0, moment(created)
		list = append(list, a)
		return nil
	})
	return list, err
}

// Unknown says whether err means that there is no such app.
func Unknown(err error) bool { return errors.Is(err, unknownApp) }
