package arch

import (
	"slices"
	"strings"
	"testing"
)

// floors, lowest first. A room may import rooms of lower floors only.
var floors = [][]string{
	{"internal/clock", "internal/fhir", "internal/flow", "internal/keys"},
	{"internal/store"},
	{"internal/identity", "internal/access", "internal/audit", "internal/event", "internal/job", "internal/term",
		"internal/empi", "internal/registry", "internal/subscription", "internal/blob", "internal/booking", "internal/ledger"},
	{"internal/line", "internal/indicator", "internal/conform", "internal/bulk", "internal/agreement", "internal/smart", "internal/beds"},
	{"internal/rest", "internal/api", "internal/gateway", "internal/room", "internal/region", "internal/transfer", "internal/bench"},
	{"web", "lines"},
	{"internal/server"},
	{"cmd", "internal/hubtest", "e2e"},
}

// free stand outside: they are imported by nobody.
var free = []string{"internal/arch"}

// siblings on one floor stand apart; these few may be imported beside.
// access: who asks is in every context. audit: one entry form for all.
var besides = map[string][]string{
	"internal/access": {"internal/identity", "internal/audit", "internal/event", "internal/job", "internal/blob", "internal/subscription", "internal/registry", "internal/empi", "internal/booking"},
	"internal/audit":  {"internal/identity", "internal/subscription", "internal/empi", "internal/booking"},
	// a link made or undone is an event
	// a link made or undone, a thing held or freed is an event
	"internal/event": {"internal/empi", "internal/subscription", "internal/booking"},
	// a line lists its numbers
	"internal/indicator": {"internal/line"},
	// hard rules of beds stand with the beds; a step that books is a line's
	"internal/line": {"internal/beds"},
}

func floorOf(dir string) int {
	for i, rooms := range floors {
		for _, r := range rooms {
			if dir == r || strings.HasPrefix(dir, r+"/") {
				return i
			}
		}
	}
	return -1
}

func TestImportsGoDownOnly(t *testing.T) {
	for _, p := range house(t) {
		if slices.Contains(free, p.Dir) {
			continue
		}
		at := floorOf(p.Dir)
		if at < 0 {
			t.Errorf("%s stands on no floor; give it one in floors_test.go and ARCHITECTURE.md", p.Dir)
			continue
		}
		for to, files := range p.Imports {
			switch below := floorOf(to); {
			case below < 0:
				t.Errorf("%s imports %s, which stands on no floor", files[0], to)
			case below > at:
				t.Errorf("%s (floor %d) imports %s (floor %d); imports go down only", files[0], at, to, below)
			case below == at && room(to) != room(p.Dir) && !slices.Contains(besides[room(to)], room(p.Dir)) && p.Dir != "lines":
				t.Errorf("%s imports its sibling %s; siblings stand apart", files[0], to)
			}
		}
	}
}

func TestLinesMeetThroughResourcesOnly(t *testing.T) {
	// what a line may stand on; everything else reaches it through internal/line
	allowed := []string{"internal/line", "internal/indicator", "internal/flow", "internal/fhir", "internal/clock", "internal/access", "internal/event",
		"internal/booking", "internal/ledger", "internal/term", "internal/agreement", "internal/beds/allocate", "internal/beds/hold"}
	for _, p := range house(t) {
		if !strings.HasPrefix(p.Dir, "lines/") {
			continue
		}
		for to, files := range p.Imports {
			if !slices.ContainsFunc(allowed, func(a string) bool { return to == a || strings.HasPrefix(to, a+"/") }) && room(to) != room(p.Dir) {
				t.Errorf("%s imports %s; a line stands on %s", files[0], to, strings.Join(allowed, ", "))
			}
		}
	}
}

func TestLinesAreRegisteredInOnePlace(t *testing.T) {
	pkgs := house(t)
	for _, p := range pkgs {
		for to, files := range p.Imports {
			if strings.HasPrefix(to, "lines/") && room(to) != room(p.Dir) && !slices.Equal(files, []string{"lines/lines.go"}) {
				t.Errorf("%v import %s; lines.go is the only registration", files, to)
			}
		}
		if strings.HasPrefix(p.Dir, "lines/") && len(pkgs["lines"].Imports[p.Dir]) == 0 && strings.Count(p.Dir, "/") == 1 {
			t.Errorf("%s is not registered in lines/lines.go", p.Dir)
		}
	}
	for _, p := range pkgs {
		if _, ok := p.Imports["lines"]; ok && p.Dir != "internal/server" {
			t.Errorf("%s imports lines; only internal/server wires them", p.Dir)
		}
	}
}

func house(t *testing.T) map[string]*pkg {
	t.Helper()
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	pkgs, err := tree(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) < 10 {
		t.Fatalf("got %d packages; want the whole house", len(pkgs))
	}
	return pkgs
}
