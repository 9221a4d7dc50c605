package audit

import (
	_ "embed"
	"encoding/json"
)

//go:embed rules.json
var rulesText []byte

// Rules are what a hospital may decide about its trail, as data.
var Rules = func() (r struct {
	LeastMonths int `json:"leastMonths"` // nothing younger is ever moved out
	KeepMonths  int `json:"keepMonths"`  // what the archive command leaves in the database unless told otherwise
	Copy        struct {
		Months   int      `json:"months"`   // that a patient's copy reaches back unless asked otherwise
		Names    string   `json:"names"`    // of staff: full, family, none
		LeaveOut []string `json:"leaveOut"` // what was done about a suspicion of abuse: whoever asks for the copy may be the one suspected
	} `json:"copy"`
}) {
	if err := json.Unmarshal(rulesText, &r); err != nil {
		panic(err)
	}
	return r
}()
