package api

import (
	"bufio"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// mostExported is how many entries one file holds; more is refused before anything is sent.
const mostExported = 200_000

// export sends a period as CSV or as signed JSON lines. The file says who took it, when, and what was asked for.
func (a *Trail) export(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	format := r.URL.Query().Get("format")
	if format != "csv" && format != "jsonl" {
		Refuse(w, r, fhir.Refuse(400, "value", "bad-format", "format is csv or jsonl", "导出格式只能是 csv 或 jsonl"))
		return
	}
	if c.Role != access.Auditor && c.Role != access.Leader && c.Role != access.Program {
		Refuse(w, r, fhir.Refuse(403, "forbidden", "not-auditor", "only auditors and leaders export the audit trail", "只有审计员和院领导可以导出审计记录"))
		return
	}
	f, err := a.filter(r.URL.Query())
	if err == nil && (f.From.IsZero() || f.Until.IsZero()) {
		err = fhir.Refuse(400, "required", "period-required", "an export needs from and until", "导出须指定起止日期")
	}
	n := int64(0)
	if err == nil {
		n, err = a.Desk.Count(r.Context(), c, f)
	}
	if err == nil && n > mostExported {
		err = fhir.Refuse(422, "too-costly", "export-too-large", fmt.Sprintf("%d entries are too many for one file (%d); shorten the period", n, mostExported), fmt.Sprintf("共 %d 条，超过单个文件上限 %d 条，请缩短时间范围", n, mostExported))
	}
	e := audit.Of(r.Context(), "R", "audit-export", "audit?"+named(r.URL.Query())+"#"+format)
	e.Count = int(n)
	if f.Patient != "" {
		e.Patients = []string{f.Patient}
	}
	if err == nil {
		err = a.Book.Read(r.Context(), e)
	}
	if err != nil {
		Refuse(w, r, err)
		return
	}
	mark := watermark{Hub: a.Tree.Name(c.Institution), By: c.Name, Account: c.User, Role: string(c.Role), Org: c.Org, At: time.Now().UTC().Truncate(time.Second), Request: r.Header.Get("X-Request-Id"),
		From: f.From, Until: f.Until, Asked: named(r.URL.Query()), Key: a.Book.Key().ID}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Disposition", `attachment; filename="audit-`+f.From.In(a.Zone).Format("20060102")+"-"+f.Until.Add(-time.Second).In(a.Zone).Format("20060102")+"."+format+`"`)
	if format == "csv" {
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		a.exportCSV(w, r, c, f, mark)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	a.exportLines(w, r, c, f, mark)
}

// watermark says who took a file.
type watermark struct {
	Hub     string    `json:"hub,omitempty"`
	By      string    `json:"by"`
	Account string    `json:"account"`
	Role    string    `json:"role"`
	Org     string    `json:"org,omitempty"`
	At      time.Time `json:"at"`
	Request string    `json:"request"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Asked   string    `json:"asked"`
	Key     string    `json:"key"`
}

// each hands out all that the filter finds, newest first.
func (a *Trail) each(r *http.Request, c *access.Caller, f audit.Filter, one func(audit.Entry) error) error {
	f.Count = 500
	for sent := 0; sent < mostExported; {
		entries, next, err := a.Desk.Find(r.Context(), c, f)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := one(e); err != nil {
				return err
			}
		}
		if sent += len(entries); next == "" {
			return nil
		}
		f.Cursor = next
	}
	return nil
}

// cell keeps a spreadsheet from taking text for a formula.
func cell(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}

func (a *Trail) exportCSV(w io.Writer, r *http.Request, c *access.Caller, f audit.Filter, mark watermark) {
	io.WriteString(w, "\uFEFF") // so that Excel reads UTF-8
	out := csv.NewWriter(w)
	row := func(cells ...string) error {
		for i := range cells {
			cells[i] = cell(cells[i])
		}
		return out.Write(cells)
	}
	row("审计记录导出 Audit export", "导出人 by: "+mark.By+" ("+mark.Account+")", "角色 role: "+mark.Role, "机构 organisation: "+a.Tree.Name(mark.Org), "导出时间 at: "+mark.At.In(a.Zone).Format("2006-01-02 15:04:05"), "编号 request: "+mark.Request)
	row("序号 no.", "时间 time", "账号 account", "姓名 name", "角色 role", "机构 organisation", "操作 what", "代码 code", "对象 target", "患者 patients", "目的 purpose", "理由 reason", "应用 app", "结果 outcome", "地址 address", "请求 request")
	err := a.each(r, c, f, func(e audit.Entry) error {
		what, purpose := a.whatName(e.What), ""
		if p := wordsOf(e.Purpose, purposes); p != nil {
			purpose = p.Zh + " " + e.Purpose
		}
		return row(strconv.FormatInt(e.Seq, 10), e.At.In(a.Zone).Format("2006-01-02 15:04:05"), e.User, e.Name, roleName(e.Role).Zh, a.Tree.Name(e.Org)+" "+e.Org, what.Zh, e.What, e.Target,
			strings.Join(e.Patients, " "), purpose, e.Reason, e.Client, map[string]string{"0": "成功", "4": "拒绝", "8": "失败"}[e.Outcome], e.Remote, e.Request)
	})
	if err != nil {
		row("导出中断，以下缺失 broken off here: " + r.Header.Get("X-Request-Id"))
	}
	row("完 end")
	out.Flush()
}

// exportLines writes a line that says who took the file, one for each entry with its hash in the chain, and one with
// the signature over all before it.
func (a *Trail) exportLines(w io.Writer, r *http.Request, c *access.Caller, f audit.Filter, mark watermark) {
	sum := sha256.New()
	buffered := bufio.NewWriterSize(w, 64<<10)
	both := io.MultiWriter(buffered, sum)
	line := func(v any) error {
		text, err := json.Marshal(v)
		if err == nil {
			_, err = both.Write(append(text, '\n'))
		}
		return err
	}
	err := line(map[string]any{"export": mark})
	n := 0
	if err == nil {
		err = a.each(r, c, f, func(e audit.Entry) error {
			n++
			return line(struct {
				Seq   int64           `json:"seq"`
				Entry json.RawMessage `json:"entry"`
			}{e.Seq, e.JSON()})
		})
	}
	end := map[string]any{"entries": n, "sha256": hex.EncodeToString(sum.Sum(nil)), "key": mark.Key}
	if err != nil {
		end["error"] = "broken off; request " + mark.Request
	} else if end["signature"], err = a.Book.Key().Sign(audit.Exporting, sum.Sum(nil)); err != nil {
		end["error"] = "not signed"
	}
	line(map[string]any{"end": end})
	buffered.Flush()
}

// key is the public half of what signs checkpoints and exports.
func (a *Trail) key(w http.ResponseWriter, r *http.Request) {
	c := Caller(w, r)
	if c == nil {
		return
	}
	if err := a.Desk.Reads(c); err != nil {
		Refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	io.WriteString(w, a.Book.Key().PEM())
}
