package storagetest_test

import (
	"testing"

	"perigee"
	"perigee/storage/storagetest"
)

func TestMemoryConforms(t *testing.T) {
	storagetest.RunStore(t, func(*testing.T) perigee.Store { return storagetest.NewMemory() }, storagetest.Properties{})
}
