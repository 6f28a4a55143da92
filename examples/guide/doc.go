// Package guide holds the Go code of docs/: every block there is cut from a file of these
// examples, where it compiles, and most of it runs in a test. A test says which block is not.
package guide
