package server

import (
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/api"
	"github.com/xinglin-health/xinglin/internal/event"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/job"
	"github.com/xinglin-health/xinglin/lines"
)

// ownAPI is what the page needs beside FHIR; each handler is a struct of internal/api.
func (h *Hub) ownAPI() http.Handler {
	notices := event.NewBook(h.Tree.Name)
	notices.Zone = h.Zone
	for _, l := range lines.All {
		for kind, text := range l.Notices {
			notices.Add(event.Template{Kind: l.Slug + "." + kind, Zh: text.Zh + "{next}", En: text.En + "{next}"})
		}
	}
	notices.Add(registryNotices...)
	notices.Add(personNotices...)
	notices.Add(bedNotices...)
	h.Dispatcher = &event.Dispatcher{Store: h.Store, Book: notices, Sender: event.NewSender(h.pageURL(), h.Hosts), Enqueue: job.Enqueue}
	channels := &api.Channels{Store: h.Store, Tree: h.Tree, Audit: h.Audit, Dispatcher: h.Dispatcher}
	h.Jobs.Handle(event.DeliveryKind, channels.Work())

	cases := api.Lines{Store: h.Store, Runner: h.Runner, Audit: h.Audit, Clock: h.Clock, Below: h.Tree.Below}

	beds := &api.Beds{Store: h.Store, Room: h.Beds, Bookings: h.Bookings, Runner: h.Runner, Tree: h.Tree, Audit: h.Audit, Zone: h.Zone, Agreed: h.Agreements.Between}

	mux := http.NewServeMux()
	for _, room := range []interface{ Register(*http.ServeMux) }{
		&api.Auth{Store: h.Store, Identity: h.Identity, Tree: h.Tree, Audit: h.Audit, Clock: h.Clock, Hub: api.Words{Zh: "杏林", En: "Xinglin"}, Version: Version, Demo: h.Demo},
		&api.Users{Identity: h.Identity, Tree: h.Tree, Audit: h.Audit},
		&api.Trail{Store: h.Store, Tree: h.Tree, Book: h.Audit, Desk: h.trail(), Teams: access.TeamsAt, Lines: lines.All, Zone: h.Zone},
		&api.Stream{Store: h.Store, Hub: h.Events, Book: notices, Ends: h.streams, Counts: cases.Waiting, Recheck: h.Identity.Holds},
		&api.Notices{Store: h.Store, Book: notices},
		channels,
		&api.Subscriptions{Engine: h.Subscriptions, Tree: h.Tree},
		&api.Apps{Smart: h.Smart, Tree: h.Tree},
		cases,
		api.Reasons{Store: h.Store, Audit: h.Audit},
		api.Patients{Store: h.Store, Audit: h.Audit, Clock: h.Clock, Zone: h.Zone},
		api.Persons{Store: h.Store, Index: h.Index, Runner: h.Runner, Audit: h.Audit, Tree: h.Tree, Clock: h.Clock, Zone: h.Zone},
		api.Agreements{Store: h.Store, Tree: h.Tree, Room: h.Agreements, Runner: h.Runner, Audit: h.Audit, Zone: h.Zone},
		&api.Registry{Store: h.Store, Room: h.Registry, Tree: h.Tree, Audit: h.Audit, Zone: h.Zone, Validate: validate.Resource, Write: h.register},
		beds,
		&api.OwnSystems{Beds: beds, Room: h.HIS, Senders: h.sendersOf},
		api.Files{Store: h.Store, Files: h.Files, Audit: h.Audit, Clock: h.Clock},
		&api.Simulations{Store: h.Store, Room: h.WhatIf, Tree: h.Tree, Audit: h.Audit},
	} {
		room.Register(mux)
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		api.Refuse(w, r, fhir.Refuse(http.StatusNotFound, "not-found", "unknown-address", "nothing is at this address", "没有这个地址"))
	})
	return patterned(mux)
}

// forPeople keeps apps out of what is made for our own page: they have FHIR, narrowed to what they were let in for.
func forPeople(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := access.From(r.Context()); c != nil && c.Client != "" {
			api.Refuse(w, r, fhir.Refuse(http.StatusForbidden, "forbidden", "not-for-apps", "apps use /fhir", "应用只能使用 /fhir 接口"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// packed compresses what a page reads; the stream and files go out as they are.
func packed(next http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(2048), gzhttp.CompressionLevel(1), gzhttp.ContentTypes([]string{"application/json", "application/fhir+json"}))
	if err != nil {
		panic(err) // constant options
	}
	zipped := wrap(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path == "/api/stream" || strings.HasPrefix(r.URL.Path, "/api/files") {
			next.ServeHTTP(w, r)
			return
		}
		zipped.ServeHTTP(w, r)
	})
}

// pageURL is the address of the page for links in notices.
func (h *Hub) pageURL() string {
	switch {
	case h.BaseURL != "":
		return strings.TrimSuffix(strings.TrimSuffix(h.BaseURL, "/"), "/fhir")
	case h.Cert != "":
		return "https://" + browsable(h.Listen)
	}
	return "http://" + browsable(h.Listen)
}
