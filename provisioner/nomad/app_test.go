package nomad_test

func serveApp() error { return nil }
