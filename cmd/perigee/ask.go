package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"perigee"
)

// An asker asks somebody at the terminal.
type asker struct {
	s     streams
	lines *bufio.Scanner
	quiet bool // every question has its default for an answer
}

func newAsker(s streams, quiet bool) *asker {
	return &asker{s: s, lines: bufio.NewScanner(s.in), quiet: quiet}
}

// ask asks until take accepts the answer; take is given otherwise for an empty line. It
// fails where there is nobody to answer.
func (a *asker) ask(question, otherwise string, take func(string) error) error {
	if a.quiet {
		return take(otherwise)
	}
	for {
		fmt.Fprintf(a.s.err, "%s [%s]: ", question, otherwise)
		if !a.lines.Scan() {
			a.s.notef("")
			err := a.lines.Err()
			if err == nil {
				err = io.ErrUnexpectedEOF
			}
			return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("nobody answers %q; --yes takes every default", question), Err: err}
		}
		answer := strings.TrimSpace(a.lines.Text())
		if answer == "" {
			answer = otherwise
		}
		err := take(answer)
		if err == nil {
			return nil
		}
		a.s.notef("  %v", err)
	}
}

// yes asks a question whose default is no.
func (a *asker) yes(question string) (yes bool, err error) {
	err = a.ask(question+"?", "no", func(answer string) error {
		switch strings.ToLower(answer) {
		case "y", "yes":
			yes = true
		case "n", "no":
			yes = false
		default:
			return fmt.Errorf("answer yes or no")
		}
		return nil
	})
	return yes, err
}

// unknown is the answer of who does not know or does not want to say.
const unknown = "-"

// ask asks what nothing on the machine tells, and settles what follows from the answers.
func (p *proposal) ask(a *asker) error {
	if err := a.ask("Name of this site", p.site.Name, func(answer string) error { p.site.Name = answer; return nil }); err != nil {
		return err
	}
	err := a.ask("Its latitude and longitude in degrees, such as -35.28, 149.13", unknown, func(answer string) error {
		if answer == unknown {
			return nil
		}
		north, east, ok := strings.Cut(answer, ",")
		latitude, err1 := strconv.ParseFloat(strings.TrimSpace(north), 64)
		longitude, err2 := strconv.ParseFloat(strings.TrimSpace(east), 64)
		if !ok || err1 != nil || err2 != nil || !(latitude >= -90 && latitude <= 90) || !(longitude >= -180 && longitude <= 180) {
			return fmt.Errorf("write two numbers with a comma between, north from -90 to 90 and east from -180 to 180, or %s", unknown)
		}
		p.site.Latitude, p.site.Longitude, p.site.Located = latitude, longitude, true
		return nil
	})
	if err != nil {
		return err
	}
	for i := range p.links {
		l := &p.links[i]
		if l.sure {
			continue
		}
		was := l.orbit
		err := a.ask(fmt.Sprintf("What is %s (%s)", l.device, orbitWords()), string(was), func(answer string) error {
			if l.orbit = perigee.Orbit(answer); !l.orbit.Valid() {
				return fmt.Errorf("%q is not one of %s", answer, orbitWords())
			}
			return nil
		})
		if err != nil {
			return err
		}
		if !a.quiet {
			l.because = append(l.because, fmt.Sprintf("you said %s", l.orbit))
		}
	}
	p.settle()
	for i := range p.links {
		l := &p.links[i]
		if l.budget == 0 {
			continue
		}
		err := a.ask(fmt.Sprintf("How much may perigee move over %s (%s) in a month; 0 is no limit", l.name, l.device), wholeBytes(l.budget), func(answer string) error {
			var n byteCount
			if err := n.UnmarshalText([]byte(answer)); err != nil {
				return err
			}
			if n != 0 && n < 1e6 {
				return fmt.Errorf("write 1MB or more, or 0")
			}
			l.budget = int64(n)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// orbitWords lists the words for orbits.
func orbitWords() string {
	var words []string
	for _, o := range perigee.Orbits {
		words = append(words, string(o))
	}
	return strings.Join(words, ", ")
}
