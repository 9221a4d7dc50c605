package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func simulated(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	root := newRoot()
	var o, e bytes.Buffer
	root.SetOut(&o)
	root.SetErr(&e)
	root.SetArgs(append([]string{"simulate", "beds"}, args...))
	code = codeOf(root.ExecuteContext(t.Context()))
	return o.String(), e.String(), code
}

func TestSimulateBedsAnswersAsTablesJSONAndCSV(t *testing.T) {
	small := []string{"--days", "14", "--warmup", "7", "--seeds", "2", "--policies", "own,pool", "--quiet"}
	text, _, code := simulated(t, small...)
	if code != 0 || !strings.Contains(text, "各科各床") || !strings.Contains(text, "one pool, first come") || !strings.Contains(text, "±") {
		t.Errorf("got %d %s", code, text)
	}
	again, _, _ := simulated(t, small...)
	if again != text {
		t.Error("the same question has two answers")
	}
	out, _, code := simulated(t, append(small, "--json", "--reserve", "0..2")...)
	var report struct {
		Settings []struct{ Policies []struct{ Policy string } }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || len(report.Settings) != 3 || report.Settings[2].Policies[1].Policy != "pool" {
		t.Errorf("got %d %v %s", code, err, out)
	}
	out, _, code = simulated(t, append(small, "--csv")...)
	if code != 0 || !strings.HasPrefix(out, "reserve,policy,figure,mean,low,high,seeds,against_mean") || !strings.Contains(out, "\n0,pool,wait.mean,") {
		t.Errorf("got %d %s", code, out)
	}
}

func TestSimulateBedsReadsFilesAndNamesBadRows(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := "编号,申请时间,科室,性别,紧急程度,住院小时\n1,2026-03-01 08:00,心内,男,急诊,48\n2,2026-03-01 09:00,心内,女,择期,30\n3,2026-03-01 10:00,心内,男,择期,30\n"
	admissions, beds := write("a.csv", good), write("b.csv", "病区,床数,科室\n心内一,2,心内\n")
	out, _, code := simulated(t, "--admissions", admissions, "--beds", beds, "--seeds", "1", "--quiet")
	if code != 0 || !strings.Contains(out, "2 床 beds") || !strings.Contains(out, "3 人") {
		t.Errorf("got %d %s", code, out)
	}
	out, errs, code := simulated(t, "--admissions", write("bad.csv", good+"4,昨天,心内,男,择期,3\n5,2026-03-02,无此科,男,择期,3\n"), "--beds", beds, "--seeds", "1", "--quiet")
	if code != exitPartly || !strings.Contains(errs, "line 5: arrival") || !strings.Contains(errs, "1 stays name a ward") || !strings.Contains(out, "2 床 beds") {
		t.Errorf("bad rows: got %d %s %s", code, errs, out)
	}
	if out, _, code = simulated(t, "--admissions", admissions, "--seeds", "1", "--quiet"); code != 0 || !strings.Contains(out, "3 床 beds") {
		t.Errorf("beds as lain: got %d %s", code, out)
	}
	for want, cases := range map[int][][]string{
		exitUsage: {{"--policies", "none"}, {"--reserve", "x"}, {"--seeds", "0"}, {"--days", "0"}, {"--patience", "urgent"}, {"--beds", beds}, {"--admissions", beds},
			{"--admissions", admissions, "--load", "0.9"}, {"--admissions", admissions, "--beds", admissions}, {"--zone", "Mars"}, {"--rules", write("r.json", `{"lends":"nobody"}`)}},
		exitUnavailable: {{"--admissions", filepath.Join(dir, "none.csv")}, {"--data", filepath.Join(dir, "none")}},
	} {
		for _, args := range cases {
			if out, errs, code := simulated(t, args...); code != want {
				t.Errorf("%v: got %d %s %s; want %d", args, code, out, errs, want)
			}
		}
	}
}

func TestAHospitalOfOnesOwnIsWrittenAsTheShippedOne(t *testing.T) {
	text, _, code := simulated(t, "--print-hospital")
	if code != 0 {
		t.Fatalf("got %d", code)
	}
	path := filepath.Join(t.TempDir(), "h.json")
	if err := os.WriteFile(path, []byte(strings.Replace(text, "杏州中心（虚构）", "另一家", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, code := simulated(t, "--hospital", path, "--days", "7", "--warmup", "0", "--seeds", "1", "--policies", "pool", "--quiet"); code != 0 || !strings.HasPrefix(out, "另一家") {
		t.Errorf("got %d %s", code, out)
	}
}
