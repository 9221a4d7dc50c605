// Package arch holds the house to its plan.
package arch
