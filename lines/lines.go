// Package lines lists the service lines of the network; this is the only registration.
package lines
