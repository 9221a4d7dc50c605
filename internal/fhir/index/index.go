// Package index finds what a resource can be searched by.
package index

import "github.com/xinglin-health/xinglin/internal/fhir/spec"

// Entry is one row of a search index. Which fields count depends on Param.Type:
//
//	Token      System, Code (and Text for :text): "" System = no system
//	String     Text as written (the store folds case, width and accents)
//	Date       Low, High: UTC microseconds, [Low, High); open ends are math.MinInt64, MaxInt64
//	Number     Value, Low, High as decimal text
//	Quantity   as Number, with System, Code (unit code, or the human unit when there is none)
//	Reference  RefType, RefID for local ones, else URI holds the absolute URL; System, Code for identifier-only references
//	URI        URI
//	Composite  Parts: one entry for each of Param.Components, of the same repetition
type Entry struct {
	Param  *spec.Param
	System string
	Code   string
	Text   string
	Low    int64
	High   int64
	Value  float64
	NumLow float64 // implicit range of a decimal by its significant digits
	NumHi  float64
	// Interval: the value is no point but all of [NumLow, NumHi], as of a Range, of "< 5" or of a series.
	Interval bool

	RefType string
	RefID   string
	URI     string

	Parts []Entry

	Types []Coding // of an identifier: Identifier.type, for :of-type
}

// Coding is a code of a system.
type Coding struct{ System, Code string }
