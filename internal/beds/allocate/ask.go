package allocate

// Ask is a request made ready once, for whoever asks for many patients who differ in nothing but Since, Promised, Moves
// and At: a simulation. Set these in the Request and call At before it is asked.
type Ask struct{ n need }

// Ask makes a request ready. The engine keeps none of it.
func (e *Engine) Ask(r *Request) *Ask { return &Ask{e.need(r)} }

// At says that the request's changing parts were set, and where he lies now: a place in Pool.Beds, -1 = nowhere.
func (e *Engine) At(a *Ask, bed int) {
	a.n.minute, a.n.atWard, a.n.atRoom = e.minute, -1, -1
	if bed >= 0 {
		a.n.atWard, a.n.atRoom = e.beds[bed].Ward, e.beds[bed].Room
	}
}

// WardFits says whether no hard rule speaks against a whole ward, BedFits whether none speaks against a bed whose ward
// fits. Both together are Fits.
func (e *Engine) WardFits(a *Ask, ward int) bool { return e.wardAgainst(&a.n, a.n.path, ward) == 0 }
func (e *Engine) BedFits(a *Ask, bed int) bool   { return e.bedAgainst(&a.n, bed) == 0 }

// WardShare is the part of the cost that all beds of a ward share, CostIn the cost of one of them, in points.
func (e *Engine) WardShare(a *Ask, ward int) int64 { return e.wardCost(&a.n, a.n.path, ward) }
func (e *Engine) CostIn(a *Ask, share int64, bed int) float64 {
	return float64(share+e.bedCost(&a.n, bed)-e.earned(&a.n)) / 100
}

// LeastIn is less than or equal to what any bed of a ward may cost, whoever lies there.
func (e *Engine) LeastIn(a *Ask, ward int) float64 {
	return float64(a.n.path.base[ward]-e.earned(&a.n)) / 100
}

// Of is One, and PlaceOf Place, for a request made ready.
func (e *Engine) Of(a *Ask) (bed int, ok bool) {
	bed, _ = e.one(&a.n)
	return bed, bed >= 0
}
func (e *Engine) PlaceOf(bed int, a *Ask) { e.place(bed, &a.n) }
