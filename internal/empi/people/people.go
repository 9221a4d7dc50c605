// Package people makes up a population of any size, as its hospitals would write it down with errors, and scores who was found to be one person.
package people

import (
	"encoding/csv"
	"io"
	"iter"
	"strconv"
	"time"
)

// Options of a population. Nothing is fitted to a file of test data: the rates are estimates of the field. Numbers
// begin with the unassigned area 99, telephone numbers with prefixes that no carrier has. The zero value is 10,000 records at the default rates.
type Options struct {
	Records   int       // how many rows; 0 = 10,000
	Seed      uint64    // the same seed gives the same rows
	Hospitals int       // 0 = 60
	Today     time.Time // nobody is born later; zero = 2026-06-30
	Rates     *Rates    // nil = Usual
	Plain     bool      // every hospital writes dates, sexes and telephones the same way
	Window    int       // rows among which the order is shuffled; 0 = 65,536
}

// Row is one record of one hospital, with the truth about it.
type Row struct {
	ID, Org, Name, Sex, Birth, Number, Phone, Address string

	Person int    // who it is, from 1
	Kind   string // what makes the person easy to mistake: twin, newborn, same-birthday, spouse-phone, …; joined by |
	Errors string // what is wrong in this record, joined by |
}

// Header of the CSV. The first eight columns are what a matcher may read.
var Header = []string{"rec_id", "org", "name", "sex", "birth", "id_no", "phone", "address", "truth_person", "truth_kind", "truth_errors"}

// Fields in the order of the header.
func (r Row) Fields() []string {
	return []string{r.ID, r.Org, r.Name, r.Sex, r.Birth, r.Number, r.Phone, r.Address, "P" + strconv.Itoa(r.Person), r.Kind, r.Errors}
}

// Make yields the rows in an order that says nothing about who belongs together.
func Make(o Options) iter.Seq[Row] {
	if o.Records <= 0 {
		o.Records = 10_000
	}
	if o.Hospitals <= 0 {
		o.Hospitals = 60
	}
	if o.Today.IsZero() {
		o.Today = time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)
	}
	if o.Rates == nil {
		usual := Usual
		o.Rates = &usual
	}
	if o.Window <= 0 {
		o.Window = 1 << 16
	}
	return func(yield func(Row) bool) {
		p := population{Options: o, households: max(100, o.Records*10/52/100*100)}
		order := newDice(o.Seed, ^uint64(0))
		window := make([]Row, 0, min(o.Window, o.Records))
		n := 0
		give := func(i int) bool {
			r := window[i]
			window[i] = window[len(window)-1]
			window = window[:len(window)-1]
			n++
			r.ID = "R" + pad(n, 7)
			return yield(r)
		}
		for h := 0; n+len(window) < o.Records; h++ {
			for _, r := range p.records(p.spread(h)) {
				if n+len(window) == o.Records {
					break
				}
				window = append(window, r)
				if len(window) == o.Window && !give(order.IntN(len(window))) {
					return
				}
			}
		}
		for len(window) > 0 {
			if !give(order.IntN(len(window))) {
				return
			}
		}
	}
}

// Write makes a file which Excel on Windows opens as it is: byte order mark, CRLF.
func Write(w io.Writer, rows iter.Seq[Row]) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	if err := c.Write(Header); err != nil {
		return err
	}
	for r := range rows {
		if err := c.Write(r.Fields()); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func pad(n, width int) string {
	s := strconv.Itoa(n)
	for len(s) < width {
		s = "0" + s
	}
	return s
}
