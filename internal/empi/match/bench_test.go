package match

import "testing"

func BenchmarkPrepareAndKeys(b *testing.B) {
	r := person1()
	for b.Loop() {
		if len(Prepare(r).Keys()) == 0 {
			b.Fatal("no keys")
		}
	}
}

func BenchmarkOutcome(b *testing.B) {
	x, y := Prepare(person1()), Prepare(&Record{ID: "Patient/2", Names: []Name{{Text: "孟晓茹"}}, Sex: "female", Birth: "1961-06-23", Phones: []string{"15124298288"}, Address: []Address{{Text: "和平里193号"}}})
	m := Default()
	for b.Loop() {
		if m.Outcome(x, y).Score == 0 {
			b.Fatal("no score")
		}
	}
}

func BenchmarkOutcomeLatin(b *testing.B) {
	x := Prepare(&Record{Names: []Name{{Family: "hobson", Given: "aleisha"}}, Birth: "19290427", Numbers: []Number{{Value: "5967384"}}, Address: []Address{{Text: "54 oliver street", Place: "inglewood", Area: "toowoomba", PostalCode: "3175"}}})
	y := Prepare(&Record{ID: "2", Names: []Name{{Family: "hobsn", Given: "alisha"}}, Birth: "19290427", Numbers: []Number{{Value: "5967348"}}, Address: []Address{{Text: "54 olvier street", Place: "ingle wood", Area: "toowooba", PostalCode: "3157"}}})
	m := Default()
	for b.Loop() {
		if m.Outcome(x, y).Score == 0 {
			b.Fatal("no score")
		}
	}
}
