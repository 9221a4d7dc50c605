package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/empi/match"
)

func matchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "match FILE.csv",
		Short: "Find records of the same person in a file / 主索引批量比对",
		Long: `Reads a CSV of patient records and writes which belong to one person: rec_id,person to standard output, where a person
is called by the first of the records. Pairs that somebody has to look at go to --review, with probability and evidence.
No database is needed, nothing is stored, and no labels are read: columns called truth_… are never looked at. Weights
are learnt from the file itself; --fixed takes the model as it is.

Columns rec_id,org,name,sex,birth,id_no,phone,address are known, and FEBRL's (--map febrl, or by its headings). Others
are named: --map 'rec=编号,name=姓名,sex=性别,birth=出生日期,id=身份证号,phone=电话,address=住址'. Also possible: org, family,
given, passport, card (a number of one hospital or scheme), place, area, city, postal, mother, order; a+b joins two columns.
UTF-8 or GB18030; commas, tabs or semicolons. - reads standard input.

  xinglin match --review pairs.csv patients.csv > persons.csv
  xinglin match --map febrl dataset3.csv > persons.csv
  xinglin match --save-model model.json january.csv > /dev/null && xinglin match --model model.json --fixed february.csv

Rows that cannot be used are named on standard error by line and code, and left out (exit code 3).

` + exitText,
		Args: cobra.ExactArgs(1),
		RunE: runMatch,
	}
	f := cmd.Flags()
	f.String("map", "", "columns: what=heading,… or the name of a shipped mapping (xinglin, febrl)")
	f.String("review", "", "write the possible pairs to this file")
	f.String("model", "", "weights to start from (default: those that are shipped)")
	f.String("save-model", "", "write the weights that were learnt to this file")
	f.Bool("fixed", false, "take the weights as they are, learn nothing from the file")
	f.Int("workers", 0, "comparisons at once (0 = one a processor)")
	f.Bool("quiet", false, "say nothing but what is wrong")
	return cmd
}

const mostNamed = 100 // bad rows that are named one by one

func runMatch(cmd *cobra.Command, args []string) error {
	began := time.Now()
	f := cmd.Flags()
	text := func(name string) string { v, _ := f.GetString(name); return v }
	columns, err := parseColumns(text("map"))
	if err != nil {
		return err
	}
	batch := match.Batch{}
	batch.Fixed, _ = f.GetBool("fixed")
	batch.Workers, _ = f.GetInt("workers")
	if path := text("model"); path != "" {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		if batch.Model, err = match.ReadModel(file); err != nil {
			return withCode{exitUsage, fmt.Errorf("%s: %w", path, err)}
		}
	}
	in := cmd.InOrStdin()
	if args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	quiet, _ := f.GetBool("quiet")
	tell := func(format string, a ...any) {
		if !quiet {
			fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", a...)
		}
	}

	var records []*match.Ready
	left, kept := 0, 0
	err = match.ReadCSV(in, columns, func(_ int, r *match.Record) error {
		records = append(records, match.Prepare(r))
		return cmd.Context().Err()
	}, func(b match.BadRow) {
		if b.Kept {
			kept++
		} else {
			left++
		}
		if left+kept <= mostNamed {
			fmt.Fprintln(cmd.ErrOrStderr(), b)
		}
	})
	if errors.Is(err, match.ErrColumns) {
		return withCode{exitUsage, fmt.Errorf("%s: %w", args[0], err)}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if left+kept > mostNamed {
		fmt.Fprintf(cmd.ErrOrStderr(), "and %d more\n", left+kept-mostNamed)
	}
	tell("%d records read in %s", len(records), since(began))
	result, err := batch.Run(cmd.Context(), records)
	if err != nil {
		return err
	}
	tell("%d persons; %d pairs to look at; %d pairs compared; %s, %d MB", result.Persons, len(result.Possible), result.Compared, since(began), memory())
	if result.Refined > 0 {
		tell("%d keys were shared by too many (up to %d records) and taken apart", result.Refined, result.Largest)
	}
	if err := writePersons(cmd.OutOrStdout(), records, result); err != nil {
		return err
	}
	if path := text("review"); path != "" {
		if err := replaceFile(path, func(w io.Writer) error { return writePairs(w, records, result) }); err != nil {
			return err
		}
	}
	if path := text("save-model"); path != "" {
		if err := replaceFile(path, result.Model.Write); err != nil {
			return err
		}
	}
	if left > 0 {
		return withCode{exitPartly, fmt.Errorf("%d rows were left out", left)}
	}
	return nil
}

// parseColumns reads what=heading,…; a single word is the name of a shipped mapping.
func parseColumns(s string) (match.Columns, error) {
	if s == "" {
		return nil, nil
	}
	if !strings.Contains(s, "=") {
		return match.Columns{"": s}, nil
	}
	columns := match.Columns{}
	for part := range strings.SplitSeq(s, ",") {
		kind, heading, ok := strings.Cut(part, "=")
		if kind = strings.TrimSpace(kind); !ok || kind == "" || columns[kind] != "" {
			return nil, usage("--map wants what=heading,… each once, not %q", part)
		}
		columns[kind] = strings.TrimSpace(heading)
	}
	return columns, nil
}

func writePersons(w io.Writer, records []*match.Ready, result *match.Result) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"rec_id", "person"}); err != nil {
		return err
	}
	for i, r := range records {
		if err := out.Write([]string{r.ID(), records[result.Person[i]].ID()}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func writePairs(w io.Writer, records []*match.Ready, result *match.Result) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"rec_id_1", "rec_id_2", "probability", "score", "bar", "person_1", "person_2", "evidence"}); err != nil {
		return err
	}
	for _, p := range result.Possible {
		v := result.Model.Judge(records[p.A], records[p.B])
		var evidence []string
		for _, e := range v.Fields {
			if e.Level != "missing" {
				evidence = append(evidence, fmt.Sprintf("%s %s %+.1f", e.Field, e.Level, e.Bits))
			}
		}
		if err := out.Write([]string{records[p.A].ID(), records[p.B].ID(), strconv.FormatFloat(v.Probability, 'f', 6, 64), strconv.FormatFloat(v.Score, 'f', 2, 64), p.Bar,
			records[result.Person[p.A]].ID(), records[result.Person[p.B]].ID(), strings.Join(evidence, "; ")}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// replaceFile writes a file beside its place and moves it there when it is whole; it may hold people's data.
func replaceFile(path string, write func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer file.Close()
		return write(file)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".match-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	buffer := bufio.NewWriterSize(file, 1<<16)
	err = write(buffer)
	if err == nil {
		err = buffer.Flush()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

func since(began time.Time) time.Duration { return time.Since(began).Round(10 * time.Millisecond) }

// memory is what the process has asked of the system, in MB.
func memory() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys >> 20
}
