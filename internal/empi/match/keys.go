package match

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// KeyKind says what a key is made of; a record may have several of one kind.
type KeyKind uint8

// Kinds of keys. Most hold few records even among ten million; keyPhone, keyAddress, keyNames hold many
// when a hospital writes its own phone on everybody, and are then refined.
const (
	keyNumber      KeyKind = 1 + iota // an identity number
	keyNumberBirth                    // its day and sequence: the area was mistyped
	keyNumberArea                     // its area and sequence, and the family name: the day was mistyped
	keyNumberFront                    // its area and day, and the family name: the sequence was mistyped
	keyNumberLess                     // short numbers without any one digit
	keyCard                           // a hospital's or scheme's number
	keyNameYear                       // names as heard, year of birth
	keyNameDay                        // names as heard, day of birth without the year
	keyBirthFamily                    // birthday, family name
	keyBirthGiven                     // birthday, given name
	keyPhone                          // phone
	keyPhoneLess                      // given name, phone without its last digits or the first
	keyAddress                        // road, house and room
	keyAddressName                    // road, house and given name
	keyInitials                       // initials, year of birth, road
	keyNames                          // names as heard, where no birthday is known
	keyNamePlace                      // one of the names, postal code or suburb
	keyNameHouse                      // one of the names, numbers of the address
	keyBirthPlace                     // birthday, postal code or suburb
	keyMother                         // mother of a newborn
	keyKinds
)

// Key brings records together that are worth comparing: those that share one. The hash is not secret:
// where keys are kept they are hashed again with a key.
type Key struct {
	Kind KeyKind
	Hash uint64
}

// MaxKeys bounds what a record with many names, numbers and phones makes.
const MaxKeys = 64

// Keys are those of a record, without doubles, at most MaxKeys.
func Keys(r *Record) []Key { return Prepare(r).Keys() }

// Keys are those of the record, without doubles, at most MaxKeys.
func (r *Ready) Keys() []Key { return r.appendKeys(nil) }

func (r *Ready) appendKeys(keys []Key) []Key {
	start := len(keys)
	put := func(kind KeyKind, parts ...string) {
		if len(keys)-start >= MaxKeys {
			return
		}
		k := Key{kind, hash(byte(kind), parts...)}
		for _, x := range keys[start:] {
			if x == k {
				return
			}
		}
		keys = append(keys, k)
	}
	var year, day, birth string
	if r.birth.year > 0 {
		var text [8]byte
		for i, n := 7, r.birth.number(); i >= 0; i, n = i-1, n/10 {
			text[i] = byte('0' + n%10)
		}
		year = string(text[:4])
		if r.birth.whole() {
			birth = string(text[:])
			if !r.birth.newYear() {
				day = string(text[4:])
			}
		}
	}
	for _, n := range r.numbers {
		put(keyNumber, n.value)
	}
	for _, c := range r.cards {
		put(keyCard, c.system, c.value)
	}
	for _, p := range r.phones {
		put(keyPhone, p[max(0, len(p)-11):])
		if len(p) > 11 || len(p) > 8 && p[0] == '0' { // with and without the area
			put(keyPhone, p[len(p)-8:])
		}
	}
	if r.mother != "" {
		put(keyMother, r.mother)
	}
	for _, a := range r.addresses {
		if a.road != "" && strings.Contains(a.numbers, "/") {
			put(keyAddress, a.road, a.numbers)
		}
	}
	for i := range r.names {
		n := &r.names[i]
		family, given := heard(n.family, true), heard(n.given, false)
		for _, x := range r.numbers {
			if v := x.value; x.kind == residentNumber && len(v) == 18 {
				put(keyNumberBirth, v[6:17])
				put(keyNumberArea, v[:6], v[14:17], family)
				put(keyNumberFront, v[:14], family)
			}
		}
		first, second := family, given
		if hasHan(n.family) { // wherever the name is taken apart, and whichever part is first
			syllables := strings.Split(family+given, ".")
			slices.Sort(syllables)
			first, second = strings.Join(syllables, "."), ""
		} else if first > second {
			first, second = second, first
		}
		if birth != "" {
			if family != "" {
				put(keyBirthFamily, birth, family)
			}
			if given != "" {
				put(keyBirthGiven, birth, given)
				if hasHan(n.given) && !hasHan(n.family) || !hasHan(n.given) {
					put(keyBirthFamily, birth, given)
					if family != "" {
						put(keyBirthGiven, birth, family)
					}
				}
			}
		}
		if family != "" && given != "" {
			if year != "" {
				put(keyNameYear, first, second, year)
			} else {
				put(keyNames, first, second)
			}
			if day != "" {
				put(keyNameDay, first, second, day)
			}
		}
		for _, p := range r.phones {
			if given != "" && len(p) >= 8 {
				put(keyPhoneLess, given, p[:len(p)-4])
				put(keyPhoneLess, given, p[len(p)-6:])
			}
		}
		for _, a := range r.addresses {
			house, _, _ := strings.Cut(a.numbers, "/")
			if a.road != "" && given != "" {
				put(keyAddressName, a.road, house, given)
			}
			if han := hasHan(n.family); han && year != "" && a.road != "" && given != "" {
				put(keyInitials, initials(n), year, tail(a.road))
			} else if !han {
				for _, w := range [2]string{family, given} {
					if w == "" {
						continue
					}
					if a.postal != "" {
						put(keyNamePlace, w, a.postal)
					}
					if a.area != "" {
						put(keyNamePlace, w, heard(a.area, false))
					}
					if a.numbers != "" {
						put(keyNameHouse, w, a.numbers)
					}
					if a.road != "" {
						put(keyNameHouse, w, heard(squeeze(a.road), false))
					}
				}
			}
		}
	}
	for _, x := range r.numbers {
		if v := x.value; x.kind != residentNumber && len(v) >= 6 && len(v) <= 10 {
			for i := range v {
				put(keyNumberLess, v[:i], v[i+1:])
			}
		}
	}
	if birth != "" && day != "" {
		for _, a := range r.addresses {
			if a.postal != "" {
				put(keyBirthPlace, birth, a.postal)
			}
			if a.area != "" && !hasHan(a.area) {
				put(keyBirthPlace, birth, heard(a.area, false))
			}
		}
	}
	return keys
}

// initials of a Chinese name: the first letter of each character as it is heard.
func initials(n *name) string {
	var b strings.Builder
	for _, s := range [2]string{heard(n.family, true), heard(n.given, false)} {
		for part := range strings.SplitSeq(s, ".") {
			if part != "" {
				b.WriteByte(part[0])
			}
		}
	}
	return b.String()
}

// tail is the last three characters of a road: its name without the city before it.
func tail(road string) string {
	at := len(road)
	for range 3 {
		_, n := utf8.DecodeLastRuneInString(road[:at])
		at -= n
	}
	return road[at:]
}

// hash mixes words so that all bits depend on all letters; stable for ever, for keys are stored.
func hash(seed byte, parts ...string) uint64 {
	h := uint64(14695981039346656037) ^ uint64(seed)
	h *= 1099511628211
	for _, p := range parts {
		for i := 0; i < len(p); i++ {
			h = (h ^ uint64(p[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
