package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

func words(t *testing.T, open Open) {
	s := open(t, store.Options{FullText: true})
	ctx := context.Background()
	index := func() {
		t.Helper()
		Settle(t, s)
		for {
			more, err := s.IndexWords(ctx)
			must(t, err)
			if !more {
				return
			}
		}
	}
	condition := func(id, custodian, div, note string) {
		put(t, s, store.Update, id, custodian, fmt.Sprintf(`{"resourceType":"Condition","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class=\"secret\">%s</p></div>"},"code":{"text":"%s"},"subject":{"reference":"Patient/p"}}`, div, note))
	}
	put(t, s, store.Update, "p", "Organization/a", `{"resourceType":"Patient","name":[{"text":"张三"}],"identifier":[{"value":"990101199001010011"}]}`)
	condition("c1", "Organization/a", "患者诉胸痛三天，Chest&#32;pain &amp; fever", "急性心肌梗死")
	condition("c2", "Organization/b", "无胸闷，腹痛", "急性阑尾炎 Ａppendicitis")
	ask := func(query string, scope search.Scope) string {
		t.Helper()
		return ids(t, s, worded(t, query, scope))
	}
	if got := ask("Condition?_text=胸痛", search.Everything); got != "" {
		t.Errorf("before indexing: got %q", got)
	}
	index()
	for _, c := range []struct {
		query, want string
		scope       search.Scope
	}{
		{"Condition?_text=胸痛", "c1", search.Everything},
		{"Condition?_text=腹痛&_total=accurate", "c2 of 1", search.Everything},
		{"Condition?_text=胸痛三天", "c1", search.Everything},
		{"Condition?_text=胸腹", "", search.Everything},
		{"Condition?_text=痛", "c2 c1", search.Everything},
		{"Condition?_text=CHEST fever", "c1", search.Everything},
		{"Condition?_text=chest appendicitis", "", search.Everything},
		{"Condition?_text=胸痛,腹痛", "c2 c1", search.Everything},
		{"Condition?_text=心肌", "", search.Everything},
		{"Condition?_text=secret", "", search.Everything},
		{"Condition?_content=心肌梗死", "c1", search.Everything},
		{"Condition?_content=急性 胸痛", "c1", search.Everything},
		{"Condition?_content=appendicitis", "c2", search.Everything},
		{"Patient?_content=990101199001010011", "p", search.Everything},
		{"Condition?_text=痛&_total=accurate", "c2 of 1", search.Scope{Parties: []string{"Organization/b"}}},
		{"Condition?_text=痛&_total=accurate", " of 0", search.Scope{Parties: []string{"Organization/x"}}},
		{"Patient?_content=张三&_total=accurate", " of 0", search.Scope{Parties: []string{"Organization/x"}}},
	} {
		if got := ask(c.query, c.scope); got != c.want {
			t.Errorf("%s: got %q; want %q", c.query, got, c.want)
		}
	}
	condition("c1", "", "好转", "急性心肌梗死")
	_, err := tryPut(s, store.Put{Op: store.Delete, Type: "Condition", ID: "c2"}, "")
	must(t, err)
	index()
	if got := ask("Condition?_content=痛", search.Everything); got != "" {
		t.Errorf("after an update and a delete: got %q", got)
	}
	if got := ask("Condition?_content=好转 心肌", search.Everything); got != "c1" {
		t.Errorf("after an update: got %q", got)
	}
	if n := count(t, s, "SELECT count(*) FROM ix_word x LEFT JOIN word_version v ON v.rid = x.rid WHERE v.rid IS NULL"); n != 0 {
		t.Errorf("%d words of what is gone", n)
	}

	off := open(t, store.Options{})
	err = off.View(ctx, func(tx *store.Tx) error {
		_, err := tx.Search(ctx, worded(t, "Condition?_text=痛", search.Everything))
		return err
	})
	var refused *fhir.Error
	if !errors.As(err, &refused) || refused.Issues[0].Detail != "full-text-off" {
		t.Errorf("switched off: got %v", err)
	}
}

// worded reads "Type?_text=words&…", whose words may hold spaces.
func worded(t *testing.T, text string, scope search.Scope) search.Query {
	t.Helper()
	typ, rest, _ := strings.Cut(text, "?")
	first, more, _ := strings.Cut(rest, "&")
	name, value, _ := strings.Cut(first, "=")
	q := Query(t, typ+"?"+more, scope)
	c := search.Clause{Special: name}
	for _, v := range strings.Split(value, ",") {
		c.Values = append(c.Values, search.Value{Raw: v, Text: v})
	}
	q.Where = append(q.Where, c)
	return q
}
