package match

// Ready is a record normalised for comparison; it does not change any more.
type Ready struct{ rec *Record }

// Prepare normalises a record once, so that it can be compared many times.
func Prepare(r *Record) *Ready { return &Ready{r} }

// Key brings records together that are worth comparing: those that share one. Secret where the hash is keyed anew.
type Key struct {
	Kind KeyKind
	Hash uint64
}

// KeyKind says what a key is made of; a record may have several of one kind.
type KeyKind uint8

// Keys are those of a record, without doubles, at most MaxKeys.
func Keys(r *Record) []Key { return Prepare(r).Keys() }

// Keys are those of the record, without doubles, at most MaxKeys.
func (r *Ready) Keys() []Key { return nil }

// MaxKeys bounds what a record with many names, numbers and phones makes.
const MaxKeys = 64

// Model says how likely fields agree in records of one person, of one household and of strangers.
type Model struct{}

// Default is the model that is shipped.
func Default() *Model { return &Model{} }

// Compare judges two records as they came.
func (m *Model) Compare(a, b *Record) Verdict { return m.Judge(Prepare(a), Prepare(b)) }

// Judge judges two prepared records; the order does not matter, but for Left and Right.
func (m *Model) Judge(a, b *Ready) Verdict { return Verdict{} }

// Finding is what is remarkable about a number.
type Finding struct {
	Code string // length, characters, date, check-digit, future, area, dummy, …
	Text string
	Zh   string
	Warn bool // worth telling, but the number stands
}

// Check says what is wrong with a number, nothing when all is well. The system is one of the known ones.
func Check(system, number string) []Finding { return nil }

// Edge joins two records, by their places in the list.
type Edge struct {
	A, B  int
	Score float64
}

// Cluster joins records to persons: per record the place of the first of its person's records (by ID).
// together and apart are people's decisions and hold before everything else, apart before together; then the
// edges join from the highest score down, ties by ID, unless barred says that two members must not meet.
// The answer depends on the set of records, edges and decisions only, never on their order.
func Cluster(ids []string, edges []Edge, barred func(a, b int) bool, together, apart [][2]int) []int {
	return nil
}
