package subscription

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Topic is what a server can be asked to tell of, as SubscriptionTopic of R5 says it.
type Topic struct {
	URL      string
	Zh, En   string
	Type     string   // of the resource whose change is the event, and the focus of its notification
	On       string   // letters of c u d: which interactions count; l = links between records, which no interaction makes
	Now      string   // search criteria that the new version must meet; "" = none
	Before   string   // search criteria that the old version must not meet; "" = none
	Changed  []string // paths of which one must differ from the old version; nil = any change
	Filters  []string // search parameters that a subscriber may filter by
	now, was []search.Clause
}

// base of the topics that are ours.
const topicBase = spec.Canonical + "/SubscriptionTopic/"

// Topics are those that this server knows, in the order of the capability statement.
var Topics = []*Topic{
	{URL: topicBase + "task-changed", Zh: "转诊等协作任务的状态、承办方或期限变化", En: "a Task (referral, consultation, …) begins, or its state, owner or deadline changes", Type: "Task", On: "cu",
		Changed: []string{"status", "businessStatus", "owner", "restriction"}, Filters: []string{"owner", "requester", "patient", "status", "code", "business-status", "group-identifier"}},
	{URL: topicBase + "admission", Zh: "患者入院", En: "a patient is admitted: an inpatient Encounter becomes in-progress", Type: "Encounter", On: "cu",
		Now: "status=in-progress&class=IMP,ACUTE,NONAC", Before: "status=in-progress", Filters: []string{"patient", "service-provider", "location", "class"}},
	{URL: topicBase + "discharge", Zh: "患者出院", En: "a patient is discharged: an inpatient Encounter becomes finished", Type: "Encounter", On: "cu",
		Now: "status=finished&class=IMP,ACUTE,NONAC", Before: "status=finished", Filters: []string{"patient", "service-provider", "location", "class"}},
	{URL: topicBase + "report-final", Zh: "诊断报告已审核或已更正", En: "a DiagnosticReport becomes final, or is amended afterwards", Type: "DiagnosticReport", On: "cu",
		Now: "status=final,amended,corrected,appended", Filters: []string{"patient", "code", "category", "performer", "status"}},
	{URL: topicBase + "patient-changed", Zh: "患者基本信息新建、变更或删除", En: "a Patient is created, changed or deleted", Type: "Patient", On: "cud", Filters: []string{"organization", "active"}},
	{URL: topicBase + "patient-linked", Zh: "患者档案与同一人的其他档案关联或解除关联", En: "a Patient is linked with another record of the same person, or not any more", Type: "Patient", On: onLink, Filters: []string{"organization", "active"}},
	{URL: topicBase + "document-ready", Zh: "病历文书可查阅", En: "a DocumentReference becomes current", Type: "DocumentReference", On: "cu",
		Now: "status=current", Filters: []string{"patient", "type", "category", "custodian"}},
}

// topicOf finds a topic by its canonical, with or without a version.
func topicOf(canonical string) (*Topic, bool) {
	url, _, _ := strings.Cut(canonical, "|")
	for _, t := range Topics {
		if t.URL == url {
			return t, true
		}
	}
	return nil, false
}

func init() {
	for _, t := range Topics {
		for _, c := range []struct {
			query string
			into  *[]search.Clause
		}{{t.Now, &t.now}, {t.Before, &t.was}} {
			params, err := search.ParseQuery(c.query)
			if err == nil {
				var r search.Request
				r, err = search.Parse(t.Type, params, search.Options{})
				*c.into = r.Where
			}
			if err != nil {
				panic(t.URL + ": " + err.Error()) // a constant of ours
			}
		}
	}
}
