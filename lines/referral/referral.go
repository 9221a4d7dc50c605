// Package referral sends a patient to the hospital that can help, and back home with a plan (双向转诊).
package referral

import (
	"github.com/xinglin-health/xinglin/internal/flow"
	"github.com/xinglin-health/xinglin/internal/line"
)

// Line is the registration.
var Line = &line.Line{
	Slug: "referral",
	Name: flow.Name{Zh: "双向转诊", En: "Two-way referral"},
}
