// Package referral sends a patient to the hospital that can help, and back home with a plan (双向转诊).
package referral
