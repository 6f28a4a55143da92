// Package browser tests the dashboard in a real browser, headless Chromium. It is a module
// of its own, so that what drives the browser never reaches a user of the library.
//
// Without Chromium the tests are skipped, unless MN_REQUIRE names it. MN_CHROMIUM is the
// program, if it is not in the path. Screenshots of every page go to the folder that
// MN_SCREENSHOTS names, by default internal/browser/screenshots.
package browser
