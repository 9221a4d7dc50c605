// Package arch holds the house to its plan: its tests fail when a room stands on the wrong floor.
package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/xinglin-health/xinglin/"

// pkg is one folder of Go files, tests apart.
type pkg struct {
	Dir     string // "internal/store"
	Name    string
	Docs    []string            // package docs found, one per file that has one
	Imports map[string][]string // folders of ours it imports -> files that do
	Files   []string
}

// tree reads every Go folder below root.
func tree(root string) (map[string]*pkg, error) {
	found := map[string]*pkg{}
	set := token.NewFileSet()
	err := walk(root, func(name string) error {
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(set, filepath.Join(root, name), nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		p := found[dir]
		if p == nil {
			p = &pkg{Dir: dir, Name: f.Name.Name, Imports: map[string][]string{}}
			found[dir] = p
		}
		p.Files = append(p.Files, name)
		if text := docOf(f); text != "" {
			p.Docs = append(p.Docs, text)
		}
		for _, imp := range f.Imports {
			full, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if ours, ok := strings.CutPrefix(full, module); ok {
				p.Imports[ours] = append(p.Imports[ours], name)
			}
		}
		return nil
	})
	return found, err
}

func docOf(f *ast.File) string {
	if f.Doc == nil {
		return ""
	}
	return strings.Join(strings.Fields(f.Doc.Text()), " ")
}

// walk calls visit for each file that belongs to the house: not for what is built, installed or data.
func walk(root string, visit func(name string) error) error {
	return filepath.WalkDir(root, func(full string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, full)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if d.IsDir() {
			if slices.Contains([]string{".git", "node_modules", "web/dist", "bin", "data", ".cache", ".demo", "test-results"}, name) || d.Name() == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() && name != ".git" {
			return visit(name)
		}
		return nil
	})
}

// room is the part of a folder's name that owns it: "internal/store/sqlite" belongs to "internal/store".
func room(dir string) string {
	parts := strings.Split(dir, "/")
	n := 2
	switch {
	case dir == "." || parts[0] == "web" || parts[0] == "e2e" || parts[0] == "bench" || parts[0] == "cmd":
		n = 1
	case strings.HasPrefix(dir, "internal/gateway/"):
		n = 3
	}
	return strings.Join(parts[:min(n, len(parts))], "/")
}

// root finds the folder with go.mod above the working folder.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("arch: no go.mod above the working folder")
		}
		dir = up
	}
}
