package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

type messageView struct {
	ID   string `json:"id"`
	At   string `json:"at"`
	By   author `json:"by"`
	Text string `json:"text"`
}

// messagesOf reads what both sides wrote to each other about a case, oldest first.
func messagesOf(ctx context.Context, tx *store.Tx, caller *access.Caller, task string) ([]messageView, error) {
	req, err := search.Parse("Communication", []search.Param{{Name: "part-of", Value: task}, {Name: "_count", Value: "200"}, {Name: "_sort", Value: "sent"}}, search.Options{})
	if err != nil {
		return nil, err
	}
	req.Query.Scope = caller.Scope
	page, err := tx.Search(ctx, req.Query)
	if err != nil {
		return nil, err
	}
	list := []messageView{}
	for _, v := range page.Matches {
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return nil, err
		}
		var said []string
		for _, p := range n.All("payload") {
			said = append(said, p.Str("contentString"))
		}
		by := author{n.Str("sender.display"), n.Str("sender.extension[0].valueReference.display")}
		if by.Org == "" {
			by.Org = n.Str("sender.display")
		}
		list = append(list, messageView{v.ID, n.Str("sent"), by, strings.Join(said, "\n")})
	}
	return list, nil
}

// message says something to the other side.
func (l Lines) message(w http.ResponseWriter, r *http.Request) {
	caller := Caller(w, r)
	if caller == nil || l.find(w, r) == nil {
		return
	}
	var body struct {
		Text string `json:"text"`
	}
	if err := Body(w, r, 64<<10, &body); err != nil {
		Refuse(w, r, err)
		return
	}
	if body.Text = strings.TrimSpace(body.Text); body.Text == "" || len(body.Text) > 8000 {
		Refuse(w, r, fhir.Refuse(422, "value", "bad-message", "say something, at most 8000 bytes", "请输入留言内容（不要过长）"))
		return
	}
	ref := "Task/" + r.PathValue("task")
	said, err := l.Runner.Say(r.Context(), ref, body.Text, time.Now())
	if err != nil {
		Refuse(w, r, err)
		return
	}
	Answer(w, http.StatusCreated, said)
}
