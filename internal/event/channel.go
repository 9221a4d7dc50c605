package event

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Channel carries notices out of the page to where people are: a telephone, a group chat.
type Channel interface {
	Send(ctx context.Context, n Notice) error
}

// Line out of one institution, as its administrator set it up.
type Outlet struct {
	ID      string
	Org     string // "Organization/…": gets the notices on which this institution must act
	Kind    string // webhook, sms, voice, wecom
	URL     string
	Secret  string // key of the signature; told once, never shown again
	Enabled bool
	Created time.Time
}

// Kinds of outlets and the body that each posts. SMS and voice gateways and 企业微信 robots all take JSON
// over HTTPS; whoever runs another gateway puts a small adapter behind "webhook".
var Kinds = map[string]func(p Posted) any{
	"webhook": func(p Posted) any { return p },
	"sms":     func(p Posted) any { return map[string]any{"type": "sms", "content": p.Text.Zh + " " + p.Link} },
	"voice":   func(p Posted) any { return map[string]any{"type": "voice", "text": p.Text.Zh} },
	"wecom": func(p Posted) any { // the form of a 企业微信 group robot
		return map[string]any{"msgtype": "text", "text": map[string]any{"content": p.Text.Zh + "\n" + p.Link}}
	},
}

// Posted is the body of a plain webhook. It never names a patient.
type Posted struct {
	Seq   int64      `json:"seq"`
	At    time.Time  `json:"at"`
	Kind  string     `json:"kind"`
	Line  string     `json:"line"`
	Focus string     `json:"focus"`
	Text  PostedText `json:"text"`
	Due   *time.Time `json:"due"`
	Link  string     `json:"link"`
}

// PostedText is the text in both languages.
type PostedText struct {
	Zh string `json:"zh"`
	En string `json:"en"`
}

// Sender makes channels of outlets.
type Sender struct {
	Base  string   // address of the page, for links: https://hub.example
	Allow []string // hosts (or host:port) that may be posted to beside loopback
	Wait  time.Duration

	client *http.Client
}

// NewSender makes a sender; addresses outside allow and loopback are refused, also after a redirect
// or when a name turns out to lead elsewhere.
func NewSender(base string, allow []string) *Sender {
	s := &Sender{Base: strings.TrimSuffix(base, "/"), Allow: allow, Wait: 10 * time.Second}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	s.client = &http.Client{
		Transport: &http.Transport{
			Proxy: nil,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				d := *dialer
				if host, _, _ := net.SplitHostPort(addr); !s.named(host, addr) {
					d.Control = onlyLoopback
				}
				return d.DialContext(ctx, network, addr)
			},
			TLSHandshakeTimeout: 5 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

func onlyLoopback(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return errNotAllowed
	}
	return nil
}

var errNotAllowed = errors.New("event: this address is not on the list of allowed hosts")

func (s *Sender) named(host, addr string) bool {
	return slices.Contains(s.Allow, host) || slices.Contains(s.Allow, addr)
}

// Check says whether an outlet may be used.
func (s *Sender) Check(o Outlet) error {
	if Kinds[o.Kind] == nil {
		return fhir.Refuse(422, "value", "unknown-channel", "unknown kind of channel "+strconv.Quote(o.Kind), "没有这种通知渠道")
	}
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil {
		return fhir.Refuse(422, "value", "bad-url", "a channel needs an http(s) address", "请填写 http(s) 地址")
	}
	ip := net.ParseIP(u.Hostname())
	if !s.named(u.Hostname(), u.Host) && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fhir.Refuse(422, "business-rule", "host-not-allowed",
			"this host is not on the operator's list of allowed hosts", "该地址不在允许的主机名单内，请联系系统运维人员")
	}
	return nil
}

// Channel of an outlet.
func (s *Sender) Channel(o Outlet) Channel { return &hook{sender: s, outlet: o} }

type hook struct {
	sender *Sender
	outlet Outlet
}

// Rejected is an answer that no repetition mends.
type Rejected struct{ Status int }

func (r Rejected) Error() string { return fmt.Sprintf("event: the channel answered %d", r.Status) }

// Send posts the notice. X-Xinglin-Signature is "t=<unix seconds>,v1=<hex HMAC-SHA256 of t.body>" under the outlet's secret.
func (h *hook) Send(ctx context.Context, n Notice) error {
	if err := h.sender.Check(h.outlet); err != nil {
		return err
	}
	p := Posted{Seq: n.Seq, At: n.At, Kind: n.Kind, Line: n.Line, Focus: n.Focus, Text: PostedText{n.Zh, n.En}, Link: h.sender.link(n)}
	if !n.Due.IsZero() {
		p.Due = &n.Due
	}
	body, err := json.Marshal(Kinds[h.outlet.Kind](p))
	if err != nil {
		return fmt.Errorf("event: channel: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, h.sender.Wait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.outlet.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("event: channel: %w", err)
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "xinglin")
	req.Header.Set("X-Xinglin-Notice", strconv.FormatInt(n.Seq, 10)) // the same notice twice has the same number
	req.Header.Set("X-Xinglin-Signature", "t="+stamp+",v1="+Sign(h.outlet.Secret, stamp, body))
	resp, err := h.sender.client.Do(req)
	if err != nil {
		return fmt.Errorf("event: channel: %w", err)
	}
	defer resp.Body.Close()
	io.CopyN(io.Discard, resp.Body, 64<<10)
	switch {
	case resp.StatusCode < 300:
		return nil
	case resp.StatusCode >= 500, resp.StatusCode == 408, resp.StatusCode == 429:
		return fmt.Errorf("event: the channel answered %d", resp.StatusCode)
	}
	return Rejected{resp.StatusCode}
}

// Sign is the signature of a body that went out at stamp.
func Sign(secret, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// link leads to the case on the page.
func (s *Sender) link(n Notice) string {
	if n.Focus == "" {
		return s.Base + "/"
	}
	return s.Base + "/" + url.PathEscape(n.Line) + "/" + n.Focus
}
