// Package intake turns the tables of a spreadsheet into resources of the registry and says, by row and column, what is wrong.
package intake

import (
	"fmt"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Bounds of a file. A hospital of 5,000 people has about 15,000 rows in all.
const (
	MaxFile    = 8 << 20
	maxUnzip   = 64 << 20
	maxParts   = 500
	maxRows    = 20_000
	maxColumns = 60
	maxCells   = 400_000
	maxCell    = 1000 // characters
	maxShown   = 1000 // problems that are listed
)

// Table is one sheet, or a CSV file, with its head.
type Table struct {
	Kind string // of kinds; "" = unknown
	Name string // of the sheet or file
	Head []string
	Rows []Row
}

// Row is one line of a table as a person counts them: the head is line 1.
type Row struct {
	Number int
	Cells  []string
}

// Problem is what stands in the way of one row.
type Problem struct {
	Table  string `json:"table"`
	Row    int    `json:"row"`
	Column string `json:"column"` // as the head says; "" = the row as a whole
	Code   string `json:"code"`
	Zh     string `json:"zh"`
	En     string `json:"en"`
	Value  string `json:"value,omitempty"`
}

// Line is what a row would do.
type Line struct {
	Table     string   `json:"table"`
	Row       int      `json:"row"`
	Reference string   `json:"reference"`
	Name      string   `json:"name"`
	Outcome   string   `json:"outcome"` // created, changed, unchanged
	Changes   []string `json:"changes,omitempty"`
}

// Plan is what a file would do, all or nothing.
type Plan struct {
	Problems []Problem      `json:"problems"`
	More     int            `json:"more,omitempty"` // problems beyond those listed
	Lines    []Line         `json:"lines"`
	Counts   map[string]int `json:"counts"` // created, changed, unchanged: resources

	Resources []*fhir.Node     `json:"-"` // created and changed, in an order in which references point back
	Known     map[string]int64 `json:"-"` // the version that each was planned on; 0 = it is new
}

// refuse is a file that cannot be read at all.
func refuse(code, en, zh string) error {
	return fhir.Refuse(422, "value", code, en, zh)
}

func tooMany(what string, n int) error {
	return refuse("too-large", fmt.Sprintf("more than %d %s", n, what), fmt.Sprintf("文件过大：超过 %d %s", n, map[string]string{"rows": "行", "columns": "列", "cells": "个单元格", "parts": "个部件"}[what]))
}
