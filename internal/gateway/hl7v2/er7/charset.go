package er7

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// ErrCharset: the bytes are not in the charset that MSH-18 names, or nobody here knows it.
var ErrCharset = errors.New("er7: the charset of the message cannot be read")

// charsets of HL7 table 0211, by the text without blanks and signs. nil = UTF-8, of which ASCII is a part.
var charsets = map[string]encoding.Encoding{
	"": nil, "ASCII": nil, "UTF8": nil, "UNICODEUTF8": nil, "UNICODE": nil, "ISOIR6": nil,
	"GB18030": simplifiedchinese.GB18030, "GB180302000": simplifiedchinese.GB18030, "GB180302005": simplifiedchinese.GB18030, "GB180302022": simplifiedchinese.GB18030,
	"GB2312": simplifiedchinese.GB18030, "GBK": simplifiedchinese.GB18030, "CP936": simplifiedchinese.GB18030,
	"88591": charmap.ISO8859_1, "ISO88591": charmap.ISO8859_1, "885915": charmap.ISO8859_15,
}

func known(name string) (encoding.Encoding, error) {
	plain := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -_/", r) {
			return -1
		}
		return r
	}, strings.ToUpper(name))
	e, ok := charsets[plain]
	if !ok {
		return nil, fmt.Errorf("%w: MSH-18 %.20q", ErrCharset, name)
	}
	return e, nil
}

// decode finds the charset and gives the text as UTF-8. A byte of a Chinese character in GB 18030 may look like a
// delimiter, so that nothing is split before it.
func decode(raw []byte) (text, charset string, err error) {
	utf := utf8.Valid(raw)
	head := raw
	if at := strings.IndexAny(string(raw[:min(len(raw), 4096)]), "\r\n"); at >= 0 {
		head = raw[:at]
	}
	first := string(head)
	if !utf {
		if plain, err := simplifiedchinese.GB18030.NewDecoder().Bytes(head); err == nil {
			first = string(plain)
		}
	}
	if len(first) > 4 {
		if fields := strings.SplitN(first, string(first[3]), 20); len(fields) > 17 {
			charset = strings.TrimSpace(fields[17])
			charset = nth(nth(charset, '~', 1), '^', 1)
		}
	}
	e, err := known(charset)
	switch {
	case err != nil:
		return "", charset, err
	case e == nil && utf:
		text = string(raw)
	case e == nil && charset != "" && !strings.EqualFold(charset, "ASCII"):
		return "", charset, fmt.Errorf("%w: not UTF-8 as MSH-18 says", ErrCharset)
	case e == nil: // nothing was said: what the country's older systems write
		e = simplifiedchinese.GB18030
		fallthrough
	default:
		plain, err := e.NewDecoder().Bytes(raw)
		if err != nil || strings.ContainsRune(string(plain), utf8.RuneError) {
			return "", charset, fmt.Errorf("%w: bytes that are none of it", ErrCharset)
		}
		text = string(plain)
	}
	if strings.ContainsFunc(text, forbidden) {
		return "", charset, fmt.Errorf("%w: control characters", ErrCharset)
	}
	return strings.TrimPrefix(text, "\ufeff"), charset, nil
}

// encode writes text in the charset of a name; what it cannot hold becomes a question mark.
func encode(text, charset string) []byte {
	e, err := known(charset)
	if err != nil || e == nil {
		return []byte(text)
	}
	b, err := encoding.ReplaceUnsupported(e.NewEncoder()).Bytes([]byte(text))
	if err != nil {
		return []byte(text)
	}
	return b
}
