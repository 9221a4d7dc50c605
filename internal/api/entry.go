package api

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/identity"
)

// secondView is what a second step may be shown.
type secondView struct {
	Ways     []string `json:"ways"`
	Passkeys bool     `json:"passkeys"` // they work at this address
}

func (a *Auth) ways(r *http.Request, ways []string) secondView {
	return secondView{ways, slices.Contains(ways, "passkey") && a.Identity.Passkeys(r)}
}

// doors says how one may log in here, and whether a second step is waiting.
func (a *Auth) doors(w http.ResponseWriter, r *http.Request) {
	type hospital struct {
		Slug string `json:"slug"`
		Name Words  `json:"name"`
	}
	hospitals := []hospital{}
	for _, i := range a.Identity.Hospitals() {
		hospitals = append(hospitals, hospital{i.Slug, Words{i.Zh, i.En}})
	}
	var second any
	if c, err := r.Cookie(identity.StepCookie); err == nil {
		_, ways, ok, err := a.Identity.Pending(r.Context(), c.Value)
		if err != nil {
			Refuse(w, r, err)
			return
		}
		if ok {
			second = a.ways(r, ways)
		}
	}
	Answer(w, 200, map[string]any{"hospitals": hospitals, "passkeys": a.Identity.Passkeys(r), "second": second, "demo": a.Demo, "lenient": a.Identity.Lenient()})
}

func stepOf(r *http.Request) string {
	c, err := r.Cookie(identity.StepCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// second is the second step by a code.
func (a *Auth) second(w http.ResponseWriter, r *http.Request) {
	var in struct{ Code string }
	if err := Body(w, r, 4<<10, &in); err != nil {
		Refuse(w, r, err)
		return
	}
	e, err := a.Identity.Second(r.Context(), stepOf(r), in.Code, a.Identity.VisitOf(r))
	if a.entered(w, r, "login", e, err) {
		a.answerMe(w, r, e.Session)
	}
}

// askPasskey asks for a passkey, alone or as second step.
func (a *Auth) askPasskey(w http.ResponseWriter, r *http.Request) {
	var in struct{ Second bool }
	if err := Body(w, r, 4<<10, &in); err != nil {
		Refuse(w, r, err)
		return
	}
	ticket := ""
	if in.Second {
		if ticket = stepOf(r); ticket == "" {
			Refuse(w, r, loggedIn)
			return
		}
	}
	asked, err := a.Identity.AskPasskey(r, ticket)
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, 200, asked)
}

// given is the answer of a browser's authenticator.
type given struct {
	Ceremony   string `json:"ceremony"`
	Credential raw    `json:"credential"`
	Second     bool   `json:"second"`
	Name       string `json:"name"`
}

type raw []byte

func (b *raw) UnmarshalJSON(text []byte) error { *b = slices.Clone(text); return nil }

func (a *Auth) passkey(w http.ResponseWriter, r *http.Request) {
	var in given
	if err := Body(w, r, 64<<10, &in); err != nil {
		Refuse(w, r, err)
		return
	}
	ticket := ""
	if in.Second {
		if ticket = stepOf(r); ticket == "" {
			Refuse(w, r, loggedIn)
			return
		}
	}
	e, err := a.Identity.EnterByPasskey(r, ticket, in.Ceremony, in.Credential, a.Identity.VisitOf(r))
	if a.entered(w, r, "login", e, err) {
		a.answerMe(w, r, e.Session)
	}
}

// leave sends the browser to a hospital's own login.
func (a *Auth) leave(w http.ResponseWriter, r *http.Request) {
	address, browser, err := a.Identity.Leave(r, r.PathValue("slug"), r.URL.Query().Get("to"))
	if err != nil {
		a.toPage(w, r, "/", err)
		return
	}
	a.Identity.SetShort(w, r, identity.AwayCookie, browser)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// back is the browser's return from there.
func (a *Auth) back(w http.ResponseWriter, r *http.Request) {
	e, to, err := a.Identity.Return(r, r.PathValue("slug"), a.Identity.VisitOf(r))
	a.Identity.SetShort(w, r, identity.AwayCookie, "")
	if err = a.enters(w, r, "login", e, err); err != nil {
		a.toPage(w, r, to, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// toPage brings a refusal to the page, which says it in words; the address holds its code only.
func (a *Auth) toPage(w http.ResponseWriter, r *http.Request, to string, err error) {
	code := "failed"
	var refused *fhir.Error
	if errors.As(err, &refused) && len(refused.Issues) > 0 {
		code = refused.Issues[0].Detail
	}
	if code != "unknown-login" { // a guessed address is no trouble of ours
		slog.Warn("api: hospital login", "login", r.PathValue("slug"), "code", code, "request", r.Header.Get("X-Request-Id"), "error", err)
	}
	path, _, _ := strings.Cut(to, "?")
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, path+"?login="+url.QueryEscape(code), http.StatusSeeOther)
}
