package sqlite

import "time"

// Look has files that are opened from now on looked at that often, until restore is called.
func Look(every time.Duration) (restore func()) {
	was := look
	look = every
	return func() { look = was }
}

// AtStep has f told of each step of setting a file aside and carrying over from it.
func AtStep(f func(step string)) { atStep = f }
