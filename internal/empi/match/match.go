// Package match says whether two records of patients are about the same person, and why, without tables or files.
package match

// Record is what a source says of a patient, as it came.
type Record struct {
	ID      string // of the source record: Patient/x, or the row's number
	Org     string // whose record it is: assigner of hospital numbers, custodian
	Names   []Name
	Sex     string // male, female, other, unknown; "" = not said
	Birth   string // YYYY, YYYY-MM or YYYY-MM-DD as it came; "" = not said
	Numbers []Number
	Phones  []string
	Address []Address
	Mother  string   // newborn: the mother's record ID, or her number as system|value
	Order   int      // newborn: order of birth, from 1; 0 = not said
	Unknown bool     // nobody knows the name (无名氏)
	Apart   []string // IDs of records that are known to be other persons
}

// Name is whole (Text) or in its parts; Chinese or Latin.
type Name struct{ Text, Family, Given string }

// Number is an identifier. System is one of the NumberKinds or the assigner's URI.
type Number struct {
	System, Value string
	Verified      bool // read from the document or confirmed with the authority, not typed
}

// Systems of numbers which are known by their form; a hospital's or scheme's own number has its assigner's URI instead.
const (
	ResidentID      = "resident-id"      // GB 11643, 18 or 15 digits; residence permits of 港澳台居民 (81, 82, 83) too
	Passport        = "passport"         // of any state
	HongKongMacau   = "hk-macau"         // 港澳居民来往内地通行证
	Taiwan          = "taiwan"           // 台湾居民来往大陆通行证
	ForeignResident = "foreign-resident" // 外国人永久居留身份证, old (15 characters) and new (18 digits)
	InsuranceID     = "insurance-id"     // 医保
	NationalID      = "national-id"      // of another state, without a known check digit
)

// Address is free text, or in parts where a source has them.
type Address struct {
	Text       string // road, number, room; or everything
	Place      string // house, village or estate by name
	Area       string // suburb, district
	City       string
	PostalCode string
}

// Outcome of a comparison.
type Outcome uint8

const (
	Different Outcome = iota
	Possible          // somebody has to look
	Same              // linked without asking
)

// Verdict on a pair, with what speaks for and against it.
type Verdict struct {
	Outcome     Outcome
	Score       float64 // bits: log2 of the likelihood ratio with the prior
	Probability float64 // that both are one person, by the model
	Fields      []Evidence
	Against     string // whom the evidence tells from: stranger, or household where the two could live together
	Bar         string // code of the rule that forbids joining without a person's decision: twin, parent-child, …; "" = none
	Firm        bool   // the bar also forbids that other records join the two
}

// Evidence is what one field says.
type Evidence struct {
	Field string  // name, sex, birth, number, phone, address, mother
	Level string  // code of the level of agreement: exact, homophone, look-alike, order, transposed, lunar, year-only, differs, missing, …
	Bits  float64 // for (+) or against (-)
	Left  string  // what was compared, normalised
	Right string
}
