package hubtest

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Partners find each other over FHIR as IHE mCSD words it (ITI-90, Find Matching Care Services): every parameter that a
// directory must answer, and what it must find.
func TestPartnersSearchTheDirectory(t *testing.T) {
	h := New(t)
	expert := h.Region.Account("paizhu").Person
	made := h.Call(Administrator, "PUT", "/fhir/HealthcareService/pci", `{"resourceType":"HealthcareService","id":"pci","active":true,"identifier":[{"system":"urn:x","value":"PCI-1"}],
		"providedBy":{"reference":"Organization/centre-cardiology"},"name":"急诊冠脉介入","category":[{"coding":[{"system":"https://xinglin.health/fhir/CodeSystem/capability","code":"technique"}]}],
		"type":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/service-type","code":"165"}]}],"location":[{"reference":"Location/centre-east-lake"}]}`)
	if made.Status != 201 {
		t.Fatalf("got %d %s", made.Status, made.Body)
	}
	page := func(address string) (matched, included []string, body string) {
		t.Helper()
		a := h.Call(Village, "GET", "/fhir/"+address, "")
		if a.Status != 200 {
			t.Errorf("%s: got %d %.300s", address, a.Status, a.Body)
			return nil, nil, ""
		}
		var b struct {
			Entry []struct {
				Resource struct{ ResourceType, ID string }
				Search   struct{ Mode string }
			}
		}
		a.JSON(t, &b)
		for _, e := range b.Entry {
			ref := e.Resource.ResourceType + "/" + e.Resource.ID
			if e.Search.Mode == "match" {
				matched = append(matched, ref)
			} else {
				included = append(included, ref)
			}
		}
		return matched, included, string(a.Body)
	}
	q := url.QueryEscape
	for _, c := range []struct{ address, finds, not, includes string }{
		{"Organization?active=true&_count=500", "Organization/centre", "", ""},
		{"Organization?_id=centre", "Organization/centre", "Organization/output", ""},
		{"Organization?identifier=" + q("https://xinglin.health/fhir/sid/social-credit-code|") + creditOf(t, h, "centre"), "Organization/centre", "Organization/output", ""},
		{"Organization?_lastUpdated=ge2020-01-01&_count=500", "Organization/centre", "", ""},
		{"Organization?name=" + q("杏州") + "&_count=500", "", "Organization/output", ""},
		{"Organization?name:contains=" + q("杏州医院"), "Organization/centre", "Organization/county-1", ""},
		{"Organization?name:exact=" + q("青榆县人民医院"), "Organization/county-1", "Organization/centre", ""},
		{"Organization?partof=Organization/centre&_count=500", "Organization/centre-cardiology", "Organization/centre", ""},
		{"Organization?type=dept&_count=500", "Organization/centre-cardiology", "Organization/centre", ""},
		{"Organization?_id=centre&_revinclude=Location:organization", "Organization/centre", "", "Location/centre-east-lake"},
		{"Location?organization=Organization/centre", "Location/centre-east-lake", "", ""},
		{"Location?name:contains=" + q("东湖") + "&_include=Location:organization", "Location/centre-east-lake", "Location/centre-new-town", "Organization/centre"},
		{"Location?status=active", "Location/centre-east-lake", "", ""},
		{"HealthcareService?active=true&_count=500", "HealthcareService/pci", "", ""},
		{"HealthcareService?identifier=" + q("urn:x|PCI-1"), "HealthcareService/pci", "HealthcareService/centre-cardiology", ""},
		{"HealthcareService?name:contains=" + q("冠脉"), "HealthcareService/pci", "HealthcareService/centre-cardiology", ""},
		{"HealthcareService?organization=Organization/centre-cardiology&_include=HealthcareService:organization", "HealthcareService/pci", "HealthcareService/county-1-cardiology", "Organization/centre-cardiology"},
		{"HealthcareService?location=Location/centre-east-lake&_count=500", "HealthcareService/pci", "", ""},
		{"HealthcareService?service-category=technique", "HealthcareService/pci", "HealthcareService/centre-cardiology", ""},
		{"HealthcareService?service-type=165", "HealthcareService/pci", "HealthcareService/centre-cardiology", ""},
		{"HealthcareService?organization.partof=Organization/centre&_count=500", "HealthcareService/pci", "HealthcareService/county-1-cardiology", ""},
		{"Practitioner?active=true&_count=1000", expert.Ref(), "", ""},
		{"Practitioner?name=" + q(expert.Name), expert.Ref(), "", ""},
		{"Practitioner?family=" + q(expert.Name[:3]) + "&_count=1000", expert.Ref(), "", ""},
		{"Practitioner?identifier=" + q("https://xinglin.health/fhir/sid/staff-number|") + number(h, expert), expert.Ref(), "", ""},
		{"PractitionerRole?active=true&practitioner=" + expert.Ref(), "PractitionerRole/dispatch-neurology", "", ""},
		{"PractitionerRole?organization=Organization/centre-neurology&_include=PractitionerRole:practitioner", "PractitionerRole/dispatch-neurology", "", expert.Ref()},
		{"PractitionerRole?role=clinical-director&_count=500", "PractitionerRole/post-centre-neurology-clinical", "PractitionerRole/dispatch-neurology", ""},
		{"PractitionerRole?specialty=neurology&_count=500", "PractitionerRole/dispatch-neurology", "PractitionerRole/post-centre-cardiology-clinical", ""},
		{"PractitionerRole?date=ge2026-11-20&organization=Organization/centre-neurology", "PractitionerRole/dispatch-neurology", "", ""},
		{"OrganizationAffiliation?active=true&_count=500", affiliation(t, h), "", ""},
		{"OrganizationAffiliation?participating-organization=Organization/output&_include=OrganizationAffiliation:primary-organization", "", "", ""},
		{"OrganizationAffiliation?date=ge2026-01-01&_count=500", affiliation(t, h), "", ""},
		{"OrganizationAffiliation?primary-organization=Organization/centre&_count=500&_include=OrganizationAffiliation:primary-organization", "", "", "Organization/centre"},
	} {
		matched, included, _ := page(c.address)
		if c.finds != "" && !slices.Contains(matched, c.finds) {
			t.Errorf("%s finds %v; want %s among them", c.address, matched, c.finds)
		}
		if c.not != "" && slices.Contains(matched, c.not) {
			t.Errorf("%s finds %s, too", c.address, c.not)
		}
		if c.includes != "" && !slices.Contains(included, c.includes) {
			t.Errorf("%s includes %v; want %s among them", c.address, included, c.includes)
		}
	}
	if a := h.Call(Village, "GET", "/fhir/metadata", ""); a.Status != 200 || !strings.Contains(string(a.Body), "OrganizationAffiliation") {
		t.Errorf("the capability statement: got %d; want the directory in it", a.Status)
	}
}

func creditOf(t *testing.T, h *Hub, id string) string {
	t.Helper()
	var o struct {
		Identifier []struct{ System, Value string }
	}
	h.Call(Village, "GET", "/fhir/Organization/"+id, "").JSON(t, &o)
	for _, i := range o.Identifier {
		if strings.HasSuffix(i.System, "social-credit-code") {
			return i.Value
		}
	}
	return ""
}

// affiliation is any that the agreements have put into the directory.
func affiliation(t *testing.T, h *Hub) string {
	t.Helper()
	var b struct {
		Entry []struct{ Resource struct{ ID string } }
	}
	h.Call(Village, "GET", "/fhir/OrganizationAffiliation", "").JSON(t, &b)
	if len(b.Entry) == 0 {
		t.Fatal("the directory has no affiliation")
	}
	return "OrganizationAffiliation/" + b.Entry[0].Resource.ID
}
