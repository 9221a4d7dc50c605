package api

import (
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
)

var whatNames = map[string]Words{
	"read": {"查看", "Read"}, "vread": {"查看历史版本", "Read a version"}, "search-type": {"检索", "Search"}, "search-system": {"检索", "Search"},
	"history-instance": {"查看修改历史", "History"}, "history-type": {"查看修改历史", "History"}, "history-system": {"查看修改历史", "History"},
	"create": {"新建", "Create"}, "update": {"修改", "Update"}, "patch": {"修改", "Patch"}, "delete": {"删除", "Delete"}, "transaction": {"批量写入", "Transaction"}, "batch": {"批量请求", "Batch"},
	"login": {"登录", "Log in"}, "logout": {"退出", "Log out"}, "role-switch": {"切换角色", "Switch role"}, "password-change": {"修改密码", "Change password"},
	"login-first-step":       {"登录第一步", "First step of a login"},
	"login-new-device":       {"新设备登录", "Login from a new device"},
	"login-link":             {"关联医院统一登录", "Link a hospital's login"},
	"step-up":                {"再次验证身份", "Show again who it is"},
	"factor-add-totp":        {"添加手机验证器", "Add an authenticator"},
	"factor-add-passkey":     {"添加通行密钥", "Add a passkey"},
	"factor-remove":          {"移除验证方式", "Remove a factor"},
	"factor-reset":           {"重置验证方式", "Reset factors"},
	"recovery-codes":         {"重新生成恢复码", "New recovery codes"},
	"recovery-code-used":     {"使用恢复码", "Use a recovery code"},
	"passkey-cloned":         {"通行密钥疑似被复制", "A passkey seems copied"},
	"session-end":            {"结束登录", "End a session"},
	"session-list":           {"查看登录记录", "List sessions"},
	"role-request":           {"申请授予角色", "Ask to give a role"},
	"role-request-confirmed": {"确认授予角色", "Confirm a role"},
	"role-request-refused":   {"撤销角色申请", "Withdraw a role"},
	"user-list":              {"查看账号", "List accounts"}, "user-create": {"新建账号", "Create account"}, "user-reset": {"重置密码", "Reset password"}, "user-disable": {"停用账号", "Disable account"},
	"user-enable": {"启用账号", "Enable account"}, "user-roles": {"变更角色", "Change roles"}, "user-update": {"修改账号", "Change account"},
	"token-create": {"新建令牌", "Create token"}, "token-revoke": {"撤销令牌", "Revoke token"}, "channel-save": {"设置通知渠道", "Set up a channel"}, "channel-test": {"测试通知渠道", "Test a channel"},
	"beds-simulate": {"模拟床位分配", "Simulate the giving out of beds"},
	"bed-board":     {"查看床位图", "Board of beds"}, "bed-waiting": {"查看候床名单", "Who waits for a bed"}, "bed-ward": {"查看本病区患者", "Patients of a ward"}, "bed-flags": {"查看挂床提示", "Beds left for long"},
	"bed-differences": {"查看床位差异", "Differences of beds"}, "bed-shadow": {"查看影子运行", "Shadow mode of beds"}, "bed-shift": {"填报护理班次", "Report a nursing shift"}, "bed-rule": {"修改床位规则", "Change a rule of beds"},
	"bed-state": {"变更床位状态", "Change the state of a bed"}, "bed-difference": {"处理床位差异", "Settle a difference of beds"}, "bed-source": {"更换床位数据来源", "Change the source of a ward's beds"},
	"appointment-find": {"查找可预订的资源", "Look for what is free"}, "pair-list": {"查看疑似同一人名单", "Possible pairs"}, "pair": {"核对一对记录", "Two records side by side"}, "withheld": {"查看是否有受保护资料", "Ask whether guarded data are there"},
	"audit": {"查看审计记录", "Read the audit trail"}, "audit-export": {"导出审计记录", "Export the audit trail"}, "audit-copy": {"查看患者访问记录副本", "Patient's copy of the trail"}, "audit-why": {"查看访问依据", "Why somebody could see it"},
	"audit-archive": {"归档审计记录", "Archive of the audit"}, "audit-key": {"启用审计签名密钥", "A key signs the audit"}, "chain-algorithm": {"更换审计摘要算法", "The audit chain changes its hash"}, "meddled": {"封存前被改动", "Changed before it was sealed"},
	"break-glass": {"紧急调阅", "Break-glass"}, "operation": {"操作", "Operation"}, "everything": {"查看全部病历", "The whole record"}, "reveal:id": {"查看完整证件号", "Reveal the ID number"}, "reveal:phone": {"查看完整电话", "Reveal the telephone number"}, "worklist": {"查看工作列表", "Worklist"}, "work": {"查看我的工作", "My work"}, "case": {"查看病例", "Open a case"},
	"indicators": {"查看指标", "Numbers"}, "indicator-cases": {"查看指标明细", "Cases behind a number"}, "open-cases": {"查看未结转诊", "Open cases of a patient"},
	"patient-page": {"打开患者页面", "Open a patient"}, "patient-search": {"查找患者", "Look for a patient"}, "file": {"查看文件", "Read a file"}, "upload": {"上传文件", "Upload a file"}, "import": {"导入", "Import"},
	"subscription-notify": {"订阅通知", "Tell a subscriber"}, "subscription-status": {"查看订阅状态", "State of a subscription"}, "subscription-events": {"查看订阅事件", "Events of a subscription"},
	"subscription-token": {"取得订阅连接令牌", "Token for a websocket"}, "subscription-off": {"停用订阅", "Stop a subscription"}, "subscription-requested": {"重新启用订阅", "Start a subscription again"},
	"subscription-active": {"订阅生效", "A subscription becomes active"}, "subscription-error": {"订阅送不出去", "A subscription is given up"},
	"subscription-resend": {"重新送达", "Send dead letters again"}, "subscription-drop": {"放弃未送达通知", "Drop dead letters"},
	"app-create": {"登记应用", "Register an app"}, "app-let-in": {"允许应用代为访问", "Let an app in"}, "app-withdrawn": {"撤回应用授权", "Take an app's access back"}, "app-launch": {"启动应用", "Start an app"}, "signing-key": {"更换签名密钥", "New signing key"},
	"login-failed": {"登录失败", "Failed login"},

	"registry-people": {"查看人员名册", "Registry of people"}, "registry-person": {"查看人员资料", "A person of the registry"}, "registry-teams": {"查看医疗组", "Teams"}, "registry-team-patients": {"查看医疗组患者", "Patients of a team"}, "registry-team-assign": {"分配给医疗组", "Assign to a team"}, "registry-team-release": {"移出医疗组", "Release from a team"},
	"agreement": {"查看协议", "An agreement"}, "agreements": {"查看协议列表", "Agreements"}, "askable": {"查看可申请的服务", "What may be asked for"}, "break-glass-missed": {"紧急调阅未找到患者", "Break-glass that found nobody"},
	"graphql": {"检索", "GraphQL"}, "lastn": {"查看最近结果", "Latest results"}, "meta": {"查看资料标签", "Tags of a record"}, "reindex": {"重建索引", "Index anew"}, "bulk-file": {"下载批量导出文件", "Download of a bulk export"}, "bulk-delete": {"删除批量任务", "Delete a bulk task"}, "me-trail": {"查看本人访问记录", "One's own trail"},
	"match": {"查找可能的同一人", "Match a patient"}, "ihe-pix": {"交叉索引查询", "Cross-reference identifiers"}, "merge": {"合并档案", "Merge records"}, "unmerge": {"撤销合并档案", "Take a merge back"},
	"person": {"查看同一人的各份档案", "Records of one person"}, "person:weights": {"更换匹配权重", "Change the weights of matching"}, "person:decided": {"认定是否同一人", "Decided on two records"}, "person:taken-back": {"撤回同一人认定", "A decision on two records taken back"}, "person:merged": {"档案已合并", "Records merged"}, "person:unmerged": {"档案合并已撤销", "A merge taken back"},
	"message": {"留言", "Message"}, "torn": {"记录损坏", "Torn entry"},
}

func (a *Trail) whatName(what string) Words {
	if n, ok := whatNames[what]; ok {
		return n
	}
	if strings.HasPrefix(what, "further-reason") {
		return Words{"说明理由后查看受保护资料", "Guarded data opened for a reason"}
	}
	for _, p := range []struct {
		prefix string
		name   Words
	}{{"bed-state:", whatNames["bed-state"]}, {"bed-difference:", whatNames["bed-difference"]}, {"bed-source:", whatNames["bed-source"]}, {"booking:", Words{"预订到期或被占用", "A booking ran out or was displaced"}},
		{"appointment-", Words{"预订资源", "Book or release"}}, {"person:", whatNames["person"]}} {
		if strings.HasPrefix(what, p.prefix) {
			return p.name
		}
	}
	if step, ok := strings.CutPrefix(what, "step:"); ok {
		n := a.stepName(step)
		return Words{"操作：" + n.Zh, "Step: " + n.En}
	}
	return Words{what, what}
}

// roleName is a role as people know it; what the hub does by itself has one, too.
func roleName(role string) Words {
	if role == "system" {
		return Words{"自动处理", "By itself"}
	}
	n := access.RoleNames[access.Role(role)]
	return Words{n.Zh, n.En}
}

// stepName names LINE/FLOW/STEP as its button does.
func (a *Trail) stepName(step string) Words {
	slug, rest, _ := strings.Cut(step, "/")
	code, do, _ := strings.Cut(rest, "/")
	for _, l := range a.Lines {
		if l.Slug != slug {
			continue
		}
		f := l.Flow(code)
		if f == nil {
			break
		}
		for _, s := range f.Steps {
			if s.Do == do {
				return Words{s.Name.Zh, s.Name.En}
			}
		}
	}
	return Words{step, step}
}

// purposes are the codes of v3-PurposeOfUse in words.
var purposes = map[string]Words{
	"TREAT": {"诊疗", "Treatment"}, "ETREAT": {"急诊救治", "Emergency treatment"}, "BTG": {"紧急调阅", "Break-glass"}, "CAREMGT": {"诊疗协调", "Care management"}, "HOPERAT": {"医院运营管理", "Hospital operations"},
	"HPAYMT": {"医保结算", "Payment"}, "COVERAGE": {"医保待遇", "Coverage"}, "PUBHLTH": {"公共卫生", "Public health"}, "PATRQT": {"患者本人要求", "At the patient's request"}, "FAMRQT": {"家属要求", "At the family's request"},
	"HQUALIMP": {"质量改进", "Quality improvement"}, "PATSFTY": {"患者安全", "Patient safety"}, "RECORDMGT": {"病案管理", "Records"}, "PATADMN": {"挂号与住院登记", "Registration"}, "HSYSADMIN": {"系统管理", "System administration"},
	"HCOMPL": {"合规审计", "Compliance"}, "HRESCH": {"科研", "Research"}, "TRAIN": {"教学", "Training"}, "HLEGAL": {"司法需要", "Legal"},
}

func wordsOf(code string, list map[string]Words) *Words {
	if code == "" {
		return nil
	}
	if w, ok := list[code]; ok {
		return &w
	}
	return &Words{code, code}
}
