package blob

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	_ "image/gif" // sizes only: no picture is decoded here
	_ "image/jpeg"
	_ "image/png"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// file is what is inspected.
type file struct {
	io.ReadSeeker
	size int64
	kind string
}

func (f file) ReadAt(p []byte, at int64) (int, error) {
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(f, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

const headSize = 4096

// Inspect finds what a file is by its content, and refuses with a *fhir.Error what is not taken: unknown kinds, another kind than
// declared, two kinds at once, and what is harmless until it is opened. declared may be "". The reader is left anywhere.
func Inspect(r io.ReadSeeker, size int64, declared string) (contentType string, err error) {
	f := file{r, size, ""}
	head := make([]byte, min(headSize, size))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("blob: inspect: %w", err)
	}
	kind, ok := Sniff(head)
	if kind == packed {
		if kind, err = packageOf(f); err != nil {
			return "", err
		}
		ok = kind != ""
	}
	k := kindOf(kind)
	if !ok || k == nil {
		return "", fhir.Refuse(415, "not-supported", "file-type", "files of this kind are not taken; send PDF, an image, DICOM, XML, text, a video, XLSX or DOCX",
			"不支持此类文件；请上传 PDF、图片、DICOM、XML、文本、视频、XLSX 或 DOCX")
	}
	if said := declaredAs(declared); said != nil && said != k {
		return "", fhir.Refuse(415, "not-supported", "file-type-mismatch", fmt.Sprintf("the content is %s, not what it was declared as", k.Type), "文件内容与声明的类型不符："+k.Type)
	}
	if k.inspect != nil {
		f.kind = k.Type
		if err := k.inspect(f); err != nil {
			return "", err
		}
	}
	return k.Type, nil
}

func unsafe(code, text, zh string) error { return fhir.Refuse(422, "value", code, text, zh) }

// Bounds of what a file becomes when it is opened.
const (
	maxSide     = 30_000      // pixels
	maxPixels   = 200_000_000 // 800 MB in memory
	maxEntries  = 2_000
	maxUnpacked = 256 << 20 // bytes of a whole package
	maxRatio    = 200       // of an entry longer than a megabyte
)

// picture bounds what a picture becomes when it is shown.
func picture(f file) error {
	var wide, high int
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("blob: inspect: %w", err)
	}
	switch f.kind {
	case "image/png", "image/jpeg", "image/gif":
		c, _, err := image.DecodeConfig(f)
		if err != nil {
			return unsafe("file-damaged", "the picture is damaged", "图片已损坏")
		}
		wide, high = c.Width, c.Height
	case "image/bmp":
		head := make([]byte, 26)
		if _, err := io.ReadFull(f, head); err != nil {
			return unsafe("file-damaged", "the picture is damaged", "图片已损坏")
		}
		wide, high = int(int32(binary.LittleEndian.Uint32(head[18:]))), int(int32(binary.LittleEndian.Uint32(head[22:])))
		wide, high = max(wide, -wide), max(high, -high)
	case "image/webp":
		head := make([]byte, 30)
		if _, err := io.ReadFull(f, head); err != nil {
			return unsafe("file-damaged", "the picture is damaged", "图片已损坏")
		}
		switch string(head[12:16]) {
		case "VP8X":
			wide = 1 + int(head[24]) + int(head[25])<<8 + int(head[26])<<16
			high = 1 + int(head[27]) + int(head[28])<<8 + int(head[29])<<16
		case "VP8L":
			b := binary.LittleEndian.Uint32(head[21:])
			wide, high = 1+int(b&0x3fff), 1+int(b>>14&0x3fff)
		case "VP8 ":
			wide, high = int(binary.LittleEndian.Uint16(head[26:])&0x3fff), int(binary.LittleEndian.Uint16(head[28:])&0x3fff)
		}
	}
	if wide <= 0 || high <= 0 {
		return unsafe("file-damaged", "the picture is damaged", "图片已损坏")
	}
	if wide > maxSide || high > maxSide || wide*high > maxPixels {
		return unsafe("image-too-large", fmt.Sprintf("the picture is %d × %d pixels; at most %d each way, %d million together", wide, high, maxSide, maxPixels/1_000_000), "图片尺寸过大")
	}
	if err := notTwo(f); err != nil {
		return err
	}
	return noScript(f)
}

var errTwoKinds = unsafe("file-two-kinds", "the file is of two kinds at once", "文件同时伪装成两种类型")

// notTwo refuses files that begin as one kind and end as a package or program that other software would open.
func notTwo(f file) error {
	tail := make([]byte, min(f.size, 66_000))
	if _, err := f.ReadAt(tail, f.size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("blob: inspect: %w", err)
	}
	if at := bytes.LastIndex(tail, []byte("PK\x05\x06")); at >= 0 && len(tail)-at >= 22 {
		if end := at + 22 + int(binary.LittleEndian.Uint16(tail[at+20:])); end == len(tail) {
			return errTwoKinds
		}
	}
	if f.kind != "application/pdf" {
		head := make([]byte, min(f.size, 1024)) // where readers of PDF look for its beginning
		if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("blob: inspect: %w", err)
		}
		if bytes.Contains(head, []byte("%PDF-")) {
			return errTwoKinds
		}
	}
	return nil
}

// noScript looks through a picture for markup that a careless program would run.
func noScript(f file) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("blob: inspect: %w", err)
	}
	const overlap = 32
	buf := make([]byte, 64<<10)
	kept := 0
	for {
		n, err := io.ReadFull(f, buf[kept:])
		text := bytes.ToLower(buf[:kept+n])
		for _, bad := range []string{"<script", "<html", "<!doctype html", "<?php", "<iframe"} {
			if bytes.Contains(text, []byte(bad)) {
				return errTwoKinds
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			return fmt.Errorf("blob: inspect: %w", err)
		}
		kept = copy(buf, buf[len(buf)-overlap:])
	}
}

// preamble: the first 128 bytes of DICOM are anybody's; a program or page may hide there.
func preamble(f file) error {
	head := make([]byte, 128)
	if _, err := f.ReadAt(head, 0); err != nil {
		return fmt.Errorf("blob: inspect: %w", err)
	}
	if program(head) || scripted(head) || bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.Contains(head, []byte("%PDF-")) || bytes.HasPrefix(head, []byte("GIF8")) {
		return errTwoKinds
	}
	return notTwo(f)
}

// noEntities: nothing here reads these documents, but who opens them may read his own files into them.
func noEntities(f file) error {
	head := make([]byte, min(f.size, 64<<10))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("blob: inspect: %w", err)
	}
	if bytes.Contains(head, []byte("<!ENTITY")) {
		return unsafe("file-entities", "XML that declares entities is not taken", "不接受声明实体的 XML")
	}
	return nil
}

func openPackage(f file) (*zip.Reader, error) {
	z, err := zip.NewReader(f, f.size)
	if err != nil {
		return nil, unsafe("file-damaged", "the package is damaged", "文件包已损坏")
	}
	if len(z.File) > maxEntries {
		return nil, unsafe("file-bomb", fmt.Sprintf("the package has %d entries; at most %d", len(z.File), maxEntries), "文件包内条目过多")
	}
	return z, nil
}

// packageOf tells a document by the list of its contents; "" for any other package.
func packageOf(f file) (string, error) {
	z, err := openPackage(f)
	if err != nil {
		return "", err
	}
	has := map[string]bool{}
	for _, e := range z.File {
		has[e.Name] = true
	}
	switch {
	case !has["[Content_Types].xml"]:
	case has["xl/workbook.xml"]:
		return sheet, nil
	case has["word/document.xml"]:
		return document, nil
	}
	return "", nil
}

var errBomb = unsafe("file-bomb", "the package unpacks to far more than it is", "文件包解压后过大")

// parcel bounds what a document of parts becomes when it is opened, and takes none with programs in it.
func parcel(f file) error {
	kind, err := packageOf(f)
	if err != nil {
		return err
	}
	if kind != f.kind {
		return unsafe("file-damaged", "the package is not the document that it seems to be", "文件包与其类型不符")
	}
	z, err := openPackage(f)
	if err != nil {
		return err
	}
	total := int64(0)
	for _, e := range z.File {
		name := strings.ToLower(e.Name)
		switch {
		case !filepath.IsLocal(strings.TrimSuffix(e.Name, "/")) || strings.Contains(e.Name, `\`):
			return unsafe("file-paths", "the package names files outside itself", "文件包含有非法路径")
		case strings.HasSuffix(name, "vbaproject.bin") || strings.Contains(name, "/activex/") || strings.Contains(name, "/macrosheets/"):
			return unsafe("file-macro", "documents with macros are not taken", "不接受带宏的文档")
		case path.Ext(name) == ".zip" || path.Ext(name) == ".jar" || path.Ext(name) == ".exe" || path.Ext(name) == ".js" || path.Ext(name) == ".docx" || path.Ext(name) == ".xlsx":
			return unsafe("file-nested", "the package has packages or programs in it", "文件包内含有压缩包或程序")
		}
		if e.UncompressedSize64 > maxUnpacked || e.UncompressedSize64 > 1<<20 && e.UncompressedSize64/max(e.CompressedSize64, 1) > maxRatio {
			return errBomb
		}
		r, err := e.Open()
		if err != nil {
			return unsafe("file-damaged", "the package is damaged", "文件包已损坏")
		}
		n, err := io.Copy(io.Discard, io.LimitReader(r, maxUnpacked-total+1)) // what it says about its length need not be true
		r.Close()
		if total += n; total > maxUnpacked || n > 1<<20 && n/max(int64(e.CompressedSize64), 1) > maxRatio {
			return errBomb
		}
		if err != nil {
			return unsafe("file-damaged", "the package is damaged", "文件包已损坏")
		}
	}
	return nil
}
