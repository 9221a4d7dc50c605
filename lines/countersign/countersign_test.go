package countersign

import (
	"testing"

	"github.com/xinglin-health/xinglin/internal/line/linetest"
)

func TestLine(t *testing.T) { linetest.Check(t, Line) }
