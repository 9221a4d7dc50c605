package access

import (
	"context"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// TaskDepartment is the extension of a Task that names the owner's department to which it is addressed.
const TaskDepartment = spec.Canonical + "/StructureDefinition/task-department"

// phase is how far a Task has come, as far as sight goes.
type phase uint8

const (
	void  phase = iota // entered in error, or no hand-over
	draft              // the requester's alone
	going              // both sides see the patient
	ended              // both sides keep the packet, and the sender the outcome
)

// handOver is what a Task gives, and to whom.
type handOver struct {
	phase     phase
	patient   string // "" where it is about nobody
	from, to  string // institutions
	requester []string
	owner     []string
	refs      []string // the packet, the Task itself first
	emergency bool
}

func (a *handOver) parties() []string { return slices.Concat(a.requester, a.owner) }

func (a *handOver) same(b *handOver) bool {
	return a.phase == b.phase && a.patient == b.patient && slices.Equal(a.parties(), b.parties()) && slices.Equal(a.refs, b.refs)
}

// handOver derives what a Task gives. Grants stand under "Task/…" and end some time after its end; the pieces of the
// packet stand under "Task/…#packet" and are kept.
func (r *Relations) handOver(ctx context.Context, tx *store.Tx, w store.Written) error {
	was, is := r.handOverOf(w.Before, w), r.handOverOf(w.After, w)
	if was.phase == draft && is.phase == ended { // withdrawn before it was submitted: the owner never saw it
		is.phase = draft
	}
	if was.same(is) {
		return nil
	}
	source := "Task/" + w.ID
	packet := source + "#packet"
	if is.phase == void {
		if was.phase == void {
			return nil
		}
		if err := tx.Revoke(ctx, source); err != nil {
			return err
		}
		return tx.Revoke(ctx, packet)
	}
	given, err := tx.Given(ctx, packet)
	if err != nil {
		return err
	}
	moved := was.patient != is.patient
	if is.patient != "" && (len(given) == 0 || moved) { // begun by somebody who knows the patient, or not at all
		knows, err := mayTell(ctx, tx, is.patient)
		if err != nil {
			return err
		}
		if !knows {
			if err := tx.Revoke(ctx, source); err != nil {
				return err
			}
			return tx.Revoke(ctx, packet)
		}
	}
	if moved {
		given = nil
	}
	// Never more than the writer can read; what was given before stays given.
	var refs, kinds []string
	for _, ref := range is.refs {
		v, err := readAs(ctx, tx, ref)
		if err != nil {
			return err
		}
		if v == nil && !slices.Contains(given, ref) && ref != source {
			continue
		}
		refs = append(refs, ref)
		if k, err := r.kindsOf(ctx, tx, ref, v); err != nil {
			return err
		} else if k != nil {
			kinds = append(kinds, k...)
		}
	}
	for _, ref := range given {
		if !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	slices.Sort(kinds)
	kinds = slices.Compact(kinds)

	if is.phase == going && !is.emergency && is.patient != "" && r.legal(is.from) != r.legal(is.to) {
		refused, err := r.Refuses(ctx, tx, is.patient, is.to)
		if err != nil {
			return err
		}
		if refused {
			is.owner = nil
		}
	}
	anew := moved || !slices.Equal(was.parties(), is.parties()) || was.phase == void || was.phase == draft || len(given) == 0
	if anew {
		if err := tx.Revoke(ctx, source); err != nil {
			return err
		}
		if err := tx.Revoke(ctx, packet); err != nil {
			return err
		}
		if err := r.giveSight(ctx, tx, w, is, kinds); err != nil {
			return err
		}
	}
	if is.phase == ended && was.phase != ended {
		if err := tx.RevokeAt(ctx, source, w.Updated.Add(grace("task"))); err != nil {
			return err
		}
	}
	if is.phase == draft {
		refs = refs[:1] // the Task itself
	}
	for _, party := range is.parties() {
		for _, ref := range refs {
			if !anew && slices.Contains(given, ref) {
				continue
			}
			if err := tx.Item(ctx, store.Item{Resource: ref, Party: party, Basis: "task", From: w.Updated, Source: packet}); err != nil {
				return err
			}
		}
	}
	return nil
}

// giveSight lets both sides see what their own legal person keeps of the patient, opens the guarded kinds that are in
// the packet to those who receive it, and the whole record or the results where the agreement says so.
func (r *Relations) giveSight(ctx context.Context, tx *store.Tx, w store.Written, h *handOver, kinds []string) error {
	if h.patient == "" {
		return nil
	}
	source := "Task/" + w.ID
	give := func(party, basis, class string) error {
		return tx.Grant(ctx, store.Grant{Patient: h.patient, Party: party, Basis: basis, Class: class, From: w.Updated, Source: source})
	}
	for _, party := range h.parties() {
		if err := give(party, "task", "record"); err != nil {
			return err
		}
	}
	for _, party := range h.owner {
		for _, kind := range kinds {
			if err := give(Reasoned(party, kind), "task", "reason"); err != nil {
				return err
			}
		}
	}
	if r.Sharing == nil || len(h.owner) == 0 || r.legal(h.from) == r.legal(h.to) {
		return nil
	}
	whole, results, err := r.Sharing(ctx, tx, h.from, h.to)
	if err != nil {
		return err
	}
	for _, party := range h.owner {
		org, facet, _ := strings.Cut(party, "#")
		if "#"+facet == Cases && r.Tree != nil && r.Tree.Departments(org) || "#"+facet == Emergency {
			continue // desks need no notes; the department sees them
		}
		if whole {
			err = give(org+Whole, "agreement", "whole")
		} else if results {
			err = give(org+Results, "agreement", "results")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// kindsOf reads the guarded kinds of a piece of the packet.
func (r *Relations) kindsOf(ctx context.Context, tx *store.Tx, ref string, v *store.Version) ([]string, error) {
	if v == nil {
		return nil, nil
	}
	if v == unseen {
		typ, id, _ := strings.Cut(ref, "/")
		read, err := tx.Read(ctx, everything, typ, id)
		if err != nil {
			return nil, missing(err)
		}
		v = &read
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return nil, err
	}
	return Guarded(n), nil
}

func (r *Relations) handOverOf(task *fhir.Node, w store.Written) *handOver {
	h := &handOver{from: institutionOf(task, "requester"), to: institutionOf(task, "owner")}
	if task == nil || h.from == "" && h.to == "" {
		return &handOver{}
	}
	switch task.Str("status") {
	case "draft":
		h.phase = draft
	case "entered-in-error", "":
		return &handOver{}
	case "rejected", "cancelled", "failed", "completed":
		h.phase = ended
	default:
		h.phase = going
	}
	if of := task.Str("for.reference"); strings.HasPrefix(of, "Patient/") {
		h.patient = of
	} else if of != "" {
		return &handOver{}
	}
	h.emergency = task.Str("priority") == "stat"
	h.requester = r.asking(task, h.from, w)
	if h.phase == draft {
		h.refs = []string{"Task/" + w.ID}
		return h
	}
	if h.from != "" {
		h.requester = add(h.requester, r.institution(h.from)+Cases)
	}
	h.owner = r.answering(task, h.to, h.emergency)
	h.owner = slices.DeleteFunc(h.owner, func(p string) bool { return slices.Contains(h.requester, p) })
	h.refs = packetOf(task, w.ID)
	return h
}

// asking is the requester's side: the unit that wrote it and its author.
func (r *Relations) asking(task *fhir.Node, from string, w store.Written) []string {
	var parties []string
	unit := w.Custodian
	if unit == "" || from != "" && r.legal(unit) != r.legal(from) {
		unit = from
	}
	if unit != "" {
		parties = add(parties, unit+Care)
	}
	if author := task.Str("note[0].authorReference.reference"); strings.HasPrefix(author, "Practitioner/") {
		parties = add(parties, author)
	}
	return parties
}

// answering is the owner's side: its desks, and the department to which the Task is addressed; every clinician there
// while an emergency has none yet. A person or team may own a Task, too.
func (r *Relations) answering(task *fhir.Node, to string, emergency bool) []string {
	if to == "" {
		if owner := task.Str("owner.reference"); strings.HasPrefix(owner, "Practitioner/") || strings.HasPrefix(owner, "CareTeam/") {
			return []string{owner}
		}
		return nil
	}
	institution := r.institution(to)
	parties := []string{institution + Cases}
	department := ""
	if to != institution {
		department = to
	}
	for _, x := range task.All("extension") {
		if x.Str("url") == TaskDepartment {
			department = x.Str("valueReference.reference")
		}
	}
	if r.Tree != nil {
		if department == "" {
			department = r.Tree.Department(institution, spoken(task, "department"))
		}
		if department != "" && !r.Tree.Within(department, institution) {
			department = ""
		}
	}
	switch {
	case department != "" && department != institution:
		parties = add(parties, department+Care)
	case emergency:
		parties = add(parties, institution+Emergency)
	}
	return parties
}

// spoken is the text of an input by its code.
func spoken(task *fhir.Node, code string) string {
	for _, in := range task.All("input") {
		if in.Str("type.coding[0].code") == code {
			return in.Str("valueString")
		}
	}
	return ""
}

// packetOf lists what goes along with a Task.
func packetOf(task *fhir.Node, id string) []string {
	refs := []string{"Task/" + id}
	take := func(ref string) {
		ref, _, _ = strings.Cut(ref, "/_history/")
		if typ, id, ok := strings.Cut(ref, "/"); !ok || id == "" || strings.ContainsAny(id, "/#|") || typ == "Task" || spec.TypeID(typ) == 0 || slices.Contains(registers, typ) || len(refs) >= 500 {
			return
		}
		refs = add(refs, ref)
	}
	take(task.Str("for.reference"))
	take(task.Str("focus.reference"))
	for _, b := range task.All("basedOn") {
		take(b.Str("reference"))
	}
	for _, part := range []string{"input", "output"} {
		for _, x := range task.All(part) {
			take(x.Str("valueReference.reference"))
		}
	}
	return refs
}

func add(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func institutionOf(task *fhir.Node, side string) string {
	ref := task.Str(side + ".reference")
	if !strings.HasPrefix(ref, "Organization/") {
		return ""
	}
	return ref
}

// message gives what one side says about a case to both sides.
func (r *Relations) message(ctx context.Context, tx *store.Tx, w store.Written) error {
	if w.Before != nil || w.After == nil {
		return nil
	}
	ref := w.After.Str("partOf[0].reference")
	if !strings.HasPrefix(ref, "Task/") || w.After.Str("subject.reference") == "" {
		return nil
	}
	v, err := readAs(ctx, tx, ref)
	if err != nil || v == nil {
		return err
	}
	if v == unseen {
		read, err := tx.Read(ctx, everything, "Task", strings.TrimPrefix(ref, "Task/"))
		if err != nil {
			return missing(err)
		}
		v = &read
	}
	task, err := fhir.Parse(v.JSON)
	if err != nil {
		return err
	}
	if task.Str("for.reference") != w.After.Str("subject.reference") {
		return nil
	}
	h := r.handOverOf(task, store.Written{Version: *v})
	if h.phase == void || h.phase == draft {
		return nil
	}
	for _, party := range h.parties() {
		if err := tx.Item(ctx, store.Item{Resource: "Communication/" + w.ID, Party: party, Basis: "task", From: w.Updated, Source: ref + "#packet"}); err != nil {
			return err
		}
	}
	return nil
}
