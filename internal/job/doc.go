// Package job runs work at a business time, once, also after a crash.
package job
