package hl7v2

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Peer is a system that may send: from where, as whom, and what it calls things.
type Peer struct {
	Name         string   `toml:"name"`         // ours, in lists and logs: letters, digits, dashes
	Application  string   `toml:"application"`  // MSH-3; "" = any
	Facility     string   `toml:"facility"`     // MSH-4; "" = any
	Addresses    []string `toml:"addresses"`    // 10.1.0.5 or 10.1.0.0/24
	Organization string   `toml:"organization"` // Organization/… for which it writes: custodian of the records
	Credential   string   `toml:"credential"`   // id of a program's token at that organisation, as "xinglin token list" shows it
	Processing   []string `toml:"processing"`   // MSH-11 that are taken; none = P only
	Bed          string   `toml:"bed"`          // how a bed's identifier is made of PV1-3: {ward} {room} {bed} {facility} {building} {floor}
	Beds         string   `toml:"beds"`         // Location.identifier.system of that; "" = whatever system
	Patients     string   `toml:"patients"`     // Patient.identifier.system of PID-3; "" = the hospital's record number
	Authority    string   `toml:"authority"`    // PID-3.4 of the number that counts, where several come; "" = the first of type MR, PI or none
	Visits       string   `toml:"visits"`       // Encounter.identifier.system of PV1-19; "" = one of our own

	from []netip.Prefix
}

// Systems of identifiers where a peer names none.
const (
	RecordNumber = spec.Canonical + "/sid/record-number"
	VisitNumber  = spec.Canonical + "/sid/visit-number"
	bedName      = spec.Canonical + "/sid/bed-name"
	residentID   = spec.Canonical + "/sid/resident-id"
)

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,40}$`)

// ReadPeers reads the [[peer]] tables of a TOML file.
func ReadPeers(path string) ([]Peer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("hl7v2: peers: %w", err)
	}
	var file struct {
		Peer []Peer `toml:"peer"`
	}
	d := toml.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("hl7v2: %s: %w", path, err)
	}
	if err := Check(file.Peer); err != nil {
		return nil, fmt.Errorf("hl7v2: %s: %w", path, err)
	}
	return file.Peer, nil
}

// Check completes peers and says what is wrong with them.
func Check(peers []Peer) error {
	if len(peers) == 0 {
		return errors.New("no [[peer]]: nobody may send")
	}
	seen := map[string]bool{}
	for i := range peers {
		p := &peers[i]
		if err := p.check(); err != nil {
			return fmt.Errorf("peer %q: %w", p.Name, err)
		}
		if seen[p.Name] {
			return fmt.Errorf("peer %q stands there twice", p.Name)
		}
		seen[p.Name] = true
	}
	return nil
}

func (p *Peer) check() error {
	switch {
	case !nameForm.MatchString(p.Name):
		return errors.New("name: small letters, digits, dashes")
	case !strings.HasPrefix(p.Organization, "Organization/"):
		return errors.New("organization: Organization/…")
	case p.Credential == "":
		return errors.New("credential: the id of a program's token; make one with \"xinglin token\"")
	case len(p.Addresses) == 0:
		return errors.New("addresses: from where it may connect")
	}
	p.from = nil
	for _, a := range p.Addresses {
		prefix, err := netip.ParsePrefix(a)
		if err != nil {
			addr, err := netip.ParseAddr(a)
			if err != nil {
				return fmt.Errorf("addresses: %q is neither an address nor a network", a)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		p.from = append(p.from, prefix.Masked())
	}
	if len(p.Processing) == 0 {
		p.Processing = []string{"P"}
	}
	if p.Bed == "" {
		p.Bed = "{ward}^{room}^{bed}"
	}
	if p.Patients == "" {
		p.Patients = RecordNumber
	}
	if p.Visits == "" {
		p.Visits = VisitNumber
	}
	return nil
}

func (p *Peer) at(from netip.Addr) bool {
	return slices.ContainsFunc(p.from, func(n netip.Prefix) bool { return n.Contains(from) })
}
