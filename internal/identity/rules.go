package identity

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
)

// Rules say how people must prove who they are; rules.json holds the usual ones and where they come from.
type Rules struct {
	Source   string `json:"source"`
	Verified bool   `json:"verified"` // a person has compared the figures with the source
	Password struct {
		Least      int `json:"least"`      // characters
		Kinds      int `json:"kinds"`      // of lower case, upper case, digits, others
		LongEnough int `json:"longEnough"` // characters from which the kinds do not matter
		History    int `json:"history"`    // so many of the last ones are refused
		Days       int `json:"days"`       // until it must be changed; 0 = never
	} `json:"password"`
	Attempts struct {
		Tries          int `json:"tries"` // at one account from one place
		LockMinutes    int `json:"lockMinutes"`
		LongestMinutes int `json:"longestMinutes"` // each lock after the first is twice as long, up to this
		Strangers      int `json:"strangers"`      // at one account from all devices that it does not know
		Address        int `json:"address"`        // from one address at any account
	} `json:"attempts"`
	Session struct {
		IdleMinutes int `json:"idleMinutes"`
		Hours       int `json:"hours"`
		Most        int `json:"most"` // at once; the oldest ends
	} `json:"session"`
	Second struct {
		Roles        []access.Role `json:"roles"`        // need a second factor
		ProofMinutes int           `json:"proofMinutes"` // how long a proof counts for sensitive acts
	} `json:"second"`
	Confirm struct {
		Roles []access.Role `json:"roles"` // a second administrator confirms
		From  int           `json:"from"`  // once the institution has so many administrators; 0 = never
		Days  int           `json:"days"`  // how long a request waits
	} `json:"confirm"`
}

//go:embed rules.json
var usualRules []byte

// UsualRules are those that hold unless the operator says otherwise.
func UsualRules() Rules {
	r, err := readRules(usualRules)
	if err != nil {
		panic(err)
	}
	return r
}

// ReadRules reads the operator's own rules: what the file leaves out is as usual. No file means the usual rules.
func ReadRules(path string) (Rules, error) {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return UsualRules(), nil
	}
	if err != nil {
		return Rules{}, fmt.Errorf("identity: rules: %w", err)
	}
	r, err := readRules(usualRules, text)
	if err != nil {
		return r, fmt.Errorf("identity: %s: %w", path, err)
	}
	return r, nil
}

func readRules(texts ...[]byte) (r Rules, err error) {
	for _, text := range texts {
		if err := json.Unmarshal(text, &r); err != nil {
			return r, fmt.Errorf("rules: %w", err)
		}
	}
	for _, c := range []struct {
		what          string
		is, low, high int
	}{
		{"password.least", r.Password.Least, 8, 64}, {"password.kinds", r.Password.Kinds, 1, 4}, {"password.history", r.Password.History, 0, 24},
		{"password.days", r.Password.Days, 0, 3650}, {"attempts.tries", r.Attempts.Tries, 3, 20}, {"attempts.lockMinutes", r.Attempts.LockMinutes, 1, 1440},
		{"attempts.longestMinutes", r.Attempts.LongestMinutes, r.Attempts.LockMinutes, 1440}, {"attempts.strangers", r.Attempts.Strangers, 10, 1000},
		{"attempts.address", r.Attempts.Address, 10, 10000}, {"session.idleMinutes", r.Session.IdleMinutes, 1, 240}, {"session.hours", r.Session.Hours, 1, 24},
		{"session.most", r.Session.Most, 1, 100}, {"second.proofMinutes", r.Second.ProofMinutes, 1, 240}, {"confirm.from", r.Confirm.From, 0, 100}, {"confirm.days", r.Confirm.Days, 1, 90},
	} {
		if c.is < c.low || c.is > c.high {
			return r, fmt.Errorf("rules: %s is %d; want %d to %d", c.what, c.is, c.low, c.high)
		}
	}
	return r, nil
}

// Sentence is one rule in words.
type Sentence struct {
	Code string `json:"code"`
	Zh   string `json:"zh"`
	En   string `json:"en"`
}

// Sentences are the rules in words, for the page.
func (r Rules) Sentences() []Sentence {
	say := func(code, zh, en string, n ...any) Sentence {
		return Sentence{code, fmt.Sprintf(zh, n...), fmt.Sprintf(en, n...)}
	}
	p, a, se := r.Password, r.Attempts, r.Session
	list := []Sentence{
		say("password", "密码至少 %d 个字符，含大写、小写、数字、其他字符中的 %d 种；满 %d 个字符则不限种类。", "A password has at least %d characters of %d kinds (capitals, small letters, digits, others); from %d characters on, kinds do not matter.", p.Least, p.Kinds, p.LongEnough),
		say("plain", "不能是常见密码，不能包含账号或姓名。", "Not a common password, nor one with your user name or name in it."),
	}
	if p.History > 0 {
		list = append(list, say("history", "不能与最近 %d 次用过的密码相同。", "Not one of your last %d passwords.", p.History))
	}
	if p.Days > 0 {
		list = append(list, say("age", "密码每 %d 天须更换。", "It is changed every %d days.", p.Days))
	}
	return append(list,
		say("attempts", "同一处连续输错 %d 次，锁定 %d 分钟。", "After %d failures in one place, that place waits for %d minutes.", a.Tries, a.LockMinutes),
		say("session", "无人操作 %d 分钟或登录满 %d 小时后须重新登录；同时最多登录 %d 处。", "A session ends after %d idle minutes and after %d hours; at most %d at once.", se.IdleMinutes, se.Hours, se.Most))
}

// needsSecond says whether one of the roles that hold at t needs a second factor.
func (r Rules) needsSecond(roles []Role, t time.Time) bool {
	return slices.ContainsFunc(roles, func(x Role) bool { return x.At(t) && slices.Contains(r.Second.Roles, x.Role) })
}

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }
