package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is what the kernel says of one process; see proc(5).
type process struct {
	parent int
	cpu    float64 // seconds, user and system
	rss    int64   // bytes
}

func look(pid int) (p process, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 22 {
		return p, false
	}
	p.parent, _ = strconv.Atoi(fields[1])
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	pages, _ := strconv.ParseInt(fields[21], 10, 64)
	p.cpu, p.rss = (user+system)/100, pages*int64(os.Getpagesize()) // USER_HZ
	return p, true
}

// usage adds up a process and all beneath it. Pages that they share, such as a database's buffers, count once
// for each, so the memory of many processes is an upper bound.
func usage(pid int) (cpu float64, rss int64) {
	if pid == 0 {
		return 0, 0
	}
	all := map[int]process{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		id, _ := strconv.Atoi(filepath.Base(dir))
		if p, ok := look(id); ok {
			all[id] = p
		}
	}
	for id, p := range all {
		for up, steps := id, 0; up > 0 && steps < 100; up, steps = all[up].parent, steps+1 {
			if up == pid {
				cpu, rss = cpu+p.cpu, rss+p.rss
				break
			}
		}
	}
	return cpu, rss
}
