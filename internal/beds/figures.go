package beds

// refusal is what was refused to whom on which day, until it is written.
type refusal struct{ pool, day, ward, code string }

// reported is what the directory has last written of an institution.
type reported struct {
	what string
	at   int64
}
