package smart

import (
	"strings"
	"testing"
)

func TestScopesMeet(t *testing.T) {
	for _, c := range []struct{ rule, allowed, want, got string }{
		{"what is registered", "patient/Observation.rs", "patient/Observation.rs", "patient/Observation.rs"},
		{"version 1 within version 2", "patient/*.rs", "patient/*.read", "patient/*.read"},
		{"version 1 beyond it", "patient/*.rs", "patient/*.*", "patient/*.rs"},
		{"a type within all", "patient/*.rs", "patient/Observation.rs", "patient/Observation.rs"},
		{"all within two types", "patient/Observation.rs patient/Patient.r", "patient/*.rs", "patient/Observation.rs patient/Patient.r"},
		{"all, and more of one type", "user/*.rs user/Task.cruds", "user/*.cruds", "user/*.rs user/Task.cruds"},
		{"letters add up", "user/*.rs user/Task.u", "user/Task.rus", "user/Task.rus"},
		{"letters out of order", "user/*.rs", "user/Task.sr", ""},
		{"a letter twice", "user/*.rs", "user/Task.rr", ""},
		{"another context", "patient/*.rs", "user/Observation.rs", ""},
		{"another type", "patient/Observation.rs", "patient/Condition.rs", ""},
		{"a query part is not understood", "patient/*.rs", "patient/Observation.rs?category=laboratory", ""},
		{"not even where it is registered so", "patient/Observation.rs?category=laboratory", "patient/Observation.rs?category=laboratory", ""},
		{"an unknown type", "patient/*.rs", "patient/Unicorn.rs", ""},
		{"no letters", "patient/*.rs", "patient/Observation.", ""},
		{"a strange letter", "patient/*.rs", "patient/Observation.rx", ""},
		{"an unknown context", "patient/*.rs", "admin/*.rs", ""},
		{"plain ones exactly", "openid launch", "launch/patient", ""},
		{"launch is launch", "openid launch", "launch", "launch"},
	} {
		if got := strings.Join(meet(strings.Fields(c.allowed), c.want), " "); got != c.got {
			t.Errorf("%s: %s of %s: got %q; want %q", c.rule, c.want, c.allowed, got, c.got)
		}
	}
}

func TestAPersonIsNeverAskedForAProgramsScopes(t *testing.T) {
	offered, refused := offer([]string{"system/*.rs", "user/*.rs"}, []string{"system/*.rs", "user/*.rs", "user/*.cruds", "x"})
	if strings.Join(offered, " ") != "user/*.rs" || strings.Join(refused, " ") != "system/*.rs user/*.cruds x" {
		t.Errorf("got %v, refused %v", offered, refused)
	}
}

func FuzzScopes(f *testing.F) {
	f.Add("patient/*.rs user/Task.cruds openid", "patient/Observation.rs")
	f.Add("user/*.read", "user/*.*")
	f.Fuzz(func(t *testing.T, allowed, want string) {
		list := strings.Fields(allowed)
		for _, got := range meet(list, want) {
			if !covers(list, got) {
				t.Errorf("%q of %q gave %q, which is beyond it", want, allowed, got)
			}
			if len(meet([]string{want}, got)) == 0 {
				t.Errorf("%q of %q gave %q, which was not asked for", want, allowed, got)
			}
		}
	})
}
