package fhir

// Ref makes a Reference: Ref("Patient/1", "张三"). Empty parts are left out, here and below.
func Ref(reference, display string) Obj {
	return Obj{"reference", reference, "display", display}
}

// LogicalRef makes a Reference by identifier only.
func LogicalRef(system, value, display string) Obj {
	return Obj{"identifier", Identifier(system, value), "display", display}
}

// Coding makes a Coding.
func Coding(system, code, display string) Obj {
	return Obj{"system", system, "code", code, "display", display}
}

// Concept makes a CodeableConcept of one coding.
func Concept(system, code, display string) Obj {
	if code == "" {
		return Obj{"text", display}
	}
	return Obj{"coding", Arr{Coding(system, code, display)}}
}

// TextConcept makes a CodeableConcept that has only words.
func TextConcept(text string) Obj { return Obj{"text", text} }

// Identifier makes an Identifier.
func Identifier(system, value string) Obj {
	return Obj{"system", system, "value", value}
}

// Telecom makes a ContactPoint: Telecom("phone", "13800000000", "mobile").
func Telecom(system, value, use string) Obj {
	return Obj{"system", system, "value", value, "use", use}
}

// Extension makes an Extension: Extension(url, "valueCode", "yes").
func Extension(url, valueName string, value any) Obj {
	return Obj{"url", url, valueName, value}
}
