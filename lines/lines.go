// Package lines lists the service lines of the network; this is the only registration.
package lines

import (
	"github.com/xinglin-health/xinglin/internal/line"
	"github.com/xinglin-health/xinglin/lines/agreement"
	"github.com/xinglin-health/xinglin/lines/bedpool"
	"github.com/xinglin-health/xinglin/lines/countersign"
	"github.com/xinglin-health/xinglin/lines/personreview"
	"github.com/xinglin-health/xinglin/lines/referral"
	"github.com/xinglin-health/xinglin/lines/safeguard"
	"github.com/xinglin-health/xinglin/lines/secondlook"
	"github.com/xinglin-health/xinglin/lines/unknown"
)

// All is every line, in the order in which the page shows them.
var All = []*line.Line{referral.Line, bedpool.Line, agreement.Line, unknown.Line, safeguard.Line, secondlook.Line, countersign.Line, personreview.Line}
