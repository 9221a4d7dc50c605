package keys

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Master wraps and unwraps data keys; the key itself may never leave the place where it lives.
type Master interface {
	// Name tells one master key from another without telling it.
	Name(ctx context.Context) (string, error)
	Wrap(ctx context.Context, key, about []byte) ([]byte, error)
	Unwrap(ctx context.Context, wrapped, about []byte) ([]byte, error)
}

// ErrNoMaster: the master key, or the service that has it, is not there.
var ErrNoMaster = errors.New("the master key is not to be had")

// OpenMaster opens a master key by its address:
//
//	file:/etc/xinglin/master.key   64 hexadecimal digits, readable by its owner only
//	env:NAME                       the same in an environment variable
//	exec:/usr/local/bin/helper     a program that asks a KMS or an HSM, see docs/keys.md
//	https://kms.example/xinglin    a service of the same protocol; bearer token in XINGLIN_KMS_TOKEN
//
// a is the suite in which a key that is here wraps.
func OpenMaster(address string, a Algorithm) (Master, error) {
	kind, rest, _ := strings.Cut(address, ":")
	switch kind {
	case "file":
		return openFile(rest, a)
	case "env":
		text, ok := os.LookupEnv(rest)
		if !ok || text == "" {
			return nil, fmt.Errorf("keys: %w: the environment variable %s is empty", ErrNoMaster, rest)
		}
		return local(text, a)
	case "exec":
		program, arguments, _ := strings.Cut(rest, " ")
		if !filepath.IsAbs(program) {
			return nil, fmt.Errorf("keys: exec: name the program by its whole path, not %q", program)
		}
		return remote{func(ctx context.Context, ask []byte) ([]byte, error) {
			return run(ctx, program, strings.Fields(arguments), ask)
		}}, nil
	case "http", "https":
		u, err := url.Parse(address)
		if err != nil || u.Hostname() == "" {
			return nil, fmt.Errorf("keys: %q is not an address", address)
		}
		if ip := net.ParseIP(u.Hostname()); kind == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, errors.New("keys: a KMS beyond this machine is asked over https only")
		}
		return remote{func(ctx context.Context, ask []byte) ([]byte, error) { return post(ctx, address, ask) }}, nil
	}
	return nil, errors.New("keys: a master key is named file:PATH, env:NAME, exec:PROGRAM or https://…")
}

// MakeFile writes a new master key into a file that nobody else can read; one that is there stays.
func MakeFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("keys: master key: %w", err)
	}
	_, err = fmt.Fprintln(f, hex.EncodeToString(Random(32)))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		var d *os.File
		if d, err = os.Open(filepath.Dir(path)); err == nil {
			err = errors.Join(d.Sync(), d.Close()) // what is sealed next must not outlive its key
		}
	}
	if err != nil {
		return fmt.Errorf("keys: master key: %w", err)
	}
	return nil
}

func openFile(path string, a Algorithm) (Master, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("keys: %w: %w", ErrNoMaster, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("keys: %s can be read by others: chmod 600 %s", path, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("keys: %w: %w", ErrNoMaster, err)
	}
	m, err := local(string(text), a)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func local(text string, a Algorithm) (Master, error) {
	secret, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(secret) != 32 {
		return nil, errors.New("keys: a master key is 64 hexadecimal digits (openssl rand -hex 32)")
	}
	return &held{secret, a}, nil
}

// held is a master key that this process has in its memory.
type held struct {
	secret []byte
	a      Algorithm
}

func (m *held) Name(context.Context) (string, error) {
	h := hmac.New(AES.Hash(), m.secret)
	h.Write([]byte("xinglin/master/name"))
	return "key-" + hex.EncodeToString(h.Sum(nil)[:6]), nil
}

// suites number the algorithm in the first byte of a wrapped key.
var suites = map[byte]Algorithm{1: AES, 2: SM4}

func (m *held) wrapping(a Algorithm) (*Key, error) {
	return NewKey(0, a, Derive(a.Hash(), m.secret, nil, "xinglin/master/wrap", a.Size()))
}

func (m *held) Wrap(_ context.Context, key, about []byte) ([]byte, error) {
	for n, a := range suites {
		if a == m.a || m.a == "" && a == AES {
			k, err := m.wrapping(a)
			if err != nil {
				return nil, err
			}
			return append([]byte{n}, k.Seal(key, about)...), nil
		}
	}
	return nil, fmt.Errorf("keys: unknown algorithm %q", string(m.a))
}

func (m *held) Unwrap(_ context.Context, wrapped, about []byte) ([]byte, error) {
	if len(wrapped) == 0 || suites[wrapped[0]] == "" {
		return nil, errors.New("keys: not wrapped by a master key of this kind")
	}
	k, err := m.wrapping(suites[wrapped[0]])
	if err != nil {
		return nil, err
	}
	return k.Open(wrapped[1:], about)
}

// remote is a master key that another program holds. Each question and answer is one JSON object.
type remote struct {
	ask func(ctx context.Context, ask []byte) ([]byte, error)
}

type question struct {
	Op    string `json:"op"` // name, wrap, unwrap
	Data  []byte `json:"data,omitempty"`
	About []byte `json:"about,omitempty"`
}

type reply struct {
	Name  string `json:"name"`
	Data  []byte `json:"data"`
	Error string `json:"error"`
}

const (
	askPatience = 10 * time.Second
	askMost     = 64 << 10 // bytes of an answer
)

func (m remote) call(ctx context.Context, q question) (reply, error) {
	ask, err := json.Marshal(q)
	if err != nil {
		return reply{}, fmt.Errorf("keys: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	text, err := m.ask(ctx, ask)
	if err != nil {
		return reply{}, fmt.Errorf("keys: %w: %w", ErrNoMaster, err)
	}
	var r reply
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("keys: %w: the answer is not JSON", ErrNoMaster)
	}
	if r.Error != "" {
		return r, fmt.Errorf("keys: the holder of the master key refuses: %.200s", r.Error)
	}
	return r, nil
}

func (m remote) Name(ctx context.Context) (string, error) {
	r, err := m.call(ctx, question{Op: "name"})
	if err == nil && r.Name == "" {
		err = errors.New("keys: the holder of the master key does not name it")
	}
	return r.Name, err
}

func (m remote) Wrap(ctx context.Context, key, about []byte) ([]byte, error) {
	r, err := m.call(ctx, question{"wrap", key, about})
	if err == nil && (len(r.Data) <= len(key) || bytes.Contains(r.Data, key)) {
		err = errors.New("keys: the holder of the master key did not wrap")
	}
	return r.Data, err
}

func (m remote) Unwrap(ctx context.Context, wrapped, about []byte) ([]byte, error) {
	r, err := m.call(ctx, question{"unwrap", wrapped, about})
	return r.Data, err
}

// run asks a program: the question on its standard input, the answer on its standard output.
func run(ctx context.Context, program string, arguments []string, ask []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.Stdin = bytes.NewReader(ask)
	cmd.WaitDelay = time.Second
	var out, complaint bounded
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w %.200s", program, err, complaint.text)
	}
	return out.text, nil
}

type bounded struct{ text []byte }

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.text)+len(p) > askMost {
		return 0, errors.New("too long an answer")
	}
	b.text = append(b.text, p...)
	return len(p), nil
}

var asking = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport:     &http.Transport{TLSHandshakeTimeout: 5 * time.Second, IdleConnTimeout: time.Minute},
}

func post(ctx context.Context, address string, ask []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(ask))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if token := os.Getenv("XINGLIN_KMS_TOKEN"); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := asking.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %d", resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, askMost))
}
