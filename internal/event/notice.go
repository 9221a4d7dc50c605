package event

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/xinglin-health/xinglin/internal/store"
)

// Template is the text of a kind of event in both languages. Placeholders: {actor} who must act,
// {due} until when, and every key of Event.Data, such as {urgency}. A patient has no placeholder.
type Template struct {
	Kind string // "referral.late", or ".late" for every line
	Zh   string
	En   string
}

// Notice is an event as somebody at one institution reads it.
type Notice struct {
	Seq   int64
	At    time.Time
	Kind  string
	Line  string
	Focus string
	Zh    string
	En    string
	Due   time.Time // zero = nobody must act
	Mine  bool      // the reader's institution must act next
}

// Book turns events into notices.
type Book struct {
	Zone *time.Location                         // of the times in the text; nil = Asia/Shanghai
	Name func(organisation string) string       // what an institution is called
	Say  func(key, code string) (zh, en string) // what a code in Data is called; may be nil

	mu    sync.RWMutex
	texts map[string]Template
}

// general are the texts of what every line knows.
var general = []Template{
	{"", "有新进展，由{actor}处理，时限 {due}", "News: {actor} acts by {due}"},
	{".late", "已超时：请{actor}立即处理，原时限 {due}", "Late: {actor} must act now, it was due {due}"},
	{".escalated", "超时已上报：请{actor}立即处理，时限 {due}", "Escalated: {actor} must act by {due}"},
	{".submit", "收到新的申请，请{actor}在 {due} 前接收", "A new request: {actor} receives it by {due}"},
	{".message", "有新的留言", "A new message"},
}

// NewBook makes a book with the general texts.
func NewBook(name func(string) string) *Book {
	b := &Book{Name: name, texts: map[string]Template{}}
	b.Add(general...)
	return b
}

// Add registers texts; a later one of the same kind wins.
func (b *Book) Add(list ...Template) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range list {
		b.texts[t.Kind] = t
	}
}

func (b *Book) template(kind string) Template {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if t, ok := b.texts[kind]; ok {
		return t
	}
	if i := strings.IndexByte(kind, '.'); i >= 0 {
		if t, ok := b.texts[kind[i:]]; ok {
			return t
		}
	}
	return b.texts[""]
}

// Notice writes e for a reader at institution.
func (b *Book) Notice(e Event, institution string) Notice {
	t := b.template(e.Kind)
	n := Notice{Seq: e.Seq, At: e.At, Kind: e.Kind, Line: e.Data["line"], Focus: e.Focus, Due: e.ActBy, Mine: e.Actor != "" && e.Actor == institution}
	if n.Line == "" {
		n.Line, _, _ = strings.Cut(e.Kind, ".")
	}
	n.Zh, n.En = b.fill(t.Zh, e, "zh"), b.fill(t.En, e, "en")
	return n
}

var nothing = map[string][2]string{"actor": {"对方", "the other side"}, "due": {"（不限时）", "(no limit)"}}

func (b *Book) fill(text string, e Event, lang string) string {
	pick := func(zh, en string) string {
		if lang == "en" {
			return en
		}
		return zh
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		key, after, closed := strings.Cut(rest, "}")
		if !closed {
			out.WriteString("{" + rest)
			return out.String()
		}
		text = after
		value := ""
		switch key {
		case "actor":
			if e.Actor != "" && b.Name != nil {
				value = b.Name(e.Actor)
			}
		case "due":
			if !e.ActBy.IsZero() {
				value = e.ActBy.In(b.zone()).Format("01-02 15:04")
			}
		case "next": // who must act by when, where somebody must
			if e.Actor != "" && !e.ActBy.IsZero() {
				value = b.fill(pick("：由{actor}处理，时限 {due}", ": {actor} acts by {due}"), e, lang)
			}
		default:
			value = e.Data[key]
			if b.Say != nil && value != "" {
				if zh, en := b.Say(key, value); zh != "" {
					value = pick(zh, en)
				}
			}
		}
		if value == "" {
			value = pick(nothing[key][0], nothing[key][1])
		}
		out.WriteString(value)
	}
}

var shanghai = time.FixedZone("CST", 8*3600)

func (b *Book) zone() *time.Location {
	if b.Zone != nil {
		return b.Zone
	}
	return shanghai
}

// Seen is the last seq that reader has marked as read.
func Seen(ctx context.Context, tx *store.Tx, reader string) (seq int64, err error) {
	err = tx.Query(ctx, `SELECT seq FROM event_read WHERE reader = ?`, []any{reader}, func(scan func(...any) error) error { return scan(&seq) })
	if err != nil {
		return 0, fmt.Errorf("event: seen: %w", err)
	}
	return seq, nil
}

// See marks everything up to seq as read by reader; it never goes back.
func See(ctx context.Context, tx *store.Tx, reader string, seq int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO event_read (reader, seq) VALUES (?, ?)
		ON CONFLICT (reader) DO UPDATE SET seq = CASE WHEN event_read.seq > excluded.seq THEN event_read.seq ELSE excluded.seq END`, reader, seq)
	if err != nil {
		return fmt.Errorf("event: see: %w", err)
	}
	return nil
}

// Unread counts the events of party above seq that happened since, up to most.
func Unread(ctx context.Context, tx *store.Tx, party string, seq int64, since time.Time, most int) (n int64, err error) {
	err = tx.Query(ctx, `SELECT coalesce(min(seq), 9000000000000000000) FROM event_log WHERE at >= ?`, []any{since.UnixMicro()}, func(scan func(...any) error) error {
		var first int64
		err := scan(&first)
		seq = max(seq, first-1)
		return err
	})
	if err == nil {
		err = tx.Query(ctx, `SELECT count(*) FROM (SELECT 1 FROM event_party WHERE party = ? AND seq > ? LIMIT ?) AS u`, []any{party, seq, int64(most)},
			func(scan func(...any) error) error { return scan(&n) })
	}
	if err != nil {
		return 0, fmt.Errorf("event: unread: %w", err)
	}
	return n, nil
}
