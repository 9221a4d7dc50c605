package intake

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Read reads an .xlsx workbook or a CSV file (UTF-8 or GB 18030) by its content. Formulas, links to other files, macros,
// encryption and whatever unpacks to more than the bounds are refused.
func Read(name string, data []byte) ([]Table, error) {
	switch {
	case len(data) > MaxFile:
		return nil, fhir.Refuse(413, "too-long", "too-large", "the file is larger than 8 MB", "文件超过 8 MB")
	case len(data) == 0:
		return nil, refuse("empty-file", "the file is empty", "文件是空的")
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return readWorkbook(data)
	case bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")):
		return nil, refuse("not-xlsx", "an old .xls or an encrypted workbook; save it as .xlsx without a password", "这是旧版 .xls 或加密的工作簿，请另存为不带密码的 .xlsx")
	}
	return readCSV(name, data)
}

func readCSV(name string, data []byte) ([]Table, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data)
		if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
			return nil, refuse("bad-encoding", "neither UTF-8 nor GB 18030", "文件编码既不是 UTF-8 也不是 GB 18030")
		}
		data = text
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, refuse("bad-file", "neither a workbook nor a table of text", "不是 Excel 工作簿，也不是 CSV 文本")
	}
	read := csv.NewReader(bytes.NewReader(data))
	read.FieldsPerRecord, read.ReuseRecord = -1, false
	if first, _, _ := bytes.Cut(data, []byte("\n")); bytes.Count(first, []byte("\t")) > bytes.Count(first, []byte(",")) {
		read.Comma = '\t'
	}
	t := Table{Name: path.Base(strings.ReplaceAll(name, "\\", "/"))}
	cells := 0
	for {
		record, err := read.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, refuse("bad-csv", "the CSV cannot be read: "+err.Error(), "CSV 格式有误："+err.Error())
		}
		line, _ := read.FieldPos(0)
		if cells += len(record); cells > maxCells {
			return nil, tooMany("cells", maxCells)
		}
		if err := t.add(line, record); err != nil {
			return nil, err
		}
	}
	return known([]Table{t})
}

// add takes the next line; the first that is not empty is the head.
func (t *Table) add(number int, cells []string) error {
	for i, c := range cells {
		if utf8.RuneCountInString(c) > maxCell {
			return refuse("cell-too-long", fmt.Sprintf("a cell in line %d is longer than %d characters", number, maxCell), fmt.Sprintf("第 %d 行有单元格超过 %d 字", number, maxCell))
		}
		cells[i] = strings.TrimSpace(strings.ReplaceAll(c, "\u00a0", " "))
	}
	for len(cells) > 0 && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	switch {
	case len(cells) == 0:
	case len(cells) > maxColumns:
		return tooMany("columns", maxColumns)
	case t.Head == nil:
		t.Head = cells
	case len(t.Rows) == maxRows:
		return tooMany("rows", maxRows)
	default:
		t.Rows = append(t.Rows, Row{number, cells})
	}
	return nil
}

// known finds out which kind each table is; those that are none are left out, unless none is left.
func known(tables []Table) ([]Table, error) {
	var out []Table
	for _, t := range tables {
		if t.Kind = kindOf(t); t.Kind != "" {
			out = append(out, t)
		}
	}
	if out == nil {
		return nil, refuse("unknown-table", "no sheet has the head of a template; download the template and keep its first line", "没有识别到模板表头，请下载模板并保留第一行")
	}
	order := func(t Table) int { return slices.IndexFunc(kinds, func(k kind) bool { return k.code == t.Kind }) }
	slices.SortStableFunc(out, func(a, b Table) int { return order(a) - order(b) })
	return out, nil
}

func readWorkbook(data []byte) ([]Table, error) {
	if err := inspect(data); err != nil {
		return nil, err
	}
	f, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{RawCellValue: true, UnzipSizeLimit: maxUnzip, UnzipXMLSizeLimit: maxUnzip})
	if err != nil {
		return nil, refuse("bad-workbook", "the workbook cannot be read", "无法读取该工作簿")
	}
	defer f.Close()
	from1904 := false
	if p, err := f.GetWorkbookProps(); err == nil && p.Date1904 != nil {
		from1904 = *p.Date1904
	}
	var tables []Table
	cells := 0
	for _, sheet := range f.GetSheetList() {
		rows, err := f.Rows(sheet)
		if err != nil {
			return nil, refuse("bad-workbook", "the workbook cannot be read", "无法读取该工作簿")
		}
		t := Table{Name: sheet}
		for n := 1; rows.Next(); n++ {
			record, err := rows.Columns()
			if err != nil {
				rows.Close()
				return nil, refuse("bad-workbook", "the workbook cannot be read", "无法读取该工作簿")
			}
			if cells += len(record); cells > maxCells {
				rows.Close()
				return nil, tooMany("cells", maxCells)
			}
			if err := t.add(n, record); err != nil {
				rows.Close()
				return nil, err
			}
		}
		rows.Close()
		if t.Head != nil {
			dates(&t, from1904)
			tables = append(tables, t)
		}
	}
	return known(tables)
}

// dates turns the serial numbers of a workbook into days, in the columns that hold dates.
func dates(t *Table, from1904 bool) {
	for i, head := range t.Head {
		if c := columnNamed(head); c == nil || !c.date {
			continue
		}
		for _, row := range t.Rows {
			if i >= len(row.Cells) {
				continue
			}
			var serial float64
			if n, err := fmt.Sscanf(row.Cells[i], "%g", &serial); n == 1 && err == nil && serial > 3000 && serial < 2958466 && strings.Trim(row.Cells[i], "0123456789.") == "" {
				if day, err := excelize.ExcelDateToTime(serial, from1904); err == nil {
					row.Cells[i] = day.Format("2006-01-02")
				}
			}
		}
	}
}

// inspect looks at the parts of a workbook before anything unpacks them.
func inspect(data []byte) error {
	bomb := refuse("zip-bomb", "the workbook unpacks to more than 64 MB", "工作簿解压后超过 64 MB")
	bad := refuse("bad-workbook", "the workbook cannot be read", "无法读取该工作簿")
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return bad
	}
	if len(z.File) > maxParts {
		return tooMany("parts", maxParts)
	}
	left := int64(maxUnzip)
	for _, part := range z.File {
		name := strings.ToLower(strings.ReplaceAll(part.Name, "\\", "/"))
		switch {
		case strings.Contains(name, "externallinks/"):
			return refuse("external-link", "the workbook links to another file; paste values instead", "工作簿引用了其他文件，请改为粘贴数值")
		case strings.Contains(name, "vbaproject"):
			return refuse("macros", "the workbook has macros; save it as .xlsx", "工作簿含有宏，请另存为 .xlsx")
		}
		in, err := part.Open()
		if err != nil {
			return bad
		}
		counted := &io.LimitedReader{R: in, N: left + 1}
		if strings.HasPrefix(name, "xl/worksheets/") && strings.HasSuffix(name, ".xml") {
			err = noFormula(counted)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, counted)
		}
		in.Close()
		if left = counted.N - 1; left < 0 {
			return bomb
		}
		var fe *fhir.Error
		if errors.As(err, &fe) {
			return err
		}
		if err != nil {
			return bad
		}
	}
	return nil
}

// noFormula reads a sheet's XML and refuses a cell that computes: what it shows depends on who opens it.
func noFormula(r io.Reader) error {
	read := xml.NewDecoder(r)
	read.Entity = map[string]string{}
	at, cells, rows := "", 0, 0
	for {
		token, err := read.RawToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.Directive:
			return refuse("bad-workbook", "the workbook declares entities", "工作簿内容异常")
		case xml.StartElement:
			switch t.Name.Local {
			case "row":
				if rows++; rows > maxRows+10_000 { // formatted empty lines at the end are common
					return tooMany("rows", maxRows)
				}
			case "c":
				if cells++; cells > 2*maxCells {
					return tooMany("cells", maxCells)
				}
				at = ""
				for _, a := range t.Attr {
					if a.Name.Local == "r" {
						at = a.Value
					}
				}
			case "f":
				if len(at) > 12 {
					at = ""
				}
				return refuse("formula", "cell "+at+" has a formula; paste its value instead", "单元格 "+at+" 是公式，请改为粘贴数值")
			}
		}
	}
}
