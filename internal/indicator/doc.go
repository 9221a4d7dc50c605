// Package indicator defines, evaluates and explains the numbers by which the work is judged.
package indicator
