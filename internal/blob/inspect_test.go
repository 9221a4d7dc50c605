package blob

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

func pngOf(wide, high uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n")
	head := binary.BigEndian.AppendUint32(nil, wide)
	head = append(binary.BigEndian.AppendUint32(head, high), 8, 6, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, 13)
	b = append(append(b, "IHDR"...), head...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(append([]byte("IHDR"), head...)))
}

func drawn(encode func(io.Writer, image.Image) error) []byte {
	var b bytes.Buffer
	if err := encode(&b, image.NewGray(image.Rect(0, 0, 20, 10))); err != nil {
		panic(err)
	}
	return b.Bytes()
}

type entry struct {
	name string
	text string
}

func zipOf(entries ...entry) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		f, _ := w.Create(e.name)
		io.WriteString(f, e.text)
	}
	w.Close()
	return b.Bytes()
}

var sheetParts = []entry{{"[Content_Types].xml", "<Types/>"}, {"xl/workbook.xml", "<workbook/>"}, {"xl/worksheets/sheet1.xml", "<worksheet/>"}}

func TestWhatAFileIsFoundByAllOfIt(t *testing.T) {
	jpg := drawn(func(w io.Writer, i image.Image) error { return jpeg.Encode(w, i, nil) })
	pic := drawn(png.Encode)
	giff := drawn(func(w io.Writer, i image.Image) error { return gif.Encode(w, i, nil) })
	dicom := func(preamble string) []byte {
		b := make([]byte, 128)
		copy(b, preamble)
		return append(b, "DICM\x02\x00\x00\x00rest"...)
	}
	xlsx := zipOf(sheetParts...)
	var many []entry
	for i := range maxEntries + 1 {
		many = append(many, entry{strings.Repeat("a", i%50+1) + string(rune('a'+i%26)) + strings.Repeat("b", i/50), ""})
	}
	lying := zipOf(append(sheetParts, entry{"xl/big.xml", strings.Repeat("a", 3<<20)})...)
	for at := 0; ; { // the list of contents says one byte, the stream gives three million
		i := bytes.Index(lying[at:], []byte("PK\x01\x02"))
		if i < 0 {
			break
		}
		at += i + 4
		if bytes.HasPrefix(lying[at+42:], []byte("xl/big.xml")) {
			binary.LittleEndian.PutUint32(lying[at+20:], 1)
		}
	}
	for _, c := range []struct {
		name, declared string
		content        []byte
		want           string // type, or the code of the refusal
	}{
		{"a PDF", "application/pdf", pdf, "application/pdf"},
		{"a JPEG", "image/jpg", jpg, "image/jpeg"},
		{"a PNG of which nobody said anything", "", pic, "image/png"},
		{"a GIF as a stream of bytes", "application/octet-stream", giff, "image/gif"},
		{"DICOM", "application/dicom", dicom(""), "application/dicom"},
		{"DICOM that is also TIFF", "application/dicom", dicom("II*\x00"), "application/dicom"},
		{"CSV as a spreadsheet program declares it", "application/vnd.ms-excel", []byte("姓名,科室\n王芳,心内科\n"), "text/plain"},
		{"a spreadsheet", sheet, xlsx, sheet},
		{"a letter", document, zipOf(entry{"[Content_Types].xml", "<Types/>"}, entry{"word/document.xml", "<w/>"}), document},
		{"HL7 v2", "x-application/hl7-v2+er7", []byte("MSH|^~\\&|HIS|A|B|C|20261120||ADT^A01|1|P|2.5\r"), "text/plain"},
		{"CDA", "text/xml", []byte(`<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>`), "application/xml"},

		{"a PDF declared as a picture", "image/png", pdf, "file-type-mismatch"},
		{"a picture declared as a PDF", "application/pdf; x=1", pic, "file-type-mismatch"},
		{"text declared as DICOM", "application/dicom", []byte("hello"), "file-type-mismatch"},
		{"a picture of 60000 × 60000", "", append(pngOf(60000, 60000), pic[33:]...), "image-too-large"},
		{"a picture of 29000 × 29000", "", append(pngOf(29000, 29000), pic[33:]...), "image-too-large"},
		{"a picture of 0 × 5", "", append(pngOf(0, 5), pic[33:]...), "file-damaged"},
		{"a torn JPEG", "", jpg[:20], "file-damaged"},
		{"a bitmap of 100000 × 1", "", append(append([]byte("BM"), make([]byte, 16)...), 0xa0, 0x86, 1, 0, 1, 0, 0, 0), "image-too-large"},
		{"a picture with a page in it", "", append(bytes.Clone(giff), "<ScRiPt>alert(1)</script>"...), "file-two-kinds"},
		{"a page across two windows", "", append(append(bytes.Clone(giff), bytes.Repeat([]byte{1}, 64<<10-len(giff)-3)...), "<script>"...), "file-two-kinds"},
		{"a picture that is a package, too", "", append(bytes.Clone(giff), xlsx...), "file-two-kinds"},
		{"a PDF that is a package, too", "", append(bytes.Clone(pdf), xlsx...), "file-two-kinds"},
		{"a picture with a PDF in its beginning", "", append(pic[:40:40], "%PDF-1.4 "+string(pic[40:])...), "file-two-kinds"},
		{"DICOM with a Windows program before it", "", dicom("MZ\x90"), "file-two-kinds"},
		{"DICOM with a page before it", "", dicom("<html>"), "file-two-kinds"},
		{"a package of anything", "", zipOf(entry{"a.txt", "a"}), "file-type"},
		{"a package with a package", "", zipOf(append(sheetParts, entry{"xl/embeddings/a.zip", "PK"})...), "file-nested"},
		{"macros", "", zipOf(append(sheetParts, entry{"xl/vbaProject.bin", "x"})...), "file-macro"},
		{"a package that writes elsewhere", "", zipOf(append(sheetParts, entry{"xl/../../../etc/cron.d/x", "x"})...), "file-paths"},
		{"a package that unpacks a thousandfold", "", zipOf(append(sheetParts, entry{"xl/big.xml", strings.Repeat("a", 20<<20)})...), "file-bomb"},
		{"a package that lies about it", "", lying, "file-damaged"},
		{"a package of very many entries", "", zipOf(append(sheetParts, many...)...), "file-bomb"},
		{"a torn package", "", xlsx[:len(xlsx)-30], "file-damaged"},
		{"XML with entities", "", []byte(`<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`), "file-entities"},
		{"a drawing", "image/svg+xml", []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), "file-type"},
		{"a page", "text/html", []byte("<!DOCTYPE html><p>x"), "file-type"},
		{"a program", "application/pdf", []byte("MZ\x90\x00\x03\x00\x00\x00"), "file-type"},
		{"nothing", "", nil, "file-type"},
	} {
		got, err := Inspect(bytes.NewReader(c.content), int64(len(c.content)), c.declared)
		if err != nil {
			got = refusal(err)
		}
		if got != c.want {
			t.Errorf("%s: got %s (%v); want %s", c.name, got, err, c.want)
		}
	}
}

func TestNamesOfFilesAreMadeHarmless(t *testing.T) {
	for name, want := range map[string]string{
		"报告 (1).pdf": "报告 (1).pdf", "../../etc/passwd": "passwd", `D:\片子\胸片.dcm`: "胸片.dcm", "检查\u202egpj.exe": "检查gpj.exe", "a\u200bb\u2066.txt": "ab.txt",
		"a\r\nSet-Cookie: x.txt": "aSet-Cookie_ x.txt", "con.txt": "_con.txt", "x.pdf. . ": "x.pdf", "..": "", "/": "", "": "", "a\x00b.pdf": "ab.pdf", `a"b.pdf`: "a_b.pdf",
		strings.Repeat("长", 300) + ".pdf": strings.Repeat("长", 196) + ".pdf", "\xff\xfe.txt": ".txt",
	} {
		if got := CleanName(name); got != want {
			t.Errorf("%q: got %q; want %q", name, got, want)
		}
	}
}

func TestWhatResourcesCarryIsInspected(t *testing.T) {
	pic := drawn(png.Encode)
	binaryOf := func(declared string, content []byte) *fhir.Node {
		return fhir.New("Binary", "contentType", declared, "data", base64.StdEncoding.EncodeToString(content))
	}
	attached := func(declared string, content []byte) *fhir.Node {
		return fhir.New("DocumentReference", "content", fhir.Arr{fhir.Obj{"attachment", fhir.Obj{"contentType", declared, "data", base64.StdEncoding.EncodeToString(content)}}})
	}
	for _, c := range []struct {
		name string
		n    *fhir.Node
		want string
	}{
		{"a picture", binaryOf("image/png", pic), ""},
		{"text", attached("text/plain; charset=utf-8", []byte("主诉：胸痛")), ""},
		{"a page, kept as what it is", binaryOf("text/html", []byte("<html>")), ""},
		{"anything unknown", binaryOf("application/x-ours", []byte{1, 2, 3}), ""},
		{"a program", binaryOf("application/x-ours", []byte("MZ\x90")), "file-program"},
		{"a script", attached("text/plain", []byte("#!/bin/sh\nrm -rf /")), "file-program"},
		{"a PDF that is none", attached("application/pdf", []byte("<html>")), "file-type"},
		{"a picture that is a PDF", attached("image/png", pdf), "file-type-mismatch"},
		{"a huge picture", binaryOf("image/png", append(pngOf(60000, 60000), pic[33:]...)), "image-too-large"},
	} {
		if got := refusal(Guard(t.Context(), store.Put{Op: store.Create, Type: c.n.Type(), Resource: store.Prepared{Node: c.n}}, nil)); got != c.want {
			t.Errorf("%s: got %q; want %q", c.name, got, c.want)
		}
	}
}
