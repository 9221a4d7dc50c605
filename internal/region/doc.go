// Package region makes up a plausible region for demo, tests and simulation.
package region
