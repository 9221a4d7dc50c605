package hl7v2

import (
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/gateway/hl7v2/er7"
)

// Codes of MSA-1.
const (
	accepted = "AA"
	failed   = "AE" // the sender may send it again: something is missing here or there
	rejected = "AR" // it is not for us, and will not be
)

// no is why a message is not accepted.
type no struct {
	code   string // AE or AR
	number string // table 0357
	place  string // "PV1-3"; "" = the message
	why    string // stable, ours
	en, zh string
}

func (n *no) Error() string { return n.why + ": " + n.en }

var (
	unreadable  = no{rejected, "100", "", "unreadable", "the message cannot be read", "消息无法解析"}
	stranger    = no{rejected, "207", "MSH-3", "unknown-sender", "this sender is not known at this address", "未登记的发送方"}
	withdrawn   = no{rejected, "207", "MSH-3", "no-credential", "the sender's credential is not in force", "发送方的凭证已失效"}
	processing  = no{rejected, "202", "MSH-11", "processing-id", "messages of this processing id are not taken", "不接收该处理模式（MSH-11）的消息"}
	version     = no{rejected, "203", "MSH-12", "version", "only versions 2.x are read", "仅支持 HL7 2.x 版本"}
	noControl   = no{rejected, "101", "MSH-10", "no-control-id", "a message needs a control id", "缺少消息控制号（MSH-10）"}
	notThis     = no{rejected, "200", "MSH-9", "message-type", "only ADT is taken", "仅接收 ADT 消息"}
	notSuch     = no{rejected, "201", "MSH-9", "event-type", "of ADT, A01 A02 A03 A11 A12 A13 A20 are taken", "ADT 仅接收 A01 A02 A03 A11 A12 A13 A20"}
	reused      = no{failed, "205", "MSH-10", "control-id-reused", "this control id came with another message before", "该消息控制号已用于另一条消息"}
	noPatient   = no{failed, "101", "PID-3", "no-patient-number", "no number of the patient", "缺少患者编号（PID-3）"}
	noVisit     = no{failed, "101", "PV1-19", "no-visit-number", "no number of the visit", "缺少就诊号（PV1-19）"}
	noBed       = no{failed, "101", "NPU-1", "no-bed", "no bed is named", "缺少床位（NPU-1）"}
	badStatus   = no{failed, "103", "NPU-2", "bed-status", "a bed's status is C, H, O, U, K or I", "床位状态须为 C、H、O、U、K 或 I"}
	strangeBed  = no{failed, "204", "NPU-1", "unknown-bed", "no bed of this name is in the register", "床位登记中没有这张床"}
	noSuchVisit = no{failed, "204", "PV1-19", "unknown-visit", "no visit of this number is known", "没有这个就诊号的记录"}
	otherVisit  = no{failed, "204", "PV1-19", "visit-of-another", "this visit is another patient's", "该就诊号属于其他患者"}
	noLeave     = no{rejected, "207", "", "not-allowed", "the sender's credential does not allow this", "发送方的凭证无此权限"}
	broken      = no{failed, "207", "", "internal", "it could not be kept now; send it again", "暂时无法保存，请重发"}
)

// refused turns a refusal of the house into one of the message.
func refused(e *fhir.Error) *no {
	n := broken
	if e.Status == 401 || e.Status == 403 {
		n = noLeave
	}
	n.number = "207"
	if len(e.Issues) > 0 {
		if e.Issues[0].Detail != "" {
			n.why = e.Issues[0].Detail
		}
		n.en, n.zh = e.Issues[0].Text, e.Issues[0].Zh
	}
	return &n
}

// acknowledge writes the answer to a message; m is nil when it could not be read. Nothing of a patient stands in it.
func acknowledge(m *er7.Message, code string, n *no, id string, now time.Time) []byte {
	d, charset, control, event, ver := er7.Usual, "UNICODE UTF-8", "", "", "2.5"
	proc := "P"
	var to, facility, from, own string
	if m != nil {
		d, charset, control, event = m.Delimiters, m.Charset, m.Get("MSH-10"), m.Get("MSH-9.2")
		to, facility, from, own = m.Get("MSH-3"), m.Get("MSH-4"), m.Get("MSH-5"), m.Get("MSH-6")
		if v := m.Get("MSH-12"); strings.HasPrefix(v, "2.") {
			ver = v
		}
		if p := m.Get("MSH-11"); p != "" {
			proc = p
		}
		// enhanced mode, and the sender wants no other answer than that we keep it
		if m.Get("MSH-16") == "NE" && m.Get("MSH-15") != "" {
			code = "C" + code[1:]
		}
	}
	if from == "" {
		from = "XINGLIN"
	}
	a := er7.New(d, charset)
	a.Add("MSH", from, own, to, facility, er7.Stamp(now), "", er7.Components{"ACK", event, "ACK"}, id, proc, ver, "", "", "", "", "", charset)
	if n == nil {
		a.Add("MSA", code, control)
		return a.Bytes()
	}
	a.Add("MSA", code, control, n.why)
	segment, field, _ := strings.Cut(n.place, "-")
	a.Add("ERR", "", er7.Components{segment, oneIf(segment), field}, er7.Components{n.number}, "E", er7.Components{n.why}, "", n.en, n.zh)
	return a.Bytes()
}

func oneIf(s string) string {
	if s == "" {
		return ""
	}
	return "1"
}
