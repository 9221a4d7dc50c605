package bench

import (
	"math/bits"
	"time"
)

// latencies counts durations in buckets of 1.6 % width, so that a run of any length takes the same memory.
type latencies struct {
	n      int64
	max    time.Duration
	counts [64 * 40]int64 // 64 steps for each doubling of microseconds
}

func (l *latencies) add(d time.Duration) {
	l.n++
	l.max = max(l.max, d)
	l.counts[bucket(d)]++
}

func (l *latencies) merge(o *latencies) {
	l.n += o.n
	l.max = max(l.max, o.max)
	for i, c := range o.counts {
		l.counts[i] += c
	}
}

func bucket(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 0))
	if us < 64 {
		return int(us)
	}
	shift := bits.Len64(us) - 7 // us>>shift has 7 bits: 64 to 127
	return min(64*(shift+1)+int(us>>shift)-64, 64*40-1)
}

// upper is the longest duration of a bucket, in milliseconds.
func upper(b int) float64 {
	if b < 64 {
		return float64(b) / 1000
	}
	shift := b/64 - 1
	return float64((uint64(b%64+64)+1)<<shift-1) / 1000
}

// at is the latency in milliseconds that the share q of all requests does not exceed.
func (l *latencies) at(q float64) float64 {
	if l.n == 0 {
		return 0
	}
	want := int64(q*float64(l.n-1)) + 1
	for b, seen := 0, int64(0); b < len(l.counts); b++ {
		if seen += l.counts[b]; seen >= want {
			return min(upper(b), float64(l.max.Microseconds())/1000)
		}
	}
	return float64(l.max.Microseconds()) / 1000
}
