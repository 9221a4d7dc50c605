package rest

import (
	"strconv"

	"github.com/xinglin-health/xinglin/internal/store"
)

func (s *server) vread(c *call) (*answer, error) {
	if err := c.may(mayRead, c.typ); err != nil {
		return nil, err
	}
	vid, err := strconv.ParseInt(c.vid, 10, 64)
	if err != nil || vid < 1 {
		return nil, notFound()
	}
	var v store.Version
	err = s.Store.View(c.ctx, func(tx *store.Tx) (err error) {
		v, err = tx.ReadVersion(c.ctx, c.scope, c.typ, c.id, vid)
		return err
	})
	if err == nil {
		err = s.inContext(c, v)
	}
	if err != nil {
		return nil, err
	}
	return c.show(v)
}
