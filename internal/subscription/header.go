package subscription

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// sealed marks a header value that only this hub can read, and only for the same custodian and endpoint.
const sealed = "sealed:1:"

// Seal hides the values of channel headers before a Subscription is stored: they are passwords of other systems.
// What was sealed before and comes back is kept, unless the endpoint has changed.
func (e *Engine) Seal(custodian string, n *fhir.Node) error {
	if n.Type() != "Subscription" {
		return nil
	}
	endpoint := n.Str("channel.endpoint")
	headers := n.All("channel.header")
	if len(headers) == 0 {
		return nil
	}
	var all []string
	for _, h := range headers {
		all = append(all, h.Text)
	}
	if err := checkHeaders(all); err != nil {
		return err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h.Text, ":")
		value = strings.TrimSpace(value)
		if strings.HasPrefix(value, sealed) {
			if _, err := e.unseal(custodian, endpoint, h.Text); err != nil {
				return refuse("header-again", "Subscription.channel.header", "the endpoint has changed: send the headers again in plain", "接收地址已变更，请重新填写请求头")
			}
			continue
		}
		aead := e.aead()
		nonce := make([]byte, aead.NonceSize())
		rand.Read(nonce)
		box := aead.Seal(nonce, nonce, []byte(value), []byte(custodian+"\n"+endpoint+"\n"+name))
		h.Text = name + ": " + sealed + base64.RawStdEncoding.EncodeToString(box)
	}
	return nil
}

func (e *Engine) aead() cipher.AEAD {
	block, err := aes.NewCipher(e.secret("header"))
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// unseal gives a header back as the client sent it.
func (e *Engine) unseal(custodian, endpoint, header string) (value string, err error) {
	name, value, _ := strings.Cut(header, ":")
	text, ok := strings.CutPrefix(strings.TrimSpace(value), sealed)
	if !ok {
		return strings.TrimSpace(value), nil // stored before sealing, by the program itself
	}
	box, err := base64.RawStdEncoding.DecodeString(text)
	aead := e.aead()
	if err != nil || len(box) < aead.NonceSize() {
		return "", errors.New("subscription: header is not sealed rightly")
	}
	plain, err := aead.Open(nil, box[:aead.NonceSize()], box[aead.NonceSize():], []byte(custodian+"\n"+endpoint+"\n"+name))
	if err != nil {
		return "", fmt.Errorf("subscription: header: %w", err)
	}
	return string(plain), nil
}

// ours are the headers that a notification sets itself.
var ours = map[string]bool{"host": true, "content-length": true, "content-type": true, "connection": true, "transfer-encoding": true, "te": true,
	"trailer": true, "upgrade": true, "keep-alive": true, "proxy-authorization": true, "expect": true, "accept-encoding": true}

func checkHeaders(headers []string) error {
	if len(headers) > maxHeaders {
		return refuse("too-many-headers", "Subscription.channel.header", fmt.Sprintf("at most %d headers", maxHeaders), "请求头过多")
	}
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || len(h) > maxHeader || !validName(name) || strings.ContainsFunc(value, unicode.IsControl) || ours[strings.ToLower(name)] {
			return refuse("bad-header", "Subscription.channel.header", "a header is written Name: value, and is none of those that HTTP itself needs", "请求头写法为“名称: 值”，且不能是 HTTP 自身使用的请求头")
		}
	}
	return nil
}

// validName: a token of RFC 9110.
func validName(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~") == ""
}
