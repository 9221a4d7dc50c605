// Package fhirpath evaluates FHIRPath (N1 2.0 with FHIR's own functions) over R4 resources.
package fhirpath

import (
	"fmt"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Bounds of what Compile accepts and Eval does.
const (
	MaxLength    = 16 << 10 // bytes of an expression
	MaxNesting   = 100      // parentheses, arguments and operators within each other
	DefaultSteps = 1 << 20  // visits of an item in one Eval
	maxText      = 4 << 20  // bytes of a computed string
)

// Expression is a parsed expression. It never changes: one may be used by many at once.
type Expression struct {
	text string
	root node
}

// Error says where an expression is wrong: At is a byte offset, -1 when it is not known.
type Error struct {
	Expression string
	At         int
	Text       string
}

func (e *Error) Error() string {
	if e.At < 0 {
		return "fhirpath: " + e.Text
	}
	return fmt.Sprintf("fhirpath: at %d: %s", e.At, e.Text)
}

// Compile parses expr. The error is an *Error with the place.
func Compile(expr string) (*Expression, error) {
	if len(expr) > MaxLength {
		return nil, &Error{expr[:64] + "…", -1, fmt.Sprintf("expression is longer than %d bytes", MaxLength)}
	}
	root, err := parse(expr)
	if err != nil {
		err.Expression = expr
		return nil, err
	}
	return &Expression{expr, root}, nil
}

// MustCompile is Compile for expressions that stand in the program.
func MustCompile(expr string) *Expression {
	e, err := Compile(expr)
	if err != nil {
		panic(err)
	}
	return e
}

// String returns the expression as it was written.
func (e *Expression) String() string { return e.text }

// Env is what an evaluation may ask of its surroundings. The zero Env is ready to use;
// nil is one too. One Env may serve many evaluations, one after the other.
type Env struct {
	Resource Item // %resource; the resource that the focus is in when it is absent
	Root     Item // %rootResource; the container of a contained %resource when it is absent

	Vars       map[string]Collection                                                 // %name
	Resolve    func(ref string) *fhir.Node                                           // resolve(); contained references and entries of the root Bundle are found before it is asked
	MemberOf   func(valueset string, n *fhir.Node, typ string) (bool, error)         // memberOf(); nil: an error
	ConformsTo func(profile string, n *fhir.Node, typ string) (conforms, known bool) // conformsTo(); nil: R4's own base types only
	Trace      func(name string, c Collection)                                       // trace()
	Now        time.Time                                                             // now(), today(), timeOfDay(); zero: the machine's clock
	Zone       *time.Location                                                        // of today() and now(); nil: that of Now
	Steps      int                                                                   // bound on work; 0: DefaultSteps; beyond it Eval fails with ErrSteps
	Lenient    bool                                                                  // `as` filters a collection, as the expressions of R4's search parameters expect
}

var noEnv = &Env{}

// Eval evaluates e with focus as its context; several items are one collection.
func (e *Expression) Eval(env *Env, focus ...Item) (Collection, error) {
	if env == nil {
		env = noEnv
	}
	r := run{env: env, steps: env.Steps, this: focus}
	if r.steps <= 0 {
		r.steps = DefaultSteps
	}
	r.context = focus
	c, err := e.root.eval(&r, focus)
	if err != nil {
		if f, ok := err.(*Error); ok && f.Expression == "" {
			f.Expression = e.text
		}
		return nil, err
	}
	return c, nil
}

// Test evaluates e to a boolean, as an invariant wants it: an empty result is ok = false.
func (e *Expression) Test(env *Env, focus ...Item) (value, ok bool, err error) {
	c, err := e.Eval(env, focus...)
	if err != nil {
		return false, false, err
	}
	value, ok = c.Bool()
	if !ok && len(c) > 1 {
		return false, false, fail(-1, "more than one item where a boolean is wanted")
	}
	return value, ok, nil
}
