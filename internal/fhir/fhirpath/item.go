package fhirpath

import (
	"strconv"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Collection is what an expression yields: items in order.
type Collection []Item

// Item is an element of a resource or a computed System value. The zero Item is none.
type Item struct {
	typ    *kind
	node   *fhir.Node // nil for a primitive that has only extensions, and for computed values
	beside *fhir.Node // the companion "_name" of a primitive: id and extensions
	within *place     // the parent's place; nil for a root and for computed values
	field  *field     // as which field of the parent
	index  int32      // in a repeating field; -1 when it does not repeat
	value  any        // computed: bool, int64, decimal, string, *moment, *quantity, *class
}

// place is where an Item stands that has been descended from.
type place struct {
	item Item
}

// Of makes the root item of a resource.
func Of(resource *fhir.Node) Item {
	if resource == nil {
		return Item{}
	}
	return Item{typ: resourceKind(resource), node: resource, index: -1}
}

// At makes an item of an element: typ is a datatype or a path such as "Patient.contact".
func At(n *fhir.Node, typ string) Item {
	if n == nil {
		return Item{}
	}
	return Item{typ: kindOf(typ), node: n, index: -1}
}

// Primitive makes an item of a primitive with its companion ("_birthDate"); either may be nil.
func Primitive(n, companion *fhir.Node, typ string) Item {
	return Item{typ: kindOf(typ), node: n, beside: companion, index: -1}
}

// Text makes a System.String, for variables.
func Text(s string) Item { return Item{typ: systemString, value: s, index: -1} }

// Boolean makes a System.Boolean.
func Boolean(b bool) Item {
	if b {
		return yes[0]
	}
	return no[0]
}

// Integer makes a System.Integer.
func Integer(i int64) Item { return Item{typ: systemInteger, value: i, index: -1} }

var (
	yes = Collection{{typ: systemBoolean, value: true, index: -1}}
	no  = Collection{{typ: systemBoolean, value: false, index: -1}}
)

func truth(b bool) Collection {
	if b {
		return yes
	}
	return no
}

func one(i Item) Collection { return Collection{i} }

// IsZero reports that there is no item.
func (i Item) IsZero() bool { return i.typ == nil }

// Node returns the JSON value, nil for a computed value and for a primitive that has only extensions.
func (i Item) Node() *fhir.Node { return i.node }

// Companion returns the id and extensions of a primitive, nil when it has none.
func (i Item) Companion() *fhir.Node { return i.beside }

// Type returns the FHIR type ("HumanName", "Patient.contact", "code") or the System type ("System.String").
func (i Item) Type() string {
	if i.typ == nil {
		return ""
	}
	if i.typ.system {
		return "System." + i.typ.name
	}
	return i.typ.name
}

// IsA reports whether the item's type is typ or derived from it.
func (i Item) IsA(typ string) bool {
	for k := i.typ; k != nil; k = k.base {
		if k.name == typ && !k.system {
			return true
		}
	}
	return false
}

// Path returns the place from the root: "Patient.name[0].given[1]"; "" for a computed value.
func (i Item) Path() string {
	if i.typ == nil || i.typ.system {
		return ""
	}
	return string(i.appendPath(nil))
}

func (i Item) appendPath(b []byte) []byte {
	if i.within == nil {
		if i.typ == nil {
			return b
		}
		return append(b, i.typ.name...)
	}
	b = i.within.item.appendPath(b)
	b = append(b, '.')
	b = append(b, i.field.name...)
	if i.index >= 0 {
		b = append(b, '[')
		b = strconv.AppendInt(b, int64(i.index), 10)
		b = append(b, ']')
	}
	return b
}

// Parent returns the item that i was reached from; false for a root.
func (i Item) Parent() (Item, bool) {
	if i.within == nil {
		return Item{}, false
	}
	return i.within.item, true
}

// Member returns the JSON property in the parent ("valueQuantity") and the index in its array, -1 for no array.
func (i Item) Member() (name string, index int) {
	if i.field == nil {
		return "", -1
	}
	return i.field.json, int(i.index)
}

// resource returns the resource that i is in: itself or the nearest above.
func (i Item) resource() Item {
	for {
		if i.typ != nil && i.typ.resource {
			return i
		}
		if i.within == nil {
			return Item{}
		}
		i = i.within.item
	}
}

// Bool returns the boolean of a System.Boolean or FHIR boolean.
func (i Item) Bool() (value, ok bool) {
	if b, is := i.value.(bool); is {
		return b, true
	}
	if i.node != nil && i.typ != nil && i.typ.as == systemBoolean {
		return i.node.Text == "true", i.node.Kind == fhir.Bool
	}
	return false, false
}

// Text returns the text of any primitive: a string's value, a number's or date's literal.
func (i Item) Text() (string, bool) {
	if i.value == nil {
		if i.node != nil && i.typ != nil && i.typ.as != nil && i.typ.as != systemQuantity && i.node.Kind != fhir.Object && i.node.Kind != fhir.Array {
			return i.node.Text, true
		}
		return "", false
	}
	return i.written()
}

// Int returns the value of an integer.
func (i Item) Int() (int64, bool) {
	v, ok := i.system().(int64)
	return v, ok
}

// Decimal returns an integer or decimal as text with all its digits.
func (i Item) Decimal() (string, bool) {
	switch v := i.system().(type) {
	case int64:
		return strconv.FormatInt(v, 10), true
	case decimal:
		return v.String(), true
	}
	return "", false
}

// Quantity returns value and UCUM code or calendar unit ("year") of a quantity.
func (i Item) Quantity() (value, unit string, calendar, ok bool) {
	q, ok := i.system().(*quantity)
	if !ok {
		return "", "", false, false
	}
	return q.value.String(), q.unit, q.calendar, true
}

// Date returns the interval of a date, dateTime or instant; a zone that is not written is Env's business: UTC here.
func (i Item) Date() (fhir.Date, bool) {
	m, ok := i.system().(*moment)
	if !ok || m.kind == aTime {
		return fhir.Date{}, false
	}
	d, err := fhir.ParseDate(m.fhirText(), nil)
	return d, err == nil
}

// Bool is the singleton evaluation of a collection: one boolean is its value, one item of another kind is true;
// ok is false for an empty collection and for several items.
func (c Collection) Bool() (value, ok bool) {
	if len(c) != 1 {
		return false, false
	}
	if b, is := c[0].Bool(); is {
		return b, true
	}
	return true, true
}

// String writes the collection for people: traces, tests.
func (c Collection) String() string {
	b := []byte{'['}
	for n, i := range c {
		if n > 0 {
			b = append(b, ", "...)
		}
		if s, ok := i.Text(); ok {
			b = append(b, s...)
		} else if i.node != nil {
			b = i.node.Append(b)
		}
	}
	return string(append(b, ']'))
}
