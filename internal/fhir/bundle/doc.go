// Package bundle works out the order and the references of batch and transaction bundles.
package bundle
