package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

func (s *server) create(c *call) (*answer, error) {
	ch := &change{method: "POST", typ: c.typ, query: criteria(c.typ, c.ifExist), node: c.body}
	return s.writeOne(c, ch)
}

// criteria is the query of If-None-Exist; some clients write the type before it.
func criteria(typ, value string) string {
	return strings.TrimPrefix(strings.TrimPrefix(value, typ), "?")
}

// writeOne performs a single create, update or delete.
func (s *server) writeOne(c *call, ch *change) (*answer, error) {
	u := s.unit(c, ch)
	if err := s.writer.apply(c.ctx, u); err != nil {
		return nil, err
	}
	if c.repeated = u.again != nil; c.repeated {
		if err := s.writer.replay(c.ctx, u); err != nil {
			return nil, err
		}
	} else if ch.op == 0 {
		// nothing was written: what was found has been shown
		entry := c.entry("R", target(ch.typ, max(ch.out.ID, ch.put.ID)))
		entry.Patients = patients(ch.out)
		if err := s.Audit.Read(c.ctx, entry); err != nil {
			return nil, err
		}
	}
	return c.written(ch), nil
}

func (s *server) unit(c *call, changes ...*change) *unit {
	u := &unit{changes: changes, caller: c.caller, base: c.base, loose: s.AllowDangling}
	u.follow(c.provenance)
	u.audit = c.entry(actionOf(c.what), "")
	if c.key != "" {
		h := sha256.New()
		h.Write([]byte(c.what + " " + c.typ + " " + c.ifExist + "\n"))
		if c.provenance != nil {
			h.Write(c.provenance.JSON())
		}
		h.Write(c.raw)
		u.key, u.hash = c.key, hex.EncodeToString(h.Sum(nil))
	}
	return u
}

// written answers a write as Prefer asks.
func (c *call) written(ch *change) *answer {
	v := ch.result()
	a := &answer{status: ch.status()}
	if v.VID > 0 {
		a.version = &v
	}
	if ch.method == "DELETE" {
		if c.prefer.answer == "OperationOutcome" {
			a.status = http.StatusOK
			a.body = c.done("deleted", "deleted", "已删除")
		}
		return a
	}
	if ch.created || ch.method == "POST" {
		a.location = versionPath(v)
	}
	switch c.prefer.answer {
	case "minimal":
	case "OperationOutcome":
		if ch.created {
			a.body = c.done("created", "created", "已建立")
		} else {
			a.body = c.done("updated", "updated", "已更新")
		}
	default:
		a.body = v.JSON
	}
	return a
}

func (c *call) done(detail, text, zh string) []byte {
	return outcome([]fhir.Issue{{Severity: "information", Code: "informational", Detail: detail, Text: text, Zh: zh}}, c.lang, c.request).JSON()
}

func versionPath(v store.Version) string {
	path := v.Type + "/" + v.ID
	if v.VID > 0 {
		path += "/_history/" + strconv.FormatInt(v.VID, 10)
	}
	return path
}
