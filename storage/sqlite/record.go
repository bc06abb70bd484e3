package sqlite

import (
	"encoding/binary"
	"math"
)

// decodeRecord returns the values of a record: nil, int64, float64, string or []byte. It
// reports false if it makes no sense.
func decodeRecord(b []byte) ([]any, bool) {
	size, n := varint(b)
	if n == 0 || size < int64(n) || size > int64(len(b)) {
		return nil, false
	}
	types, body := b[n:size], b[size:]
	var values []any
	for len(types) > 0 {
		kind, n := varint(types)
		if n == 0 {
			return nil, false
		}
		types = types[n:]
		v, length, ok := decodeValue(kind, body)
		if !ok {
			return nil, false
		}
		values, body = append(values, v), body[length:]
	}
	return values, len(body) == 0
}

// integerSizes are the bytes of integers by their type.
var integerSizes = [...]int{1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}

// decodeValue reads a value of a type off b, and how long it is.
func decodeValue(kind int64, b []byte) (v any, length int, ok bool) {
	switch {
	case kind == 0:
		return nil, 0, true
	case kind == 8, kind == 9:
		return kind - 8, 0, true
	case kind == 7:
		if len(b) < 8 {
			return nil, 0, false
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b)), 8, true
	case kind >= 1 && kind <= 6:
		length = integerSizes[kind]
		if len(b) < length {
			return nil, 0, false
		}
		i := int64(int8(b[0]))
		for _, c := range b[1:length] {
			i = i<<8 | int64(c)
		}
		return i, length, true
	case kind >= 12:
		if n := (kind - 12) / 2; n > int64(len(b)) {
			return nil, 0, false
		} else if length = int(n); kind%2 == 0 {
			return append([]byte{}, b[:length]...), length, true
		}
		return string(b[:length]), length, true
	}
	return nil, 0, false
}
