package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/server"
	"github.com/xinglin-health/xinglin/internal/term"
	"github.com/xinglin-health/xinglin/internal/transfer"
)

func terminologyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "terminology",
		Short: "Code systems, value sets and maps / 术语",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(terminologyImportCommand())
	return cmd
}

func terminologyImportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Load a table of codes, or of pairs of codes / 导入代码表或对照表",
		Long: `Makes a CodeSystem, or with --concept-map a ConceptMap, of a table: CSV, tabs, or "code name" lines; UTF-8 or GBK;
with or without headings. Columns are found by their headings, or named: --map code=疾病诊断编码,display=疾病诊断名称,
or by number: --map code=1,display=2. More columns: parent, definition, designation:en, property:NAME; of a map:
source, target, source-display, target-display, equivalence.

ICD-10 and ICD-9-CM-3 codes get their categories and chapters above them. --dry-run stores nothing and names every
bad row; without it a table with bad rows is refused, or with --skip-bad stored without them. Loading a table
again replaces what was there under the same address and version; other versions stay beside it.

  xinglin terminology import --data DIR --system urn:oid:2.16.156.10011.2.3.3.11 --version 2.0 \
    --name ICD10Clinical2 --title '疾病分类与代码国家临床版2.0' --diagnosis clinical.csv
  xinglin terminology import --db postgres://… --concept-map --system https://example.org/clinical-to-insurance \
    --source urn:oid:2.16.156.10011.2.3.3.11 --target https://code.nhsa.gov.cn/icd10 ZD_MAP.dat

On SQLite the server must not run on the same folder; beside a running server give its address by --url.

` + exitText,
		Args: cobra.ExactArgs(1),
		RunE: runTerminologyImport,
	}
	place(cmd)
	f := cmd.Flags()
	f.String("system", "", "canonical address of the code system or concept map")
	f.String("version", "", "its version")
	f.String("name", "", "its name for programs (letters and digits)")
	f.String("title", "", "its name for people")
	f.String("publisher", "", "who publishes it")
	f.StringToString("map", nil, "columns: what=heading or number")
	f.String("hierarchy", "", "icd10, icd9 or none (default: by the codes)")
	f.Bool("fragment", false, "the table does not have all codes of the system")
	f.String("value-set", "", "also make a value set of the codes that may be chosen, under this address")
	f.Bool("diagnosis", false, "the codes are those that doctors choose diagnoses from: --value-set "+term.Diagnosis)
	f.Bool("concept-map", false, "the table has pairs of codes")
	f.String("source", "", "code system that a map is from")
	f.String("target", "", "code system that a map leads to")
	f.String("source-version", "", "its version")
	f.String("target-version", "", "its version")
	f.String("equivalence", "", "how pairs stand to each other where the table does not say (default relatedto)")
	f.Bool("dry-run", false, "store nothing, name every bad row")
	f.Bool("skip-bad", false, "store the rest when rows are bad")
	f.String("org", "", "custodian of what is created, Organization/id (default: the hub itself)")
	f.String("url", "", "send to a running server at this address instead of opening the database")
	f.String("token", "", "bearer token for --url")
	f.Bool("json", false, "report for programs on stdout")
	return cmd
}

// loaded is the report of one table.
type loaded struct {
	File      string        `json:"file"`
	Resource  string        `json:"resource"`
	Rows      int           `json:"rows"`
	Groupers  int           `json:"groupers,omitempty"`
	Hierarchy string        `json:"hierarchy,omitempty"`
	Encoding  string        `json:"encoding"`
	Header    []string      `json:"header,omitempty"`
	Bad       []term.BadRow `json:"bad"`
	Stored    bool          `json:"stored"`
	Seconds   float64       `json:"seconds"`
}

func runTerminologyImport(cmd *cobra.Command, args []string) error {
	began := time.Now()
	f := cmd.Flags()
	text := func(name string) string { v, _ := f.GetString(name); return v }
	flag := func(name string) bool { v, _ := f.GetBool(name); return v }
	if text("system") == "" {
		return usage("--system is needed: the canonical address under which the codes are known")
	}
	file, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer file.Close()
	columns, _ := f.GetStringToString("map")
	reading := term.Reading{Columns: columns, Wanted: []string{"code", "display"}}
	if flag("concept-map") {
		if text("source") == "" || text("target") == "" {
			return usage("a map needs --source and --target, the code systems of its two sides")
		}
		reading.Wanted = []string{"source", "target"}
	}
	table, err := term.ReadTable(file, reading)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	resources, made, err := ofTable(table, text, flag)
	if err != nil {
		return usage("%w", err)
	}
	report := loaded{File: args[0], Resource: made.Resource.Type() + "/" + made.Resource.ID(), Rows: made.Codes, Groupers: made.Groupers, Hierarchy: made.Hierarchy,
		Encoding: table.Encoding, Header: table.Header, Bad: table.Bad}
	if report.Bad == nil {
		report.Bad = []term.BadRow{}
	}
	if !flag("dry-run") && (len(table.Bad) == 0 || flag("skip-bad")) {
		if err := storeTerminology(cmd, resources); err != nil {
			return err
		}
		report.Stored = true
	}
	report.Seconds = time.Since(began).Seconds()
	if flag("json") {
		if err := printJSON(report); err != nil {
			return err
		}
	} else {
		report.print()
	}
	if len(table.Bad) > 0 {
		return withCode{exitPartly, fmt.Errorf("%d rows are bad", len(table.Bad))}
	}
	return nil
}

func (r *loaded) print() {
	for _, b := range r.Bad {
		fmt.Fprintf(os.Stderr, "bad: %s:%s (%s)\n", r.File, strings.TrimPrefix(b.String(), "line "), b.Zh)
	}
	what := "nothing stored"
	if r.Stored {
		what = "stored as " + r.Resource
	}
	above := ""
	if r.Groupers > 0 {
		above = fmt.Sprintf(" under %d classes (%s)", r.Groupers, r.Hierarchy)
	}
	fmt.Printf("%s: %d rows%s, %d bad, read as %s; %s in %.1f s\n", r.File, r.Rows, above, len(r.Bad), r.Encoding, what, r.Seconds)
}

// ofTable makes the resources of a table.
func ofTable(table *term.Table, text func(string) string, flag func(string) bool) (resources []*fhir.Node, made term.Made, err error) {
	name := text("name")
	if name == "" {
		name = term.NameOf(text("title") + text("system"))
	}
	if flag("concept-map") {
		made, err = table.ConceptMap(term.MapOf{URL: text("system"), Version: text("version"), Name: name, Title: text("title"), Source: text("source"), Target: text("target"),
			SourceVersion: text("source-version"), TargetVersion: text("target-version"), Equivalence: text("equivalence")})
		return []*fhir.Node{made.Resource}, made, err
	}
	made, err = table.CodeSystem(term.SystemOf{URL: text("system"), Version: text("version"), Name: name, Title: text("title"), Publisher: text("publisher"),
		Hierarchy: text("hierarchy"), Fragment: flag("fragment")})
	if err != nil {
		return nil, made, err
	}
	resources = append(resources, made.Resource)
	valueSet := text("value-set")
	if flag("diagnosis") {
		valueSet = term.Diagnosis
	}
	if valueSet != "" {
		resources = append(resources, term.Selectable(valueSet, text("version"), name+"Selectable", text("title"), text("system"), text("version")))
	}
	return resources, made, nil
}

// storeTerminology puts the resources in one transaction, here or at a running server.
func storeTerminology(cmd *cobra.Command, resources []*fhir.Node) error {
	entries := fhir.Arr{}
	for _, n := range resources {
		entries = append(entries, fhir.Obj{"fullUrl", "urn:xinglin:" + n.Type() + ":" + n.ID(), "resource", n, "request", fhir.Obj{"method", "PUT", "url", n.Type() + "/" + n.ID()}})
	}
	bundle := fhir.New("Bundle", "type", "transaction", "entry", entries)
	apply, done, err := terminologyDoor(cmd)
	if err != nil {
		return err
	}
	defer done()
	_, err = apply(cmd.Context(), bundle, "")
	return err
}

func terminologyDoor(cmd *cobra.Command) (apply transfer.Apply, done func(), err error) {
	f := cmd.Flags()
	org, _ := f.GetString("org")
	if url, _ := f.GetString("url"); url != "" {
		token, _ := f.GetString("token")
		if token == "" {
			return nil, nil, usage("--url needs a token: --token or XINGLIN_TOKEN; `xinglin token` makes one")
		}
		if org != "" {
			return nil, nil, usage("--org belongs to the token when sending to a server: xinglin token --org")
		}
		return sendTo(url, token), func() {}, nil
	}
	o, err := options(cmd)
	if err != nil {
		return nil, nil, err
	}
	hub, err := server.Open(cmd.Context(), o)
	if err != nil {
		return nil, nil, fmt.Errorf("%w\nbeside a running server use: xinglin terminology import --url http://… --token …", err)
	}
	do, err := hub.Import(org)
	if err != nil {
		hub.Close()
		return nil, nil, err
	}
	return func(ctx context.Context, bundle *fhir.Node, key string) (bool, error) { return do(ctx, bundle, key) }, func() { hub.Close() }, nil
}
