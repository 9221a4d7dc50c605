package postgres

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/store/engine"
)

// rows gathers queued inserts of one text: a table's rows go out as one statement over arrays.
type rows struct {
	query   string
	columns []any // *[]int64, *[]string, *[][]byte, *[]float64
	n       int
}

// add takes one row; false when a value does not fit the columns so far, such as NULL.
func (r *rows) add(args []any) bool {
	if r.n == 0 {
		for _, arg := range args {
			switch arg.(type) {
			case int64:
				r.columns = append(r.columns, &[]int64{})
			case string:
				r.columns = append(r.columns, &[]string{})
			case []byte:
				r.columns = append(r.columns, &[][]byte{})
			case float64:
				r.columns = append(r.columns, &[]float64{})
			default:
				r.columns = nil
				return false
			}
		}
	}
	for i, arg := range args { // all or none
		ok := false
		switch r.columns[i].(type) {
		case *[]int64:
			_, ok = arg.(int64)
		case *[]string:
			_, ok = arg.(string)
		case *[][]byte:
			_, ok = arg.([]byte)
		case *[]float64:
			_, ok = arg.(float64)
		}
		if !ok {
			return false
		}
	}
	for i, arg := range args {
		switch column := r.columns[i].(type) {
		case *[]int64:
			*column = append(*column, arg.(int64))
		case *[]string:
			*column = append(*column, arg.(string))
		case *[][]byte:
			*column = append(*column, arg.([]byte))
		case *[]float64:
			*column = append(*column, arg.(float64))
		}
	}
	r.n++
	return true
}

// statement is the insert of all rows at once.
func (r *rows) statement(is *engine.Insert) (string, []any) {
	var b strings.Builder
	b.WriteString(is.Head)
	b.WriteString(" SELECT * FROM unnest(")
	args := make([]any, len(r.columns))
	for i, column := range r.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		switch column := column.(type) {
		case *[]int64:
			b.WriteString("?::bigint[]")
			args[i] = *column
		case *[]string:
			b.WriteString("?::text[]")
			args[i] = *column
		case *[][]byte:
			b.WriteString("?::bytea[]")
			args[i] = *column
		case *[]float64:
			b.WriteString("?::float8[]")
			args[i] = *column
		}
	}
	b.WriteString(") ")
	b.WriteString(is.Tail)
	return engine.Dollars(b.String()), args
}
