package fhir

import "errors"

// DetailSystem is the code system of Issue.Detail.
const DetailSystem = "https://xinglin.health/fhir/CodeSystem/issue"

// Outcome turns err into an OperationOutcome and its HTTP status. lang is "zh" or "en"; request is
// the request id to quote. What is not an *Error says only that the fault is ours (500).
func Outcome(err error, lang, request string) (*Node, int) {
	var fe *Error
	if !errors.As(err, &fe) {
		fe = Refuse(500, "exception", "internal", "something went wrong here; quote the request id", "系统内部出错，请告知请求编号")
	}
	status := fe.Status
	if status == 0 {
		status = 400
	}
	issues := Arr{}
	for _, is := range fe.Issues {
		text := is.Text
		if lang != "en" && is.Zh != "" {
			text = is.Zh
		}
		details := Obj{"text", text}
		if is.Detail != "" {
			details = Obj{"coding", Arr{Obj{"system", DetailSystem, "code", is.Detail}}, "text", text}
		}
		diagnostics := is.Text
		if request != "" {
			diagnostics += "; request " + request
		}
		o := Obj{"severity", is.Severity, "code", is.Code, "details", details, "diagnostics", diagnostics}
		if is.Expression != "" {
			o = append(o, "expression", Arr{is.Expression})
		}
		issues = append(issues, o)
	}
	return New("OperationOutcome", "issue", issues), status
}
