// Package server wires the house together.
package server
