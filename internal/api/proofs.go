package api

import (
	"net/http"

	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/identity"
)

// registerProofs hangs what a person does about his own account: factors, sessions, proofs.
func (a *Auth) registerProofs(mux *http.ServeMux) {
	for pattern, handle := range map[string]func(http.ResponseWriter, *http.Request, *identity.Session){
		"GET /api/rules":                    a.rules,
		"GET /api/me/factors":               a.factors,
		"POST /api/me/factors/totp":         a.newTOTP,
		"POST /api/me/factors/totp/confirm": a.confirmTOTP,
		"POST /api/me/factors/passkey/ask":  a.newPasskey,
		"POST /api/me/factors/passkey":      a.addPasskey,
		"DELETE /api/me/factors/{id}":       a.removeFactor,
		"POST /api/me/recovery":             a.recovery,
		"GET /api/me/sessions":              a.sessions,
		"DELETE /api/me/sessions":           a.endSessions,
		"DELETE /api/me/sessions/{id}":      a.endSessions,
		"POST /api/me/sessions/seen":        a.seen,
		"POST /api/step-up":                 a.stepUp,
		"POST /api/step-up/passkey/ask":     a.askProof,
		"POST /api/step-up/passkey":         a.proveByPasskey,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if se := a.session(w, r); se != nil {
				handle(w, r, se)
			}
		})
	}
}

func (a *Auth) rules(w http.ResponseWriter, _ *http.Request, _ *identity.Session) {
	rules := a.Identity.Rules()
	Answer(w, 200, map[string]any{"sentences": rules.Sentences(), "least": rules.Password.Least, "verified": rules.Verified, "source": rules.Source})
}

// say answers value, or the refusal.
func say(w http.ResponseWriter, r *http.Request, value any, err error) {
	if err != nil {
		waits(w, err)
		Refuse(w, r, err)
		return
	}
	status := 200
	if value == nil {
		status = 204
	}
	Answer(w, status, value)
}

func (a *Auth) factors(w http.ResponseWriter, r *http.Request, se *identity.Session) {
	list, left, err := a.Identity.Factors(r.Context(), se.User.ID)
	if list == nil {
		list = []identity.Factor{}
	}
	say(w, r, map[string]any{"factors": list, "recovery": left, "needed": a.Identity.Needs(se.User), "passkeys": a.Identity.Passkeys(r),
		"proved": a.Identity.Proved(r.Context()) == nil, "strong": se.Strong}, err)
}

// sensitive are acts on the account itself: they need a fresh proof of who it is.
func (a *Auth) sensitive(w http.ResponseWriter, r *http.Request, in any) bool {
	err := a.Identity.Proved(r.Context())
	if err == nil && in != nil {
		err = Body(w, r, 64<<10, in)
	}
	if err != nil {
		Refuse(w, r, err)
	}
	return err == nil
}

func (a *Auth) newTOTP(w http.ResponseWriter, r *http.Request, se *identity.Session) {
	if a.sensitive(w, r, nil) {
		e, err := a.Identity.NewTOTP(r.Context(), se.User)
		say(w, r, e, err)
	}
}

func (a *Auth) confirmTOTP(w http.ResponseWriter, r *http.Request, se *identity.Session) {
	var in struct{ ID, Name, Code string }
	if a.sensitive(w, r, &in) {
		codes, err := a.Identity.ConfirmTOTP(r.Context(), *se, in.ID, in.Name, in.Code)
		say(w, r, map[string]any{"recovery": codes}, err)
	}
}

func (a *Auth) newPasskey(w http.ResponseWriter, r *http.Request, se *identity.Session) {
	if a.sensitive(w, r, nil) {
		asked, err := a.Identity.NewPasskey(r, se.User)
		say(w, r, asked, err)
	}
}

func (a *Auth) addPasskey(w http.ResponseWriter, r *http.Request, se *identity.Session) {
	var in given
	if a.sensitive(w, r, &in) {
		codes, err := a.Identity.AddPasskey(r, *se, in.Ceremony, in.Name, in.Credential)
		say(w, r, map[string]any{"recovery": codes}, err)
	}
}

func (a *Auth) removeFactor(w http.ResponseWriter, r *http.Request, se *identity.Session) {
	if a.sensitive(w, r, nil) {
		say(w, r, nil, a.Identity.RemoveFactor(r.Context(), se.User, r.PathValue("id")))
	}
}

func (a *Auth) recovery(w http.ResponseWriter, r *http.Request, se *identity.Session) {
	if a.sensitive(w, r, nil) {
		codes, err := a.Identity.NewRecovery(r.Context(), se.User.ID)
		say(w, r, map[string]any{"recovery": codes}, err)
	}
}

func (a *Auth) sessions(w http.ResponseWriter, r *http.Request, se *identity.Session) {
	list, err := a.Identity.Logins(r.Context(), se.User.ID, se)
	if err != nil {
		Refuse(w, r, err)
		return
	}
	strangers, err := a.Identity.Strangers(r.Context(), *se)
	say(w, r, map[string]any{"sessions": list, "strangers": strangers}, err)
}

func (a *Auth) endSessions(w http.ResponseWriter, r *http.Request, se *identity.Session) {
	say(w, r, nil, a.Identity.EndLogin(r.Context(), se.User.ID, r.PathValue("id"), se))
}

func (a *Auth) seen(w http.ResponseWriter, r *http.Request, se *identity.Session) {
	say(w, r, nil, a.Identity.Seen(r.Context(), *se))
}

// stepUp proves again who it is; a failure stands in the trail like that of a login.
func (a *Auth) stepUp(w http.ResponseWriter, r *http.Request, se *identity.Session) {
	var in struct{ Password, Code string }
	err := Body(w, r, 4<<10, &in)
	if err == nil {
		err = a.failedProof(r, a.Identity.Prove(r.Context(), *se, in.Password, in.Code))
	}
	say(w, r, nil, err)
}

func (a *Auth) failedProof(r *http.Request, err error) error {
	if err == nil {
		return nil
	}
	e := audit.Of(r.Context(), "E", "step-up", "")
	e.Outcome = "4"
	if err2 := a.Audit.Read(r.Context(), e); err2 != nil {
		return err2
	}
	return err
}

func (a *Auth) askProof(w http.ResponseWriter, r *http.Request, se *identity.Session) {
	asked, err := a.Identity.AskProof(r, se.User)
	say(w, r, asked, err)
}

func (a *Auth) proveByPasskey(w http.ResponseWriter, r *http.Request, se *identity.Session) {
	var in given
	err := Body(w, r, 64<<10, &in)
	if err == nil {
		err = a.failedProof(r, a.Identity.ProveByPasskey(r, *se, in.Ceremony, in.Credential))
	}
	say(w, r, nil, err)
}
