// Package engine answers chess questions for the chess example: which moves
// are legal, how good a position is, and which move a given strategy prefers.
//
// Five strategies share one search (iterative-deepening alpha-beta with a
// quiescence search) and differ in how they judge a position. [Search] runs one
// of them and re-scores its choice with a referee evaluation common to all, so
// that the suggestions of different strategies can be compared.
//
// Every function is a pure function of its arguments and safe for concurrent
// use. The same request always gives the same answer: work is bounded by a
// number of nodes, never by a clock.
//
// # Speed
//
// Legal moves come from github.com/corentings/chess/v2, whose generator
// allocates for every position; it, not the evaluation, takes three quarters of
// the time. One core visits some 100,000 to 140,000 nodes a second, a slow one
// half as many, and [DefaultNodes] is chosen for that pace. A generator that makes and unmakes moves in place would search far
// deeper in the same time.
package engine
