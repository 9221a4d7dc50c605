package api

// JoinAtMost bounds the records that a patient's page joins, until the func returned is called.
func JoinAtMost(n int) func() {
	was := maxRecords
	maxRecords = n
	return func() { maxRecords = was }
}
