package audit

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"
)

// Kinds of signing keys.
const (
	ECDSA = "ecdsa" // P-256 with SHA-256
	SM2   = "sm2"   // GB/T 32918 with SM3
)

// Key signs checkpoints, and its secret protects what is not sealed yet.
type Key struct {
	Public
	private crypto.Signer
	mac     []byte
}

// Public is the half of a key that everybody may have.
type Public struct {
	ID   string // first 8 bytes of the SHA-256 of the encoded key, hex
	Kind string
	DER  []byte
	key  *ecdsa.PublicKey
}

// LoadKey reads a key file (PKCS #8, PEM), or makes one of this kind where there is none.
func LoadKey(path, kind string) (*Key, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path, kind)
	}
	if err != nil {
		return nil, fmt.Errorf("audit: key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("audit: key: %s is not PEM", path)
	}
	private, err := smx509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("audit: key: %s: %w", path, err)
	}
	return keyOf(private, block.Bytes)
}

func makeKey(path, kind string) (*Key, error) {
	var private any
	var err error
	switch kind {
	case "", ECDSA:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case SM2:
		private, err = sm2.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("audit: key: %q is neither ecdsa nor sm2", kind)
	}
	var der []byte
	if err == nil {
		der, err = smx509.MarshalPKCS8PrivateKey(private)
	}
	if err != nil {
		return nil, fmt.Errorf("audit: key: %w", err)
	}
	// Written whole under another name first: two programs that start at once must agree on one.
	work, err := os.CreateTemp(filepath.Dir(path), ".audit-key-*")
	if err != nil {
		return nil, fmt.Errorf("audit: key: %w", err)
	}
	defer os.Remove(work.Name())
	err = errors.Join(pem.Encode(work, &pem.Block{Type: "PRIVATE KEY", Bytes: der}), work.Sync(), work.Close())
	if err == nil {
		err = os.Link(work.Name(), path)
	}
	if errors.Is(err, fs.ErrExist) {
		return LoadKey(path, kind)
	}
	if err != nil {
		return nil, fmt.Errorf("audit: key: %w", err)
	}
	return keyOf(private, der)
}

func keyOf(private any, der []byte) (*Key, error) {
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, errors.New("audit: key: it cannot sign")
	}
	encoded, err := smx509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("audit: key: %w", err)
	}
	p, err := parsePublic(encoded)
	if err != nil {
		return nil, err
	}
	k := &Key{Public: p, private: signer}
	m := hmac.New(p.hash(), der)
	m.Write([]byte("xinglin audit journal"))
	k.mac = m.Sum(nil)
	return k, nil
}

func parsePublic(der []byte) (Public, error) {
	any, err := smx509.ParsePKIXPublicKey(der)
	if err != nil {
		return Public{}, fmt.Errorf("audit: key: %w", err)
	}
	key, ok := any.(*ecdsa.PublicKey)
	if !ok {
		return Public{}, errors.New("audit: key: neither ECDSA nor SM2")
	}
	sum := sha256.Sum256(der)
	p := Public{ID: hex.EncodeToString(sum[:8]), Kind: ECDSA, DER: der, key: key}
	if sm2.IsSM2PublicKey(key) {
		p.Kind = SM2
	}
	return p, nil
}

// LoadPublic reads a public key (PKIX, PEM), as PEM writes it.
func LoadPublic(path string) (Public, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Public{}, fmt.Errorf("audit: key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return Public{}, fmt.Errorf("audit: key: %s is not PEM", path)
	}
	return parsePublic(block.Bytes)
}

// PEM is the public key as text.
func (p Public) PEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: p.DER}))
}

func (p Public) hash() func() hash.Hash {
	if p.Kind == SM2 {
		return sm3.New
	}
	return sha256.New
}

// String is how a key is introduced in the chain.
func (p Public) String() string {
	return p.ID + " " + p.Kind + " " + base64.StdEncoding.EncodeToString(p.DER)
}

// publicOf reads a key that was introduced in the chain.
func publicOf(text string) (Public, error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return Public{}, errors.New("audit: key: not an introduction")
	}
	der, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil {
		return Public{}, fmt.Errorf("audit: key: %w", err)
	}
	p, err := parsePublic(der)
	if err == nil && p.ID != fields[0] {
		err = errors.New("audit: key: its name is not its own")
	}
	return p, err
}

// Sign signs a message, after its domain, so that a signature serves for one thing only.
func (k *Key) Sign(domain string, message []byte) (string, error) {
	message = append([]byte(domain+"\n"), message...)
	var signature []byte
	var err error
	if k.Kind == SM2 {
		signature, err = k.private.Sign(rand.Reader, message, sm2.DefaultSM2SignerOpts)
	} else {
		sum := sha256.Sum256(message)
		signature, err = k.private.Sign(rand.Reader, sum[:], crypto.SHA256)
	}
	if err != nil {
		return "", fmt.Errorf("audit: sign: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// Signed tells whether the signature over a message of this domain is of this key.
func (p Public) Signed(domain string, message []byte, signature string) bool {
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || p.key == nil {
		return false
	}
	message = append([]byte(domain+"\n"), message...)
	if p.Kind == SM2 {
		return sm2.VerifyASN1WithSM2(p.key, nil, message, raw)
	}
	sum := sha256.Sum256(message)
	return ecdsa.VerifyASN1(p.key, sum[:], raw)
}

// macs computes the codes that protect an entry until it is sealed.
type macs struct {
	id  [4]byte
	mac hash.Hash
	sum []byte
}

const macSize = 16

func (k *Key) macs() *macs {
	m := &macs{mac: hmac.New(k.hash(), k.mac)}
	hex.Decode(m.id[:], []byte(k.ID[:8]))
	return m
}

// of is the code of a body that follows on another code.
func (m *macs) of(before, body []byte) []byte {
	m.mac.Reset()
	m.mac.Write(before)
	m.mac.Write([]byte{0})
	m.mac.Write(body)
	m.sum = m.mac.Sum(m.sum[:0])
	return m.sum[:macSize]
}
