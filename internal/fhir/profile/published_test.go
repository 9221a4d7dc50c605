package profile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/profile"
)

// publishedShelf has HL7's own R4 definitions: as published, and with nothing but their differentials.
func publishedShelf(t testing.TB) (snapshots, differentials *shelf, resources []*fhir.Node) {
	snapshots, differentials = newShelf(), newShelf()
	for _, e := range examples(t) {
		n, err := fhir.Parse(e.data)
		if err != nil {
			t.Fatal(err)
		}
		if n.Type() == "StructureDefinition" && n.Str("fhirVersion") == "4.0.1" {
			snapshots.definitions[n.Str("url")] = n
			bare := &fhir.Node{Kind: fhir.Object}
			for _, m := range n.Members {
				if m.Name != "snapshot" {
					bare.Members = append(bare.Members, m)
				}
			}
			differentials.definitions[n.Str("url")] = bare
		}
		if len(e.data) < 100_000 {
			resources = append(resources, n)
		}
	}
	return snapshots, differentials, resources
}

const core = "http://hl7.org/fhir/StructureDefinition/"

func TestPublishedProfiles(t *testing.T) {
	s, _, _ := publishedShelf(t)
	s.sets["http://hl7.org/fhir/ValueSet/ldlcholesterol-codes|4.0.1"] = map[string]bool{"http://loinc.org|18262-6": true}
	vital := func(code, rest string) string {
		return `{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],` +
			`"code":{"coding":[{"system":"http://loinc.org","code":"` + code + `"}]},"subject":{"reference":"Patient/p"},"effectiveDateTime":"2026-11-23"` + rest + `}`
	}
	quantity := func(code string) string {
		return `"valueQuantity":{"value":1,"unit":"x","system":"http://unitsofmeasure.org","code":"` + code + `"}`
	}
	part := func(code, unit string) string {
		return `{"code":{"coding":[{"system":"http://loinc.org","code":"` + code + `"}]},` + quantity(unit) + `}`
	}
	bp := func(parts ...string) string { return vital("85354-9", `,"component":[`+strings.Join(parts, ",")+`]`) }
	up, down := part("8480-6", "mm[Hg]"), part("8462-4", "mm[Hg]")
	bmi := vital("39156-5", `,`+quantity("kg/m2"))
	lipid := func(code, more string) string {
		return `{"resourceType":"Observation","id":"` + code + `","status":"final","code":` + loinc(code) + `,"referenceRange":[{"` + bound[code] + `":{"value":` + limit[code] + `}}]` + more + `}`
	}
	report := func(observations []string, refs ...string) string {
		var list []string
		for _, r := range refs {
			list = append(list, `{"reference":"#`+r+`"}`)
		}
		return `{"resourceType":"DiagnosticReport","status":"final","code":` + loinc("57698-3") + `,"contained":[` + strings.Join(observations, ",") + `],"result":[` + strings.Join(list, ",") + `]}`
	}
	three := []string{lipid("35200-5", ""), lipid("35217-9", ""), lipid("2085-9", "")}
	swap := strings.NewReplacer
	for _, group := range []struct {
		profile string
		trials  []trial
	}{
		{"bmi", []trial{
			{"as asked", bmi, "?valueset-unknown Observation.code"},
			{"no category", swap("vital-signs", "laboratory").Replace(bmi), "profile-min Observation.category, ?valueset-unknown Observation.code"},
			{"another code", swap("39156-5", "39156-6").Replace(bmi), "?valueset-unknown Observation.code, profile-min Observation.code.coding"},
			{"another unit", swap("kg/m2", "kg").Replace(bmi), "?valueset-unknown Observation.code, profile-fixed Observation.value.code"},
			{"no unit", swap(`"unit":"x",`, "").Replace(bmi), "?valueset-unknown Observation.code, profile-min Observation.value.unit"},
			{"not to the day", swap("2026-11-23", "2026-11").Replace(bmi), "?valueset-unknown Observation.code, invariant-vs-1 Observation.effective"},
			{"no subject", swap(`"subject":{"reference":"Patient/p"},`, "").Replace(bmi), "?valueset-unknown Observation.code, profile-min Observation.subject"},
			{"of a group", swap("Patient/p", "Group/p").Replace(bmi), "?valueset-unknown Observation.code, profile-target Observation.subject"},
			{"neither value nor reason", vital("39156-5", ""), "profile-min Observation.value, invariant-vs-2 Observation, ?valueset-unknown Observation.code"},
		}},
		{"bp", []trial{
			{"as asked", bp(up, down), "?valueset-unknown Observation.code, ?valueset-unknown Observation.component[0].value"},
			{"a half", bp(up, part("8867-4", "/min")), "profile-min Observation.component"},
			{"one alone", bp(up), "profile-min Observation.component"},
			{"another unit", bp(up, part("8462-4", "kPa")), "profile-fixed Observation.component[1].value.code"},
			{"twice", bp(up, up, down), "profile-max Observation.component"},
			{"a value beside the components", vital("85354-9", `,`+quantity("mm[Hg]")+`,"component":[`+up+`,`+down+`]`), "profile-max Observation.value"},
			{"without value and reason", bp(up, `{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]}}`), "invariant-vs-3 Observation.component[1]"},
		}},
		{"lipidprofile", []trial{
			{"as asked", report(three, "35200-5", "35217-9", "2085-9"), ""},
			{"out of order", report(three, "35217-9", "35200-5", "2085-9"), "slice-order DiagnosticReport.result[1]"},
			{"another result", report(append(slices.Clone(three), strings.Replace(three[0], "35200-5", "1-8", 2)), "35200-5", "35217-9", "2085-9", "1-8"), "slice-closed DiagnosticReport.result[3]"},
			{"a result that breaks its profile", report([]string{strings.Replace(three[0], "high", "low", 1), three[1], three[2]}, "35200-5", "35217-9", "2085-9"), "profile-target DiagnosticReport.result[0]"},
			{"too few", report(three[:2], "35200-5", "35217-9"), "profile-min DiagnosticReport.result"},
			{"a coded conclusion", strings.Replace(report(three, "35200-5", "35217-9", "2085-9"), `"contained"`, `"conclusionCode":[{"text":"x"}],"contained"`, 1), "profile-max DiagnosticReport.conclusionCode"},
		}},
		{"shareablecodesystem", []trial{
			{"as asked", `{"resourceType":"CodeSystem","url":"http://x","version":"1","name":"X","status":"active","experimental":false,"publisher":"x","description":"x","content":"complete","concept":[{"code":"a"}]}`, ""},
			{"nothing", `{"resourceType":"CodeSystem","status":"active","content":"complete"}`, "profile-min CodeSystem.url, profile-min CodeSystem.version, profile-min CodeSystem.name, profile-min CodeSystem.experimental, profile-min CodeSystem.publisher, profile-min CodeSystem.description, profile-min CodeSystem.concept"},
		}},
	} {
		for _, c := range group.trials {
			got := strings.Split(faults(profile.Check(parse(t, c.json), s, profile.Options{Profiles: []string{core + group.profile}})), ", ")
			want := strings.Split(c.want, ", ")
			for _, w := range want {
				if !slices.Contains(got, w) {
					t.Errorf("%s, %s: got %q; want %q in it", group.profile, c.name, got, w)
				}
			}
			for _, g := range got {
				if !slices.Contains(want, g) && !strings.HasPrefix(g, "?valueset-unknown") {
					t.Errorf("%s, %s: got %q; want only %q", group.profile, c.name, g, want)
				}
			}
		}
	}
}

// loinc writes codes as the lipid profiles fix them.
func loinc(code string) string {
	displays := map[string]string{"35200-5": "Cholesterol [Moles/\u200bvolume] in Serum or Plasma", "35217-9": "Triglyceride [Moles/\u200bvolume] in Serum or Plasma", "2085-9": "HDL Cholesterol",
		"57698-3": "Lipid panel with direct LDL - Serum or Plasma", "1-8": "x"}
	return `{"coding":[{"system":"http://loinc.org","code":"` + code + `","display":"` + displays[code] + `"}]}`
}

var bound = map[string]string{"35200-5": "high", "35217-9": "high", "2085-9": "low", "1-8": "high"}

// limit is what the profiles fix as the bound of the reference range.
var limit = map[string]string{"35200-5": "4.5", "35217-9": "2.0", "2085-9": "1.5", "1-8": "1"}

// A profile says the same by its differential as by its snapshot.
func TestDifferentialsSayWhatSnapshotsSay(t *testing.T) {
	s, d, resources := publishedShelf(t)
	checked, different := 0, 0
	for url, definition := range s.definitions {
		if definition.Str("derivation") != "constraint" || definition.Str("type") == "Extension" || len(definition.All("snapshot.element")) == 0 {
			continue
		}
		tried := 0
		for _, n := range resources {
			if n.Type() != definition.Str("type") {
				continue
			}
			if tried++; tried > 70 {
				break
			}
			checked++
			o := profile.Options{Profiles: []string{url}}
			a, b := faults(profile.Check(n, s, o)), faults(profile.Check(n, d, o))
			if sorted(a) != sorted(b) {
				if different++; different < 12 {
					t.Errorf("%s of %s:\nby the snapshot     %s\nby the differential %s", definition.ID(), n.ID(), sorted(a), sorted(b))
				}
			}
		}
	}
	t.Logf("%d checks, %d different", checked, different)
}

func sorted(list string) string {
	parts := strings.Split(list, ", ")
	slices.Sort(parts)
	return strings.Join(slices.Compact(parts), ", ")
}
