package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-webauthn/webauthn/protocol"

	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// authenticator is a made-up one with a single ES256 key.
type authenticator struct {
	t       *testing.T
	key     *ecdsa.PrivateKey
	id      []byte
	user    []byte
	rp      string
	origin  string
	count   uint32
	unseen  bool // the person was not verified (no PIN, no finger)
	flipped bool // signs wrongly
}

var b64 = base64.RawURLEncoding

func newAuthenticator(t *testing.T, rp, origin string) *authenticator {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 16)
	rand.Read(id)
	return &authenticator{t: t, key: key, id: id, rp: rp, origin: origin}
}

func (a *authenticator) client(kind string, challenge []byte) []byte {
	b, _ := json.Marshal(map[string]any{"type": kind, "challenge": b64.EncodeToString(challenge), "origin": a.origin, "crossOrigin": false})
	return b
}

func (a *authenticator) data(attested []byte) []byte {
	hash := sha256.Sum256([]byte(a.rp))
	flags := byte(0x01)
	if !a.unseen {
		flags |= 0x04
	}
	if attested != nil {
		flags |= 0x40
	}
	a.count++
	return append(binary.BigEndian.AppendUint32(append(hash[:], flags), a.count), attested...)
}

// make answers navigator.credentials.create.
func (a *authenticator) make(asked identity.Asked) []byte {
	options := asked.Options.(protocol.PublicKeyCredentialCreationOptions)
	a.user = options.User.ID.(protocol.URLEncodedBase64)
	public, err := a.key.PublicKey.Bytes()
	if err != nil {
		a.t.Fatal(err)
	}
	cose, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: public[1:33], -3: public[33:]})
	if err != nil {
		a.t.Fatal(err)
	}
	attested := append(binary.BigEndian.AppendUint16(make([]byte, 16), uint16(len(a.id))), append(a.id, cose...)...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": a.data(attested)})
	if err != nil {
		a.t.Fatal(err)
	}
	return a.say(map[string]any{"clientDataJSON": b64.EncodeToString(a.client("webauthn.create", options.Challenge)), "attestationObject": b64.EncodeToString(object)})
}

// show answers navigator.credentials.get.
func (a *authenticator) show(asked identity.Asked) []byte {
	options := asked.Options.(protocol.PublicKeyCredentialRequestOptions)
	data, client := a.data(nil), a.client("webauthn.get", options.Challenge)
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), sum[:]...))
	if a.flipped {
		digest[0] ^= 1
	}
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return a.say(map[string]any{"clientDataJSON": b64.EncodeToString(client), "authenticatorData": b64.EncodeToString(data), "signature": b64.EncodeToString(signature), "userHandle": b64.EncodeToString(a.user)})
}

func (a *authenticator) say(response map[string]any) []byte {
	b, _ := json.Marshal(map[string]any{"id": b64.EncodeToString(a.id), "rawId": b64.EncodeToString(a.id), "type": "public-key", "response": response})
	return b
}

func asked(host string) *http.Request {
	r := httptest.NewRequest("POST", "https://"+host+"/api/login/passkey", nil)
	r.RemoteAddr = "10.0.0.1:1234"
	return r
}

func TestPasskeys(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		h.add(t, identity.NewUser{Username: "lin", Password: right, Roles: doctor("Organization/county")})
		se, err := h.Login(ctx, "lin", right, "10.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		here := asked("hub.example")
		key := newAuthenticator(t, "hub.example", "https://hub.example")
		ask, err := h.NewPasskey(here, se.User)
		if err != nil {
			t.Fatal(err)
		}
		phished := newAuthenticator(t, "hub.example", "https://hub.example.evil")
		if _, err := h.AddPasskey(here, se, ask.Ceremony, "evil", phished.make(ask)); detail(err) != "passkey-failed" {
			t.Errorf("made for another origin: got %v; want passkey-failed", err)
		}
		if _, err := h.AddPasskey(here, se, ask.Ceremony, "late", key.make(ask)); detail(err) != "login-expired" {
			t.Errorf("the same ceremony again: got %v; want login-expired", err)
		}
		if ask, err = h.NewPasskey(here, se.User); err != nil {
			t.Fatal(err)
		}
		recovery, err := h.AddPasskey(here, se, ask.Ceremony, "钥匙", key.make(ask))
		if err != nil || len(recovery) != 10 {
			t.Fatalf("got %d recovery codes, %v; want the passkey added", len(recovery), err)
		}

		second := func(r *http.Request, key *authenticator) (identity.Entry, error) {
			t.Helper()
			e, err := h.Enter(ctx, "lin", right, home)
			if err != nil || len(e.Ways) != 2 || e.Ways[0] != "passkey" {
				t.Fatalf("got %v, ways %v; want a second step by passkey", err, e.Ways)
			}
			ask, err := h.AskPasskey(r, e.Ticket)
			if err != nil {
				return e, err
			}
			return h.EnterByPasskey(r, e.Ticket, ask.Ceremony, key.show(ask), home)
		}
		alone := func(r *http.Request, key *authenticator) (identity.Entry, error) {
			t.Helper()
			ask, err := h.AskPasskey(r, "")
			if err != nil {
				t.Fatal(err)
			}
			return h.EnterByPasskey(r, "", ask.Ceremony, key.show(ask), home)
		}
		if e, err := second(here, key); err != nil || !e.Session.Strong || e.Session.How != "password passkey" {
			t.Errorf("as second step: got %+v, %v", e.Session, err)
		}
		if e, err := alone(here, key); err != nil || !e.Session.Strong || e.Session.How != "passkey" || e.Session.User.Username != "lin" {
			t.Errorf("alone: got %+v, %v", e.Session, err)
		}
		key.unseen = true
		if _, err := alone(here, key); detail(err) != "passkey-failed" {
			t.Errorf("alone without PIN or finger: got %v; want passkey-failed", err)
		}
		if _, err := second(here, key); err != nil {
			t.Errorf("beside the password without PIN: got %v; want success", err)
		}
		key.unseen = false
		key.flipped = true
		if _, err := alone(here, key); detail(err) != "passkey-failed" {
			t.Errorf("a wrong signature: got %v; want passkey-failed", err)
		}
		key.flipped = false
		key.origin = "https://evil.example"
		if _, err := second(here, key); detail(err) != "passkey-failed" {
			t.Errorf("shown to another site: got %v; want passkey-failed", err)
		}
		key.origin = "https://hub.example"
		if _, err := second(asked("other.example"), key); detail(err) != "unknown-factor" {
			t.Errorf("at another name of the hub: got %v; want unknown-factor", err)
		}
		stranger := newAuthenticator(t, "hub.example", "https://hub.example")
		stranger.user = key.user
		if _, err := alone(here, stranger); detail(err) != "passkey-failed" {
			t.Errorf("an unknown key with a known user: got %v; want passkey-failed", err)
		}
		e, _ := h.Enter(ctx, "lin", right, home)
		ask, _ = h.AskPasskey(here, e.Ticket)
		answer := key.show(ask)
		if _, err := h.EnterByPasskey(here, e.Ticket, ask.Ceremony, answer, home); err != nil {
			t.Fatal(err)
		}
		e, _ = h.Enter(ctx, "lin", right, home)
		if _, err := h.EnterByPasskey(here, e.Ticket, ask.Ceremony, answer, home); detail(err) != "login-expired" {
			t.Errorf("the same answer again: got %v; want login-expired", err)
		}
		key.count = 1
		if _, err := alone(here, key); detail(err) != "passkey-cloned" {
			t.Errorf("a counter that runs backwards: got %v; want passkey-cloned", err)
		}
		h.wall.Turn(time.Hour)
		for host, want := range map[string]bool{"hub.example": true, "192.0.2.7": false, "[::1]:8080": false, "localhost:8080": true} {
			if got := h.Passkeys(asked(host)); got != want {
				t.Errorf("passkeys at %s: got %v; want %v", host, got, want)
			}
		}
	})
}

func TestAPasskeyOfOnePersonOpensNoOther(t *testing.T) {
	h := open(t, storetest.Memory)
	key := newAuthenticator(t, "hub.example", "https://hub.example")
	for _, name := range []string{"lin", "wu"} {
		h.add(t, identity.NewUser{Username: name, Password: right, Roles: doctor("Organization/county")})
	}
	here := asked("hub.example")
	se, _ := h.Login(ctx, "lin", right, "10.0.0.1")
	ask, err := h.NewPasskey(here, se.User)
	if err != nil {
		t.Fatal(err)
	}
	wu, _ := h.Login(ctx, "wu", right, "10.0.0.1")
	if _, err := h.AddPasskey(here, wu, ask.Ceremony, "", key.make(ask)); detail(err) != "login-expired" {
		t.Errorf("the ceremony of another: got %v; want login-expired", err)
	}
	ask, _ = h.NewPasskey(here, se.User)
	if _, err := h.AddPasskey(here, se, ask.Ceremony, "", key.make(ask)); err != nil {
		t.Fatal(err)
	}
	mine, _ := h.Enter(ctx, "lin", right, home)
	ask, _ = h.AskPasskey(here, mine.Ticket)
	other := newAuthenticator(t, "hub.example", "https://hub.example")
	theirs, _ := h.NewPasskey(here, wu.User)
	if _, err := h.AddPasskey(here, wu, theirs.Ceremony, "", other.make(theirs)); err != nil {
		t.Fatal(err)
	}
	ticket, err := h.Enter(ctx, "wu", right, home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.EnterByPasskey(here, ticket.Ticket, ask.Ceremony, key.show(ask), home); detail(err) != "login-expired" {
		t.Errorf("lin's passkey for wu's second step: got %v; want login-expired", err)
	}
}
