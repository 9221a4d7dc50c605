package allocate

const never = int32(1) << 30

// assignment finds who gets what at the least total cost, where each row takes one place of one column, or is left.
// cost[i*columns+j] is never where it cannot be; every row may be left at its own cost. It is the method of shortest
// augmenting paths (Jonker and Volgenant) on columns that have several places.
type assignment struct {
	rows, columns int
	cost          []int32
	leave         []int32
	places        []int

	column []int32   // of each row, -1 = left
	of     [][]int32 // rows of each column
	price  []int32   // what a place is short of, 0 or less
	dist   []int32
	from   []int32
	state  []bool
	done   []int32
}

func (a *assignment) solve() {
	a.column = make([]int32, a.rows)
	a.of = make([][]int32, a.columns)
	a.price, a.dist, a.from = make([]int32, a.columns), make([]int32, a.columns), make([]int32, a.columns)
	a.state = make([]bool, a.columns)
	for i := range a.rows {
		a.column[i] = -1
	}
	for i := range a.rows {
		a.add(int32(i))
	}
}

// add finds the cheapest way to serve one more row, by moving others where that pays.
func (a *assignment) add(row int32) {
	m := a.columns
	costs := a.cost[int(row)*m : int(row)*m+m]
	for j, c := range costs {
		a.from[j], a.state[j] = row, false
		if a.dist[j] = never; c < never {
			a.dist[j] = c - a.price[j]
		}
	}
	a.done = a.done[:0]
	least, left := a.leave[row], row // the cheapest row to leave
	end := int32(-1)
	for {
		j, d := int32(-1), never
		for k, dk := range a.dist {
			if dk < d && !a.state[k] {
				j, d = int32(k), dk
			}
		}
		if j < 0 || least <= d {
			break
		}
		if len(a.of[j]) < a.places[j] {
			least, end = d, j
			break
		}
		a.state[j] = true
		a.done = append(a.done, j)
		for _, i := range a.of[j] {
			costs := a.cost[int(i)*m : int(i)*m+m]
			base := d - (costs[j] - a.price[j])
			if c := base + a.leave[i]; c < least {
				least, left = c, i
			}
			for k, c := range costs {
				if c >= never || a.state[k] {
					continue
				}
				if c = base + c - a.price[k]; c < a.dist[k] {
					a.dist[k], a.from[k] = c, i
				}
			}
		}
	}
	for _, j := range a.done {
		a.price[j] += a.dist[j] - least
	}
	if end < 0 { // somebody is left: his place is what the path ends in
		if left == row {
			return
		}
		end = a.column[left]
		a.take(left, end)
		a.column[left] = -1
	}
	for {
		i := a.from[end]
		before := a.column[i]
		if before >= 0 {
			a.take(i, before)
		}
		a.column[i] = end
		a.of[end] = append(a.of[end], i)
		if i == row {
			return
		}
		end = before
	}
}

// take removes a row from a column.
func (a *assignment) take(row, column int32) {
	rows := a.of[column]
	for k, i := range rows {
		if i == row {
			a.of[column] = append(rows[:k], rows[k+1:]...)
			return
		}
	}
}
