package access

import (
	"context"
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
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
	was, err := r.handOverOf(ctx, tx, w.Before, w)
	if err != nil {
		return err
	}
	is, err := r.handOverOf(ctx, tx, w.After, w)
	if err != nil {
		return err
	}
	if was.phase == going && w.After.Str("status") == "failed" { // the second look found no reason
		if id := spoken(w.After, "opened"); id != "" && taskOnly(w.After) {
			if err := Shut(ctx, tx, BreakGlass, id); err != nil {
				return err
			}
		}
	}
	if was.phase == draft && is.phase == ended { // withdrawn before it was submitted: the owner never saw it
		is = was
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
	if anew && is.phase != draft {
		if err := r.chain(ctx, tx, w, is, packet); err != nil {
			return err
		}
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

// chain shows the parties of a chain of hand-overs each other's Tasks, not what goes along with them: where a patient
// went and where he comes from.
func (r *Relations) chain(ctx context.Context, tx *store.Tx, w store.Written, h *handOver, packet string) error {
	group := w.After.Str("groupIdentifier.value")
	if group == "" || h.patient == "" {
		return nil
	}
	q, err := search.Parse("Task", []search.Param{{Name: "group-identifier", Value: strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`).Replace(group)}}, search.Options{})
	if err != nil {
		return err
	}
	q.Count, q.Scope = 50, everything
	page, err := tx.Search(ctx, q.Query)
	if err != nil {
		return err
	}
	for _, v := range page.Matches {
		ref := "Task/" + v.ID
		if v.ID == w.ID {
			continue
		}
		task, err := fhir.Parse(v.JSON)
		if err != nil {
			return err
		}
		other, err := r.handOverOf(ctx, tx, task, store.Written{Version: v})
		if err != nil {
			return err
		}
		if other.patient != h.patient || other.phase == void || other.phase == draft {
			continue
		}
		if seen, err := readAs(ctx, tx, ref); err != nil || seen == nil {
			if err != nil {
				return err
			}
			continue
		}
		if given, err := tx.Given(ctx, ref+"#packet"); err != nil || len(given) == 0 {
			if err != nil {
				return err
			}
			continue
		}
		for _, party := range other.parties() {
			if err := tx.Item(ctx, store.Item{Resource: "Task/" + w.ID, Party: party, Basis: "chain", From: w.Updated, Source: packet}); err != nil {
				return err
			}
		}
		for _, party := range h.parties() {
			if err := tx.Item(ctx, store.Item{Resource: ref, Party: party, Basis: "chain", From: w.Updated, Source: packet}); err != nil {
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

func (r *Relations) handOverOf(ctx context.Context, tx *store.Tx, task *fhir.Node, w store.Written) (*handOver, error) {
	h := &handOver{from: institutionOf(task, "requester"), to: institutionOf(task, "owner")}
	if task == nil || h.from == "" && h.to == "" {
		return &handOver{}, nil
	}
	switch task.Str("status") {
	case "draft":
		h.phase = draft
	case "entered-in-error", "":
		return &handOver{}, nil
	case "rejected", "cancelled", "failed", "completed":
		h.phase = ended
	default:
		h.phase = going
	}
	if of := task.Str("for.reference"); strings.HasPrefix(of, "Patient/") {
		h.patient = of
	} else if of != "" {
		return &handOver{}, nil
	}
	h.emergency = task.Str("priority") == "stat"
	if taskOnly(task) { // the Task itself for its author, or the desks that are asked where the hub began it, and the owner's
		h.patient, h.refs, h.owner = "", []string{"Task/" + w.ID}, []string{r.institution(h.to) + Cases}
		if author := task.Str("note[0].authorReference.reference"); strings.HasPrefix(author, "Practitioner/") {
			h.requester = []string{author}
		} else if h.from != "" && h.from != h.to {
			h.requester = []string{r.institution(h.from) + Cases}
		}
		return h, nil
	}
	var err error
	if h.requester, err = r.asking(ctx, tx, task, h.from, w.Custodian); err != nil {
		return nil, err
	}
	if h.phase == draft {
		h.refs = []string{"Task/" + w.ID}
		return h, nil
	}
	if h.from != "" {
		h.requester = add(h.requester, r.institution(h.from)+Cases)
	}
	h.owner = r.answering(task, h.to, h.emergency)
	back, err := r.goesBack(ctx, tx, task, h.to)
	if err != nil {
		return nil, err
	}
	for _, party := range back {
		h.owner = add(h.owner, party)
	}
	if at := task.Str("location.reference"); strings.HasPrefix(at, "Location/") && h.to != "" { // the ward where the patient lies or is to lie
		ward, err := r.partyOf(ctx, tx, at, h.to)
		if err != nil {
			return nil, err
		}
		if ward != "" {
			h.owner = add(h.owner, ward)
		}
	}
	h.owner = slices.DeleteFunc(h.owner, func(p string) bool { return slices.Contains(h.requester, p) })
	h.refs = packetOf(task, w.ID)
	return h, nil
}

func taskOnly(task *fhir.Node) bool {
	return slices.ContainsFunc(task.All("extension"), func(x *fhir.Node) bool { return x.Str("url") == TaskOnly })
}

// goesBack is who at the owner's asked for the hand-over that this one answers: the department that sent the patient up
// gets him back.
func (r *Relations) goesBack(ctx context.Context, tx *store.Tx, task *fhir.Node, to string) ([]string, error) {
	for _, in := range task.All("input") {
		ref := in.Str("valueReference.reference")
		if in.Str("type.coding[0].code") != "case" || !strings.HasPrefix(ref, "Task/") {
			continue
		}
		v, err := tx.Read(ctx, everything, "Task", strings.TrimPrefix(ref, "Task/"))
		if err != nil {
			return nil, missing(err)
		}
		earlier, err := fhir.Parse(v.JSON)
		if err != nil {
			return nil, err
		}
		if to != "" && earlier.Str("requester.reference") == to && earlier.Str("for.reference") == task.Str("for.reference") {
			return r.asking(ctx, tx, earlier, to, v.Custodian)
		}
	}
	return nil, nil
}

// asking is the requester's side: the unit that wrote it and its author. Who redirects asks for somebody else: then
// they are those of the Task before.
func (r *Relations) asking(ctx context.Context, tx *store.Tx, task *fhir.Node, from, custodian string) ([]string, error) {
	for range 8 {
		if custodian == "" || from == "" || r.legal(custodian) == r.legal(from) {
			break
		}
		before := ""
		for _, in := range task.All("input") {
			if in.Str("type.coding[0].code") == "redirected-from" {
				before = in.Str("valueReference.reference")
			}
		}
		if !strings.HasPrefix(before, "Task/") {
			break
		}
		v, err := tx.Read(ctx, everything, "Task", strings.TrimPrefix(before, "Task/"))
		if err != nil {
			if err = missing(err); err == nil {
				break
			}
			return nil, err
		}
		earlier, err := fhir.Parse(v.JSON)
		if err != nil {
			return nil, err
		}
		if earlier.Str("for.reference") != task.Str("for.reference") || earlier.Str("requester.reference") != from {
			break
		}
		task, custodian = earlier, v.Custodian
	}
	if custodian == "" || from != "" && r.legal(custodian) != r.legal(from) {
		return []string{from + Care}, nil
	}
	parties := []string{custodian + Care}
	if author := task.Str("note[0].authorReference.reference"); strings.HasPrefix(author, "Practitioner/") && !lies(task) {
		parties = add(parties, author)
	}
	return parties, nil
}

// lies says whether a Task is about a patient in a bed: his Encounter says who sees him, not who took him in.
func lies(task *fhir.Node) bool {
	return slices.ContainsFunc(task.All("output"), func(x *fhir.Node) bool { return x.Str("type.coding[0].code") == "encounter" })
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
	h, err := r.handOverOf(ctx, tx, task, store.Written{Version: *v})
	if err != nil {
		return err
	}
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
