package rest

// delete answers alike whether the resource was there, was gone already or may not be seen.
func (s *server) delete(c *call) (*answer, error) {
	ch := &change{method: "DELETE", typ: c.typ, id: c.id, ifMatch: c.ifMatch}
	if err := conditionOf(c, ch); err != nil {
		return nil, err
	}
	return s.writeOne(c, ch)
}
