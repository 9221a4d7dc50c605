package event

import "time"

// Started waits until Run listens.
func (h *Hub) Started() {
	for {
		hubs.Lock()
		for _, l := range hubs.live {
			if l == h {
				hubs.Unlock()
				return
			}
		}
		hubs.Unlock()
		time.Sleep(time.Millisecond)
	}
}
