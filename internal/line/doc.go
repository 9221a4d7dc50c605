// Package line is the shape of a service line and the one place that performs a step.
package line
