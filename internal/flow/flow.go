// Package flow describes how a piece of work moves from state to state: who may do what, by when.
package flow
