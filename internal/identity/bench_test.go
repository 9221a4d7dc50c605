package identity_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/identity"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func BenchmarkDoor(b *testing.B) {
	s := storetest.Memory(b, store.Options{Clock: clock.System, Migrations: identity.Migrations})
	svc := identity.New(s, access.NewTree(), identity.Options{Cost: cheap})
	if _, _, err := svc.AddUser(ctx, identity.NewUser{Username: "lin", Name: "林", Password: right, Roles: doctor("Organization/county")}); err != nil {
		b.Fatal(err)
	}
	se, err := svc.Login(ctx, "lin", right, "10.0.0.1")
	if err != nil {
		b.Fatal(err)
	}
	_, token, err := svc.NewToken(ctx, "his", []string{"system/*.rs"}, "", 0)
	if err != nil {
		b.Fatal(err)
	}
	door := svc.Authenticate(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for name, head := range map[string][2]string{"cookie": {"Cookie", identity.Cookie + "=" + se.Secret}, "bearer": {"Authorization", "Bearer " + token}} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/fhir/Patient/1", nil)
			r.Header.Set(head[0], head[1])
			w := httptest.NewRecorder()
			for b.Loop() {
				door.ServeHTTP(w, r)
			}
		})
	}
}
