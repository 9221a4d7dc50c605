package people

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

func TestTheSameSeedGivesTheSameRows(t *testing.T) {
	a, b := slices.Collect(Make(Options{Records: 3000, Seed: 5})), slices.Collect(Make(Options{Records: 3000, Seed: 5}))
	if len(a) != 3000 || !slices.Equal(a, b) {
		t.Fatalf("got %d and %d rows, equal %v; want 3000 equal ones", len(a), len(b), slices.Equal(a, b))
	}
	if c := slices.Collect(Make(Options{Records: 3000, Seed: 6})); slices.Equal(a, c) {
		t.Fatal("another seed gave the same rows")
	}
	n := 0
	for range Make(Options{Records: 3000}) {
		if n++; n == 10 {
			break // the sequence may be left at any row
		}
	}
}

func TestNumbersAreTrueToThePersonOnTheUnassignedPrefix(t *testing.T) {
	owner := map[string]int{}
	kinds, wrong, checked := map[string]int{}, map[string]int{}, 0
	for r := range Make(Options{Records: 60_000, Seed: 3, Plain: true}) {
		for k := range strings.SplitSeq(r.Kind, "|") {
			kinds[k]++
		}
		for e := range strings.SplitSeq(r.Errors, "|") {
			wrong[e]++
		}
		if r.Errors != "" || len(r.Number) != 18 || strings.Contains(r.Kind, "newborn") {
			continue
		}
		checked++
		n, ok := fhir.ParseResident(r.Number)
		if !ok || !strings.HasPrefix(r.Number, "99") || n.Born != r.Birth || n.Male != (r.Sex == "1") {
			t.Fatalf("%+v: number says %+v, %v", r, n, ok)
		}
		if was, ok := owner[r.Number]; ok && was != r.Person {
			t.Fatalf("%s belongs to %d and to %d", r.Number, was, r.Person)
		}
		owner[r.Number] = r.Person
	}
	if checked < 20_000 {
		t.Errorf("only %d faultless records; want a third at least", checked)
	}
	for _, k := range []string{"twin", "newborn", "same-birthday", "spouse-phone", "recycled-phone", "rare-character", "compound-surname", "ethnic-name", "foreigner", "permit", "child"} {
		if kinds[k] < 20 {
			t.Errorf("%d records of kind %s; want some", kinds[k], k)
		}
	}
	for _, e := range []string{"homophone", "look-alike", "other-character", "swapped", "shortened", "width", "earlier-name", "rare-lost", "family-first", "traditional", "number-typed", "number-transposed", "number-old",
		"number-of-mother", "no-number", "birth-typed", "day-for-month", "lunar", "year-only", "year-off", "sex-wrong", "phone-before", "phone-typed", "phone-of-family", "no-phone", "moved", "no-address", "columns", "nameless", "newborn-name"} {
		if wrong[e] == 0 {
			t.Errorf("no record with error %s", e)
		}
	}
}

func TestTwinsShareTheBirthdayAndHaveNumbersInSequence(t *testing.T) {
	p := population{Options: Options{Seed: 1, Today: time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC), Rates: &Rates{Twins: 1}}, households: 1000}
	pairs := 0
	for h := range 1000 {
		all := p.family(h, newDice(1, uint64(h)))
		for i := 1; i < len(all); i++ {
			a, b := all[i-1], all[i]
			if b.orderOfBirth != 2 {
				continue
			}
			if pairs++; !a.born.Equal(b.born) || a.name() == b.name() || a.mother != b.mother {
				t.Fatalf("twins %s %s and %s %s", a.name(), a.born, b.name(), b.born)
			}
			if a.number != "" && b.number != "" && a.number[:14] != b.number[:14] {
				t.Fatalf("numbers of twins %s and %s", a.number, b.number)
			}
		}
	}
	if pairs < 300 {
		t.Fatalf("got %d pairs of twins in 1,000 families; want 300 at least", pairs)
	}
}

func TestLunarDays(t *testing.T) {
	for _, c := range []struct {
		day              string
		year, month, dom int
	}{
		{"1949-10-01", 1949, 8, 10},
		{"1950-02-17", 1950, 1, 1},
		{"1962-02-05", 1962, 1, 1},
		{"1976-09-09", 1976, 8, 16},
		{"1976-10-01", 1976, 8, 8}, // leap eighth,
		{"1984-12-22", 1984, 11, 1},
		{"1985-02-20", 1985, 1, 1},
		{"2000-02-05", 2000, 1, 1},
		{"2020-06-01", 2020, 4, 10}, // leap fourth
		{"2023-04-05", 2023, 2, 15}, // leap second
		{"2024-02-10", 2024, 1, 1},
		{"2025-10-06", 2025, 8, 15},
		{"2026-02-17", 2026, 1, 1},
	} {
		at, err := time.Parse(time.DateOnly, c.day)
		if err != nil {
			t.Fatal(err)
		}
		if y, m, d := lunar(at); y != c.year || m != c.month || d != c.dom {
			t.Errorf("%s: got %d-%d-%d; want %d-%d-%d", c.day, y, m, d, c.year, c.month, c.dom)
		}
	}
}

func TestTheFileOpensInASpreadsheet(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, Make(Options{Records: 200})); err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(out.String(), "\ufeff")
	if !ok || strings.Count(text, "\r\n") != 201 {
		t.Fatalf("got mark %v and %d lines; want a mark and 201 lines ending in CRLF", ok, strings.Count(text, "\r\n"))
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 201 || !slices.Equal(rows[0], Header) {
		t.Fatalf("got %d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for _, f := range row {
			if f != "" && strings.ContainsAny(f[:1], "=@\t-") {
				t.Errorf("%q would be a formula", f)
			}
		}
	}
}

func TestRowsArePatients(t *testing.T) {
	dated, numbered := 0, 0
	for r := range Make(Options{Records: 2000, Seed: 9}) {
		n := r.Patient("p-1", "Organization/h")
		again, err := fhir.Parse(n.JSON())
		if err != nil || again.ID() != "p-1" || again.All("name")[0].Str("text") == "" || again.Str("managingOrganization.reference") != "Organization/h" {
			t.Fatalf("%s: %v", n.JSON(), err)
		}
		if again.Str("birthDate") != "" {
			dated++
		}
		if ids := again.All("identifier"); r.Number == "" && len(ids) == 0 || len(ids) == 1 && ids[0].Str("value") == r.Number {
			numbered++
		}
	}
	if dated < 1900 || numbered != 2000 {
		t.Errorf("got %d with birthday, %d with the number of the row, of 2,000", dated, numbered)
	}
}
