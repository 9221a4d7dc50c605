package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lock holds a data folder for one program; the kernel lets go of it when the program dies.
type lock struct{ file *os.File }

// hold takes the folder, or tells who has it. note is kept in the file for whoever comes second.
func hold(dir, note string) (*lock, error) {
	path := filepath.Join(dir, "xinglin.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("server: lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("server: lock %s: %w", path, err)
		}
		holder, _ := os.ReadFile(path)
		return nil, fmt.Errorf("server: %w: %s", ErrBusy, strings.TrimSpace(string(holder)))
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintf(f, "pid %d, %s\n", os.Getpid(), note)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("server: lock %s: %w", path, err)
	}
	return &lock{f}, nil
}

func (l *lock) release() {
	if l != nil {
		l.file.Close()
	}
}

// Holder tells who holds a data folder, "" when it is free.
func Holder(dir string) string {
	l, err := hold(dir, "a look")
	if err != nil {
		return err.Error()
	}
	l.release()
	return ""
}
