// Command gen writes a made-up population as CSV to its standard output.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"

	"github.com/xinglin-health/xinglin/internal/empi/people"
)

func main() {
	n := flag.Int("n", 10_000, "records")
	seed := flag.Uint64("seed", 1, "the same seed gives the same file")
	hospitals := flag.Int("hospitals", 60, "hospitals")
	plain := flag.Bool("plain", false, "all hospitals write dates, sexes and telephones alike")
	times := flag.Float64("errors", 1, "that much more or less goes wrong")
	flag.Parse()
	rates := people.Usual.Times(*times)
	w := bufio.NewWriterSize(os.Stdout, 1<<20)
	err := people.Write(w, people.Make(people.Options{Records: *n, Seed: *seed, Hospitals: *hospitals, Plain: *plain, Rates: &rates}))
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
