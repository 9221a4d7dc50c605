package match

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// Columns says which columns hold what, by their headings; several are joined by +. Empty = the file has none.
type Columns map[string]string

// What a column may hold: rec is the record's own ID, id the identity number, card a number of one hospital or scheme.
var columnKinds = []string{"rec", "org", "name", "family", "given", "sex", "birth", "id", "passport", "card", "phone", "address", "place", "area", "city", "postal", "mother", "order"}

// mappings are shipped under a name; they are also chosen by the headings that they need.
var mappings = []struct {
	name    string
	needs   []string
	columns Columns
}{
	{"xinglin", []string{"name", "birth"}, Columns{"rec": "rec_id", "org": "org", "name": "name", "sex": "sex", "birth": "birth", "id": "id_no", "phone": "phone", "address": "address"}},
	{"febrl", []string{"given_name", "surname", "date_of_birth"}, Columns{"rec": "rec_id", "given": "given_name", "family": "surname", "birth": "date_of_birth", "id": "soc_sec_id",
		"address": "street_number+address_1", "place": "address_2", "area": "suburb", "postal": "postcode", "city": "state", "sex": "sex", "phone": "phone_number"}},
}

// BadRow is a row that was left out, or with Kept a field that was.
type BadRow struct {
	Line int
	Code string // columns, quotes, no-id, double-id, too-long, birth
	Text string
	Kept bool
}

func (b BadRow) String() string { return fmt.Sprintf("line %d: %s: %s", b.Line, b.Code, b.Text) }

// ErrColumns is a file without the columns that are needed.
var ErrColumns = errors.New("match: columns")

const maxField = 4096 // bytes of a field

// ReadCSV reads records, UTF-8 with or without its mark, or GB18030; comma, semicolon or tab between fields.
// Columns that are called truth or truth_ are never looked at. each gets a record that it may keep;
// bad is told of every row that cannot be used. columns may name a shipped mapping by {"": "febrl"}.
func ReadCSV(r io.Reader, columns Columns, each func(line int, rec *Record) error, bad func(BadRow)) error {
	in := bufio.NewReaderSize(r, 1<<20)
	head, err := in.Peek(1 << 20)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	if bytes.HasPrefix(head, []byte("\ufeff")) {
		_, _ = in.Discard(3)
		head = head[3:]
	}
	chinese := !utf8.Valid(head[:whole(head)])
	rows := csv.NewReader(in)
	rows.FieldsPerRecord, rows.LazyQuotes, rows.TrimLeadingSpace, rows.ReuseRecord = -1, true, true, true
	rows.Comma = comma(head)
	text := func(s string) string {
		if chinese || !utf8.ValidString(s) {
			if t, err := simplifiedchinese.GB18030.NewDecoder().String(s); err == nil {
				s = t
			}
		}
		return strings.TrimSpace(s)
	}
	first, err := rows.Read()
	if err != nil {
		return fmt.Errorf("%w: the file has no heading", ErrColumns)
	}
	headings := make([]string, len(first))
	for i, h := range first {
		headings[i] = strings.ToLower(text(h))
	}
	where, err := columns.find(headings)
	if err != nil {
		return err
	}
	ids := map[string]bool{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		line, _ := rows.FieldPos(0)
		if err != nil {
			var parse *csv.ParseError
			if !errors.As(err, &parse) {
				return err
			}
			bad(BadRow{Line: parse.Line, Code: "quotes", Text: parse.Err.Error()})
			continue
		}
		if len(row) == 1 && strings.TrimSpace(row[0]) == "" {
			continue
		}
		if len(row) != len(headings) {
			bad(BadRow{Line: line, Code: "columns", Text: fmt.Sprintf("%d fields; the heading has %d", len(row), len(headings))})
			continue
		}
		if slices.ContainsFunc(row, func(s string) bool { return len(s) > maxField }) {
			bad(BadRow{Line: line, Code: "too-long", Text: fmt.Sprintf("a field has more than %d bytes", maxField)})
			continue
		}
		get := func(kind string) string {
			at := where[kind]
			switch len(at) {
			case 0:
				return ""
			case 1:
				return text(row[at[0]])
			}
			var parts []string
			for _, i := range at {
				if s := text(row[i]); s != "" {
					parts = append(parts, s)
				}
			}
			return strings.Join(parts, " ")
		}
		rec := toRecord(get)
		switch {
		case rec.ID == "" && len(where["rec"]) == 0:
			rec.ID = fmt.Sprintf("%09d", line)
		case rec.ID == "":
			bad(BadRow{Line: line, Code: "no-id", Text: "the record has no ID"})
			continue
		}
		if ids[rec.ID] {
			bad(BadRow{Line: line, Code: "double-id", Text: "an earlier row has the same ID"})
			continue
		}
		ids[rec.ID] = true
		if rec.Birth != "" {
			if _, ok := readDate(rec.Birth); !ok {
				bad(BadRow{Line: line, Code: "birth", Text: "the birthday cannot be read", Kept: true})
			}
		}
		if err := each(line, rec); err != nil {
			return err
		}
	}
}

func toRecord(get func(string) string) *Record {
	rec := &Record{ID: strings.Clone(get("rec")), Org: get("org"), Sex: get("sex"), Birth: get("birth"), Mother: strings.Clone(get("mother"))}
	if n := (Name{get("name"), get("family"), get("given")}); n != (Name{}) {
		rec.Names = []Name{n}
	}
	if o := get("order"); len(o) == 1 && o[0] >= '1' && o[0] <= '9' {
		rec.Order = int(o[0] - '0')
	}
	if v := get("id"); v != "" {
		rec.Numbers = append(rec.Numbers, Number{System: GuessSystem(v), Value: v})
	}
	if v := get("passport"); v != "" {
		rec.Numbers = append(rec.Numbers, Number{System: Passport, Value: v})
	}
	if v := get("card"); v != "" {
		rec.Numbers = append(rec.Numbers, Number{System: "card|" + rec.Org, Value: v})
	}
	for p := range strings.FieldsFuncSeq(get("phone"), func(r rune) bool { return strings.ContainsRune(",;/、；，", r) }) {
		rec.Phones = append(rec.Phones, p)
	}
	if a := (Address{Text: get("address"), Place: get("place"), Area: get("area"), City: get("city"), PostalCode: get("postal")}); a != (Address{}) {
		rec.Address = []Address{a}
	}
	return rec
}

// find gives the places of the columns of each kind.
func (c Columns) find(headings []string) (map[string][]int, error) {
	named := c[""]
	if named != "" || len(c) == 0 {
		found := false
		for _, m := range mappings {
			if m.name == named || named == "" && !slices.ContainsFunc(m.needs, func(n string) bool { return !slices.Contains(headings, n) }) {
				c, found = m.columns, true
				break
			}
		}
		if !found {
			return nil, fmt.Errorf("%w: headings are %s; name the columns by --map, or call them %s", ErrColumns, strings.Join(headings, ","), "rec_id,org,name,sex,birth,id_no,phone,address")
		}
	} else {
		for kind := range c {
			if !slices.Contains(columnKinds, kind) {
				return nil, fmt.Errorf("%w: nothing is called %q; possible: %s", ErrColumns, kind, strings.Join(columnKinds, ", "))
			}
		}
	}
	where := map[string][]int{}
	shipped := named != "" || slices.ContainsFunc(mappings, func(m struct {
		name    string
		needs   []string
		columns Columns
	}) bool {
		return len(m.columns) == len(c) && m.columns["rec"] == c["rec"]
	})
	for kind, names := range c {
		for heading := range strings.SplitSeq(names, "+") {
			heading = strings.ToLower(strings.TrimSpace(heading))
			if heading == "truth" || strings.HasPrefix(heading, "truth_") {
				return nil, fmt.Errorf("%w: %s holds an answer, and is never read", ErrColumns, heading)
			}
			at := slices.Index(headings, heading)
			if at >= 0 {
				where[kind] = append(where[kind], at)
			} else if !shipped {
				return nil, fmt.Errorf("%w: no heading is %q; headings are %s", ErrColumns, heading, strings.Join(headings, ","))
			}
		}
	}
	if len(where["rec"]) == 0 && len(c["rec"]) == 0 {
		if at := slices.Index(headings, "rec_id"); at >= 0 {
			where["rec"] = []int{at}
		}
	}
	if len(where["name"])+len(where["family"])+len(where["given"])+len(where["id"]) == 0 {
		return nil, fmt.Errorf("%w: no column holds a name or a number", ErrColumns)
	}
	return where, nil
}

// whole is the length of text without a character that is cut off at its end.
func whole(b []byte) int {
	for i := 1; i <= 4 && i <= len(b); i++ {
		if utf8.RuneStart(b[len(b)-i]) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return len(b) - i
			}
			break
		}
	}
	return len(b)
}

func comma(head []byte) rune {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	best, most := ',', bytes.Count(line, []byte(","))
	for _, c := range "\t;" {
		if n := bytes.Count(line, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}
