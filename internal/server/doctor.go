package server

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/booking"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/web"
)

// Finding is the outcome of one look at an installation.
type Finding struct {
	Check string `json:"check"`
	State string `json:"state"` // ok, warning, bad
	Text  string `json:"text"`
	Mend  string `json:"mend,omitempty"` // what to do about it
}

// leastFree is how little disk is a warning; half of it is bad.
const leastFree = 4 << 30

// Examine looks at an installation without changing it; a server may run on it.
func Examine(ctx context.Context, o Options) []Finding {
	d := &doctor{ctx: ctx}
	d.machine(&o)
	d.folder(o)
	if o.SQLite() {
		if _, err := os.Stat(o.Database()); err != nil {
			d.bad("database", fmt.Sprintf("%s is not there", o.Database()), "`xinglin migrate` or the first `xinglin serve` makes it; or name the right folder with --data")
			return d.found
		}
	}
	o.Beside = true
	hub, err := Open(ctx, o)
	if err != nil {
		d.bad("database", err.Error(), "see that it is running and reachable, that the name and password are right, and that this program is not older than the data")
		return d.found
	}
	defer hub.Close()
	d.database(hub)
	d.bookings(hub)
	d.seal(o, hub)
	d.people(hub)
	d.audit(hub)
	return d.found
}

type doctor struct {
	ctx   context.Context
	found []Finding
}

func (d *doctor) ok(check, text string) { d.found = append(d.found, Finding{check, "ok", text, ""}) }
func (d *doctor) warn(check, text, mend string) {
	d.found = append(d.found, Finding{check, "warning", text, mend})
}
func (d *doctor) bad(check, text, mend string) {
	d.found = append(d.found, Finding{check, "bad", text, mend})
}

func (d *doctor) machine(o *Options) {
	if built(web.Files()) {
		d.ok("page", "is in the program")
	} else {
		d.bad("page", "was not built into this program", "build with `make build`, which makes the page first")
	}
	switch year := time.Now().Year(); {
	case year < 2025 || year > 2100:
		d.bad("clock", fmt.Sprintf("the machine's clock says %d", year), "set it and keep it by NTP: deadlines and the audit rely on it")
	default:
		d.ok("clock", time.Now().Format(time.RFC3339))
	}
	host, _, err := net.SplitHostPort(o.Listen)
	switch ip := net.ParseIP(host); {
	case o.Listen == "":
	case err != nil:
		d.bad("configuration", fmt.Sprintf("listen = %q is not host:port", o.Listen), "write it as 127.0.0.1:8080")
	case o.Cert == "" && !o.SelfSigned && (host == "" || ip != nil && !ip.IsLoopback()):
		d.warn("configuration", "listens beyond this machine without TLS", "give --cert and --key, or listen on 127.0.0.1 behind a proxy that speaks TLS")
	default:
		d.ok("configuration", "listens on "+o.Listen)
	}
	for _, file := range []string{o.Cert, o.Key} {
		if file == "" {
			continue
		}
		if _, err := os.ReadFile(file); err != nil {
			d.bad("certificate", err.Error(), "let the server's user read it")
		}
	}
}

func (d *doctor) folder(o Options) {
	if o.Data == "" {
		return
	}
	info, err := os.Stat(o.Data)
	if err != nil {
		d.bad("data folder", err.Error(), "make it and give it to the server's user: install -d -m 700 -o xinglin "+o.Data)
		return
	}
	probe, err := os.CreateTemp(o.Data, ".doctor-*")
	switch {
	case err != nil:
		d.bad("data folder", "cannot be written: "+err.Error(), "run doctor as the server's user; chown -R it to that user")
	case info.Mode().Perm()&0o077 != 0:
		d.warn("data folder", fmt.Sprintf("%s may be read by others (%v)", o.Data, info.Mode().Perm()), "chmod 700 "+o.Data)
	default:
		d.ok("data folder", o.Data)
	}
	if err == nil {
		probe.Close()
		os.Remove(probe.Name())
	}
	if key, err := os.Stat(filepath.Join(o.Data, "hub.key")); err == nil && key.Mode().Perm()&0o077 != 0 {
		d.bad("hub key", "hub.key may be read by others", "chmod 600 "+filepath.Join(o.Data, "hub.key"))
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(o.Data, &disk); err == nil {
		free := disk.Bavail * uint64(disk.Bsize)
		text := fmt.Sprintf("%.1f GB free", float64(free)/(1<<30))
		switch {
		case free < leastFree/2:
			d.bad("disk", text, "make room now: a full disk refuses every write")
		case free < leastFree:
			d.warn("disk", text, "make room, or move the data to a larger disk")
		default:
			d.ok("disk", text)
		}
	}
	if who := Holder(o.Data); who != "" && o.SQLite() {
		d.ok("server", "runs on this folder")
	}
}

func (d *doctor) database(h *Hub) {
	findings, err := h.Store.Check(d.ctx)
	if err != nil {
		d.bad("database", err.Error(), "restore the last backup into a new folder and compare")
		return
	}
	for _, f := range findings {
		d.bad("database", f.Code+": "+f.Text, f.Mend)
	}
	if len(findings) == 0 {
		d.ok("database", h.Database()+" is whole")
	}
}

func (d *doctor) bookings(h *Hub) {
	var wrong []string
	if err := h.Store.View(d.ctx, func(tx *store.Tx) (err error) { wrong, err = booking.Check(d.ctx, tx); return err }); err != nil {
		d.bad("bookings", err.Error(), "see what is wrong with the database")
		return
	}
	for _, w := range wrong {
		d.bad("bookings", w, "keep a copy of the data and report it: the database should have refused this")
	}
	if len(wrong) == 0 {
		d.ok("bookings", "nothing is given twice")
	}
}

func (d *doctor) seal(o Options, h *Hub) {
	a, sealed := h.Store.Sealed()
	plain, err := h.Store.Unsealed(d.ctx)
	beside := filepath.Join(o.Data, masterFile)
	_, missing := os.Stat(beside)
	switch {
	case err != nil:
		d.bad("seal", err.Error(), "")
	case !sealed:
		d.warn("seal", "records lie in plain / 病历未加密存储", "serve with --seal aes (or sm4), then `xinglin keys reencrypt`")
	case plain > 0:
		d.warn("seal", fmt.Sprintf("%d versions lie in plain", plain), "`xinglin keys reencrypt --data "+o.Data+"`")
	case o.Master == "" && missing == nil:
		d.ok("seal", fmt.Sprintf("sealed by %s; the master key lies beside the data: that protects a stolen file or backup, not a stolen disk", a))
	default:
		d.ok("seal", fmt.Sprintf("sealed by %s, key %d", a, h.Store.Ring().Now().ID))
	}
}

func (d *doctor) people(h *Hub) {
	users, err := h.Identity.Users(d.ctx)
	if err != nil {
		d.bad("accounts", err.Error(), "")
		return
	}
	now := h.Clock.Now()
	for _, u := range users {
		for _, r := range u.Roles {
			if !u.Disabled && r.Role == access.Administrator && r.At(now) {
				d.ok("accounts", fmt.Sprintf("%d, with an administrator", len(users)))
				return
			}
		}
	}
	d.warn("accounts", "nobody is administrator", "xinglin user add admin --role administrator --data …")
}

func (d *doctor) audit(h *Hub) {
	report, err := h.Audit.Verify(d.ctx)
	switch {
	case err != nil:
		d.bad("audit", err.Error(), "")
	case !report.OK():
		for _, f := range report.Findings {
			d.bad("audit", f, "somebody or something changed the record: keep a copy, compare with the last backup, tell the security officer")
		}
	default:
		d.ok("audit", fmt.Sprintf("%d entries, chain whole, signed up to entry %d", report.Entries, report.Signed))
	}
	for _, a := range report.Alarms {
		d.warn("audit", a, "somebody or something changed what waited to be sealed: tell the security officer")
	}
	if key, err := os.Stat(h.AuditKey); err == nil && key.Mode().Perm()&0o077 != 0 {
		d.bad("audit key", "may be read by others", "chmod 600 "+h.AuditKey)
	}
}
