package subscription

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// tokenLife is how long a binding token can be used to bind.
const tokenLife = 5 * time.Minute

// binding is what a token says: who binds which subscriptions, until when.
type binding struct {
	Owner Owner
	IDs   []string
	Until int64
}

// Token lets its holder bind these subscriptions on a websocket, for a short while.
func (e *Engine) Token(o Owner, ids []string) (token string, until time.Time) {
	until = e.o.Clock.Now().Add(tokenLife)
	body, err := json.Marshal(binding{o, ids, until.UnixMicro()})
	if err != nil {
		panic(err) // plain texts
	}
	text := base64.RawURLEncoding.EncodeToString(body)
	return text + "." + e.sign(text), until
}

func (e *Engine) sign(text string) string {
	mac := hmac.New(sha256.New, e.secret("binding"))
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// bound reads a token; ok is false for one that is not ours or too old.
func (e *Engine) bound(token string) (b binding, ok bool) {
	text, sum, found := strings.Cut(token, ".")
	if !found || !hmac.Equal([]byte(sum), []byte(e.sign(text))) {
		return b, false
	}
	body, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(body, &b) != nil {
		return b, false
	}
	return b, e.o.Clock.Now().UnixMicro() < b.Until
}
