// Package greeting has the words.
package greeting

import "fmt"

// Of greets whoever is named.
func Of(name, version string, user int) string {
	return fmt.Sprintf("hello %s from %s as %d", name, version, user)
}
