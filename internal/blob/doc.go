// Package blob keeps files by the hash of their content.
package blob
