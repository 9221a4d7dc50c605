package region

import (
	"fmt"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// alike are characters that are read alike, as a clerk takes one for the other.
var alike = strings.NewReplacer("伟", "玮", "英", "瑛", "志", "智", "国", "帼", "芳", "方", "丽", "莉", "军", "君", "涛", "焘", "静", "靖", "敏", "闵", "华", "桦", "平", "萍", "红", "虹", "玉", "钰",
	"浩", "皓", "博", "伯", "子", "梓", "宇", "羽", "文", "雯", "海", "亥", "建", "健", "强", "蔷", "秀", "绣", "兰", "岚", "珍", "真", "梅", "玫", "燕", "雁", "春", "椿", "福", "富", "生", "声", "金", "今")

// mistakes is how another hospital wrote the same person, and in the end somebody else: a twin, a namesake. Each answers with
// the address that was written, "" = the same.
var mistakes = []func(r *Region, first, second *Patient) string{
	func(*Region, *Patient, *Patient) string { return "" }, // no mistake at all
	func(_ *Region, _, p *Patient) string { return p.renamed(alike.Replace(p.given)) },
	func(_ *Region, p, second *Patient) string { // the old number of 15 digits
		second.IDNumber = p.IDNumber[:6] + p.IDNumber[8:17]
		return ""
	},
	func(_ *Region, _, p *Patient) string { // no number, name by ear
		p.IDNumber = ""
		return p.renamed(alike.Replace(p.given))
	},
	func(_ *Region, p, second *Patient) string { second.IDNumber = swapDigits(p.IDNumber, 14); return "" },
	func(_ *Region, _, p *Patient) string { // name by ear, no number, and moved since: nothing but name and birthday
		p.IDNumber, p.Phone = "", fmt.Sprintf("1998%07d", p.order*7919%10_000_000)
		p.renamed(alike.Replace(p.given))
		return fmt.Sprintf("南屿省南屿市海滨大道%d号", p.order%90+9)
	},
	func(r *Region, first, p *Patient) string { // a twin: born the same day in the same house
		d := r.dice("twin", first.order)
		p.IDNumber = ""
		_, given := personName(d, p.Male, p.Born.Year())
		if given == first.given {
			given = "晓" + string([]rune(given)[:1])
		}
		return p.renamed(given)
	},
	func(_ *Region, _, p *Patient) string { // day and month the wrong way round
		p.IDNumber = ""
		if d := p.Born; d.Day() <= 12 && d.Day() != int(d.Month()) {
			p.Born = time.Date(d.Year(), time.Month(d.Day()), int(d.Month()), 0, 0, 0, 0, d.Location())
		}
		return ""
	},
}

func (p *Patient) renamed(given string) string {
	p.given, p.Name = given, p.family+given
	return ""
}

func swapDigits(s string, at int) string {
	b := []byte(s)
	for ; at > 0; at-- {
		if b[at] != b[at-1] {
			b[at], b[at-1] = b[at-1], b[at]
			break
		}
	}
	return string(b)
}

// doubles are second records of patients at a hospital other than their own, each with a record of its own there.
func (r *Region) doubles() []*Patient {
	var hospitals []*Institution
	for _, id := range []string{"centre", "county-1", "partner-1", "centre", "partner-7"} {
		for _, in := range r.Institutions {
			if in.ID == id {
				hospitals = append(hospitals, in)
			}
		}
	}
	var list []*Patient
	for i := range r.Size.Doubles {
		at := 14 + i*7 // behind the first dozen, of whom the demo tells
		if at >= len(r.Patients) || len(hospitals) == 0 {
			break
		}
		first := r.Patients[at]
		in := hospitals[i%len(hospitals)]
		if in == first.Home || in.Parent != nil && in.Parent == first.Home.Parent {
			in = hospitals[(i+1)%len(hospitals)]
		}
		if in == first.Home {
			continue
		}
		p := *first
		p.ID, p.Home, p.order = first.ID+"-"+in.ID, in, first.order+100_000
		p.Illnesses = illnessesOf(r.dice("double", i), &p, r.Present)[:1]
		address := mistakes[i%len(mistakes)](r, first, &p)
		if address == "" {
			address = first.resource().Str("address[0].text")
		}
		p.typed = func(n *fhir.Node) {
			n.Set("address[0].text", address)
			var kept fhir.Arr
			for _, id := range n.All("identifier") { // insurance numbers are asked at the first visit only
				if id.Str("value") != "" && id.Str("system") != InsuranceID {
					kept = append(kept, id)
				}
			}
			n.Set("identifier", kept)
		}
		list = append(list, &p)
	}
	return list
}
