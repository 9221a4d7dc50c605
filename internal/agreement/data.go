package agreement

import (
	_ "embed"
	"encoding/json"
)

// Word is a code with its names.
type Word struct {
	Code     string `json:"code"`
	Zh       string `json:"zh"`
	En       string `json:"en"`
	Asks     string `json:"asks,omitempty"` // of a service, which side may ask the other for it: member, lead or either
	Source   string `json:"source,omitempty"`
	Verified bool   `json:"verified,omitempty"` // somebody has checked the source
}

//go:embed agreement.json
var raw []byte

var data = func() (d struct{ Kinds, Services, Specialties []Word }) {
	if err := json.Unmarshal(raw, &d); err != nil {
		panic("agreement: " + err.Error())
	}
	return d
}()

// Kinds, Services and Specialties are what an agreement can be, cover and be limited to.
func Kinds() []Word       { return data.Kinds }
func Services() []Word    { return data.Services }
func Specialties() []Word { return data.Specialties }

// Kind finds a kind by its code.
func Kind(code string) (Word, bool) { return find(data.Kinds, code) }

// ServiceOf finds a service by its code.
func ServiceOf(code string) (Word, bool) { return find(data.Services, code) }

// Specialty names a specialty, by its code when it is unknown.
func Specialty(code string) Word {
	w, _ := find(data.Specialties, code)
	return w
}

func find(words []Word, code string) (Word, bool) {
	for _, w := range words {
		if w.Code == code {
			return w, true
		}
	}
	return Word{Code: code, Zh: code, En: code}, false
}
