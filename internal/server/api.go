package server

import (
	"context"
	"net/http"

	"github.com/xinglin-health/xinglin/internal/api"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// ownAPI is what the page needs beside FHIR; each handler is a struct of internal/api.
func (h *Hub) ownAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		api.Refuse(w, r, fhir.Refuse(http.StatusNotFound, "not-found", "unknown-address", "nothing is at this address", "没有这个地址"))
	})
	for _, room := range []interface{ Register(*http.ServeMux) }{
		api.Patients{Store: h.Store, Audit: h.Audit, Clock: h.Clock, Zone: h.Zone},
		api.Files{Store: h.Store, Files: h.Files, Audit: h.Audit, Clock: h.Clock},
	} {
		room.Register(mux)
	}
	return patterned(mux)
}

// letGo ends open streams when the hub stops, so that stopping need not wait for them.
func (h *Hub) letGo(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(h.streams, cancel)()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
