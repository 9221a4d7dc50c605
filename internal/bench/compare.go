package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// ReadFigures reads what --json wrote: one figure a line.
func ReadFigures(r io.Reader) ([]Figure, error) {
	var out []Figure
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var f Figure
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			return nil, fmt.Errorf("bench: line %d: %w", n, err)
		}
		out = append(out, f)
	}
	return out, lines.Err()
}

// Compare writes a table in Markdown of two runs: rate and latency of each, and how many times faster the first is.
func Compare(w io.Writer, nameA, nameB string, a, b []Figure) error {
	other := map[string]Figure{}
	for _, f := range b {
		other[f.Name] = f
	}
	rows := [][]string{{"", nameA + " /s", nameB + " /s", "ratio", nameA + " p50 / p99 ms", nameB + " p50 / p99 ms", nameA + " CPU ms, MB", nameB + " CPU ms, MB"}}
	cells := func(f Figure, ok bool) (rate, latency, cost string) {
		switch {
		case !ok:
			return "–", "–", "–"
		case f.Skipped != "":
			return "refused", "–", "–"
		}
		rate = fmt.Sprintf("%.0f", f.Rate)
		if f.Errors > 0 {
			rate += fmt.Sprintf(" (%d of %d failed)", f.Errors, f.Count)
		}
		if cost = "–"; f.CPU > 0 {
			// for each request, or for each resource of an import
			cost = fmt.Sprintf("%.2f, %d", f.CPU*1000/float64(max(f.Count, f.Resources, 1)), f.RSS>>20)
		}
		return rate, fmt.Sprintf("%.2f / %.2f", f.P50, f.P99), cost
	}
	add := func(name string, fa Figure, okA bool, fb Figure, okB bool) {
		ra, la, ca := cells(fa, okA)
		rb, lb, cb := cells(fb, okB)
		ratio := "–"
		if okA && okB && fb.Rate > 0 && fa.Rate > 0 && fa.Errors == 0 && fb.Errors == 0 {
			ratio = fmt.Sprintf("%.1f", fa.Rate/fb.Rate)
		}
		rows = append(rows, []string{name, ra, rb, ratio, la, lb, ca, cb})
	}
	seen := map[string]bool{}
	for _, f := range a {
		fb, ok := other[f.Name]
		add(f.Name, f, true, fb, ok)
		seen[f.Name] = true
	}
	for _, f := range b {
		if !seen[f.Name] {
			add(f.Name, Figure{}, false, f, true)
		}
	}
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			if _, err := fmt.Fprintf(w, "| %s%s ", cell, strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))); err != nil {
				return err
			}
		}
		fmt.Fprintln(w, "|")
		if n == 0 {
			for i := range row {
				fmt.Fprintf(w, "| %s ", strings.Repeat("-", width[i]))
			}
			fmt.Fprintln(w, "|")
		}
	}
	return nil
}
