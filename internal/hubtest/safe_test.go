package hubtest_test

import (
	"io"
	"sync"
)

// safe lets many write and one read.
type safe struct {
	sync.Mutex
	w io.Writer
}

func (s *safe) Write(b []byte) (int, error) {
	s.Lock()
	defer s.Unlock()
	return s.w.Write(b)
}
