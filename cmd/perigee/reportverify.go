package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"perigee"
	"perigee/internal/evidence"
)

// verifyJSON is what --verify --json prints.
type verifyJSON struct {
	Evidence       string          `json:"evidence"`
	OK             bool            `json:"ok"`
	DataSHA256     *string         `json:"data_sha256"`     // as the manifest has it
	ManifestSHA256 *string         `json:"manifest_sha256"` // null: there is no manifest that can be read
	Report         *string         `json:"report"`          // null: none was named, so nobody vouches for the manifest
	Findings       []verifyFinding `json:"findings"`
}

type verifyFinding struct {
	File    string `json:"file"`
	Problem string `json:"problem"`
}

// verify checks an evidence file, and that a report was made from it.
func (c reportCommand) verify(s streams) error {
	f, err := os.Open(c.Verify)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("%s is not a file", c.Verify)}
	}
	result, err := evidence.Verify(f, info.Size())
	if err != nil {
		return fmt.Errorf("verify %s: %w", c.Verify, err)
	}
	answer := verifyJSON{Evidence: c.Verify, Findings: []verifyFinding{}}
	for _, found := range result.Findings {
		answer.find(found.File, found.Problem)
	}
	if result.ManifestSHA256 != "" {
		answer.ManifestSHA256, answer.DataSHA256 = &result.ManifestSHA256, &result.Manifest.DataSHA256
	}
	if c.Report != "" {
		answer.Report = &c.Report
		if err := answer.compareReport(c.Report); err != nil {
			return err
		}
	}
	answer.OK = len(answer.Findings) == 0
	if c.JSON {
		err = writeJSON(s.out, answer)
	} else {
		err = answer.print(s.out)
	}
	if err == nil && !answer.OK {
		return errExit(exitFailed)
	}
	return err
}

func (v *verifyJSON) find(file, problem string) {
	if file == "" {
		file = v.Evidence
	}
	v.Findings = append(v.Findings, verifyFinding{file, problem})
}

// The hashes in the head of a report.
var reportHash = regexp.MustCompile(`<meta name="perigee-(data|manifest)-sha256" content="([0-9a-f]{64})?">`)

// headBytes is how much of a report is read for its head, which comes first.
const headBytes = 64 << 10

// compareReport checks that the report is of this evidence.
func (v *verifyJSON) compareReport(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, headBytes)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return err
	}
	named := map[string]string{}
	for _, found := range reportHash.FindAllSubmatch(head[:n], 2) {
		named[string(found[1])] = string(found[2])
	}
	if len(named) < 2 {
		v.find(name, "is no report of perigee: its head names no hashes")
		return nil
	}
	switch {
	case named["manifest"] == "":
		v.find(name, "was made without evidence: it names no manifest")
	case v.ManifestSHA256 == nil:
	case named["manifest"] != *v.ManifestSHA256:
		v.find(evidence.ManifestName, fmt.Sprintf("was changed, or belongs to another report: its SHA-256 is %s, %s says %s", *v.ManifestSHA256, name, named["manifest"]))
	}
	if v.DataSHA256 != nil && named["data"] != *v.DataSHA256 {
		v.find(name, fmt.Sprintf("is of other data: it says %s, the manifest %.64s", named["data"], *v.DataSHA256))
	}
	return nil
}

// print tells a person what was found. Names in a stranger's file may hold anything, so
// they are quoted.
func (v verifyJSON) print(w io.Writer) error {
	text := ""
	for _, f := range v.Findings {
		text += fmt.Sprintf("%s %s\n", plainName(f.File), f.Problem)
	}
	if v.ManifestSHA256 != nil {
		text += fmt.Sprintf("manifest SHA-256 %s\ndata SHA-256     %.64s\n", *v.ManifestSHA256, *v.DataSHA256)
	}
	switch {
	case !v.OK && len(v.Findings) == 1:
		text += fmt.Sprintf("%s does not hold: 1 problem\n", plainName(v.Evidence))
	case !v.OK:
		text += fmt.Sprintf("%s does not hold: %d problems\n", plainName(v.Evidence), len(v.Findings))
	case v.Report == nil:
		text += fmt.Sprintf("%s is in itself as it was written; compare the hash of its manifest with the report's, or name that with --report\n", plainName(v.Evidence))
	default:
		text += fmt.Sprintf("%s is as it was written, and %s was made from it\n", plainName(v.Evidence), plainName(*v.Report))
	}
	_, err := io.WriteString(w, text)
	return err
}

// plainName is name, quoted if it holds anything but printable ASCII.
func plainName(name string) string {
	for _, c := range name {
		if c < ' ' || c > '~' {
			return fmt.Sprintf("%q", name)
		}
	}
	return name
}
