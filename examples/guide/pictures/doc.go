// Package pictures draws the pictures of docs/ as SVG: make docs writes them to docs/pictures,
// and a test fails if what is there is not what the code draws.
//
// What happens over time is drawn from real runs on the memory backend, inside a
// testing/synctest bubble, whose clock makes them the same each time; states come from the
// backend's transition table, bars from the tables of docs/benchmarks.md.
package pictures
