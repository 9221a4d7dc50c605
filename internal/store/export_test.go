package store

import "testing"

// SmallProbes makes small tables look long to the planner, until the function returned is called.
func SmallProbes() func() {
	was := probing
	probing.first, probing.rows, probing.inner, probing.sample, probing.longest, probing.walk, probing.handful = 2, 4, 8, 3, 12, 1, 2
	return func() { probing = was }
}

// ContainersOf sets the bounds of searches in contained resources until the end of a test.
func ContainersOf(t testing.TB, page, total, once int) {
	was := containers
	containers.page, containers.total, containers.once = page, total, once
	t.Cleanup(func() { containers = was })
}
