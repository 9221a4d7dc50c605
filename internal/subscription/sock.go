package subscription

type sock struct{}

func (e *Engine) wakeSocks() {}
