package match

import (
	"cmp"
	"slices"
)

// blocks bring together the records of a file that share a key. A block that is too big is taken apart by what
// else its records say, and what then is still too big is sorted, and each record meets those beside it:
// every record keeps neighbours, none is dropped.
type blocks struct {
	members []uint32   // of all blocks, one after the other
	start   []uint32   // of block i in members; the last one is the end
	mine    [][]uint32 // blocks of each record
	refined int        // blocks that were taken apart
	sorted  int        // blocks that had to be sorted in the end
	largest int
}

const (
	blockLimit = 250 // records that all meet each other
	window     = 24  // neighbours in a sorted block
)

type posting struct {
	hash uint64
	at   uint32
}

// findBlocks makes the blocks of all records, one kind of key after the other to bound memory.
func findBlocks(records []*Ready) *blocks {
	b := &blocks{mine: make([][]uint32, len(records))}
	const groups = 4
	var keys []Key
	var list []posting
	for g := range groups {
		list = list[:0]
		for i, r := range records {
			keys = r.appendKeys(keys[:0])
			for _, k := range keys {
				if int(k.Kind)%groups == g {
					list = append(list, posting{k.Hash, uint32(i)})
				}
			}
		}
		slices.SortFunc(list, func(x, y posting) int {
			if x.hash != y.hash {
				return cmp.Compare(x.hash, y.hash)
			}
			return cmp.Compare(x.at, y.at)
		})
		for from := 0; from < len(list); {
			to := from + 1
			for to < len(list) && list[to].hash == list[from].hash {
				to++
			}
			if to-from > 1 {
				b.largest = max(b.largest, to-from)
				b.put(records, list[from:to], 0)
			}
			from = to
		}
	}
	b.start = append(b.start, uint32(len(b.members)))
	return b
}

// finer are what a block is taken apart by, each on its own: records that agree on one of them still meet.
var finer = [...]func(r *Ready) uint64{
	func(r *Ready) uint64 {
		if len(r.names) == 0 {
			return 0
		}
		x, y := heard(r.names[0].family, true), heard(r.names[0].given, false)
		if x > y {
			x, y = y, x
		}
		return hash(1, x, y)
	},
	func(r *Ready) uint64 {
		if r.birth.year == 0 {
			return 0
		}
		n := r.birth.number()
		return hash(2, string([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}))
	},
	func(r *Ready) uint64 {
		if len(r.phones) == 0 {
			return 0
		}
		return hash(3, r.phones[0])
	},
	func(r *Ready) uint64 {
		if len(r.addresses) == 0 {
			return 0
		}
		return hash(4, r.addresses[0].road, r.addresses[0].numbers)
	},
}

func (b *blocks) put(records []*Ready, list []posting, depth int) {
	if len(list) <= blockLimit {
		n := uint32(len(b.start))
		b.start = append(b.start, uint32(len(b.members)))
		for _, p := range list {
			b.members = append(b.members, p.at)
			b.mine[p.at] = append(b.mine[p.at], n)
		}
		return
	}
	if depth < 2 {
		b.refined++
		part := make([]posting, 0, len(list))
		for _, f := range finer {
			part = part[:0]
			for _, p := range list {
				if h := f(records[p.at]); h != 0 {
					part = append(part, posting{h, p.at})
				}
			}
			slices.SortFunc(part, func(x, y posting) int {
				return cmp.Or(cmp.Compare(x.hash, y.hash), cmp.Compare(x.at, y.at))
			})
			for from := 0; from < len(part); {
				to := from + 1
				for to < len(part) && part[to].hash == part[from].hash {
					to++
				}
				switch {
				case to-from < 2:
				case to-from == len(list): // says nothing new here
				default:
					b.put(records, slices.Clone(part[from:to]), depth+1)
				}
				from = to
			}
		}
	}
	b.sorted++
	near := slices.Clone(list)
	for i, p := range near {
		near[i].hash = finer[0](records[p.at])&^0xffffffff | uint64(uint32(records[p.at].birth.number()))
	}
	slices.SortFunc(near, func(x, y posting) int {
		return cmp.Or(cmp.Compare(x.hash, y.hash), cmp.Compare(x.at, y.at))
	})
	for from := 0; from == 0 || from+window < len(near); from += window {
		b.put(records, near[from:min(from+2*window, len(near))], depth)
	}
}

// meet calls with every record after i that shares a block with it, once.
func (b *blocks) meet(i int, seen []uint32, with func(j int)) {
	mark := uint32(i) + 1
	for _, n := range b.mine[i] {
		list := b.members[b.start[n]:b.start[n+1]]
		for _, j := range list {
			if int(j) > i && seen[j] != mark {
				seen[j] = mark
				with(int(j))
			}
		}
	}
}
