package store

// bodies packs and unpacks resources.
type bodies struct{}

func (b *bodies) init(key []byte) error { return nil }
