package subscription

import "testing"

func TestANameThatLeadsInsideIsNotDialled(t *testing.T) {
	for _, c := range []struct {
		rule, address string
		ok            bool
	}{
		{"an address outside", "203.0.113.9:443", true},
		{"a hospital's own network", "10.3.4.5:8443", true},
		{"this machine", "127.0.0.1:443", false},
		{"this machine, version 6", "[::1]:443", false},
		{"this machine, mapped", "[::ffff:127.0.0.1]:443", false},
		{"any address", "0.0.0.0:443", false},
		{"the metadata of a cloud", "169.254.169.254:80", false},
		{"link-local, version 6", "[fe80::1]:443", false},
		{"a group", "224.0.0.1:443", false},
	} {
		if err := outward("tcp", c.address, nil); (err == nil) != c.ok {
			t.Errorf("%s (%s): got %v; want ok %v", c.rule, c.address, err, c.ok)
		}
	}
}

func TestCriteriaAreShownWithoutPersons(t *testing.T) {
	for _, c := range []struct{ typ, query, want string }{
		{"Observation", "code=http://loinc.org|8867-4&patient=Patient/p", "Observation?code=http://loinc.org|8867-4&patient=…"},
		{"Patient", "name=张三&birthdate=1960-05-01&active=true", "Patient?name=…&birthdate=…&active=true"},
		{"Patient", "identifier=urn:id|99", "Patient?identifier=…"},
		{"Task", "owner=Organization/centre&subject.name=x", "Task?owner=Organization/centre&subject.name=…"},
		{"Task", "", "Task"},
	} {
		if got := (Definition{Type: c.typ, Query: c.query}).Shown(); got != c.want {
			t.Errorf("%s?%s: got %s; want %s", c.typ, c.query, got, c.want)
		}
	}
}

func TestTopicsCanBeFilteredByWhatTheySay(t *testing.T) {
	e := New(Options{})
	for _, topic := range Topics {
		for _, f := range topic.Filters {
			if _, err := e.where(topic.Type, f+"=x"); err != nil {
				t.Errorf("%s: filter %s: %v", topic.URL, f, err)
			}
		}
	}
}
