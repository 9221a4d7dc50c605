package people

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Print the report for a person at a terminal; of the wrong joins the dozen commonest kinds.
func (r *Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "records\t%d\tpersons\t%d\tclusters\t%d\tlargest\t%d\n", r.Records, r.Persons, r.Clusters, r.Largest)
	fmt.Fprintf(t, "pairs\t%d\tjoined\t%d\tright\t%d\twrong\t%d\n", r.True, r.Joined, r.Right, r.Joined-r.Right)
	fmt.Fprintf(t, "precision\t%.5f\trecall\t%.4f\tF1\t%.4f\ttwins joined\t%d\n", r.Precision(), r.Recall(), r.F1(), r.Twins)
	fmt.Fprintf(t, "asked\t%d\tright\t%d\trecall with asked\t%.4f\tall answered\t%.4f\n", r.Queue, r.QueueRight, r.RecallWithQueue(), r.RecallAfterQueue())
	for _, list := range []struct {
		of    string
		parts []Part
	}{{"person", r.ByKind}, {"error", r.ByError}} {
		fmt.Fprintf(t, "\nby %s\tpairs\tjoined\twith asked\n", list.of)
		for _, p := range list.parts {
			fmt.Fprintf(t, "%s\t%d\t%.4f\t%.4f\n", p.Name, p.Pairs, ratio(p.Found, p.Pairs), ratio(p.WithQueues, p.Pairs))
		}
	}
	if len(r.Wrong) > 0 {
		fmt.Fprintf(t, "\nwrongly joined\tpairs\n")
		for _, p := range r.Wrong[:min(12, len(r.Wrong))] {
			fmt.Fprintf(t, "%s\t%d\n", p.Name, p.Pairs)
		}
	}
	return t.Flush()
}
