package match

// edits counts insertions, deletions, changes and exchanges of neighbours that make b of a (bytes); at most 9 are told apart.
func edits(a, b string) int {
	const most = 48
	if a == b {
		return 0
	}
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) > most || len(b) > most || len(a)-len(b) > 9 || len(b)-len(a) > 9 {
		return 9
	}
	if len(a) == 0 || len(b) == 0 {
		return max(len(a), len(b))
	}
	var rows [3][most + 1]int
	before, last, now := &rows[0], &rows[1], &rows[2]
	for j := 0; j <= len(b); j++ {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			n := min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				n = min(n, before[j-2]+1)
			}
			now[j] = n
		}
		before, last, now = last, now, before
	}
	return min(last[len(b)], 9)
}

// similar is the measure of Jaro and Winkler, 0 to 1.
func similar(a, b string) float64 {
	const most = 64
	if a == b {
		return 1
	}
	if len(a) == 0 || len(b) == 0 || len(a) > most || len(b) > most {
		return 0
	}
	var used [most]bool
	var first [most]byte
	window := max(max(len(a), len(b))/2-1, 0)
	m := 0
	for i := 0; i < len(a); i++ {
		for j := max(0, i-window); j < min(len(b), i+window+1); j++ {
			if !used[j] && a[i] == b[j] {
				used[j] = true
				first[m] = a[i]
				m++
				break
			}
		}
	}
	if m == 0 {
		return 0
	}
	moved, k := 0, 0
	for j := 0; j < len(b); j++ {
		if used[j] {
			if b[j] != first[k] {
				moved++
			}
			k++
		}
	}
	f := float64(m)
	jaro := (f/float64(len(a)) + f/float64(len(b)) + (f-float64(moved)/2)/f) / 3
	prefix := 0
	for prefix < min(4, len(a), len(b)) && a[prefix] == b[prefix] {
		prefix++
	}
	return jaro + float64(prefix)*0.1*(1-jaro)
}
