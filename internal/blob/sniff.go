package blob

import (
	"bytes"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Sniff tells a file's type by its first bytes; ok is false for what is not taken:
// programs, web pages and drawings that can carry scripts, and what it does not know.
func Sniff(head []byte) (contentType string, ok bool) {
	switch {
	case len(head) == 0:
		return "", false
	case len(head) >= 132 && string(head[128:132]) == "DICM":
		return "application/dicom", true
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

func scripted(head []byte) bool {
	low := bytes.ToLower(head)
	for _, bad := range []string{"<svg", "<html", "<script", "<!doctype html", "xmlns=\"http://www.w3.org/1999/xhtml", "<?php", "#!/"} {
		if bytes.Contains(low, []byte(bad)) {
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
