package lines_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

// BenchmarkPages asks for what people open most, among 3,000 open cases: a worklist and one case with its
// chain, packet and messages.
func BenchmarkPages(b *testing.B) {
	p := newPage(b, storetest.Memory)
	var task string
	for i := range 3000 {
		id := fmt.Sprintf("p%d", i)
		p.put(fhir.New("Patient", "id", id, "name", fhir.Arr{fhir.Obj{"text", "张三"}}, "birthDate", "1970-01-01"), "Organization/village")
		p.mustStart("village-sender", "up", form("county", "routine", "patient", fhir.Obj{"reference", "Patient/" + id}, "documents", "-"))
		p.turn(time.Second)
	}
	task = p.mustStart("village-sender", "up", form("county", "routine", "filing", "to-file"))
	p.must("county-office", task, "receive", "department", "心内科")
	for i := range 6 {
		if code, body := p.ask("county-office", "POST", "/api/lines/referral/cases/"+strings.TrimPrefix(task, "Task/")+"/messages", fmt.Sprintf(`{"text":"第 %d 条"}`, i)); code != 201 {
			b.Fatal(body)
		}
	}
	for _, x := range []struct{ name, url string }{
		{"worklist", "/api/lines/referral/worklist?view=in&count=50"},
		{"case", "/api/lines/referral/cases/" + strings.TrimPrefix(task, "Task/")},
	} {
		b.Run(x.name, func(b *testing.B) {
			for b.Loop() {
				if code, body := p.ask("county-office", "GET", x.url, ""); code != 200 {
					b.Fatal(body)
				}
			}
		})
	}
}

// BenchmarkStep takes one step through rules, builder, writer, grants and worklist row.
func BenchmarkStep(b *testing.B) {
	w := newWorld(b, storetest.Memory)
	task := w.mustStart("village-sender", "up", form("county", "routine"))
	w.must("county-office", task, "receive")
	n := 0
	for b.Loop() {
		if n++; n%20 == 0 { // a case with a usual history
			w.must("county-doctor", task, "decline", "reason", "other", "advice", "x")
			task = w.mustStart("village-sender", "up", form("county", "routine"))
			w.must("county-office", task, "receive")
		}
		w.must("county-office", task, "route", "department", "心内科")
	}
}
