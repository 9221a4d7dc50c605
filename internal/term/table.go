package term

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// Bounds of a table.
const (
	MaxTable = 256 << 20 // bytes
	maxRows  = 1_000_000
	maxCell  = 4_096 // bytes
	maxWide  = 200   // columns
)

// Table is a list of codes as hospitals keep them: a file with a line for each code.
type Table struct {
	Encoding  string // UTF-8 or GB18030
	Delimiter rune
	Header    []string       // nil where the file has none
	Columns   map[string]int // what was found where: code, display, parent, …
	Rows      []Row
	Bad       []BadRow
}

// Row is one line of a table.
type Row struct {
	Line  int
	Cells []string
}

// BadRow is a line that cannot be taken, and why.
type BadRow struct {
	Line   int    `json:"line"`
	Text   string `json:"text"`
	Reason string `json:"reason"`
	Zh     string `json:"zh"`
}

func (b BadRow) String() string { return fmt.Sprintf("line %d: %s: %s", b.Line, b.Reason, b.Text) }

// usualColumns are the headings by which columns are found when nothing is said.
var usualColumns = map[string][]string{
	"code":           {"code", "代码", "编码", "疾病诊断编码", "诊断编码", "疾病编码", "疾病代码", "诊断代码", "手术操作编码", "手术编码", "操作编码", "医保编码", "icd10", "icd-10"},
	"display":        {"display", "name", "名称", "疾病诊断名称", "诊断名称", "疾病名称", "手术操作名称", "手术名称", "操作名称", "医保名称"},
	"parent":         {"parent", "上级代码", "上级编码", "父级编码"},
	"definition":     {"definition", "说明", "定义"},
	"source":         {"source", "源代码", "临床版编码", "临床编码", "国临版编码"},
	"target":         {"target", "目标代码", "医保版编码", "医保编码"},
	"source-display": {"source-display", "临床版名称", "临床名称"},
	"target-display": {"target-display", "医保版名称", "医保名称"},
	"equivalence":    {"equivalence", "等价关系", "对应关系"},
}

// Reading says how to read a table. The zero value finds out by itself.
type Reading struct {
	Columns map[string]string // what -> heading, or number of the column from 1
	Wanted  []string          // what must be there, in the order of the columns where there is no heading
}

// ReadTable reads a table; lines that cannot be read are in Bad. The error is for what spoils the whole table.
func ReadTable(r io.Reader, how Reading) (*Table, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxTable+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxTable {
		return nil, fmt.Errorf("the table is larger than %d MB", MaxTable>>20)
	}
	t := &Table{}
	if data, err = t.decode(data); err != nil {
		return nil, err
	}
	t.Delimiter = delimiterOf(data)
	if err := t.split(data); err != nil {
		return nil, err
	}
	if len(t.Rows) == 0 {
		return nil, errors.New("the table is empty")
	}
	return t, t.locate(how)
}

// decode tells UTF-8, with or without BOM, from GBK and GB18030.
func (t *Table) decode(data []byte) ([]byte, error) {
	t.Encoding = "UTF-8"
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) || bytes.HasPrefix(data, []byte("PK\x03\x04")) {
		return nil, errors.New("this is not a text table in UTF-8 or GBK; save it as CSV (UTF-8)")
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, errors.New("this is not a text table: it has NUL bytes")
	}
	if utf8.Valid(data) {
		return data, nil
	}
	t.Encoding = "GB18030"
	out, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data)
	if err != nil {
		return nil, fmt.Errorf("neither UTF-8 nor GBK: %w", err)
	}
	if n := bytes.Count(out, []byte("\uFFFD")); n > len(out)/200+3 {
		return nil, errors.New("neither UTF-8 nor GBK")
	}
	return out, nil
}

// delimiterOf looks at the first lines: tabs, commas, semicolons, bars, or else the first space of a line.
func delimiterOf(data []byte) rune {
	lines := 0
	have := map[rune]int{}
	for line := range bytes.Lines(data) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		for _, d := range "\t,;|" {
			if bytes.ContainsRune(line, d) {
				have[d]++
			}
		}
		if lines++; lines == 200 {
			break
		}
	}
	for _, d := range "\t,;|" {
		if have[d] > 0 && have[d]*10 >= lines*9 {
			return d
		}
	}
	return ' '
}

func (t *Table) split(data []byte) error {
	if t.Delimiter == ' ' {
		line := 0
		for l := range bytes.Lines(data) {
			line++
			text := strings.TrimSpace(string(l))
			if text == "" {
				continue
			}
			first, rest, _ := strings.Cut(text, " ")
			if err := t.take(line, []string{first, strings.TrimSpace(rest)}); err != nil {
				return err
			}
		}
		return nil
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = t.Delimiter, -1, false
	for {
		cells, err := r.Read()
		if err == io.EOF {
			return nil
		}
		var wrong *csv.ParseError
		if errors.As(err, &wrong) {
			t.bad(wrong.StartLine, strings.Join(cells, string(t.Delimiter)), "the quotes do not match ("+wrong.Err.Error()+")", "引号不匹配")
			if len(t.Bad) > 10_000 {
				return errors.New("too many bad lines; is this a table?")
			}
			continue
		}
		if err != nil {
			return err
		}
		line, _ := r.FieldPos(0)
		if err := t.take(line, cells); err != nil {
			return err
		}
	}
}

func (t *Table) take(line int, cells []string) error {
	empty := true
	for i, c := range cells {
		cells[i] = strings.TrimFunc(c, func(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' || r == '\u200B' })
		empty = empty && cells[i] == ""
	}
	switch {
	case empty:
		return nil
	case len(cells) > maxWide:
		return fmt.Errorf("line %d has more than %d columns", line, maxWide)
	case len(t.Rows) >= maxRows:
		return fmt.Errorf("the table has more than %d lines", maxRows)
	}
	for _, c := range cells {
		if len(c) > maxCell {
			t.bad(line, c, "a cell is too long", "单元格内容过长")
			return nil
		}
		if strings.IndexFunc(c, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }) >= 0 {
			t.bad(line, strings.Join(cells, " "), "a cell has control characters or broken text", "单元格含有控制字符或乱码")
			return nil
		}
	}
	t.Rows = append(t.Rows, Row{line, cells})
	return nil
}

func (t *Table) bad(line int, text, reason, zh string) {
	if r := []rune(text); len(r) > 80 {
		text = string(r[:80]) + "…"
	}
	t.Bad = append(t.Bad, BadRow{line, strings.ToValidUTF8(text, "?"), reason, zh})
}

// locate finds the columns: as said, by their headings, or the first ones.
func (t *Table) locate(how Reading) error {
	t.Columns = map[string]int{}
	first := t.Rows[0].Cells
	heading := func(name string) int {
		return slices.IndexFunc(first, func(c string) bool { return strings.EqualFold(c, name) })
	}
	header := false
	for what, name := range how.Columns {
		if i := heading(name); i >= 0 {
			t.Columns[what], header = i, true
		} else if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= maxWide {
			t.Columns[what] = n - 1
		} else {
			return fmt.Errorf("no column is called %q; the first line has: %s", name, strings.Join(first, " | "))
		}
	}
	for what, names := range usualColumns {
		if _, said := t.Columns[what]; said || len(how.Columns) > 0 && !slices.Contains(how.Wanted, what) {
			continue
		}
		for _, n := range names {
			i := heading(n)
			if i >= 0 && !slices.ContainsFunc(sortedValues(t.Columns), func(x int) bool { return x == i && what != "target" && what != "source" }) {
				t.Columns[what], header = i, true
				break
			}
		}
	}
	if header {
		t.Header, t.Rows = first, t.Rows[1:]
	}
	for i, what := range how.Wanted {
		if _, ok := t.Columns[what]; ok {
			continue
		}
		if header || len(how.Columns) > 0 {
			return fmt.Errorf("say which column is %s: --map %s=HEADING or a number; the first line has: %s", what, what, strings.Join(first, " | "))
		}
		t.Columns[what] = i
	}
	return nil
}

func sortedValues(m map[string]int) []int {
	var out []int
	for _, v := range m {
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

// cell is the text of a row in a column, "" when the row or the table has none.
func (t *Table) cell(r *Row, what string) string {
	if i, ok := t.Columns[what]; ok && i < len(r.Cells) {
		return r.Cells[i]
	}
	return ""
}
