// Package beds is one pool of beds: what beds there are, who lies in them, what wards can bear, and whom to put where.
package beds
