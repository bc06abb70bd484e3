package stats

import (
	"errors"
	"fmt"
	"math"

	"github.com/DataDog/sketches-go/ddsketch/encoding"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
)

// The flags that Encode writes, each before its part of the sketch.
var (
	flagMapping              = encoding.FlagIndexMappingBaseLogarithmic
	flagZeros                = encoding.FlagZeroCountVarFloat
	flagSingles              = encoding.NewFlag(encoding.FlagTypePositiveStore, encoding.BinEncodingIndexDeltas)
	flagContiguous           = encoding.NewFlag(encoding.FlagTypePositiveStore, encoding.BinEncodingContiguousCounts)
	flagPairs                = encoding.NewFlag(encoding.FlagTypePositiveStore, encoding.BinEncodingIndexDeltasAndCounts)
	errSketchMapping         = errors.New("no index mapping")
	errSketchCount           = errors.New("a count that is not a whole number from 0 to 2^53")
	errSketchBins            = errors.New("more bins than bytes")
	errSketchIndex           = errors.New("a bin outside the range of numbers")
	minBinIndex              = indexMapping.Index(indexMapping.MinIndexableValue()) - 1
	maxBinIndex              = indexMapping.Index(indexMapping.MaxIndexableValue()) + 1
	maxCount         float64 = 1 << 53
)

// DecodeSketch reads what Encode wrote. It fails on truncated or foreign bytes and
// on a sketch made with another mapping, which could not be merged. No bytes bound
// as they are make it panic or take memory out of proportion.
//
// It does not use the library's decoder, which (v1.4.8) drops the errors of its
// stores, and so takes a truncated sketch for a whole one, and takes memory for as
// many bins as the bytes claim.
func DecodeSketch(b []byte) (Sketch, error) {
	if len(b) == 0 {
		return Sketch{}, nil
	}
	d := sketchDecoder{rest: b, sketch: Sketch{dd: newDDSketch()}}
	err := d.decode()
	if err == nil && !d.mapped {
		err = errSketchMapping
	}
	if err != nil {
		return Sketch{}, fmt.Errorf("decode sketch of %d bytes, at %d: %w", len(b), len(b)-len(d.rest), err)
	}
	return d.sketch, nil
}

type sketchDecoder struct {
	rest   []byte
	sketch Sketch
	mapped bool    // whether the mapping was seen
	total  float64 // of the counts so far
}

func (d *sketchDecoder) decode() error {
	for len(d.rest) > 0 {
		flag, err := encoding.DecodeFlag(&d.rest)
		if err != nil {
			return err
		}
		switch flag {
		case flagMapping:
			err = d.mapping(flag)
		case flagZeros:
			err = d.zeros()
		case flagSingles:
			err = d.bins(func() (float64, error) { return 1, nil })
		case flagPairs:
			err = d.bins(d.count)
		case flagContiguous:
			err = d.contiguous()
		default:
			return fmt.Errorf("unknown part %v", flag)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *sketchDecoder) mapping(flag encoding.Flag) error {
	m, err := mapping.Decode(&d.rest, flag)
	if err != nil {
		return err
	}
	if !indexMapping.Equals(m) {
		return fmt.Errorf("mapping with relative error %g, want %g", m.RelativeAccuracy(), RelativeError)
	}
	d.mapped = true
	return nil
}

func (d *sketchDecoder) zeros() error {
	n, err := d.count()
	if err != nil {
		return err
	}
	return d.sketch.dd.AddWithCount(0, n)
}

// bins reads bins that each state their distance from the one before.
func (d *sketchDecoder) bins(count func() (float64, error)) error {
	n, err := d.length()
	if err != nil {
		return err
	}
	index := int64(0)
	for range n {
		delta, err := encoding.DecodeVarint64(&d.rest)
		if err != nil {
			return err
		}
		c, err := count()
		if err != nil {
			return err
		}
		index += delta
		if err := d.add(index, c); err != nil {
			return err
		}
	}
	return nil
}

// contiguous reads bins that lie at equal distances.
func (d *sketchDecoder) contiguous() error {
	n, err := d.length()
	if err != nil {
		return err
	}
	index, err := encoding.DecodeVarint64(&d.rest)
	if err != nil {
		return err
	}
	delta, err := encoding.DecodeVarint64(&d.rest)
	if err != nil {
		return err
	}
	for range n {
		c, err := d.count()
		if err != nil {
			return err
		}
		if err := d.add(index, c); err != nil {
			return err
		}
		index += delta
	}
	return nil
}

// length reads a number of bins, each of which takes at least a byte.
func (d *sketchDecoder) length() (uint64, error) {
	n, err := encoding.DecodeUvarint64(&d.rest)
	if err == nil && n > uint64(len(d.rest)) {
		err = errSketchBins
	}
	return n, err
}

// count reads a count, and keeps the sum of all within what a float64 holds exactly.
func (d *sketchDecoder) count() (float64, error) {
	c, err := encoding.DecodeVarfloat64(&d.rest)
	if err != nil {
		return 0, err
	}
	if !(c >= 0 && c <= maxCount) || c != math.Trunc(c) {
		return 0, errSketchCount
	}
	if d.total += c; d.total > maxCount {
		return 0, errSketchCount
	}
	return c, nil
}

func (d *sketchDecoder) add(index int64, count float64) error {
	if count == 0 {
		return nil
	}
	if index < int64(minBinIndex) || index > int64(maxBinIndex) {
		return errSketchIndex
	}
	d.sketch.dd.GetPositiveValueStore().AddWithCount(int(index), count)
	return nil
}
