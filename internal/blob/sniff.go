package blob

import (
	"bytes"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Kind is one kind of file that is taken.
type Kind struct {
	Type    string
	Also    []string // other names under which senders declare it
	InPage  bool     // a browser may draw it itself; everything else is saved
	inspect func(f file) error
}

// Kinds is the list of what is taken; everything else is refused.
var Kinds = []Kind{
	{Type: "application/pdf", Also: []string{"application/x-pdf"}, InPage: true, inspect: notTwo},
	{Type: "image/png", Also: []string{"image/x-png"}, InPage: true, inspect: picture},
	{Type: "image/jpeg", Also: []string{"image/jpg", "image/pjpeg"}, InPage: true, inspect: picture},
	{Type: "image/gif", InPage: true, inspect: picture},
	{Type: "image/webp", InPage: true, inspect: picture},
	{Type: "image/bmp", Also: []string{"image/x-ms-bmp"}, InPage: true, inspect: picture},
	{Type: "application/dicom", Also: []string{"application/dicom+octet-stream", "image/dicom", "image/x-dicom"}, inspect: preamble},
	{Type: "video/mp4", Also: []string{"video/x-m4v", "video/quicktime", "audio/mp4"}, InPage: true},
	{Type: "video/webm", Also: []string{"audio/webm"}, InPage: true},
	{Type: "audio/mpeg", Also: []string{"audio/mp3"}, InPage: true},
	{Type: "audio/wave", Also: []string{"audio/wav", "audio/x-wav"}, InPage: true},
	{Type: "text/plain", Also: []string{"text/csv", "text/markdown", "text/tab-separated-values", "application/csv", "application/json", "application/hl7-v2", "x-application/hl7-v2+er7", "application/vnd.ms-excel"}, InPage: true},
	{Type: "application/xml", Also: []string{"text/xml", "application/hl7-cda+xml", "application/fhir+xml", "application/hl7-v3+xml"}, inspect: noEntities},
	{Type: sheet, inspect: parcel},
	{Type: document, inspect: parcel},
}

const (
	sheet    = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	document = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
)

func kindOf(contentType string) *Kind {
	for i := range Kinds {
		if Kinds[i].Type == contentType {
			return &Kinds[i]
		}
	}
	return nil
}

// InPage says whether a browser may draw a file itself.
func InPage(contentType string) bool {
	k := kindOf(contentType)
	return k != nil && k.InPage
}

// declaredAs finds the kind that a sender means by a media type; nil for none of ours.
func declaredAs(contentType string) *Kind {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil
	}
	for i := range Kinds {
		if Kinds[i].Type == media {
			return &Kinds[i]
		}
		for _, name := range Kinds[i].Also {
			if name == media {
				return &Kinds[i]
			}
		}
	}
	return nil
}

// Sniff tells a file's type by its first bytes; ok is false for what is not taken: programs, web pages and drawings
// that can carry scripts, and what it does not know. Which document a package is, only its list of contents tells.
func Sniff(head []byte) (contentType string, ok bool) {
	switch {
	case len(head) == 0:
		return "", false
	case len(head) >= 132 && string(head[128:132]) == "DICM":
		return "application/dicom", true
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		switch {
		case bytes.Contains(head, []byte("xl/")):
			return sheet, true
		case bytes.Contains(head, []byte("word/")):
			return document, true
		}
		return packed, true
	}
	found, _, _ := strings.Cut(http.DetectContentType(head), ";")
	switch found {
	case "application/pdf", "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "video/mp4", "video/webm", "audio/mpeg", "audio/wave":
		return found, true
	case "text/xml":
		return "application/xml", !scripted(head)
	case "text/plain":
		text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
		if scripted(text) || !validStart(text) {
			return "", false
		}
		if bytes.HasPrefix(text, []byte("<")) {
			return "application/xml", true
		}
		return "text/plain", true
	}
	return "", false
}

// packed is a package of which the first bytes do not say what it is.
const packed = "application/zip"

func scripted(head []byte) bool {
	low := bytes.ToLower(head)
	for _, bad := range []string{"<svg", "<html", "<script", "<!doctype html", "xmlns=\"http://www.w3.org/1999/xhtml", "<?php", "#!/"} {
		if bytes.Contains(low, []byte(bad)) {
			return true
		}
	}
	return false
}

// program says whether a machine would run it.
func program(head []byte) bool {
	for _, begins := range []string{"MZ", "\x7fELF", "\xcf\xfa\xed\xfe", "\xce\xfa\xed\xfe", "\xca\xfe\xba\xbe", "#!"} {
		if bytes.HasPrefix(head, []byte(begins)) {
			return true
		}
	}
	return false
}

// validStart: UTF-8 up to a character that the window may have cut.
func validStart(text []byte) bool {
	for i := 0; i < 4 && len(text) > 0; i++ {
		if utf8.Valid(text) {
			return true
		}
		text = text[:len(text)-1]
	}
	return len(text) == 0
}
