package secondlook

import "github.com/xinglin-health/xinglin/internal/line"

// keep writes the words into the history.
func keep(c line.Call, ch *line.Change) { ch.Note = c.Params.Str("note") }
