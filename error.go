package perigee

import "errors"

// Code tells kinds of failure apart for those who must act on them: the CLI's exit
// status and the API's HTTP status are derived from it and from nothing else.
type Code string

// The codes.
const (
	CodeInvalid       Code = "invalid"         // the request or configuration is wrong
	CodeNotFound      Code = "not_found"       // what was named does not exist
	CodePermission    Code = "permission"      // the system does not allow it
	CodeNotEnoughData Code = "not_enough_data" // the question cannot be answered yet

	CodeUnauthenticated Code = "unauthenticated" // who asks has not shown who they are
	CodeTooMany         Code = "too_many"        // who asks has asked too often
	CodeTooDear         Code = "too_dear"        // the question takes more work than one may

	CodeUnavailable Code = "unavailable" // try again later
	CodeInternal    Code = "internal"    // ours
)

// Error is a failure with a Code and a sentence for the user. The cause is for logs.
type Error struct {
	Code    Code
	Message string // lower case, no period, begins with the subject, names the remedy
	Err     error  // the cause, if any
}

// Error returns the message and the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first *Error in err's chain, CodeInternal if there
// is none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}
