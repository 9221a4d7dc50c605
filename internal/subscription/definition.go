package subscription

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// Backport is the base of the profiles and extensions of "Subscriptions R5 Backport".
const Backport = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"

// Channels that are served.
const (
	RestHook  = "rest-hook"
	WebSocket = "websocket"
)

// Statuses of a Subscription.
const (
	Requested = "requested"
	Active    = "active"
	Failed    = "error"
	Off       = "off"
)

// Definition is what a Subscription resource asks for.
type Definition struct {
	Type     string   `json:"type"`               // of the resources it is about
	Query    string   `json:"query,omitempty"`    // search criteria: all must hold
	Topic    string   `json:"topic,omitempty"`    // canonical; "" = plain R4
	Channel  string   `json:"channel"`            // rest-hook or websocket
	Endpoint string   `json:"endpoint,omitempty"` // of rest-hook
	Header   []string `json:"header,omitempty"`   // values sealed
	Payload  bool     `json:"payload,omitempty"`  // R4: send the resource
	Content  string   `json:"content,omitempty"`  // topic: empty, id-only or full-resource
	Beat     int      `json:"beat,omitempty"`     // topic: seconds of silence before a heartbeat; 0 = none
	Timeout  int      `json:"timeout,omitempty"`  // seconds for one answer; 0 = Options.Timeout
	Batch    int      `json:"batch,omitempty"`    // topic: events in one notification; 0 = Options.Batch
	End      int64    `json:"end,omitempty"`
	Reason   string   `json:"reason,omitempty"`
}

// Bounds of what a client may ask for.
const (
	minBeat, maxBeat = 10, 24 * 3600
	maxTimeout       = 60
	maxBatch         = 200
	maxHeaders       = 10
	maxHeader        = 4000
	maxQuery         = 4000
)

func refuse(detail, place, text, zh string) *fhir.Error {
	e := fhir.Refuse(http.StatusUnprocessableEntity, "business-rule", detail, text, zh)
	e.Issues[0].Expression = place
	return e
}

// read takes the definition out of a Subscription, or says what is wrong with it.
func (e *Engine) read(n *fhir.Node) (Definition, error) {
	d := Definition{Channel: n.Str("channel.type"), Endpoint: n.Str("channel.endpoint"), Reason: n.Str("reason")}
	criteria := n.Str("criteria")
	if t, ok := topicOf(criteria); ok {
		if err := d.backport(n, t); err != nil {
			return d, err
		}
	} else {
		var found bool
		if d.Type, d.Query, found = strings.Cut(criteria, "?"); !found && !spec.IsResource(d.Type) {
			return d, refuse("unknown-topic", "Subscription.criteria", "the criteria are neither a search (Type?parameter=value) nor a topic of this server; the capability statement lists the topics",
				"criteria 既不是检索条件（Type?参数=值），也不是本系统的主题；能力声明中列有全部主题")
		}
		switch payload := n.Str("channel.payload"); {
		case payload == "":
		case mimeJSON(payload):
			d.Payload = true
		default:
			return d, refuse("payload-unsupported", "Subscription.channel.payload", "the payload is application/fhir+json or left out", "payload 只能是 application/fhir+json 或不填")
		}
	}
	if d.Type == "Subscription" || d.Type == "AuditEvent" || !spec.IsResource(d.Type) {
		return d, refuse("type-unsupported", "Subscription.criteria", fmt.Sprintf("there are no subscriptions on %q", d.Type), "不能订阅这种资源类型")
	}
	if _, err := e.where(d.Type, d.Query); err != nil {
		return d, err
	}
	if end := n.Str("end"); end != "" {
		t, err := time.Parse(time.RFC3339Nano, end)
		if err != nil {
			return d, refuse("bad-end", "Subscription.end", "end is an instant with a time zone", "end 须为带时区的时刻")
		}
		d.End = micros(t)
	}
	switch d.Channel {
	case WebSocket:
		d.Endpoint = ""
	case RestHook:
		for _, h := range n.All("channel.header") {
			d.Header = append(d.Header, h.Text)
		}
		if err := checkHeaders(d.Header); err != nil {
			return d, err
		}
		if err := checkEndpoint(d.Endpoint); err != nil {
			return d, err
		}
	default:
		return d, refuse("channel-unsupported", "Subscription.channel.type", "the channels here are rest-hook and websocket", "目前支持的通道：rest-hook、websocket")
	}
	return d, nil
}

func mimeJSON(payload string) bool {
	kind, _, _ := strings.Cut(payload, ";")
	switch strings.TrimSpace(kind) {
	case "application/fhir+json", "application/json", "json":
		return true
	}
	return false
}

// backport reads what the topic style adds.
func (d *Definition) backport(n *fhir.Node, t *Topic) error {
	d.Type, d.Topic = t.Type, t.URL
	var filters []string
	for _, x := range n.All("_criteria.extension") {
		if x.Str("url") != Backport+"backport-filter-criteria" {
			continue
		}
		filter := x.Str("valueString")
		typ, query, ok := strings.Cut(filter, "?")
		if !ok || typ != t.Type {
			return refuse("bad-filter", "Subscription.criteria.extension", fmt.Sprintf("a filter on this topic is written %s?parameter=value", t.Type), "该主题的筛选条件写法为 "+t.Type+"?参数=值")
		}
		params, err := search.ParseQuery(query)
		if err != nil {
			return err
		}
		for _, p := range params {
			name, _, _ := strings.Cut(p.Name, ":")
			if !slices.Contains(t.Filters, name) {
				return refuse("bad-filter", "Subscription.criteria.extension", fmt.Sprintf("this topic can be filtered by %s", strings.Join(t.Filters, ", ")), "该主题可按以下条件筛选："+strings.Join(t.Filters, "、"))
			}
		}
		filters = append(filters, query)
	}
	d.Query = strings.Join(filters, "&")
	d.Content = "empty"
	for _, x := range n.All("channel._payload.extension") {
		if x.Str("url") == Backport+"backport-payload-content" {
			d.Content = x.Str("valueCode")
		}
	}
	if !slices.Contains([]string{"empty", "id-only", "full-resource"}, d.Content) {
		return refuse("bad-content", "Subscription.channel.payload.extension", "payload-content is empty, id-only or full-resource", "payload-content 只能是 empty、id-only 或 full-resource")
	}
	if payload := n.Str("channel.payload"); payload != "" && !mimeJSON(payload) {
		return refuse("payload-unsupported", "Subscription.channel.payload", "notifications are application/fhir+json", "通知只以 application/fhir+json 发送")
	}
	for _, x := range n.All("channel.extension") {
		for _, bound := range []struct {
			name, value string
			least, most int
			into        *int
		}{
			{"backport-heartbeat-period", "valueUnsignedInt", minBeat, maxBeat, &d.Beat},
			{"backport-timeout", "valueUnsignedInt", 1, maxTimeout, &d.Timeout},
			{"backport-max-count", "valuePositiveInt", 1, maxBatch, &d.Batch},
		} {
			if x.Str("url") != Backport+bound.name {
				continue
			}
			v, err := strconv.Atoi(x.Str(bound.value))
			if err != nil || v < bound.least || v > bound.most {
				return refuse("bad-bound", "Subscription.channel.extension", fmt.Sprintf("%s is a number from %d to %d (%s)", bound.name, bound.least, bound.most, bound.value),
					fmt.Sprintf("%s 须为 %d 到 %d 的整数", bound.name, bound.least, bound.most))
			}
			*bound.into = v
		}
	}
	return nil
}

// where reads search criteria; what only shapes an answer has no place in them.
func (e *Engine) where(typ, query string) ([]search.Clause, error) {
	if len(query) > maxQuery {
		return nil, refuse("criteria-too-long", "Subscription.criteria", fmt.Sprintf("criteria have at most %d characters", maxQuery), "订阅条件过长")
	}
	params, err := search.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	r, err := search.Parse(typ, params, search.Options{Zone: e.o.Zone, Base: e.o.Base})
	if err != nil {
		return nil, err
	}
	if len(r.Sort)+len(r.Include)+len(r.RevInclude)+len(r.Types) > 0 || r.Cursor != "" || r.Summary != "" || len(r.Elements) > 0 {
		return nil, refuse("criteria-only", "Subscription.criteria", "criteria select resources; sorting, including and shaping have no place in them", "订阅条件只能用于筛选，不能含排序、包含或摘要参数")
	}
	return r.Where, nil
}

// same says whether two definitions ask for the same in the same place: what a reason or an end says does not matter.
func (d Definition) same(other Definition) bool {
	return d.Type == other.Type && d.Query == other.Query && d.Topic == other.Topic && d.Channel == other.Channel && d.Endpoint == other.Endpoint &&
		slices.Equal(d.Header, other.Header) && d.Payload == other.Payload && d.Content == other.Content
}

// Shown writes criteria for people who may see no patient: codes and dates stay, what names a person does not.
func (d Definition) Shown() string {
	params, err := search.ParseQuery(d.Query)
	if err != nil || len(params) == 0 {
		return d.Type
	}
	var b strings.Builder
	b.WriteString(d.Type)
	for i, p := range params {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(p.Name + "=")
		if tellable(d.Type, p) {
			b.WriteString(p.Value)
		} else {
			b.WriteString("…")
		}
	}
	return b.String()
}

func tellable(typ string, p search.Param) bool {
	code, _, _ := strings.Cut(p.Name, ":")
	param := spec.Lookup(typ, code)
	if param == nil || param.Sealed || strings.Contains(p.Name, ".") {
		return false
	}
	switch param.Type {
	case spec.Date, spec.Number, spec.Quantity, spec.URI:
		return code != "birthdate"
	case spec.Token:
		return code != "identifier" && code != "_id"
	case spec.Reference:
		return strings.HasPrefix(p.Value, "Organization/") && !strings.Contains(p.Value, ",")
	}
	return false
}
