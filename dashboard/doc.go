// Package dashboard shows what goes on in an app in the browser: jobs, functions, workers,
// locks, logs and rates, live, and lets those act who are authorized.
//
//	ui := dashboard.Handler(app)
//	defer ui.Close()
//	http.Handle("/mn/", http.StripPrefix("/mn", ui))
//
// The handler works under any prefix, because its pages name each other relatively; only the
// dashboard's own root must end in a slash, to which it redirects. All it serves is embedded:
// pages load nothing from elsewhere.
//
// # Who may see and who may act
//
// Whoever reaches the handler sees everything: wrap it in the middleware that authenticates
// your users. Nobody may change anything unless [Authorize] is given, which is asked before
// every single action.
//
// # What it costs
//
// Nothing while nobody watches. An open page is read anew every half to five seconds,
// whatever the number of its watchers, and one sampler, shared by all pages that show
// counts, reads the definitions every two seconds, or up to ten where they are many. No page's cost grows with the number of stored
// runs. The plots' history is in this process's memory, begins when somebody looks, and is
// bounded: ten minutes, for 200 definitions.
package dashboard
