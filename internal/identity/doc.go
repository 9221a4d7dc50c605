// Package identity knows accounts, sessions and tokens: who is it.
package identity
