package intake

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/clock"
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/validate"
	"github.com/xinglin-health/xinglin/internal/registry"
	"github.com/xinglin-health/xinglin/internal/store"
	"github.com/xinglin-health/xinglin/internal/store/storetest"
)

type house struct {
	t     *testing.T
	store *store.Store
	tree  *access.Tree
	plan  Planner
}

func open(t *testing.T, with storetest.Open) *house {
	h := &house{t: t, tree: access.NewTree()}
	room := &registry.Room{Tree: h.tree, Zone: time.FixedZone("CST", 8*3600)}
	h.store = with(t, store.Options{Clock: clock.At(storetest.Start), Migrations: registry.Migrations, Derive: []store.Deriver{h.tree.Derive, room.Derive}, Guard: []store.Guard{room.Guard}})
	h.plan = Planner{Room: room, Validate: validate.Resource}
	return h
}

func (h *house) see(tables []Table) *Plan {
	h.t.Helper()
	var p *Plan
	err := h.store.View(context.Background(), func(tx *store.Tx) (err error) {
		p, err = h.plan.Plan(context.Background(), tx, tables)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

func (h *house) apply(p *Plan) {
	h.t.Helper()
	ctx := context.Background()
	err := h.store.Update(ctx, func(tx *store.Tx) error {
		for _, n := range p.Resources {
			ready, err := store.Prepare(n)
			if err != nil {
				return err
			}
			if _, err := tx.Put(ctx, store.Put{Op: store.Update, Type: n.Type(), ID: n.ID(), Resource: ready}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// book makes a workbook: sheet, lines of cells.
func book(t *testing.T, sheets map[string][][]any) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	for name, lines := range sheets {
		f.NewSheet(name)
		for i, l := range lines {
			f.SetSheetRow(name, fmt.Sprint("A", i+1), &l)
		}
	}
	f.DeleteSheet("Sheet1")
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var county = map[string][][]any{
	"机构": {{"机构编码*", "名称*", "网络层级", "等级", "上级机构编码", "统一社会信用代码", "电话"},
		{"qy", "青榆县人民医院", "县级医院", "二甲", "", registry.CreditCodeOf("12990301", "PDY99001"), "0990-5501"},
		{"qy-cg", "城关分院", "township", "", "qy"}},
	"科室":   {{"机构编码", "科室编码", "名称", "科室类型", "上级科室编码"}, {"qy", "xn", "心内科"}, {"qy", "xn-1", "心内一病区", "病区", "xn"}},
	"人员":   {{"机构编码", "工号", "姓名", "性别"}, {"qy", "1001", "李医生", "男"}, {"qy-cg", "1001", "王医生", "女"}},
	"执业证书": {{"机构编码", "工号", "执业类别", "证书编码", "执业范围", "开始日期", "结束日期"}, {"qy", "1001", "执业医师", "99110001", "内科专业", "2020-01-01", "2027-12-31"}},
	"任职": {{"机构编码", "科室编码", "工号", "职务", "角色", "开始日期", "结束日期", "授予权限"},
		{"qy", "xn", "1001", "行政主任", "", "2026-01-01", "", ""}, {"qy", "xn", "1001", "", "receiving-doctor", "2026-01-01", "", "处方权；narcotic"}},
	"服务能力": {{"机构编码", "科室编码", "能力编码", "名称", "能力类别", "开始日期"}, {"qy", "xn", "pci", "急诊冠脉介入", "技术", "2025-05-01"}},
}

func TestAWorkbookBecomesARegistryOnce(t *testing.T) {
	storetest.Both(t, func(t *testing.T, with storetest.Open) {
		h := open(t, with)
		tables, err := Read("county.xlsx", book(t, county))
		if err != nil {
			t.Fatal(err)
		}
		first := h.see(tables)
		if len(first.Problems) > 0 || fmt.Sprint(first.Counts) != "map[changed:0 created:9 unchanged:0]" {
			t.Fatalf("got %v, problems %v; want nine new", first.Counts, first.Problems)
		}
		h.apply(first)
		if again := h.see(tables); len(again.Resources) != 0 || again.Counts["unchanged"] != 9 || len(again.Problems) != 0 {
			t.Errorf("the same again: got %v, %v; want nothing to write", again.Counts, again.Problems)
		}
		tables[3].Rows[0].Cells[6] = "2030-12-31"
		tables[0].Rows[0].Cells[6] = "-"
		changed := h.see(tables)
		if changed.Counts["changed"] != 2 || changed.Counts["created"] != 0 {
			t.Errorf("two cells changed: got %v", changed.Counts)
		}
		var said []string
		for _, l := range changed.Lines {
			if l.Outcome == "changed" {
				said = append(said, fmt.Sprint(l.Table, l.Row, l.Changes))
			}
		}
		if got := strings.Join(said, " "); got != "机构2 [电话] 执业证书2 [结束日期]" {
			t.Errorf("got %s; want the two columns named", got)
		}
		ctx := context.Background()
		err = h.store.View(ctx, func(tx *store.Tx) error {
			posts, err := h.plan.Room.WhoIs(ctx, tx, "Organization/qy-xn", "administrative-director", storetest.Start, time.Time{})
			if len(posts) != 1 {
				t.Errorf("got %v; want the director of the table", posts)
				return err
			}
			l, err := h.plan.Room.Licences(ctx, tx, posts[0].Person)
			if len(l) != 1 || l[0].Number != "*0001" || l[0].Places[0] != "Organization/qy" {
				t.Errorf("got %v; want his licence at qy", l)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if p, _ := h.tree.Place("Organization/qy-xn-1"); p.Parent != "Organization/qy-xn" || p.Type != "ward" {
			t.Errorf("got %+v; want a ward of the department", p)
		}
	})
}

func TestProblemsAreNamedByRowAndColumn(t *testing.T) {
	h := open(t, storetest.Memory)
	tables, err := Read("county.xlsx", book(t, county))
	if err != nil {
		t.Fatal(err)
	}
	h.apply(h.see(tables))
	for _, c := range []struct{ rule, csv, want string }{
		{"a wrong check digit", "机构编码,名称,统一社会信用代码\nx,某院,91350100M000100Y44", "2 统一社会信用代码 bad-credit-code"},
		{"what is required", "机构编码,名称\nx,", "2 名称 required"},
		{"a word that is not in the list", "机构编码,名称,等级\nx,某院,九级", "2 等级 unknown-grade"},
		{"a parent that is not there", "机构编码,名称,上级机构编码\nx,某院,nowhere", "2 上级机构编码 unknown-organisation"},
		{"an institution within itself", "机构编码,名称,上级机构编码\nqy,某院,qy", "2 上级机构编码 organisation-ring"},
		{"the same twice", "机构编码,名称\nx,某院\ny,某院\nx,某院", "4  twice"},
		{"two rows wrong, both told", "机构编码,名称\nx,\ny,", "2 名称 required; 3 名称 required"},
		{"an unknown column", "机构编码,名称,颜色\nx,某院,红", "1 颜色 unknown-column"},
		{"a column twice", "机构编码,名称,名称\nx,某院,另院", "1 名称 column-twice"},
		{"a person whom nobody knows", "机构编码,工号,执业类别,证书编码\nqy,9999,护士,1", "2 工号 unknown-person"},
		{"a staff number counts where it was given", "机构编码,工号,执业类别,证书编码\nqy-cg,1001,护士,1", ""},
		{"a licence that ends before it begins", "机构编码,工号,执业类别,证书编码,开始日期,结束日期\nqy,1001,护士,1,2026-02-01,2026-01-01", "2 结束日期 bad-period"},
		{"a day that no calendar has", "机构编码,工号,执业类别,证书编码,开始日期\nqy,1001,护士,1,2026-02-30", "2 开始日期 bad-date"},
		{"a department of another hospital", "机构编码,科室编码,工号,职务,开始日期\nqy,gk,1001,主任,2026-01-01", "2 科室编码 unknown-department"},
		{"neither post nor role", "机构编码,科室编码,工号,职务,开始日期\nqy,xn,1001,,2026-01-01", "2 职务 required"},
		{"an unknown right", "机构编码,科室编码,工号,职务,开始日期,授予权限\nqy,xn,1001,主任,2026-01-01,处方权；飞行", "2 授予权限 unknown-rights"},
		{"all that is wrong with a row, at once", "机构编码,工号,姓名,性别,电话\nnowhere,1,,中性,1\n,2,,男,13900000000",
			"2 性别 unknown-sex; 2 电话 bad-phone; 2 姓名 required; 2 机构编码 unknown-organisation; 3 机构编码 required; 3 姓名 required"},
		{"a bad cell says nothing about other cells", "机构编码,名称,等级,统一社会信用代码\nx,某院,九级,1", "2 等级 unknown-grade; 2 统一社会信用代码 bad-credit-code"},
		{"an id with a slash", "机构编码,名称\n../x,某院", "2 机构编码 bad-id"},
	} {
		tables, err := Read("x.csv", []byte(c.csv))
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		var got []string
		for _, p := range h.see(tables).Problems {
			got = append(got, fmt.Sprint(p.Row, " ", p.Column, " ", p.Code))
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s: got %q; want %q", c.rule, s, c.want)
		}
	}
}

// A row that is wrong itself does not make those wrong that stand on it.
func TestOneWrongRowIsOneProblem(t *testing.T) {
	h := open(t, storetest.Memory)
	wrong := map[string][][]any{}
	for sheet, lines := range county {
		wrong[sheet] = slices.Clone(lines)
	}
	wrong["机构"] = [][]any{county["机构"][0], {"qy", "青榆县人民医院", "县级医院", "九级"}, county["机构"][2]}
	wrong["人员"] = [][]any{county["人员"][0], {"qy", "1001", "李医生", "中性"}, county["人员"][2]}
	tables, err := Read("county.xlsx", book(t, wrong))
	if err != nil {
		t.Fatal(err)
	}
	plan := h.see(tables)
	var got []string
	for _, p := range plan.Problems {
		got = append(got, p.Table+" "+p.Column+" "+p.Code)
	}
	if s := strings.Join(got, "; "); s != "机构 等级 unknown-grade; 人员 性别 unknown-sex" {
		t.Errorf("got %q; want the two cells, and nothing about departments, licences and posts", s)
	}
	for _, n := range plan.Resources {
		if n.ID() == "qy" {
			t.Error("a half read institution is among what would be written")
		}
	}
}

func TestNobodyImportsOutsideHisPartOfTheTree(t *testing.T) {
	h := open(t, storetest.Memory)
	tables, err := Read("county.xlsx", book(t, county))
	if err != nil {
		t.Fatal(err)
	}
	h.apply(h.see(tables))
	h.plan.Reach = func(org string) bool { return org != "" && h.tree.Within(org, "Organization/qy-cg") }
	for _, c := range []struct{ rule, csv, want string }{
		{"a person of one's own", "机构编码,工号,姓名\nqy-cg,7,某", ""},
		{"a person of the hospital above", "机构编码,工号,姓名\nqy,7,某", "outside-your-organisations"},
		{"a new institution beneath one's own, with people", "机构编码,名称,上级机构编码\nc1,村卫生室,qy-cg", ""},
		{"one at the top", "机构编码,名称\nc1,村卫生室", "outside-your-organisations"},
		{"one beneath another", "机构编码,名称,上级机构编码\nc1,村卫生室,qy", "outside-your-organisations"},
		{"a change of another", "机构编码,名称\nqy,改名", "outside-your-organisations"},
		{"a role elsewhere for one's own person", "机构编码,人员所属机构编码,工号,职务,开始日期\nqy,qy-cg,1001,主任,2026-01-01", "outside-your-organisations"},
		{"a role here for another's person", "机构编码,人员所属机构编码,工号,职务,开始日期\nqy-cg,qy,1001,主任,2026-01-01", ""},
	} {
		tables, err := Read("x.csv", []byte(c.csv))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if p := h.see(tables).Problems; len(p) > 0 {
			got = p[0].Code
		}
		if got != c.want {
			t.Errorf("%s: got %q; want %q", c.rule, got, c.want)
		}
	}
}

func packed(t *testing.T, parts map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, body := range parts {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	z.Close()
	return b.Bytes()
}

func TestFilesThatMeanHarmAreRefused(t *testing.T) {
	formula := func() []byte {
		f := excelize.NewFile()
		f.SetCellValue("Sheet1", "A1", "机构编码")
		f.SetCellFormula("Sheet1", "B2", `HYPERLINK("http://example.invalid","x")`)
		var b bytes.Buffer
		f.Write(&b)
		return b.Bytes()
	}()
	many := "机构编码,名称\n" + strings.Repeat("x,y\n", maxRows+1)
	for _, c := range []struct {
		rule string
		data []byte
		want string
	}{
		{"nothing", nil, "empty-file"},
		{"too large", make([]byte, MaxFile+1), "too-large"},
		{"an old or encrypted workbook", []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "not-xlsx"},
		{"a zip that is cut off", []byte("PK\x03\x04"), "bad-workbook"},
		{"a bomb", packed(t, map[string][]byte{"xl/worksheets/sheet1.xml": bytes.Repeat([]byte(" "), maxUnzip+10)}), "zip-bomb"},
		{"a bomb beside the sheets", packed(t, map[string][]byte{"xl/media/a.png": bytes.Repeat([]byte{0}, maxUnzip+10)}), "zip-bomb"},
		{"a formula", formula, "formula"},
		{"a link to another file", packed(t, map[string][]byte{"xl/externalLinks/externalLink1.xml": []byte("<a/>")}), "external-link"},
		{"macros", packed(t, map[string][]byte{"xl/vbaProject.bin": {1}}), "macros"},
		{"entities", packed(t, map[string][]byte{"xl/worksheets/sheet1.xml": []byte(`<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet/>`)}), "bad-workbook"},
		{"an entity that nobody declared", packed(t, map[string][]byte{"xl/worksheets/sheet1.xml": []byte(`<worksheet>&lol;</worksheet>`)}), "bad-workbook"},
		{"too many rows", []byte(many), "too-large"},
		{"a cell without end", []byte("机构编码,名称\nx," + strings.Repeat("长", maxCell+1)), "cell-too-long"},
		{"a picture", []byte("\x89PNG\r\n\x1a\n\x00\x00"), "bad-encoding bad-file unknown-table bad-csv"},
		{"another table", []byte("a,b\n1,2"), "unknown-table"},
		{"a zip of something else", packed(t, map[string][]byte{"a.txt": []byte("x")}), "bad-workbook"},
	} {
		_, err := Read("x", c.data)
		var fe *fhir.Error
		if !errors.As(err, &fe) || !strings.Contains(c.want, fe.Issues[0].Detail) {
			t.Errorf("%s: got %v; want %s", c.rule, err, c.want)
		}
	}
}

func TestCSVOfSpreadsheetsInChina(t *testing.T) {
	gb := []byte{0xbb, 0xfa, 0xb9, 0xb9, 0xb1, 0xe0, 0xc2, 0xeb, ',', 0xc3, 0xfb, 0xb3, 0xc6, '\r', '\n', 'x', ',', 0xc4, 0xb3, 0xd4, 0xba} // 机构编码,名称 / x,某院
	for name, data := range map[string][]byte{"GB 18030": gb, "UTF-8 with its mark": []byte("\xef\xbb\xbf机构编码,名称\nx,某院"), "tabs": []byte("机构编码\t名称\nx\t某院")} {
		tables, err := Read("x.csv", data)
		if err != nil || tables[0].Kind != "institutions" || tables[0].Rows[0].Cells[1] != "某院" {
			t.Errorf("%s: got %v %v; want 某院", name, tables, err)
		}
	}
}

func TestTheTemplateIsReadAsWhatItIs(t *testing.T) {
	b, err := Template()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := Read("template.xlsx", b)
	if err != nil || len(tables) != len(kinds) {
		t.Fatalf("got %d tables, %v; want %d", len(tables), err, len(kinds))
	}
	h := open(t, storetest.Memory)
	if p := h.see(tables); len(p.Problems) != 0 || len(p.Resources) != 0 {
		t.Errorf("an empty template: got %v; want nothing", p.Problems)
	}
	for _, k := range kinds {
		b, ok := TemplateCSV(k.code)
		tables, err := Read("x.csv", b)
		if !ok || err != nil || tables[0].Kind != k.code {
			t.Errorf("%s as CSV: got %v %v", k.code, tables, err)
		}
	}
}

func TestDatesOfAWorkbook(t *testing.T) {
	h := open(t, storetest.Memory)
	sheets := map[string][][]any{"机构": {{"机构编码", "名称"}, {"a", "某院"}}, "人员": {{"机构编码", "工号", "姓名"}, {"a", 7, "某"}},
		"执业证书": {{"机构编码", "工号", "执业类别", "证书编码", "开始日期"}, {"a", 7, "护士", 99001, time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)}}}
	tables, err := Read("x.xlsx", book(t, sheets))
	if err != nil {
		t.Fatal(err)
	}
	p := h.see(tables)
	if len(p.Problems) > 0 {
		t.Fatal(p.Problems)
	}
	if got := p.Resources[1].Str("qualification[0].period.start"); got != "2026-03-03" {
		t.Errorf("got %q; want the day of the cell", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("机构编码,名称\nx,某院"))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, data []byte) { Read("x", data) })
}
