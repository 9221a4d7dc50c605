// Package hubtest gives tests a whole hub in memory.
package hubtest
