package rest

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/audit"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// metaOperations read and change the profiles, tags and labels of one resource.
func (s *server) metaOperations() []Operation {
	return []Operation{
		{Type: "*", Name: "meta", Instance: true, Safe: true, Handle: s.meta, Doc: "Profiles, tags and security labels."},
		{Type: "*", Name: "meta-add", Instance: true, Handle: s.metaChange, Doc: "Adds profiles, tags and labels; a change makes a version."},
		{Type: "*", Name: "meta-delete", Instance: true, Handle: s.metaChange, Doc: "Takes profiles, tags and labels away; a change makes a version."},
	}
}

func metaAnswer(v store.Version) (*fhir.Node, error) {
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return nil, err
	}
	return fhir.New("Parameters", "parameter", fhir.Arr{fhir.Obj{"name", "return", "valueMeta", n.Child("meta")}}), nil
}

func (s *server) readFor(ctx context.Context, c Call) (v store.Version, err error) {
	if err := access.From(ctx).May(mayRead, c.Type); err != nil {
		return v, err
	}
	err = s.Store.View(ctx, func(tx *store.Tx) (err error) {
		v, err = tx.Read(ctx, c.Scope, c.Type, c.ID)
		return err
	})
	return v, err
}

func (s *server) meta(ctx context.Context, c Call) (Answer, error) {
	v, err := s.readFor(ctx, c)
	if err != nil {
		return Answer{}, err
	}
	body, err := metaAnswer(v)
	entry := audit.Of(ctx, "R", "meta", target(c.Type, c.ID))
	entry.Request, entry.Patients, entry.Count = c.Request, patients(v), 1
	return Answer{Body: body, Audit: &entry}, err
}

func (s *server) metaChange(ctx context.Context, c Call) (Answer, error) {
	given := c.Value("meta")
	if given == nil || given.Kind != fhir.Object {
		return Answer{}, fhir.Refuse(http.StatusBadRequest, "required", "meta-required", "a parameter meta is expected", "缺少参数 meta")
	}
	for range 3 {
		v, err := s.readFor(ctx, c)
		if err != nil {
			return Answer{}, err
		}
		n, err := fhir.Parse(v.JSON)
		if err != nil {
			return Answer{}, err
		}
		changeMeta(n, given, c.Name == "meta-delete")
		ch := &change{method: "PUT", typ: c.Type, id: c.ID, node: n, ifMatch: etag(v.VID)}
		if c.IfMatch != "" {
			ch.ifMatch = c.IfMatch
		}
		u := &unit{changes: []*change{ch}, caller: access.From(ctx), base: c.Base, loose: s.AllowDangling}
		u.audit = auditEntry(u.caller, c.Request)
		u.audit.Action, u.audit.What = "U", c.Name
		err = s.writer.apply(ctx, u)
		var refused *fhir.Error
		if c.IfMatch == "" && errors.As(err, &refused) && refused.Status == http.StatusPreconditionFailed {
			continue // somebody was faster
		}
		if err != nil {
			return Answer{}, err
		}
		after := ch.result()
		body, err := metaAnswer(after)
		a := Answer{Body: body}
		if ch.op == 0 {
			entry := audit.Of(ctx, "R", c.Name, target(c.Type, c.ID))
			entry.Request, entry.Patients = c.Request, patients(after)
			a.Audit = &entry
		}
		return a, err
	}
	return Answer{}, store.ErrTryAgain
}

// changeMeta adds what is not there yet, or takes away what is. Tags and labels are the same by system and code.
func changeMeta(n, given *fhir.Node, remove bool) {
	if n.Child("meta") == nil {
		n.Set("meta", fhir.Obj{})
	}
	meta := n.Child("meta")
	for _, name := range []string{"profile", "security", "tag"} {
		list := slices.Clone(meta.All(name))
		for _, item := range given.All(name) {
			is := func(other *fhir.Node) bool {
				if item.Kind == fhir.String {
					return other.Text == item.Text
				}
				return other.Str("system") == item.Str("system") && other.Str("code") == item.Str("code")
			}
			if remove {
				list = slices.DeleteFunc(list, is)
			} else if !slices.ContainsFunc(list, is) {
				list = append(list, item.Copy())
			}
		}
		if len(list) == 0 {
			meta.Set(name, nil)
			continue
		}
		meta.Set(name, &fhir.Node{Kind: fhir.Array, Items: list})
	}
}
