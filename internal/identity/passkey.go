package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

var (
	noPasskeys   = fhir.Refuse(422, "not-supported", "no-passkeys-here", "passkeys need the hub's own name over https, not a network address", "通行密钥须通过 https 和域名访问本系统，不能用 IP 地址")
	passkeyWrong = fhir.Refuse(401, "login", "passkey-failed", "the passkey was not accepted", "通行密钥未通过验证")
	passkeyClone = fhir.Refuse(401, "login", "passkey-cloned", "this passkey seems to have been copied; an administrator must reset it", "该通行密钥疑似被复制，请联系管理员重置")
)

// Asked is what a browser is to do with an authenticator: Options goes to it, Ceremony comes back with its answer.
type Asked struct {
	Ceremony string `json:"ceremony"`
	Options  any    `json:"options"`
}

// passkeyHolder is an account as the library sees it.
type passkeyHolder struct {
	user User
	keys []passkey
}

type passkey struct {
	id         string // of the factor
	RP         string `json:"rp"`
	Credential webauthn.Credential
}

func (h passkeyHolder) WebAuthnID() []byte          { return []byte(h.user.ID) }
func (h passkeyHolder) WebAuthnName() string        { return h.user.Username }
func (h passkeyHolder) WebAuthnDisplayName() string { return h.user.Name }
func (h passkeyHolder) WebAuthnCredentials() (list []webauthn.Credential) {
	for _, k := range h.keys {
		list = append(list, k.Credential)
	}
	return list
}

// party is this hub as a browser at r's address knows it. Without a configured origin it is the name that was asked for: a
// passkey is bound to that name by the browser, and here by its row.
func (s *Service) party(r *http.Request) (*webauthn.WebAuthn, error) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(host)
	local := host == "localhost" || strings.HasSuffix(host, ".localhost")
	origins := []string{"https://" + r.Host}
	if local {
		origins = append(origins, "http://"+r.Host)
	}
	if s.opts.Origin != "" {
		u, err := url.Parse(s.opts.Origin)
		if err != nil || u.Hostname() != host {
			return nil, noPasskeys
		}
		origins = []string{u.Scheme + "://" + u.Host}
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || host == "" {
		return nil, noPasskeys
	}
	w, err := webauthn.New(&webauthn.Config{RPID: host, RPDisplayName: "杏林 Xinglin", RPOrigins: origins, AttestationPreference: protocol.PreferNoAttestation,
		Timeouts: webauthn.TimeoutsConfig{Login: webauthn.TimeoutConfig{Enforce: true, Timeout: stepLife, TimeoutUVD: stepLife}, Registration: webauthn.TimeoutConfig{Enforce: true, Timeout: stepLife, TimeoutUVD: stepLife}}})
	if err != nil {
		return nil, noPasskeys
	}
	return w, nil
}

// Passkeys says whether passkeys work at the address that was asked for.
func (s *Service) Passkeys(r *http.Request) bool { _, err := s.party(r); return err == nil }

func (s *Service) holder(ctx context.Context, u User, rp string) (h passkeyHolder, err error) {
	h.user = u
	err = s.store.View(ctx, func(tx *store.Tx) error {
		h.keys = nil
		return tx.Query(ctx, `SELECT id, data FROM identity_factor WHERE user_id = ? AND kind = 'passkey' AND confirmed = 1`, []any{u.ID}, func(scan func(...any) error) error {
			var k passkey
			var box []byte
			if err := scan(&k.id, &box); err != nil {
				return err
			}
			plain, err := s.open(box, "factor "+k.id)
			if err == nil {
				err = json.Unmarshal(plain, &k)
			}
			if err == nil && k.RP == rp {
				h.keys = append(h.keys, k)
			}
			return err
		})
	})
	if err != nil {
		return h, fmt.Errorf("identity: passkeys: %w", err)
	}
	return h, nil
}

func (s *Service) ask(ctx context.Context, kind, user string, data *webauthn.SessionData, options any) (Asked, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return Asked{}, fmt.Errorf("identity: passkey: %w", err)
	}
	ceremony, err := s.hold(ctx, kind, user, text, stepLife)
	return Asked{ceremony, options}, err
}

func (s *Service) answered(ctx context.Context, kind, ceremony string) (user string, data webauthn.SessionData, err error) {
	user, text, ok, err := s.take(ctx, kind, ceremony)
	if err == nil && !ok {
		err = stepOver
	}
	if err == nil {
		err = json.Unmarshal(text, &data)
	}
	return user, data, err
}

// NewPasskey asks the browser for a new passkey of somebody who is logged in.
func (s *Service) NewPasskey(r *http.Request, u User) (Asked, error) {
	w, err := s.party(r)
	if err != nil {
		return Asked{}, err
	}
	h, err := s.holder(r.Context(), u, w.Config.RPID)
	if err != nil {
		return Asked{}, err
	}
	creation, data, err := w.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.WebAuthnCredentials()).CredentialDescriptors()),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred}))
	if err != nil {
		return Asked{}, fmt.Errorf("identity: passkey: %w", err)
	}
	return s.ask(r.Context(), "passkey-new", u.ID, data, creation.Response)
}

// AddPasskey takes the browser's answer. With the account's first factor come recovery codes, told once.
func (s *Service) AddPasskey(r *http.Request, se Session, ceremony, name string, credential []byte) (recovery []string, err error) {
	w, err := s.party(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	user, data, err := s.answered(ctx, "passkey-new", ceremony)
	if err != nil {
		return nil, err
	}
	if user != se.User.ID {
		return nil, stepOver
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(credential)
	if err != nil {
		return nil, passkeyWrong
	}
	made, err := w.CreateCredential(passkeyHolder{user: se.User}, data, parsed)
	if err != nil {
		return nil, passkeyWrong
	}
	text, err := json.Marshal(passkey{RP: w.Config.RPID, Credential: *made})
	if err != nil {
		return nil, fmt.Errorf("identity: passkey: %w", err)
	}
	if len(text) > 16<<10 {
		return nil, passkeyWrong
	}
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		if err := s.addFactor(ctx, tx, Factor{ID: newID(), Kind: "passkey", Name: name, Created: s.opts.Wall.Now()}, se.User.ID, text, true); err != nil {
			return err
		}
		recovery, err = s.enrolled(ctx, tx, se, "factor-add-passkey")
		return err
	})
	s.forget(se.User.ID)
	if err != nil {
		return nil, fmt.Errorf("identity: passkey: %w", err)
	}
	return recovery, nil
}

// AskPasskey asks for a passkey: as second step of a ticket, or, with ticket "", as a login by itself.
func (s *Service) AskPasskey(r *http.Request, ticket string) (Asked, error) {
	w, err := s.party(r)
	if err != nil {
		return Asked{}, err
	}
	ctx := r.Context()
	if ticket == "" {
		assertion, data, err := w.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
		if err != nil {
			return Asked{}, fmt.Errorf("identity: passkey: %w", err)
		}
		return s.ask(ctx, "passkey-alone", "", data, assertion.Response)
	}
	user, _, ok, err := s.peek(ctx, "step", ticket)
	if err != nil {
		return Asked{}, err
	}
	if !ok {
		return Asked{}, stepOver
	}
	u, err := s.User(ctx, user)
	if err != nil {
		return Asked{}, err
	}
	return s.askHolder(ctx, w, u)
}

func (s *Service) askHolder(ctx context.Context, w *webauthn.WebAuthn, u User) (Asked, error) {
	h, err := s.holder(ctx, u, w.Config.RPID)
	if err != nil {
		return Asked{}, err
	}
	if len(h.keys) == 0 {
		return Asked{}, noFactor
	}
	assertion, data, err := w.BeginLogin(h, webauthn.WithUserVerification(protocol.VerificationPreferred))
	if err != nil {
		return Asked{}, fmt.Errorf("identity: passkey: %w", err)
	}
	return s.ask(ctx, "passkey-second", u.ID, data, assertion.Response)
}

// EnterByPasskey ends a login with the browser's answer to AskPasskey.
func (s *Service) EnterByPasskey(r *http.Request, ticket, ceremony string, credential []byte, v Visit) (Entry, error) {
	ctx := r.Context()
	if ticket != "" {
		user, text, ok, err := s.peek(ctx, "step", ticket)
		if err != nil {
			return Entry{}, err
		}
		if !ok {
			return Entry{}, stepOver
		}
		u, err := s.User(ctx, user)
		if err == nil {
			err = s.verify(r, u, ceremony, credential)
		}
		if err != nil {
			return Entry{User: u}, err
		}
		return s.finish(ctx, ticket, u, text, "passkey", v)
	}
	w, err := s.party(r)
	if err != nil {
		return Entry{}, err
	}
	limits := s.limitsOf("", false, v)[2:] // by address: whose it is, the passkey will say
	if err := s.reserve(ctx, limits); err != nil {
		return Entry{}, err
	}
	_, data, err := s.answered(ctx, "passkey-alone", ceremony)
	if err != nil {
		return Entry{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(credential)
	if err != nil {
		return Entry{}, passkeyWrong
	}
	var h passkeyHolder
	used, err := w.ValidateDiscoverableLogin(func(_, handle []byte) (webauthn.User, error) {
		u, err := s.User(ctx, string(handle))
		if err == nil {
			h, err = s.holder(ctx, u, w.Config.RPID)
		}
		return h, err
	}, data, parsed)
	if err != nil {
		return Entry{User: h.user}, passkeyWrong
	}
	if err := s.usedPasskey(ctx, h, used); err != nil {
		return Entry{User: h.user}, err
	}
	if h.user.Disabled {
		return Entry{User: h.user}, loginFailed
	}
	if err := s.succeeded(ctx, limits); err != nil {
		return Entry{User: h.user}, err
	}
	return s.proceed(ctx, h.user, v, "passkey", true)
}

// verify checks an answer to askHolder.
func (s *Service) verify(r *http.Request, u User, ceremony string, credential []byte) error {
	ctx := r.Context()
	w, err := s.party(r)
	if err != nil {
		return err
	}
	limits := s.own("code", u.ID)
	if err := s.reserve(ctx, limits); err != nil {
		return err
	}
	user, data, err := s.answered(ctx, "passkey-second", ceremony)
	if err != nil {
		return err
	}
	if user != u.ID {
		return stepOver
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(credential)
	if err != nil {
		return passkeyWrong
	}
	h, err := s.holder(ctx, u, w.Config.RPID)
	if err != nil {
		return err
	}
	used, err := w.ValidateLogin(h, data, parsed)
	if err != nil {
		return passkeyWrong
	}
	if err := s.usedPasskey(ctx, h, used); err != nil {
		return err
	}
	return s.succeeded(ctx, limits)
}

// usedPasskey keeps the counter of a passkey; one that runs backwards was copied.
func (s *Service) usedPasskey(ctx context.Context, h passkeyHolder, used *webauthn.Credential) error {
	for _, k := range h.keys {
		if string(k.Credential.ID) != string(used.ID) {
			continue
		}
		cloned := used.Authenticator.CloneWarning
		text, err := json.Marshal(passkey{RP: k.RP, Credential: *used})
		if err != nil {
			return fmt.Errorf("identity: passkey: %w", err)
		}
		err = s.store.Update(ctx, func(tx *store.Tx) error {
			if cloned {
				return s.noteSelf(ctx, tx, "E", "passkey-cloned", h.user.ID, "")
			}
			_, err := tx.Exec(ctx, `UPDATE identity_factor SET data = ?, used = ? WHERE id = ?`, s.seal(text, "factor "+k.id), micros(s.opts.Wall.Now()), k.id)
			return err
		})
		if err == nil && cloned {
			err = passkeyClone
		}
		return err
	}
	return passkeyWrong
}

// AskProof asks somebody who is logged in for a passkey, as step-up; ProveByPasskey takes the answer.
func (s *Service) AskProof(r *http.Request, u User) (Asked, error) {
	w, err := s.party(r)
	if err != nil {
		return Asked{}, err
	}
	return s.askHolder(r.Context(), w, u)
}

// ProveByPasskey is Prove with a passkey.
func (s *Service) ProveByPasskey(r *http.Request, se Session, ceremony string, credential []byte) error {
	if err := s.verify(r, se.User, ceremony, credential); err != nil {
		return err
	}
	return s.proved(r.Context(), se, true)
}
