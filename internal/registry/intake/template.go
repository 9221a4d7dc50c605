package intake

import (
	"bytes"
	"encoding/csv"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/xinglin-health/xinglin/internal/registry"
)

// Template makes a workbook with one sheet for each table: the head, lists to choose from, and a sheet that explains.
func Template() ([]byte, error) {
	f := excelize.NewFile()
	defer f.Close()
	bold, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return nil, err
	}
	text, err := f.NewStyle(&excelize.Style{NumFmt: 49})
	if err != nil {
		return nil, err
	}
	const about = "说明"
	if err := f.SetSheetName("Sheet1", about); err != nil {
		return nil, err
	}
	lines := [][]any{{"表", "列", "必填", "说明", "可填"}}
	for _, k := range kinds {
		if _, err := f.NewSheet(k.zh); err != nil {
			return nil, err
		}
		for i, c := range k.columns {
			column, _ := excelize.ColumnNumberToName(i + 1)
			head, must := c.zh, ""
			if c.must {
				head, must = c.zh+"*", "是"
			}
			if err := f.SetCellValue(k.zh, column+"1", head); err != nil {
				return nil, err
			}
			if err := f.SetColStyle(k.zh, column, text); err != nil {
				return nil, err
			}
			var words []string
			if c.terms != nil {
				for _, t := range c.terms() {
					words = append(words, t.Zh)
				}
				if list := strings.Join(words, ","); len(list) < 250 && !c.many {
					v := excelize.NewDataValidation(true)
					v.Sqref = column + "2:" + column + "5000"
					if err := v.SetDropList(words); err == nil {
						if err := f.AddDataValidation(k.zh, v); err != nil {
							return nil, err
						}
					}
				}
			}
			lines = append(lines, []any{k.zh, c.zh, must, c.help, strings.Join(words, "、")})
		}
		last, _ := excelize.ColumnNumberToName(len(k.columns))
		if err := f.SetColWidth(k.zh, "A", last, 18); err != nil {
			return nil, err
		}
		if err := f.SetCellStyle(k.zh, "A1", last+"1", bold); err != nil {
			return nil, err
		}
	}
	for i, l := range lines {
		cell, _ := excelize.CoordinatesToCellName(1, i+1)
		if err := f.SetSheetRow(about, cell, &l); err != nil {
			return nil, err
		}
	}
	if err := f.SetColWidth(about, "A", "E", 24); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// TemplateCSV is the head of one table as CSV; false when there is no such table.
func TemplateCSV(code string) ([]byte, bool) {
	k := kindNamed(code)
	if k == nil {
		return nil, false
	}
	var head []string
	for _, c := range k.columns {
		if c.must {
			head = append(head, c.zh+"*")
		} else {
			head = append(head, c.zh)
		}
	}
	var b bytes.Buffer
	b.WriteString("\xef\xbb\xbf") // spreadsheets read it as UTF-8 only then
	w := csv.NewWriter(&b)
	w.Write(head)
	w.Flush()
	return b.Bytes(), true
}

// Tables lists what can be imported.
func Tables() (list []registry.Term) {
	for _, k := range kinds {
		list = append(list, registry.Term{Code: k.code, Zh: k.zh, En: k.en})
	}
	return list
}
