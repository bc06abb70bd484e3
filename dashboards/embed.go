// Package dashboards holds what people look at: the page that the monitor serves. It
// is files, built from web/src and embedded; it knows nothing of HTTP or of the numbers it shows, which the
// page fetches from the interface beside it.
package dashboards

import (
	"crypto/sha256"
	"embed"
	"fmt"
)

// Page is one file of the page.
type Page struct {
	Type    string // media type
	ETag    string // changes with the content
	Content []byte
}

//go:embed web/dist
var web embed.FS

// Pages are the files of the page by the path at which they are to be served. They
// refer to each other by these paths and to nothing elsewhere.
var Pages = map[string]Page{
	"/":          page("index.html", "text/html; charset=utf-8"),
	"/app.js":    page("app.js", "text/javascript; charset=utf-8"),
	"/style.css": page("style.css", "text/css; charset=utf-8"),
	"/icon.svg":  page("icon.svg", "image/svg+xml"),
}

func page(name, mediaType string) Page {
	content, err := web.ReadFile("web/dist/" + name)
	if err != nil {
		panic(err) // only if the file was missing when this was built
	}
	return Page{Type: mediaType, ETag: fmt.Sprintf(`"%x"`, sha256.Sum256(content))[:20] + `"`, Content: content}
}
