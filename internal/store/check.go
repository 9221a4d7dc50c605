package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store/engine"
	"github.com/xinglin-health/xinglin/internal/store/migrations"
)

// Finding is one thing that is wrong with an installation, and how to mend it.
type Finding struct {
	Code     string `json:"code"` // stable, e.g. "orphan-rows"
	Text, Zh string
	Mend     string
	MendZh   string
}

// Check looks for damage; no findings means none was found. It reads the whole database.
func (s *Store) Check(ctx context.Context) ([]Finding, error) {
	var found []Finding
	add := func(f Finding) { found = append(found, f) }
	err := s.View(ctx, func(tx *Tx) error {
		if s.db.Dialect() == engine.SQLite {
			err := tx.Query(ctx, "PRAGMA integrity_check(20)", nil, func(scan func(...any) error) error {
				var line string
				if err := scan(&line); err != nil || line == "ok" {
					return err
				}
				add(Finding{"integrity", "the database file is damaged: " + line, "数据库文件已损坏：" + line,
					"stop the server and restore the last backup; keep the damaged file", "请停止服务并恢复最近的备份，保留损坏的文件"})
				return nil
			})
			if err != nil {
				return err
			}
		}
		for _, c := range []struct{ code, query, text, zh string }{
			{"orphan-id", "SELECT count(*) FROM resource_id i LEFT JOIN resource r ON r.rid = i.rid WHERE r.rid IS NULL", "ids without a resource", "没有资源的编号"},
			{"missing-version", "SELECT count(*) FROM resource r LEFT JOIN version v ON v.seq = r.seq AND v.rid = r.rid AND v.vid = r.vid WHERE r.vid > 0 AND v.seq IS NULL", "resources without their current version", "缺少当前版本的资源"},
			{"missing-history", "SELECT count(*) FROM (SELECT rid FROM version GROUP BY rid HAVING max(vid) <> count(*)) n", "resources with gaps in their history", "历史版本不连续的资源"},
			{"orphan-rows", "SELECT count(*) FROM compartment c LEFT JOIN resource r ON r.rid = c.rid WHERE r.rid IS NULL", "compartment rows without a resource", "没有资源的归属记录"},
			{"orphan-rows", "SELECT count(*) FROM ix_token x LEFT JOIN resource r ON r.rid = x.rid WHERE r.rid IS NULL OR r.deleted = 1", "index rows without a living resource", "没有有效资源的索引记录"},
			{"orphan-rows", "SELECT count(*) FROM ix_ref x LEFT JOIN resource r ON r.rid = x.rid WHERE r.rid IS NULL OR r.deleted = 1", "reference rows without a living resource", "没有有效资源的引用记录"},
		} {
			var n int64
			if _, err := tx.one(ctx, c.query, nil, &n); err != nil {
				return err
			}
			if n > 0 {
				add(Finding{c.code, fmt.Sprintf("%d %s", n, c.text), fmt.Sprintf("%d 条%s", n, c.zh),
					"restore the last backup into an empty place and compare; report it with this code", "请在空目录恢复最近的备份并核对，连同此代码上报"})
			}
		}
		var waiting, withheld int64
		if _, err := tx.one(ctx, "SELECT count(*), coalesce(sum(withhold), 0) FROM reindex", nil, &waiting, &withheld); err != nil {
			return err
		}
		if waiting > 0 {
			add(Finding{"indexing", fmt.Sprintf("%d search parameters are being indexed, %d of them cannot be searched by until then", waiting, withheld),
				fmt.Sprintf("%d 个检索条件正在建立索引，其中 %d 个暂不能用于检索", waiting, withheld),
				"start the server and let it finish; GET /fhir/$reindex tells how far it is", "请启动服务等待完成；进度见 GET /fhir/$reindex"})
		}
		have := map[string]bool{}
		err := tx.Query(ctx, "SELECT name FROM migration", nil, func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			have[name] = true
			return err
		})
		if err != nil {
			return err
		}
		known := map[string]bool{}
		for _, m := range migrations.All {
			known[m.Name] = true
		}
		for _, m := range s.opts.Migrations {
			known[m.Name] = true
		}
		for name := range have {
			if !known[name] {
				add(Finding{"newer-database", "the database was changed by a newer program: " + name, "数据库已被更新版本的程序升级：" + name,
					"run that program's release or a later one", "请使用该版本或更新版本的程序"})
			}
		}
		return nil
	})
	if err != nil {
		return found, fmt.Errorf("store: check: %w", err)
	}
	if s.dir != "" && s.opts.Key == nil && s.keep.index == nil {
		if info, err := os.Stat(filepath.Join(s.dir, keyName)); err != nil {
			add(Finding{"hub-key", "hub.key is missing: patients cannot be found by number or telephone", "缺少 hub.key：无法按证件号或电话查找患者",
				"put back hub.key from a backup", "请从备份中恢复 hub.key"})
		} else if info.Mode().Perm()&0o077 != 0 {
			add(Finding{"hub-key-open", "hub.key can be read by other users of this machine", "本机其他用户可以读取 hub.key", "chmod 600 hub.key", "请执行 chmod 600 hub.key"})
		}
	}
	return found, nil
}

// Stats counts what is kept.
type Stats struct {
	Database  string           `json:"database"`
	Resources int64            `json:"resources"`
	Versions  int64            `json:"versions"`
	Deleted   int64            `json:"deleted"`
	Types     map[string]int64 `json:"types"`
	Bytes     int64            `json:"bytes"` // of the database on disk
	LastSeq   int64            `json:"lastSeq"`
}

// Stats answers with counts by type and the size on disk.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	st := Stats{Database: s.Database(), Types: map[string]int64{}}
	err := s.View(ctx, func(tx *Tx) error {
		err := tx.Query(ctx, "SELECT type, count(*), sum(deleted) FROM resource WHERE vid > 0 GROUP BY type", nil, func(scan func(...any) error) error {
			var typ int16
			var n, deleted int64
			if err := scan(&typ, &n, &deleted); err != nil {
				return err
			}
			st.Types[spec.TypeName(typ)] = n - deleted
			st.Resources += n - deleted
			st.Deleted += deleted
			return nil
		})
		if err != nil {
			return err
		}
		if _, err := tx.one(ctx, "SELECT count(*), coalesce(max(seq), 0) FROM version", nil, &st.Versions, &st.LastSeq); err != nil {
			return err
		}
		size := "SELECT pg_database_size(current_database())"
		if s.db.Dialect() == engine.SQLite {
			size = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
		}
		_, err = tx.one(ctx, size, nil, &st.Bytes)
		return err
	})
	return st, err
}
