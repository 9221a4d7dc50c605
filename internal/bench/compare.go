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

// Run is the figures of one file.
type Run struct {
	Name    string
	Figures []Figure
}

// Compare writes a table in Markdown of several runs: rate, latency and cost of each, and of two also how many
// times faster the first is.
func Compare(w io.Writer, runs ...Run) error {
	head := []string{""}
	for _, r := range runs {
		head = append(head, r.Name+" /s", r.Name+" p50 / p99 ms", r.Name+" CPU ms, MB")
	}
	if len(runs) == 2 {
		head = append(head, "ratio")
	}
	rows := [][]string{head}
	var names []string
	seen := map[string]bool{}
	found := make([]map[string]Figure, len(runs))
	for i, r := range runs {
		found[i] = map[string]Figure{}
		for _, f := range r.Figures {
			found[i][f.Name] = f
			if !seen[f.Name] {
				seen[f.Name] = true
				names = append(names, f.Name)
			}
		}
	}
	for _, name := range names {
		row := []string{name}
		for i := range runs {
			f, ok := found[i][name]
			row = append(row, cells(f, ok)...)
		}
		if len(runs) == 2 {
			a, okA := found[0][name]
			b, okB := found[1][name]
			ratio := "–"
			if okA && okB && a.Rate > 0 && b.Rate > 0 && a.Errors == 0 && b.Errors == 0 {
				ratio = fmt.Sprintf("%.1f", a.Rate/b.Rate)
			}
			row = append(row, ratio)
		}
		rows = append(rows, row)
	}
	return table(w, rows)
}

// cells are the rate, the latency and the cost of a figure.
func cells(f Figure, ok bool) []string {
	switch {
	case !ok:
		return []string{"–", "–", "–"}
	case f.Skipped != "":
		return []string{"refused", "–", "–"}
	}
	rate, cost := fmt.Sprintf("%.0f", f.Rate), "–"
	if f.Errors > 0 {
		rate += fmt.Sprintf(" (%d of %d failed)", f.Errors, f.Count)
	}
	if f.CPU > 0 {
		// for each request, or for each resource of an import
		cost = fmt.Sprintf("%.2f, %d", f.CPU*1000/float64(max(f.Count, f.Resources, 1)), f.RSS>>20)
	}
	return []string{rate, fmt.Sprintf("%.2f / %.2f", f.P50, f.P99), cost}
}

func table(w io.Writer, rows [][]string) error {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for n, row := range rows {
		for i, cell := range row {
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString("|\n")
		if n == 0 {
			for i := range row {
				fmt.Fprintf(&b, "| %s ", strings.Repeat("-", width[i]))
			}
			b.WriteString("|\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
