package bedpool

import "github.com/xinglin-health/xinglin/internal/indicator"

var indicators = []indicator.Definition{}
