package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// page serves the built page from memory: files under assets/ carry their hash in the name and never
// change, everything that is not a file is index.html, which finds its own way.
type page struct {
	files map[string]*pageFile
}

type pageFile struct {
	body, packed []byte
	mime, tag    string
}

const notBuilt = `<!doctype html><html lang="zh"><meta charset="utf-8"><title>杏林</title>
<body><h1>杏林</h1><p>页面尚未构建：请运行 <code>make build</code>。接口在 <a href="/fhir/metadata">/fhir</a>。</p>
<p lang="en">The page has not been built: run <code>make build</code>. The API is at <a href="/fhir/metadata">/fhir</a>.</p></body></html>`

func newPage(dist fs.FS) (*page, error) {
	p := &page{files: map[string]*pageFile{}}
	err := fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		body, err := fs.ReadFile(dist, name)
		if err != nil {
			return err
		}
		p.files["/"+name], err = pack(name, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("server: page: %w", err)
	}
	if p.files["/index.html"] == nil {
		if p.files["/index.html"], err = pack("index.html", []byte(notBuilt)); err != nil {
			return nil, fmt.Errorf("server: page: %w", err)
		}
	}
	return p, nil
}

// built tells whether the page is really there.
func built(dist fs.FS) bool {
	_, err := fs.Stat(dist, "index.html")
	return err == nil
}

func pack(name string, body []byte) (*pageFile, error) {
	sum := sha256.Sum256(body)
	f := &pageFile{body: body, mime: mime.TypeByExtension(path.Ext(name)), tag: `"` + hex.EncodeToString(sum[:12]) + `"`}
	switch path.Ext(name) { // the machine's own table may lack or bend these
	case ".js", ".mjs":
		f.mime = "text/javascript; charset=utf-8"
	case ".css":
		f.mime = "text/css; charset=utf-8"
	case ".html":
		f.mime = "text/html; charset=utf-8"
	case ".json":
		f.mime = "application/json"
	case ".svg":
		f.mime = "image/svg+xml"
	case ".wasm":
		f.mime = "application/wasm"
	case ".woff2":
		f.mime = "font/woff2"
	case "":
		f.mime = "application/octet-stream"
	}
	switch path.Ext(name) {
	case ".png", ".jpg", ".webp", ".woff2", ".gz":
		return f, nil
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.DefaultCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(body); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if b.Len() < len(body) {
		f.packed = b.Bytes()
	}
	return f, nil
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := path.Clean(r.URL.Path)
	f, ok := p.files[name]
	if !ok {
		if strings.HasPrefix(name, "/assets/") || path.Ext(name) != "" {
			http.NotFound(w, r)
			return
		}
		name = "/index.html"
		f = p.files[name]
	}
	h := w.Header()
	if strings.HasPrefix(name, "/assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	h.Set("Content-Type", f.mime)
	h.Set("ETag", f.tag)
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.body
	if f.packed != nil {
		h.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = f.packed
		}
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method == http.MethodGet {
		w.Write(body)
	}
}
