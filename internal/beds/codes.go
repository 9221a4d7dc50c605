package beds

import (
	"slices"
	"strconv"
	"strings"

	"github.com/xinglin-health/xinglin/internal/beds/allocate"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// The extensions of a Location by which a bed, its room, its ward and its campus say what they are.
const (
	extension = spec.Canonical + "/StructureDefinition/"

	LevelOf     = extension + "bed-level"      // of a bed: code of allocate.Level
	EquipmentOf = extension + "bed-equipment"  // of a bed, repeats
	StateOf     = extension + "bed-state"      // of a bed; written by the hub alone
	SexOf       = extension + "room-sex"       // of a room: male, female, mixed, single
	SpecialtyOf = extension + "ward-specialty" // of a ward, repeats: code of a department
	NeighbourOf = extension + "ward-neighbour" // of a ward, repeats: specialties that it takes first when it lends
	ProtectedOf = extension + "ward-protected" // of a ward, repeats
	LendsOf     = extension + "ward-lends"     // of a ward, boolean
	ReserveOf   = extension + "ward-reserve"   // of a ward, integer: beds kept free for emergencies
	GroupOf     = extension + "ward-group"     // of a ward: what capacity is reserved by
	ConfirmsOf  = extension + "ward-confirms"  // of a ward, boolean: a bed is clean only when somebody says so
	RoleOf      = extension + "campus-role"    // of a campus
)

// PhysicalType and OperationalStatus are the code systems of Location's elements.
const (
	PhysicalType      = "http://terminology.hl7.org/CodeSystem/location-physical-type"
	OperationalStatus = "http://terminology.hl7.org/CodeSystem/v2-0116"
)

// place is what a Location says about itself, as beds_place.says keeps it.
type place struct {
	Kind   string `json:"-"` // bd, ro, wa, si
	Parent string `json:"-"` // "Location/…"
	Org    string `json:"-"` // "Organization/…"
	Name   string `json:"-"`

	Off         bool               `json:"off,omitempty"` // suspended: it stands, and takes nobody
	Level       allocate.Level     `json:"level,omitempty"`
	Equipment   allocate.Equipment `json:"equipment,omitempty"`
	Sex         allocate.Sex       `json:"sex,omitempty"`
	Specialties []string           `json:"specialties,omitempty"`
	Neighbours  []string           `json:"neighbours,omitempty"`
	Protected   []string           `json:"protected,omitempty"`
	Lends       bool               `json:"lends,omitempty"`
	Confirms    string             `json:"confirms,omitempty"`
	Reserve     int                `json:"reserve,omitempty"`
	Group       string             `json:"group,omitempty"`
	Role        string             `json:"role,omitempty"`
	Lat         float64            `json:"lat,omitempty"`
	Long        float64            `json:"long,omitempty"`
}

// kinds of Location that the register keeps.
var kinds = []string{"bd", "ro", "wa", "si"}

// placeOf reads a Location; nil when it is none of the register's.
func placeOf(n *fhir.Node) *place {
	if n == nil || n.Str("status") == "inactive" {
		return nil
	}
	p := &place{}
	for _, c := range n.All("physicalType.coding") {
		if slices.Contains(kinds, c.Str("code")) && (c.Str("system") == PhysicalType || c.Str("system") == "") {
			p.Kind = strings.Clone(c.Str("code"))
		}
	}
	if p.Kind == "" || n.Str("mode") == "kind" {
		return nil
	}
	p.Parent, p.Org, p.Name = strings.Clone(n.Str("partOf.reference")), strings.Clone(n.Str("managingOrganization.reference")), strings.Clone(n.Str("name"))
	p.Off = n.Str("status") == "suspended"
	var codes []string
	for _, e := range n.All("extension") {
		code := strings.Clone(e.Str("valueCode"))
		switch e.Str("url") {
		case LevelOf:
			p.Level = allocate.Level(code)
		case EquipmentOf:
			codes = append(codes, code)
		case SexOf:
			p.Sex = allocate.Sex(code)
		case SpecialtyOf:
			p.Specialties = append(p.Specialties, code)
		case NeighbourOf:
			p.Neighbours = append(p.Neighbours, code)
		case ProtectedOf:
			p.Protected = append(p.Protected, code)
		case LendsOf:
			p.Lends = e.Str("valueBoolean") == "true"
		case ConfirmsOf:
			p.Confirms = strings.Clone(e.Str("valueBoolean"))
		case ReserveOf:
			p.Reserve, _ = strconv.Atoi(e.Str("valueInteger"))
		case GroupOf:
			p.Group = code
		case RoleOf:
			p.Role = code
		}
	}
	p.Equipment = allocate.EquipmentOf(codes...)
	if p.Kind == "bd" && p.Level == "" {
		p.Level = allocate.General
	}
	if p.Kind == "ro" && p.Sex == "" {
		p.Sex = allocate.Mixed
	}
	p.Lat, _ = strconv.ParseFloat(n.Str("position.latitude"), 64)
	p.Long, _ = strconv.ParseFloat(n.Str("position.longitude"), 64)
	return p
}

// operational is what Location.operationalStatus says of a bed.
func operational(s allocate.State, isolated bool) (code, display string) {
	switch {
	case (s == allocate.Occupied || s == allocate.Lent) && isolated:
		return "I", "Isolated"
	case s == allocate.Occupied || s == allocate.Lent:
		return "O", "Occupied"
	case s == allocate.Cleaning && isolated:
		return "K", "Contaminated"
	case s == allocate.Cleaning:
		return "H", "Housekeeping"
	case s == allocate.Closed:
		return "C", "Closed"
	}
	return "U", "Unoccupied"
}
