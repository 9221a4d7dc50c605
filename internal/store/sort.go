package store

import (
	"fmt"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// keys is the order of the page.
func (f *finder) keys(d *driver) ([]key, error) {
	at := "r.at"
	if d.at {
		at = "d.at"
	}
	if f.pl == nil && len(f.q.Sort) == 0 {
		return []key{{expr: "r.updated", desc: true}}, nil
	}
	if len(f.q.Sort) == 0 {
		return []key{{expr: at, desc: true}}, nil
	}
	var keys []key
	var err error
	for _, s := range f.q.Sort {
		k := key{desc: s.Descending}
		p := s.Param
		switch {
		case s.Special == "_id" || p != nil && p.Code == "_id":
			k.expr, k.text = "r.id", true
		case s.Special == "_lastUpdated" || p != nil && p.Code == "_lastUpdated":
			k.expr = "r.updated"
		case p == nil || f.pl == nil:
			return nil, badSort(s.Special)
		case f.pl.date != nil && p.ID == f.pl.date.ID:
			k.expr = at
			if !s.Descending && !f.dated() { // those without a date come last, either way
				k.expr, k.args = "CASE WHEN "+at+" = ? THEN ? ELSE "+at+" END", []any{int64(minDate), int64(maxDate)}
			}
		case p.Sealed:
			return nil, fhir.Refuse(400, "not-supported", "sort-sealed", p.Code+" is sealed: nothing can be sorted by it", p.Code+" 已加密保存，不能用来排序")
		case p.Type == spec.String:
			k = k.from(f, p, "''", "'"+last+"'", "ix_string.folded")
			k.text = true
		case p.Type == spec.Date && s.Descending:
			k = k.from(f, p, fmt.Sprint(int64(minDate)), fmt.Sprint(int64(maxDate)), "ix_date.high")
		case p.Type == spec.Date:
			k = k.from(f, p, fmt.Sprint(int64(minDate)), fmt.Sprint(int64(maxDate)), "ix_date.low")
		case p.Type == spec.Number || p.Type == spec.Quantity:
			k = k.from(f, p, "-1e300", "1e300", "ix_quantity.value", "ix_range."+open)
			k.real = true
		case p.Type == spec.Reference:
			k = k.from(f, base(p), "-1", fmt.Sprint(int64(maxDate)), "ix_ref.target")
		case p.Type == spec.Token && !byText(p):
			if k, err = f.codeKey(k, p); err != nil {
				return nil, err
			}
		default:
			return nil, badSort(p.Code)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// last sorts behind every folded text.
const last = "\U0010ffff"

// open stands for the end of an interval that is not open.
const open = "open"

// from takes the least or the greatest value that a resource has in the columns given.
func (k key) from(f *finder, p *spec.Param, low, high string, columns ...string) key {
	minMax, missing := "min", high
	if k.desc {
		minMax, missing = "max", low
	}
	q := &sql{}
	q.add("coalesce((SELECT " + minMax + "(x) FROM (")
	for i, column := range columns {
		table, name, _ := strings.Cut(column, ".")
		if i > 0 {
			q.add(" UNION ALL ")
		}
		if name == open {
			q.add("SELECT CASE WHEN s.low < -1e300 THEN s.high ELSE s.low END AS x FROM ix_range s WHERE s.rid = r.rid AND ")
			f.in(q, "s.param", ids(parts(p)))
			continue
		}
		q.add("SELECT s." + name + " AS x FROM " + table + " s WHERE s.rid = r.rid AND ")
		f.in(q, "s.param", ids(parts(p)))
	}
	q.add(") n), " + missing + ")")
	k.expr, k.args = q.String(), q.args
	return k
}

// sortCodes is the number of different codes beyond which nothing is sorted by them: each is looked for in each resource.
const sortCodes = 200

// codeKey sorts by the text of the first or last code.
func (f *finder) codeKey(k key, p *spec.Param) (key, error) {
	q := &sql{}
	q.add("SELECT DISTINCT code FROM ix_code WHERE ")
	f.in(q, "param", ids(parts(p)))
	q.add(" LIMIT ? + 0", sortCodes+1)
	codes := []any{}
	err := f.tx.Query(f.ctx, q.String(), q.args, func(scan func(...any) error) error {
		var code int64
		err := scan(&code)
		codes = append(codes, code)
		return err
	})
	if err == nil && len(codes) > sortCodes {
		err = badSort(p.Code)
	}
	minMax, missing := "min", "'"+last+"'"
	if k.desc {
		minMax, missing = "max", "''"
	}
	q = &sql{}
	q.add("coalesce((SELECT " + minMax + "(y.text) FROM ix_token t JOIN symbol y ON y.id = t.code WHERE ")
	f.in(q, "t.param", ids(parts(p)))
	q.add(" AND t.code IN ("+marks(len(codes))+") AND t.at = r.at AND t.rid = r.rid), "+missing+")", codes...)
	k.expr, k.args, k.text = q.String(), q.args, true
	return k, err
}

func badSort(code string) error {
	return fhir.Refuse(400, "not-supported", "sort-unsupported", "cannot sort by "+code, "不能按 "+code+" 排序")
}
