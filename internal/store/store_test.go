package store_test

import (
	"testing"

	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

func TestStore(t *testing.T) { storetest.Both(t, storetest.Run) }
