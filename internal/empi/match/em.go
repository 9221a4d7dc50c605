package match

// counts are how often names, numbers and phones stand in the file at hand.
type counts struct {
	people float64
	names  map[uint64]uint32
	shared map[uint64]uint32
}

func (c *counts) share(s string, family bool, known float64) float64 {
	const trust = 500 // people for whom the model's own share stands
	kind := byte(200)
	if !family {
		kind = 201
	}
	return (float64(c.names[hash(kind, s)]) + trust*known) / (c.people + trust)
}

// often is the share of people with a number or phone, when it is too many for one household; else 0.
func (c *counts) often(field int, s string) float64 {
	n := c.shared[hash(byte(210+field), s)]
	if n <= 8 {
		return 0
	}
	return float64(n) / c.people
}
