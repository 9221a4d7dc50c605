package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

type terminology struct {
	ResourceType, URL, Content string
	Concept                    []concept
	Compose                    struct{ Include, Exclude []include }
}

type concept struct {
	Code    string
	Concept []concept
}

type include struct {
	System   string
	Concept  []concept
	Filter   []struct{ Property, Op, Value string }
	ValueSet []string
}

// largest code set that is worth carrying.
const largest = 1200

// writeCodes writes the code sets of required bindings that can be listed.
func writeCodes(out *bytes.Buffer, raw map[string][]byte) error {
	systems, sets := map[string]terminology{}, map[string]terminology{}
	for _, f := range files[5:] {
		all, err := bundleOf[terminology](raw[f], "CodeSystem", "ValueSet")
		if err != nil {
			return err
		}
		for _, t := range all {
			switch t.ResourceType {
			case "CodeSystem":
				systems[t.URL] = t
			case "ValueSet":
				sets[t.URL] = t
			}
		}
	}
	wanted := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		if f := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); f[0] == "E" && f[9] != "" {
			wanted[f[9]] = true
		}
	}
	for _, url := range sortedKeys(wanted) {
		codes, ok := expand(url, systems, sets)
		if !ok {
			fmt.Fprintf(out, "V\t%s\n", url)
			continue
		}
		for _, system := range sortedKeys(codes) {
			slices.Sort(codes[system])
			fmt.Fprintf(out, "V\t%s\t%s\t%s\n", url, system, strings.Join(slices.Compact(codes[system]), "\t"))
		}
	}
	return nil
}

func expand(url string, systems, sets map[string]terminology) (map[string][]string, bool) {
	url, _, _ = strings.Cut(url, "|")
	set, ok := sets[url]
	if !ok || len(set.Compose.Include) == 0 {
		return nil, false
	}
	r := map[string][]string{}
	n := 0
	for _, in := range set.Compose.Include {
		codes, ok := listed(in, systems, sets)
		if !ok {
			return nil, false
		}
		for s, c := range codes {
			r[s] = append(r[s], c...)
			n += len(c)
		}
	}
	for _, ex := range set.Compose.Exclude {
		codes, ok := listed(ex, systems, sets)
		if !ok {
			return nil, false
		}
		for s, c := range codes {
			r[s] = slices.DeleteFunc(r[s], func(x string) bool { return slices.Contains(c, x) })
		}
	}
	return r, n > 0 && n <= largest
}

func listed(in include, systems, sets map[string]terminology) (map[string][]string, bool) {
	if len(in.Filter) > 0 {
		return nil, false
	}
	r := map[string][]string{}
	if len(in.ValueSet) > 0 {
		codes, ok := expand(in.ValueSet[0], systems, sets)
		if !ok || in.System != "" || len(in.ValueSet) > 1 {
			return nil, false
		}
		return codes, true
	}
	if len(in.Concept) > 0 {
		for _, c := range in.Concept {
			r[in.System] = append(r[in.System], c.Code)
		}
		return r, true
	}
	s, ok := systems[in.System]
	if !ok || s.Content != "complete" {
		return nil, false
	}
	var walk func([]concept)
	walk = func(cs []concept) {
		for _, c := range cs {
			r[in.System] = append(r[in.System], c.Code)
			walk(c.Concept)
		}
	}
	walk(s.Concept)
	return r, true
}
