package hubtest

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/region"
	"github.com/xinglin-health/xinglin/internal/registry"
)

// As a new administrator would: a registry from a spreadsheet, dual directors, a doctor dispatched for three months, whose
// access and signature begin and end by the clock.
func TestAnAdministratorSetsUpADispatch(t *testing.T) {
	h := New(t)
	day := func(days int) string { return Start.AddDate(0, 0, days).In(region.Zone).Format(time.DateOnly) }
	expert := h.Region.Institution("output").Who(access.ReferringDoctor, "cardiology") // holds nothing at the centre yet
	book := excelize.NewFile()
	sheet := func(name string, lines ...[]any) {
		book.NewSheet(name)
		for i, l := range lines {
			book.SetSheetRow(name, fmt.Sprint("A", i+1), &l)
		}
	}
	sheet("科室", []any{"机构编码*", "科室编码*", "名称*"}, []any{"centre", "heart", "心脏中心"})
	sheet("人员", []any{"机构编码", "工号", "姓名"}, []any{"centre", "H001", "何主任"})
	sheet("执业证书", []any{"机构编码", "工号", "执业类别", "证书编码", "开始日期", "结束日期"}, []any{"centre", "H001", "执业医师", "9911000000", "2015-01-01", "2030-12-31"})
	sheet("任职", []any{"机构编码", "科室编码", "人员所属机构编码", "工号", "职务", "角色", "开始日期", "结束日期", "执业依据", "授予权限"},
		[]any{"centre", "heart", "", "H001", "行政主任", "", day(0), "", "", ""},
		[]any{"centre", "heart", "output", number(h, expert), "业务主任", "", day(1), day(90), "备案", ""},
		[]any{"centre", "heart", "output", number(h, expert), "", "receiving-doctor", day(1), day(90), "备案（医联体内、对口支援）", "处方权；抗菌药物：限制使用级"})
	var file bytes.Buffer
	if err := book.Write(&file); err != nil {
		t.Fatal(err)
	}
	for _, apply := range []string{"", "&apply=true", "&apply=true"} {
		a := h.Call(Administrator, http.MethodPost, "/api/registry/import?name=x.xlsx"+apply, file.String(), "Content-Type", "application/octet-stream")
		if a.Status != 200 || !strings.Contains(string(a.Body), `"problems":[]`) {
			t.Fatalf("import %q: got %d %s", apply, a.Status, a.Body)
		}
	}

	// The centre has an agreement on dispatch with the output hospital, and none that lets it ask the partner.
	partner := h.Region.Institution("partner-1").Who(access.ReceivingDoctor, "cardiology")
	refused := h.Call(Administrator, "POST", "/fhir/PractitionerRole", `{"resourceType":"PractitionerRole","active":true,"practitioner":{"reference":"`+partner.Ref()+`"},"organization":{"reference":"Organization/centre-heart"},"code":[{"coding":[{"system":"`+registry.RoleSystem+`","code":"receiving-doctor"}]}]}`)
	if refused.Status != 422 || !strings.Contains(string(refused.Body), "no-agreement") {
		t.Errorf("a dispatch without an agreement: got %d %s; want 422 no-agreement", refused.Status, refused.Body)
	}

	const here = "Organization/centre-heart"
	may := func(act string) string {
		t.Helper()
		var out struct {
			Acts []struct {
				Code, Refusal string
				May           bool
			}
		}
		h.Call(Administrator, "GET", "/api/registry/acts?person="+expert.Ref()+"&org="+here, "").JSON(t, &out)
		for _, a := range out.Acts {
			if a.Code == act && a.May {
				return "may"
			} else if a.Code == act {
				return a.Refusal
			}
		}
		return "?"
	}
	// what the login would be here now: the role follows from the PractitionerRole, by the clock
	standing := func() *access.Caller {
		t.Helper()
		c, err := h.Identity.Standing(t.Context(), expert.ID, access.ReceivingDoctor, here)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, c := range []struct {
		rule  string
		turn  time.Duration
		sign  string
		login bool
	}{
		{"before he comes", 0, "role-over", false},
		{"on his first day", 24 * time.Hour, "may", true},
		{"on his last day", 89 * 24 * time.Hour, "may", true},
		{"the day after", 24 * time.Hour, "role-over", false},
	} {
		h.Clock.Turn(c.turn)
		if got := may("sign-record"); got != c.sign {
			t.Errorf("%s: signs: got %q; want %q", c.rule, got, c.sign)
		}
		if got := standing(); (got != nil) != c.login {
			t.Errorf("%s: the login here: got %v; want %v", c.rule, got != nil, c.login)
		} else if got != nil && may("prescribe-antimicrobial-3") != "not-granted-here" {
			t.Errorf("%s: special antimicrobials were not granted, yet he may", c.rule)
		}
	}
	a := h.Call(Administrator, "GET", "/api/registry/who?org="+here+"&at="+day(30), "")
	for _, want := range []string{"业务主任", "行政主任", "何主任", expert.Name} {
		if !strings.Contains(string(a.Body), want) {
			t.Errorf("who led it a month in: %s lacks %s", a.Body, want)
		}
	}
}

// number is a staff number as the register has it.
func number(h *Hub, p *region.Person) string {
	var n struct{ Identifier []struct{ Value string } }
	h.Call(Administrator, "GET", "/fhir/"+p.Ref(), "").JSON(h.T, &n)
	return n.Identifier[0].Value
}
