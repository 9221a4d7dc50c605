// Command score compares clusters of records with the truth: score TRUTH.csv CLUSTERS.csv [PAIRS.csv].
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/xinglin-health/xinglin/internal/empi/people"
)

func main() {
	if len(os.Args) < 3 || len(os.Args) > 4 {
		fmt.Fprintln(os.Stderr, "score TRUTH.csv CLUSTERS.csv [PAIRS.csv]")
		os.Exit(2)
	}
	if err := score(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "score:", err)
		os.Exit(1)
	}
}

func score(names []string) error {
	var files []io.Reader
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		files = append(files, bufio.NewReaderSize(f, 1<<20))
	}
	truth, err := people.ReadTruth(files[0])
	if err != nil {
		return err
	}
	var pairs io.Reader
	if len(files) == 3 {
		pairs = files[2]
	}
	r, err := truth.Score(files[1], pairs)
	if err != nil {
		return err
	}
	return r.Print(os.Stdout)
}
